//! EVA, EVA-02 and Meta's Perception Encoder: vision transformers with rotary positions, gated MLPs or norms behind the
//! branches. Follows timm 1.0.31 `eva.py`, and `layers/pos_embed_sincos.py` for the rotation.

use burn::tensor::{Tensor, assert_shape};
use serde::Deserialize;

use super::{
    Request, Sizes, Trunk,
    attention_pool::{AttentionPool, AttentionPoolConfig},
};
use crate::{
    clip::{
        activation::Activation,
        attention::{attention, attention_pattern},
        block::{Mlp, Sight, join_heads, split_heads, split_parts},
        config::VisionTowerConfig,
        conv::{Conv, ConvShape, Kernel, to_sequence},
        direct::{Run, attention_parts},
        position::{Grid, Rule, load_grid},
    },
    error::LoadError,
    layers::{LayerNorm, Linear, in_f32},
    probe::Probe,
    projection::AffineBefore,
    weights::Weights,
};

/// Wavelength of the slowest rotation, in units of 2π cells.
const ROPE_TEMPERATURE: f64 = 10_000.0;

/// Rotary positions: queries and keys are turned by angles that grow with the row and the column of their cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RopeConfig {
    /// The grid of training; the cells of any other grid are spread over it.
    pub reference: [usize; 2],
    /// Added to every row and column number.
    pub offset: f64,
    /// Whether the column's angles come before the row's.
    pub column_first: bool,
}

/// How q, k and v are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QkvKind {
    /// One matrix without a bias, and biases for q and v alone (EVA-01, EVA-02-E).
    FusedWithoutKeyBias,
    /// Three matrices, that of k without a bias, and a norm on what attention found (EVA-02).
    SplitWithNorm,
    /// One matrix with one bias (PE).
    Fused,
}

/// Where the norms of a block are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormPlace {
    /// In front of each branch.
    Before,
    /// At the end of each branch (EVA-02-E).
    After,
}

/// A tower of this family.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaConfig {
    /// Height and width of the input in pixels.
    pub image_size: [usize; 2],
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Inner size.
    pub width: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Hidden size of the MLP.
    pub mlp_width: usize,
    /// Whether the MLP is gated (SwiGLU, with a norm) instead of a GELU.
    pub gated_mlp: bool,
    /// How q, k and v are stored.
    pub qkv: QkvKind,
    /// Where the norms of a block are.
    pub norms: NormPlace,
    /// Rotary positions, beside the learnt ones that every tower here has.
    pub rope: Option<RopeConfig>,
    /// Whether there is a class token.
    pub class_token: bool,
    /// Whether tokens are normalised before the first block.
    pub norm_pre: bool,
    /// The pool; without one, the class token is the feature.
    pub attention_pool: Option<AttentionPoolConfig>,
    /// Added to the variance by every LayerNorm.
    pub epsilon: f64,
}

impl EvaConfig {
    /// Rows and columns of patches.
    pub fn grid(&self) -> [usize; 2] {
        self.image_size.map(|side| side / self.patch_size)
    }
}

/// What a name stands for, as far as names of one kind differ.
struct Row {
    kind: Kind,
    patch_size: usize,
    sizes: Sizes,
    reference: [usize; 2],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Eva01,
    Eva02,
    Eva02PostNorm,
    Pe,
    PeWithoutClass,
}

