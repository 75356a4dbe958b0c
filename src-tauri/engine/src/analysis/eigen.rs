//! The eigenvalues and eigenvectors of a symmetric matrix: a thin layer on faer, beside the one for singular values.

use faer::{
    Mat, Spec,
    diag::Diag,
    dyn_stack::{MemBuffer, MemStack},
    get_global_parallelism,
    linalg::evd::{ComputeEigenvectors, EvdError, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch},
};

use super::matrix::{AnalysisError, Matrix, sign};

/// `A = Σ λₖ · vₖ · vₖᵀ` of a symmetric matrix.
///
/// The sign of a vector is chosen as in [`super::Svd`].
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    /// λ, largest first.
    pub values: Vec<f64>,
    /// One unit vector per eigenvalue, as a row.
    pub vectors: Matrix,
}

/// Decomposes a symmetric matrix, of which the lower half is read.
///
/// # Shapes
/// - symmetric: `[size, size]`
pub fn eigen(symmetric: &Matrix) -> Result<Eigen, AnalysisError> {
    let [rows, columns] = symmetric.shape();
    if rows != columns {
        let (left, right) = (symmetric.shape(), [columns, rows]);
        return Err(AnalysisError::Shapes { figure: "eigenvalues", left, right });
    }
    // The QR algorithm takes what divide and conquer gives up on, as with singular values.
    let divide_and_conquer = Spec::<SelfAdjointEvdParams, f64>::default();
    let mut qr_algorithm = divide_and_conquer;
    qr_algorithm.recursion_threshold = usize::MAX;
    let (values, vectors) = decomposed(symmetric, divide_and_conquer)
        .or_else(|EvdError::NoConvergence| decomposed(symmetric, qr_algorithm))
        .map_err(|EvdError::NoConvergence| AnalysisError::NoConvergence { rows, columns })?;
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    let of_column = |k: &usize| {
        let vector = vectors.col_as_slice(*k);
        let sign = sign(vector);
        vector.iter().map(move |value| value * sign)
    };
    let rows_of = order.iter().flat_map(of_column).collect();
    Ok(Eigen { values: order.iter().map(|k| values[*k]).collect(), vectors: Matrix::new(rows, rows, rows_of)? })
}

fn decomposed(matrix: &Matrix, params: Spec<SelfAdjointEvdParams, f64>) -> Result<(Vec<f64>, Mat<f64>), EvdError> {
    let [size, _] = matrix.shape();
    let (mut vectors, mut values) = (Mat::zeros(size, size), Diag::zeros(size));
    let parallel = get_global_parallelism();
    let scratch = self_adjoint_evd_scratch::<f64>(size, ComputeEigenvectors::Yes, parallel, params);
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(matrix.view(), values.as_mut(), Some(vectors.as_mut()), parallel, stack, params)?;
    Ok((values.column_vector().iter().copied().collect(), vectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_by_two_by_hand() {
        let found = eigen(&Matrix::new(2, 2, vec![1.0, 2.0, 2.0, -2.0]).unwrap()).unwrap();
        // λ² + λ − 6 = 0, vectors (2, 1)/√5 and (1, −2)/√5 with its largest entry made positive.
        assert!((found.values[0] - 2.0).abs() < 1e-14 && (found.values[1] + 3.0).abs() < 1e-14);
        let expected = [2.0, 1.0, -1.0, 2.0].map(|value: f64| value / 5f64.sqrt());
        assert!(found.vectors.values().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{found:?}");
    }

    #[test]
    fn a_symmetric_matrix_is_the_sum_of_its_parts() {
        for size in [1, 3, 40, 150] {
            let wave = (0..size * (size + 2)).map(|at| ((at * at) as f64 * 0.37).sin()).collect();
            let wave = Matrix::new(size + 2, size, wave).unwrap();
            let gram = wave.transposed_times(&wave).unwrap();
            let Eigen { values, vectors } = eigen(&gram).unwrap();
            let scaled = vectors.rows().zip(&values).flat_map(|(v, l)| v.iter().map(move |v| v * l)).collect();
            let rebuilt = Matrix::new(size, size, scaled).unwrap().transposed_times(&vectors).unwrap();
            assert!(rebuilt.distance(&gram).unwrap() < 1e-13 * gram.frobenius_norm(), "{size}");
            let singular = gram.singular_values().unwrap();
            assert!(values.iter().zip(&singular).all(|(a, b)| (a - b).abs() < 1e-12 * singular[0]));
        }
    }

    #[test]
    fn equal_eigenvalues_and_what_is_not_square() {
        let flat = eigen(&Matrix::new(2, 2, vec![3.0, 0.0, 0.0, 3.0]).unwrap()).unwrap();
        assert_eq!(flat.values, [3.0, 3.0]);
        assert!(eigen(&Matrix::new(1, 2, vec![1.0, 2.0]).unwrap()).is_err());
    }
}
