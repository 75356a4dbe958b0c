//! FastViT, the image towers of MobileCLIP-S and MobileCLIP2-S: mostly depthwise convolutions, attention at the end.
//! Follows timm 1.0.31 `fastvit.py`, the `fastvit_mci*` variants.
//!
//! In training, each convolution is a sum of branches with a BatchNorm each, and checkpoints keep the branches. They are
//! linear, so they are added into one convolution while loading.

use burn::tensor::{
    Tensor,
    activation::{relu, sigmoid},
    assert_shape,
};
use serde::Deserialize;

use super::{Request, Trunk, round_channels};
use crate::{
    clip::{
        activation::Activation,
        attention::{attention, attention_pattern},
        block::{Sight, join_heads, split_parts},
        config::VisionTowerConfig,
        conv::{Conv, ConvShape, Kernel, layer_norm_2d, to_sequence},
    },
    error::LoadError,
    layers::{LayerNorm, Linear, in_f32},
    probe::Probe,
    weights::Weights,
};

const TRUNK: &str = "visual.trunk";
const BATCH_NORM_EPSILON: f32 = 1e-5;
const LAYER_NORM_EPSILON: f64 = 1e-5;
/// Size of an attention head.
const HEAD: usize = 32;
/// Channels of the feature over those of the last stage.
const FEATURE_RATIO: usize = 2;

/// What a block mixes cells with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mixer {
    /// A depthwise convolution.
    Convolution,
    /// Attention over all cells, after positions from a depthwise convolution.
    Attention,
}

/// One stage.
#[derive(Debug, Clone, PartialEq)]
pub struct StageConfig {
    /// Number of blocks.
    pub depth: usize,
    /// Channels.
    pub width: usize,
    /// What its blocks mix cells with.
    pub mixer: Mixer,
    /// Whether channels are weighed (squeeze and excite) where the size is halved.
    pub squeeze: bool,
}

/// A FastViT.
#[derive(Debug, Clone, PartialEq)]
pub struct FastVitConfig {
    /// Height and width of the input in pixels.
    pub image_size: [usize; 2],
    /// Stages, the first at a quarter of the size, each other at half of the one before.
    pub stages: Vec<StageConfig>,
    /// Hidden size of a block's MLP over its channels.
    pub mlp_ratio: usize,
    /// Whether the stem's convolutions have a branch of one cell.
    pub stem_scale_branch: bool,
    /// Whether attention is behind a LayerNorm instead of a BatchNorm.
    pub layer_norm: bool,
}

impl FastVitConfig {
    /// Rows and columns of cells of the last stage: every halving rounds up.
    pub fn grid(&self) -> [usize; 2] {
        // The stem halves twice, each stage but the first once.
        self.image_size.map(|side| (0..=self.stages.len()).fold(side, |side, _| side.div_ceil(2)))
    }

    /// Blocks of the last stage and heads of each, where that stage has attention. Others have another grid.
    pub fn attention(&self) -> Option<[usize; 2]> {
        let last = self.stages.last().filter(|stage| stage.mixer == Mixer::Attention)?;
        Some([last.depth, last.width / HEAD])
    }

    /// Size of the pooled feature.
    pub fn features(&self) -> usize {
        FEATURE_RATIO * self.stages.last().map_or(0, |stage| stage.width)
    }
}

