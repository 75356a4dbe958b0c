//! A head as tensors that can be fitted: burn's automatic differentiation and Adam on its matrices and biases.

use burn::{
    optim::{Adam, AdamConfig, AdamState, Optimizer},
    tensor::{Device, Gradients, Tensor, TensorData, activation},
};

use super::TuneError;
use crate::{
    analysis::Matrix,
    device::read,
    lab::{Head, Map, Table},
};

/// A vector that is shorter has no direction.
const NO_LENGTH: f64 = 1e-12;

/// Keeps a step finite. burn's own 1e-5 is above the gradient of many an entry; this is the paper's (arXiv 1412.6980).
const EPSILON: f32 = 1e-8;

/// What of a head is fitted; the rest stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fitted {
    /// All matrices.
    pub(super) weights: bool,
    /// The bias of the first of two maps.
    pub(super) first_bias: bool,
    /// The bias of the last map.
    pub(super) last_bias: bool,
}

impl Fitted {
    /// Number of values.
    pub(super) fn count(self, head: &Head) -> usize {
        let last = head.maps().len().saturating_sub(1);
        let of_map = |(index, map): (usize, &Map)| {
            let weights = if self.weights { map.weight.values().len() } else { 0 };
            let bias = if self.bias(index == last) { map.bias.as_ref().map_or(0, Vec::len) } else { 0 };
            weights + bias
        };
        head.maps().iter().enumerate().map(of_map).sum()
    }

    fn bias(self, is_last: bool) -> bool {
        if is_last { self.last_bias } else { self.first_bias }
    }
}

/// A matrix or a bias.
struct Parameter {
    value: Tensor<2>,
    /// The value at the start, and λ / ‖start‖², of what is pulled back.
    pull: Option<(Tensor<2>, f64)>,
    /// Step of Adam; none for what stays.
    step: Option<f64>,
    moments: Option<AdamState<2>>,
}

impl Parameter {
    fn new(values: &[f64], rows: usize, step: Option<f64>) -> Self {
        let values = values.iter().map(|value| *value as f32).collect();
        Self { value: tensor(values, rows), pull: None, step, moments: None }
    }

    /// The value, to be differentiated if it is fitted.
    fn variable(&self) -> Tensor<2> {
        if self.step.is_some() { self.value.clone().autodiff().require_grad() } else { self.value.clone() }
    }

    fn update(&mut self, adam: &Adam, variable: &Tensor<2>, gradients: &mut Gradients) {
        if let Some(step) = self.step
            && let Some(gradient) = variable.grad_remove(gradients)
        {
            (self.value, self.moments) = adam.step(step, self.value.clone(), gradient, self.moments.take());
        }
    }

    fn numbers(&self) -> Vec<f64> {
        read(self.value.clone()).into_iter().map(f64::from).collect()
    }
}

/// One linear map; the weight is `[input, output]`, the bias `[1, output]`.
struct Layer {
    weight: Parameter,
    bias: Option<Parameter>,
}

/// The values of a layer in one forward pass.
pub(super) struct Values {
    weight: Tensor<2>,
    bias: Option<Tensor<2>>,
}

#[cfg(test)]
impl Values {
    /// Of the weight, turned to `[output, input]`, and of the bias; none of what is not fitted.
    pub(super) fn gradients(&self, gradients: &Gradients) -> [Option<Vec<f32>>; 2] {
        let bias = self.bias.as_ref().and_then(|bias| bias.grad(gradients));
        [self.weight.grad(gradients).map(|gradient| read(gradient.transpose())), bias.map(read)]
    }
}

/// A head under way.
pub(super) struct Network {
    input_dim: usize,
    layers: Vec<Layer>,
    adam: Adam,
}

impl Network {
    /// Begins at `start`. The sample is of the photos that are fitted to.
    ///
    /// A bias is fitted as one more column of its matrix would be, for one more input that is always L, the root mean
    /// square length of the map's inputs. So a step moves an embedding as far through the bias as through the matrix,
    /// whatever the scale of the features, and neither is favoured. With Adam that is a step of L times the rate.
    pub(super) fn new(start: &Head, fitted: Fitted, learning_rate: f64, pull: f64, sample: &Table) -> Self {
        let lengths = input_lengths(start, sample);
        let last = start.maps().len().saturating_sub(1);
        let layer = |(index, map): (usize, &Map)| {
            let [_, input] = map.weight.shape();
            let step = fitted.weights.then_some(learning_rate);
            let mut weight = Parameter::new(map.weight.transposed().values(), input, step);
            let square = map.weight.frobenius_norm().powi(2);
            if fitted.weights && pull > 0.0 && square > 0.0 {
                weight.pull = Some((weight.value.clone(), pull / square));
            }
            let step = fitted.bias(index == last).then_some(learning_rate * lengths[index]);
            Layer { weight, bias: map.bias.as_ref().map(|bias| Parameter::new(bias, 1, step)) }
        };
        let layers = start.maps().iter().enumerate().map(layer).collect();
        Self { input_dim: start.input_dim(), layers, adam: AdamConfig::new().with_epsilon(EPSILON).build() }
    }

    /// The values as they are, to be differentiated where they are fitted.
    pub(super) fn variables(&self) -> Vec<Values> {
        self.values(Parameter::variable)
    }

