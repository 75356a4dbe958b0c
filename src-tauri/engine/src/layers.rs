//! Linear maps, norms, tables and convolutions with their weights.
//!
//! One rule serves every [`crate::precision::Precision`]: a layer computes in the numbers of its input, and makes its
//! weights those where they are others. Sums of many squares or products that a kernel might make in f16 are made in f32.

use std::borrow::Cow;

use burn::tensor::{
    DType, Device, FloatDType, Int, Tensor, TensorData, assert_shape,
    module::{self, conv2d},
    ops::ConvOptions,
};

use crate::panels::Panels;

/// The same numbers in f32, in which sums are made.
pub fn in_f32<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(FloatDType::F32)
}

/// Whether a tensor is computed on by our own code instead of burn's.
pub(crate) fn is_f32_on_cpu<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && x.device() == Device::flex()
}

/// A linear map, `x @ W + b`.
#[derive(Debug)]
pub struct Linear(Map);

#[derive(Debug)]
enum Map {
    /// As burn multiplies, on any device.
    Burn(Box<Tensors>),
    /// On the CPU in f32.
    Cpu { weight: Panels, bias: Option<Vec<f32>> },
}

#[derive(Debug)]
struct Tensors {
    /// `[in, out]`
    weight: Tensor<2>,
    /// `[out]`
    bias: Option<Tensor<1>>,
}

impl Linear {
    /// # Shapes
    /// - weight: `[in, out]`
    /// - bias: `[out]`
    pub fn new(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Self {
        Self(Map::Burn(Box::new(Tensors { weight, bias })))
    }

    /// On the CPU. The bias has `[out]` values.
    pub(crate) fn on_cpu(weight: Panels, bias: Option<Vec<f32>>) -> Self {
        Self(Map::Cpu { weight, bias })
    }

    /// `[in, out]`
    pub fn weight(&self) -> Tensor<2> {
        match &self.0 {
            Map::Burn(tensors) => tensors.weight.clone(),
            Map::Cpu { weight, .. } => {
                Tensor::from_data(TensorData::new(weight.to_matrix(), weight.dims()), &Device::flex())
            }
        }
    }

    /// `[out]`
    pub fn bias(&self) -> Option<Tensor<1>> {
        match &self.0 {
            Map::Burn(tensors) => tensors.bias.clone(),
            Map::Cpu { bias, .. } => bias.as_deref().map(|bias| Tensor::from_floats(bias, &Device::flex())),
        }
    }

    /// # Shapes
    /// - x: `[…, in]`
    /// - output: `[…, out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match &self.0 {
            Map::Burn(tensors) => {
                let Tensors { weight, bias } = &**tensors;
                let [inputs, _] = weight.dims();
                assert_shape!(x, [.., inputs]);
                let numbers = x.dtype();
                let bias = bias.clone().map(|bias| bias.cast(numbers));
                module::linear(x, weight.clone().cast(numbers), bias)
            }
            Map::Cpu { weight, bias } => {
                let [inputs, outputs] = weight.dims();
                assert_shape!(x, [.., inputs]);
                let mut shape = x.dims();
                shape[D - 1] = outputs;
                let found = weight.product(&numbers(&x.into_data()), bias.as_deref());
                Tensor::from_data(TensorData::new(found, shape), &Device::flex())
            }
        }
    }
}

/// The numbers of a tensor of the CPU, where they are unless they lie askew.
pub(crate) fn numbers(data: &TensorData) -> Cow<'_, [f32]> {
    data.as_slice().map_or_else(|_| data.iter().collect(), Cow::Borrowed)
}

/// LayerNorm with scale and shift, computed in f32 whatever its input is.
#[derive(Debug)]
pub struct LayerNorm {
    /// `[width]`, f32
    pub gamma: Tensor<1>,
    /// `[width]`, f32
    pub beta: Tensor<1>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// # Shapes
    /// - x: `[…, width]`
    /// - output: the same
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let [width] = self.gamma.dims();
        assert_shape!(x, [.., width]);
        let numbers = x.dtype();
        // A sum of squares leaves the range of f16 at a root mean square of 9 over 768 channels.
        module::layer_norm(in_f32(x), self.gamma.clone(), Some(self.beta.clone()), self.epsilon).cast(numbers)
    }
}

