//! timm's vision transformer: SigLIP, SigLIP 2, MobileCLIP-B, MobileCLIP2-L, and ViTamin behind its convolutions.
//! Follows timm 1.0.31 `vision_transformer.py`, `VisionTransformer`, and `vision_transformer_hybrid.py`, `ConvStem`.

use burn::tensor::{Tensor, assert_shape};
use serde::Deserialize;

use super::{
    Request, Sizes, Trunk,
    attention_pool::{AttentionPool, AttentionPoolConfig},
    vitamin::{self, MbConvConfig, MbConvStages},
};
use crate::{
    clip::{
        activation::Activation,
        block::{BlockConfig, MlpKind, ResidualAttentionBlock, Sight, TIMM_BLOCK},
        config::VisionTowerConfig,
        conv::{Conv, ConvShape, Kernel, to_sequence},
        direct::Run,
        position::{Grid, Rule, load_grid},
    },
    error::LoadError,
    layers::LayerNorm,
    probe::Probe,
    projection::AffineBefore,
    weights::Weights,
};

/// torch's BatchNorm epsilon.
const BATCH_NORM_EPSILON: f32 = 1e-5;

/// How pixels become tokens.
#[derive(Debug, Clone, PartialEq)]
pub enum StemConfig {
    /// One convolution whose windows do not overlap.
    Patches {
        /// Side of a patch in pixels.
        size: usize,
        /// Whether it has a bias.
        bias: bool,
    },
    /// MobileCLIP-B's three convolutions with strides 4, 2 and 2.
    Convolutions {
        /// Channels of each.
        channels: [usize; 3],
    },
    /// ViTamin's two stages of convolutions.
    MbConv(MbConvConfig),
}

impl StemConfig {
    /// Side in pixels of the square that becomes one token.
    pub fn stride(&self) -> usize {
        match self {
            Self::Patches { size, .. } => *size,
            Self::Convolutions { .. } => 16,
            Self::MbConv(_) => vitamin::STRIDE,
        }
    }
}

/// How tokens become one feature.
#[derive(Debug, Clone, PartialEq)]
pub enum PoolConfig {
    /// The class token, after the norm.
    Token,
    /// The mean of all tokens, and then the norm (`fc_norm`).
    Average,
    /// A learnt query looks at all tokens.
    Attention(AttentionPoolConfig),
}

/// A vision transformer of timm's.
#[derive(Debug, Clone, PartialEq)]
pub struct TimmVitConfig {
    /// Height and width of the input in pixels.
    pub image_size: [usize; 2],
    /// From pixels to tokens.
    pub stem: StemConfig,
    /// Number of blocks.
    pub layers: usize,
    /// The blocks.
    pub block: BlockConfig,
    /// Whether there is a class token.
    pub class_token: bool,
    /// Whether the table of positions has a row for the class token.
    pub class_position: bool,
    /// Whether tokens get a learnt position.
    pub positions: bool,
    /// How positions are found at another image size.
    pub position_rule: Rule,
    /// Whether tokens are normalised before the first block.
    pub norm_pre: bool,
    /// From tokens to the feature.
    pub pool: PoolConfig,
}

impl TimmVitConfig {
    /// Rows and columns of tokens.
    pub fn grid(&self) -> [usize; 2] {
        self.image_size.map(|side| side / self.stem.stride())
    }
}

/// What a name stands for, as far as names differ.
#[derive(Clone, Copy)]
struct Row {
    patch_size: usize,
    sizes: Sizes,
    activation: Activation,
}

const fn row(patch_size: usize, width: usize, layers: usize, heads: usize, activation: Activation) -> Row {
    Row { patch_size, sizes: Sizes { width, layers, heads, mlp_ratio: 4.0 }, activation }
}

const fn so400m(patch_size: usize, activation: Activation) -> Row {
    Row { patch_size, sizes: Sizes { width: 1152, layers: 27, heads: 16, mlp_ratio: 3.7362 }, activation }
}

