//! Suggestions against what is known to be true.
//!
//! Probabilities are judged on photos that they have not learnt from: the photos with decisions are split in five, and
//! each fifth gets its probabilities from a calibration by the decisions of the other four.

use std::collections::BTreeMap;

use cliploupe_engine::{lab::Table, zero_shot::Scoring};
use cliploupe_library::{
    LibraryError, PhotoId,
    calibrate::{Background, Calibration},
    evaluate::{self as library, Evaluator, Judged, Measure},
};

use super::margins::{decisions, expected, margins};
use crate::messages::{
    Confusion, Evaluation, EvaluationDifference, EvaluationMean, EvaluationReport, EvaluationRow, Measured,
    PhotoId as Id, ReliabilityBin,
};

/// Parts that photos with decisions are split in.
const FOLDS: u32 = 5;
/// Photos named of one confusion.
const CONFUSED: usize = 12;

/// What is known of photos.
pub struct Truth {
    /// The labels that are judged.
    pub labels: Vec<String>,
    /// From which probability each is suggested.
    pub thresholds: Vec<f64>,
    /// Of each photo, in the order of numbers, whether each label is right; absent where nobody knows.
    pub photos: BTreeMap<PhotoId, Vec<Option<bool>>>,
    /// Whether probabilities are to learn from it; else they start from the library alone.
    pub learns: bool,
}

/// Photos and labels by one pair of heads.
pub struct View {
    /// What computed.
    pub what: String,
    /// The photos, in the order of numbers.
    pub photos: Vec<PhotoId>,
    /// `[photo, embed]`, unit vectors.
    pub embeddings: Table,
    /// `[label, embed]`, unit vectors, in the order of the truth's labels.
    pub directions: Vec<f32>,
    /// `[embed]`
    pub neutral: Vec<f32>,
    /// How cosines become scores.
    pub scoring: Scoring,
}

/// One view judged, and another beside it.
pub struct Judgement {
    /// As it crosses to the page.
    pub report: EvaluationReport,
    this: library::Evaluation,
    other: Option<library::Evaluation>,
    compared: Option<library::Comparison>,
}

/// Judges one view, and another beside it.
pub fn evaluate(truth: &Truth, this: &View, other: Option<&View>, measure: &str) -> Result<Judgement, LibraryError> {
    let measure = measure_of(measure)?;
    let Some(other) = other else {
        let (_, this, shown) = judged(truth, this, measure)?;
        let report = EvaluationReport { this: shown, other: None, differences: Vec::new() };
        return Ok(Judgement { report, this, other: None, compared: None });
    };
    // Only photos that both have seen can be compared.
    let seen = |view: &View, id: &PhotoId| view.photos.binary_search(id).is_ok();
    let photos = truth.photos.iter().filter(|(id, _)| seen(this, id) && seen(other, id));
    let both = Truth {
        labels: truth.labels.clone(),
        thresholds: truth.thresholds.clone(),
        photos: photos.map(|(id, known)| (*id, known.clone())).collect(),
        learns: truth.learns,
    };
    let (first, this, shown) = judged(&both, this, measure)?;
    let (second, other, beside) = judged(&both, other, measure)?;
    let compared = library::compare(&first, &second)?;
    let difference = |label: &library::LabelComparison| {
        let [low, high] = label.f1_interval?;
        let difference = Measured { value: label.f1_difference? as f32, low: low as f32, high: high as f32 };
        Some(EvaluationDifference { label: Some(label.name.clone()), difference })
    };
    let differences = compared.labels.iter().filter_map(difference).collect();
    let report = EvaluationReport { this: shown, other: Some(beside), differences };
    Ok(Judgement { report, this, other: Some(other), compared: Some(compared) })
}

fn measure_of(name: &str) -> Result<Measure, LibraryError> {
    match name {
        "f1" => Ok(Measure::F1),
        "f0.5" => Ok(Measure::FHalf),
        "f2" => Ok(Measure::F2),
        other => Err(LibraryError::Refused(format!("the measure {other:?} is none of f1, f0.5 and f2"))),
    }
}