fn named(name: &str, image_size: [usize; 2]) -> Option<FastVitConfig> {
    let variant = |depths: &[usize], width: usize| {
        // The variants of five stages were designed anew; only those of four weigh channels, in the last two.
        let five = depths.len() == 5;
        let stage = |(i, depth): (usize, &usize)| StageConfig {
            depth: *depth,
            width: width << i,
            mixer: if i >= 3 { Mixer::Attention } else { Mixer::Convolution },
            squeeze: !five && i >= 2,
        };
        FastVitConfig {
            image_size,
            stages: depths.iter().enumerate().map(stage).collect(),
            mlp_ratio: if five { 4 } else { 3 },
            stem_scale_branch: !five,
            layer_norm: five,
        }
    };
    Some(match name {
        "fastvit_mci0" => variant(&[2, 6, 10, 2], 64),
        "fastvit_mci1" => variant(&[4, 12, 20, 4], 64),
        "fastvit_mci2" => variant(&[4, 12, 24, 4], 80),
        "fastvit_mci3" => variant(&[2, 12, 24, 4, 2], 96),
        "fastvit_mci4" => variant(&[2, 12, 24, 4, 4], 128),
        _ => return None,
    })
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Kwargs {
    layers: Option<Vec<usize>>,
    embed_dims: Option<Vec<usize>>,
}

/// The trunk that the request names, if it is one of these.
pub(super) fn trunk(request: &Request<'_>) -> Result<Option<Trunk>, LoadError> {
    let Some(mut config) = named(request.name, request.image_size) else { return Ok(None) };
    let kwargs: Kwargs = request.kwargs()?;
    request.pool(&["", "avg"])?;
    request.bounded_image()?;
    let count = config.stages.len();
    request.holds_patches(4 << (count - 1))?;
    for sizes in [&kwargs.layers, &kwargs.embed_dims].into_iter().flatten() {
        if sizes.len() != count {
            return Err(request.context.impossible(format!("{} sizes for {count} stages", sizes.len())));
        }
    }
    for (i, stage) in config.stages.iter_mut().enumerate() {
        stage.depth = kwargs.layers.as_ref().map_or(stage.depth, |sizes| sizes[i]);
        stage.width = kwargs.embed_dims.as_ref().map_or(stage.width, |sizes| sizes[i]);
        request.context.size("timm_model_kwargs.layers", stage.depth)?;
        request.context.size("timm_model_kwargs.embed_dims", stage.width)?;
        if stage.mixer == Mixer::Attention && !stage.width.is_multiple_of(HEAD) {
            return Err(request.context.impossible(format!("attention heads of {HEAD} for {} channels", stage.width)));
        }
    }
    Ok(Some(Trunk {
        features: config.features(),
        tower: VisionTowerConfig::FastVit(config),
        // An activation and a mean are in front of the projection.
        affine_before: None,
        classifier: "visual.trunk.head.fc",
    }))
}

/// Adds the branches of a `MobileOneBlock` into one convolution.
///
/// `NAME.conv_kxk.0` is the convolution, `NAME.conv_scale` one of a single cell, `NAME.identity` a norm alone; the latter
/// is there where input and output are of one shape.
fn mobile_one(weights: &Weights, name: &str, shape: ConvShape, scale_branch: bool) -> Result<Kernel, LoadError> {
    let branch = |part: &str, shape| normed(weights, &format!("{name}.{part}"), shape);
    let mut kernel = branch("conv_kxk.0", shape)?;
    if shape.kernel > 1 && scale_branch {
        kernel = kernel.plus(&branch("conv_scale", shape.shrunk())?);
    }
    if shape.inputs == shape.out && shape.stride == 1 {
        kernel = kernel.plus(&normed_identity(weights, name, shape)?);
    }
    Ok(kernel)
}

/// The convolution `NAME.conv` with its BatchNorm `NAME.bn`.
fn normed(weights: &Weights, name: &str, shape: ConvShape) -> Result<Kernel, LoadError> {
    let kernel = Kernel::load(weights, &format!("{name}.conv"), shape, false)?;
    kernel.with_batch_norm(weights, &format!("{name}.bn"), BATCH_NORM_EPSILON)
}

/// The BatchNorm `NAME.identity` as a convolution.
fn normed_identity(weights: &Weights, name: &str, shape: ConvShape) -> Result<Kernel, LoadError> {
    Kernel::identity(shape).with_batch_norm(weights, &format!("{name}.identity"), BATCH_NORM_EPSILON)
}

/// Weighs channels by what is in all of them (squeeze and excite).
#[derive(Debug)]
struct Squeeze {
    fc1: Conv,
    fc2: Conv,
}

impl Squeeze {
    fn load(weights: &Weights, name: &str, channels: usize, hidden: usize) -> Result<Self, LoadError> {
        Ok(Self {
            fc1: Conv::load(weights, &format!("{name}.fc1"), ConvShape::point(channels, hidden))?,
            fc2: Conv::load(weights, &format!("{name}.fc2"), ConvShape::point(hidden, channels))?,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mean = x.clone().mean_dim(2).mean_dim(3); // [batch, channels, 1, 1]
        x * sigmoid(self.fc2.forward(relu(self.fc1.forward(mean))))
    }
}

/// Halves the size with a wide depthwise convolution, then mixes channels (timm `PatchEmbed`).
#[derive(Debug)]
struct Downsample {
    large: Conv,
    squeeze: Option<Squeeze>,
    point: Conv,
}

impl Downsample {
    fn load(weights: &Weights, name: &str, inputs: usize, stage: &StageConfig) -> Result<Self, LoadError> {
        let width = stage.width;
        let branch = |part: &str, kernel: usize| {
            let shape = ConvShape { groups: inputs, ..ConvShape::centred(inputs, width, kernel, 2) };
            normed(weights, &format!("{name}.proj.0.{part}"), shape)
        };
        // timm `SqueezeExcite`: a quarter of the channels, in steps of 8.
        let squeeze = stage.squeeze.then(|| {
            Squeeze::load(weights, &format!("{name}.proj.0.se"), width, round_channels(width as f64 * 0.25, 8, 0.0))
        });
        Ok(Self {
            large: branch("large_conv", 7)?.plus(&branch("small_conv", 3)?).into_conv(weights),
            squeeze: squeeze.transpose()?,
            point: mobile_one(weights, &format!("{name}.proj.1"), ConvShape::point(width, width), true)?
                .into_conv(weights),
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.large.forward(x);
        let x = match &self.squeeze {
            Some(squeeze) => squeeze.forward(x),
            None => x,
        };
        Activation::Gelu.apply(self.point.forward(Activation::Gelu.apply(x)))
    }
}

/// A depthwise convolution, then an MLP for each cell; the branch's scale is folded into the last layer.
#[derive(Debug)]
struct ConvMlp {
    conv: Conv,
    fc1: Conv,
    fc2: Conv,
}

impl ConvMlp {
    fn load(weights: &Weights, name: &str, scale: &str, width: usize, ratio: usize) -> Result<Self, LoadError> {
        let part = |part: &str| format!("{name}.{part}");
        let depthwise = ConvShape::centred(width, width, 7, 1).depthwise();
        let gamma = weights.values(scale, &[width, 1, 1])?;
        Ok(Self {
            conv: normed(weights, &part("conv"), depthwise)?.into_conv(weights),
            fc1: Conv::load(weights, &part("fc1"), ConvShape::point(width, ratio * width))?,
            fc2: Kernel::load(weights, &part("fc2"), ConvShape::point(ratio * width, width), true)?
                .scaled(&gamma)
                .into_conv(weights),
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.fc2.forward(Activation::Gelu.apply(self.fc1.forward(self.conv.forward(x))))
    }
}

#[derive(Debug)]
enum Norm {
    /// Scale and shift of each channel, `[1, channels, 1, 1]`.
    Batch(Tensor<4>, Tensor<4>),
    Layer(LayerNorm),
}

impl Norm {
    fn load(weights: &Weights, name: &str, width: usize, layer: bool) -> Result<Self, LoadError> {
        if layer {
            return Ok(Self::Layer(weights.layer_norm(name, width, LAYER_NORM_EPSILON)?));
        }
        let identity = Kernel::identity(ConvShape::point(width, width).depthwise());
        let (scale, shift) = identity.with_batch_norm(weights, name, BATCH_NORM_EPSILON)?.into_parts();
        let tensor = |values| weights.small(values, [1, width, 1, 1]);
        Ok(Self::Batch(tensor(scale), tensor(shift)))
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Batch(scale, shift) => x * scale.clone() + shift.clone(),
            Self::Layer(norm) => layer_norm_2d(norm, x),
        }
    }
}

/// Attention over all cells, with the branch's scale.
#[derive(Debug)]
struct Attention {
    norm: Norm,
    qkv: Linear,
    proj: Linear,
    /// `[1, 1, channels]`
    scale: Tensor<3>,
}

impl Attention {
    fn load(weights: &Weights, block: &str, width: usize, layer_norm: bool) -> Result<Self, LoadError> {
        let part = |part: &str| format!("{block}.{part}");
        Ok(Self {
            norm: Norm::load(weights, &part("norm"), width, layer_norm)?,
            qkv: weights.linear(&part("token_mixer.qkv"), width, 3 * width, false)?,
            proj: weights.linear(&part("token_mixer.proj"), width, width, true)?,
            scale: weights.tensor::<3>(&part("layer_scale_1.gamma"), [width, 1, 1])?.reshape([1, 1, width]),
        })
    }

    fn q_k_v(&self, x: Tensor<4>) -> [Tensor<4>; 3] {
        let heads = x.dims()[1] / HEAD;
        split_parts(self.qkv.forward(to_sequence(self.norm.forward(x))), heads)
    }

    /// How much each cell looks at each other one: `[batch, heads, cells, cells]`.
    fn pattern(&self, x: Tensor<4>) -> Tensor<4> {
        let [q, k, _] = self.q_k_v(x);
        attention_pattern(q, k, None)
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, width, rows, columns] = x.dims();
        let [q, k, v] = self.q_k_v(x);
        let found = join_heads(attention(q, k, v, None, Sight::Full));
        let out = self.proj.forward(found) * self.scale.clone();
        out.swap_dims(1, 2).reshape([batch, width, rows, columns])
    }
}

#[derive(Debug)]
enum TokenMixer {
    /// With the shortcut around it already inside.
    Convolution(Conv),
    Attention(Attention),
}

#[derive(Debug)]
struct Block {
    mixer: TokenMixer,
    mlp: ConvMlp,
}

impl Block {
    fn load(weights: &Weights, name: &str, stage: &StageConfig, config: &FastVitConfig) -> Result<Self, LoadError> {
        let width = stage.width;
        let (mixer, scale) = match stage.mixer {
            Mixer::Convolution => (TokenMixer::Convolution(rep_mixer(weights, name, width)?), "layer_scale"),
            Mixer::Attention => {
                let attention = Attention::load(weights, name, width, config.layer_norm)?;
                (TokenMixer::Attention(attention), "layer_scale_2")
            }
        };
        let (mlp, scale) = (format!("{name}.mlp"), format!("{name}.{scale}.gamma"));
        Ok(Self { mixer, mlp: ConvMlp::load(weights, &mlp, &scale, width, config.mlp_ratio)? })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = match &self.mixer {
            TokenMixer::Convolution(conv) => conv.forward(x),
            TokenMixer::Attention(attention) => x.clone() + attention.forward(x),
        };
        x.clone() + self.mlp.forward(x)
    }
}

/// timm `RepMixer`: `x + γ ⊙ (mixer(x) − norm(x))` as one depthwise convolution.
fn rep_mixer(weights: &Weights, block: &str, width: usize) -> Result<Conv, LoadError> {
    let name = format!("{block}.token_mixer");
    let shape = ConvShape::centred(width, width, 3, 1).depthwise();
    let gamma = weights.values(&format!("{name}.layer_scale.gamma"), &[width, 1, 1])?;
    let minus = vec![-1.0; width];
    let mixer = mobile_one(weights, &format!("{name}.mixer"), shape, true)?;
    let norm = normed_identity(weights, &format!("{name}.norm"), shape)?;
    let branch = mixer.plus(&norm.scaled(&minus)).scaled(&gamma);
    Ok(branch.plus(&Kernel::identity(shape)).into_conv(weights))
}

#[derive(Debug)]
struct Stage {
    downsample: Option<Downsample>,
    /// Positions from a depthwise convolution, with the shortcut around it already inside.
    positions: Option<Conv>,
    blocks: Vec<Block>,
}

impl Stage {
    fn load(weights: &Weights, index: usize, config: &FastVitConfig) -> Result<Self, LoadError> {
        let stage = &config.stages[index];
        let name = format!("{TRUNK}.stages.{index}");
        let downsample = index
            .checked_sub(1)
            .map(|before| Downsample::load(weights, &format!("{name}.downsample"), config.stages[before].width, stage));
        let positions = (stage.mixer == Mixer::Attention).then(|| {
            let shape = ConvShape::centred(stage.width, stage.width, 7, 1).depthwise();
            let kernel = Kernel::load(weights, &format!("{name}.pos_emb.pos_enc"), shape, true)?;
            Ok::<_, LoadError>(kernel.plus(&Kernel::identity(shape)).into_conv(weights))
        });
        Ok(Self {
            downsample: downsample.transpose()?,
            positions: positions.transpose()?,
            blocks: (0..stage.depth)
                .map(|i| Block::load(weights, &format!("{name}.blocks.{i}"), stage, config))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Attention is reported where this is the last stage.
    fn forward(&self, mut x: Tensor<4>, is_last: bool, probe: &mut Probe) -> Tensor<4> {
        if let Some(downsample) = &self.downsample {
            x = downsample.forward(x);
        }
        if let Some(positions) = &self.positions {
            x = positions.forward(x);
        }
        for (i, block) in self.blocks.iter().enumerate() {
            if let (TokenMixer::Attention(attention), true) = (&block.mixer, is_last) {
                probe.look_if_named(|| format!("visual.attn.{i}"), || attention.pattern(x.clone()));
            }
            x = block.forward(x);
        }
        x
    }
}

/// A FastViT with its weights.
#[derive(Debug)]
pub struct FastVit {
    stem: [Conv; 3],
    stages: Vec<Stage>,
    final_conv: Conv,
    final_squeeze: Squeeze,
}

impl FastVit {
    /// Reads the trunk from `visual.trunk.*`.
    pub fn load(weights: &Weights, config: &FastVitConfig) -> Result<Self, LoadError> {
        let first = config.stages[0].width;
        let last = config.features() / FEATURE_RATIO;
        let stem = |i: usize, shape: ConvShape| {
            let kernel = mobile_one(weights, &format!("{TRUNK}.stem.{i}"), shape, config.stem_scale_branch)?;
            Ok::<_, LoadError>(kernel.into_conv(weights))
        };
        let final_shape = ConvShape { groups: last, ..ConvShape::centred(last, config.features(), 3, 1) };
        let final_name = format!("{TRUNK}.final_conv");
        // timm `SqueezeExcite` with a divisor of 1: a sixteenth of the channels.
        let hidden = round_channels(config.features() as f64 / 16.0, 1, 0.0);
        Ok(Self {
            stem: [
                stem(0, ConvShape::centred(3, first, 3, 2))?,
                stem(1, ConvShape::centred(first, first, 3, 2).depthwise())?,
                stem(2, ConvShape::point(first, first))?,
            ],
            stages: (0..config.stages.len()).map(|i| Stage::load(weights, i, config)).collect::<Result<_, _>>()?,
            final_conv: mobile_one(weights, &final_name, final_shape, true)?.into_conv(weights),
            final_squeeze: Squeeze::load(weights, &format!("{final_name}.se"), config.features(), hidden)?,
        })
    }

    /// # Shapes
    /// - pixels: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, channels]`, the mean over all cells
    pub fn forward(&self, pixels: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        let [batch, ..] = pixels.dims();
        let mut x = self.stem.iter().fold(pixels, |x, conv| Activation::Gelu.apply(conv.forward(x)));
        for (i, stage) in self.stages.iter().enumerate() {
            x = stage.forward(x, i + 1 == self.stages.len(), probe);
            probe.see(|| format!("visual.stage.{i}"), &x);
        }
        let x = Activation::Gelu.apply(self.final_squeeze.forward(self.final_conv.forward(x)));
        let channels = x.dims()[1];
        probe.look_if_named(|| "visual.patches".into(), || to_sequence(x.clone()));
        let pooled = in_f32(x).flatten::<3>(2, 3).mean_dim(2).reshape([batch, channels]);
        assert_shape!(pooled, [batch, channels]);
        probe.see(|| "visual.pooled".into(), &pooled);
        pooled
    }
}
