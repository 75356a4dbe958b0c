//! Suggestions of the machine, decisions of the person, and how good the one is by the other.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{CompareWith, PhotoId};

/// What a person says of a label on a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum ReviewVerdict {
    /// It is right: the photo has this tag.
    Accept,
    /// It is wrong.
    Reject,
    /// Nothing; an earlier verdict is taken back.
    Clear,
}

/// A decision about a label on a photo, and what had been suggested.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// The label.
    pub label: String,
    /// Accepted, so that it is a tag; or rejected.
    pub accepted: bool,
    /// When, milliseconds since 1970.
    #[ts(type = "number")]
    pub decided_ms: i64,
    /// By whom: `person`, `sidecar` or `file`.
    #[ts(type = r#""person" | "sidecar" | "file""#)]
    pub origin: String,
    /// What had been suggested, if anything.
    pub suggested: Option<SuggestedBy>,
}

/// Where a suggestion comes from.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SuggestedBy {
    /// The model.
    pub model: String,
    /// The sentence.
    pub prompt: String,
    /// Cosine of photo and label.
    pub cosine: f32,
    /// The cosine above that of neutral prompts.
    pub score: f32,
    /// Calibrated probability at that time.
    pub probability: f32,
    /// When, milliseconds since 1970.
    #[ts(type = "number")]
    pub suggested_ms: i64,
}

/// A suggestion that waits for a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Suggested {
    /// The photo.
    pub photo: PhotoId,
    /// The label.
    pub label: String,
    /// Where it comes from.
    pub by: SuggestedBy,
}

/// What comes first in the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum QueueOrder {
    /// Where a verdict teaches most: near the threshold.
    #[default]
    Useful,
    /// The most probable.
    Likely,
    /// The least probable.
    Doubtful,
}

/// What the queue is asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueQuery {
    /// Of one label only.
    pub label: Option<String>,
    /// What comes first.
    pub order: QueueOrder,
}

/// The beginning of the queue.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Queue {
    /// All that wait and meet the question.
    pub total: u32,
    /// The first of them, at most a thousand.
    pub items: Vec<Suggested>,
}

/// A label in review.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReviewLabel {
    /// The label.
    pub label: String,
    /// Photos with this tag.
    pub accepted: u32,
    /// Photos of which it was rejected.
    pub rejected: u32,
    /// Photos for which it waits for a verdict.
    pub waiting: u32,
    /// Probability at which it is suggested.
    pub threshold: f32,
    /// Who chose it: absent for the default, `person`, or the measure that it maximises, as `f1`.
    pub threshold_by: Option<String>,
    /// Whether it is in the label set in use.
    pub in_set: bool,
}

/// Where review stands.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReviewState {
    /// Labels of the set in use, in its order, then others that have decisions.
    pub labels: Vec<ReviewLabel>,
    /// Suggestions that wait.
    pub waiting: u32,
    /// Decisions that were made.
    pub decided: u32,
    /// The model that the suggestions are of; absent before there were any.
    pub suggested_by: Option<String>,
    /// When they were made, milliseconds since 1970.
    #[ts(type = "number | null")]
    pub suggested_ms: Option<i64>,
    /// Whether they are of another model, label set or projection than what is in use now.
    pub outdated: bool,
    /// What undo would take back.
    pub undo: Option<StepWords>,
    /// What redo would do again.
    pub redo: Option<StepWords>,
    /// Share of suggesting that is done, while it is under way.
    pub suggesting: Option<f32>,
}

/// A step of review, to be said in words.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StepWords {
    /// What was done.
    #[ts(type = r#""accept" | "reject" | "clear" | "add" | "rename" | "import""#)]
    pub kind: String,
    /// The label, if it was one.
    pub label: Option<String>,
    /// Photos.
    pub photos: u32,
}

/// A step that was taken back or done again.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StepDone {
    /// The step.
    pub step: StepWords,
    /// The photos whose decisions changed.
    pub photos: Vec<PhotoId>,
    /// Photos left as they are, because something newer was decided there.
    pub skipped: u32,
}

/// A photo beside the threshold.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Example {
    /// The photo.
    pub photo: PhotoId,
    /// Calibrated probability.
    pub probability: f32,
    /// What was decided, if anything.
    pub accepted: Option<bool>,
}

