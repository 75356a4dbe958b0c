//! Heads to begin from: the same function in another form, or what comes nearest to it where a form cannot hold it.

use burn::tensor::{Device, Tensor, TensorData, activation};
use faer::{MatMut, MatRef, Side, linalg::solvers::Solve};
use serde::{Deserialize, Serialize};

use super::{TuneError, network::Fitted};
use crate::{
    analysis::{AnalysisError, Matrix},
    device::read,
    lab::{
        Head, Map, Table,
        head::{column, identity},
    },
};

/// Weight of the penalty of a regression, as a share of the mean square of a column: just enough to be stable, since a
/// head's outputs have no noise.
const RIDGE: f64 = 1e-3;

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parts {
    /// The matrix alone; both of an MLP. A bias that there is stays as it is.
    Weights,
    /// The bias of the last map alone, from zero if there is none.
    Bias,
    /// Both of these.
    Both,
    /// Everything of an MLP with a bias in each layer. A head that is none becomes one that is the same function.
    Mlp,
}

impl Parts {
    /// The head to begin from, which is the same function as `head`, and what of it is fitted.
    pub(super) fn of(self, head: &Head) -> Result<(Head, Fitted), AnalysisError> {
        let fitted = |weights, first_bias, last_bias| Fitted { weights, first_bias, last_bias };
        Ok(match self {
            Self::Weights => (explicit(head)?, fitted(true, false, false)),
            Self::Bias => (with_bias(head)?, fitted(false, false, true)),
            Self::Both => (with_bias(head)?, fitted(true, false, true)),
            Self::Mlp => (with_bias(&as_mlp(head)?)?, fitted(true, true, true)),
        })
    }
}

/// A form of the image head that an ablation compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HeadForm {
    /// One matrix.
    Linear,
    /// One matrix and a bias.
    LinearBias,
    /// Two matrices with a GELU between them; the first has a bias and the last has none, as in open_clip.
    Mlp,
    /// The same with a bias in the last.
    MlpBias,
}

impl HeadForm {
    /// All forms.
    pub const ALL: [Self; 4] = [Self::Linear, Self::LinearBias, Self::Mlp, Self::MlpBias];

    /// The head to begin from, and what of it is fitted: everything.
    ///
    /// It is the same function as `head` if the form can hold it, and both forms of a kind begin as the same function
    /// if the one without a bias can. Else it is the form's nearest head on `photos`: a map without a bias takes a
    /// constant, and a matrix takes an MLP, as a linear approximation of it with ridge regression of what is left.
    ///
    /// # Shapes
    /// - photos: `[photo, input_dim]`, at least one, those that are fitted to
    pub(super) fn of(self, head: &Head, photos: &Table) -> Result<(Head, Fitted), TuneError> {
        let start = match self {
            Self::Linear => without_bias(&linear(head, photos)?, photos)?,
            Self::LinearBias => with_bias(&linear(head, photos)?)?,
            Self::Mlp => without_bias(&as_mlp(head)?, photos)?,
            Self::MlpBias => with_bias(&as_mlp(head)?)?,
        };
        let last_bias = matches!(self, Self::LinearBias | Self::MlpBias);
        Ok((start, Fitted { weights: true, first_bias: true, last_bias }))
    }
}

/// With the identity as a matrix, if there is no map.
fn explicit(head: &Head) -> Result<Head, AnalysisError> {
    match head.maps() {
        [] => head.after(&identity(head.input_dim())),
        _ => Ok(head.clone()),
    }
}

/// With a bias in the last map, zero if there was none.
fn with_bias(head: &Head) -> Result<Head, AnalysisError> {
    head.shifted(&vec![0.0; head.output_dim()])
}

/// The same function as an MLP with a bias in its first layer.
///
/// GELU(x) = x·Φ(x) and Φ(x) + Φ(−x) = 1, so GELU(x) − GELU(−x) = x: with `[W; −W]` and `[b; −b]` in front and `[I, −I]`
/// behind, an MLP of twice the size is W x + b.
fn as_mlp(head: &Head) -> Result<Head, AnalysisError> {
    let maps = match explicit(head)?.maps() {
        [map] => {
            let size = head.output_dim();
            let both =
                |values: &[f64]| values.iter().copied().chain(values.iter().map(|value| -value)).collect::<Vec<_>>();
            let bias = map.bias.as_ref().map_or_else(|| vec![0.0; 2 * size], |bias| both(bias));
            let weight = Matrix::new(2 * size, head.input_dim(), both(map.weight.values()))?;
            let halves = identity(size).rows().flat_map(both).collect();
            vec![Map { weight, bias: Some(bias) }, Map { weight: Matrix::new(size, 2 * size, halves)?, bias: None }]
        }
        maps => {
            let mut maps = maps.to_vec();
            if let Some(first) = maps.first_mut() {
                first.bias.get_or_insert_with(|| vec![0.0; first.weight.shape()[0]]);
            }
            maps
        }
    };
    Head::new(head.input_dim(), maps)
}

