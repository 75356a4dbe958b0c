//! Fitting a projection to a person's classes, and what that is worth on photos it has not seen.
//!
//! The towers stay as they are, so their pooled features are computed once and a fit is a matrix problem: the recipe of
//! ProLIP (arXiv 2410.05270), here with a bias or an MLP as well. [`tune`] fits one head and says whether that, and
//! whether a bias, helped; [`ablation`] compares linear and MLP, each with a bias and without, on the same photos.
//!
//! No figure comes from a photo that was fitted to. The photos are split into parts, each of which is held out once
//! while a head is fitted to the others. All parts go through their passes in step, and the pass that is
//! kept for a part is the one with the lowest loss on the *other* parts' held-out photos: so a part's own photos have no
//! say in it, and the figures are not those of a lucky pass.

pub mod ablation;
mod cross;
mod data;
mod fit;
mod form;
mod judge;
mod measure;
mod network;
mod objective;
mod parts;
mod random;

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use self::{cross::Run, data::in_range, fit::Recipe};
pub use self::{
    cross::{CurvePoint, FoldResult},
    data::{LabelledPhotos, TuneError},
    form::{HeadForm, Parts},
    judge::{Difference, ENOUGH_CLASSES, ENOUGH_PHOTOS, Judged, Verdict, judge},
    measure::Measures,
    objective::Loss,
};
use super::Head;

/// How a projection is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TuneOptions {
    /// What is fitted.
    pub parts: Parts,
    /// The loss.
    pub loss: Loss,
    /// λ of the pull λ·‖W − W₀‖²/‖W₀‖² of each matrix to the original (ProLIP). Biases are not pulled, as usual.
    pub pull: f64,
    /// Step of Adam for matrices; a bias steps as far in the joint space.
    pub learning_rate: f64,
    /// Passes over the photos at most.
    pub epochs: usize,
    /// Passes without a better held-out loss before it stops; 0 is as 1.
    pub patience: usize,
    /// Parts of the photos, each held out once; as many as photos at most.
    pub folds: usize,
    /// Decides the parts, the order and the resamples.
    pub seed: u64,
}

impl TuneOptions {
    fn check(&self) -> Result<(), TuneError> {
        in_range("the learning rate", self.learning_rate, self.learning_rate.is_finite() && self.learning_rate > 0.0)?;
        in_range("the pull", self.pull, self.pull.is_finite() && self.pull >= 0.0)?;
        in_range("the number of parts", self.folds as f64, self.folds >= 2)
    }

    fn recipe(&self) -> Recipe {
        let Self { loss, pull, learning_rate, seed, .. } = *self;
        Recipe { loss, pull, learning_rate, seed }
    }
}

/// How far a fit is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// What is fitted now, in an ablation.
    pub form: Option<HeadForm>,
    /// Fits that are through. The parts of a cross-validation go in step and are through together.
    pub done: usize,
    /// All fits.
    pub total: usize,
    /// Mean over the parts of the passes until now; the first is before the first step.
    pub curve: Vec<CurvePoint>,
}

/// Who watches a fit.
pub struct Watch<'a> {
    /// Set it to stop; it is looked at before every pass.
    pub cancel: &'a AtomicBool,
    /// Called after every pass.
    pub progress: &'a mut dyn FnMut(Progress),
}

impl Watch<'_> {
    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

/// What a fit is worth on photos it has not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TuneReport {
    /// How it was made.
    pub options: TuneOptions,
    /// Photos of each class, `[class]`.
    pub class_photos: Vec<usize>,
    /// Each held-out part.
    pub folds: Vec<FoldResult>,
    /// Held-out measures without tuning and with it.
    pub measures: [Measures; 2],
    /// Passes that the head was, or would be, fitted to all photos for: those with the lowest mean held-out loss.
    pub epochs: usize,
    /// Tuned against not tuned.
    pub tuning: Judged,
    /// With a bias against without one, all else the same: for [`Parts::Both`] against weights alone, for
    /// [`Parts::Bias`] against no tuning. None for the others, and if it was stopped before.
    pub bias: Option<Judged>,
    /// Whether it was stopped; the report is of the passes that were done.
    pub cancelled: bool,
}

/// A fitted head and what it is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// What it is worth.
    pub report: TuneReport,
    /// The head, fitted to all photos; none if it was stopped before that.
    pub head: Option<Head>,
}

/// Fits an image head to classes, and says what that is worth.
///
/// The same input gives the same numbers on one machine.
///
/// # Errors
/// If the input does not fit together, is not finite, or has fewer than 2 photos or classes.
pub fn tune(
    data: LabelledPhotos<'_>,
    head: &Head,
    options: &TuneOptions,
    watch: &mut Watch<'_>,
) -> Result<Tuned, TuneError> {
    data.check(head)?;
    options.check()?;
    let mut run = Run::new(data, options);
    run.total = run.folds * if options.parts == Parts::Both { 2 } else { 1 } + 1;
    let (start, fitted) = options.parts.of(head)?;
    let crossed = run.cross(watch, |_| Ok((start.clone(), fitted)))?;
    let before = data.scores(head)?;
    let tuning = run.judged(&before, &crossed.scores);
    let bias = match options.parts {
        Parts::Bias => Some(tuning),
        Parts::Both if !crossed.cancelled => {
            let (start, fitted) = Parts::Weights.of(head)?;
            let weights = run.cross(watch, |_| Ok((start.clone(), fitted)))?;
            (!weights.cancelled).then(|| run.judged(&weights.scores, &crossed.scores))
        }
        _ => None,
    };
    let head = run.fit_to_all(watch, (&start, fitted), &crossed)?;
    let report = TuneReport {
        options: options.clone(),
        class_photos: data.class_photos(),
        measures: [data.measures(&before), data.measures(&crossed.scores)],
        folds: crossed.folds,
        epochs: crossed.epochs,
        tuning,
        bias,
        cancelled: head.is_none(),
    };
    Ok(Tuned { report, head })
}
