//! How good suggestions are, judged by what a person confirmed: accepted labels are true, rejected ones are false, and
//! where nobody decided nothing is known, so it does not count. Where every label of a photo is known, as with a folder
//! per class, what is not true is false.
//!
//! An [`Evaluator`] is given one photo after the other and keeps four bytes per known label; [`Evaluator::finish`]
//! measures, and [`compare`] holds two runs over the same photos side by side.

mod compare;
mod measures;
mod reliability;
mod report;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use self::{
    compare::{Comparison, LabelComparison, Numbers, compare},
    measures::{Best, Measure, wilson},
    reliability::{Reliability, ReliabilityBin},
};
use self::{
    measures::{Counts, average_precision, best},
    reliability::Sums,
};
use crate::LibraryError;

/// The most pairs of confused labels that are reported.
const MOST_CONFUSIONS: usize = 1000;

/// A label to be judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Its name.
    pub name: String,
    /// The probability from which on it is suggested.
    pub threshold: f64,
}

/// What is known of one label: scores of the photos it is true of, and of those it is not.
#[derive(Debug, Clone, Default)]
struct Points {
    accepted: Vec<f32>,
    rejected: Vec<f32>,
}

/// Gathers scores and truths, photo by photo.
pub struct Evaluator<'a> {
    labels: Vec<Judged>,
    probability: Box<dyn Fn(usize, f32) -> f64 + 'a>,
    points: Vec<Points>,
    confusions: HashMap<(usize, usize), u64>,
    photos: u64,
    /// Of the truths, in their order: runs that are compared must have seen the same.
    fingerprint: u64,
}

impl<'a> Evaluator<'a> {
    /// For these labels; `probability` makes the probability of a label (by its place) from a score, and must not fall
    /// where the score rises.
    pub fn new(labels: Vec<Judged>, probability: impl Fn(usize, f32) -> f64 + 'a) -> Self {
        let points = vec![Points::default(); labels.len()];
        Self {
            labels,
            probability: Box::new(probability),
            points,
            confusions: HashMap::new(),
            photos: 0,
            fingerprint: 0,
        }
    }

    /// Adds a photo.
    ///
    /// # Shapes
    /// - scores: `[label]`; one that is no number counts as the lowest
    /// - truth: `[label]`, `None` where nobody decided
    ///
    /// # Errors
    /// [`LibraryError::Refused`] if there are more or fewer numbers than labels.
    pub fn photo(&mut self, scores: &[f32], truth: &[Option<bool>]) -> Result<(), LibraryError> {
        let count = self.labels.len();
        if scores.len() != count || truth.len() != count {
            let (scores, truth) = (scores.len(), truth.len());
            return Err(LibraryError::Refused(format!("{count} labels, but {scores} scores and {truth} truths")));
        }
        let (mut missed, mut wrong) = (vec![], vec![]);
        for (label, (score, truth)) in scores.iter().zip(truth).enumerate() {
            let Some(truth) = *truth else { continue };
            let score = if score.is_nan() { f32::NEG_INFINITY } else { *score };
            let points = &mut self.points[label];
            if truth { &mut points.accepted } else { &mut points.rejected }.push(score);
            let known = (self.photos << 1 | u64::from(truth)) ^ (label as u64).rotate_left(40);
            self.fingerprint = (self.fingerprint.rotate_left(5) ^ known).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            match (truth, self.is_suggested(label, score)) {
                (true, false) => missed.push(label),
                (false, true) => wrong.push(label),
                _ => {}
            }
        }
        for &truth in &missed {
            wrong.iter().for_each(|&suggested| *self.confusions.entry((truth, suggested)).or_default() += 1);
        }
        self.photos += 1;
        Ok(())
    }

