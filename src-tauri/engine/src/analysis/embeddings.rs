//! What a projection does to vectors that are at hand: pooled features before it, embeddings after it.
//!
//! Tables have one vector per row. Where rows must be of unit length, they are taken as they are: what f32 lacks to a
//! length of 1 (some 1e-8) is in the figure.

use std::ops::Range;

use super::{
    matrix::{AnalysisError, Matrix, Svd, dot},
    spectrum::rank,
};

/// Rows of a table that are compared with all others at once, which bounds the memory for their cosines.
const NEIGHBOUR_BLOCK: usize = 256;

/// μ_image − μ_text, `[embed]`; its length is the modality gap (Liang et al., Mind the Gap, arXiv 2203.02053), between
/// 0 and 2.
///
/// # Shapes
/// - images: `[image, embed]`, rows of unit length
/// - texts: `[text, embed]`, rows of unit length
pub fn modality_gap(images: &Matrix, texts: &Matrix) -> Result<Vec<f64>, AnalysisError> {
    let (left, right) = (images.shape(), texts.shape());
    if left[1] != right[1] {
        return Err(AnalysisError::Shapes { figure: "the modality gap", left, right });
    }
    Ok(images.mean_row().iter().zip(texts.mean_row()).map(|(image, text)| image - text).collect())
}

/// The mean cosine of all pairs of different rows, (‖Σx‖² − n)/(n(n − 1)): how narrow the cone is that they lie in.
///
/// # Shapes
/// - unit: `[row, embed]`, rows of unit length, at least two
pub fn mean_cosine(unit: &Matrix) -> Result<f64, AnalysisError> {
    let rows = unit.shape()[0] as f64;
    if rows < 2.0 {
        return Err(AnalysisError::Undefined { figure: "the mean cosine of pairs", input: "one row" });
    }
    let mean = unit.mean_row();
    Ok((dot(&mean, &mean) * rows * rows - rows) / (rows * (rows - 1.0)))
}

/// Linear CKA, ‖YᵀX‖_F²/(‖XᵀX‖_F ‖YᵀY‖_F) of centred features: 1 if one is a rotation and scaling of the other, 0 if
/// nothing linear links them (Kornblith et al., arXiv 1905.00414).
///
/// # Shapes
/// - x: `[row, any]`
/// - y: `[row, any]`
pub fn cka(x: &Matrix, y: &Matrix) -> Result<f64, AnalysisError> {
    let (left, right) = (x.shape(), y.shape());
    if left[0] != right[0] {
        return Err(AnalysisError::Shapes { figure: "CKA", left, right });
    }
    let (x, y) = (x.centred(), y.centred());
    let own = x.transposed_times(&x)?.frobenius_norm() * y.transposed_times(&y)?.frobenius_norm();
    if own == 0.0 {
        return Err(AnalysisError::Undefined { figure: "CKA", input: "features that are all the same" });
    }
    Ok(y.transposed_times(&x)?.frobenius_norm().powi(2) / own)
}

/// What the best rotation and scaling of one table leaves unexplained of the other, as a share of its energy: with both
/// centred and at ‖·‖_F = 1, min over orthogonal Q and numbers c of ‖X − c·Y Q‖_F² = 1 − (Σσ(XᵀY))² (Schönemann 1966;
/// with the scaling, Gower 1975). 0 if one is a rotation and scaling of the other, 1 if nothing is shared. Unlike
/// [`cka`], every direction counts by its length and not by its energy. A narrower table is one with zeros behind.
///
/// # Shapes
/// - x: `[row, any]`
/// - y: `[row, any]`
pub fn procrustes(x: &Matrix, y: &Matrix) -> Result<f64, AnalysisError> {
    let (left, right) = (x.shape(), y.shape());
    if left[0] != right[0] {
        return Err(AnalysisError::Shapes { figure: "the Procrustes distance", left, right });
    }
    let (x, y) = (x.centred(), y.centred());
    let lengths = x.frobenius_norm() * y.frobenius_norm();
    if lengths == 0.0 {
        let input = "features that are all the same";
        return Err(AnalysisError::Undefined { figure: "the Procrustes distance", input });
    }
    let shared = x.transposed_times(&y)?.singular_values()?.iter().sum::<f64>() / lengths;
    Ok((1.0 - shared * shared).clamp(0.0, 1.0))
}

