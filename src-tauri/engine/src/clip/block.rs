//! The transformer block that open_clip's native towers share: pre-norm attention, then an MLP.
//! Follows open_clip `transformer.py`, `ResidualAttentionBlock`, at commit 89fb801f.

use burn::{
    nn::{LayerNorm, Linear},
    tensor::{Bool, Device, Tensor, activation, assert_shape, module::attention, ops::AttentionModuleOptions},
};

use crate::{error::LoadError, weights::Weights};

/// The nonlinearity of an MLP. Which one is a fact of the configuration; weights do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · Φ(x)`, exact.
    Gelu,
    /// `x · σ(1.702 x)`, OpenAI's.
    QuickGelu,
}

impl Activation {
    /// Applies the nonlinearity to each element.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => activation::gelu(x),
            Self::QuickGelu => x.clone() * activation::sigmoid(x * 1.702),
        }
    }
}

/// Which positions attention may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Every position sees every position.
    Full,
    /// A position sees itself and those before it.
    Causal,
}

/// What a stack of blocks looks like; the same for every block of a tower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockConfig {
    /// Inner size of the tower.
    pub width: usize,
    /// Number of attention heads; divides `width`.
    pub heads: usize,
    /// Hidden size of the MLP.
    pub mlp_width: usize,
    /// Nonlinearity of the MLP.
    pub activation: Activation,
    /// Added to the variance by every LayerNorm.
    pub epsilon: f64,
    /// Whether branches are scaled by a learnt `gamma` (`ls_1`, `ls_2`).
    pub layer_scale: bool,
}

/// Splits `[batch, seq, width]` into `[batch, heads, seq, width / heads]`.
pub(crate) fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, seq, width] = x.dims();
    x.reshape([batch, seq, heads, width / heads]).swap_dims(1, 2)
}

/// Puts heads back together: `[batch, heads, seq, dim]` to `[batch, seq, heads · dim]`.
pub(crate) fn join_heads(x: Tensor<4>) -> Tensor<3> {
    let [batch, heads, seq, dim] = x.dims();
    x.swap_dims(1, 2).reshape([batch, seq, heads * dim])
}

/// Multi-head self-attention with q, k and v in one matrix, as the checkpoint has them.
#[derive(Debug)]
pub struct Attention {
    in_proj: Linear,
    out_proj: Linear,
    heads: usize,
}

impl Attention {
    fn load(weights: &Weights, name: &str, width: usize, heads: usize) -> Result<Self, LoadError> {
        let (weight, bias) = (format!("{name}.in_proj_weight"), format!("{name}.in_proj_bias"));
        Ok(Self {
            in_proj: weights.linear_named(&weight, Some(bias), width, 3 * width)?,
            out_proj: weights.linear(&format!("{name}.out_proj"), width, width, true)?,
            heads,
        })
    }

    fn q_k_v(&self, x: Tensor<3>) -> [Tensor<4>; 3] {
        let [_, _, width] = x.dims();
        let qkv = self.in_proj.forward(x); // [batch, seq, 3 · width]
        [0, 1, 2].map(|part| split_heads(qkv.clone().narrow(2, part * width, width), self.heads))
    }

    /// # Shapes
    /// - x: `[batch, seq, width]`
    /// - output: `[batch, seq, width]`
    fn forward(&self, x: Tensor<3>, sight: Sight) -> Tensor<3> {
        let [q, k, v] = self.q_k_v(x);
        let options = AttentionModuleOptions { is_causal: sight == Sight::Causal, ..Default::default() };
        self.out_proj.forward(join_heads(attention(q, k, v, None, None, options)))
    }

    /// How much each position looks at each other one, per head: `[batch, heads, seq, seq]`, rows sum to 1.
    fn pattern(&self, x: Tensor<3>, sight: Sight) -> Tensor<4> {
        let [q, k, _] = self.q_k_v(x);
        let [_, _, seq, dim] = q.dims();
        let scores = q.matmul(k.transpose()) / (dim as f64).sqrt();
        let scores = match sight {
            Sight::Full => scores,
            Sight::Causal => scores.mask_fill(hidden_future(seq, &self.out_proj.weight.device()), f32::NEG_INFINITY),
        };
        activation::softmax(scores, 3)
    }
}

