//! The projection: from a tower's pooled feature to the joint space of pictures and words.
//!
//! It is a type of its own because it is what Cliploupe is about. A tower ends at the pooled feature; everything after
//! that, bias or none, linear or MLP, is here, with the affine layer in front of it, whose shift β makes even a
//! projection without a bias affine: `W(γ⊙x̂ + β) = (W·diag γ)x̂ + Wβ`.

use burn::tensor::{Tensor, activation, assert_shape};

use serde::Serialize;

use crate::{
    device::read,
    error::LoadError,
    layers::Linear,
    probe::Probe,
    weights::{Source, Weights},
};

/// How a linear map is stored. A square matrix does not tell, so this comes from the key table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// `x @ W`, stored `[in, out]` under the bare key.
    InOut,
    /// `W x`, an `nn.Linear`, stored `[out, in]` under `KEY.weight`.
    OutIn,
}

/// The form of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// One matrix.
    Linear {
        /// How it is stored.
        orientation: Orientation,
        /// Whether the checkpoint has a bias of its own.
        bias: bool,
    },
    /// Two matrices with an exact GELU between them.
    Mlp {
        /// Keys of the two layers, below the head's key.
        layers: [&'static str; 2],
        /// Size between them.
        hidden: usize,
        /// Which of the two has a bias.
        biases: [bool; 2],
    },
    /// None: the tower's output is the embedding.
    Identity,
}

/// What shifts the pooled feature right before the projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AffineBefore {
    /// A LayerNorm with this key, whose output, or the mean of it over tokens, is the pooled feature.
    Norm(String),
    /// The bias with this key of the values of an attention pool: its weights sum to 1, so the shift passes through.
    Values(String),
}

/// What a projection looks like, before its weights are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionConfig {
    /// open_clip's key, such as `visual.proj`.
    pub key: String,
    /// The form.
    pub form: Form,
    /// Size of the pooled feature.
    pub input_dim: usize,
    /// Size of the joint space.
    pub output_dim: usize,
    /// What shifts the pooled feature, where that is known.
    pub affine_before: Option<AffineBefore>,
}

/// Scale and shift of what is in front of a projection.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    /// Key of the norm, or of the bias.
    pub key: String,
    /// Scale of a norm, `[input_dim]`.
    pub gamma: Option<Vec<f32>>,
    /// Shift, `[input_dim]`.
    pub beta: Vec<f32>,
}

/// One linear map of a head, on the host, with exactly the numbers of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearMap {
    /// Key of the weight in the file, which in transformers' layout is not open_clip's.
    pub key: String,
    /// How the file has it.
    pub orientation: Orientation,
    /// `[input, output]`.
    pub dims: [usize; 2],
    /// As it is used, `x @ W + b`: `[input, output]`, row-major, whatever the file's orientation.
    pub weight: Vec<f32>,
    /// `[output]`, if the checkpoint has one.
    pub bias: Option<Vec<f32>>,
}

impl LinearMap {
    /// The shape in the file.
    pub fn stored_shape(&self) -> [usize; 2] {
        let [input, output] = self.dims;
        match self.orientation {
            Orientation::InOut => [input, output],
            Orientation::OutIn => [output, input],
        }
    }
}

#[derive(Debug)]
enum Head {
    Linear(Linear),
    Mlp(Linear, Linear),
    Identity,
}

/// A projection with its weights.
#[derive(Debug)]
pub struct Projection {
    config: ProjectionConfig,
    head: Head,
    /// Key and orientation in the file, one per linear map of the head.
    places: Vec<(String, Orientation)>,
    affine_before: Option<Affine>,
}

