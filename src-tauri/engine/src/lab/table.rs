//! Many vectors in f32, one per row: what is at hand, as opposed to the matrices in f64 that act on it.

use burn::tensor::{Device, Tensor, TensorData, activation};
use faer::{Accum, MatMut, MatRef, get_global_parallelism, linalg::matmul::matmul};

use crate::{
    analysis::{AnalysisError, Matrix},
    device::read,
};

/// Values that go through a GELU at once, a bound on the memory for it.
const VALUES_AT_ONCE: usize = 1 << 20;

/// Vectors of one length, one per row. There may be none.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    columns: usize,
    values: Vec<f32>,
}

impl Table {
    /// # Shapes
    /// - values: `[row, columns]`, row-major
    ///
    /// # Panics
    /// If `columns` is 0 or does not divide the number of values.
    pub fn new(columns: usize, values: Vec<f32>) -> Self {
        assert!(columns > 0 && values.len().is_multiple_of(columns), "{} values in rows of {columns}", values.len());
        Self { columns, values }
    }

    /// Number of vectors.
    pub fn count(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Length of each.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One slice per vector.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.columns)
    }

    /// Vector `index`, from 0.
    ///
    /// # Panics
    /// If there is no such vector.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.columns..][..self.columns]
    }

    /// The vectors with these indices, in their order.
    ///
    /// # Panics
    /// If there is no such vector.
    pub fn select(&self, indices: impl IntoIterator<Item = usize>) -> Self {
        let values = indices.into_iter().flat_map(|index| self.row(index)).copied().collect();
        Self { columns: self.columns, values }
    }

    /// In f64, for the figures of [`crate::analysis`].
    ///
    /// # Errors
    /// If there is no vector, or one has a value that is not finite.
    pub fn to_matrix(&self) -> Result<Matrix, AnalysisError> {
        Matrix::from_f32(self.count(), self.columns, &self.values)
    }

    /// `W x + b` of every vector.
    ///
    /// # Shapes
    /// - weight: `[output, columns]`
    /// - bias: `[output]`
    /// - output: `[row, output]`
    pub fn affine(&self, weight: &Matrix, bias: Option<&[f64]>) -> Self {
        let [output, input] = weight.shape();
        let product = self.products(&Self::new(input, narrowed(weight.values())));
        match bias {
            Some(bias) => product.shifted(bias),
            None => Self { columns: output, ..product },
        }
    }

    /// `GELU(W x + b)` of every vector, with the exact GELU.
    ///
    /// # Shapes
    /// As [`Self::affine`].
    pub fn affine_gelu(&self, weight: &Matrix, bias: Option<&[f64]>) -> Self {
        let Self { columns, mut values } = self.affine(weight, bias);
        let device = Device::flex();
        for run in values.chunks_mut(VALUES_AT_ONCE) {
            let active = activation::gelu(Tensor::<1>::from_data(TensorData::new(run.to_vec(), [run.len()]), &device));
            run.copy_from_slice(&read(active));
        }
        Self { columns, values }
    }

    /// The product of each vector with each of `others`; cosines, where all are of unit length. By faer, which is
    /// as fast as burn's product of tensors and reads and writes the tables in place.
    ///
    /// # Shapes
    /// - others: `[other, columns]`, at least one
    /// - output: `[row, other]`
    ///
    /// # Panics
    /// If the lengths differ, or there are no others.
    pub fn products(&self, others: &Self) -> Self {
        let (rows, inner, output) = (self.count(), self.columns, others.count());
        assert_eq!(others.columns, inner, "products of vectors of {inner}");
        assert!(output > 0, "products with no vectors");
        let mut values = vec![0.0; rows * output];
        matmul(
            MatMut::from_row_major_slice_mut(&mut values, rows, output),
            Accum::Replace,
            MatRef::from_row_major_slice(&self.values, rows, inner),
            MatRef::from_row_major_slice(&others.values, output, inner).transpose(),
            1.0,
            get_global_parallelism(),
        );
        Self { columns: output, values }
    }

    /// Each vector plus `shift`.
    ///
    /// # Panics
    /// If `shift` is of another length.
    pub fn shifted(mut self, shift: &[f64]) -> Self {
        assert_eq!(shift.len(), self.columns, "a shift of vectors of {}", self.columns);
        let shift = narrowed(shift);
        for row in self.values.chunks_exact_mut(self.columns) {
            row.iter_mut().zip(&shift).for_each(|(value, shift)| *value += shift);
        }
        self
    }

    /// Each vector at length one, as [`crate::clip::normalise`] makes it.
    pub fn unit(&self) -> Self {
        let mut values = self.values.clone();
        for row in values.chunks_exact_mut(self.columns) {
            let length = row.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
            row.iter_mut().for_each(|value| *value /= length);
        }
        Self { columns: self.columns, values }
    }

    /// The length of each vector.
    pub fn lengths(&self) -> Vec<f64> {
        let square = |value: &f32| f64::from(*value) * f64::from(*value);
        self.rows().map(|row| row.iter().map(square).sum::<f64>().sqrt()).collect()
    }

    /// The mean vector; none if there is no vector.
    pub fn mean(&self) -> Option<Vec<f64>> {
        let mut mean = vec![0.0; self.columns];
        for row in self.rows() {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let count = self.count() as f64;
        mean.iter_mut().for_each(|sum| *sum /= count);
        (count > 0.0).then_some(mean)
    }

    /// The mean of the vectors at length one, each normalised in f64; zeros stay zeros. None if there is no vector.
    pub fn unit_mean(&self) -> Option<Vec<f64>> {
        let mut mean = vec![0.0; self.columns];
        for (row, length) in self.rows().zip(self.lengths()) {
            let scale = length.max(1e-12).recip();
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value) * scale);
        }
        let count = self.count() as f64;
        mean.iter_mut().for_each(|sum| *sum /= count);
        (count > 0.0).then_some(mean)
    }

    /// The product of each vector with `direction`.
    ///
    /// # Panics
    /// If `direction` is of another length.
    pub fn along(&self, direction: &[f64]) -> Vec<f64> {
        assert_eq!(direction.len(), self.columns);
        let product = |row: &[f32]| row.iter().zip(direction).map(|(a, b)| f64::from(*a) * b).sum();
        self.rows().map(product).collect()
    }
}