    /// The values as they are.
    pub(super) fn constants(&self) -> Vec<Values> {
        self.values(|parameter| parameter.value.clone())
    }

    fn values(&self, of: impl Fn(&Parameter) -> Tensor<2>) -> Vec<Values> {
        self.layers
            .iter()
            .map(|layer| Values { weight: of(&layer.weight), bias: layer.bias.as_ref().map(&of) })
            .collect()
    }

    /// The pull to the start, λ·‖W − W₀‖²/‖W₀‖² of each matrix.
    pub(super) fn pull(&self, variables: &[Values]) -> Option<Tensor<1>> {
        let of_layer = |(layer, values): (&Layer, &Values)| {
            let (start, weight) = layer.weight.pull.as_ref()?;
            Some((values.weight.clone() - start.clone()).square().sum().mul_scalar(*weight))
        };
        self.layers.iter().zip(variables).filter_map(of_layer).reduce(|a, b| a + b)
    }

    /// One step against the gradients of a loss of these variables.
    pub(super) fn update(&mut self, variables: &[Values], mut gradients: Gradients) {
        for (layer, values) in self.layers.iter_mut().zip(variables) {
            layer.weight.update(&self.adam, &values.weight, &mut gradients);
            if let (Some(bias), Some(variable)) = (&mut layer.bias, &values.bias) {
                bias.update(&self.adam, variable, &mut gradients);
            }
        }
    }

    /// The head as it is now.
    ///
    /// # Errors
    /// If a value is not finite, which a rate that is far too high can do.
    pub(super) fn head(&self) -> Result<Head, TuneError> {
        let of_layer = |layer: &Layer| {
            let [input, output] = layer.weight.value.dims();
            let weight = Matrix::new(input, output, layer.weight.numbers())?.transposed();
            Ok(Map { weight, bias: layer.bias.as_ref().map(Parameter::numbers) })
        };
        let maps = self.layers.iter().map(of_layer).collect::<Result<_, TuneError>>()?;
        Ok(Head::new(self.input_dim, maps)?)
    }
}

/// Pooled features to unit vectors in the joint space.
///
/// # Shapes
/// - x: `[photo, width]`
/// - output: `[photo, embed]`
pub(super) fn forward(layers: &[Values], mut x: Tensor<2>) -> Tensor<2> {
    for (index, layer) in layers.iter().enumerate() {
        if index > 0 {
            x = activation::gelu(x);
        }
        x = x.matmul(layer.weight.clone());
        if let Some(bias) = &layer.bias {
            x = x + bias.clone();
        }
    }
    directed(x)
}

/// Vectors at length one. One without a direction becomes zero, with a gradient of zero: the true one has no bound.
fn directed(x: Tensor<2>) -> Tensor<2> {
    let square = x.clone().square().sum_dim(1);
    let none = square.clone().lower_elem(NO_LENGTH * NO_LENGTH);
    let inverse = square.mask_fill(none.clone(), 1.0).sqrt().recip().mask_fill(none, 0.0);
    x * inverse
}

/// The root mean square length of the inputs of each map; 1 if all are zero.
fn input_lengths(head: &Head, sample: &Table) -> Vec<f64> {
    let length = |table: &Table| {
        let squares: f64 = table.lengths().iter().map(|length| length * length).sum();
        let length = (squares / table.count().max(1) as f64).sqrt();
        if length > 0.0 { length } else { 1.0 }
    };
    match head.maps() {
        [first, _] => vec![length(sample), length(&sample.affine_gelu(&first.weight, first.bias.as_deref()))],
        _ => vec![length(sample)],
    }
}

/// Rows of values as a tensor on the CPU.
pub(super) fn tensor(values: Vec<f32>, rows: usize) -> Tensor<2> {
    let columns = values.len() / rows;
    Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_without_a_direction_has_no_gradient() {
        let x = tensor(vec![0.0, 0.0, 3.0, 4.0], 2).autodiff().require_grad();
        let unit = directed(x.clone());
        assert_eq!(read(unit.clone().inner()), [0.0, 0.0, 0.6, 0.8]);
        let towards = tensor(vec![1.0, 0.0, 1.0, 0.0], 2);
        let gradient = read(x.grad(&(unit * towards).sum().backward()).unwrap());
        // (I − ŷŷᵀ) · (1, 0) / 5.
        let expected = [0.0, 0.0, 0.64 / 5.0, -0.48 / 5.0];
        assert!(gradient.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{gradient:?}");
    }

    #[test]
    fn a_head_goes_in_and_out_unchanged() {
        let weight = Matrix::new(2, 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let head = Head::new(3, vec![Map { weight, bias: Some(vec![0.5, -0.5]) }]).unwrap();
        let fitted = Fitted { weights: true, first_bias: true, last_bias: true };
        let network = Network::new(&head, fitted, 1e-3, 0.0, &Table::new(3, Vec::new()));
        assert_eq!(network.head().unwrap(), head);
        assert_eq!(fitted.count(&head), 8);
        assert_eq!(Fitted { last_bias: false, ..fitted }.count(&head), 6);
        assert_eq!(Fitted { weights: false, ..fitted }.count(&head), 2);
    }
}