fn named(name: &str) -> Option<Row> {
    // SwiGLU has three matrices where an MLP has two, so its hidden size is two thirds of 4.
    const GATED: f64 = 4.0 * 2.0 / 3.0;
    let row = |kind, patch_size, width, layers, heads, mlp_ratio, reference| Row {
        kind,
        patch_size,
        sizes: Sizes { width, layers, heads, mlp_ratio },
        reference: [reference; 2],
    };
    Some(match name {
        "eva_giant_patch14_224" => row(Kind::Eva01, 14, 1408, 40, 16, 6144.0 / 1408.0, 16),
        "eva02_base_patch16_clip_224" => row(Kind::Eva02, 16, 768, 12, 12, GATED, 16),
        "eva02_large_patch14_clip_224" | "eva02_large_patch14_clip_336" => {
            row(Kind::Eva02, 14, 1024, 24, 16, GATED, 16)
        }
        "eva02_enormous_patch14_clip_224" => row(Kind::Eva02PostNorm, 14, 1792, 64, 16, 15360.0 / 1792.0, 16),
        "vit_pe_core_tiny_patch16_384" => row(Kind::Pe, 16, 192, 12, 3, 4.0, 24),
        "vit_pe_core_small_patch16_384" => row(Kind::Pe, 16, 384, 12, 6, 4.0, 24),
        "vit_pe_core_base_patch16_224" => row(Kind::Pe, 16, 768, 12, 12, 4.0, 14),
        "vit_pe_core_large_patch14_336" => row(Kind::Pe, 14, 1024, 24, 16, 4.0, 24),
        "vit_pe_core_gigantic_patch14_448" => row(Kind::PeWithoutClass, 14, 1536, 50, 16, 8960.0 / 1536.0, 32),
        _ => return None,
    })
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Kwargs {
    attn_pool_num_heads: Option<usize>,
}

/// The trunk that the request names, if it is one of these.
pub(super) fn trunk(request: &Request<'_>) -> Result<Option<Trunk>, LoadError> {
    let Some(row) = named(request.name) else { return Ok(None) };
    let (sizes, kwargs) = request.sizes::<Kwargs>(row.sizes)?;
    let Sizes { width, layers, heads, .. } = sizes;
    let context = request.context;
    request.holds_patches(row.patch_size)?;
    let is_pe = matches!(row.kind, Kind::Pe | Kind::PeWithoutClass);
    let epsilon = if is_pe { 1e-5 } else { 1e-6 };
    let attention_pool = if is_pe {
        let heads = context.heads(width, kwargs.attn_pool_num_heads.unwrap_or(8), "attn_pool_num_heads")?;
        Some(AttentionPoolConfig { heads, mlp_width: 4 * width, activation: Activation::Gelu, epsilon })
    } else {
        None
    };
    request.pool(if is_pe { &["", "map"] } else { &["token"] })?;
    let rope = match row.kind {
        Kind::Eva01 | Kind::Eva02PostNorm => None,
        Kind::Eva02 => Some(RopeConfig { reference: row.reference, offset: 0.0, column_first: false }),
        Kind::Pe => Some(RopeConfig { reference: row.reference, offset: 1.0, column_first: true }),
        Kind::PeWithoutClass => Some(RopeConfig { reference: row.reference, offset: 0.0, column_first: true }),
    };
    if rope.is_some() && !(width / heads).is_multiple_of(4) {
        return Err(context.impossible(format!("rotary positions for {heads} heads of a width of {width}")));
    }
    let config = EvaConfig {
        image_size: request.image_size,
        patch_size: row.patch_size,
        layers,
        width,
        heads,
        mlp_width: sizes.mlp_width(),
        gated_mlp: row.kind == Kind::Eva02,
        qkv: match row.kind {
            Kind::Eva01 | Kind::Eva02PostNorm => QkvKind::FusedWithoutKeyBias,
            Kind::Eva02 => QkvKind::SplitWithNorm,
            Kind::Pe | Kind::PeWithoutClass => QkvKind::Fused,
        },
        norms: if row.kind == Kind::Eva02PostNorm { NormPlace::After } else { NormPlace::Before },
        rope,
        class_token: row.kind != Kind::PeWithoutClass,
        norm_pre: is_pe,
        attention_pool,
        epsilon,
    };
    Ok(Some(Trunk {
        affine_before: (!is_pe).then(|| AffineBefore::Norm("visual.trunk.norm".into())),
        tower: VisionTowerConfig::Eva(config),
        features: width,
        classifier: "visual.trunk.head",
    }))
}

/// Sines and cosines of the angles of every cell, for pairs of neighbouring channels.
#[derive(Debug)]
struct Rope {
    /// `[1, 1, patch, head]`
    sine: Tensor<4>,
    /// `[1, 1, patch, head]`
    cosine: Tensor<4>,
}

impl Rope {
    fn new(config: RopeConfig, grid: [usize; 2], head: usize, weights: &Weights) -> Self {
        let bands = head / 4;
        let axes = if config.column_first { [1, 0] } else { [0, 1] };
        let mut angles = Vec::with_capacity(grid[0] * grid[1] * head);
        for cell in (0..grid[0]).flat_map(|row| (0..grid[1]).map(move |column| [row, column])) {
            for axis in axes {
                // `x / f * r` in timm: other grids are spread over that of training.
                let place = (cell[axis] as f64 + config.offset) / grid[axis] as f64 * config.reference[axis] as f64;
                for band in 0..bands {
                    let angle = place * ROPE_TEMPERATURE.powf(-(band as f64) / bands as f64);
                    angles.extend([angle, angle]);
                }
            }
        }
        let table = |of: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|angle| of(*angle) as f32).collect();
            weights.small(values, [1, 1, grid[0] * grid[1], head])
        };
        Self { sine: table(f64::sin), cosine: table(f64::cos) }
    }

    /// Turns each pair of channels; the first `kept` tokens have no place in the picture and stay.
    ///
    /// # Shapes
    /// - x: `[batch, heads, kept + patch, head]`
    /// - output: the same
    fn turn(&self, x: Tensor<4>, kept: usize) -> Tensor<4> {
        let [batch, heads, seq, head] = x.dims();
        let cells = x.clone().narrow(2, kept, seq - kept);
        let pairs = cells.clone().reshape([batch * heads, seq - kept, head / 2, 2]);
        let (even, odd) = (pairs.clone().narrow(3, 0, 1), pairs.narrow(3, 1, 1));
        let across = Tensor::cat(vec![-odd, even], 3).reshape([batch, heads, seq - kept, head]);
        let turned = cells * self.cosine.clone() + across * self.sine.clone();
        if kept == 0 { turned } else { Tensor::cat(vec![x.narrow(2, 0, kept), turned], 2) }
    }
}

