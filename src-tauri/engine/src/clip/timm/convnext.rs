//! ConvNeXt. Follows timm 1.0.31 `convnext.py`, and `layers/classifier.py` (`NormMlpClassifierHead`) for the pool.

use burn::tensor::{Tensor, assert_shape};
use serde::Deserialize;

use super::{Request, Trunk};
use crate::{
    clip::{
        activation::Activation,
        block::Mlp,
        config::VisionTowerConfig,
        conv::{Conv, ConvShape, layer_norm_2d, to_sequence},
    },
    error::LoadError,
    layers::{LayerNorm, in_f32},
    probe::Probe,
    projection::AffineBefore,
    weights::Weights,
};

const TRUNK: &str = "visual.trunk";
/// Hidden size of a block's MLP over its channels.
const MLP_RATIO: usize = 4;

/// A ConvNeXt.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvNextConfig {
    /// Height and width of the input in pixels.
    pub image_size: [usize; 2],
    /// Blocks of each stage.
    pub depths: [usize; 4],
    /// Channels of each stage.
    pub dims: [usize; 4],
    /// Added to the variance by every LayerNorm.
    pub epsilon: f64,
}

impl ConvNextConfig {
    /// Rows and columns of cells of the last stage: windows of 4 pixels, then three halvings, each without what is left
    /// over.
    pub fn grid(&self) -> [usize; 2] {
        self.image_size.map(|side| side / 32)
    }
}

fn named(name: &str) -> Option<([usize; 4], [usize; 4], f64)> {
    Some(match name {
        "convnext_tiny" => ([3, 3, 9, 3], [96, 192, 384, 768], 1e-6),
        "convnext_small" => ([3, 3, 27, 3], [96, 192, 384, 768], 1e-6),
        "convnext_base" => ([3, 3, 27, 3], [128, 256, 512, 1024], 1e-6),
        "convnext_large" => ([3, 3, 27, 3], [192, 384, 768, 1536], 1e-6),
        "convnext_xlarge" => ([3, 3, 27, 3], [256, 512, 1024, 2048], 1e-6),
        "convnext_xxlarge" => ([3, 4, 30, 3], [384, 768, 1536, 3072], 1e-5),
        _ => return None,
    })
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Kwargs {
    depths: Option<[usize; 4]>,
    dims: Option<[usize; 4]>,
}

/// The trunk that the request names, if it is one of these.
pub(super) fn trunk(request: &Request<'_>) -> Result<Option<Trunk>, LoadError> {
    let Some((depths, dims, epsilon)) = named(request.name) else { return Ok(None) };
    let kwargs: Kwargs = request.kwargs()?;
    request.pool(&["", "avg"])?;
    request.bounded_image()?;
    request.holds_patches(32)?;
    let (depths, dims) = (kwargs.depths.unwrap_or(depths), kwargs.dims.unwrap_or(dims));
    for size in depths.into_iter().chain(dims) {
        request.context.size("timm_model_kwargs", size)?;
    }
    Ok(Some(Trunk {
        tower: VisionTowerConfig::ConvNext(ConvNextConfig { image_size: request.image_size, depths, dims, epsilon }),
        features: dims[3],
        affine_before: Some(AffineBefore::Norm(format!("{TRUNK}.head.norm"))),
        classifier: "visual.trunk.head.fc",
    }))
}

#[derive(Debug)]
struct Block {
    conv_dw: Conv,
    norm: LayerNorm,
    mlp: Mlp,
    gamma: Tensor<1>,
}

impl Block {
    fn load(weights: &Weights, name: &str, width: usize, epsilon: f64) -> Result<Self, LoadError> {
        let part = |part: &str| format!("{name}.{part}");
        let sizes = [width, MLP_RATIO * width];
        Ok(Self {
            conv_dw: Conv::load(weights, &part("conv_dw"), ConvShape::centred(width, width, 7, 1).depthwise())?,
            norm: weights.layer_norm(&part("norm"), width, epsilon)?,
            mlp: Mlp::load(weights, &part("mlp.fc1"), &part("mlp.fc2"), sizes, Activation::Gelu)?,
            gamma: weights.tensor(&part("gamma"), [width])?,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mixed = self.conv_dw.forward(x.clone()).permute([0, 2, 3, 1]); // [batch, height, width, channels]
        let scaled = self.mlp.forward(self.norm.forward(mixed)) * self.gamma.clone().unsqueeze();
        x + scaled.permute([0, 3, 1, 2])
    }
}

#[derive(Debug)]
struct Stage {
    /// A norm and a convolution that halves the size; the first stage has none.
    downsample: Option<(LayerNorm, Conv)>,
    blocks: Vec<Block>,
}

/// A ConvNeXt with its weights.
#[derive(Debug)]
pub struct ConvNext {
    stem: Conv,
    stem_norm: LayerNorm,
    stages: Vec<Stage>,
    head_norm: LayerNorm,
}

impl ConvNext {
    /// Reads the trunk from `visual.trunk.*`.
    pub fn load(weights: &Weights, config: &ConvNextConfig) -> Result<Self, LoadError> {
        let ConvNextConfig { depths, dims, epsilon, .. } = *config;
        let norm = |name: &str, width| weights.layer_norm(&format!("{TRUNK}.{name}"), width, epsilon);
        let mut stages = Vec::with_capacity(depths.len());
        for (stage, (depth, width)) in depths.into_iter().zip(dims).enumerate() {
            let downsample = (stage > 0).then(|| {
                let inputs = dims[stage - 1];
                let name = format!("stages.{stage}.downsample");
                let conv = Conv::load(weights, &format!("{TRUNK}.{name}.1"), ConvShape::patches(inputs, width, 2));
                Ok::<_, LoadError>((norm(&format!("{name}.0"), inputs)?, conv?))
            });
            let block = |i: usize| Block::load(weights, &format!("{TRUNK}.stages.{stage}.blocks.{i}"), width, epsilon);
            stages.push(Stage {
                downsample: downsample.transpose()?,
                blocks: (0..depth).map(block).collect::<Result<_, _>>()?,
            });
        }
        Ok(Self {
            stem: Conv::load(weights, &format!("{TRUNK}.stem.0"), ConvShape::patches(3, dims[0], 4))?,
            stem_norm: norm("stem.1", dims[0])?,
            stages,
            head_norm: norm("head.norm", dims[3])?,
        })
    }

    /// # Shapes
    /// - pixels: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, channels]`, the normalised mean over all cells
    pub fn forward(&self, pixels: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        let [batch, ..] = pixels.dims();
        let mut x = layer_norm_2d(&self.stem_norm, self.stem.forward(pixels));
        for (i, stage) in self.stages.iter().enumerate() {
            if let Some((norm, conv)) = &stage.downsample {
                x = conv.forward(layer_norm_2d(norm, x));
            }
            x = stage.blocks.iter().fold(x, |x, block| block.forward(x));
            probe.see(|| format!("visual.stage.{i}"), &x);
        }
        let channels = x.dims()[1];
        // The norm is behind the mean, so the mean of these is not quite the feature.
        probe.look_if_named(|| "visual.patches".into(), || self.head_norm.forward(to_sequence(x.clone())));
        let mean = in_f32(x).flatten::<3>(2, 3).mean_dim(2).reshape([batch, channels]);
        let pooled = self.head_norm.forward(mean);
        assert_shape!(pooled, [batch, channels]);
        probe.see(|| "visual.pooled".into(), &pooled);
        pooled
    }
}
