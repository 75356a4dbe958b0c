//! The pooled features at hand, and the figures that edits take of them.
//!
//! An edit has to be seen within a second with a hundred thousand photos at hand. So what only depends on the photos is
//! computed once, and the figures of a linear head follow from it without touching the photos again: the mean of
//! `y = W x + b` is `W x̄ + b`, its covariance `W C Wᵀ`. What does not follow, such as mean lengths, is of an even sample.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{
    Head, Table,
    edit::{EditError, Side},
    head::column,
    table::evenly,
};
use crate::analysis::{AnalysisError, Matrix, Svd};

/// Vectors that lengths, unit means, and all figures of an MLP are of, at most.
pub const SAMPLE: usize = 4096;

/// Vectors that a covariance is of, at most: eight and more for each dimension of any tower's output but the largest.
pub const COVARIANCE_SAMPLE: usize = 8192;

/// Decompositions that are remembered.
const REMEMBERED: usize = 4;

/// Pooled features of one side, to be kept as long as they are the ones at hand.
#[derive(Debug)]
pub struct Pooled {
    table: Arc<Table>,
    mean: OnceLock<Option<Vec<f64>>>,
    covariance: OnceLock<Result<Matrix, AnalysisError>>,
    sample: OnceLock<Table>,
}

impl Pooled {
    /// # Shapes
    /// - table: `[photo or text, input_dim]`
    pub fn new(table: impl Into<Arc<Table>>) -> Self {
        let (mean, covariance, sample) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { table: table.into(), mean, covariance, sample }
    }

    /// The features themselves.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The mean of all, `[input_dim]`; none if there is no vector.
    pub fn mean(&self) -> Option<&[f64]> {
        self.mean.get_or_init(|| self.table.mean()).as_deref()
    }

    /// The covariance, `[input_dim, input_dim]`, of an even sample of at most [`COVARIANCE_SAMPLE`].
    ///
    /// # Errors
    /// If there are fewer than two vectors, or one has a value that is not finite.
    pub fn covariance(&self) -> Result<&Matrix, AnalysisError> {
        let computed = self
            .covariance
            .get_or_init(|| covariance(&self.table.select(evenly(self.table.count(), COVARIANCE_SAMPLE)).to_matrix()?));
        computed.as_ref().map_err(Clone::clone)
    }

    /// An even sample of at most [`SAMPLE`] vectors.
    pub fn sample(&self) -> &Table {
        self.sample.get_or_init(|| self.table.select(evenly(self.table.count(), SAMPLE)))
    }

    /// The mean of `y`, `[output_dim]`: of all vectors under a linear head, of the sample under an MLP.
    ///
    /// # Errors
    /// If there is no vector, if the head does not fit, or if a value is not finite.
    pub fn mean_under(&self, head: &Head, side: Side) -> Result<Vec<f64>, EditError> {
        let Some(weight) = head.matrix() else { return self.projected(head, side)?.mean().ok_or(nothing(side)) };
        let mean = weight.times(&column(self.mean().ok_or(nothing(side))?)?)?;
        let bias = head.linear().and_then(|map| map.bias.as_deref());
        Ok(mean.values().iter().enumerate().map(|(at, value)| value + bias.map_or(0.0, |bias| bias[at])).collect())
    }

    /// The covariance of `y`, `[output_dim, output_dim]`, and the number of vectors that it is of.
    ///
    /// # Errors
    /// As [`Self::mean_under`], and if there is one vector only.
    pub fn covariance_under(&self, head: &Head, side: Side) -> Result<(Matrix, usize), EditError> {
        let count = self.table.count();
        if count == 0 {
            return Err(nothing(side));
        }
        match head.matrix() {
            Some(weight) => {
                let covariance = weight.times(self.covariance()?)?.times_transposed(&weight)?;
                Ok((covariance, count.min(COVARIANCE_SAMPLE)))
            }
            None => Ok((covariance(&self.projected(head, side)?.to_matrix()?)?, count.min(SAMPLE))),
        }
    }

    /// The mean of ‖y‖ over the sample.
    ///
    /// # Errors
    /// As [`Self::mean_under`].
    pub fn mean_length_under(&self, head: &Head, side: Side) -> Result<f64, EditError> {
        let lengths = self.projected(head, side)?.lengths();
        Ok(lengths.iter().sum::<f64>() / lengths.len() as f64)
    }

    /// The mean of y/‖y‖ over the sample, `[output_dim]`.
    ///
    /// # Errors
    /// As [`Self::mean_under`].
    pub fn unit_mean_under(&self, head: &Head, side: Side) -> Result<Vec<f64>, EditError> {
        self.projected(head, side)?.unit_mean().ok_or(nothing(side))
    }

    /// The sample in the joint space.
    fn projected(&self, head: &Head, side: Side) -> Result<Table, EditError> {
        if self.table.count() == 0 {
            return Err(nothing(side));
        }
        let (left, right) = ([head.output_dim(), head.input_dim()], [self.table.columns(), 1]);
        if left[1] != right[0] {
            return Err(AnalysisError::Shapes { figure: "a projection", left, right }.into());
        }
        Ok(head.apply(self.sample()))
    }
}

fn nothing(side: Side) -> EditError {
    EditError::NothingAtHand { side }
}

