//! A matrix of finite numbers in f64, its products and its singular value decomposition: a thin layer on faer.
//!
//! What is finite and not empty is checked once, when a [`Matrix`] is made, so that the figures computed from it need
//! no checks of their own.

use std::ops::Range;

use faer::{
    Accum, Mat, MatMut, MatRef, Spec,
    diag::Diag,
    dyn_stack::{MemBuffer, MemStack},
    get_global_parallelism,
    linalg::{
        matmul::matmul,
        svd::{ComputeSvdVectors, SvdError, SvdParams, svd, svd_scratch},
    },
};

/// Two entries that differ by less than this share of the larger one are the same for the choice of a sign: rounding
/// must not decide which of two equal entries is the largest.
const SIGN_TIE: f64 = 1e-9;

/// Why a figure cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AnalysisError {
    /// The number of values does not fit the shape, or there are none.
    #[error("{found} value(s) do not make a matrix of {rows} × {columns}")]
    Length {
        /// Rows asked for.
        rows: usize,
        /// Columns asked for.
        columns: usize,
        /// Values given.
        found: usize,
    },
    /// A value is NaN or infinite.
    #[error("the entry in row {row}, column {column} of a matrix of {rows} × {columns} is {value}")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// NaN or an infinity.
        value: f64,
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },
    /// Two operands do not fit each other.
    #[error("cannot compute {figure} of {left:?} and {right:?}: their shapes do not fit")]
    Shapes {
        /// What was being computed.
        figure: &'static str,
        /// Shape of the first operand.
        left: [usize; 2],
        /// Shape of the second operand.
        right: [usize; 2],
    },
    /// The figure is not defined for this input.
    #[error("{figure} is not defined for {input}")]
    Undefined {
        /// What was being computed.
        figure: &'static str,
        /// What is special about the input.
        input: &'static str,
    },
    /// The iteration of the decomposition gave up.
    #[error("the singular values of a matrix of {rows} × {columns} did not converge")]
    NoConvergence {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },
}

