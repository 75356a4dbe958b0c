//! Convolutions as the checkpoints store them: plain, or followed by a BatchNorm that is folded in while loading.
//!
//! In inference a BatchNorm is a scale and a shift per channel, so a convolution with its norm is one convolution. Some
//! towers (FastViT) go further and add several branches into one; [`Kernel`] has what that needs.

use burn::tensor::{Tensor, ops::ConvOptions};

use crate::{
    error::LoadError,
    layers::{LayerNorm, convolution},
    weights::Weights,
};

/// How the border of a picture is filled with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// This many cells on every side, as torch.
    Each(usize),
    /// TensorFlow's `SAME`: so many that the output has `⌈size / stride⌉` cells, the odd one at the end.
    Same,
}

/// What a convolution is: `[out, inputs / groups, kernel, kernel]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Channels of the output.
    pub out: usize,
    /// Channels of the input.
    pub inputs: usize,
    /// Height and width of the window.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
    /// Border.
    pub padding: Padding,
    /// Number of independent groups of channels; as many as channels in a depthwise convolution.
    pub groups: usize,
}

impl ConvShape {
    /// One cell at a time: a linear map of the channels.
    pub fn point(inputs: usize, out: usize) -> Self {
        Self { out, inputs, kernel: 1, stride: 1, padding: Padding::Each(0), groups: 1 }
    }

    /// A window of odd size that keeps the picture's size (at stride 1).
    pub fn centred(inputs: usize, out: usize, kernel: usize, stride: usize) -> Self {
        Self { out, inputs, kernel, stride, padding: Padding::Each(kernel / 2), groups: 1 }
    }

    /// Non-overlapping windows, as a patch embedding.
    pub fn patches(inputs: usize, out: usize, kernel: usize) -> Self {
        Self { out, inputs, kernel, stride: kernel, padding: Padding::Each(0), groups: 1 }
    }

    /// The same with every channel on its own.
    pub fn depthwise(self) -> Self {
        Self { groups: self.inputs, ..self }
    }

    /// The same with a window of one cell.
    pub fn shrunk(self) -> Self {
        Self { kernel: 1, padding: Padding::Each(0), ..self }
    }

    fn dims(&self) -> [usize; 4] {
        [self.out, self.inputs / self.groups, self.kernel, self.kernel]
    }
}

/// A convolution's numbers on the host, while norms and branches are folded into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    shape: ConvShape,
    /// `[out, inputs / groups, kernel, kernel]`
    weight: Vec<f32>,
    /// `[out]`
    bias: Vec<f32>,
}

impl Kernel {
    /// Reads `NAME.weight`, and `NAME.bias` where there is one.
    pub fn load(weights: &Weights, name: &str, shape: ConvShape, bias: bool) -> Result<Self, LoadError> {
        let weight = weights.values(&format!("{name}.weight"), &shape.dims())?;
        let bias = if bias { weights.values(&format!("{name}.bias"), &[shape.out])? } else { vec![0.0; shape.out] };
        Ok(Self { shape, weight, bias })
    }

    /// The convolution that changes nothing, in the size of `shape`.
    pub fn identity(shape: ConvShape) -> Self {
        let [out, inputs, kernel, _] = shape.dims();
        let mut weight = vec![0.0; out * inputs * kernel * kernel];
        for channel in 0..out {
            let centre = (kernel / 2) * kernel + kernel / 2;
            weight[(channel * inputs + channel % inputs) * kernel * kernel + centre] = 1.0;
        }
        Self { shape, weight, bias: vec![0.0; out] }
    }