/// `[1, 1, seq, seq]`, true where a position would see a later one.
fn hidden_future(seq: usize, device: &Device) -> Tensor<4, Bool> {
    Tensor::<2, Bool>::tril_mask([seq, seq], 0, device).unsqueeze()
}

/// `fc` up, activation, `proj` down.
#[derive(Debug)]
pub struct Mlp {
    c_fc: Linear,
    c_proj: Linear,
    activation: Activation,
}

impl Mlp {
    fn load(weights: &Weights, name: &str, config: &BlockConfig) -> Result<Self, LoadError> {
        Ok(Self {
            c_fc: weights.linear(&format!("{name}.c_fc"), config.width, config.mlp_width, true)?,
            c_proj: weights.linear(&format!("{name}.c_proj"), config.mlp_width, config.width, true)?,
            activation: config.activation,
        })
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.c_proj.forward(self.activation.apply(self.c_fc.forward(x)))
    }
}

/// A learnt scale per channel on a residual branch.
#[derive(Debug)]
pub struct LayerScale {
    gamma: Tensor<1>,
}

impl LayerScale {
    fn load(weights: &Weights, name: &str, width: usize) -> Result<Self, LoadError> {
        Ok(Self { gamma: weights.tensor(&format!("{name}.gamma"), [width])? })
    }
}

/// One residual block.
#[derive(Debug)]
pub struct ResidualAttentionBlock {
    ln_1: LayerNorm,
    attn: Attention,
    ls_1: Option<LayerScale>,
    ln_2: LayerNorm,
    mlp: Mlp,
    ls_2: Option<LayerScale>,
}

impl ResidualAttentionBlock {
    /// Reads the block whose keys start with `name`, such as `visual.transformer.resblocks.0`.
    pub fn load(weights: &Weights, name: &str, config: &BlockConfig) -> Result<Self, LoadError> {
        let scale = |part: &str| {
            config.layer_scale.then(|| LayerScale::load(weights, &format!("{name}.{part}"), config.width)).transpose()
        };
        Ok(Self {
            ln_1: weights.layer_norm(&format!("{name}.ln_1"), config.width, config.epsilon)?,
            attn: Attention::load(weights, &format!("{name}.attn"), config.width, config.heads)?,
            ls_1: scale("ls_1")?,
            ln_2: weights.layer_norm(&format!("{name}.ln_2"), config.width, config.epsilon)?,
            mlp: Mlp::load(weights, &format!("{name}.mlp"), config)?,
            ls_2: scale("ls_2")?,
        })
    }

    /// # Shapes
    /// - x: `[batch, seq, width]`
    /// - output: `[batch, seq, width]`
    pub fn forward(&self, x: Tensor<3>, sight: Sight) -> Tensor<3> {
        let [batch, seq, width] = x.dims();
        let attended = scaled(self.attn.forward(self.ln_1.forward(x.clone()), sight), self.ls_1.as_ref());
        let x = x + attended;
        let out = x.clone() + scaled(self.mlp.forward(self.ln_2.forward(x)), self.ls_2.as_ref());
        assert_shape!(out, [batch, seq, width]);
        out
    }

    /// The attention pattern for the block's input `x`: `[batch, heads, seq, seq]`.
    pub fn pattern(&self, x: Tensor<3>, sight: Sight) -> Tensor<4> {
        self.attn.pattern(self.ln_1.forward(x), sight)
    }
}

fn scaled(branch: Tensor<3>, scale: Option<&LayerScale>) -> Tensor<3> {
    match scale {
        Some(scale) => branch * scale.gamma.clone().unsqueeze(),
        None => branch,
    }
}
