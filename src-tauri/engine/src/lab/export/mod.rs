//! A whole checkpoint with changed heads, as open_clip reads it.
//!
//! [`plan`] says for each tower how its head can be written: under the old keys, with the bias folded into the norm in
//! front, with another field in the configuration, or not at all and why. [`write()`] copies every other tensor byte for
//! byte from the checkpoint that the model was read from.
//!
//! open_clip is followed at 3.3.0: `transformer.py:690-720` and `:1024-1030`, `timm_model.py:52-101`,
//! `hf_model.py:141-150`.

mod fold;
mod places;
mod write;

use serde_json::Value;

use self::places::{Place, Placed, Tower};
pub use self::{
    fold::{Fold, MAX_SHARE, fold},
    write::{Copied, ExportError, write},
};
use super::{Head, file::Scores};
use crate::{
    analysis::{AnalysisError, Matrix},
    checkpoint::{Checkpoint, Layout, Model, read_json},
    clip::{
        ScoreKind,
        config::{ClipConfig, TextTowerConfig, VisionTowerConfig},
        text::{TextConfig, TextPool},
        transformers::read_config,
    },
    inspect::TensorFile,
    projection::{Affine, AffineBefore, Projection},
    weights::{KeyTable, Source, open_clip_keys},
};

/// How one tower's head comes into a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub enum SidePlan {
    /// It is the checkpoint's own.
    Unchanged,
    /// New numbers under the old keys.
    Weights,
    /// The bias goes into the norm in front: β + W⁺b.
    Folded {
        /// Key of the shift in the file, such as `visual.ln_post.bias`.
        key: String,
        /// ‖b − W W⁺ b‖, what is lost.
        residual: f64,
        /// The same as a share of ‖b‖.
        share: f64,
    },
    /// The configuration says something else, and then open_clip reads what is written.
    Field {
        /// The keys below `model_cfg` that change, such as `vision_cfg.timm_proj_bias`, with a comma between them.
        field: String,
    },
    /// It cannot be written so that open_clip gives the same.
    Refused(Refusal),
}

/// Why a head cannot be in a checkpoint.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The tower has no option for a bias, and there is nothing in front of the head that could take it.
    #[error("{tower} has no option for a bias, and {}", .norm.as_ref().map_or(
        "no norm in front of it could take it".to_owned(),
        |norm| format!("its norm {norm} also feeds the caption decoder")
    ))]
    NoBias {
        /// The tower, in words.
        tower: &'static str,
        /// Key of the norm that could take it if nothing else read it.
        norm: Option<String>,
    },
    /// The norm in front cannot take the bias without a loss.
    #[error("{tower} has no option for a bias, and folded into {norm} a share of {share:.1e} of it would be lost")]
    Residual {
        /// The tower, in words.
        tower: &'static str,
        /// Key of the norm.
        norm: String,
        /// ‖b − W W⁺ b‖.
        residual: f64,
        /// The same as a share of ‖b‖.
        share: f64,
    },
    /// The tower has no option for a head of this form.
    #[error("{tower} has no option for {form}")]
    Form {
        /// The tower, in words.
        tower: &'static str,
        /// The form of the head, in words.
        form: &'static str,
    },
    /// An MLP of another size than open_clip makes.
    #[error("{tower} has an MLP with {expected} numbers between its layers, not {found}")]
    Hidden {
        /// The tower, in words.
        tower: &'static str,
        /// What open_clip makes.
        expected: usize,
        /// What the head has.
        found: usize,
    },
    /// A model trained with a softmax has no number that is added to logits.
    #[error("the model was trained with a softmax, so it has no place for a logit bias")]
    LogitBias,
    /// The joint space would be of another size than the other tower's.
    #[error("the head has {found} outputs, the joint space has {expected}")]
    JointSize {
        /// Size of the joint space.
        expected: usize,
        /// Outputs of the head.
        found: usize,
    },
}

/// A tensor that is put into the new file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewTensor {
    key: String,
    shape: Vec<usize>,
    values: Vec<f64>,
}

/// What exporting two heads comes to. It has all that [`write()`] needs, so the model can go on computing.
#[derive(Debug, Clone)]
pub struct ExportPlan {
    /// Pictures.
    pub image: SidePlan,
    /// Texts.
    pub text: SidePlan,
    /// Bytes of the weights file with all towers; the other files are small.
    pub checkpoint_bytes: u64,
    /// Bytes of the numbers of both heads alone, as [`super::file::write_heads`] writes them.
    pub heads_bytes: u64,
    checkpoint: Checkpoint,
    score_kind: ScoreKind,
    /// Whether an old text tower gets its prefix, as it does when the model is read.
    prefixed_text: bool,
    config: Value,
    is_config_changed: bool,
    dropped: Vec<String>,
    added: Vec<NewTensor>,
}

