//! EfficientNet-Lite, the image trunk of the embedded model.
//! Follows timm `models/efficientnet.py` (`_gen_efficientnet_lite`) and `_efficientnet_blocks.py` at 1.0.31.

use burn::tensor::{Tensor, activation::relu6, assert_shape};

use super::{Request, Trunk, round_channels};
use crate::{
    clip::{
        config::VisionTowerConfig,
        conv::{Conv, ConvShape, Padding, to_sequence},
    },
    error::LoadError,
    layers::in_f32,
    probe::Probe,
    weights::Weights,
};

/// TensorFlow's BatchNorm epsilon, which `tf_*` models of timm keep (`BN_EPS_TF_DEFAULT`).
const BATCH_NORM_EPSILON: f32 = 1e-3;

/// A row of timm's architecture table: repeats before depth scaling, kernel, stride, expansion, channels before width scaling.
struct StageRow {
    repeats: usize,
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
}

const fn row(repeats: usize, kernel: usize, stride: usize, expansion: usize, channels: usize) -> StageRow {
    StageRow { repeats, kernel, stride, expansion, channels }
}

/// timm `_gen_efficientnet_lite`: `ds_r1_k3_s1_e1_c16`, `ir_r2_k3_s2_e6_c24`, …
const STAGES: [StageRow; 7] = [
    row(1, 3, 1, 1, 16),
    row(2, 3, 2, 6, 24),
    row(2, 5, 2, 6, 40),
    row(3, 3, 2, 6, 80),
    row(3, 5, 1, 6, 112),
    row(4, 5, 2, 6, 192),
    row(1, 3, 1, 6, 320),
];

const STEM_CHANNELS: usize = 32;
/// Channels of the trunk's feature; Lite models do not scale it.
const FEATURE_CHANNELS: usize = 1280;

/// The trunk that the request names, if it is one of these.
pub(super) fn trunk(request: &Request<'_>) -> Result<Option<Trunk>, LoadError> {
    let Some(config) = EfficientNetConfig::named(request.name, request.image_size) else { return Ok(None) };
    request.no_kwargs()?;
    request.pool(&["", "avg"])?;
    request.bounded_image()?;
    // The trunk ends in an activation and a mean, so no affine layer is in front of the projection.
    let (features, affine_before) = (config.feature_channels(), None);
    Ok(Some(Trunk {
        tower: VisionTowerConfig::EfficientNet(config),
        features,
        affine_before,
        classifier: "visual.trunk.classifier",
    }))
}

/// Which EfficientNet-Lite.
#[derive(Debug, Clone, PartialEq)]
pub struct EfficientNetConfig {
    /// Height and width of the input in pixels.
    pub image_size: [usize; 2],
    /// Multiplies the channels of the table.
    pub width_multiplier: f64,
    /// Multiplies the repeats of the table.
    pub depth_multiplier: f64,
}

impl EfficientNetConfig {
    /// The trunk that timm calls `name`, if it is one of these.
    pub fn named(name: &str, image_size: [usize; 2]) -> Option<Self> {
        let (width_multiplier, depth_multiplier) = match name {
            "tf_efficientnet_lite0" => (1.0, 1.0),
            "tf_efficientnet_lite1" => (1.0, 1.1),
            "tf_efficientnet_lite2" => (1.1, 1.2),
            "tf_efficientnet_lite3" => (1.2, 1.4),
            "tf_efficientnet_lite4" => (1.4, 1.8),
            _ => return None,
        };
        Some(Self { image_size, width_multiplier, depth_multiplier })
    }

    /// Size of the pooled feature.
    pub fn feature_channels(&self) -> usize {
        FEATURE_CHANNELS
    }

    /// Rows and columns of cells of the last stage: every stride rounds up.
    pub fn grid(&self) -> [usize; 2] {
        self.image_size.map(|side| STAGES.iter().fold(side.div_ceil(2), |side, stage| side.div_ceil(stage.stride)))
    }

    /// timm `round_channels` of the table's channels.
    fn channels(&self, base: usize) -> usize {
        round_channels(base as f64 * self.width_multiplier, 8, 0.9)
    }

    /// timm `_scale_stage_depth`; Lite models fix the first and the last stage.
    fn repeats(&self, stage: usize) -> usize {
        let base = STAGES[stage].repeats;
        if stage == 0 || stage + 1 == STAGES.len() {
            base
        } else {
            (base as f64 * self.depth_multiplier).ceil() as usize
        }
    }
}

fn same(inputs: usize, out: usize, kernel: usize, stride: usize) -> ConvShape {
    ConvShape { padding: Padding::Same, ..ConvShape::centred(inputs, out, kernel, stride) }
}