/// A table of vectors, such as one for each token.
#[derive(Debug)]
pub struct Embedding {
    /// `[rows, width]`
    pub table: Tensor<2>,
    /// What its rows become.
    pub activations: FloatDType,
}

impl Embedding {
    /// # Shapes
    /// - rows: `[batch, seq]`
    /// - output: `[batch, seq, width]`
    pub fn forward(&self, rows: Tensor<2, Int>) -> Tensor<3> {
        module::embedding(self.table.clone(), rows).cast(self.activations)
    }
}

/// Products that a kernel may add up in f16, as burn's direct convolution does on GPUs: 7 · 7 of a depthwise window.
/// A longer sum loses more of its digits than a weight has.
const SHORT_SUM: usize = 49;

/// A convolution in the numbers of its input.
///
/// # Shapes
/// - x: `[batch, in, height, width]`
/// - weight: `[out, in / groups, rows, columns]`
/// - bias: `[out]`
/// - output: `[batch, out, …, …]`
pub fn convolution(x: Tensor<4>, weight: &Tensor<4>, bias: Option<&Tensor<1>>, options: ConvOptions<2>) -> Tensor<4> {
    let numbers = x.dtype();
    let [_, inputs, rows, columns] = weight.dims();
    let is_apart = options.stride == [rows, columns] && options.groups == 1 && options.dilation == [1, 1];
    if rows * columns > 1 && is_apart && options.padding == [(0, 0), (0, 0)] {
        return window_products(x, weight, bias);
    }
    let is_point = rows * columns == 1 && options.groups == 1 && options.stride == [1, 1];
    if numbers == DType::F16 && is_point && options.padding == [(0, 0), (0, 0)] {
        return point_convolution(x, weight, bias);
    }
    let sums = if inputs * rows * columns > SHORT_SUM { DType::F32 } else { numbers };
    let bias = bias.cloned().map(|bias| bias.cast(sums));
    conv2d(x.cast(sums), weight.clone().cast(sums), bias, options).cast(numbers)
}

/// Windows that do not overlap are rows of a matrix: one product, without a copy of each window's neighbours. The output
/// lies with its channels innermost, as those who make a sequence of it want it.
fn window_products(x: Tensor<4>, weight: &Tensor<4>, bias: Option<&Tensor<1>>) -> Tensor<4> {
    let [batch, inputs, height, width] = x.dims();
    let [out, _, rows, columns] = weight.dims();
    let [down, across] = [height / rows, width / columns];
    let windows = x
        .narrow(2, 0, down * rows)
        .narrow(3, 0, across * columns)
        .reshape([batch, inputs, down, rows, across, columns])
        .permute([0, 2, 4, 1, 3, 5])
        .reshape([batch * down * across, inputs * rows * columns]);
    let linear = Linear::new(weight.clone().reshape([out, inputs * rows * columns]).transpose(), bias.cloned());
    linear.forward(windows).reshape([batch, down, across, out]).permute([0, 3, 1, 2])
}

