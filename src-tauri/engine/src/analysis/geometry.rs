//! What projections do to the joint space: the shift they add, and how two of them meet.
//!
//! Matrices are `W: [embed, width]` here, as in `y = W x + b`.

use super::{
    matrix::{AnalysisError, Matrix, Svd, dot, norm},
    spectrum::rank,
};

/// b_eff = W β + b, `[embed]`: the shift of a projection behind an affine layer. With `x = γ⊙x̂ + β`,
/// `W x + b = (W·diag γ) x̂ + (W β + b)`, so a projection without a bias has one all the same.
///
/// # Shapes
/// - weight: `[embed, width]`
/// - shift: β, `[width]`, if an affine layer is in front
/// - bias: b, `[embed]`, if the projection has one of its own
pub fn effective_bias(weight: &Matrix, shift: Option<&[f64]>, bias: Option<&[f64]>) -> Result<Vec<f64>, AnalysisError> {
    let [embed, width] = weight.shape();
    for (vector, expected) in [(shift, width), (bias, embed)] {
        if let Some(vector) = vector.filter(|vector| vector.len() != expected) {
            let (left, right) = (weight.shape(), [vector.len(), 1]);
            return Err(AnalysisError::Shapes { figure: "the effective bias", left, right });
        }
    }
    let from_shift = weight.rows().map(|row| shift.map_or(0.0, |shift| dot(row, shift)));
    Ok(from_shift.enumerate().map(|(i, value)| value + bias.map_or(0.0, |bias| bias[i])).collect())
}

/// Ψ = W_imageᵀ W_text: the cosine of a picture and a text, before their lengths are divided out, is xᵀ Ψ z. Its
/// singular vectors are the directions of the two towers that meet (IsoCLIP, arXiv 2603.19862).
///
/// # Shapes
/// - image: `[embed, image width]`
/// - text: `[embed, text width]`
/// - output: `[image width, text width]`
pub fn psi(image: &Matrix, text: &Matrix) -> Result<Matrix, AnalysisError> {
    image.transposed_times(text)
}

/// The singular values of [`psi`], largest first, without those that are zero because the joint space is smaller than
/// both towers.
pub fn psi_singular_values(image: &Matrix, text: &Matrix) -> Result<Vec<f64>, AnalysisError> {
    let mut values = psi(image, text)?.singular_values()?;
    values.truncate(image.shape()[0]);
    Ok(values)
}

/// The principal angles between the spaces that the `k` strongest directions of two projections span in the joint
/// space, in degrees, smallest first. There are fewer than `k` if one of them has fewer directions.
///
/// Their cosines are the singular values of UᵀZ (Björck & Golub 1973). The angle is taken from the sum and the
/// difference of the two unit vectors, because a cosine near 1 says little about a small angle.
///
/// # Shapes
/// - image, text: decompositions of `[embed, width]` matrices; the widths may differ
pub fn principal_angles_deg(image: &Svd, text: &Svd, k: usize) -> Result<Vec<f64>, AnalysisError> {
    let (left, right) = (image.left.shape(), text.left.shape());
    if left[1] != right[1] {
        return Err(AnalysisError::Shapes { figure: "principal angles", left, right });
    }
    let k = k.min(rank(&image.values)).min(rank(&text.values));
    if k == 0 {
        return Ok(Vec::new());
    }
    let (u, z) = (image.left.row_range(0..k), text.left.row_range(0..k));
    let meeting = u.times_transposed(&z)?.svd()?;
    let (u, z) = (meeting.left.times(&u)?, meeting.right.times(&z)?);
    let pairs = u.rows().zip(z.rows());
    Ok(pairs.map(|(a, b)| angle(a, b).to_degrees()).collect())
}

/// The cosine of two vectors of one length; 0 if one of them is zero. Of the modality gap and an effective bias, it says
/// how much of the gap lies along the bias.
pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let lengths = norm(a) * norm(b);
    if lengths == 0.0 { 0.0 } else { dot(a, b) / lengths }
}

/// How much of a mean vector m is a bias b.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfMean {
    /// ‖m‖.
    pub mean_norm: f64,
    /// cos(b, m).
    pub cosine: f64,
    /// b·m/‖m‖²: the share of the mean that is the bias. It can be below 0 or above 1.
    pub explained: f64,
}

/// What of the mean of un-normalised vectors is the bias, or the effective bias, of their head: the rest comes from the
/// mean of what is in front. None for a mean of zero.
///
/// # Panics
/// If the lengths differ.
pub fn of_mean(bias: &[f64], mean: &[f64]) -> Option<OfMean> {
    assert_eq!(bias.len(), mean.len(), "a bias and a mean of one space");
    let mean_norm = norm(mean);
    let explained = dot(bias, mean) / mean_norm.powi(2);
    (mean_norm > 0.0).then(|| OfMean { mean_norm, cosine: cosine(bias, mean), explained })
}