/// One matrix: the head's own, with its bias, or for an MLP the derivative at the mean photo, and what that leaves of
/// the outputs by ridge regression.
fn linear(head: &Head, photos: &Table) -> Result<Head, TuneError> {
    let [first, second] = head.maps() else { return Ok(explicit(head)?) };
    let mean = photos.mean().ok_or(TuneError::Photos { found: 0 })?;
    let mut inner = first.weight.times(&column(&mean)?)?.values().to_vec();
    if let Some(bias) = &first.bias {
        inner.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
    }
    let slopes = gelu_slopes(&inner);
    let scaled = first.weight.rows().zip(slopes).flat_map(|(row, slope)| row.iter().map(move |value| value * slope));
    let [hidden, input] = first.weight.shape();
    let tangent = second.weight.times(&Matrix::new(hidden, input, scaled.collect())?)?;
    let rest = head.apply(photos).to_matrix()?;
    let rest = minus(&rest, &photos.affine(&tangent, None).to_matrix()?)?;
    let weight = plus(&tangent, &ridge(&photos.to_matrix()?, &rest)?)?;
    Ok(Head::new(head.input_dim(), vec![Map { weight, bias: None }])?)
}

/// Without a bias in the last map: its matrix takes the bias, as far as ridge regression can.
fn without_bias(head: &Head, photos: &Table) -> Result<Head, TuneError> {
    let mut maps = head.maps().to_vec();
    let Some(Map { weight, bias }) = maps.pop() else { return Ok(head.clone()) };
    let weight = match bias.filter(|bias| bias.iter().any(|value| *value != 0.0)) {
        None => weight,
        Some(bias) => {
            let inputs = match maps.as_slice() {
                [first, ..] => photos.affine_gelu(&first.weight, first.bias.as_deref()),
                [] => photos.clone(),
            };
            let constant = Matrix::new(inputs.count(), bias.len(), bias.repeat(inputs.count()))?;
            plus(&weight, &ridge(&inputs.to_matrix()?, &constant)?)?
        }
    };
    maps.push(Map { weight, bias: None });
    Ok(Head::new(head.input_dim(), maps)?)
}

/// The matrix A that makes ‖X Aᵀ − Y‖² + μ‖A‖² least.
///
/// # Shapes
/// - x: `[row, input]`
/// - y: `[row, output]`
/// - output: `[output, input]`
fn ridge(x: &Matrix, y: &Matrix) -> Result<Matrix, AnalysisError> {
    let [_, input] = x.shape();
    let output = y.shape()[1];
    let mut gram = x.transposed_times(x)?.values().to_vec();
    let trace: f64 = gram.iter().step_by(input + 1).sum();
    if trace == 0.0 {
        return Matrix::new(output, input, vec![0.0; output * input]);
    }
    gram.iter_mut().step_by(input + 1).for_each(|value| *value += RIDGE * trace / input as f64);
    let mut solution = x.transposed_times(y)?.values().to_vec();
    let factors = MatRef::from_row_major_slice(&gram, input, input)
        .llt(Side::Lower)
        .map_err(|_| AnalysisError::Undefined { figure: "ridge regression", input: "features without a scale" })?;
    factors.solve_in_place(MatMut::from_row_major_slice_mut(&mut solution, input, output));
    Ok(Matrix::new(input, output, solution)?.transposed())
}

fn plus(a: &Matrix, b: &Matrix) -> Result<Matrix, AnalysisError> {
    let [rows, columns] = a.shape();
    Matrix::new(rows, columns, a.values().iter().zip(b.values()).map(|(a, b)| a + b).collect())
}

fn minus(a: &Matrix, b: &Matrix) -> Result<Matrix, AnalysisError> {
    let [rows, columns] = a.shape();
    Matrix::new(rows, columns, a.values().iter().zip(b.values()).map(|(a, b)| a - b).collect())
}

