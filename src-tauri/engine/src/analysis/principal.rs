//! Principal components: many vectors as points along the few axes on which they differ most.

use super::{
    eigen::eigen,
    matrix::{AnalysisError, Matrix, sign},
};

/// An axis with less than this share of the variance is rounding.
const NO_VARIANCE: f64 = 1e-12;

/// Vectors along their strongest principal axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Principal {
    /// The vectors less their mean along each axis, `[row, axis]`; 0 along an axis without variance.
    pub points: Matrix,
    /// The share of the variance along each axis, largest first.
    pub shares: Vec<f64>,
}

/// The `count` strongest principal axes of the rows. Each axis points so that its largest entry (the first, if several
/// are as large) is positive, so that the same vectors give the same picture every time.
///
/// The axes come from the smaller of XᵀX and XXᵀ. A share of variance below some 1e-12 is taken for 0.
///
/// # Shapes
/// - x: `[row, any]`
///
/// # Errors
/// If nothing varies, or no axis is asked for.
pub fn pca(x: &Matrix, count: usize) -> Result<Principal, AnalysisError> {
    let [rows, columns] = x.shape();
    let centred = x.centred();
    let wide = rows < columns;
    let gram = if wide { centred.times_transposed(&centred)? } else { centred.transposed_times(&centred)? };
    let total: f64 = (0..rows.min(columns)).map(|at| gram.row(at)[at]).sum();
    // Rounding leaves some 1e-16 of the entries where all rows are the same.
    if total <= f64::EPSILON * f64::EPSILON * x.frobenius_norm().powi(2) * columns as f64 {
        return Err(AnalysisError::Undefined { figure: "principal axes", input: "vectors that are all the same" });
    }
    let axes = eigen(&gram)?;
    let mut points = vec![0.0; rows * count];
    let mut shares = vec![0.0; count];
    for axis in 0..count.min(axes.values.len()) {
        let share = axes.values[axis] / total;
        if share < NO_VARIANCE {
            continue;
        }
        shares[axis] = share;
        let vector = Matrix::new(1, axes.values.len(), axes.vectors.row(axis).to_vec())?;
        // An eigenvector of XXᵀ is the points themselves, at length one; of XᵀX, the axis.
        let (axis_vector, along) = if wide {
            let length = axes.values[axis].sqrt();
            (vector.times(&centred)?, vector.values().iter().map(|value| value * length).collect())
        } else {
            let along = centred.times_transposed(&vector)?.values().to_vec();
            (vector, along)
        };
        let sign = sign(axis_vector.values());
        along.iter().enumerate().for_each(|(row, value): (usize, &f64)| points[row * count + axis] = sign * value);
    }
    Ok(Principal { points: Matrix::new(rows, count, points)?, shares })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ellipse_lies_along_its_axes() {
        let (sin, cos) = 0.4f64.sin_cos();
        // Long axis (cos, sin), short axis (−sin, cos), around (7, −3).
        let point = |turn: f64| {
            let (long, short) = (5.0 * turn.cos(), 2.0 * turn.sin());
            [7.0 + long * cos - short * sin, -3.0 + long * sin + short * cos]
        };
        let turns: Vec<f64> = (0..40).map(|at| f64::from(at) * std::f64::consts::TAU / 40.0).collect();
        let x = Matrix::new(40, 2, turns.iter().flat_map(|turn| point(*turn)).collect()).unwrap();
        let found = pca(&x, 2).unwrap();
        assert!((found.shares[0] - 25.0 / 29.0).abs() < 1e-12 && (found.shares[1] - 4.0 / 29.0).abs() < 1e-12);
        for (turn, row) in turns.iter().zip(found.points.rows()) {
            assert!((row[0] - 5.0 * turn.cos()).abs() < 1e-12 && (row[1] - 2.0 * turn.sin()).abs() < 1e-12);
        }
    }

    #[test]
    fn few_long_vectors_give_what_their_transposed_way_gives() {
        let value = |at: usize| ((at * at) as f64 * 0.31).sin();
        let x = Matrix::new(6, 30, (0..180).map(value).collect()).unwrap();
        // The mean thirty times over changes neither the mean nor the axes, and makes the table tall.
        let wide = pca(&x, 3).unwrap();
        let mean = x.mean_row();
        let tall = Matrix::new(36, 30, [x.values(), &mean.repeat(30)].concat()).unwrap();
        let tall = pca(&tall, 3).unwrap();
        assert!(wide.shares.iter().zip(&tall.shares).all(|(a, b)| (a - b).abs() < 1e-12));
        let same = wide.points.rows().zip(tall.points.rows()).flat_map(|(a, b)| a.iter().zip(b));
        assert!(same.into_iter().all(|(a, b)| (a - b).abs() < 1e-10));
    }

    #[test]
    fn a_line_has_no_second_axis_and_a_point_none() {
        let line = pca(&Matrix::new(3, 2, vec![1.0, 1.0, 2.0, 2.0, 3.0, 3.0]).unwrap(), 2).unwrap();
        assert!((line.shares[0] - 1.0).abs() < 1e-12 && line.shares[1] == 0.0);
        assert_eq!(line.points.row(2)[1], 0.0);
        let one_axis = pca(&Matrix::new(3, 1, vec![1.0, 2.0, 4.0]).unwrap(), 2).unwrap();
        assert_eq!((one_axis.points.shape(), one_axis.shares[1]), ([3, 2], 0.0));
        for same in [vec![0.1, 0.2, 0.1, 0.2, 0.1, 0.2], vec![0.0; 6]] {
            assert!(pca(&Matrix::new(3, 2, same).unwrap(), 2).is_err());
        }
        assert!(pca(&Matrix::new(1, 2, vec![1.0, 2.0]).unwrap(), 2).is_err());
    }
}