    /// Adds a photo of which every label is known.
    ///
    /// # Errors
    /// As [`photo`](Self::photo).
    pub fn photo_with_all_known(&mut self, scores: &[f32], true_labels: &[usize]) -> Result<(), LibraryError> {
        let truth: Vec<_> = (0..self.labels.len()).map(|label| Some(true_labels.contains(&label))).collect();
        self.photo(scores, &truth)
    }

    fn is_suggested(&self, label: usize, score: f32) -> bool {
        (self.probability)(label, score) >= self.labels[label].threshold
    }

    /// Measures everything; the best thresholds are those that maximise `measure`.
    pub fn finish(&self, measure: Measure) -> Evaluation {
        let mut pooled = Sums::default();
        let mut all = Counts::default();
        let labels: Vec<LabelEvaluation> = (0..self.labels.len())
            .map(|label| {
                let (evaluation, counts, sums) = self.label(label, measure);
                pooled.add(&sums);
                all.add(counts);
                evaluation
            })
            .collect();
        Evaluation {
            photos: self.photos,
            measure,
            micro: Averages { precision: all.precision(), recall: all.recall(), f1: all.f1(), average_precision: None },
            macro_: Averages::over(&labels),
            reliability: pooled.finish(),
            confusions: self.confused(),
            labels,
        }
    }

    fn label(&self, label: usize, measure: Measure) -> (LabelEvaluation, Counts, Sums) {
        let Judged { name, threshold } = &self.labels[label];
        let probability = |score: f32| (self.probability)(label, score);
        let (counts, mut sums) = (self.counts(label), Sums::default());
        let Points { accepted, rejected } = &self.points[label];
        accepted.iter().for_each(|score| sums.point(probability(*score), true));
        rejected.iter().for_each(|score| sums.point(probability(*score), false));
        let falling = |scores: &[f32]| {
            let mut scores = scores.to_vec();
            scores.sort_unstable_by(|a, b| b.total_cmp(a));
            scores
        };
        let (accepted, rejected) = (falling(accepted), falling(rejected));
        let evaluation = LabelEvaluation {
            name: name.clone(),
            known: counts.all(),
            support: counts.hits + counts.missed,
            threshold: *threshold,
            true_positives: counts.hits,
            false_positives: counts.wrong,
            false_negatives: counts.missed,
            true_negatives: counts.rightly_left,
            precision: counts.precision(),
            precision_interval: wilson(counts.hits, counts.hits + counts.wrong),
            recall: counts.recall(),
            recall_interval: wilson(counts.hits, counts.hits + counts.missed),
            f1: counts.f1(),
            average_precision: average_precision(&accepted, &rejected),
            best: best(&accepted, &rejected, probability, measure),
            reliability: sums.finish(),
        };
        (evaluation, counts, sums)
    }

    fn counts(&self, label: usize) -> Counts {
        let Points { accepted, rejected } = &self.points[label];
        let suggested = |scores: &[f32]| scores.iter().filter(|score| self.is_suggested(label, **score)).count() as u64;
        let (hits, wrong) = (suggested(accepted), suggested(rejected));
        Counts { hits, wrong, missed: accepted.len() as u64 - hits, rightly_left: rejected.len() as u64 - wrong }
    }

    fn confused(&self) -> Vec<Confusion> {
        let name = |label: usize| self.labels[label].name.clone();
        let mut pairs: Vec<_> = self.confusions.iter().map(|(pair, photos)| (*photos, *pair)).collect();
        pairs.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        pairs.truncate(MOST_CONFUSIONS);
        pairs
            .into_iter()
            .map(|(photos, (truth, suggested))| Confusion { truth: name(truth), suggested: name(suggested), photos })
            .collect()
    }
}

/// How good the suggestions of a run are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// How many photos were judged.
    pub photos: u64,
    /// What the best thresholds maximise.
    pub measure: Measure,
    /// Every label, in the order given.
    pub labels: Vec<LabelEvaluation>,
    /// Over all decisions, whatever their label.
    pub micro: Averages,
    /// Means over the labels that are true of some photo. A precision without any suggestion counts as 0 there.
    #[serde(rename = "macro")]
    pub macro_: Averages,
    /// Over all decisions, whatever their label.
    pub reliability: Reliability,
    /// Labels that were suggested instead of those that are true, the most frequent first; 1000 at most.
    pub confusions: Vec<Confusion>,
}