/// The derivative of the exact GELU.
fn gelu_slopes(values: &[f64]) -> Vec<f64> {
    let narrowed: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    let count = narrowed.len();
    let at = Tensor::<1>::from_data(TensorData::new(narrowed, [count]), &Device::flex()).autodiff().require_grad();
    let slopes = at.grad(&activation::gelu(at.clone()).sum().backward()).expect("the sum depends on each value");
    read(slopes).into_iter().map(f64::from).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::random::Random, *};

    /// Entries without a pattern, in −1…1.
    fn scattered(count: usize, seed: u64) -> Vec<f64> {
        let mut random = Random::of([seed]);
        (0..count).map(|_| random.below(20_001) as f64 / 1e4 - 1.0).collect()
    }

    fn map(output: usize, input: usize, seed: u64, bias: bool) -> Map {
        let weight = Matrix::new(output, input, scattered(output * input, seed)).unwrap();
        Map { weight, bias: bias.then(|| scattered(output, seed + 1)) }
    }

    fn photos(count: usize) -> Table {
        Table::new(5, scattered(count * 5, 99).into_iter().map(|value| value as f32).collect())
    }

    fn distance(a: &Head, b: &Head, photos: &Table) -> f32 {
        let (a, b) = (a.apply(photos), b.apply(photos));
        a.values().iter().zip(b.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    fn heads() -> [Head; 6] {
        let of = |maps| Head::new(5, maps).unwrap();
        [
            of(Vec::new()),
            of(vec![map(3, 5, 1, false)]),
            of(vec![map(3, 5, 2, true)]),
            of(vec![map(7, 5, 3, false), map(3, 7, 4, false)]),
            of(vec![map(7, 5, 5, true), map(3, 7, 6, false)]),
            of(vec![map(7, 5, 7, true), map(3, 7, 8, true)]),
        ]
    }

    #[test]
    fn every_start_of_tuning_is_the_same_function() {
        for (index, head) in heads().iter().enumerate() {
            for parts in [Parts::Weights, Parts::Bias, Parts::Both, Parts::Mlp] {
                let (start, fitted) = parts.of(head).unwrap();
                assert!(distance(head, &start, &photos(40)) < 1e-6, "{index} {parts:?}");
                let last = start.maps().last().unwrap();
                assert!(last.bias.is_some() || !fitted.last_bias);
            }
            assert_eq!(Parts::Mlp.of(head).unwrap().0.maps().len(), 2);
        }
    }

    #[test]
    fn forms_that_can_hold_a_head_begin_as_it() {
        let photos = photos(40);
        for (index, head) in heads().iter().enumerate() {
            let is_mlp = head.maps().len() == 2;
            let has_last_bias = head.maps().last().is_some_and(|map| map.bias.is_some());
            for form in HeadForm::ALL {
                let (start, _) = form.of(head, &photos).unwrap();
                let holds = match form {
                    HeadForm::Linear => !is_mlp && !has_last_bias,
                    HeadForm::LinearBias => !is_mlp,
                    HeadForm::Mlp => !is_mlp || !has_last_bias,
                    HeadForm::MlpBias => true,
                };
                assert_eq!(distance(head, &start, &photos) < 2e-6, holds, "{index} {form:?}");
                let biases: Vec<bool> = start.maps().iter().map(|map| map.bias.is_some()).collect();
                let expected: &[bool] = match form {
                    HeadForm::Linear => &[false],
                    HeadForm::LinearBias => &[true],
                    HeadForm::Mlp => &[true, false],
                    HeadForm::MlpBias => &[true, true],
                };
                assert_eq!(biases, expected, "{index} {form:?}");
            }
        }
    }

    #[test]
    fn linear_forms_of_an_mlp_begin_as_one_function_that_is_near_it() {
        let photos = photos(200);
        for head in &heads()[3..] {
            let start = |form: HeadForm| form.of(head, &photos).unwrap().0;
            assert_eq!(distance(&start(HeadForm::Linear), &start(HeadForm::LinearBias), &photos), 0.0);
            // No matrix comes nearer in squares, up to the penalty.
            let squares = |other: &Head| {
                let (a, b) = (head.apply(&photos), other.apply(&photos));
                a.values().iter().zip(b.values()).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
            };
            let found = start(HeadForm::Linear);
            for step in 0..15 {
                let mut values = found.maps()[0].weight.values().to_vec();
                values[step] += if step % 2 == 0 { 0.05 } else { -0.05 };
                let weight = Matrix::new(3, 5, values).unwrap();
                let other = Head::new(5, vec![Map { weight, bias: None }]).unwrap();
                assert!(squares(&other) > squares(&found), "{step}");
            }
        }
    }

    #[test]
    fn ridge_regression_finds_a_matrix_and_shrinks_what_it_has_not_seen() {
        let (x, a) = (photos(60).to_matrix().unwrap(), map(3, 5, 20, false).weight);
        let found = ridge(&x, &x.times_transposed(&a).unwrap()).unwrap();
        assert!(found.distance(&a).unwrap() < 2e-3 * a.frobenius_norm());
        // One photo: a matrix of rank one.
        let one = Matrix::new(1, 5, x.row(0).to_vec()).unwrap();
        let found = ridge(&one, &one.times_transposed(&a).unwrap()).unwrap();
        assert!(found.singular_values().unwrap()[1] < 1e-12);
        let nothing = Matrix::new(4, 5, vec![0.0; 20]).unwrap();
        assert_eq!(ridge(&nothing, &Matrix::new(4, 2, vec![1.0; 8]).unwrap()).unwrap().frobenius_norm(), 0.0);
    }

    #[test]
    fn slopes_are_those_of_the_gelu() {
        // Φ(0) = ½; far out it is 1 and 0; Φ(1) + φ(1) = 0.8413447 + 0.2419707.
        let slopes = gelu_slopes(&[0.0, 20.0, -20.0, 1.0]);
        assert!(slopes.iter().zip([0.5, 1.0, 0.0, 1.083_315_4]).all(|(a, b)| (a - b).abs() < 1e-6), "{slopes:?}");
    }
}