impl Projection {
    /// Reads the head and the norm in front of it.
    pub fn load(weights: &Weights, config: &ProjectionConfig) -> Result<Self, LoadError> {
        let ProjectionConfig { key, form, input_dim, output_dim, affine_before } = config;
        let head = match form {
            Form::Identity => Head::Identity,
            Form::Linear { orientation: Orientation::InOut, .. } => {
                Head::Linear(weights.matrix(key, *input_dim, *output_dim)?)
            }
            Form::Linear { orientation: Orientation::OutIn, bias } => {
                Head::Linear(weights.linear(key, *input_dim, *output_dim, *bias)?)
            }
            Form::Mlp { layers: [first, second], hidden, biases } => Head::Mlp(
                weights.linear(&format!("{key}.{first}"), *input_dim, *hidden, biases[0])?,
                weights.linear(&format!("{key}.{second}"), *hidden, *output_dim, biases[1])?,
            ),
        };
        let affine = |before: &AffineBefore| -> Result<Affine, LoadError> {
            let read = |key: &str| weights.values(key, &[*input_dim]);
            Ok(match before {
                AffineBefore::Norm(norm) => Affine {
                    key: norm.clone(),
                    gamma: Some(read(&format!("{norm}.weight"))?),
                    beta: read(&format!("{norm}.bias"))?,
                },
                AffineBefore::Values(bias) => Affine { key: bias.clone(), gamma: None, beta: read(bias)? },
            })
        };
        let places = match form {
            Form::Identity => Vec::new(),
            Form::Linear { orientation: Orientation::InOut, .. } => vec![place(weights, key, Orientation::InOut)],
            Form::Linear { orientation: Orientation::OutIn, .. } => {
                vec![place(weights, &format!("{key}.weight"), Orientation::OutIn)]
            }
            Form::Mlp { layers, .. } => {
                layers.map(|layer| place(weights, &format!("{key}.{layer}.weight"), Orientation::OutIn)).to_vec()
            }
        };
        let affine_before = affine_before.as_ref().map(affine).transpose()?;
        Ok(Self { affine_before, places, head, config: config.clone() })
    }

    /// # Shapes
    /// - pooled: `[batch, input_dim]`
    /// - output: `[batch, output_dim]`, in the joint space, not normalised
    pub fn forward(&self, pooled: Tensor<2>) -> Tensor<2> {
        self.forward_seen(pooled, &mut Probe::off())
    }

    /// As [`Self::forward`]; the probe sees what is between the two layers of an MLP.
    pub fn forward_seen(&self, pooled: Tensor<2>, probe: &mut Probe) -> Tensor<2> {
        let [batch, _] = pooled.dims();
        let out = match &self.head {
            Head::Linear(linear) => linear.forward(pooled),
            Head::Mlp(first, second) => {
                let hidden = first.forward(pooled);
                probe.see(|| format!("{}.hidden", self.config.key), &hidden);
                let active = activation::gelu(hidden);
                probe.see(|| format!("{}.active", self.config.key), &active);
                second.forward(active)
            }
            Head::Identity => pooled,
        };
        assert_shape!(out, [batch, self.config.output_dim]);
        out
    }

    /// Key, form and sizes.
    pub fn config(&self) -> &ProjectionConfig {
        &self.config
    }

    /// Whether the checkpoint has a bias in the last linear map.
    pub fn has_bias(&self) -> bool {
        match &self.head {
            Head::Linear(last) | Head::Mlp(_, last) => last.bias().is_some(),
            Head::Identity => false,
        }
    }

    /// The linear maps of the head, first to last: one, two in an MLP, none if the head is the identity.
    ///
    /// # Panics
    /// If the device was lost, as [`read`] does.
    pub fn maps(&self) -> Vec<LinearMap> {
        let linears: &[&Linear] = match &self.head {
            Head::Linear(linear) => &[linear],
            Head::Mlp(first, second) => &[first, second],
            Head::Identity => &[],
        };
        let map = |(linear, (key, orientation)): (&&Linear, &(String, Orientation))| {
            let weight = linear.weight();
            LinearMap {
                key: key.clone(),
                orientation: *orientation,
                dims: weight.dims(),
                weight: read(weight),
                bias: linear.bias().map(read),
            }
        };
        linears.iter().zip(&self.places).map(map).collect()
    }

    /// What shifts the pooled feature, where that is known.
    pub fn affine_before(&self) -> Option<&Affine> {
        self.affine_before.as_ref()
    }
}

/// Where the file keeps the weight that open_clip calls `name` and stores in `orientation`.
fn place(weights: &Weights, name: &str, orientation: Orientation) -> (String, Orientation) {
    match weights.place_of(name) {
        Source::Named(key) | Source::Squeezed(key) | Source::Thirds(key, _) => (key, orientation),
        Source::Transposed(key) => match orientation {
            Orientation::InOut => (key, Orientation::OutIn),
            Orientation::OutIn => (key, Orientation::InOut),
        },
        Source::Stacked(keys) => (keys.join(" + "), orientation),
    }
}