/// 1 − ‖V_rᵀx‖²/‖x‖² of each row: the share of a feature's energy in the directions that W maps to zero, which the
/// projection throws away. r is the rank of W and V its right singular vectors. 0 for a row of zeros.
///
/// # Shapes
/// - projection: the decomposition of `W: [embed, width]`
/// - pooled: `[row, width]`
/// - output: `[row]`
pub fn null_space_energy(projection: &Svd, pooled: &Matrix) -> Result<Vec<f64>, AnalysisError> {
    let rank = rank(&projection.values);
    let along = pooled.times_transposed(&projection.right)?;
    let share = |(along, x): (&[f64], &[f64])| {
        let (kept, total) = (dot(&along[..rank], &along[..rank]), dot(x, x));
        if total == 0.0 { 0.0 } else { 1.0 - kept / total }
    };
    Ok(along.rows().zip(pooled.rows()).map(share).collect())
}

/// The share of each row's `k` nearest other rows (by cosine) that two tables have in common, averaged over the rows:
/// whether a projection keeps who is next to whom. 1 if it does; k/(n − 1) by chance.
///
/// # Shapes
/// - before: `[row, any]`
/// - after: `[row, any]`
pub fn neighbour_overlap(before: &Matrix, after: &Matrix, k: usize) -> Result<f64, AnalysisError> {
    let (left, right) = (before.shape(), after.shape());
    if left[0] != right[0] {
        return Err(AnalysisError::Shapes { figure: "the neighbour overlap", left, right });
    }
    let rows = left[0];
    if k == 0 || k >= rows {
        return Err(AnalysisError::Undefined { figure: "the neighbour overlap", input: "this number of neighbours" });
    }
    let (before, after) = (before.unit_rows(), after.unit_rows());
    let mut common = 0;
    for start in (0..rows).step_by(NEIGHBOUR_BLOCK) {
        let block = start..rows.min(start + NEIGHBOUR_BLOCK);
        let pairs = nearest(&before, block.clone(), k)?.into_iter().zip(nearest(&after, block, k)?);
        common += pairs.map(|(a, b)| a.iter().filter(|row| b.contains(row)).count()).sum::<usize>();
    }
    Ok(common as f64 / (k * rows) as f64)
}

/// The eigenvalues of the covariance of the rows, largest first: the variance along each principal axis. The functions
/// of [`super::spectrum`] say how many axes are in use. There are min(row, any) of them; more would be zero.
///
/// # Shapes
/// - x: `[row, any]`, at least two rows
pub fn covariance_eigenvalues(x: &Matrix) -> Result<Vec<f64>, AnalysisError> {
    let [rows, columns] = x.shape();
    if rows < 2 {
        return Err(AnalysisError::Undefined { figure: "a covariance", input: "one row" });
    }
    let centred = x.centred();
    // XᵀX and XXᵀ have the same eigenvalues but for zeros.
    let smaller =
        if rows < columns { centred.times_transposed(&centred)? } else { centred.transposed_times(&centred)? };
    let degrees = (rows - 1) as f64;
    // They are its singular values, since none is negative.
    Ok(smaller.singular_values()?.into_iter().map(|value| value / degrees).collect())
}