fn narrowed(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// The indices of at most `most` of `count` things, evenly spread from the first on: all of them if there are no more.
pub fn evenly(count: usize, most: usize) -> impl ExactSizeIterator<Item = usize> + Clone {
    let taken = count.min(most);
    (0..taken).map(move |at| (at as u128 * count as u128 / taken as u128) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_acts_on_every_row() {
        let table = Table::new(2, vec![1.0, 2.0, 0.0, -1.0, 3.0, 0.5]);
        let weight = Matrix::new(3, 2, vec![1.0, 0.0, 0.0, 2.0, 1.0, 1.0]).unwrap();
        let moved = table.affine(&weight, Some(&[0.5, 0.0, -1.0]));
        assert_eq!(moved.values(), [1.5, 4.0, 2.0, 0.5, -2.0, -2.0, 3.5, 1.0, 2.5]);
        assert_eq!((moved.count(), moved.columns()), (3, 3));
        assert_eq!(moved.select([2, 0]).row(0), [3.5, 1.0, 2.5]);
    }

    #[test]
    fn no_vectors_stay_no_vectors() {
        let weight = Matrix::new(1, 2, vec![1.0, 1.0]).unwrap();
        let none = Table::new(2, Vec::new());
        assert_eq!((none.affine(&weight, None).count(), none.unit().count(), none.mean()), (0, 0, None));
    }

    #[test]
    fn unit_vectors_keep_their_direction_and_zero_stays_zero() {
        let unit = Table::new(2, vec![3.0, 4.0, 0.0, 0.0]).unit();
        assert!((unit.row(0)[0] - 0.6).abs() < 1e-6 && (unit.row(0)[1] - 0.8).abs() < 1e-6);
        assert_eq!(unit.row(1), [0.0, 0.0]);
    }

    #[test]
    fn the_mean_of_unit_vectors_by_hand() {
        let mean = Table::new(2, vec![3.0, 4.0, 0.0, -2.0, 0.0, 0.0, 5.0, 0.0]).unit_mean().unwrap();
        assert!((mean[0] - 0.4).abs() < 1e-15 && (mean[1] + 0.05).abs() < 1e-15);
        assert!(Table::new(2, Vec::new()).unit_mean().is_none());
    }

    #[test]
    fn an_even_sample_is_spread_over_all() {
        assert_eq!(evenly(10, 4).collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!(evenly(3, 4).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((evenly(0, 4).len(), evenly(4, 0).len()), (0, 0));
    }
}