/// A matrix of finite numbers with at least one row and one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// # Shapes
    /// - values: `[rows, columns]`, row-major
    ///
    /// # Errors
    /// If the values do not fill the shape, if there are none, or if one is not finite.
    pub fn new(rows: usize, columns: usize, values: Vec<f64>) -> Result<Self, AnalysisError> {
        if values.is_empty() || rows.checked_mul(columns) != Some(values.len()) {
            return Err(AnalysisError::Length { rows, columns, found: values.len() });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let (row, column) = (at / columns, at % columns);
            return Err(AnalysisError::NotFinite { row, column, value: values[at], rows, columns });
        }
        Ok(Self { rows, columns, values })
    }

    /// As [`Self::new`], from the f32 of tensors; every f32 is an f64 exactly.
    pub fn from_f32(rows: usize, columns: usize, values: &[f32]) -> Result<Self, AnalysisError> {
        Self::new(rows, columns, values.iter().copied().map(f64::from).collect())
    }

    /// `[rows, columns]`.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// One slice per row.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.columns)
    }

    /// Row `index`, from 0.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.columns..][..self.columns]
    }

    /// A run of rows.
    pub(crate) fn row_range(&self, range: Range<usize>) -> Self {
        let (start, end) = (range.start * self.columns, range.end * self.columns);
        Self { rows: range.len(), columns: self.columns, values: self.values[start..end].to_vec() }
    }

    /// `[columns, rows]`.
    pub fn transposed(&self) -> Self {
        Self::read(self.view().transpose())
    }

    /// `self · other`.
    ///
    /// # Shapes
    /// - self: `[a, b]`
    /// - other: `[b, c]`
    /// - output: `[a, c]`
    pub fn times(&self, other: &Self) -> Result<Self, AnalysisError> {
        product(self.view(), other.view())
    }

    /// `self · otherᵀ`: the product of each row with each row. With itself it is the Gram matrix.
    ///
    /// # Shapes
    /// - self: `[a, b]`
    /// - other: `[c, b]`
    /// - output: `[a, c]`
    pub fn times_transposed(&self, other: &Self) -> Result<Self, AnalysisError> {
        product(self.view(), other.view().transpose())
    }

    /// `selfᵀ · other`.
    ///
    /// # Shapes
    /// - self: `[a, b]`
    /// - other: `[a, c]`
    /// - output: `[b, c]`
    pub fn transposed_times(&self, other: &Self) -> Result<Self, AnalysisError> {
        product(self.view().transpose(), other.view())
    }

    /// Euclidean length of each row.
    pub fn row_norms(&self) -> Vec<f64> {
        self.rows().map(norm).collect()
    }

    /// Euclidean length of each column.
    pub fn column_norms(&self) -> Vec<f64> {
        let mut squares = vec![0.0; self.columns];
        for row in self.rows() {
            squares.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * value);
        }
        squares.into_iter().map(f64::sqrt).collect()
    }

    /// Mean of the rows, `[columns]`.
    pub fn mean_row(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.columns];
        for row in self.rows() {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= self.rows as f64);
        mean
    }

    /// Each row less the mean of all.
    pub fn centred(&self) -> Self {
        let mean = self.mean_row();
        let values = self.rows().flat_map(|row| row.iter().zip(&mean).map(|(value, mean)| value - mean)).collect();
        Self { values, ..*self }
    }

    /// Each row at unit length; rows of zeros stay.
    pub(super) fn unit_rows(&self) -> Self {
        let unit = |row: &[f64]| {
            let length = norm(row);
            row.iter().map(|value| if length == 0.0 { 0.0 } else { value / length }).collect::<Vec<_>>()
        };
        Self { values: self.rows().flat_map(unit).collect(), ..*self }
    }

    /// ‖A‖_F, the square root of the sum of all squares.
    pub fn frobenius_norm(&self) -> f64 {
        norm(&self.values)
    }

    /// ‖A − B‖_F.
    pub fn distance(&self, other: &Self) -> Result<f64, AnalysisError> {
        if self.shape() != other.shape() {
            let (left, right) = (self.shape(), other.shape());
            return Err(AnalysisError::Shapes { figure: "the distance", left, right });
        }
        Ok(self.values.iter().zip(&other.values).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt())
    }

    /// The min(rows, columns) singular values, largest first.
    pub fn singular_values(&self) -> Result<Vec<f64>, AnalysisError> {
        let Factors { mut values, .. } = self.factors(ComputeSvdVectors::No)?;
        values.sort_by(|a, b| b.total_cmp(a));
        Ok(values)
    }

    /// The singular value decomposition.
    pub fn svd(&self) -> Result<Svd, AnalysisError> {
        let Factors { values, left, right } = self.factors(ComputeSvdVectors::Thin)?;
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        let signs: Vec<f64> = order.iter().map(|k| sign(left.col_as_slice(*k))).collect();
        let rows_of = |columns: &Mat<f64>| Self {
            rows: values.len(),
            columns: columns.nrows(),
            values: order
                .iter()
                .zip(&signs)
                .flat_map(|(k, sign)| columns.col_as_slice(*k).iter().map(move |value| value * sign))
                .collect(),
        };
        Ok(Svd { left: rows_of(&left), right: rows_of(&right), values: order.iter().map(|k| values[*k]).collect() })
    }

    /// faer's divide and conquer is right to some 1e-14 of σ₁, but it gives up on one in twenty tall matrices of
    /// 128 columns or more whose rows are all the same (faer 0.24.4). The QR algorithm is right to some 1e-13 and takes
    /// these.
    fn factors(&self, vectors: ComputeSvdVectors) -> Result<Factors, AnalysisError> {
        let divide_and_conquer = Spec::<SvdParams, f64>::default();
        let mut qr_algorithm = divide_and_conquer;
        qr_algorithm.recursion_threshold = usize::MAX;
        self.try_factors(vectors, divide_and_conquer)
            .or_else(|SvdError::NoConvergence| self.try_factors(vectors, qr_algorithm))
            .map_err(|SvdError::NoConvergence| AnalysisError::NoConvergence { rows: self.rows, columns: self.columns })
    }

    fn try_factors(&self, vectors: ComputeSvdVectors, params: Spec<SvdParams, f64>) -> Result<Factors, SvdError> {
        let [rows, columns] = self.shape();
        let count = rows.min(columns);
        let wanted = vectors != ComputeSvdVectors::No;
        let vectors_of = |length| if wanted { Mat::zeros(length, count) } else { Mat::new() };
        let (mut left, mut right, mut values) = (vectors_of(rows), vectors_of(columns), Diag::zeros(count));
        let parallel = get_global_parallelism();
        let mut memory = MemBuffer::new(svd_scratch::<f64>(rows, columns, vectors, vectors, parallel, params));
        svd(
            self.view(),
            values.as_mut(),
            wanted.then(|| left.as_mut()),
            wanted.then(|| right.as_mut()),
            parallel,
            MemStack::new(&mut memory),
            params,
        )?;
        Ok(Factors { values: values.column_vector().iter().copied().collect(), left, right })
    }

    pub(super) fn view(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.values, self.rows, self.columns)
    }

    fn read(view: MatRef<'_, f64>) -> Self {
        let (rows, columns) = view.shape();
        let values = (0..rows).flat_map(|row| (0..columns).map(move |column| view[(row, column)])).collect();
        Self { rows, columns, values }
    }
}

