//! The card of a projection: what it is, where it lies in the file, and its figures.

use serde::Serialize;

use super::{
    geometry::effective_bias,
    matrix::{AnalysisError, Matrix, norm},
    spectrum::{Spectrum, spectrum},
};
use crate::projection::{Affine, Form, LinearMap, Orientation, Projection};

/// The form of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One matrix.
    Linear,
    /// Two matrices with a GELU between them.
    Mlp,
    /// None: the tower's output is the embedding.
    Identity,
}

/// A projection in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProjectionReport {
    /// Its form.
    pub kind: Kind,
    /// open_clip's key of the head.
    pub key: String,
    /// Size of the pooled feature.
    pub input_dim: usize,
    /// Size of the joint space.
    pub output_dim: usize,
    /// What is known to shift the pooled feature.
    pub affine_before: Option<AffineReport>,
    /// The linear maps, first to last; none if the head is the identity.
    pub maps: Vec<MapReport>,
}

/// What shifts the input of a projection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AffineReport {
    /// Key of the norm, or of the bias of an attention pool's values.
    pub key: String,
    /// ‖γ‖ of a norm.
    pub scale_norm: Option<f64>,
    /// ‖β‖.
    pub shift_norm: f64,
}

/// One linear map of a projection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapReport {
    /// Key of the weight in the file.
    pub key: String,
    /// Shape in the file.
    pub stored_shape: [usize; 2],
    /// Which of the two stored axes is the input.
    pub orientation: Orientation,
    /// ‖b‖ of the bias in the checkpoint: none if there is no such tensor, 0 if it is all zero.
    pub explicit_bias_norm: Option<f64>,
    /// b_eff, `[output]`. The second map of an MLP has its own bias only: behind a GELU there is no fixed shift.
    pub effective_bias: Vec<f64>,
    /// ‖b_eff‖.
    pub effective_bias_norm: f64,
    /// The figures of the weight.
    pub spectrum: Spectrum,
}

impl ProjectionReport {
    /// Decomposes every map of `projection`.
    pub fn of(projection: &Projection) -> Result<Self, AnalysisError> {
        let config = projection.config();
        let affine = projection.affine_before();
        let maps = projection.maps();
        let of_map = |(index, map)| MapReport::of(map, affine.filter(|_| index == 0));
        Ok(Self {
            kind: match config.form {
                Form::Linear { .. } => Kind::Linear,
                Form::Mlp { .. } => Kind::Mlp,
                Form::Identity => Kind::Identity,
            },
            key: config.key.clone(),
            input_dim: config.input_dim,
            output_dim: config.output_dim,
            affine_before: affine.map(AffineReport::of),
            maps: maps.iter().enumerate().map(of_map).collect::<Result<_, _>>()?,
        })
    }
}

impl AffineReport {
    fn of(affine: &Affine) -> Self {
        Self {
            key: affine.key.clone(),
            scale_norm: affine.gamma.as_ref().map(|gamma| norm(&widened(gamma))),
            shift_norm: norm(&widened(&affine.beta)),
        }
    }
}

impl MapReport {
    fn of(map: &LinearMap, affine: Option<&Affine>) -> Result<Self, AnalysisError> {
        let weight = weight_of(map)?;
        let bias = map.bias.as_deref().map(widened);
        let shift = affine.map(|affine| widened(&affine.beta));
        let effective_bias = effective_bias(&weight, shift.as_deref(), bias.as_deref())?;
        Ok(Self {
            key: map.key.clone(),
            stored_shape: map.stored_shape(),
            orientation: map.orientation,
            explicit_bias_norm: bias.as_deref().map(norm),
            effective_bias_norm: norm(&effective_bias),
            effective_bias,
            spectrum: spectrum(&weight)?,
        })
    }
}

/// W of a map, `[output, input]`.
pub fn weight_of(map: &LinearMap) -> Result<Matrix, AnalysisError> {
    let [input, output] = map.dims;
    Ok(Matrix::from_f32(input, output, &map.weight)?.transposed())
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}