/// The SigLIP towers of timm. Whether GELU is exact depends on the name: JAX's weights want tanh, and the names from
/// before timm knew that keep the exact one.
fn siglip_row(name: &str) -> Option<Row> {
    use Activation::{Gelu, GeluTanh};
    Some(match name {
        "vit_base_patch16_siglip_224"
        | "vit_base_patch16_siglip_256"
        | "vit_base_patch16_siglip_384"
        | "vit_base_patch16_siglip_512" => row(16, 768, 12, 12, Gelu),
        "vit_base_patch32_siglip_256" => row(32, 768, 12, 12, GeluTanh),
        "vit_large_patch16_siglip_256" | "vit_large_patch16_siglip_384" => row(16, 1024, 24, 16, Gelu),
        "vit_large_patch16_siglip_512" => row(16, 1024, 24, 16, GeluTanh),
        "vit_so400m_patch14_siglip_224" | "vit_so400m_patch14_siglip_378" | "vit_so400m_patch14_siglip_384" => {
            so400m(14, Gelu)
        }
        "vit_so400m_patch16_siglip_256" | "vit_so400m_patch16_siglip_384" | "vit_so400m_patch16_siglip_512" => {
            so400m(16, GeluTanh)
        }
        "vit_giantopt_patch16_siglip_256" | "vit_giantopt_patch16_siglip_384" => row(16, 1536, 40, 16, GeluTanh),
        _ => return None,
    })
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Kwargs {
    conv_stem_channels: Option<[usize; 3]>,
}

/// The trunk that the request names, if it is one of these.
pub(super) fn trunk(request: &Request<'_>) -> Result<Option<Trunk>, LoadError> {
    let siglip = siglip_row(request.name);
    let (row, epsilon) = match (siglip, request.name) {
        (Some(row), _) => (row, 1e-6),
        (None, "vit_large_patch14_clip_224") => (row(14, 1024, 24, 16, Activation::Gelu), 1e-5),
        (None, "vit_base_mci_224") => (row(16, 768, 12, 12, Activation::Gelu), 1e-6),
        _ => return Ok(None),
    };
    let (sizes, kwargs) = request.sizes::<Kwargs>(row.sizes)?;
    let Sizes { width, layers, heads, .. } = sizes;
    let block = BlockConfig {
        width,
        heads,
        mlp_width: sizes.mlp_width(),
        activation: row.activation,
        mlp: MlpKind::Plain,
        epsilon,
        layer_scale: false,
    };
    request.holds_patches(row.patch_size)?;
    let is_mci = request.name == "vit_base_mci_224";
    if kwargs.conv_stem_channels.is_some() && !is_mci {
        return Err(request.context.unsupported(format!("conv_stem_channels for {}", request.name)));
    }
    let class_token = siglip.is_none();
    request.pool(if class_token { &["", "token"] } else { &["", "map"] })?;
    let norm_pre = request.name == "vit_large_patch14_clip_224";
    let config = TimmVitConfig {
        image_size: request.image_size,
        stem: if is_mci {
            let channels = kwargs.conv_stem_channels.unwrap_or([768 / 4, 768 / 4, 768]);
            if channels[2] != width {
                return Err(request.context.impossible(format!("conv_stem_channels = {channels:?} for {width}")));
            }
            StemConfig::Convolutions { channels }
        } else {
            // A norm right after the stem makes its bias pointless (timm: `bias=not pre_norm`).
            StemConfig::Patches { size: row.patch_size, bias: !norm_pre }
        },
        layers,
        block,
        class_token,
        class_position: class_token && !is_mci,
        positions: true,
        position_rule: Rule::BicubicAntialias,
        norm_pre,
        pool: if class_token {
            PoolConfig::Token
        } else {
            PoolConfig::Attention(AttentionPoolConfig {
                heads: block.heads,
                mlp_width: block.mlp_width,
                activation: block.activation,
                epsilon,
            })
        },
    };
    Ok(Some(Trunk {
        // A class token comes out of the norm; an attention pool ends in its own MLP.
        affine_before: class_token.then(|| AffineBefore::Norm("visual.trunk.norm".into())),
        tower: VisionTowerConfig::TimmVit(config),
        features: width,
        classifier: "visual.trunk.head",
    }))
}

#[derive(Debug)]
enum Stem {
    Patches(Conv),
    Convolutions([Conv; 3]),
    MbConv(MbConvStages),
}

impl Stem {
    fn load(weights: &Weights, config: &StemConfig, width: usize) -> Result<Self, LoadError> {
        const PATCHES: &str = "visual.trunk.patch_embed";
        match *config {
            StemConfig::MbConv(ref stages) => {
                Ok(Self::MbConv(MbConvStages::load(weights, &format!("{PATCHES}.backbone"), stages)?))
            }
            StemConfig::Patches { size, bias } => {
                let shape = ConvShape::patches(3, width, size);
                let kernel = Kernel::load(weights, &format!("{PATCHES}.proj"), shape, bias)?;
                Ok(Self::Patches(kernel.into_conv(weights)))
            }
            StemConfig::Convolutions { channels: [first, second, third] } => {
                let name = |i: usize| format!("{PATCHES}.backbone.{i}");
                let normed = |i: usize, shape| {
                    let (conv, norm) = (format!("{}.conv", name(i)), format!("{}.bn", name(i)));
                    Conv::with_batch_norm(weights, &conv, &norm, shape, BATCH_NORM_EPSILON)
                };
                Ok(Self::Convolutions([
                    normed(0, ConvShape::patches(3, first, 4))?,
                    normed(1, ConvShape::patches(first, second, 2))?,
                    Conv::load(weights, &format!("{}.conv", name(2)), ConvShape::patches(second, third, 2))?,
                ]))
            }
        }
    }

    /// `[batch, 3, height, width]` to `[batch, patch, width]`
    fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        to_sequence(match self {
            Self::Patches(conv) => conv.forward(pixels),
            Self::MbConv(stages) => stages.forward(pixels),
            Self::Convolutions([first, second, third]) => {
                third.forward(Activation::Gelu.apply(second.forward(Activation::Gelu.apply(first.forward(pixels)))))
            }
        })
    }
}