/// The angle of two unit vectors, in radians (Kahan).
fn angle(a: &[f64], b: &[f64]) -> f64 {
    let length = |sign: f64| a.iter().zip(b).map(|(a, b)| (a + sign * b).powi(2)).sum::<f64>().sqrt();
    2.0 * length(-1.0).atan2(length(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, columns: usize, values: &[f64]) -> Matrix {
        Matrix::new(rows, columns, values.to_vec()).unwrap()
    }

    fn angles(a: &Matrix, b: &Matrix, k: usize) -> Vec<f64> {
        principal_angles_deg(&a.svd().unwrap(), &b.svd().unwrap(), k).unwrap()
    }

    #[test]
    fn the_shift_in_front_and_the_bias_add_up() {
        let weight = matrix(2, 3, &[1.0, 2.0, 3.0, 0.0, -1.0, 1.0]);
        let (shift, bias) = ([1.0, 0.0, 2.0], [0.5, -2.0]);
        assert_eq!(effective_bias(&weight, Some(&shift), Some(&bias)).unwrap(), [7.5, 0.0]);
        assert_eq!(effective_bias(&weight, None, Some(&bias)).unwrap(), bias);
        assert_eq!(effective_bias(&weight, Some(&shift), None).unwrap(), [7.0, 2.0]);
        assert_eq!(effective_bias(&weight, None, None).unwrap(), [0.0, 0.0]);
        assert!(effective_bias(&weight, Some(&bias), None).is_err());
        assert!(effective_bias(&weight, None, Some(&shift)).is_err());
    }

    #[test]
    fn psi_takes_a_picture_and_a_text_to_their_product_in_the_joint_space() {
        let image = matrix(2, 3, &[1.0, 0.0, 2.0, 0.0, 1.0, -1.0]);
        let text = matrix(2, 2, &[1.0, 1.0, 0.0, 3.0]);
        let psi = psi(&image, &text).unwrap();
        assert_eq!(psi, matrix(3, 2, &[1.0, 1.0, 0.0, 3.0, 2.0, -1.0]));
        let values = psi_singular_values(&image, &text).unwrap();
        assert_eq!(values, psi.singular_values().unwrap());
        // One joint dimension lets one pair of directions meet.
        let (image, text) = (matrix(1, 3, &[0.0, 3.0, 4.0]), matrix(1, 2, &[2.0, 0.0]));
        let values = psi_singular_values(&image, &text).unwrap();
        assert!(values.len() == 1 && (values[0] - 10.0).abs() < 1e-14);
    }

    #[test]
    fn principal_angles_of_known_planes() {
        // The plane of x and y against one turned about x by 30 degrees, and a line within it.
        let (sin, cos) = 30f64.to_radians().sin_cos();
        let flat = matrix(3, 2, &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let turned = matrix(3, 2, &[2.0, 0.0, 0.0, cos, 0.0, sin]);
        let found = angles(&flat, &turned, 2);
        assert!(found[0] < 1e-12 && (found[1] - 30.0).abs() < 1e-12, "{found:?}");
        let upright = matrix(3, 1, &[0.0, 0.0, 5.0]);
        let found = angles(&flat, &upright, 8);
        assert!(found.len() == 1 && (found[0] - 90.0).abs() < 1e-12, "{found:?}");
        assert!(angles(&flat, &flat, 2).iter().all(|angle| *angle < 1e-12));
        // An angle that its own cosine cannot tell from 0.
        let (line, near) = (matrix(2, 1, &[1.0, 0.0]), matrix(2, 1, &[1.0, 1e-9]));
        assert!((angles(&line, &near, 1)[0] - 1e-9f64.to_degrees()).abs() < 1e-18);
        assert!(angles(&matrix(2, 1, &[0.0, 0.0]), &line, 1).is_empty());
        let other = upright.svd().unwrap();
        assert!(principal_angles_deg(&line.svd().unwrap(), &other, 1).is_err());
    }

    #[test]
    fn cosines_by_hand() {
        assert!((cosine(&[3.0, 0.0], &[1.0, 1.0]) - 0.5f64.sqrt()).abs() < 1e-15);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 1.0]), 0.0);
    }

    #[test]
    fn the_share_of_a_mean_by_hand() {
        let found = of_mean(&[4.0, 3.0], &[2.0, 0.0]).unwrap();
        assert_eq!((found.mean_norm, found.explained), (2.0, 2.0));
        assert!((found.cosine - 0.8).abs() < 1e-15);
        assert_eq!(of_mean(&[0.0, 0.0], &[2.0, 0.0]).unwrap().explained, 0.0);
        assert!(of_mean(&[1.0, 0.0], &[0.0, 0.0]).is_none());
    }
}