    /// Folds the BatchNorm `name` in, which follows the convolution.
    pub fn with_batch_norm(mut self, weights: &Weights, name: &str, epsilon: f32) -> Result<Self, LoadError> {
        let out = self.shape.out;
        let part = |part: &str| weights.values(&format!("{name}.{part}"), &[out]);
        let (gamma, beta, mean, variance) =
            (part("weight")?, part("bias")?, part("running_mean")?, part("running_var")?);
        weights.ignore(&format!("{name}.num_batches_tracked"));
        let scale: Vec<f32> = gamma.iter().zip(&variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
        self = self.scaled(&scale);
        for (channel, bias) in self.bias.iter_mut().enumerate() {
            *bias += beta[channel] - mean[channel] * scale[channel];
        }
        Ok(self)
    }

    /// Multiplies each output channel by its own number.
    ///
    /// # Panics
    /// If there is not one number for each output channel.
    pub fn scaled(mut self, scale: &[f32]) -> Self {
        assert_eq!(scale.len(), self.shape.out);
        let per_channel = self.weight.len() / self.shape.out;
        for (values, scale) in self.weight.chunks_exact_mut(per_channel).zip(scale) {
            values.iter_mut().for_each(|v| *v *= scale);
        }
        self.bias.iter_mut().zip(scale).for_each(|(b, s)| *b *= s);
        self
    }

    /// The sum of two convolutions of the same input; a smaller window is put into the middle of the larger one.
    ///
    /// # Panics
    /// If they differ in anything but the size of an odd, centred window.
    pub fn plus(mut self, other: &Self) -> Self {
        let [out, inputs, kernel, _] = self.shape.dims();
        let [.., small, _] = other.shape.dims();
        assert!(small <= kernel && (kernel - small).is_multiple_of(2), "a window of {small} in one of {kernel}");
        assert_eq!((out, inputs), (other.shape.dims()[0], other.shape.dims()[1]));
        let offset = (kernel - small) / 2;
        for plane in 0..out * inputs {
            for row in 0..small {
                for column in 0..small {
                    let to = (plane * kernel + row + offset) * kernel + column + offset;
                    self.weight[to] += other.weight[(plane * small + row) * small + column];
                }
            }
        }
        self.bias.iter_mut().zip(&other.bias).for_each(|(a, b)| *a += b);
        self
    }

    /// The numbers, `[out, inputs / groups, kernel, kernel]` and `[out]`.
    pub fn into_parts(self) -> (Vec<f32>, Vec<f32>) {
        (self.weight, self.bias)
    }

    /// Onto the device.
    pub fn into_conv(self, weights: &Weights) -> Conv {
        Conv {
            bias: weights.small(self.bias, [self.shape.out]),
            weight: weights.large_of(self.weight, self.shape.dims()),
            shape: self.shape,
        }
    }
}

/// A convolution with its weights.
#[derive(Debug)]
pub struct Conv {
    weight: Tensor<4>,
    bias: Tensor<1>,
    shape: ConvShape,
}

impl Conv {
    /// A convolution with a bias and without a norm.
    pub fn load(weights: &Weights, name: &str, shape: ConvShape) -> Result<Self, LoadError> {
        Ok(Kernel::load(weights, name, shape, true)?.into_conv(weights))
    }

    /// A convolution without a bias, and the BatchNorm after it.
    pub fn with_batch_norm(
        weights: &Weights,
        conv: &str,
        norm: &str,
        shape: ConvShape,
        epsilon: f32,
    ) -> Result<Self, LoadError> {
        Ok(Kernel::load(weights, conv, shape, false)?.with_batch_norm(weights, norm, epsilon)?.into_conv(weights))
    }

    /// # Shapes
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, out, …, …]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let ConvShape { kernel, stride, padding, groups, .. } = self.shape;
        let [_, _, height, width] = x.dims();
        let mut options = ConvOptions::new([stride; 2], [0, 0], [1, 1], groups);
        options.padding = [height, width].map(|size| match padding {
            Padding::Each(cells) => (cells, cells),
            Padding::Same => same_padding(size, kernel, stride),
        });
        convolution(x, &self.weight, Some(&self.bias), options)
    }
}

/// Padding before and after one axis so that the output has `⌈size / stride⌉` cells (timm `get_same_padding`).
fn same_padding(size: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let total = ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size);
    (total / 2, total - total / 2)
}

/// LayerNorm over the channels of each cell (timm `LayerNorm2d`).
///
/// # Shapes
/// - x: `[batch, channels, height, width]`
/// - output: the same
pub fn layer_norm_2d(norm: &LayerNorm, x: Tensor<4>) -> Tensor<4> {
    norm.forward(x.permute([0, 2, 3, 1])).permute([0, 3, 1, 2])
}

/// Cells of a picture as a sequence, row by row: `[batch, channels, height, width]` to `[batch, patch, channels]`.
pub fn to_sequence(x: Tensor<4>) -> Tensor<3> {
    x.permute([0, 2, 3, 1]).flatten::<3>(1, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_is_larger_at_the_end() {
        assert_eq!(same_padding(260, 3, 2), (0, 1));
        assert_eq!(same_padding(65, 5, 2), (2, 2));
        assert_eq!(same_padding(9, 1, 1), (0, 0));
    }

    #[test]
    fn an_identity_is_added_in_the_middle() {
        let shape = ConvShape::centred(2, 2, 3, 1).depthwise();
        let zero = Kernel { shape, weight: vec![0.0; 18], bias: vec![1.0, 2.0] };
        let sum = zero.plus(&Kernel::identity(ConvShape::point(2, 2).depthwise()).scaled(&[2.0, 3.0]));
        assert_eq!(sum.weight[4], 2.0);
        assert_eq!(sum.weight[9 + 4], 3.0);
        assert_eq!(sum.weight.iter().sum::<f32>(), 5.0);
        assert_eq!(sum.bias, [1.0, 2.0]);
    }
}