#[derive(Debug)]
struct Attention {
    /// q, k and v: one matrix, or three.
    qkv: Vec<Linear>,
    norm: Option<LayerNorm>,
    proj: Linear,
    heads: usize,
}

impl Attention {
    fn load(weights: &Weights, name: &str, config: &EvaConfig) -> Result<Self, LoadError> {
        let width = config.width;
        let part = |part: &str| format!("{name}.{part}");
        let qkv = match config.qkv {
            QkvKind::Fused => vec![weights.linear(&part("qkv"), width, 3 * width, true)?],
            QkvKind::SplitWithNorm => vec![
                weights.linear(&part("q_proj"), width, width, true)?,
                weights.linear(&part("k_proj"), width, width, false)?,
                weights.linear(&part("v_proj"), width, width, true)?,
            ],
            QkvKind::FusedWithoutKeyBias => {
                let bias = [
                    weights.values(&part("q_bias"), &[width])?,
                    vec![0.0; width],
                    weights.values(&part("v_bias"), &[width])?,
                ];
                vec![weights.linear_with_bias(&part("qkv.weight"), bias.concat(), width, 3 * width)?]
            }
        };
        let norm = (config.qkv == QkvKind::SplitWithNorm)
            .then(|| weights.layer_norm(&part("norm"), width, config.epsilon))
            .transpose()?;
        Ok(Self { qkv, norm, proj: weights.linear(&part("proj"), width, width, true)?, heads: config.heads })
    }