/// A window of one cell is a linear map of the channels; products of matrices are added up in f32 on every device.
fn point_convolution(x: Tensor<4>, weight: &Tensor<4>, bias: Option<&Tensor<1>>) -> Tensor<4> {
    let numbers = x.dtype();
    let [batch, inputs, height, width] = x.dims();
    let out = weight.dims()[0];
    let weight = weight.clone().cast(numbers).reshape([1, out, inputs]);
    let found = weight.matmul(x.reshape([batch, inputs, height * width])).reshape([batch, out, height, width]);
    match bias {
        Some(bias) => found + bias.clone().cast(numbers).reshape([1, out, 1, 1]),
        None => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::read;
    use burn::tensor::{Device, Distribution};

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &Device::flex())
    }

    fn are_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>, tolerance: f32) {
        assert_eq!(found.dims(), expected.dims());
        let apart = read((in_f32(found) - in_f32(expected)).abs().max());
        assert!(apart[0] <= tolerance, "{} apart", apart[0]);
    }

    #[test]
    fn a_linear_map_follows_its_input() {
        let (weight, bias) = (random([6, 5]), random([5]));
        let whole = Linear::new(weight.clone(), Some(bias.clone()));
        let half = Linear::new(weight.cast(FloatDType::F16), Some(bias));
        let x = random([2, 3, 6]);
        assert_eq!(half.forward(x.clone()).dtype(), DType::F32);
        are_close(half.forward(x.clone()), whole.forward(x.clone()), 2e-3);
        assert_eq!(whole.forward(x.clone().cast(FloatDType::F16)).dtype(), DType::F16);
        are_close(whole.forward(x.clone().cast(FloatDType::F16)), whole.forward(x), 5e-3);
    }

    #[test]
    fn in_f32_layers_are_burns_own_to_the_bit() {
        use burn::{module::Param, nn};
        let device = Device::flex();
        let (weight, bias, x) = (random([64, 96]), random([96]), random([3, 7, 64]));
        let own =
            nn::Linear { weight: Param::from_tensor(weight.clone()), bias: Some(Param::from_tensor(bias.clone())) };
        let ours = Linear::new(weight, Some(bias));
        assert_eq!(read(ours.forward(x.clone())), read(own.forward(x.clone())));
        let mut own = nn::LayerNormConfig::new(64).with_epsilon(1e-6).init(&device);
        let (gamma, beta) = (random([64]), random([64]));
        own.gamma = Param::from_tensor(gamma.clone());
        own.beta = Some(Param::from_tensor(beta.clone()));
        assert_eq!(read(LayerNorm { gamma, beta, epsilon: 1e-6 }.forward(x.clone())), read(own.forward(x)));
    }

    #[test]
    fn a_norm_of_large_halves_does_not_overflow() {
        let device = Device::flex();
        let norm = LayerNorm { gamma: Tensor::ones([4], &device), beta: Tensor::zeros([4], &device), epsilon: 1e-5 };
        // The squares of these are far beyond 65504.
        let x = Tensor::<2>::from_floats([[60000.0, -60000.0, 60000.0, -60000.0]], &device);
        let found = norm.forward(x.cast(FloatDType::F16));
        assert_eq!(found.dtype(), DType::F16);
        are_close(found, Tensor::from_floats([[1.0, -1.0, 1.0, -1.0]], &device), 1e-3);
    }

    #[test]
    fn windows_that_do_not_overlap_are_convolved_as_others_are() {
        let x = random([2, 3, 11, 9]);
        let (weight, bias) = (random([5, 3, 4, 2]), random([5]));
        let options = ConvOptions::new([4, 2], [0, 0], [1, 1], 1);
        for bias in [None, Some(&bias)] {
            let own = conv2d(x.clone(), weight.clone(), bias.cloned(), options.clone());
            are_close(convolution(x.clone(), &weight, bias, options.clone()), own, 1e-5);
        }
    }

    #[test]
    fn convolutions_in_f16_are_those_in_f32() {
        let x = random([2, 8, 6, 5]);
        for (shape, padding, groups) in
            [([4, 8, 1, 1], (0, 0), 1), ([4, 8, 3, 3], (1, 1), 1), ([8, 1, 3, 3], (0, 1), 8)]
        {
            let (weight, bias) = (random(shape), random([shape[0]]));
            let mut options = ConvOptions::new([1, 1], [0, 0], [1, 1], groups);
            options.padding = [padding; 2];
            let whole = convolution(x.clone(), &weight, Some(&bias), options.clone());
            let half = weight.clone().cast(FloatDType::F16);
            let found = convolution(x.clone().cast(FloatDType::F16), &half, Some(&bias), options);
            assert_eq!(found.dtype(), DType::F16);
            are_close(found, whole, 1e-2);
        }
    }
}
