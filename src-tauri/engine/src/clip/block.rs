//! The transformer block that vision transformers and text towers share: pre-norm attention, then an MLP.
//! Follows open_clip `transformer.py`, `ResidualAttentionBlock`, at commit 89fb801f, timm 1.0.31
//! `vision_transformer.py`, `Block`, and transformers 5.23 `modeling_m2m_100.py`, `M2M100EncoderLayer`, which compute the
//! same and name it differently.

use burn::tensor::{Bool, Tensor, assert_shape};

use super::activation::Activation;
use super::attention::{attention, attention_pattern, hidden_future};
use super::direct::{Run, attention_parts};
use super::fused::attention_of_fused;
use crate::{
    error::LoadError,
    layers::{LayerNorm, Linear, in_f32, is_f32_on_cpu},
    weights::Weights,
};

/// Which positions attention may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Every position sees every position.
    Full,
    /// A position sees itself and those before it.
    Causal,
}

/// What happens between the two linear maps of an MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MlpKind {
    /// The activation.
    Plain,
    /// ViTamin's: a norm in front, and the activation of one half gates the other.
    GeGlu,
}

/// What the maps to queries, keys and values are called.
#[derive(Debug, Clone, Copy)]
enum QkvKeys {
    /// The weight and the bias of one map to all three.
    Fused(&'static str, &'static str),
    /// A linear map for each.
    Separate([&'static str; 3]),
}

/// What the parts of a block are called.
#[derive(Debug, Clone, Copy)]
pub struct BlockKeys {
    norm_1: &'static str,
    qkv: QkvKeys,
    out_proj: &'static str,
    scale_1: &'static str,
    norm_2: &'static str,
    up: &'static str,
    down: &'static str,
    scale_2: &'static str,
}

/// open_clip's names.
pub const OPEN_CLIP_BLOCK: BlockKeys = BlockKeys {
    norm_1: "ln_1",
    qkv: QkvKeys::Fused("attn.in_proj_weight", "attn.in_proj_bias"),
    out_proj: "attn.out_proj",
    scale_1: "ls_1",
    norm_2: "ln_2",
    up: "mlp.c_fc",
    down: "mlp.c_proj",
    scale_2: "ls_2",
};

/// timm's names.
pub const TIMM_BLOCK: BlockKeys = BlockKeys {
    norm_1: "norm1",
    qkv: QkvKeys::Fused("attn.qkv.weight", "attn.qkv.bias"),
    out_proj: "attn.proj",
    scale_1: "ls1",
    norm_2: "norm2",
    up: "mlp.fc1",
    down: "mlp.fc2",
    scale_2: "ls2",
};

/// The names of M2M-100's encoder in transformers.
pub const M2M100_BLOCK: BlockKeys = BlockKeys {
    norm_1: "self_attn_layer_norm",
    qkv: QkvKeys::Separate(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    out_proj: "self_attn.out_proj",
    // It has no such scales.
    scale_1: "",
    norm_2: "final_layer_norm",
    up: "fc1",
    down: "fc2",
    scale_2: "",
};

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
    /// The MLP's kind.
    pub mlp: MlpKind,
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

/// Cuts the output of a fused projection into its `N` parts (q, k and v) and each of them into heads.
///
/// # Shapes
/// - fused: `[batch, seq, N · width]`
/// - output: `[batch, heads, seq, width / heads]` each
pub(crate) fn split_parts<const N: usize>(fused: Tensor<3>, heads: usize) -> [Tensor<4>; N] {
    let width = fused.dims()[2] / N;
    std::array::from_fn(|part| split_heads(fused.clone().narrow(2, part * width, width), heads))
}

/// Puts heads back together: `[batch, heads, seq, dim]` to `[batch, seq, heads · dim]`.
pub(crate) fn join_heads(x: Tensor<4>) -> Tensor<3> {
    let [batch, heads, seq, dim] = x.dims();
    x.swap_dims(1, 2).reshape([batch, seq, heads * dim])
}

/// Multi-head self-attention with q, k and v in one matrix.
#[derive(Debug)]
pub struct Attention {
    in_proj: Linear,
    out_proj: Linear,
    heads: usize,
}

impl Attention {
    fn load(weights: &Weights, block: &str, keys: BlockKeys, config: &BlockConfig) -> Result<Self, LoadError> {
        let width = config.width;
        let part = |part: &str| format!("{block}.{part}");
        Ok(Self {
            in_proj: match keys.qkv {
                QkvKeys::Fused(weight, bias) => {
                    weights.linear_named(&part(weight), Some(part(bias)), width, 3 * width)?
                }
                QkvKeys::Separate(names) => weights.linear_stacked(&names.map(part), width, width)?,
            },
            out_proj: weights.linear(&part(keys.out_proj), width, width, true)?,
            heads: config.heads,
        })
    }

    fn q_k_v(&self, x: Tensor<3>) -> [Tensor<4>; 3] {
        split_parts(self.in_proj.forward(x), self.heads)
    }

    /// # Shapes
    /// - x: `[batch, seq, width]`
    /// - hidden: `[batch, heads, seq, seq]`, true where a position (third axis) does not see another (fourth)
    /// - output: `[batch, seq, width]`
    fn forward(&self, x: Tensor<3>, sight: Sight, hidden: Option<Tensor<4, Bool>>) -> Tensor<3> {
        let fused = self.in_proj.forward(x);
        if hidden.is_none() && is_f32_on_cpu(&fused) {
            return self.out_proj.forward(attention_of_fused(fused, self.heads, sight));
        }
        let [q, k, v] = split_parts(fused, self.heads);
        self.out_proj.forward(join_heads(attention(q, k, v, hidden, sight)))
    }

    /// What each position gives if it sees itself alone: its own value, `[batch, seq, width]`.
    fn alone(&self, x: Tensor<3>) -> Tensor<3> {
        let [_, _, v] = self.q_k_v(x);
        self.out_proj.forward(join_heads(v))
    }

    /// What the positions of `run` find, where every position is seen: `[batch, heads, run, dim]`.
    fn found(&self, x: Tensor<3>, run: Run) -> Tensor<4> {
        let [q, k, v] = self.q_k_v(x);
        attention(q.narrow(2, run.first, run.count), k, v, None, Sight::Full)
    }

    /// How much each position looks at each other one, per head: `[batch, heads, seq, seq]`, rows sum to 1.
    fn pattern(&self, x: Tensor<3>, sight: Sight) -> Tensor<4> {
        let [q, k, _] = self.q_k_v(x);
        let [_, _, seq, _] = q.dims();
        let hidden = (sight == Sight::Causal).then(|| hidden_future(seq, &q.device()));
        attention_pattern(q, k, hidden)
    }
}

/// Up, activation, down.
#[derive(Debug)]
pub struct Mlp {
    up: Linear,
    down: Linear,
    activation: Activation,
}

impl Mlp {
    /// Reads the linear maps called `up` and `down`, both with a bias.
    pub fn load(
        weights: &Weights,
        up: &str,
        down: &str,
        [width, hidden]: [usize; 2],
        activation: Activation,
    ) -> Result<Self, LoadError> {
        Ok(Self {
            up: weights.linear(up, width, hidden, true)?,
            down: weights.linear(down, hidden, width, true)?,
            activation,
        })
    }

    /// # Shapes
    /// - x: `[…, width]`
    /// - output: the same
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.down.forward(self.activation.apply(self.up.forward(x)))
    }
}

/// ViTamin's MLP (timm `vitamin.py`, `GeGluMlp`): `w2(gelu(w0 n(x)) ⊙ w1 n(x))`.
#[derive(Debug)]
struct GeGlu {
    norm: LayerNorm,
    w0: Linear,
    w1: Linear,
    w2: Linear,
    activation: Activation,
}

impl GeGlu {
    fn load(weights: &Weights, name: &str, config: &BlockConfig) -> Result<Self, LoadError> {
        let BlockConfig { width, mlp_width, activation, epsilon, .. } = *config;
        Ok(Self {
            norm: weights.layer_norm(&format!("{name}.norm"), width, epsilon)?,
            w0: weights.linear(&format!("{name}.w0"), width, mlp_width, true)?,
            w1: weights.linear(&format!("{name}.w1"), width, mlp_width, true)?,
            w2: weights.linear(&format!("{name}.w2"), mlp_width, width, true)?,
            activation,
        })
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.norm.forward(x);
        self.w2.forward(self.activation.apply(self.w0.forward(x.clone())) * self.w1.forward(x))
    }
}

#[derive(Debug)]
enum AnyMlp {
    Plain(Mlp),
    GeGlu(GeGlu),
}

impl AnyMlp {
    fn load(weights: &Weights, block: &str, keys: BlockKeys, config: &BlockConfig) -> Result<Self, LoadError> {
        let BlockConfig { width, mlp_width, activation, .. } = *config;
        let (up, down) = (format!("{block}.{}", keys.up), format!("{block}.{}", keys.down));
        Ok(match config.mlp {
            MlpKind::Plain => Self::Plain(Mlp::load(weights, &up, &down, [width, mlp_width], activation)?),
            MlpKind::GeGlu => Self::GeGlu(GeGlu::load(weights, &format!("{block}.mlp"), config)?),
        })
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Plain(mlp) => mlp.forward(x),
            Self::GeGlu(mlp) => mlp.forward(x),
        }
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
    mlp: AnyMlp,
    ls_2: Option<LayerScale>,
}

impl ResidualAttentionBlock {
    /// Reads the block whose keys start with `name`, such as `visual.transformer.resblocks.0`.
    pub fn load(weights: &Weights, name: &str, keys: BlockKeys, config: &BlockConfig) -> Result<Self, LoadError> {
        let norm = |part: &str| weights.layer_norm(&format!("{name}.{part}"), config.width, config.epsilon);
        let scale = |part: &str| {
            config.layer_scale.then(|| LayerScale::load(weights, &format!("{name}.{part}"), config.width)).transpose()
        };
        Ok(Self {
            ln_1: norm(keys.norm_1)?,
            attn: Attention::load(weights, name, keys, config)?,
            ls_1: scale(keys.scale_1)?,
            ln_2: norm(keys.norm_2)?,
            mlp: AnyMlp::load(weights, name, keys, config)?,
            ls_2: scale(keys.scale_2)?,
        })
    }

    /// # Shapes
    /// - x: `[batch, seq, width]`
    /// - output: `[batch, seq, width]`
    pub fn forward(&self, x: Tensor<3>, sight: Sight) -> Tensor<3> {
        self.forward_hiding(x, sight, None)
    }

    /// As [`Self::forward`], with more positions hidden than `sight` hides.
    ///
    /// # Shapes
    /// - x: `[batch, seq, width]`
    /// - hidden: `[batch, heads, seq, seq]`, true where a position (third axis) does not see another (fourth)
    /// - output: `[batch, seq, width]`
    pub fn forward_hiding(&self, x: Tensor<3>, sight: Sight, hidden: Option<Tensor<4, Bool>>) -> Tensor<3> {
        let attended = self.attn.forward(self.ln_1.forward(x.clone()), sight, hidden);
        self.after_attention(x, attended)
    }

    /// As [`Self::forward`], if each position saw itself alone.
    pub fn forward_alone(&self, x: Tensor<3>) -> Tensor<3> {
        let attended = self.attn.alone(self.ln_1.forward(x.clone()));
        self.after_attention(x, attended)
    }

    fn after_attention(&self, x: Tensor<3>, attended: Tensor<3>) -> Tensor<3> {
        let [batch, seq, width] = x.dims();
        let x = x + scaled(attended, self.ls_1.as_ref());
        let out = x.clone() + self.mlp_adds(x);
        assert_shape!(out, [batch, seq, width]);
        out
    }

    fn mlp_adds(&self, x: Tensor<3>) -> Tensor<3> {
        scaled(self.mlp.forward(self.ln_2.forward(x)), self.ls_2.as_ref())
    }

    /// What each head, the output map's bias and the MLP add to the mean of the tokens in `run`, for the block's input
    /// `x`, where every position is seen.
    ///
    /// # Shapes
    /// - x: `[batch, seq, width]`
    /// - output: `[batch, heads + 2, width]`
    pub fn parts(&self, x: Tensor<3>, run: Run) -> Tensor<3> {
        let found = self.attn.found(self.ln_1.forward(x.clone()), run);
        let attention = scaled(attention_parts(found.clone(), &self.attn.out_proj), self.ls_1.as_ref());
        let attended = scaled(self.attn.out_proj.forward(join_heads(found)), self.ls_1.as_ref());
        let mlp = in_f32(self.mlp_adds(run.cut(x) + attended)).mean_dim(1);
        Tensor::cat(vec![attention, mlp], 1)
    }

    /// The attention pattern for the block's input `x`: `[batch, heads, seq, seq]`.
    pub fn pattern(&self, x: Tensor<3>, sight: Sight) -> Tensor<4> {
        self.attn.pattern(self.ln_1.forward(x), sight)
    }
}

fn scaled(branch: Tensor<3>, scale: Option<&LayerScale>) -> Tensor<3> {
    match scale {
        Some(scale) => {
            let gamma = scale.gamma.clone().cast(branch.dtype());
            branch * gamma.unsqueeze()
        }
        None => branch,
    }
}