/// `A = Σ σₖ · leftₖ · rightₖᵀ`, with min(rows, columns) terms.
///
/// A pair of singular vectors is defined up to a common sign. It is chosen so that the largest entry of the left vector
/// (the first of them, if several are as large) is positive: the same matrix gives the same pictures every time.
/// Where singular values are equal, their vectors are any basis of the space they span.
#[derive(Debug, Clone, PartialEq)]
pub struct Svd {
    /// σ, largest first.
    pub values: Vec<f64>,
    /// One unit vector of length `rows` per singular value.
    pub left: Matrix,
    /// One unit vector of length `columns` per singular value.
    pub right: Matrix,
}

/// A decomposition as faer gives it: one singular vector per column, equal values in any order.
struct Factors {
    values: Vec<f64>,
    left: Mat<f64>,
    right: Mat<f64>,
}

fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Result<Matrix, AnalysisError> {
    let shape = |view: MatRef<'_, f64>| [view.nrows(), view.ncols()];
    if left.ncols() != right.nrows() {
        return Err(AnalysisError::Shapes { figure: "the product", left: shape(left), right: shape(right) });
    }
    let (rows, columns) = (left.nrows(), right.ncols());
    let mut values = vec![0.0; rows * columns];
    let out = MatMut::from_row_major_slice_mut(&mut values, rows, columns);
    matmul(out, Accum::Replace, left, right, 1.0, get_global_parallelism());
    // Finite factors can have an infinite product.
    Matrix::new(rows, columns, values)
}

/// What makes the largest entry positive.
pub(super) fn sign(vector: &[f64]) -> f64 {
    let largest = vector.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let first = vector.iter().find(|value| value.abs() >= largest * (1.0 - SIGN_TIE));
    if first.is_some_and(|value| *value < 0.0) { -1.0 } else { 1.0 }
}

