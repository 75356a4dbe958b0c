//! Folding a bias into the affine layer in front of a projection, so that a checkpoint without a place for a bias has
//! one all the same: `W (γ⊙x̂ + β) + b = W (γ⊙x̂ + β′) + r` with `β′ = β + W⁺ b`, and the residual `r = b − W W⁺ b` is what
//! the columns of W do not reach. It is zero whenever the rank of W is its output size.

use super::head::column;
use crate::analysis::{AnalysisError, Matrix, matrix::norm};

/// Directions of W that are quieter than this share of the loudest are left alone: to reach b through them, β would
/// become so long that f32 has no place for the rest.
const QUIETEST: f64 = 1e-6;

/// A bias inside the layer in front.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// β′, `[input]`.
    pub shift: Vec<f64>,
    /// ‖b − W W⁺ b‖, what cannot be folded.
    pub residual: f64,
    /// The same as a share of ‖b‖, 0 for a bias of zero. Its square is the share of the energy: of a random bias it is
    /// 1 − input/output where the projection expands.
    pub share: f64,
}

/// Folds `bias` into `shift`.
///
/// W⁺ is the pseudo-inverse through the singular value decomposition, over the singular values that
/// [`rank`] counts. A small one makes a large β′, which a file in f16 does not hold well: compare what was written.
///
/// # Shapes
/// - weight: W, `[output, input]`
/// - shift: β, `[input]`
/// - bias: b, `[output]`
pub fn fold(weight: &Matrix, shift: &[f64], bias: &[f64]) -> Result<Folded, AnalysisError> {
    let [output, input] = weight.shape();
    if (bias.len(), shift.len()) != (output, input) {
        let (left, right) = (weight.shape(), [bias.len(), shift.len()]);
        return Err(AnalysisError::Shapes { figure: "a folded bias", left, right });
    }
    let bias = column(bias)?;
    let svd = weight.svd()?;
    let along = svd.left.times(&bias)?;
    let mut folded = column(shift)?.values().to_vec();
    let loudest = svd.values.first().copied().unwrap_or_default();
    for index in (0..svd.values.len()).take_while(|index| svd.values[*index] > loudest * QUIETEST) {
        let step = along.values()[index] / svd.values[index];
        folded.iter_mut().zip(svd.right.row(index)).for_each(|(sum, entry)| *sum += step * entry);
    }
    // From what is written and not from U, so that an ill-conditioned W shows.
    let added: Vec<f64> = folded.iter().zip(shift).map(|(new, old)| new - old).collect();
    let residual = bias.distance(&weight.times(&column(&added)?)?)?;
    let length = norm(bias.values());
    Ok(Folded { shift: folded, residual, share: if length == 0.0 { 0.0 } else { residual / length } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_columns_reach_is_folded_and_the_rest_is_reported() {
        // The columns span the plane of the first two axes.
        let weight = Matrix::new(3, 2, vec![2.0, 0.0, 0.0, 4.0, 0.0, 0.0]).unwrap();
        let folded = fold(&weight, &[1.0, -1.0], &[3.0, 4.0, 12.0]).unwrap();
        assert!((folded.shift[0] - 2.5).abs() < 1e-14 && folded.shift[1].abs() < 1e-14, "{folded:?}");
        assert!((folded.residual - 12.0).abs() < 1e-13 && (folded.share - 12.0 / 13.0).abs() < 1e-14);
    }

    #[test]
    fn of_many_shifts_the_smallest_is_taken() {
        let weight = Matrix::new(1, 2, vec![1.0, 1.0]).unwrap();
        let folded = fold(&weight, &[0.0, 0.0], &[2.0]).unwrap();
        assert!(folded.shift.iter().all(|value| (value - 1.0).abs() < 1e-14) && folded.residual < 1e-14);
    }

    #[test]
    fn nothing_to_fold_and_nothing_to_fold_into() {
        let weight = Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let folded = fold(&weight, &[5.0, 6.0], &[0.0, 0.0]).unwrap();
        assert_eq!(folded, Folded { shift: vec![5.0, 6.0], residual: 0.0, share: 0.0 });
        let zero = Matrix::new(2, 2, vec![0.0; 4]).unwrap();
        assert_eq!(fold(&zero, &[5.0, 6.0], &[3.0, 4.0]).unwrap().share, 1.0);
        assert!(fold(&weight, &[0.0], &[0.0, 0.0]).is_err());
        assert!(fold(&weight, &[0.0, 0.0], &[f64::INFINITY, 0.0]).is_err());
    }
}