fn load_conv(weights: &Weights, conv: &str, owner: &str, norm: &str, shape: ConvShape) -> Result<Conv, LoadError> {
    Conv::with_batch_norm(weights, conv, &format!("{owner}.{norm}"), shape, BATCH_NORM_EPSILON)
}

/// timm `DepthwiseSeparableConv` (without `expand`) and `InvertedResidual` (with it).
#[derive(Debug)]
struct Block {
    expand: Option<Conv>,
    depthwise: Conv,
    project: Conv,
    residual: bool,
}

impl Block {
    fn load(
        weights: &Weights,
        name: &str,
        inputs: usize,
        out: usize,
        stage: &StageRow,
        stride: usize,
    ) -> Result<Self, LoadError> {
        let hidden = inputs * stage.expansion;
        let depth = same(hidden, hidden, stage.kernel, stride).depthwise();
        let conv = |part: &str, norm: &str, shape| load_conv(weights, &format!("{name}.{part}"), name, norm, shape);
        let (expand, depthwise, project) = if stage.expansion == 1 {
            (None, conv("conv_dw", "bn1", depth)?, conv("conv_pw", "bn2", ConvShape::point(inputs, out))?)
        } else {
            let expand = conv("conv_pw", "bn1", ConvShape::point(inputs, hidden))?;
            (Some(expand), conv("conv_dw", "bn2", depth)?, conv("conv_pwl", "bn3", ConvShape::point(hidden, out))?)
        };
        Ok(Self { expand, depthwise, project, residual: stride == 1 && inputs == out })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let expanded = match &self.expand {
            Some(expand) => relu6(expand.forward(x.clone())),
            None => x.clone(),
        };
        // No activation after the projecting convolution: the bottleneck is linear.
        let out = self.project.forward(relu6(self.depthwise.forward(expanded)));
        if self.residual { out + x } else { out }
    }
}

/// EfficientNet-Lite without its classifier.
#[derive(Debug)]
pub struct EfficientNet {
    conv_stem: Conv,
    blocks: Vec<Vec<Block>>,
    conv_head: Conv,
}

impl EfficientNet {
    /// Reads the trunk from `visual.trunk.*`.
    pub fn load(weights: &Weights, config: &EfficientNetConfig) -> Result<Self, LoadError> {
        const TRUNK: &str = "visual.trunk";
        let conv = |name: &str, norm: &str, shape| load_conv(weights, &format!("{TRUNK}.{name}"), TRUNK, norm, shape);
        let conv_stem = conv("conv_stem", "bn1", same(3, STEM_CHANNELS, 3, 2))?;
        let mut inputs = STEM_CHANNELS;
        let mut blocks = Vec::with_capacity(STAGES.len());
        for (index, stage) in STAGES.iter().enumerate() {
            let out = config.channels(stage.channels);
            let mut parts = Vec::new();
            for repeat in 0..config.repeats(index) {
                let stride = if repeat == 0 { stage.stride } else { 1 };
                let name = format!("visual.trunk.blocks.{index}.{repeat}");
                parts.push(Block::load(weights, &name, inputs, out, stage, stride)?);
                inputs = out;
            }
            blocks.push(parts);
        }
        let head = ConvShape::point(inputs, FEATURE_CHANNELS);
        Ok(Self { conv_stem, blocks, conv_head: conv("conv_head", "bn2", head)? })
    }

    /// # Shapes
    /// - pixels: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, 1280]`, the mean over all cells
    pub fn forward(&self, pixels: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        let [batch, ..] = pixels.dims();
        let mut x = relu6(self.conv_stem.forward(pixels));
        probe.see(|| "visual.stem".into(), &x);
        for (i, stage) in self.blocks.iter().enumerate() {
            x = stage.iter().fold(x, |x, block| block.forward(x));
            probe.see(|| format!("visual.stage.{i}"), &x);
        }
        let x = relu6(self.conv_head.forward(x));
        probe.look_if_named(|| "visual.patches".into(), || to_sequence(x.clone()));
        let pooled = in_f32(x).flatten::<3>(2, 3).mean_dim(2).reshape([batch, FEATURE_CHANNELS]);
        assert_shape!(pooled, [batch, FEATURE_CHANNELS]);
        probe.see(|| "visual.pooled".into(), &pooled);
        pooled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lite2_has_timms_channels_and_depths() {
        let config = EfficientNetConfig::named("tf_efficientnet_lite2", [260; 2]).unwrap();
        let channels: Vec<_> = STAGES.iter().map(|s| config.channels(s.channels)).collect();
        assert_eq!(channels, [16, 24, 48, 88, 120, 208, 352]);
        let repeats: Vec<_> = (0..STAGES.len()).map(|s| config.repeats(s)).collect();
        assert_eq!(repeats, [1, 3, 3, 4, 4, 5, 1]);
    }
}