impl ExportPlan {
    /// Why it cannot be written, if so.
    pub fn refusal(&self) -> Option<&Refusal> {
        [&self.image, &self.text].into_iter().find_map(|side| match side {
            SidePlan::Refused(refusal) => Some(refusal),
            _ => None,
        })
    }

    /// The same with other scores.
    ///
    /// # Errors
    /// If the model has no place for a bias, or its weights file cannot be read.
    pub fn scored(mut self, scores: Scores) -> Result<Self, ExportError> {
        if scores.logit_bias.is_some() && self.score_kind == ScoreKind::Softmax {
            return Err(Refusal::LogitBias.into());
        }
        let tensors = TensorFile::of(&self.checkpoint)?;
        for (key, value) in scores.stored() {
            // Some writers have one number in a row, others a bare one.
            let shape = tensors.find(key).map_or_else(Vec::new, |info| info.shape);
            self.added.push(NewTensor { key: key.into(), shape, values: vec![value] });
        }
        self.checkpoint_bytes = write::weights_bytes(&self)?;
        Ok(self)
    }
}

/// How these heads would come into a copy of the checkpoint that `model` was read from.
pub fn plan(model: &Model, image: &Head, text: &Head) -> Result<ExportPlan, ExportError> {
    let (config, checkpoint) = (&model.config, &model.checkpoint);
    let mut json = match &checkpoint.known_config {
        Some(json) => json.clone(),
        None => read_json(checkpoint.files, &checkpoint.config)?,
    };
    let keys = match checkpoint.layout {
        Layout::OpenClip => open_clip_keys as KeyTable,
        Layout::Transformers => read_config(&json, &checkpoint.config, None)?.1,
    };
    let image_side = Side {
        tower: image_tower(config, checkpoint.layout),
        projection: model.clip.image_projection(),
        // The caption decoder of CoCa reads all tokens of the norm (`coca_model.py`, `_encode_image`).
        is_norm_shared: config.caption_decoder,
        keys,
    };
    let text_side = Side {
        tower: text_tower(config, checkpoint.layout),
        projection: model.clip.text_projection(),
        // Its text tokens come from before the norm if there is a token for the whole text, and from behind it otherwise.
        is_norm_shared: config.caption_decoder && !has_text_token(&config.text),
        keys,
    };
    let (image_plan, image_change) = image_side.plan(image)?;
    let (text_plan, text_change) = text_side.plan(text)?;
    let mut plan = ExportPlan {
        image: image_plan,
        text: text_plan,
        checkpoint_bytes: 0,
        heads_bytes: [image, text].into_iter().map(head_bytes).sum(),
        checkpoint: checkpoint.clone(),
        score_kind: config.score_kind,
        prefixed_text: config.text_projection.key.starts_with("text."),
        config: Value::Null,
        is_config_changed: false,
        dropped: Vec::new(),
        added: Vec::new(),
    };
    for change in [image_change, text_change] {
        plan.is_config_changed |= !change.fields.is_empty();
        for (section, key, value) in change.fields {
            json["model_cfg"][section][key] = value;
        }
        plan.dropped.extend(change.dropped);
        plan.added.extend(change.added);
    }
    plan.config = json;
    plan.checkpoint_bytes = write::weights_bytes(&plan)?;
    Ok(plan)
}

fn head_bytes(head: &Head) -> u64 {
    let count = |map: &super::Map| map.weight.values().len() + map.bias.as_ref().map_or(0, Vec::len);
    head.maps().iter().map(count).sum::<usize>() as u64 * 4
}

fn image_tower(config: &ClipConfig, layout: Layout) -> Tower {
    match (layout, &config.vision) {
        (Layout::Transformers, _) => Tower::Transformers,
        (Layout::OpenClip, VisionTowerConfig::Vit(_)) => Tower::Vit,
        (Layout::OpenClip, VisionTowerConfig::ResNet(_)) => Tower::ResNet,
        (Layout::OpenClip, _) => Tower::Timm,
    }
}

fn text_tower(config: &ClipConfig, layout: Layout) -> Tower {
    match (layout, &config.text) {
        (Layout::Transformers, _) => Tower::Transformers,
        (Layout::OpenClip, TextTowerConfig::Native(_)) => Tower::Text,
        (Layout::OpenClip, _) => Tower::HfText,
    }
}

fn has_text_token(config: &TextTowerConfig) -> bool {
    matches!(config, TextTowerConfig::Native(TextConfig { pool: TextPool::Behind { .. }, .. }))
}