    /// Queries and keys are turned.
    fn q_k_v(&self, x: Tensor<3>, rope: Option<&Rope>, kept: usize) -> [Tensor<4>; 3] {
        let [q, k, v] = match self.qkv.as_slice() {
            [fused] => split_parts(fused.forward(x), self.heads),
            parts => [0, 1, 2].map(|part: usize| split_heads(parts[part].forward(x.clone()), self.heads)),
        };
        let turn = |x: Tensor<4>| match rope {
            Some(rope) => rope.turn(x, kept),
            None => x,
        };
        [turn(q), turn(k), v]
    }

    /// From what was found, `[batch, heads, seq, head]`, to `[batch, seq, width]`.
    fn output(&self, found: Tensor<4>) -> Tensor<3> {
        let found = join_heads(found);
        self.proj.forward(match &self.norm {
            Some(norm) => norm.forward(found),
            None => found,
        })
    }

    fn forward(&self, x: Tensor<3>, rope: Option<&Rope>, kept: usize) -> Tensor<3> {
        let [q, k, v] = self.q_k_v(x, rope, kept);
        self.output(attention(q, k, v, None, Sight::Full))
    }

    /// What each token gives if it sees itself alone: its own value.
    fn alone(&self, x: Tensor<3>) -> Tensor<3> {
        let [_, _, v] = self.q_k_v(x, None, 0);
        self.output(v)
    }
}

/// `fc2(norm(silu(fc1_g x) ⊙ fc1_x x))`
#[derive(Debug)]
struct SwiGlu {
    gate: Linear,
    value: Linear,
    norm: LayerNorm,
    down: Linear,
}

#[derive(Debug)]
enum AnyMlp {
    Gelu(Mlp),
    SwiGlu(SwiGlu),
}

impl AnyMlp {
    fn load(weights: &Weights, name: &str, config: &EvaConfig) -> Result<Self, LoadError> {
        let EvaConfig { width, mlp_width, epsilon, .. } = *config;
        let part = |part: &str| format!("{name}.{part}");
        if !config.gated_mlp {
            let sizes = [width, mlp_width];
            return Ok(Self::Gelu(Mlp::load(weights, &part("fc1"), &part("fc2"), sizes, Activation::Gelu)?));
        }
        Ok(Self::SwiGlu(SwiGlu {
            gate: weights.linear(&part("fc1_g"), width, mlp_width, true)?,
            value: weights.linear(&part("fc1_x"), width, mlp_width, true)?,
            norm: weights.layer_norm(&part("norm"), mlp_width, epsilon)?,
            down: weights.linear(&part("fc2"), mlp_width, width, true)?,
        }))
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Gelu(mlp) => mlp.forward(x),
            Self::SwiGlu(SwiGlu { gate, value, norm, down }) => {
                down.forward(norm.forward(Activation::Silu.apply(gate.forward(x.clone())) * value.forward(x)))
            }
        }
    }
}

#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    attn: Attention,
    norm2: LayerNorm,
    mlp: AnyMlp,
    norms: NormPlace,
}

impl Block {
    fn load(weights: &Weights, name: &str, config: &EvaConfig) -> Result<Self, LoadError> {
        let norm = |part: &str| weights.layer_norm(&format!("{name}.{part}"), config.width, config.epsilon);
        Ok(Self {
            norm1: norm("norm1")?,
            attn: Attention::load(weights, &format!("{name}.attn"), config)?,
            norm2: norm("norm2")?,
            mlp: AnyMlp::load(weights, &format!("{name}.mlp"), config)?,
            norms: config.norms,
        })
    }

    /// # Shapes
    /// - x: `[batch, kept + patch, width]`
    /// - output: the same
    fn forward(&self, x: Tensor<3>, rope: Option<&Rope>, kept: usize) -> Tensor<3> {
        self.forward_by(x, |x| self.attn.forward(x, rope, kept))
    }