/// Euclidean length.
pub fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// Sum of the products of two vectors of one length.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix<const R: usize, const C: usize>(rows: [[f64; C]; R]) -> Matrix {
        Matrix::new(R, C, rows.concat()).unwrap()
    }

    /// Σ σₖ · leftₖ · rightₖᵀ.
    fn rebuilt(svd: &Svd) -> Matrix {
        let scaled: Vec<f64> =
            svd.left.rows().zip(&svd.values).flat_map(|(l, s)| l.iter().map(move |v| v * s)).collect();
        let [terms, rows] = svd.left.shape();
        Matrix::new(terms, rows, scaled).unwrap().transposed_times(&svd.right).unwrap()
    }

    /// Entries without a pattern, in −1…1.
    fn scattered(rows: usize, columns: usize) -> Matrix {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        Matrix::new(rows, columns, (0..rows * columns).map(|_| next()).collect()).unwrap()
    }

    #[test]
    fn what_is_no_matrix_is_refused_by_shape_and_place() {
        assert_eq!(
            Matrix::new(2, 3, vec![0.0; 5]).unwrap_err().to_string(),
            "5 value(s) do not make a matrix of 2 × 3"
        );
        for (rows, columns) in [(0, 0), (0, 7), (7, 0)] {
            assert!(matches!(Matrix::new(rows, columns, Vec::new()), Err(AnalysisError::Length { .. })));
        }
        assert!(matches!(Matrix::new(usize::MAX, 2, vec![0.0; 2]), Err(AnalysisError::Length { .. })));
        assert_eq!(
            Matrix::from_f32(2, 2, &[0.0, 1.0, f32::NAN, 3.0]).unwrap_err().to_string(),
            "the entry in row 1, column 0 of a matrix of 2 × 2 is NaN"
        );
        let infinite = Matrix::new(1, 2, vec![0.0, f64::NEG_INFINITY]);
        assert!(matches!(infinite, Err(AnalysisError::NotFinite { row: 0, column: 1, .. })));
        let huge = matrix([[1e200]]);
        assert!(matches!(huge.times(&huge), Err(AnalysisError::NotFinite { .. })));
    }

    #[test]
    fn products_by_hand() {
        let (a, b) = (matrix([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), matrix([[1.0, -1.0], [0.0, 2.0]]));
        assert_eq!(a.times(&b).unwrap(), matrix([[1.0, 3.0], [3.0, 5.0], [5.0, 7.0]]));
        assert_eq!(a.times_transposed(&b).unwrap(), matrix([[-1.0, 4.0], [-1.0, 8.0], [-1.0, 12.0]]));
        assert_eq!(a.transposed_times(&a).unwrap(), matrix([[35.0, 44.0], [44.0, 56.0]]));
        assert_eq!(a.transposed(), matrix([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]));
        let wrong = b.times(&a).unwrap_err().to_string();
        assert_eq!(wrong, "cannot compute the product of [2, 2] and [3, 2]: their shapes do not fit");
    }

    #[test]
    fn norms_means_and_distances_by_hand() {
        let a = matrix([[3.0, 4.0], [0.0, 0.0], [0.0, 12.0]]);
        assert_eq!(a.row_norms(), [5.0, 0.0, 12.0]);
        assert_eq!(a.column_norms(), [3.0, 160.0f64.sqrt()]);
        assert_eq!(a.frobenius_norm(), 13.0);
        assert_eq!(a.mean_row(), [1.0, 16.0 / 3.0]);
        assert!(a.centred().mean_row().iter().all(|mean| mean.abs() < 1e-15));
        assert_eq!(a.distance(&matrix([[0.0, 0.0], [0.0, 0.0], [0.0, 12.0]])).unwrap(), 5.0);
        assert!(a.distance(&a.transposed()).is_err());
    }

    #[test]
    fn a_matrix_is_the_sum_of_its_singular_triples() {
        // Below and above faer's switch from the QR algorithm to divide and conquer, wide, tall and square.
        for (rows, columns) in [(1, 1), (1, 9), (9, 1), (7, 40), (40, 7), (31, 31), (150, 140), (129, 300)] {
            let a = scattered(rows, columns);
            let svd = a.svd().unwrap();
            assert!(rebuilt(&svd).distance(&a).unwrap() < 1e-13 * a.frobenius_norm(), "{rows} × {columns}");
            for vectors in [&svd.left, &svd.right] {
                let gram = vectors.times_transposed(vectors).unwrap();
                let identity = |i: usize| if i.is_multiple_of(svd.values.len() + 1) { 1.0 } else { 0.0 };
                assert!(gram.values().iter().enumerate().all(|(i, v)| (v - identity(i)).abs() < 1e-12));
            }
            let only_values = a.singular_values().unwrap();
            assert!(svd.values.iter().zip(&only_values).all(|(a, b)| (a - b).abs() < 1e-13 * svd.values[0]));
            assert!(svd.values.is_sorted_by(|a, b| a >= b));
        }
    }

    #[test]
    fn zero_and_rank_one_decompose() {
        let zero = matrix([[0.0; 3]; 2]).svd().unwrap();
        assert_eq!(zero.values, [0.0, 0.0]);
        // [3, 4]ᵀ · [1, 2, 2] has σ = 5 · 3.
        let svd = matrix([[3.0, 6.0, 6.0], [4.0, 8.0, 8.0]]).svd().unwrap();
        assert!((svd.values[0] - 15.0).abs() < 1e-13 && svd.values[1].abs() < 1e-14);
        let close = |found: &[f64], expected: &[f64]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14);
        assert!(close(svd.left.row(0), &[0.6, 0.8]) && close(svd.right.row(0), &[1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0]));
    }

    #[test]
    fn size_does_not_matter() {
        let a = scattered(20, 30);
        let expected = a.singular_values().unwrap();
        for scale in [1e-140, 1e-40, 1e40, 1e140] {
            let scaled = Matrix::new(20, 30, a.values().iter().map(|v| v * scale).collect()).unwrap();
            let found = scaled.singular_values().unwrap();
            assert!(found.iter().zip(&expected).all(|(a, b)| (a / scale - b).abs() < 1e-13 * expected[0]), "{scale}");
        }
    }

    #[test]
    fn signs_are_the_same_whatever_the_sign_of_the_input_and_its_last_bits() {
        let a = scattered(12, 17);
        let svd = a.svd().unwrap();
        for left in svd.left.rows() {
            let largest = left.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
            assert!(largest > 0.0);
        }
        let edit = |edit: &dyn Fn(usize, f64) -> f64| {
            let values = a.values().iter().enumerate().map(|(i, v)| edit(i, *v)).collect();
            Matrix::new(12, 17, values).unwrap().svd().unwrap()
        };
        let negated = edit(&|_, v| -v);
        assert!(negated.left.distance(&svd.left).unwrap() < 1e-12);
        assert!((0..12).all(|k| dot(negated.right.row(k), svd.right.row(k)) < -0.999));
        let shaken = edit(&|i, v| v * (1.0 + if i % 2 == 0 { 1e-13 } else { -1e-13 }));
        assert!(shaken.left.distance(&svd.left).unwrap() < 1e-9);
        assert!(shaken.right.distance(&svd.right).unwrap() < 1e-9);
        // The left vectors of this one are (1, 1)/√2 and (1, −1)/√2: both entries are as large.
        for wobble in [0.0, 1e-15, -1e-15, 1e-13] {
            let tied = matrix([[2.0 + wobble, 1.0], [1.0, 2.0]]).svd().unwrap();
            assert!(tied.left.row(0)[0] > 0.0 && tied.left.row(1)[0] > 0.0);
        }
    }

    #[test]
    fn equal_rows_decompose() {
        // Divide and conquer alone does not converge for the second.
        for (rows, columns) in [(3, 2), (143, 134), (200, 300)] {
            let row = scattered(1, columns);
            let svd = Matrix::new(rows, columns, row.values().repeat(rows)).unwrap().svd().unwrap();
            let length = (rows as f64).sqrt() * row.frobenius_norm();
            assert!((svd.values[0] / length - 1.0).abs() < 1e-13, "{rows} × {columns}");
            assert!(svd.values[1..].iter().all(|value| *value < 1e-12 * length), "{rows} × {columns}");
            assert!(svd.values.is_sorted_by(|a, b| a >= b), "{rows} × {columns}");
        }
    }
}
