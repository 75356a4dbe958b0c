//! The nonlinearities of the towers.
//!
//! burn's flex (0.22.1) takes one element at a time through libm on one thread. Here the CPU takes a vector at a time on all
//! threads, in place where nobody else holds the tensor; other devices have burn's own.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, LOG2_E};

use burn::tensor::{Tensor, TensorData, activation};
use pulp::NullaryFnOnce;
use rayon::prelude::*;

use crate::layers::is_f32_on_cpu;

/// The nonlinearity of an MLP. Which one is a fact of the configuration; weights do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · Φ(x)`, exact.
    Gelu,
    /// `x · σ(1.702 x)`, OpenAI's.
    QuickGelu,
    /// The tanh approximation of GELU, JAX's default. It differs from the exact one by up to 4.7e-4.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x · σ(x)`.
    Silu,
}

impl Activation {
    /// Applies the nonlinearity to each element.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        if is_f32_on_cpu(&x) {
            return self.apply_on_cpu(x);
        }
        match self {
            Self::Gelu => activation::gelu(x),
            Self::QuickGelu => x.clone() * activation::sigmoid(x * 1.702),
            Self::GeluTanh => activation::gelu_approximate(x),
            Self::Relu => activation::relu(x),
            Self::Silu => activation::silu(x),
        }
    }

    fn apply_on_cpu<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        let (shape, device) = (x.shape(), x.device());
        let mut data = x.into_data();
        match data.as_mut_slice::<f32>() {
            Ok(values) => self.apply_to(values),
            // Bytes that lie askew are not seen as numbers where they are.
            Err(_) => {
                let mut values: Vec<f32> = data.iter().collect();
                self.apply_to(&mut values);
                data = TensorData::new(values, shape);
            }
        }
        Tensor::from_data(data, &device)
    }

    fn apply_to(self, values: &mut [f32]) {
        let arch = pulp::Arch::new();
        values.par_chunks_mut(CHUNK).for_each(|chunk| match self {
            Self::Gelu => arch.dispatch(Each(chunk, gelu)),
            Self::QuickGelu => arch.dispatch(Each(chunk, |x| x * sigmoid(1.702 * x))),
            Self::GeluTanh => arch.dispatch(Each(chunk, gelu_tanh)),
            Self::Relu => arch.dispatch(Each(chunk, |x: f32| if x < 0.0 { 0.0 } else { x })),
            Self::Silu => arch.dispatch(Each(chunk, |x| x * sigmoid(x))),
        });
    }
}

/// Elements that a thread takes at a time: they fit into the nearest cache and are worth the handing over.
const CHUNK: usize = 4096;

/// A function of each element, written so that the compiler finds the vector instructions.
struct Each<'a, F>(&'a mut [f32], F);

impl<F: Fn(f32) -> f32> NullaryFnOnce for Each<'_, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self(values, function) = self;
        for value in values {
            *value = function(*value);
        }
    }
}

#[inline(always)]
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))
}

/// With `tanh(u) = 2 σ(2u) − 1`.
#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    const TWICE_ROOT: f32 = 1.595_769; // 2 √(2 / π)
    x * sigmoid(TWICE_ROOT * (x + 0.044_715 * x * x * x))
}

/// The error function as `x · P(x²) / Q(x²)`, fitted to scipy's by least squares with Lawson's weights: 1.8e-8 from it up to
/// where it is 1 in f32, and 4e-7 after rounding.
#[inline(always)]
fn erf(x: f32) -> f32 {
    const END: f32 = 3.925;
    let x = x.clamp(-END, END);
    let t = x * x;
    let p =
        polynomial(t, [FRAC_2_SQRT_PI, 0.191_841_92, 0.052_934_386, 3.826_739_6e-3, 2.861_757_6e-4, 2.037_515_5e-6]);
    let q = polynomial(t, [1.0, 0.503_347_7, 0.114_699_08, 0.015_090_658, 1.177_266_4e-3, 3.803_015_8e-5]);
    (x * p / q).clamp(-1.0, 1.0)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `eˣ = 2ⁿ · e^r` with `|r| ≤ ½ ln 2`, where e^r is its series; within 3 units in the last place.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // The two parts of ln 2: n times the first is exact.
    const LN_2: [f32; 2] = [0.693_145_75, 1.428_606_8e-6];
    let x = x.clamp(-87.0, 88.0);
    let n = (x * LOG2_E).round_ties_even();
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    let power = polynomial(r, [1.0, 1.0, 0.5, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0]);
    // An exponent of 1 … 254: no overflow into the sign.
    power * f32::from_bits(((n as i32 + 127) as u32) << 23)
}

/// The coefficients in rising order.
#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[N - 1];
    for coefficient in coefficients[..N - 1].iter().rev() {
        sum = sum * x + coefficient;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::read;
    use burn::tensor::Device;

    /// Both sides of 0, far out and close in.
    fn points() -> Vec<f32> {
        let small = (0..200).map(|step| 1e-6 * 1.1_f32.powi(step)).filter(|x| *x < 90.0);
        let small: Vec<f32> = small.collect();
        let line = (-60_000..60_000).map(|step| step as f32 * 1e-3);
        small.iter().copied().chain(small.iter().map(|x| -x)).chain(line).collect()
    }

    #[test]
    fn they_are_burns_own_to_the_last_digits() {
        let x = points();
        let tensor = || Tensor::<1>::from_data(TensorData::new(x.clone(), [x.len()]), &Device::flex());
        let own = [
            (Activation::Gelu, activation::gelu(tensor())),
            (Activation::QuickGelu, tensor() * activation::sigmoid(tensor() * 1.702)),
            (Activation::GeluTanh, activation::gelu_approximate(tensor())),
            (Activation::Relu, activation::relu(tensor())),
            (Activation::Silu, activation::silu(tensor())),
        ];
        for (kind, own) in own {
            for ((found, own), x) in read(kind.apply(tensor())).into_iter().zip(read(own)).zip(&x) {
                assert!((found - own).abs() <= 4e-7 * x.abs() + 1e-12, "{kind:?} of {x}: {found} for {own}");
            }
        }
    }

    #[test]
    fn what_others_hold_and_what_is_cut_is_left_as_it_is() {
        let x = Tensor::<2>::from_floats([[-1.0, 1.0, 2.0], [3.0, -4.0, 5.0]], &Device::flex());
        let cut = Activation::Relu.apply(x.clone().narrow(1, 1, 2).transpose());
        assert_eq!(read(cut), [1.0, 0.0, 2.0, 5.0]);
        assert_eq!(read(x), [-1.0, 1.0, 2.0, 3.0, -4.0, 5.0]);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let x = || Tensor::<1>::from_floats([f32::NAN, f32::INFINITY, f32::NEG_INFINITY], &Device::flex());
        for kind in [Activation::Gelu, Activation::QuickGelu, Activation::GeluTanh, Activation::Relu, Activation::Silu]
        {
            let found = read(kind.apply(x()));
            assert!(found[0].is_nan() && found[1] == f32::INFINITY, "{kind:?}: {found:?}");
        }
    }
}
