//! A bias in the norm in front of a head, as [`crate::lab::fold`] says, and whether a file in f32 can hold it.

use crate::{
    analysis::{AnalysisError, Matrix, matrix::norm},
    lab::fold::{Folded, fold as folded},
};

/// A larger share of a bias than this must not be lost.
pub const MAX_SHARE: f64 = 1e-5;
/// What the rounding of β′ to f32 may do to an embedding, as a share of its length.
const MAX_ROUNDING: f64 = 1e-6;

/// A bias in the norm in front.
#[derive(Debug, Clone, PartialEq)]
pub struct Fold {
    /// β′.
    pub beta: Vec<f64>,
    /// ‖b − W(β′ − β)‖, what is lost.
    pub residual: f64,
    /// The same as a share of ‖b‖; 0 for no bias.
    pub share: f64,
    /// What rounding β′ to f32 adds to an embedding, as a share of the length that it has on average.
    pub rounding: f64,
}

impl Fold {
    /// Whether nothing is lost that could be seen.
    pub fn is_exact(&self) -> bool {
        self.share <= MAX_SHARE && self.rounding <= MAX_ROUNDING
    }
}

/// Moves `bias` into the shift `beta` of the norm in front of `weight`.
///
/// # Shapes
/// - weight: `[output, input]`
/// - bias: `[output]`
/// - gamma, beta: `[input]`
pub fn fold(weight: &Matrix, bias: &[f64], gamma: &[f32], beta: &[f32]) -> Result<Fold, AnalysisError> {
    let beta: Vec<f64> = beta.iter().copied().map(f64::from).collect();
    let Folded { shift: beta, residual, share } = folded(weight, &beta, bias)?;
    let rounding = rounding(weight, gamma, &beta)?;
    Ok(Fold { beta, residual, share, rounding })
}

/// Each number of x̂ has a mean square of 1, so the mean square of an embedding is ‖W diag γ‖² + ‖Wβ′‖².
fn rounding(weight: &Matrix, gamma: &[f32], beta: &[f64]) -> Result<f64, AnalysisError> {
    let squares = weight.column_norms().into_iter().zip(gamma).map(|(norm, gamma)| (norm * f64::from(*gamma)).powi(2));
    let embedding = (squares.sum::<f64>() + norm(&times(weight, beta)?).powi(2)).sqrt();
    let wrong: Vec<f64> = beta.iter().map(|beta| f64::from(*beta as f32) - beta).collect();
    Ok(if embedding > 0.0 { norm(&times(weight, &wrong)?) / embedding } else { 0.0 })
}

fn times(weight: &Matrix, vector: &[f64]) -> Result<Vec<f64>, AnalysisError> {
    Ok(weight.times(&Matrix::new(vector.len(), 1, vector.to_vec())?)?.values().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bias_in_the_column_space_is_folded_and_one_outside_is_not() {
        // The columns span the first two of three dimensions.
        let weight = Matrix::new(3, 2, vec![2.0, 0.0, 0.0, 0.5, 0.0, 0.0]).unwrap();
        let inside = fold(&weight, &[1.0, 1.0, 0.0], &[1.0, 1.0], &[0.25, 0.0]).unwrap();
        assert_eq!(inside.beta, [0.75, 2.0]);
        assert!(inside.is_exact() && inside.residual < 1e-15);
        let outside = fold(&weight, &[3.0, 0.0, 4.0], &[1.0, 1.0], &[0.0, 0.0]).unwrap();
        assert!((outside.residual - 4.0).abs() < 1e-12 && (outside.share - 0.8).abs() < 1e-12);
        assert!(!outside.is_exact());
    }

    #[test]
    fn a_direction_that_is_nearly_lost_takes_no_bias() {
        let nearly = |sigma| Matrix::new(2, 2, vec![1.0, 0.0, 0.0, sigma]).unwrap();
        let through = |sigma| fold(&nearly(sigma), &[0.0, 1.0], &[1.0, 1.0], &[0.3, 0.3]).unwrap();
        assert!(through(1e-2).is_exact());
        assert_eq!(through(1e-9).share, 1.0);
    }

    #[test]
    fn no_bias_changes_nothing() {
        let weight = Matrix::new(1, 2, vec![1.0, 1.0]).unwrap();
        let none = fold(&weight, &[0.0], &[1.0, 1.0], &[0.5, -0.5]).unwrap();
        assert_eq!((none.beta, none.residual, none.share), (vec![0.5, -0.5], 0.0, 0.0));
    }
}
