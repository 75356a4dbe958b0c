//! Cross-validation: every photo is held out once, and nothing about it decides what is said of it.

use serde::{Deserialize, Serialize};

use super::{
    HeadForm, Judged, LabelledPhotos, Progress, TuneError, TuneOptions, Watch,
    fit::{Fit, Recipe},
    judge::judge,
    network::Fitted,
    parts::stratified,
};
use crate::lab::{Head, Table, measures::best};

/// One pass over the photos.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// From 0, which is before the first step.
    pub epoch: usize,
    /// Loss on the photos fitted to, without the pull.
    pub train_loss: f64,
    /// Loss on the photos held out.
    pub held_out_loss: f64,
    /// Accuracy on the photos held out.
    pub held_out_accuracy: f64,
}

/// One held-out part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldResult {
    /// Photos held out.
    pub held_out: usize,
    /// Accuracy on them before the first pass.
    pub accuracy_before: f64,
    /// After the pass that was kept.
    pub accuracy_after: f64,
    /// The pass that was kept: the one with the lowest loss on the other parts' held-out photos.
    pub best_epoch: usize,
    /// All passes.
    pub curve: Vec<CurvePoint>,
}

/// What cross-validation comes to.
pub(super) struct Crossed {
    pub(super) folds: Vec<FoldResult>,
    /// Cosines of each photo with each class under the head that has not seen it, `[photo, class]`.
    pub(super) scores: Table,
    /// Mean held-out loss, at the passes that were kept.
    pub(super) loss: f64,
    /// The pass with the lowest mean held-out loss of all parts.
    pub(super) epochs: usize,
    /// Mean over the parts.
    pub(super) curve: Vec<CurvePoint>,
    pub(super) cancelled: bool,
}

/// What several cross-validations have in common, and how far they are.
pub(super) struct Run<'a> {
    pub(super) data: LabelledPhotos<'a>,
    pub(super) recipe: Recipe,
    pub(super) epochs: usize,
    pub(super) patience: usize,
    pub(super) folds: usize,
    pub(super) form: Option<HeadForm>,
    pub(super) done: usize,
    pub(super) total: usize,
}

/// A part that is held out, and the head that is fitted to the others.
struct Fold<'a> {
    fit: Fit<'a>,
    held_out: Vec<usize>,
    curve: Vec<CurvePoint>,
    /// Scores of the held-out photos after the last pass.
    scores: Table,
    best: Best,
    /// Those of the pass that is kept.
    kept: Table,
}

/// The lowest loss until now, and its pass.
#[derive(Clone, Copy)]
struct Best {
    loss: f64,
    epoch: usize,
}

impl Best {
    const NONE: Self = Self { loss: f64::INFINITY, epoch: 0 };

    /// Whether this is the lowest until now.
    fn take(&mut self, loss: f64, epoch: usize) -> bool {
        let is_lower = loss < self.loss;
        if is_lower {
            *self = Self { loss, epoch };
        }
        is_lower
    }
}

impl<'a> Run<'a> {
    /// Without a total, which is the caller's to say.
    pub(super) fn new(data: LabelledPhotos<'a>, options: &TuneOptions) -> Self {
        let TuneOptions { epochs, patience, .. } = *options;
        let folds = options.folds.min(data.truth.len());
        Self { data, recipe: options.recipe(), epochs, patience, folds, form: None, done: 0, total: 0 }
    }

    /// Cross-validates the head that `start` gives for photos to fit to, which come as a list.
    pub(super) fn cross(
        &mut self,
        watch: &mut Watch<'_>,
        start: impl Fn(&[usize]) -> Result<(Head, Fitted), TuneError>,
    ) -> Result<Crossed, TuneError> {
        let mut folds = self.split(start)?;
        let mut best = Best::NONE;
        let mut epoch = 0;
        let cancelled = loop {
            each(&mut folds, |fold| fold.measure(epoch));
            keep(&mut folds, &mut best, epoch);
            self.report(watch, mean_curve(&folds));
            let last = folds.iter().map(|fold| fold.best.epoch).fold(best.epoch, usize::max);
            if epoch == self.epochs || epoch - last >= self.patience.max(1) {
                break false;
            }
            if watch.is_cancelled() {
                break true;
            }
            epoch += 1;
            each(&mut folds, |fold| fold.fit.pass(epoch));
        };
        self.done += folds.len();
        Ok(self.joined(&folds, best.epoch, cancelled))
    }

