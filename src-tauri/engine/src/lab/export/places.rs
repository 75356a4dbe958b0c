//! Where each kind of tower keeps a head, and which fields of the configuration change that.

use serde_json::{Value, json};

use super::{NewTensor, Refusal};
use crate::{
    lab::{Head, Map},
    projection::{Form, LinearMap, Orientation, ProjectionConfig},
};

/// Towers that keep their heads in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tower {
    /// open_clip's vision transformer: one bare matrix.
    Vit,
    /// OpenAI's ResNet: the last map of the attention pool, with a bias.
    ResNet,
    /// timm's: a head around the trunk, or the trunk's own classifier.
    Timm,
    /// open_clip's text transformer: a bare matrix, or an `nn.Linear` with a bias.
    Text,
    /// A text encoder of transformers in open_clip's layout: one or two maps without a bias.
    HfText,
    /// Any tower in transformers' own layout, where no field changes the head.
    Transformers,
}

impl Tower {
    fn words(self) -> &'static str {
        match self {
            Self::Vit => "open_clip's vision transformer",
            Self::ResNet => "the ResNet",
            Self::Timm => "an image tower of timm",
            Self::Text => "open_clip's text transformer",
            Self::HfText => "a text tower of transformers",
            Self::Transformers => "a model in transformers' layout",
        }
    }
}

/// What a head changes in a checkpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Placed {
    /// Keys that are left out.
    pub dropped: Vec<String>,
    /// Tensors that are put in; a key that is there is replaced.
    pub added: Vec<NewTensor>,
    /// Section and key below `model_cfg`, and the new value.
    pub fields: Vec<(&'static str, &'static str, Value)>,
}

impl Placed {
    /// The fields that change, as a person would look for them.
    pub fn field(&self) -> Option<String> {
        let names: Vec<_> = self.fields.iter().map(|(section, key, _)| format!("{section}.{key}")).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// The place of a tower's own head.
pub(super) struct Place<'a> {
    pub tower: Tower,
    pub config: &'a ProjectionConfig,
    /// As the file has them.
    pub maps: &'a [LinearMap],
}

impl Place<'_> {
    /// Where a head with at least one map goes, and what has to change for it.
    pub fn of(&self, head: &Head) -> Result<Placed, Refusal> {
        match (&self.config.form, head.maps()) {
            (Form::Linear { bias, .. }, [map]) => self.linear(map, *bias),
            (Form::Mlp { hidden, biases, .. }, [first, second]) if first.weight.shape()[0] == *hidden => {
                self.mlp([first, second], *biases)
            }
            (_, [map]) => self.other_linear(map),
            (_, [first, second]) => self.other_mlp([first, second]),
            (_, _) => Err(self.form("no projection at all")),
        }
    }

    /// A matrix in the place of a matrix.
    fn linear(&self, map: &Map, has_bias: bool) -> Result<Placed, Refusal> {
        let own = &self.maps[0];
        let mut placed = Placed { added: vec![stored(&own.key, own.orientation, map)], ..Placed::default() };
        match (&map.bias, self.tower) {
            (bias, _) if has_bias => placed.added.push(bias_of(&own.key, bias.as_deref(), map)),
            (None, _) => {}
            (bias, Tower::Timm) => {
                placed.added.push(bias_of(&own.key, bias.as_deref(), map));
                placed.fields.push(("vision_cfg", "timm_proj_bias", json!(true)));
            }
            // With a bias the bare matrix becomes an `nn.Linear`, which is stored the other way round.
            (bias, Tower::Text) => {
                let key = format!("{}.weight", self.config.key);
                let added = vec![stored(&key, Orientation::OutIn, map), bias_of(&key, bias.as_deref(), map)];
                let fields = vec![("text_cfg", "proj_bias", json!(true))];
                placed = Placed { dropped: vec![own.key.clone()], added, fields };
            }
            (Some(_), _) => return Err(self.no_bias()),
        }
        Ok(placed)
    }

    /// An MLP in the place of an MLP of the same size.
    fn mlp(&self, maps: [&Map; 2], has_bias: [bool; 2]) -> Result<Placed, Refusal> {
        let mut placed = Placed::default();
        for (at, ((map, own), has_bias)) in maps.into_iter().zip(self.maps).zip(has_bias).enumerate() {
            placed.added.push(stored(&own.key, own.orientation, map));
            let is_switched = !has_bias && map.bias.is_some();
            if is_switched && !(self.tower == Tower::Timm && at == 1) {
                return Err(self.no_bias());
            }
            if is_switched {
                placed.fields.push(("vision_cfg", "timm_proj_bias", json!(true)));
            }
            if has_bias || is_switched {
                placed.added.push(bias_of(&own.key, map.bias.as_deref(), map));
            }
        }
        Ok(placed)
    }