/// Probabilities of the photos that something is known of: `[photo][label]`.
fn probabilities(truth: &Truth, view: &View) -> BTreeMap<PhotoId, Vec<f32>> {
    let labels = truth.labels.len();
    let scores = margins(view.embeddings.values(), &view.directions, &view.neutral);
    let expected = expected(view.scoring, view.embeddings.values(), &view.neutral);
    let known: Vec<(usize, PhotoId, &Vec<Option<bool>>)> =
        view.photos.iter().enumerate().filter_map(|(row, id)| Some((row, *id, truth.photos.get(id)?))).collect();
    let mut out: BTreeMap<PhotoId, Vec<f32>> = known.iter().map(|(_, id, _)| (*id, vec![0.0; labels])).collect();
    for label in 0..labels {
        let column: Vec<f32> = scores.iter().skip(label).step_by(labels.max(1)).copied().collect();
        let background = Background::of(&column).expecting(expected);
        for fold in 0..FOLDS {
            let others = known.iter().filter(|(_, id, _)| truth.learns && id % FOLDS != fold);
            let decided = others.filter_map(|(row, id, known)| Some((*id, column[*row], known[label]?)));
            let calibration = Calibration::fit(&background, &decisions(decided));
            for (row, id, _) in known.iter().filter(|(_, id, _)| id % FOLDS == fold) {
                if let Some(row_out) = out.get_mut(id) {
                    row_out[label] = calibration.probability(column[*row]) as f32;
                }
            }
        }
    }
    out
}

fn judged<'a>(
    truth: &Truth,
    view: &View,
    measure: Measure,
) -> Result<(Evaluator<'a>, library::Evaluation, Evaluation), LibraryError> {
    let judged = truth.labels.iter().zip(&truth.thresholds);
    let judged = judged.map(|(name, threshold)| Judged { name: name.clone(), threshold: *threshold }).collect();
    let mut evaluator = Evaluator::new(judged, |_, probability| f64::from(probability));
    let probabilities = probabilities(truth, view);
    for (id, probabilities) in &probabilities {
        if let Some(known) = truth.photos.get(id) {
            evaluator.photo(probabilities, known)?;
        }
    }
    let found = evaluator.finish(measure);
    let shown = told(&found, truth, view, &probabilities);
    Ok((evaluator, found, shown))
}

fn told(
    found: &library::Evaluation,
    truth: &Truth,
    view: &View,
    probabilities: &BTreeMap<PhotoId, Vec<f32>>,
) -> Evaluation {
    let measured = |value: Option<f64>, interval: Option<[f64; 2]>| {
        let [low, high] = interval?;
        Some(Measured { value: value? as f32, low: low as f32, high: high as f32 })
    };
    let row = |label: &library::LabelEvaluation| EvaluationRow {
        label: label.name.clone(),
        positives: label.support as u32,
        negatives: (label.known - label.support) as u32,
        threshold: label.threshold as f32,
        precision: measured(label.precision, label.precision_interval),
        recall: measured(label.recall, label.recall_interval),
        f1: label.f1.map(|value| value as f32),
        average_precision: label.average_precision.map(|value| value as f32),
        best: label.best.as_ref().map(|best| [best.threshold as f32, best.value as f32]),
    };
    let mean = |averages: &library::Averages| {
        Some(EvaluationMean {
            precision: averages.precision? as f32,
            recall: averages.recall? as f32,
            f1: averages.f1? as f32,
            average_precision: averages.average_precision.map(|value| value as f32),
        })
    };
    let bin = |bin: &library::ReliabilityBin| {
        let (probability, share) = (bin.mean_probability? as f32, bin.share_true? as f32);
        Some(ReliabilityBin { probability, share, count: bin.photos as u32 })
    };
    let confusion = |confusion: &library::Confusion| {
        let photos = confused(truth, probabilities, confusion);
        let (truth, suggested) = (confusion.truth.clone(), confusion.suggested.clone());
        Confusion { truth, suggested, count: confusion.photos as u32, photos }
    };
    Evaluation {
        what: view.what.clone(),
        photos: found.photos as u32,
        micro: mean(&found.micro),
        macro_mean: mean(&found.macro_),
        reliability: found.reliability.bins.iter().filter_map(bin).collect(),
        calibration_error: found.reliability.calibration_error.map(|value| value as f32),
        brier: found.reliability.brier.map(|value| value as f32),
        rows: found.labels.iter().map(row).collect(),
        confusions: found.confusions.iter().map(confusion).collect(),
    }
}