    /// One fold per part, at its start.
    fn split(&self, start: impl Fn(&[usize]) -> Result<(Head, Fitted), TuneError>) -> Result<Vec<Fold<'a>>, TuneError> {
        let part_of = stratified(self.data.truth, self.folds, self.recipe.seed);
        let fold = |part: usize| {
            let (held_out, fitted_to): (Vec<usize>, Vec<usize>) =
                (0..part_of.len()).partition(|photo| part_of[*photo] == part);
            let (head, fitted) = start(&fitted_to)?;
            let none = Table::new(self.data.directions.count(), Vec::new());
            Ok(Fold {
                fit: Fit::new(self.data, (&head, fitted), &self.recipe, fitted_to, part as u64),
                held_out,
                curve: Vec::new(),
                scores: none.clone(),
                best: Best::NONE,
                kept: none,
            })
        };
        (0..self.folds).map(fold).collect()
    }

    fn report(&self, watch: &mut Watch<'_>, curve: Vec<CurvePoint>) {
        (watch.progress)(Progress { form: self.form, done: self.done, total: self.total, curve });
    }

    fn joined(&self, folds: &[Fold<'_>], epochs: usize, cancelled: bool) -> Crossed {
        let classes = self.data.directions.count();
        let mut scores = vec![0.0; self.data.truth.len() * classes];
        for fold in folds {
            for (photo, row) in fold.held_out.iter().zip(fold.kept.rows()) {
                scores[photo * classes..][..classes].copy_from_slice(row);
            }
        }
        let loss = |fold: &Fold<'_>| fold.curve[fold.best.epoch].held_out_loss * fold.held_out.len() as f64;
        Crossed {
            folds: folds.iter().map(Fold::result).collect(),
            scores: Table::new(classes, scores),
            loss: folds.iter().map(loss).sum::<f64>() / self.data.truth.len() as f64,
            epochs,
            curve: mean_curve(folds),
            cancelled,
        }
    }

    /// The head after the best number of passes over all photos; none if it is stopped before.
    pub(super) fn fit_to_all(
        &mut self,
        watch: &mut Watch<'_>,
        start: (&Head, Fitted),
        crossed: &Crossed,
    ) -> Result<Option<Head>, TuneError> {
        let photos = (0..self.data.truth.len()).collect();
        let mut fit = Fit::new(self.data, start, &self.recipe, photos, self.folds as u64);
        for epoch in 1..=crossed.epochs {
            if watch.is_cancelled() {
                return Ok(None);
            }
            fit.pass(epoch);
        }
        if watch.is_cancelled() {
            return Ok(None);
        }
        self.done += 1;
        self.report(watch, crossed.curve.clone());
        fit.head().map(Some)
    }

    /// What the second scores of all photos are worth against the first.
    pub(super) fn judged(&self, before: &Table, after: &Table) -> Judged {
        let classes = self.data.classes_with_photos();
        judge(&self.data.right(before), &self.data.right(after), classes, self.recipe.seed)
    }
}

impl Fold<'_> {
    fn measure(&mut self, epoch: usize) {
        self.scores = self.fit.scores(&self.held_out);
        let truth = self.fit.truth();
        let right = self.scores.rows().zip(&self.held_out).filter(|(scores, photo)| best(scores) == truth[**photo]);
        self.curve.push(CurvePoint {
            epoch,
            train_loss: self.fit.own_loss(),
            held_out_loss: self.fit.mean_loss(&self.scores, &self.held_out),
            held_out_accuracy: right.count() as f64 / self.held_out.len() as f64,
        });
    }

    fn result(&self) -> FoldResult {
        FoldResult {
            held_out: self.held_out.len(),
            accuracy_before: self.curve[0].held_out_accuracy,
            accuracy_after: self.curve[self.best.epoch].held_out_accuracy,
            best_epoch: self.best.epoch,
            curve: self.curve.clone(),
        }
    }
}

/// Keeps the last pass where it is the best until now, judged by the other parts.
fn keep(folds: &mut [Fold<'_>], best: &mut Best, epoch: usize) {
    let losses: Vec<(f64, f64)> = folds
        .iter()
        .map(|fold| (fold.curve[epoch].held_out_loss * fold.held_out.len() as f64, fold.held_out.len() as f64))
        .collect();
    let mean_without = |part: Option<usize>| {
        let others = losses.iter().enumerate().filter(|(index, _)| Some(*index) != part);
        let (loss, photos) = others.fold((0.0, 0.0), |sum, (_, one)| (sum.0 + one.0, sum.1 + one.1));
        loss / photos
    };
    best.take(mean_without(None), epoch);
    for (part, fold) in folds.iter_mut().enumerate() {
        if fold.best.take(mean_without(Some(part)), epoch) {
            fold.kept = fold.scores.clone();
        }
    }
}

/// The mean over the parts, by their photos.
fn mean_curve(folds: &[Fold<'_>]) -> Vec<CurvePoint> {
    let photos: f64 = folds.iter().map(|fold| fold.held_out.len() as f64).sum();
    let mean = |epoch: usize, figure: fn(&CurvePoint) -> f64| {
        folds.iter().map(|fold| figure(&fold.curve[epoch]) * fold.held_out.len() as f64).sum::<f64>() / photos
    };
    let point = |epoch| CurvePoint {
        epoch,
        train_loss: mean(epoch, |point| point.train_loss),
        held_out_loss: mean(epoch, |point| point.held_out_loss),
        held_out_accuracy: mean(epoch, |point| point.held_out_accuracy),
    };
    (0..folds.first().map_or(0, |fold| fold.curve.len())).map(point).collect()
}

/// Does the same to every fold.
fn each(folds: &mut [Fold<'_>], act: impl Fn(&mut Fold<'_>)) {
    folds.iter_mut().for_each(act);
}
