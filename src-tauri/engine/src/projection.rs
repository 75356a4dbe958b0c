//! The projection: from a tower's pooled feature to the joint space of pictures and words.
//!
//! It is a type of its own because it is what Cliploupe is about. A tower ends at the pooled feature; everything after
//! that, bias or none, linear or MLP, is here, with the affine layer in front of it, whose shift β makes even a
//! projection without a bias affine: `W(γ⊙x̂ + β) = (W·diag γ)x̂ + Wβ`.

use burn::{
    nn::Linear,
    tensor::{Tensor, activation, assert_shape},
};

use crate::{error::LoadError, weights::Weights};

/// How the last linear map of a head is stored. A square matrix does not tell, so this comes from the key table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Key of the LayerNorm whose output, or the mean of it over tokens, is the pooled feature.
    pub affine_before: Option<String>,
}

/// Scale and shift of the LayerNorm in front of a projection.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    /// Key of the norm.
    pub key: String,
    /// Scale, `[input_dim]`.
    pub gamma: Vec<f32>,
    /// Shift, `[input_dim]`.
    pub beta: Vec<f32>,
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
        let affine = |norm: &String| -> Result<Affine, LoadError> {
            Ok(Affine {
                key: norm.clone(),
                gamma: weights.values(&format!("{norm}.weight"), &[*input_dim])?,
                beta: weights.values(&format!("{norm}.bias"), &[*input_dim])?,
            })
        };
        Ok(Self { affine_before: affine_before.as_ref().map(affine).transpose()?, head, config: config.clone() })
    }

    /// # Shapes
    /// - pooled: `[batch, input_dim]`
    /// - output: `[batch, output_dim]`, in the joint space, not normalised
    pub fn forward(&self, pooled: Tensor<2>) -> Tensor<2> {
        let [batch, _] = pooled.dims();
        let out = match &self.head {
            Head::Linear(linear) => linear.forward(pooled),
            Head::Mlp(first, second) => second.forward(activation::gelu(first.forward(pooled))),
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
            Head::Linear(last) | Head::Mlp(_, last) => last.bias.is_some(),
            Head::Identity => false,
        }
    }

    /// The LayerNorm in front, where there is one.
    pub fn affine_before(&self) -> Option<&Affine> {
        self.affine_before.as_ref()
    }
}