/// How good the suggestions of one label are. A number that is undefined, as the precision of nothing, is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelEvaluation {
    /// Its name.
    pub name: String,
    /// Photos of which it is known whether it is true.
    pub known: u64,
    /// Photos that it is true of.
    pub support: u64,
    /// The probability from which on it was suggested.
    pub threshold: f64,
    /// Suggested, and true.
    pub true_positives: u64,
    /// Suggested, and false.
    pub false_positives: u64,
    /// Not suggested, though true.
    pub false_negatives: u64,
    /// Not suggested, and false.
    pub true_negatives: u64,
    /// Part of what was suggested that is true.
    pub precision: Option<f64>,
    /// Where the precision lies with a probability of 95 %, by [`wilson`].
    pub precision_interval: Option<[f64; 2]>,
    /// Part of what is true that was suggested.
    pub recall: Option<f64>,
    /// Where the recall lies with a probability of 95 %, by [`wilson`].
    pub recall_interval: Option<[f64; 2]>,
    /// The harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Mean of the precision over all thresholds, weighted by the rise of the recall, as scikit-learn's
    /// `average_precision_score` has it: scores that are equal are one step.
    pub average_precision: Option<f64>,
    /// The threshold that maximises the measure asked for.
    pub best: Option<Best>,
    /// Whether probabilities are what they say.
    pub reliability: Reliability,
}

/// Numbers over several labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Averages {
    /// As for one label.
    pub precision: Option<f64>,
    /// As for one label.
    pub recall: Option<f64>,
    /// As for one label.
    pub f1: Option<f64>,
    /// As for one label; none over pooled labels, whose scores are not alike.
    pub average_precision: Option<f64>,
}

impl Averages {
    fn over(labels: &[LabelEvaluation]) -> Self {
        let supported = || labels.iter().filter(|label| label.support > 0);
        let count = supported().count() as f64;
        let mean = |value: fn(&LabelEvaluation) -> Option<f64>| {
            (count > 0.0).then(|| supported().map(|label| value(label).unwrap_or(0.0)).sum::<f64>() / count)
        };
        Self {
            precision: mean(|label| label.precision),
            recall: mean(|label| label.recall),
            f1: mean(|label| label.f1),
            average_precision: mean(|label| label.average_precision),
        }
    }
}

