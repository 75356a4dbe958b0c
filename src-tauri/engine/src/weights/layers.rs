//! Tensors of a file as tensors on a device, and as layers.

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use half::f16;

use super::{
    Weights,
    numbers::{Number, transpose},
};
use crate::{
    error::LoadError,
    layers::{Embedding, LayerNorm, Linear},
    panels::{Panels, Stored},
};

/// Values in the numbers of weights at rest.
enum Kept {
    Half(Vec<f16>),
    Whole(Vec<f32>),
}

/// Which axis of a matrix comes first.
enum Layout {
    InOut,
    OutIn,
}

impl Weights {
    /// A small tensor of rank `D`, in the numbers of activations.
    pub fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, LoadError> {
        Ok(self.small(self.values(name, &shape)?, shape))
    }

    /// A tensor of rank `D` in f32, for what is computed once.
    pub fn tensor_f32<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, LoadError> {
        Ok(self.put(self.values(name, &shape)?, shape))
    }

    /// A small tensor of values that the file does not hold as they are, in the numbers of activations.
    pub fn small<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        self.put(values, shape).cast(self.precision.activations())
    }

    /// A large tensor of rank `D`, in the numbers of weights at rest.
    pub fn large<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, LoadError> {
        let kept = self.kept(&|| self.values_as(name, &shape), &|| self.values_as(name, &shape))?;
        Ok(self.put_kept(kept, shape))
    }

    /// A large tensor of values that the file does not hold as they are, in the numbers of weights at rest.
    pub fn large_of<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        self.put_kept(self.kept_of(values), shape)
    }

    /// What `halves` gives, or `whole` where weights are f32.
    fn kept(
        &self,
        halves: &dyn Fn() -> Result<Vec<f16>, LoadError>,
        whole: &dyn Fn() -> Result<Vec<f32>, LoadError>,
    ) -> Result<Kept, LoadError> {
        if self.precision.at_rest() == FloatDType::F16 {
            let halves = halves()?;
            if fits(&halves) {
                return Ok(Kept::Half(halves));
            }
        }
        Ok(Kept::Whole(whole()?))
    }

    fn kept_of(&self, values: Vec<f32>) -> Kept {
        if self.precision.at_rest() == FloatDType::F16 {
            let mut halves = Vec::with_capacity(values.len());
            f16::append(&values, &mut halves);
            if fits(&halves) {
                return Kept::Half(halves);
            }
        }
        Kept::Whole(values)
    }

    fn put_kept<const D: usize>(&self, kept: Kept, shape: [usize; D]) -> Tensor<D> {
        match kept {
            Kept::Half(values) => self.put(values, shape),
            Kept::Whole(values) => self.put(values, shape),
        }
    }

    fn put<N: Number, const D: usize>(&self, values: Vec<N>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), (&self.device, N::dtype()))
    }

    /// `nn.Linear` of PyTorch, stored `[out, in]`; burn's is `[in, out]`.
    pub fn linear(&self, name: &str, d_in: usize, d_out: usize, bias: bool) -> Result<Linear, LoadError> {
        self.linear_named(&format!("{name}.weight"), bias.then(|| format!("{name}.bias")), d_in, d_out)
    }

    /// As [`Self::linear`], for weights whose names do not follow `NAME.weight` and `NAME.bias`.
    pub fn linear_named(
        &self,
        weight: &str,
        bias: Option<String>,
        d_in: usize,
        d_out: usize,
    ) -> Result<Linear, LoadError> {
        let bias = bias.map(|name| self.values(&name, &[d_out])).transpose()?;
        self.map(&[weight.to_owned()], bias, d_in, d_out)
    }

    /// As [`Self::linear_named`], with a bias that no tensor of the file holds as it is.
    pub fn linear_with_bias(
        &self,
        weight: &str,
        bias: Vec<f32>,
        d_in: usize,
        d_out: usize,
    ) -> Result<Linear, LoadError> {
        self.map(&[weight.to_owned()], Some(bias), d_in, d_out)
    }

    /// A linear map of these numbers, put on the device.
    ///
    /// # Shapes
    /// - stored: `[d_out, d_in]`
    /// - bias: `[d_out]`
    pub fn linear_of(&self, stored: &[f32], bias: Vec<f32>, d_in: usize, d_out: usize) -> Linear {
        self.linear_of_kept(self.kept_of(stored.to_vec()), Layout::OutIn, Some(bias), [d_in, d_out])
    }

    /// Several linear maps of the same input, all with a bias, as one whose outputs stand one after the other.
    pub fn linear_stacked(&self, names: &[String], d_in: usize, d_out_each: usize) -> Result<Linear, LoadError> {
        let weights: Vec<String> = names.iter().map(|name| format!("{name}.weight")).collect();
        let mut bias = Vec::new();
        for name in names {
            bias.extend(self.values(&format!("{name}.bias"), &[d_out_each])?);
        }
        let d_out = names.len() * d_out_each;
        self.map(&weights, Some(bias), d_in, d_out)
    }

    /// A bare matrix used as `x @ W`, stored `[in, out]`.
    pub fn matrix(&self, name: &str, d_in: usize, d_out: usize) -> Result<Linear, LoadError> {
        let kept = self.kept(&|| self.values_as(name, &[d_in, d_out]), &|| self.values_as(name, &[d_in, d_out]))?;
        Ok(self.linear_of_kept(kept, Layout::InOut, None, [d_in, d_out]))
    }

    /// A linear map from the matrices `names`, which are stored `[out, in]` and stand one below the other.
    fn map(&self, names: &[String], bias: Option<Vec<f32>>, d_in: usize, d_out: usize) -> Result<Linear, LoadError> {
        let kept = self.kept(&|| self.stacked_as(names, d_in, d_out), &|| self.stacked_as(names, d_in, d_out))?;
        Ok(self.linear_of_kept(kept, Layout::OutIn, bias, [d_in, d_out]))
    }

    /// Lays weights out for whoever multiplies: our own products on the CPU in f32, burn anywhere else.
    fn linear_of_kept(&self, kept: Kept, layout: Layout, bias: Option<Vec<f32>>, dims: [usize; 2]) -> Linear {
        let [d_in, d_out] = dims;
        if self.device == Device::flex() && self.precision.activations() == FloatDType::F32 {
            let steps = match layout {
                Layout::InOut => [d_out, 1],
                Layout::OutIn => [1, d_in],
            };
            let panels = match &kept {
                Kept::Half(values) => Panels::half(&Stored { values, steps }, dims),
                Kept::Whole(values) => Panels::whole(&Stored { values, steps }, dims),
            };
            return Linear::on_cpu(panels, bias);
        }
        let kept = match (layout, kept) {
            (Layout::InOut, kept) => kept,
            (Layout::OutIn, Kept::Half(values)) => Kept::Half(transpose(&values, d_out, d_in)),
            (Layout::OutIn, Kept::Whole(values)) => Kept::Whole(transpose(&values, d_out, d_in)),
        };
        Linear::new(self.put_kept(kept, dims), bias.map(|bias| self.small(bias, [d_out])))
    }

    fn stacked_as<N: Number>(&self, names: &[String], d_in: usize, d_out: usize) -> Result<Vec<N>, LoadError> {
        let each = d_out / names.len();
        let mut stored = Vec::new();
        for name in names {
            let values = self.values_as(name, &[each, d_in])?;
            // Most maps are one matrix, which needs no second copy.
            if stored.is_empty() { stored = values } else { stored.extend(values) }
        }
        Ok(stored)
    }

    /// LayerNorm with scale and shift, in f32 as its sums.
    pub fn layer_norm(&self, name: &str, width: usize, epsilon: f64) -> Result<LayerNorm, LoadError> {
        Ok(LayerNorm {
            gamma: self.tensor_f32(&format!("{name}.weight"), [width])?,
            beta: self.tensor_f32(&format!("{name}.bias"), [width])?,
            epsilon,
        })
    }

    /// A table of `rows` vectors.
    pub fn embedding(&self, name: &str, rows: usize, width: usize) -> Result<Embedding, LoadError> {
        Ok(Embedding { table: self.large(name, [rows, width])?, activations: self.precision.activations() })
    }
}

/// Whether f16 can hold what these were made of. A file's own values are finite, so what is not was too large; such a
/// tensor stays f32, where it is right, and a tower that computes in f16 overflows by it, which its self-test sees.
fn fits(halves: &[f16]) -> bool {
    halves.iter().all(|half| half.is_finite())
}
