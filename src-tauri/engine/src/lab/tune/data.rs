//! What is fitted to, checked before anything is done with it.

use super::measure::Measures;
use crate::{
    analysis::AnalysisError,
    lab::{Head, Table, measures::best},
};

/// Photos with their classes, and what a class is in the joint space.
#[derive(Debug, Clone, Copy)]
pub struct LabelledPhotos<'a> {
    /// Pooled features, `[photo, width]`.
    pub pooled: &'a Table,
    /// The class of each photo, from 0, `[photo]`.
    pub truth: &'a [usize],
    /// The unit embedding of each class's words, `[class, embed]`.
    pub directions: &'a Table,
    /// What the model multiplies cosines by.
    pub scale: f64,
    /// What it adds to them then; none for a model that was trained without. [`Loss::Sigmoid`] needs one and chooses it
    /// so that ½ is halfway between the cosines of right and wrong classes before tuning.
    pub bias: Option<f64>,
}

impl LabelledPhotos<'_> {
    /// Photos of each class.
    pub(super) fn class_photos(&self) -> Vec<usize> {
        let mut counts = vec![0; self.directions.count()];
        self.truth.iter().for_each(|class| counts[*class] += 1);
        counts
    }

    /// Classes that have photos.
    pub(super) fn classes_with_photos(&self) -> usize {
        self.class_photos().into_iter().filter(|photos| *photos > 0).count()
    }

    /// The cosine of each photo and class under a head.
    pub(super) fn scores(&self, head: &Head) -> Result<Table, TuneError> {
        Ok(head.apply(self.pooled).unit().affine(&self.directions.to_matrix()?, None))
    }

    /// 1 for each photo whose class has the highest score.
    pub(super) fn right(&self, scores: &Table) -> Vec<f64> {
        let is_right = |(scores, truth): (&[f32], &usize)| f64::from(best(scores) == *truth);
        scores.rows().zip(self.truth).map(is_right).collect()
    }

    pub(super) fn measures(&self, scores: &Table) -> Measures {
        Measures::of(&scores.rows().collect::<Vec<_>>(), self.truth)
    }

    pub(super) fn check(&self, head: &Head) -> Result<(), TuneError> {
        let (photos, classes) = (self.truth.len(), self.directions.count());
        let fits = [
            ("classes of photos", self.pooled.count(), photos),
            ("the width of pooled features", head.input_dim(), self.pooled.columns()),
            ("the size of the joint space", head.output_dim(), self.directions.columns()),
        ];
        for (what, expected, found) in fits {
            if expected != found {
                return Err(TuneError::Size { what, expected, found });
            }
        }
        if photos < 2 {
            return Err(TuneError::Photos { found: photos });
        }
        if classes < 2 {
            return Err(TuneError::Classes { found: classes });
        }
        if let Some(photo) = self.truth.iter().position(|class| *class >= classes) {
            return Err(TuneError::Class { photo, class: self.truth[photo], classes });
        }
        for (what, table) in [("pooled feature", self.pooled), ("class direction", self.directions)] {
            if let Some(at) = table.values().iter().position(|value| !value.is_finite()) {
                return Err(TuneError::NotFinite { what, index: at / table.columns() });
            }
        }
        let numbers = [("the logit scale", self.scale), ("the logit bias", self.bias.unwrap_or(0.0))];
        numbers.into_iter().try_for_each(|(what, value)| in_range(what, value, value.is_finite()))
    }
}

/// Refuses a number for which it does not hold.
pub(super) fn in_range(what: &'static str, value: f64, holds: bool) -> Result<(), TuneError> {
    if holds { Ok(()) } else { Err(TuneError::Range { what, value }) }
}

/// Why a head cannot be fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TuneError {
    /// Two things that belong together are of different sizes.
    #[error("{what}: expected {expected}, found {found}")]
    Size {
        /// What.
        what: &'static str,
        /// The size it should be.
        expected: usize,
        /// The size it is.
        found: usize,
    },
    /// Too few photos to fit to some and hold out others.
    #[error("fitting needs at least 2 photos with a class, found {found}")]
    Photos {
        /// How many there are.
        found: usize,
    },
    /// Nothing to tell apart.
    #[error("fitting needs at least 2 classes, found {found}")]
    Classes {
        /// How many there are.
        found: usize,
    },
    /// A photo is of a class that is not there.
    #[error("photo {photo} is of class {class}, of {classes} classes from 0")]
    Class {
        /// The photo, from 0.
        photo: usize,
        /// Its class.
        class: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A value is NaN or infinite.
    #[error("{what} {index} has a value that is not finite")]
    NotFinite {
        /// Of what.
        what: &'static str,
        /// Which, from 0.
        index: usize,
    },
    /// A number that makes no sense.
    #[error("{what} cannot be {value}")]
    Range {
        /// Which.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// The head's matrices are not finite or do not fit, such as after a rate that is far too high.
    #[error("the fit has no head")]
    Head(#[from] AnalysisError),
    /// It was stopped before there was anything to report.
    #[error("stopped before the first result")]
    Cancelled,
}
