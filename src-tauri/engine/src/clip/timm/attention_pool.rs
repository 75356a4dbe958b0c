//! The attention pool of SigLIP and PE ("MAP head"): one learnt query looks at all tokens.
//! Follows timm 1.0.31 `layers/attention_pool.py`, `AttentionPoolLatent`.

use burn::tensor::{Tensor, assert_shape};

use crate::{
    clip::{
        activation::Activation,
        attention::{attention, attention_pattern},
        block::{Mlp, Sight, join_heads, split_heads, split_parts},
    },
    error::LoadError,
    layers::{LayerNorm, Linear},
    probe::Probe,
    weights::Weights,
};

/// The shape of an attention pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionPoolConfig {
    /// Attention heads; divides the tower's width.
    pub heads: usize,
    /// Hidden size of the MLP.
    pub mlp_width: usize,
    /// Nonlinearity of the MLP.
    pub activation: Activation,
    /// Added to the variance by the norm in front of the MLP.
    pub epsilon: f64,
}

/// An attention pool with its weights.
#[derive(Debug)]
pub struct AttentionPool {
    /// The query, which no picture changes: `[1, 1, width]`, after its linear map.
    query: Tensor<3>,
    kv: Linear,
    proj: Linear,
    norm: LayerNorm,
    mlp: Mlp,
    heads: usize,
}

impl AttentionPool {
    /// Reads the pool whose keys start with `name`.
    pub fn load(weights: &Weights, name: &str, width: usize, config: &AttentionPoolConfig) -> Result<Self, LoadError> {
        let part = |part: &str| format!("{name}.{part}");
        let q = weights.linear(&part("q"), width, width, true)?;
        Ok(Self {
            query: q
                .forward(weights.tensor_f32(&part("latent"), [1, 1, width])?)
                .cast(weights.precision().activations()),
            kv: weights.linear(&part("kv"), width, 2 * width, true)?,
            proj: weights.linear(&part("proj"), width, width, true)?,
            norm: weights.layer_norm(&part("norm"), width, config.epsilon)?,
            mlp: Mlp::load(weights, &part("mlp.fc1"), &part("mlp.fc2"), [width, config.mlp_width], config.activation)?,
            heads: config.heads,
        })
    }

    fn q_k_v(&self, x: Tensor<3>) -> [Tensor<4>; 3] {
        let [batch, _, width] = x.dims();
        let [k, v] = split_parts(self.kv.forward(x), self.heads);
        [split_heads(self.query.clone().expand([batch, 1, width]), self.heads), k, v]
    }

    /// # Shapes
    /// - x: `[batch, seq, width]`
    /// - output: `[batch, width]`
    pub fn forward(&self, x: Tensor<3>, probe: &mut Probe) -> Tensor<2> {
        let [batch, seq, width] = x.dims();
        let [q, k, v] = self.q_k_v(x);
        probe.look(
            || "visual.attn.pool".into(),
            || attention_pattern(q.clone(), k.clone(), None).reshape([batch, self.heads, seq]),
        );
        let attended = join_heads(attention(q, k, v, None, Sight::Full));
        let pooled = self.after_attention(attended).reshape([batch, width]);
        assert_shape!(pooled, [batch, width]);
        probe.see(|| "visual.attn_pool".into(), &pooled);
        pooled
    }

    fn after_attention(&self, attended: Tensor<3>) -> Tensor<3> {
        let x = self.proj.forward(attended);
        x.clone() + self.mlp.forward(self.norm.forward(x))
    }

    /// What the pool would give for each token if that were the only one.
    ///
    /// # Shapes
    /// - x: `[batch, seq, width]`
    /// - output: the same
    pub fn alone(&self, x: Tensor<3>) -> Tensor<3> {
        let [_, _, v] = self.q_k_v(x);
        self.after_attention(join_heads(v))
    }
}
