//! Whitening: the linear map that makes a covariance round and moves the vectors as little as that allows (ZCA).

use super::{
    Head, Pooled,
    edit::{EditError, Side, blend, moved},
    head::identity,
};
use crate::analysis::{
    AnalysisError, Matrix,
    eigen::{Eigen, eigen},
};

/// y ↦ y + s·(C^(−1/2)(y − mean y) − y), with C the covariance of what is at hand, [`shrunk`].
///
/// [`shrunk`]: inverse_root
pub(super) fn whiten(head: &Head, side: Side, pooled: &Pooled, s: f64) -> Result<Head, EditError> {
    let mean = pooled.mean_under(head, side)?;
    let (covariance, count) = match pooled.covariance_under(head, side) {
        Err(EditError::Analysis(AnalysisError::Undefined { .. })) => return Err(EditError::NoVariance { side }),
        other => other?,
    };
    let root = inverse_root(&covariance, count)?.ok_or(EditError::NoVariance { side })?;
    let map = blend(&identity(mean.len()), &root, s)?;
    let taken: Vec<f64> = root.times(&super::head::column(&mean)?)?.values().to_vec();
    moved(&head.then(&map)?, -s, &taken)
}

/// C^(−1/2) of a covariance that is shrunk towards a multiple of the identity first, C = (1 − ρ)·S + ρ·(tr S/p)·I: a
/// covariance of fewer vectors than dimensions has no inverse, and one of few more has a bad one. ρ is the oracle
/// approximating shrinkage (Chen, Wiesel, Eldar & Hero, IEEE TSP 2010, arXiv 0907.4698), which needs S and the number
/// of vectors alone. It goes to 0 as their number grows. None if nothing varies.
///
/// # Shapes
/// - covariance: S, `[p, p]`
/// - output: `[p, p]`, symmetric
pub fn inverse_root(covariance: &Matrix, count: usize) -> Result<Option<Matrix>, AnalysisError> {
    let Eigen { values, vectors } = eigen(covariance)?;
    // Rounding makes small negative ones of zeros.
    let values: Vec<f64> = values.into_iter().map(|value| value.max(0.0)).collect();
    let (size, trace) = (values.len() as f64, values.iter().sum::<f64>());
    if trace <= f64::MIN_POSITIVE {
        return Ok(None);
    }
    let rho = shrinkage(&values, count);
    let scaled = vectors.rows().zip(&values).flat_map(|(vector, value)| {
        let factor = ((1.0 - rho) * value + rho * trace / size).sqrt().recip();
        vector.iter().map(move |entry| entry * factor)
    });
    let scaled = Matrix::new(values.len(), values.len(), scaled.collect())?;
    scaled.transposed_times(&vectors).map(Some)
}

/// ρ = ((1 − 2/p)·tr S² + tr² S)/((n + 1 − 2/p)(tr S² − tr² S/p)), at most 1.
fn shrinkage(eigenvalues: &[f64], count: usize) -> f64 {
    let (p, n) = (eigenvalues.len() as f64, count as f64);
    // As shares of the trace, whose squares neither overflow nor vanish.
    let trace: f64 = eigenvalues.iter().sum();
    let squares: f64 = eigenvalues.iter().map(|value| (value / trace).powi(2)).sum();
    let spread = (n + 1.0 - 2.0 / p) * (squares - 1.0 / p);
    let wanted = (1.0 - 2.0 / p) * squares + 1.0;
    if spread <= wanted { 1.0 } else { wanted / spread }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Table;

    fn pooled(rows: usize, columns: usize) -> Pooled {
        let value = |at: usize| ((at * at) as f32 * 0.71).sin() * (1 + at % columns) as f32 + 3.0;
        Pooled::new(Table::new(columns, (0..rows * columns).map(value).collect()))
    }

    #[test]
    fn whitened_vectors_have_a_round_covariance_around_zero() {
        let pooled = pooled(4000, 3);
        let white = whiten(&Head::new(3, Vec::new()).unwrap(), Side::Image, &pooled, 1.0).unwrap();
        let mean = pooled.mean_under(&white, Side::Image).unwrap();
        assert!(mean.iter().all(|value| value.abs() < 1e-9), "{mean:?}");
        let (covariance, _) = pooled.covariance_under(&white, Side::Image).unwrap();
        // What is missing to the identity is the shrinkage, some 1/n of the mean variance.
        assert!(covariance.distance(&identity(3)).unwrap() < 1e-2, "{covariance:?}");
        // ZCA is symmetric: no rotation comes in.
        let map = white.matrix().unwrap();
        assert!(map.distance(&map.transposed()).unwrap() < 1e-12);
    }

    #[test]
    fn half_of_it_is_half_way() {
        let (pooled, none) = (pooled(50, 3), Head::new(3, Vec::new()).unwrap());
        let [half, whole] = [0.5, 1.0].map(|s| whiten(&none, Side::Image, &pooled, s).unwrap().apply(pooled.table()));
        let between = pooled.table().values().iter().zip(whole.values()).map(|(from, to)| (from + to) / 2.0);
        assert!(half.values().iter().zip(between).all(|(found, expected)| (found - expected).abs() < 1e-5));
    }

    #[test]
    fn fewer_vectors_than_dimensions_stay_finite() {
        let white = whiten(&Head::new(20, Vec::new()).unwrap(), Side::Text, &pooled(4, 20), 1.0).unwrap();
        let largest = white.matrix().unwrap().singular_values().unwrap()[0];
        assert!(largest < 10.0, "{largest}");
    }

    #[test]
    fn the_shrinkage_by_hand() {
        // p = 2, n = 10, eigenvalues 3 and 1: tr S² = 10, tr² S = 16, ρ = 16/(10·2) = 0.8.
        assert!((shrinkage(&[3.0, 1.0], 10) - 0.8).abs() < 1e-15);
        assert_eq!(shrinkage(&[1.0, 1.0], 10), 1.0);
        let found = inverse_root(&Matrix::new(2, 2, vec![3.0, 0.0, 0.0, 1.0]).unwrap(), 10).unwrap().unwrap();
        // 0.2·3 + 0.8·2 and 0.2·1 + 0.8·2.
        let expected = [2.2f64.sqrt().recip(), 0.0, 0.0, 1.8f64.sqrt().recip()];
        assert!(found.values().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14));
    }

    #[test]
    fn what_does_not_vary_is_not_whitened() {
        let none = Head::new(2, Vec::new()).unwrap();
        for rows in [1, 5] {
            let same = Pooled::new(Table::new(2, [1.0, 2.0].repeat(rows)));
            let refused = whiten(&none, Side::Image, &same, 1.0).unwrap_err();
            assert_eq!(refused, EditError::NoVariance { side: Side::Image });
        }
    }
}
