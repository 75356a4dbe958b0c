//! What the singular values of a linear map say: how many directions it uses, and how evenly.
//!
//! Every function takes singular values, largest first; the eigenvalues of a covariance do as well. A map that is zero
//! uses no direction, so its ranks are 0.

use serde::Serialize;

use super::matrix::{AnalysisError, Matrix};

/// A singular value below this share of the largest one counts as zero.
const RANK_TOLERANCE: f64 = 1e-10;

/// A dimension below this many times the median length is dead.
const DEAD: f64 = 0.01;

/// A dimension above this many times the median length is loud.
const LOUD: f64 = 3.0;

/// The figures of a linear map `y = W x`, `W: [output, input]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spectrum {
    /// σ, largest first: by how much W stretches each pair of its singular directions.
    pub singular_values: Vec<f64>,
    /// ‖W‖_F.
    pub frobenius_norm: f64,
    /// See [`rank`].
    pub rank: usize,
    /// See [`effective_rank`].
    pub effective_rank: f64,
    /// See [`stable_rank`].
    pub stable_rank: f64,
    /// See [`participation_ratio`].
    pub participation_ratio: f64,
    /// See [`condition_number`].
    pub condition_number: Option<f64>,
    /// See [`distance_from_orthogonal`].
    pub distance_from_orthogonal: f64,
    /// Share of the output space that the columns of W span, rank / output. It is below 1 where a projection expands
    /// the dimension: all embeddings then lie in a proper subspace of the joint space.
    pub spanned_share: f64,
    /// Length of each row of W: how loud each dimension of the output is.
    pub output_norms: Vec<f64>,
    /// Length of each column of W: how much each dimension of the input counts.
    pub input_norms: Vec<f64>,
}

/// The spectrum of W.
///
/// # Shapes
/// - weight: `[output, input]`
pub fn spectrum(weight: &Matrix) -> Result<Spectrum, AnalysisError> {
    let singular_values = weight.singular_values()?;
    let rank = rank(&singular_values);
    Ok(Spectrum {
        frobenius_norm: weight.frobenius_norm(),
        rank,
        effective_rank: effective_rank(&singular_values),
        stable_rank: stable_rank(&singular_values),
        participation_ratio: participation_ratio(&singular_values),
        condition_number: condition_number(&singular_values),
        distance_from_orthogonal: distance_from_orthogonal(&singular_values),
        spanned_share: rank as f64 / weight.shape()[0] as f64,
        output_norms: weight.row_norms(),
        input_norms: weight.column_norms(),
        singular_values,
    })
}

/// Dimensions whose row or column of W is out of the ordinary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddDimensions {
    /// Shorter than a hundredth of the median: dead.
    pub dead: Vec<usize>,
    /// Longer than three times the median: loud.
    pub loud: Vec<usize>,
}

/// The dead and the loud dimensions by the lengths of their rows or columns, such as [`Spectrum::output_norms`]. Where
/// half of all lengths are zero, these are dead and all others loud.
pub fn odd_dimensions(norms: &[f64]) -> OddDimensions {
    let mut sorted = norms.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = match sorted.as_slice() {
        [] => 0.0,
        sorted if sorted.len() % 2 == 0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
        sorted => sorted[middle],
    };
    let those = |odd: &dyn Fn(f64) -> bool| (0..norms.len()).filter(|at| odd(norms[*at])).collect();
    let dead = those(&|norm| norm < DEAD * median || norm == 0.0);
    OddDimensions { dead, loud: those(&|norm| norm > LOUD * median) }
}

/// Number of singular values above 1e-10 of the largest.
pub fn rank(singular_values: &[f64]) -> usize {
    relative(singular_values).filter(|share| *share > RANK_TOLERANCE).count()
}

/// exp(H(p)) with pₖ = σₖ/Σσ and H the entropy in nats: the number of equally strong directions that would be as
/// spread (Roy & Vetterli, The effective rank, EUSIPCO 2007). From 1 to the number of values.
pub fn effective_rank(singular_values: &[f64]) -> f64 {
    let sum: f64 = singular_values.iter().sum();
    if sum == 0.0 {
        return 0.0;
    }
    let shares = singular_values.iter().map(|value| value / sum).filter(|share| *share > 0.0);
    (-shares.map(|share| share * share.ln()).sum::<f64>()).exp()
}

/// ‖W‖_F²/σ₁²: the rank that small singular values cannot raise (Rudelson & Vershynin, Sampling from large matrices,
/// 2007).
pub fn stable_rank(singular_values: &[f64]) -> f64 {
    relative(singular_values).map(|share| share.powi(2)).sum()
}

/// (Σσ²)²/Σσ⁴: the number of equally strong directions that would hold the energy as evenly.
pub fn participation_ratio(singular_values: &[f64]) -> f64 {
    let (squares, fourths) = relative(singular_values)
        .map(|share| share.powi(2))
        .fold((0.0, 0.0), |(squares, fourths), square| (squares + square, fourths + square * square));
    if squares == 0.0 { 0.0 } else { squares * squares / fourths }
}

/// σ₁/σₙ: by how much more the strongest direction is stretched than the weakest. None if a singular value is zero.
pub fn condition_number(singular_values: &[f64]) -> Option<f64> {
    let (first, last) = (singular_values.first()?, singular_values.last()?);
    (*last > 0.0).then(|| first / last)
}

/// Share of the energy Σσ² in the first `k` directions, for `k` from 1 to the number of values. It is what is left of
/// ‖W‖_F² when the rank is cut to `k`.
pub fn energy_at(singular_values: &[f64]) -> Vec<f64> {
    let total = stable_rank(singular_values);
    let running = relative(singular_values).scan(0.0, |sum, share| {
        *sum += share * share;
        Some(*sum)
    });
    running.map(|sum| if total == 0.0 { 0.0 } else { sum / total }).collect()
}