/// Some photos where one label is right and the other one was suggested instead.
fn confused(truth: &Truth, probabilities: &BTreeMap<PhotoId, Vec<f32>>, confusion: &library::Confusion) -> Vec<Id> {
    let place = |name: &str| truth.labels.iter().position(|label| label == name);
    let (Some(right), Some(wrong)) = (place(&confusion.truth), place(&confusion.suggested)) else { return Vec::new() };
    let is_suggested = |row: &[f32], label: usize| f64::from(row[label]) >= truth.thresholds[label];
    let is_confused = |(id, row): &(&PhotoId, &Vec<f32>)| {
        let known = &truth.photos[*id];
        known[right] == Some(true)
            && known[wrong] == Some(false)
            && is_suggested(row, wrong)
            && !is_suggested(row, right)
    };
    probabilities.iter().filter(is_confused).map(|(id, _)| *id).take(CONFUSED).collect()
}

impl Judgement {
    /// As tables, in Markdown or aligned with spaces.
    pub fn text(&self, markdown: bool) -> String {
        let one = |of: &library::Evaluation, what: &str| {
            let table = if markdown { of.to_markdown() } else { of.to_text() };
            let title = if markdown { format!("## {what}\n\n") } else { format!("{what}\n\n") };
            title + &table
        };
        let mut out = one(&self.this, &self.report.this.what);
        if let (Some(other), Some(shown), Some(compared)) = (&self.other, &self.report.other, &self.compared) {
            out.push('\n');
            out.push_str(&one(other, &shown.what));
            out.push('\n');
            out.push_str(&if markdown { compared.to_markdown() } else { compared.to_text() });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use cliploupe_engine::clip::ScoreKind;

    use super::*;

    /// Photos in two clusters, each with its own label.
    fn view(what: &str, turned: bool) -> View {
        let vector = |id: u32| {
            let angle = 0.02 * (id / 2) as f32;
            if id.is_multiple_of(2) == turned {
                [angle.cos(), angle.sin(), 0.0]
            } else {
                [angle.sin(), 0.0, angle.cos()]
            }
        };
        View {
            what: what.into(),
            photos: (0..40).collect(),
            embeddings: Table::new(3, (0..40).flat_map(vector).collect()),
            directions: vec![0.0, 0.0, 1.0, 1.0, 0.0, 0.0],
            neutral: vec![0.3, 0.3, 0.3],
            scoring: Scoring { kind: ScoreKind::Softmax, scale: 20.0, bias: 0.0 },
        }
    }

    fn truth() -> Truth {
        let photos = (0..40).map(|id| (id, vec![Some(id % 2 == 0), Some(id % 2 == 1)])).collect();
        Truth { labels: vec!["even".into(), "odd".into()], thresholds: vec![0.5; 2], photos, learns: true }
    }

    #[test]
    fn what_tells_clusters_apart_is_right_and_what_swaps_them_is_wrong() {
        let found = evaluate(&truth(), &view("good", false), Some(&view("bad", true)), "f1").unwrap();
        let report = &found.report;
        assert!(report.this.rows.iter().all(|row| row.f1 == Some(1.0) && row.average_precision == Some(1.0)));
        let other = report.other.as_ref().unwrap();
        assert!(other.rows.iter().all(|row| row.average_precision.unwrap() < 0.5));
        assert!(report.differences.iter().all(|row| row.difference.high < 0.0), "{:?}", report.differences);
        let shown = found.text(true);
        assert!(shown.contains("## good") && shown.contains("## bad") && shown.contains("even"), "{shown}");
    }

    #[test]
    fn a_measure_that_is_none_is_refused() {
        assert!(evaluate(&truth(), &view("good", false), None, "accuracy").is_err());
    }
}