    /// As [`Self::forward`], if each token saw itself alone.
    fn forward_alone(&self, x: Tensor<3>) -> Tensor<3> {
        self.forward_by(x, |x| self.attn.alone(x))
    }

    fn forward_by(&self, x: Tensor<3>, attend: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
        match self.norms {
            NormPlace::Before => {
                let x = x.clone() + attend(self.norm1.forward(x));
                x.clone() + self.mlp.forward(self.norm2.forward(x))
            }
            NormPlace::After => {
                let x = x.clone() + self.norm1.forward(attend(x));
                x.clone() + self.norm2.forward(self.mlp.forward(x))
            }
        }
    }

    /// What attention takes, for the block's input.
    fn before_attention(&self, x: Tensor<3>) -> Tensor<3> {
        match self.norms {
            NormPlace::Before => self.norm1.forward(x),
            NormPlace::After => x,
        }
    }

    /// How much each token looks at each other one: `[batch, heads, seq, seq]`.
    fn pattern(&self, x: Tensor<3>, rope: Option<&Rope>, kept: usize) -> Tensor<4> {
        let [q, k, _] = self.attn.q_k_v(self.before_attention(x), rope, kept);
        attention_pattern(q, k, None)
    }

    /// Whether what the heads and the MLP add is a sum: no norm is behind the heads or behind a branch.
    fn adds_up(&self) -> bool {
        self.norms == NormPlace::Before && self.attn.norm.is_none()
    }

    /// What each head, the output map's bias and the MLP add to the class token: `[batch, heads + 2, width]`. It is
    /// asked only of blocks that add up.
    fn parts(&self, x: Tensor<3>, rope: Option<&Rope>, kept: usize) -> Tensor<3> {
        let run = Run::FIRST;
        let [q, k, v] = self.attn.q_k_v(self.before_attention(x.clone()), rope, kept);
        let found = attention(q.narrow(2, run.first, run.count), k, v, None, Sight::Full);
        let attention = attention_parts(found.clone(), &self.attn.proj);
        let x = run.cut(x) + self.attn.output(found);
        Tensor::cat(vec![attention, in_f32(self.mlp.forward(self.norm2.forward(x)))], 1)
    }
}

/// A tower of this family with its weights.
#[derive(Debug)]
pub struct Eva {
    patch_embed: Conv,
    class_token: Option<Tensor<3>>,
    positions: Tensor<2>,
    rope: Option<Rope>,
    norm_pre: Option<LayerNorm>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    attention_pool: Option<AttentionPool>,
}

impl Eva {
    /// Reads the tower from `visual.trunk.*`; `resampled` says that positions may be resampled.
    pub fn load(weights: &Weights, config: &EvaConfig, resampled: bool) -> Result<Self, LoadError> {
        const TRUNK: &str = "visual.trunk";
        let width = config.width;
        let norm = |name: &str| weights.layer_norm(&format!("{TRUNK}.{name}"), width, config.epsilon);
        let shape = ConvShape::patches(3, width, config.patch_size);
        // A norm right after the patches makes their bias pointless.
        let patches = Kernel::load(weights, &format!("{TRUNK}.patch_embed.proj"), shape, !config.norm_pre)?;
        let kept = usize::from(config.class_token);
        let grid = Grid { cells: config.grid(), extra: kept, width };
        let positions = format!("{TRUNK}.pos_embed");
        Ok(Self {
            patch_embed: patches.into_conv(weights),
            class_token: config
                .class_token
                .then(|| weights.tensor(&format!("{TRUNK}.cls_token"), [1, 1, width]))
                .transpose()?,
            positions: load_grid(weights, &positions, &[1], grid, Rule::BicubicAntialias, resampled)?,
            rope: config.rope.map(|rope| Rope::new(rope, config.grid(), width / config.heads, weights)),
            norm_pre: config.norm_pre.then(|| norm("norm_pre")).transpose()?,
            blocks: (0..config.layers)
                .map(|i| Block::load(weights, &format!("{TRUNK}.blocks.{i}"), config))
                .collect::<Result<_, _>>()?,
            norm: norm("norm")?,
            attention_pool: config
                .attention_pool
                .map(|pool| AttentionPool::load(weights, &format!("{TRUNK}.attn_pool"), width, &pool))
                .transpose()?,
        })
    }

