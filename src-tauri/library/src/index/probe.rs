//! A query as whole numbers of two bytes.

use super::{block::make_unit, dot::STEP};
use crate::LibraryError;

/// What a vector is an embedding of; text and image embeddings lie in different regions of the joint space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modality {
    /// A sentence.
    Text,
    /// A photo.
    Image,
}

/// One query vector, ready to meet rows.
pub(super) struct Probe {
    /// The vector, of length 1.
    pub unit: Vec<f32>,
    /// unit ≈ step · numbers, `[stride]`
    pub numbers: Vec<i16>,
    pub step: f32,
    /// ‖unit − step · numbers‖, rounded up.
    pub lost: f32,
    /// ⟨mean, unit⟩
    pub of_mean: f32,
    /// Whether cosines are of photos less the mean.
    pub is_centred: bool,
}

impl Probe {
    /// The cosine with photos as they are.
    pub fn plain(vector: &[f32], mean: &[f32]) -> Result<Self, LibraryError> {
        Self::of(vector.to_vec(), mean, false)
    }

    /// The cosine with photos less their mean, of the query less its own modality's mean (`subtract`).
    pub fn centred(vector: &[f32], mean: &[f32], subtract: &[f32]) -> Result<Self, LibraryError> {
        let mut unit = vector.to_vec();
        if unit.len() != subtract.len() || !make_unit(&mut unit) {
            return Err(no_query(vector.len(), mean.len()));
        }
        unit.iter_mut().zip(subtract).for_each(|(x, mean)| *x -= mean);
        Self::of(unit, mean, true)
    }

    fn of(mut unit: Vec<f32>, mean: &[f32], is_centred: bool) -> Result<Self, LibraryError> {
        let width = mean.len();
        if unit.len() != width || !make_unit(&mut unit) {
            return Err(no_query(unit.len(), width));
        }
        let largest = unit.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        // No sum of the products may leave i32.
        let most = (i32::MAX as usize / (127 * width)).min(32_767) as f32;
        let step = largest / most;
        let mut numbers: Vec<i16> = unit.iter().map(|x| (x / step).round() as i16).collect();
        let squares = unit.iter().zip(&numbers).map(|(&x, &n)| (f64::from(x) - f64::from(n) * f64::from(step)).powi(2));
        let lost = squares.sum::<f64>().sqrt() as f32 * 1.001;
        numbers.resize(width.next_multiple_of(STEP), 0);
        let of_mean = unit.iter().zip(mean).map(|(&x, &m)| f64::from(x) * f64::from(m)).sum::<f64>() as f32;
        Ok(Self { unit, numbers, step, lost, of_mean, is_centred })
    }
}

fn no_query(found: usize, width: usize) -> LibraryError {
    LibraryError::Refused(if found == width {
        "a query without a direction: its vector is zero, not a number, or the mean itself".into()
    } else {
        format!("a query of {found} numbers, where photos have {width}; it is of another model")
    })
}