/// One label over the library.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LabelCard {
    /// The label.
    pub label: String,
    /// The sentences that stand for it.
    pub prompts: Vec<String>,
    /// Scores at the borders of the histogram's bins, one more than bins.
    pub edges: Vec<f32>,
    /// Photos in each bin.
    pub counts: Vec<u32>,
    /// Those where the label was accepted.
    pub accepted: Vec<u32>,
    /// Those where it was rejected.
    pub rejected: Vec<u32>,
    /// Calibrated probability at each border.
    pub probabilities: Vec<f32>,
    /// Decisions that the calibration has learnt from.
    pub decisions: u32,
    /// What the threshold comes to.
    pub at: ThresholdEffect,
    /// Who chose the threshold.
    pub threshold_by: Option<String>,
    /// The threshold that maximises F1 over the decisions, and that F1; absent with too few of them.
    pub best_f1: Option<[f32; 2]>,
}

/// What a threshold comes to.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ThresholdEffect {
    /// The probability.
    pub threshold: f32,
    /// The score there.
    pub score: f32,
    /// Photos at or above it.
    pub tagged: u32,
    /// Just above, nearest first.
    pub above: Vec<Example>,
    /// Just below, nearest first.
    pub below: Vec<Example>,
}

/// A measure of a label with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
pub struct Measured {
    /// The value.
    pub value: f32,
    /// Lower end.
    pub low: f32,
    /// Upper end.
    pub high: f32,
}

/// One label against the person's decisions.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationRow {
    /// The label.
    pub label: String,
    /// Photos that have it.
    pub positives: u32,
    /// Photos that do not have it.
    pub negatives: u32,
    /// The threshold in use.
    pub threshold: f32,
    /// Of those suggested, how many are right.
    pub precision: Option<Measured>,
    /// Of the right ones, how many are suggested.
    pub recall: Option<Measured>,
    /// Harmonic mean of both.
    pub f1: Option<f32>,
    /// Average precision.
    pub average_precision: Option<f32>,
    /// The threshold that maximises the chosen measure, and its value.
    pub best: Option<[f32; 2]>,
}

/// Averages over labels.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationMean {
    /// Precision.
    pub precision: f32,
    /// Recall.
    pub recall: f32,
    /// F1.
    pub f1: f32,
    /// Average precision.
    pub average_precision: Option<f32>,
}

/// A label that was suggested where another one is right.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Confusion {
    /// What is right.
    pub truth: String,
    /// What was suggested.
    pub suggested: String,
    /// How often.
    pub count: u32,
    /// Some of the photos.
    pub photos: Vec<PhotoId>,
}

/// A bin of the reliability curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
pub struct ReliabilityBin {
    /// Mean probability in it.
    pub probability: f32,
    /// Share that is right.
    pub share: f32,
    /// Pairs of photo and label in it.
    pub count: u32,
}

/// Suggestions against the person's decisions.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// What computed: the model, and the edits of its projection if there are any.
    pub what: String,
    /// Photos with decisions.
    pub photos: u32,
    /// One row a label.
    pub rows: Vec<EvaluationRow>,
    /// Over all pairs.
    pub micro: Option<EvaluationMean>,
    /// Over the labels.
    pub macro_mean: Option<EvaluationMean>,
    /// Confusions, most first.
    pub confusions: Vec<Confusion>,
    /// Reliability of the probabilities.
    pub reliability: Vec<ReliabilityBin>,
    /// Expected calibration error.
    pub calibration_error: Option<f32>,
    /// Brier score.
    pub brier: Option<f32>,
}

/// What an evaluation is asked for.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationQuery {
    /// The measure that the best threshold maximises.
    #[ts(type = r#""f1" | "f0.5" | "f2""#)]
    pub measure: String,
    /// What to put beside it.
    pub compare: Option<CompareWith>,
}

/// How a label differs between two runs.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct EvaluationDifference {
    /// The label; absent for the mean over labels.
    pub label: Option<String>,
    /// F1 of the other less that of this.
    pub difference: Measured,
}

/// An evaluation, and another beside it.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationReport {
    /// What is in use.
    pub this: Evaluation,
    /// What it was compared with.
    pub other: Option<Evaluation>,
    /// Where they differ.
    pub differences: Vec<EvaluationDifference>,
}