#[derive(Debug)]
enum Pool {
    Token(LayerNorm),
    Average(LayerNorm),
    Attention(LayerNorm, AttentionPool),
}

/// A vision transformer of timm's with its weights.
#[derive(Debug)]
pub struct TimmVit {
    stem: Stem,
    class_token: Option<Tensor<3>>,
    class_position: bool,
    positions: Option<Tensor<2>>,
    norm_pre: Option<LayerNorm>,
    blocks: Vec<ResidualAttentionBlock>,
    pool: Pool,
    width: usize,
}

impl TimmVit {
    /// Reads the tower from `visual.trunk.*`; `resampled` says that positions may be resampled.
    pub fn load(weights: &Weights, config: &TimmVitConfig, resampled: bool) -> Result<Self, LoadError> {
        const TRUNK: &str = "visual.trunk";
        let block = config.block;
        let width = block.width;
        let norm = |name: &str| weights.layer_norm(&format!("{TRUNK}.{name}"), width, block.epsilon);
        let grid = Grid { cells: config.grid(), extra: usize::from(config.class_position), width };
        Ok(Self {
            stem: Stem::load(weights, &config.stem, width)?,
            class_token: config
                .class_token
                .then(|| weights.tensor(&format!("{TRUNK}.cls_token"), [1, 1, width]))
                .transpose()?,
            class_position: config.class_position,
            positions: config
                .positions
                .then(|| load_grid(weights, &format!("{TRUNK}.pos_embed"), &[1], grid, config.position_rule, resampled))
                .transpose()?,
            norm_pre: config.norm_pre.then(|| norm("norm_pre")).transpose()?,
            blocks: (0..config.layers)
                .map(|i| ResidualAttentionBlock::load(weights, &format!("{TRUNK}.blocks.{i}"), TIMM_BLOCK, &block))
                .collect::<Result<_, _>>()?,
            pool: match &config.pool {
                PoolConfig::Token => Pool::Token(norm("norm")?),
                PoolConfig::Average => Pool::Average(norm("fc_norm")?),
                PoolConfig::Attention(pool) => {
                    let name = format!("{TRUNK}.attn_pool");
                    Pool::Attention(norm("norm")?, AttentionPool::load(weights, &name, width, pool)?)
                }
            },
            width,
        })
    }