/// The `k` rows of `unit` nearest to each row of `block`, in no order. Equally near ones by their place.
fn nearest(unit: &Matrix, block: Range<usize>, k: usize) -> Result<Vec<Vec<usize>>, AnalysisError> {
    let cosines = unit.row_range(block.clone()).times_transposed(unit)?;
    let of_row = |(own, cosines): (usize, &[f64])| {
        let mut others: Vec<usize> = (0..cosines.len()).filter(|other| *other != own).collect();
        others.select_nth_unstable_by(k - 1, |a, b| cosines[*b].total_cmp(&cosines[*a]).then(a.cmp(b)));
        others.truncate(k);
        others
    };
    Ok(block.zip(cosines.rows()).map(of_row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::spectrum::effective_rank;

    fn matrix<const R: usize, const C: usize>(rows: [[f64; C]; R]) -> Matrix {
        Matrix::new(R, C, rows.concat()).unwrap()
    }

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-14
    }

    #[test]
    fn the_gap_is_between_the_means() {
        let gap = modality_gap(&matrix([[1.0, 0.0], [0.0, 1.0]]), &matrix([[-1.0, 0.0]])).unwrap();
        assert_eq!(gap, [1.5, 0.5]);
        assert!(modality_gap(&matrix([[1.0]]), &matrix([[1.0, 0.0]])).is_err());
    }

    #[test]
    fn the_mean_cosine_leaves_out_each_row_with_itself() {
        // Three pairs: 0, 0.6 and 0.8.
        let found = mean_cosine(&matrix([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])).unwrap();
        assert!(close(found, 1.4 / 3.0), "{found}");
        assert!(close(mean_cosine(&matrix([[1.0, 0.0], [-1.0, 0.0]])).unwrap(), -1.0));
        assert!(mean_cosine(&matrix([[1.0, 0.0]])).is_err());
    }

    #[test]
    fn cka_sees_through_rotation_scale_and_shift_only() {
        let x = matrix([[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0], [3.0, -1.0]]);
        let (sin, cos) = 0.7f64.sin_cos();
        let turn = matrix([[5.0 * cos, -5.0 * sin, 0.0], [5.0 * sin, 5.0 * cos, 0.0]]);
        let turned = x.times(&turn).unwrap();
        let moved = turned.rows().flat_map(|row| row.iter().map(|value| value + 9.0)).collect();
        assert!(close(cka(&x, &Matrix::new(4, 3, moved).unwrap()).unwrap(), 1.0));
        let (ramp, parabola) = (matrix([[-1.0], [0.0], [1.0]]), matrix([[1.0], [0.0], [1.0]]));
        assert!(close(cka(&ramp, &parabola).unwrap(), 0.0));
        assert!(cka(&ramp, &x).is_err());
        assert_eq!(
            cka(&ramp, &matrix([[2.0], [2.0], [2.0]])).unwrap_err().to_string(),
            "CKA is not defined for features that are all the same"
        );
    }

    #[test]
    fn procrustes_sees_through_rotation_scale_and_shift_only() {
        let x = matrix([[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0], [3.0, -1.0]]);
        let (sin, cos) = 0.7f64.sin_cos();
        // A rotation with a reflection into three dimensions.
        let turn = matrix([[5.0 * cos, -5.0 * sin, 0.0], [-5.0 * sin, -5.0 * cos, 0.0]]);
        let turned = x.times(&turn).unwrap();
        let moved = turned.rows().flat_map(|row| row.iter().map(|value| value + 9.0)).collect();
        assert!(procrustes(&x, &Matrix::new(4, 3, moved).unwrap()).unwrap() < 1e-14);
        let (ramp, parabola) = (matrix([[-1.0], [0.0], [1.0]]), matrix([[1.0], [0.0], [1.0]]));
        assert!(close(procrustes(&ramp, &parabola).unwrap(), 1.0));
        // Of (2, 0), (−2, 0), (0, 1), (0, −1) the line keeps 8 of 10, with the best scaling.
        let cross = matrix([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]);
        let line = matrix([[1.0], [-1.0], [0.0], [0.0]]);
        assert!(close(procrustes(&cross, &line).unwrap(), 0.2));
        assert!(procrustes(&ramp, &x).is_err() && procrustes(&ramp, &matrix([[2.0], [2.0], [2.0]])).is_err());
    }

    #[test]
    fn what_a_projection_drops_is_counted() {
        let first = matrix([[2.0, 0.0, 0.0]]).svd().unwrap();
        let pooled = matrix([[5.0, 0.0, 0.0], [0.0, 1.0, 1.0], [3.0, 4.0, 0.0], [0.0, 0.0, 0.0]]);
        let lost = null_space_energy(&first, &pooled).unwrap();
        assert!(lost.iter().zip([0.0, 1.0, 0.64, 0.0]).all(|(found, expected)| close(*found, expected)), "{lost:?}");
        let zero = matrix([[0.0; 3]; 2]).svd().unwrap();
        assert_eq!(null_space_energy(&zero, &pooled).unwrap(), [1.0, 1.0, 1.0, 0.0]);
        // More outputs than inputs lose nothing.
        let wide = matrix([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]).svd().unwrap();
        assert!(null_space_energy(&wide, &matrix([[0.3, 0.4]])).unwrap()[0].abs() < 1e-15);
        assert!(null_space_energy(&wide, &pooled).is_err());
    }

    #[test]
    fn neighbours_that_stay_and_neighbours_that_go() {
        let angles = [0.0f64, 10.0, 100.0, 115.0];
        let circle =
            |angles: [f64; 4]| matrix(angles.map(|angle| [angle.to_radians().cos(), angle.to_radians().sin()]));
        let before = circle(angles);
        assert_eq!(neighbour_overlap(&before, &circle(angles.map(|angle| 3.0 * angle / 4.0)), 1).unwrap(), 1.0);
        // The first two go to the far pair: nobody keeps the nearest one.
        let after = circle([0.0, 100.0, 10.0, 115.0]);
        assert_eq!(neighbour_overlap(&before, &after, 1).unwrap(), 0.0);
        assert_eq!(neighbour_overlap(&before, &after, 3).unwrap(), 1.0);
        for k in [0, 4] {
            assert!(neighbour_overlap(&before, &after, k).is_err());
        }
    }

    #[test]
    fn neighbours_are_the_same_across_blocks() {
        let rows = NEIGHBOUR_BLOCK + 10;
        let on_circle = |turns: f64| {
            let angle = |row: usize| (row * row) as f64 * turns;
            Matrix::new(rows, 2, (0..rows).flat_map(|row| [angle(row).cos(), angle(row).sin()]).collect()).unwrap()
        };
        let (before, after) = (on_circle(0.37), on_circle(0.11));
        let cosine = |table: &Matrix, a: usize, b: usize| dot(table.row(a), table.row(b));
        let nearest = |table: &Matrix, row: usize| {
            let others = (0..rows).filter(|other| *other != row);
            others.max_by(|a, b| cosine(table, row, *a).total_cmp(&cosine(table, row, *b))).unwrap()
        };
        let kept = (0..rows).filter(|row| nearest(&before, *row) == nearest(&after, *row)).count();
        assert_eq!(neighbour_overlap(&before, &after, 1).unwrap(), kept as f64 / rows as f64);
    }

    #[test]
    fn the_covariance_of_few_rows_and_of_many() {
        let cross = matrix([[2.0, 0.0, 7.0], [-2.0, 0.0, 7.0], [0.0, 1.0, 7.0], [0.0, -1.0, 7.0]]);
        let many = covariance_eigenvalues(&cross).unwrap();
        assert!(close(many[0], 8.0 / 3.0) && close(many[1], 2.0 / 3.0) && many[2].abs() < 1e-14);
        let few = covariance_eigenvalues(&matrix([[1.0, 2.0, 3.0, 4.0], [3.0, 2.0, 1.0, 0.0]])).unwrap();
        assert!(few.len() == 2 && close(few[0], 12.0) && few[1].abs() < 1e-14);
        assert!(close(effective_rank(&few), 1.0));
        assert!(covariance_eigenvalues(&matrix([[1.0, 2.0]])).is_err());
    }
}