/// min ‖W − cQ‖_F/‖W‖_F over all numbers c and all Q with orthonormal rows or columns, which is
/// √(1 − (Σσ)²/(n Σσ²)): 0 for a map that keeps all angles (of what it does not drop), towards 1 for one that keeps a
/// single direction of many. 0 for zero.
pub fn distance_from_orthogonal(singular_values: &[f64]) -> f64 {
    let squares = stable_rank(singular_values);
    let sum: f64 = relative(singular_values).sum();
    if squares == 0.0 { 0.0 } else { (1.0 - sum * sum / (singular_values.len() as f64 * squares)).max(0.0).sqrt() }
}

/// σₖ/σ₁, so that fourth powers neither overflow nor vanish; zeros if all are zero.
fn relative(singular_values: &[f64]) -> impl Iterator<Item = f64> {
    let first = singular_values.first().copied().unwrap_or(0.0);
    singular_values.iter().map(move |value| if first == 0.0 { 0.0 } else { value / first })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-13 * expected.abs().max(1.0)
    }

    #[test]
    fn an_orthogonal_map_uses_every_direction_alike() {
        let (sin, cos) = 0.3f64.sin_cos();
        let rotation = Matrix::new(2, 2, vec![2.0 * cos, -2.0 * sin, 2.0 * sin, 2.0 * cos]).unwrap();
        let figures = spectrum(&rotation).unwrap();
        assert!(figures.singular_values.iter().all(|value| close(*value, 2.0)));
        for rank in [figures.effective_rank, figures.stable_rank, figures.participation_ratio] {
            assert!(close(rank, 2.0));
        }
        assert!(close(figures.condition_number.unwrap(), 1.0) && close(figures.frobenius_norm, 8f64.sqrt()));
        assert!(figures.distance_from_orthogonal < 1e-7 && figures.rank == 2);
        assert_eq!(figures.spanned_share, 1.0);
    }

    #[test]
    fn a_map_of_rank_one_uses_one_direction() {
        let figures = spectrum(&Matrix::new(2, 3, vec![3.0, 6.0, 6.0, 4.0, 8.0, 8.0]).unwrap()).unwrap();
        assert_eq!(figures.rank, 1);
        for rank in [figures.effective_rank, figures.stable_rank, figures.participation_ratio] {
            assert!(close(rank, 1.0), "{rank}");
        }
        assert!(close(figures.distance_from_orthogonal, 0.5f64.sqrt()) && figures.spanned_share == 0.5);
        assert_eq!(figures.output_norms, [9.0, 12.0]);
        assert_eq!(figures.input_norms, [5.0, 10.0, 10.0]);
    }

    #[test]
    fn two_to_one_by_hand() {
        let values = [2.0, 1.0];
        // p = 2/3, 1/3.
        assert!(close(effective_rank(&values), 3.0 / 4f64.cbrt()));
        assert_eq!(stable_rank(&values), 1.25);
        assert!(close(participation_ratio(&values), 25.0 / 17.0));
        assert_eq!(condition_number(&values), Some(2.0));
        assert_eq!(energy_at(&values), [0.8, 1.0]);
        assert!(close(distance_from_orthogonal(&values), 0.1f64.sqrt()));
    }

    #[test]
    fn zero_has_no_rank_and_no_condition() {
        let figures = spectrum(&Matrix::new(3, 2, vec![0.0; 6]).unwrap()).unwrap();
        assert_eq!((figures.rank, figures.condition_number), (0, None));
        for figure in [figures.effective_rank, figures.stable_rank, figures.participation_ratio] {
            assert_eq!(figure, 0.0);
        }
        assert_eq!((figures.distance_from_orthogonal, figures.spanned_share), (0.0, 0.0));
        assert_eq!(energy_at(&[0.0, 0.0]), [0.0, 0.0]);
    }

    #[test]
    fn one_number_is_a_map() {
        let figures = spectrum(&Matrix::new(1, 1, vec![-3.0]).unwrap()).unwrap();
        assert_eq!(figures.singular_values, [3.0]);
        assert_eq!((figures.effective_rank, figures.condition_number), (1.0, Some(1.0)));
    }

    #[test]
    fn a_map_into_more_dimensions_spans_a_part_of_them() {
        let figures = spectrum(&Matrix::new(4, 1, vec![1.0, 1.0, 1.0, 1.0]).unwrap()).unwrap();
        assert_eq!((figures.rank, figures.spanned_share), (1, 0.25));
    }

    #[test]
    fn no_scale_changes_a_rank() {
        let values = [3.0, 2.0, 0.5];
        for scale in [1e-120, 1e120] {
            let scaled = values.map(|value| value * scale);
            assert!(close(effective_rank(&scaled), effective_rank(&values)));
            assert!(close(participation_ratio(&scaled), participation_ratio(&values)));
            assert!(close(stable_rank(&scaled), stable_rank(&values)));
        }
    }

    #[test]
    fn dead_and_loud_dimensions_stand_out_from_the_median() {
        let odd = |norms: &[f64]| odd_dimensions(norms);
        let found = odd(&[1.0, 0.009, 3.1, 1.0, 2.9, 0.011, 1.0]);
        assert_eq!(found, OddDimensions { dead: vec![1], loud: vec![2] });
        // An even number: the median is 1.5.
        assert_eq!(odd(&[1.0, 2.0, 4.4, 0.5]), OddDimensions { dead: vec![], loud: vec![] });
        assert_eq!(odd(&[0.0, 0.0, 0.0, 1.0]), OddDimensions { dead: vec![0, 1, 2], loud: vec![3] });
        assert_eq!(odd(&[]), OddDimensions { dead: vec![], loud: vec![] });
    }
}