    /// # Shapes
    /// - pixels: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, width]`, the pooled feature
    pub fn forward(&self, pixels: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        let [batch, ..] = pixels.dims();
        let patches = self.stem.forward(pixels);
        probe.see(|| "visual.patch_embed".into(), &patches);
        let mut x = self.with_positions(patches);
        if let Some(norm) = &self.norm_pre {
            x = norm.forward(x);
        }
        self.see_start(&x, probe);
        for (i, block) in self.blocks.iter().enumerate() {
            self.see_beside(i, block, &x, probe);
            x = block.forward(x, Sight::Full);
            probe.see(|| format!("visual.block.{i}"), &x);
            probe.look_if_named(|| format!("visual.pooled_at.{}", i + 1), || self.pool(x.clone(), &mut Probe::off()));
        }
        match &self.pool {
            Pool::Token(norm) | Pool::Average(norm) => {
                probe.look_if_named(|| "visual.patches".into(), || norm.forward(self.places(x.clone())));
            }
            Pool::Attention(norm, pool) => {
                let alone = || pool.alone(norm.forward(self.places(x.clone())));
                probe.look_if_named(|| "visual.values".into(), alone);
            }
        }
        let pooled = self.pool(x, probe);
        assert_shape!(pooled, [batch, self.width]);
        probe.see(|| "visual.pooled".into(), &pooled);
        pooled
    }

    fn pool(&self, x: Tensor<3>, probe: &mut Probe) -> Tensor<2> {
        let run = self.pooled_run(&x);
        match &self.pool {
            // A norm acts on each token alone, so only the class token needs it.
            Pool::Token(norm) | Pool::Average(norm) => norm.forward(run.mean(x)),
            Pool::Attention(norm, pool) => pool.forward(norm.forward(x), probe),
        }
    }

    /// The tokens whose mean is pooled where there is no attention pool.
    fn pooled_run(&self, x: &Tensor<3>) -> Run {
        match self.pool {
            Pool::Average(_) => Run { first: 0, count: x.dims()[1] },
            Pool::Token(_) | Pool::Attention(..) => Run::FIRST,
        }
    }

    /// All tokens but the class token.
    fn places(&self, x: Tensor<3>) -> Tensor<3> {
        let (kept, seq) = (usize::from(self.class_token.is_some()), x.dims()[1]);
        x.narrow(1, kept, seq - kept)
    }

    fn see_start(&self, x: &Tensor<3>, probe: &mut Probe) {
        probe.look_if_named(|| "visual.pooled_at.0".into(), || self.pool(x.clone(), &mut Probe::off()));
        probe.look_if_named(|| "visual.direct.start".into(), || self.pooled_run(x).mean(x.clone()));
    }

    /// What explanations ask of block `i`, whose input is `x`.
    fn see_beside(&self, i: usize, block: &ResidualAttentionBlock, x: &Tensor<3>, probe: &mut Probe) {
        probe.look_if_named(|| format!("visual.attn.{i}"), || block.pattern(x.clone(), Sight::Full));
        probe.look_if_named(|| format!("visual.direct.{i}"), || block.parts(x.clone(), self.pooled_run(x)));
        if let (Pool::Token(norm) | Pool::Average(norm), true) = (&self.pool, i + 1 == self.blocks.len()) {
            let alone = || norm.forward(self.places(block.forward_alone(x.clone())));
            probe.look_if_named(|| "visual.values".into(), alone);
        }
    }

    fn with_positions(&self, patches: Tensor<3>) -> Tensor<3> {
        let [batch, _, width] = patches.dims();
        let with_class = |x: Tensor<3>| match &self.class_token {
            Some(token) => Tensor::cat(vec![token.clone().expand([batch, 1, width]), x], 1),
            None => x,
        };
        let positions = self.positions.clone().map(|table| table.unsqueeze::<3>());
        match positions {
            Some(positions) if self.class_position => with_class(patches) + positions,
            Some(positions) => with_class(patches + positions),
            None => with_class(patches),
        }
    }
}