/// One tower and the head that its checkpoint has.
struct Side<'a> {
    tower: Tower,
    projection: &'a Projection,
    is_norm_shared: bool,
    keys: KeyTable,
}

impl Side<'_> {
    fn plan(&self, head: &Head) -> Result<(SidePlan, Placed), AnalysisError> {
        let config = self.projection.config();
        let own = without_zero_biases(&Head::of(self.projection)?)?;
        let head = without_zero_biases(&head.for_form(&config.form))?;
        if head == own {
            return Ok((SidePlan::Unchanged, Placed::default()));
        }
        if head.output_dim() != config.output_dim {
            let refusal = Refusal::JointSize { expected: config.output_dim, found: head.output_dim() };
            return Ok((SidePlan::Refused(refusal), Placed::default()));
        }
        let maps = self.projection.maps();
        let place = Place { tower: self.tower, config, maps: &maps };
        let direct = place.of(&head);
        if let Ok(placed) = &direct
            && placed.fields.is_empty()
        {
            return Ok((SidePlan::Weights, placed.clone()));
        }
        let folded = self.folded(&head)?;
        let placed_folded = match &folded {
            Some((_, fold, rest)) if fold.is_exact() => place.of(rest).ok(),
            _ => None,
        };
        Ok(match (direct, placed_folded, folded) {
            (direct, Some(mut placed), Some((key, fold, _))) if placed.fields.is_empty() || direct.is_err() => {
                placed.added.push(NewTensor { key: key.clone(), shape: vec![fold.beta.len()], values: fold.beta });
                let plan = match placed.field() {
                    Some(field) => SidePlan::Field { field },
                    None => SidePlan::Folded { key, residual: fold.residual, share: fold.share },
                };
                (plan, placed)
            }
            (Ok(placed), ..) => (SidePlan::Field { field: placed.field().unwrap_or_default() }, placed),
            (Err(refusal), _, folded) => (SidePlan::Refused(self.explained(refusal, folded)), Placed::default()),
        })
    }

    /// The bias of the first map in the norm in front, and the head without it. None if there is no bias, no norm, or
    /// one that something else reads too.
    ///
    /// A norm in front of a mean over tokens counts, because the mean keeps its shift.
    fn folded(&self, head: &Head) -> Result<Option<(String, Fold, Head)>, AnalysisError> {
        let (Some(norm), Some(first)) = (self.norm(), head.maps().first()) else { return Ok(None) };
        let (Affine { gamma: Some(gamma), beta, .. }, Some(bias)) = (norm, &first.bias) else { return Ok(None) };
        // A tensor in pieces is no norm's.
        let Source::Named(key) = (self.keys)(&format!("{}.bias", norm.key)) else { return Ok(None) };
        if self.is_norm_shared {
            return Ok(None);
        }
        let folded = fold(&first.weight, bias, gamma, beta)?;
        let mut maps = head.maps().to_vec();
        maps[0].bias = None;
        Ok(Some((key, folded, Head::new(head.input_dim(), maps)?)))
    }

    fn norm(&self) -> Option<&Affine> {
        let is_norm = matches!(self.projection.config().affine_before, Some(AffineBefore::Norm(_)));
        self.projection.affine_before().filter(|_| is_norm)
    }

    /// A refusal of a bias says what stands in the way of folding it.
    fn explained(&self, refusal: Refusal, folded: Option<(String, Fold, Head)>) -> Refusal {
        match (refusal, folded) {
            (Refusal::NoBias { tower, .. }, Some((norm, fold, _))) if !fold.is_exact() => {
                Refusal::Residual { tower, norm, residual: fold.residual, share: fold.share }
            }
            (Refusal::NoBias { tower, .. }, None) if self.is_norm_shared => {
                Refusal::NoBias { tower, norm: self.norm().map(|norm| norm.key.clone()) }
            }
            (refusal, _) => refusal,
        }
    }
}

/// A bias of zeros is no bias: then a head without one is the same, wherever the tower keeps a tensor for it.
fn without_zero_biases(head: &Head) -> Result<Head, AnalysisError> {
    let mut maps = head.maps().to_vec();
    for map in &mut maps {
        map.bias = map.bias.take().filter(|bias| bias.iter().any(|value| *value != 0.0));
    }
    Head::new(head.input_dim(), maps)
}

impl NewTensor {
    fn matrix(key: String, matrix: &Matrix) -> Self {
        Self { key, shape: matrix.shape().to_vec(), values: matrix.values().to_vec() }
    }

    fn vector(key: String, values: Vec<f64>) -> Self {
        Self { key, shape: vec![values.len()], values }
    }
}