/// Σ (x − x̄)(x − x̄)ᵀ/(n − 1).
fn covariance(x: &Matrix) -> Result<Matrix, AnalysisError> {
    let [rows, columns] = x.shape();
    if rows < 2 {
        return Err(AnalysisError::Undefined { figure: "a covariance", input: "one vector" });
    }
    let centred = x.centred();
    let squares = centred.transposed_times(&centred)?;
    let degrees = (rows - 1) as f64;
    Matrix::new(columns, columns, squares.values().iter().map(|value| value / degrees).collect())
}

/// What edits act on besides the heads. It is kept as long as the photos, the texts and the model are the same: it
/// remembers what it has computed.
#[derive(Debug)]
pub struct Context {
    image: Arc<Pooled>,
    text: Arc<Pooled>,
    image_shift: Option<Vec<f64>>,
    text_shift: Option<Vec<f64>>,
    decompositions: Mutex<Vec<(Matrix, Arc<Svd>)>>,
}

impl Context {
    /// # Shapes
    /// - image_shift, text_shift: β of the affine layer in front of each head, `[input_dim]`, where one is known
    pub fn new(
        image: Arc<Pooled>,
        text: Arc<Pooled>,
        image_shift: Option<Vec<f64>>,
        text_shift: Option<Vec<f64>>,
    ) -> Self {
        Self { image, text, image_shift, text_shift, decompositions: Mutex::default() }
    }

    /// What is at hand on one side.
    pub fn pooled(&self, side: Side) -> &Arc<Pooled> {
        match side {
            Side::Image => &self.image,
            Side::Text => &self.text,
        }
    }

    /// β in front of a head.
    pub fn shift(&self, side: Side) -> Option<&[f64]> {
        match side {
            Side::Image => self.image_shift.as_deref(),
            Side::Text => self.text_shift.as_deref(),
        }
    }

    /// `matrix.svd()`, remembered for the next step of a slider.
    pub(super) fn svd(&self, matrix: Matrix) -> Result<Arc<Svd>, AnalysisError> {
        let known = || self.decompositions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, svd)) = known().iter().find(|(of, _)| *of == matrix) {
            return Ok(svd.clone());
        }
        let svd = Arc::new(matrix.svd()?);
        let mut known = known();
        if known.len() == REMEMBERED {
            known.remove(0);
        }
        known.push((matrix, svd.clone()));
        Ok(svd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Map;

    fn pooled(values: &[f32]) -> Pooled {
        Pooled::new(Table::new(2, values.to_vec()))
    }

    fn linear() -> Head {
        let weight = Matrix::new(3, 2, vec![1.0, 0.5, 0.0, 2.0, -1.0, 1.0]).unwrap();
        Head::new(2, vec![Map { weight, bias: Some(vec![0.25, 0.0, -1.0]) }]).unwrap()
    }

    #[test]
    fn figures_of_a_linear_head_are_those_of_its_vectors() {
        let pooled = pooled(&[1.0, 2.0, -0.5, 0.25, 3.0, -1.0, 0.0, 4.0]);
        let y = linear().apply(pooled.table()).to_matrix().unwrap();
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(&pooled.mean_under(&linear(), Side::Image).unwrap(), &y.mean_row()));
        let (found, count) = pooled.covariance_under(&linear(), Side::Image).unwrap();
        assert!(close(found.values(), covariance(&y).unwrap().values()) && count == 4);
        let length = y.row_norms().iter().sum::<f64>() / 4.0;
        assert!((pooled.mean_length_under(&linear(), Side::Image).unwrap() - length).abs() < 1e-6);
    }

    #[test]
    fn nothing_at_hand_and_what_does_not_fit_are_named() {
        let empty = pooled(&[]);
        let none = EditError::NothingAtHand { side: Side::Text };
        assert_eq!(empty.mean_under(&linear(), Side::Text).unwrap_err(), none);
        assert_eq!(empty.covariance_under(&linear(), Side::Text).unwrap_err(), none);
        assert_eq!(empty.mean_length_under(&linear(), Side::Text).unwrap_err(), none);
        let wide = Pooled::new(Table::new(3, vec![1.0; 6]));
        assert!(matches!(wide.mean_under(&linear(), Side::Text), Err(EditError::Analysis(_))));
        assert!(matches!(wide.unit_mean_under(&linear(), Side::Text), Err(EditError::Analysis(_))));
        let broken = pooled(&[1.0, f32::NAN]);
        assert!(matches!(broken.mean_under(&linear(), Side::Text), Err(EditError::Analysis(_))));
    }

    #[test]
    fn a_decomposition_is_remembered() {
        let empty = || Arc::new(pooled(&[]));
        let context = Context::new(empty(), empty(), None, None);
        let matrix = |scale: f64| Matrix::new(2, 2, vec![scale, 0.0, 0.0, 1.0]).unwrap();
        let first = context.svd(matrix(2.0)).unwrap();
        assert!(Arc::ptr_eq(&first, &context.svd(matrix(2.0)).unwrap()));
        assert_eq!(context.svd(matrix(5.0)).unwrap().values, [5.0, 1.0]);
        (0..REMEMBERED).for_each(|scale| assert!(context.svd(matrix(scale as f64 + 10.0)).is_ok()));
        assert!(!Arc::ptr_eq(&first, &context.svd(matrix(2.0)).unwrap()));
        assert_eq!(context.decompositions.lock().unwrap().len(), REMEMBERED);
    }
}
