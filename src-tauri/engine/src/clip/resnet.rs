//! OpenAI's ResNet, with three convolutions as its stem, average pools instead of strides, and an attention pool.
//! Follows open_clip `modified_resnet.py` at commit 89fb801f; OpenAI's `model.py` computes the same.

use burn::tensor::{Tensor, activation::relu, assert_shape, module::avg_pool2d, ops::AvgPoolOptions};

use super::{
    attention::{attention, attention_pattern},
    block::{Sight, join_heads, split_heads},
    conv::{Conv, ConvShape, to_sequence},
    position::{Grid, Rule, load_grid},
};
use crate::{error::LoadError, layers::Linear, probe::Probe, weights::Weights};

const BATCH_NORM_EPSILON: f32 = 1e-5;
/// Channels of a block's output over those inside it.
const EXPANSION: usize = 4;

/// A ResNet, as open_clip's `vision_cfg` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResNetConfig {
    /// Height and width of the input in pixels.
    pub image_size: [usize; 2],
    /// Blocks of each stage.
    pub layers: [usize; 4],
    /// Channels of the stem.
    pub width: usize,
    /// Heads of the attention pool.
    pub heads: usize,
}

impl ResNetConfig {
    /// Pixels of a side that become one cell of the last stage.
    pub const STRIDE: usize = 32;

    /// Rows and columns of cells of the last stage.
    pub fn grid(&self) -> [usize; 2] {
        self.image_size.map(|side| side / Self::STRIDE)
    }

    /// Size of the pooled feature.
    pub fn features(&self) -> usize {
        self.width * 32
    }
}

fn conv(weights: &Weights, owner: &str, number: usize, shape: ConvShape) -> Result<Conv, LoadError> {
    let (conv, norm) = (format!("{owner}.conv{number}"), format!("{owner}.bn{number}"));
    Conv::with_batch_norm(weights, &conv, &norm, shape, BATCH_NORM_EPSILON)
}

/// Halves (or more) the size by averaging cells.
fn average(x: Tensor<4>, stride: usize) -> Tensor<4> {
    if stride == 1 { x } else { avg_pool2d(x, AvgPoolOptions::new([stride; 2])) }
}

/// Three convolutions with a shortcut around them.
#[derive(Debug)]
struct Bottleneck {
    conv1: Conv,
    conv2: Conv,
    conv3: Conv,
    downsample: Option<Conv>,
    stride: usize,
}