/// A label that was suggested where another is true and was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confusion {
    /// What is true and was not suggested.
    pub truth: String,
    /// What was suggested and is not true.
    pub suggested: String,
    /// On how many photos.
    pub photos: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(names: &[&str], threshold: f64) -> Vec<Judged> {
        names.iter().map(|name| Judged { name: (*name).into(), threshold }).collect()
    }

    pub(super) fn plain(names: &[&str]) -> Evaluator<'static> {
        Evaluator::new(judged(names, 0.5), |_, score| f64::from(score))
    }

    /// Scores with ties, and a truth that goes with them more or less.
    pub(super) fn points() -> impl Iterator<Item = (f32, bool)> {
        (0..200u32).map(|i| {
            let score = i * 37 % 101;
            (score as f32 / 100.0, (i * i + 3 * i) % 7 < 2 && score > 20 || score > 85)
        })
    }

    /// ```python
    /// from sklearn.metrics import *          # scikit-learn 1.9.1
    /// s = [i * 37 % 101 for i in range(200)]
    /// y = [int((i * i + 3 * i) % 7 < 2 and s[i] > 20 or s[i] > 85) for i in range(200)]
    /// p = [v / 100 for v in s]
    /// precision_recall_fscore_support(y, [v >= .5 for v in p], average="binary")
    /// average_precision_score(y, p); brier_score_loss(y, p)
    /// P, R, T = precision_recall_curve(y, p); F = 2 * P * R / (P + R); F.max(), T[F.argmax()]
    /// ```
    #[test]
    fn numbers_are_those_of_scikit_learn() {
        let mut evaluator = plain(&["dog"]);
        points().for_each(|(score, truth)| evaluator.photo(&[score], &[Some(truth)]).unwrap());
        let found = evaluator.finish(Measure::F1).labels.remove(0);
        let near = |found: Option<f64>, expected: f64| {
            assert!((found.unwrap() - expected).abs() < 1e-7, "{found:?} {expected}")
        };
        near(found.precision, 0.504_950_495_049_505);
        near(found.recall, 0.772_727_272_727_272_7);
        near(found.f1, 0.610_778_443_113_772_5);
        near(found.average_precision, 0.757_952_321_478_543_5);
        near(found.reliability.brier, 0.195_437_5);
        near(found.best.map(|best| best.value), 0.625);
        // scikit-learn names the score itself, 0.86; the next one below is 0.85.
        near(found.best.map(|best| best.threshold), 0.855);
    }

    #[test]
    fn what_nobody_decided_does_not_count() {
        let mut evaluator = plain(&["dog", "cat"]);
        evaluator.photo(&[0.9, 0.9], &[Some(true), None]).unwrap();
        evaluator.photo(&[0.9, 0.1], &[Some(false), Some(true)]).unwrap();
        evaluator.photo(&[0.9, f32::NAN], &[None, Some(true)]).unwrap();
        let found = evaluator.finish(Measure::F1);
        let [dog, cat] = [&found.labels[0], &found.labels[1]];
        assert_eq!((dog.known, dog.support, dog.precision, dog.recall), (2, 1, Some(0.5), Some(1.0)));
        assert_eq!((cat.known, cat.support, cat.precision, cat.recall), (2, 2, None, Some(0.0)));
        assert_eq!((found.photos, found.micro.precision, found.micro.recall), (3, Some(0.5), Some(1.0 / 3.0)));
        assert_eq!((found.macro_.precision, found.macro_.recall), (Some(0.25), Some(0.5)));
        let confusion = Confusion { truth: "cat".into(), suggested: "dog".into(), photos: 1 };
        assert_eq!(found.confusions, [confusion]);
        assert!(evaluator.photo(&[0.5], &[None]).is_err());
    }

    #[test]
    fn confusions_are_counted_where_every_label_is_known() {
        let mut evaluator = plain(&["wolf", "dog", "cat"]);
        for _ in 0..3 {
            evaluator.photo_with_all_known(&[0.1, 0.9, 0.2], &[0]).unwrap();
        }
        evaluator.photo_with_all_known(&[0.1, 0.2, 0.8], &[1]).unwrap();
        evaluator.photo_with_all_known(&[0.1, 0.9, 0.8], &[1]).unwrap();
        let found: Vec<_> = evaluator
            .finish(Measure::F1)
            .confusions
            .into_iter()
            .map(|confusion| (confusion.truth, confusion.suggested, confusion.photos))
            .collect();
        assert_eq!(found, [("wolf".into(), "dog".into(), 3), ("dog".into(), "cat".into(), 1)]);
    }

    #[test]
    fn nothing_known_is_no_number() {
        let found = plain(&["dog"]).finish(Measure::F1);
        let label = &found.labels[0];
        assert_eq!((label.precision, label.recall, label.f1, label.average_precision), (None, None, None, None));
        assert_eq!((&label.best, found.macro_, found.micro), (&None, Averages::default(), Averages::default()));
        let json = serde_json::to_value(&found).unwrap();
        assert!(json["labels"][0]["averagePrecision"].is_null() && json["macro"]["f1"].is_null(), "{json}");
        assert_eq!(json["measure"], "f1");
    }
}