    /// # Shapes
    /// - pixels: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, width]`, the pooled feature
    pub fn forward(&self, pixels: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        let patches = to_sequence(self.patch_embed.forward(pixels));
        probe.see(|| "visual.patch_embed".into(), &patches);
        let [batch, _, width] = patches.dims();
        let mut x = match &self.class_token {
            Some(token) => Tensor::cat(vec![token.clone().expand([batch, 1, width]), patches], 1),
            None => patches,
        };
        x = x + self.positions.clone().unsqueeze();
        if let Some(norm) = &self.norm_pre {
            x = norm.forward(x);
        }
        if let Some(Rope { sine, cosine }) = &self.rope {
            let [.., cells, head] = sine.dims();
            let table = || Tensor::cat(vec![sine.clone(), cosine.clone()], 3).reshape([cells, 2 * head]);
            probe.look(|| "visual.rope".into(), table);
        }
        self.see_start(&x, probe);
        for (i, block) in self.blocks.iter().enumerate() {
            self.see_beside(i, block, &x, probe);
            x = block.forward(x, self.rope.as_ref(), self.kept());
            probe.see(|| format!("visual.block.{i}"), &x);
            probe.look_if_named(|| format!("visual.pooled_at.{}", i + 1), || self.pool(x.clone(), &mut Probe::off()));
        }
        let places = || self.norm.forward(self.places(x.clone()));
        match &self.attention_pool {
            Some(pool) => probe.look_if_named(|| "visual.values".into(), || pool.alone(places())),
            None => probe.look_if_named(|| "visual.patches".into(), places),
        }
        let pooled = self.pool(x, probe);
        assert_shape!(pooled, [batch, width]);
        probe.see(|| "visual.pooled".into(), &pooled);
        pooled
    }

    fn pool(&self, x: Tensor<3>, probe: &mut Probe) -> Tensor<2> {
        match &self.attention_pool {
            Some(pool) => pool.forward(self.norm.forward(x), probe),
            // A norm acts on each token alone, so only the class token needs it.
            None => self.norm.forward(Run::FIRST.mean(x)),
        }
    }

    /// Number of tokens that are no place in the picture.
    fn kept(&self) -> usize {
        usize::from(self.class_token.is_some())
    }

    /// All tokens but the class token.
    fn places(&self, x: Tensor<3>) -> Tensor<3> {
        let seq = x.dims()[1];
        x.narrow(1, self.kept(), seq - self.kept())
    }

    fn see_start(&self, x: &Tensor<3>, probe: &mut Probe) {
        probe.look_if_named(|| "visual.pooled_at.0".into(), || self.pool(x.clone(), &mut Probe::off()));
        probe.look_if_named(|| "visual.direct.start".into(), || Run::FIRST.mean(x.clone()));
    }

    /// What explanations ask of block `i`, whose input is `x`.
    fn see_beside(&self, i: usize, block: &Block, x: &Tensor<3>, probe: &mut Probe) {
        let (rope, kept) = (self.rope.as_ref(), self.kept());
        probe.look_if_named(|| format!("visual.attn.{i}"), || block.pattern(x.clone(), rope, kept));
        if block.adds_up() {
            probe.look_if_named(|| format!("visual.direct.{i}"), || block.parts(x.clone(), rope, kept));
        }
        if self.attention_pool.is_none() && i + 1 == self.blocks.len() {
            let alone = || self.norm.forward(self.places(block.forward_alone(x.clone())));
            probe.look_if_named(|| "visual.values".into(), alone);
        }
    }
}