impl Bottleneck {
    fn load(weights: &Weights, name: &str, inputs: usize, planes: usize, stride: usize) -> Result<Self, LoadError> {
        let out = planes * EXPANSION;
        let downsample = (stride > 1 || inputs != out).then(|| {
            // `downsample.-1` is the average pool.
            let (conv, norm) = (format!("{name}.downsample.0"), format!("{name}.downsample.1"));
            Conv::with_batch_norm(weights, &conv, &norm, ConvShape::point(inputs, out), BATCH_NORM_EPSILON)
        });
        Ok(Self {
            conv1: conv(weights, name, 1, ConvShape::point(inputs, planes))?,
            conv2: conv(weights, name, 2, ConvShape::centred(planes, planes, 3, 1))?,
            conv3: conv(weights, name, 3, ConvShape::point(planes, out))?,
            downsample: downsample.transpose()?,
            stride,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shortcut = match &self.downsample {
            Some(downsample) => downsample.forward(average(x.clone(), self.stride)),
            None => x.clone(),
        };
        let inner = relu(self.conv2.forward(relu(self.conv1.forward(x))));
        relu(self.conv3.forward(average(inner, self.stride)) + shortcut)
    }
}

/// The mean of all cells asks, all cells answer. Its last linear map, `c_proj`, is the projection.
#[derive(Debug)]
struct AttentionPool2d {
    positions: Tensor<2>,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    heads: usize,
}

impl AttentionPool2d {
    fn load(weights: &Weights, config: &ResNetConfig, resampled: bool) -> Result<Self, LoadError> {
        const NAME: &str = "visual.attnpool";
        let width = config.features();
        let grid = Grid { cells: config.grid(), extra: 1, width };
        let linear = |part: &str| weights.linear(&format!("{NAME}.{part}"), width, width, true);
        let positions = format!("{NAME}.positional_embedding");
        Ok(Self {
            positions: load_grid(weights, &positions, &[], grid, Rule::BicubicAntialias, resampled)?,
            q_proj: linear("q_proj")?,
            k_proj: linear("k_proj")?,
            v_proj: linear("v_proj")?,
            heads: config.heads,
        })
    }

    /// # Shapes
    /// - x: `[batch, width, rows, columns]`
    /// - output: `[batch, width]`
    fn forward(&self, x: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        let cells = to_sequence(x); // [batch, patch, width]
        let [batch, patches, width] = cells.dims();
        let x = Tensor::cat(vec![cells.clone().mean_dim(1), cells], 1) + self.positions.clone().unsqueeze();
        let q = split_heads(self.q_proj.forward(x.clone().narrow(1, 0, 1)), self.heads);
        let k = split_heads(self.k_proj.forward(x.clone()), self.heads);
        let v = self.v_proj.forward(x);
        probe.look(
            || "visual.attn.pool".into(),
            || attention_pattern(q.clone(), k.clone(), None).reshape([batch, self.heads, patches + 1]),
        );
        // What each cell would say if it alone were looked at (MaskCLIP).
        probe.look(|| "visual.patches".into(), || v.clone().narrow(1, 1, patches));
        let found = attention(q, k, split_heads(v, self.heads), None, Sight::Full);
        join_heads(found).reshape([batch, width])
    }
}

/// A ResNet with its weights.
#[derive(Debug)]
pub struct ModifiedResNet {
    stem: [Conv; 3],
    stages: Vec<Vec<Bottleneck>>,
    attnpool: AttentionPool2d,
}

impl ModifiedResNet {
    /// Reads the tower; `resampled` says that positions may be resampled.
    pub fn load(weights: &Weights, config: &ResNetConfig, resampled: bool) -> Result<Self, LoadError> {
        let (width, half) = (config.width, config.width / 2);
        let stem = [
            conv(weights, "visual", 1, ConvShape::centred(3, half, 3, 2))?,
            conv(weights, "visual", 2, ConvShape::centred(half, half, 3, 1))?,
            conv(weights, "visual", 3, ConvShape::centred(half, width, 3, 1))?,
        ];
        let mut inputs = width;
        let mut stages = Vec::with_capacity(config.layers.len());
        for (stage, blocks) in config.layers.into_iter().enumerate() {
            let planes = width << stage;
            let mut parts = Vec::new();
            for block in 0..blocks {
                let stride = if block == 0 && stage > 0 { 2 } else { 1 };
                let name = format!("visual.layer{}.{block}", stage + 1);
                parts.push(Bottleneck::load(weights, &name, inputs, planes, stride)?);
                inputs = planes * EXPANSION;
            }
            stages.push(parts);
        }
        Ok(Self { stem, stages, attnpool: AttentionPool2d::load(weights, config, resampled)? })
    }

    /// # Shapes
    /// - pixels: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, width]`, the pooled feature
    pub fn forward(&self, pixels: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        let [batch, ..] = pixels.dims();
        let mut x = average(self.stem.iter().fold(pixels, |x, conv| relu(conv.forward(x))), 2);
        probe.see(|| "visual.stem".into(), &x);
        for (i, stage) in self.stages.iter().enumerate() {
            x = stage.iter().fold(x, |x, block| block.forward(x));
            probe.see(|| format!("visual.stage.{i}"), &x);
        }
        let width = x.dims()[1];
        let pooled = self.attnpool.forward(x, probe);
        assert_shape!(pooled, [batch, width]);
        probe.see(|| "visual.pooled".into(), &pooled);
        pooled
    }
}
