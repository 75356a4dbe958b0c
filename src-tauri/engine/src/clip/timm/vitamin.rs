//! ViTamin: two stages of convolutions make the tokens of a vision transformer with gated MLPs.
//! Follows timm 1.0.31 `vitamin.py`; the transformer is that of [`super::vit`].

use burn::tensor::{Tensor, module::avg_pool2d, ops::AvgPoolOptions};
use serde::Deserialize;

use super::{
    Request, Sizes, Trunk, round_channels,
    vit::{PoolConfig, StemConfig, TimmVitConfig},
};
use crate::{
    clip::{
        activation::Activation,
        block::{BlockConfig, MlpKind},
        config::VisionTowerConfig,
        conv::{Conv, ConvShape, layer_norm_2d},
        position::Rule,
    },
    error::LoadError,
    layers::LayerNorm,
    projection::AffineBefore,
    weights::Weights,
};

const LAYER_NORM_EPSILON: f64 = 1e-6;
/// Pixels of a side that become one token.
pub(super) const STRIDE: usize = 16;
/// Channels inside a block over those of its output.
const EXPANSION: f64 = 4.0;

/// The convolutions in front of the transformer.
#[derive(Debug, Clone, PartialEq)]
pub struct MbConvConfig {
    /// Channels of the first two convolutions.
    pub stem_width: usize,
    /// Channels of the two stages, and of the tokens.
    pub widths: [usize; 3],
    /// Blocks of the two stages.
    pub depths: [usize; 2],
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Kwargs {
    embed_cfg: Option<EmbedCfg>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmbedCfg {
    embed_dim: [usize; 3],
    depths: [usize; 3],
    stem_width: usize,
}

/// The trunk that the request names, if it is one of these.
pub(super) fn trunk(request: &Request<'_>) -> Result<Option<Trunk>, LoadError> {
    let (stem_width, widths, layers, heads) = match request.name {
        "vitamin_small_224" => (64, [64, 128, 384], 14, 6),
        "vitamin_base_224" => (128, [128, 256, 768], 14, 12),
        "vitamin_large_224" | "vitamin_large_256" | "vitamin_large_336" | "vitamin_large_384"
        | "vitamin_large2_224" | "vitamin_large2_256" | "vitamin_large2_336" | "vitamin_large2_384" => {
            (160, [160, 320, 1024], 31, 16)
        }
        "vitamin_xlarge_256" | "vitamin_xlarge_336" | "vitamin_xlarge_384" => (192, [192, 384, 1152], 32, 16),
        _ => return Ok(None),
    };
    let context = request.context;
    let default = Sizes { width: widths[2], layers, heads, mlp_ratio: 2.0 };
    let (sizes, kwargs) = request.sizes::<Kwargs>(default)?;
    let width = sizes.width;
    request.pool(&["", "avg"])?;
    request.bounded_image()?;
    request.holds_patches(STRIDE)?;
    let mut stem = MbConvConfig { stem_width, widths, depths: [2, 4] };
    if let Some(given) = kwargs.embed_cfg {
        // The third depth is of a stage that timm does not build.
        let [first, second, _] = given.depths;
        stem = MbConvConfig { stem_width: given.stem_width, widths: given.embed_dim, depths: [first, second] };
    }
    for size in stem.widths.into_iter().chain(stem.depths).chain([stem.stem_width]) {
        context.size("timm_model_kwargs.embed_cfg", size)?;
    }
    if stem.widths[2] != width {
        return Err(context.impossible(format!("tokens of {} for a transformer of {width}", stem.widths[2])));
    }
    let block = BlockConfig {
        width,
        heads: sizes.heads,
        mlp_width: sizes.mlp_width(),
        activation: Activation::Gelu,
        mlp: MlpKind::GeGlu,
        epsilon: LAYER_NORM_EPSILON,
        layer_scale: false,
    };
    let config = TimmVitConfig {
        image_size: request.image_size,
        stem: StemConfig::MbConv(stem),
        layers: sizes.layers,
        block,
        class_token: false,
        class_position: false,
        // The largest has none: convolutions already tell where a token is.
        positions: !request.name.starts_with("vitamin_xlarge"),
        position_rule: Rule::BicubicAntialias,
        norm_pre: false,
        pool: PoolConfig::Average,
    };
    Ok(Some(Trunk {
        tower: VisionTowerConfig::TimmVit(config),
        features: width,
        affine_before: Some(AffineBefore::Norm("visual.trunk.fc_norm".into())),
        classifier: "visual.trunk.head",
    }))
}

/// Around a block: halves the size by averaging, and changes the number of channels.
#[derive(Debug)]
enum Shortcut {
    Downsample(Option<Conv>),
    Point(Conv),
    Identity,
}

/// A norm, then up, a depthwise convolution, and down (timm `MbConvLNBlock`).
#[derive(Debug)]
struct Block {
    shortcut: Shortcut,
    pre_norm: LayerNorm,
    up: Conv,
    depthwise: Conv,
    down: Conv,
}

impl Block {
    fn load(weights: &Weights, name: &str, inputs: usize, out: usize, stride: usize) -> Result<Self, LoadError> {
        let part = |part: &str| format!("{name}.{part}");
        let hidden = round_channels(out as f64 * EXPANSION, 8, 0.9);
        let point = ConvShape::point(inputs, out);
        let shortcut = match (stride, inputs == out) {
            (2, true) => Shortcut::Downsample(None),
            (2, false) => Shortcut::Downsample(Some(Conv::load(weights, &part("shortcut.expand"), point)?)),
            (_, false) => Shortcut::Point(Conv::load(weights, &part("shortcut"), point)?),
            (_, true) => Shortcut::Identity,
        };
        let depthwise = ConvShape::centred(hidden, hidden, 3, stride).depthwise();
        Ok(Self {
            shortcut,
            pre_norm: weights.layer_norm(&part("pre_norm"), inputs, LAYER_NORM_EPSILON)?,
            up: Conv::load(weights, &part("conv1_1x1"), ConvShape::point(inputs, hidden))?,
            depthwise: Conv::load(weights, &part("conv2_kxk"), depthwise)?,
            down: Conv::load(weights, &part("conv3_1x1"), ConvShape::point(hidden, out))?,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shortcut = match &self.shortcut {
            Shortcut::Downsample(expand) => {
                // The border is left out of the mean (`count_include_pad=False`).
                let mut options = AvgPoolOptions::new([3, 3]).with_stride([2, 2]).with_padding([1, 1]);
                options.count_include_pad = false;
                let halved = avg_pool2d(x.clone(), options);
                match expand {
                    Some(conv) => conv.forward(halved),
                    None => halved,
                }
            }
            Shortcut::Point(conv) => conv.forward(x.clone()),
            Shortcut::Identity => x.clone(),
        };
        let hidden = Activation::Gelu.apply(self.up.forward(layer_norm_2d(&self.pre_norm, x)));
        self.down.forward(Activation::Gelu.apply(self.depthwise.forward(hidden))) + shortcut
    }
}

/// The convolutions with their weights.
#[derive(Debug)]
pub struct MbConvStages {
    conv1: Conv,
    norm1: LayerNorm,
    conv2: Conv,
    blocks: Vec<Block>,
    pool_norm: LayerNorm,
    pool: Conv,
}

impl MbConvStages {
    /// Reads the convolutions whose keys start with `name`.
    pub fn load(weights: &Weights, name: &str, config: &MbConvConfig) -> Result<Self, LoadError> {
        let part = |part: &str| format!("{name}.{part}");
        let stem = config.stem_width;
        let mut inputs = stem;
        let mut blocks = Vec::new();
        for (stage, depth) in config.depths.into_iter().enumerate() {
            let out = config.widths[stage];
            for block in 0..depth {
                let stride = if block == 0 { 2 } else { 1 };
                blocks.push(Block::load(weights, &part(&format!("stages.{stage}.{block}")), inputs, out, stride)?);
                inputs = out;
            }
        }
        Ok(Self {
            conv1: Conv::load(weights, &part("stem.conv1"), ConvShape::centred(3, stem, 3, 2))?,
            norm1: weights.layer_norm(&part("stem.norm1"), stem, LAYER_NORM_EPSILON)?,
            conv2: Conv::load(weights, &part("stem.conv2"), ConvShape::centred(stem, stem, 3, 1))?,
            blocks,
            pool_norm: weights.layer_norm(&part("pool.norm"), inputs, LAYER_NORM_EPSILON)?,
            pool: Conv::load(weights, &part("pool.proj"), ConvShape::centred(inputs, config.widths[2], 3, 2))?,
        })
    }

    /// # Shapes
    /// - pixels: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, tokens' width, height / 16, width / 16]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<4> {
        let x = Activation::Gelu.apply(layer_norm_2d(&self.norm1, self.conv1.forward(pixels)));
        let x = self.blocks.iter().fold(self.conv2.forward(x), |x, block| block.forward(x));
        self.pool.forward(layer_norm_2d(&self.pool_norm, x))
    }
}