    /// A matrix where the checkpoint has an MLP or nothing.
    fn other_linear(&self, map: &Map) -> Result<Placed, Refusal> {
        let has_bias = map.bias.is_some();
        let (key, orientation, fields) = match self.tower {
            Tower::Timm => {
                let fields = vec![("timm_proj", json!("linear")), ("timm_proj_bias", json!(has_bias))];
                ("visual.head.proj.weight".to_owned(), Orientation::OutIn, in_section("vision_cfg", fields))
            }
            Tower::HfText if has_bias => return Err(self.no_bias()),
            Tower::HfText => {
                let fields = in_section("text_cfg", vec![("hf_proj_type", json!("linear"))]);
                ("text.proj.weight".to_owned(), Orientation::OutIn, fields)
            }
            Tower::Text => {
                let fields =
                    in_section("text_cfg", vec![("proj_type", json!("linear")), ("proj_bias", json!(has_bias))]);
                match has_bias {
                    true => (format!("{}.weight", self.config.key), Orientation::OutIn, fields),
                    false => (self.config.key.clone(), Orientation::InOut, fields),
                }
            }
            Tower::Vit | Tower::ResNet | Tower::Transformers => return Err(self.form("a matrix in this place")),
        };
        let mut added = vec![stored(&key, orientation, map)];
        added.extend(has_bias.then(|| bias_of(&key, map.bias.as_deref(), map)));
        Ok(Placed { dropped: self.own_keys(), added, fields })
    }

    /// An MLP where the checkpoint has a matrix, nothing, or an MLP of another size.
    fn other_mlp(&self, maps: [&Map; 2]) -> Result<Placed, Refusal> {
        let ProjectionConfig { input_dim, output_dim, .. } = *self.config;
        let has_bias = maps.map(|map| map.bias.is_some());
        let (keys, hidden, biases, fields) = match self.tower {
            // The first map always has a bias.
            Tower::Timm => {
                let fields = vec![("timm_proj", json!("mlp")), ("timm_proj_bias", json!(has_bias[1]))];
                let keys = ["visual.head.mlp.fc1.weight", "visual.head.mlp.fc2.weight"];
                (keys, 2 * output_dim, [true, has_bias[1]], in_section("vision_cfg", fields))
            }
            Tower::HfText if has_bias.contains(&true) => return Err(self.no_bias()),
            Tower::HfText => {
                let fields = in_section("text_cfg", vec![("hf_proj_type", json!("mlp"))]);
                (["text.proj.0.weight", "text.proj.2.weight"], (input_dim + output_dim) / 2, [false; 2], fields)
            }
            Tower::Vit | Tower::ResNet | Tower::Text | Tower::Transformers => return Err(self.form("an MLP")),
        };
        let found = maps[0].weight.shape()[0];
        if found != hidden {
            return Err(Refusal::Hidden { tower: self.tower.words(), expected: hidden, found });
        }
        let mut added = Vec::new();
        for ((map, key), has_bias) in maps.into_iter().zip(keys).zip(biases) {
            added.push(stored(key, Orientation::OutIn, map));
            added.extend(has_bias.then(|| bias_of(key, map.bias.as_deref(), map)));
        }
        Ok(Placed { dropped: self.own_keys(), added, fields })
    }

    /// The keys of the checkpoint's own head.
    fn own_keys(&self) -> Vec<String> {
        let of = |map: &LinearMap| [Some(map.key.clone()), map.bias.as_ref().map(|_| bias_key(&map.key))];
        self.maps.iter().flat_map(of).flatten().collect()
    }

    fn no_bias(&self) -> Refusal {
        Refusal::NoBias { tower: self.tower.words(), norm: None }
    }

    fn form(&self, form: &'static str) -> Refusal {
        Refusal::Form { tower: self.tower.words(), form }
    }
}

type Fields = Vec<(&'static str, &'static str, Value)>;

fn in_section(section: &'static str, fields: Vec<(&'static str, Value)>) -> Fields {
    fields.into_iter().map(|(key, value)| (section, key, value)).collect()
}

fn stored(key: &str, orientation: Orientation, map: &Map) -> NewTensor {
    match orientation {
        Orientation::OutIn => NewTensor::matrix(key.to_owned(), &map.weight),
        Orientation::InOut => NewTensor::matrix(key.to_owned(), &map.weight.transposed()),
    }
}

/// The bias beside a weight; zeros where the tower keeps one and the head has none.
fn bias_of(weight_key: &str, bias: Option<&[f64]>, map: &Map) -> NewTensor {
    let values = bias.map_or_else(|| vec![0.0; map.weight.shape()[0]], <[f64]>::to_vec);
    NewTensor::vector(bias_key(weight_key), values)
}

fn bias_key(weight_key: &str) -> String {
    format!("{}.bias", weight_key.trim_end_matches(".weight"))
}
