//! Two runs over the same photos side by side: two models, two projections, two sets of prompts.

use serde::{Deserialize, Serialize};

use super::{Averages, Evaluator, Measure, measures::Counts};
use crate::{LibraryError, seeded::Seeded};

/// Samples of the bootstrap.
const SAMPLES: usize = 1000;
/// Where its numbers begin, so that a comparison gives the same twice.
const SEED: u64 = 20_260_601;

/// Two runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// How many photos both have seen.
    pub photos: u64,
    /// Every label, in the order given.
    pub labels: Vec<LabelComparison>,
    /// Means over labels of the first run.
    pub macro_first: Averages,
    /// Means over labels of the second run.
    pub macro_second: Averages,
    /// Labels whose F1 is better in the second run, by more than chance.
    pub better: usize,
    /// Labels whose F1 is worse in the second run, by more than chance.
    pub worse: usize,
}

/// One label in two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelComparison {
    /// Its name.
    pub name: String,
    /// Photos that it is true of.
    pub support: u64,
    /// In the first run.
    pub first: Numbers,
    /// In the second run.
    pub second: Numbers,
    /// F1 of the second less F1 of the first.
    pub f1_difference: Option<f64>,
    /// Where that lies with a probability of 95 %: percentiles of a paired bootstrap over the photos (Efron 1979). Without
    /// 0 in it, the difference is more than chance.
    pub f1_interval: Option<[f64; 2]>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Numbers {
    /// As in [`LabelEvaluation`](super::LabelEvaluation).
    pub precision: Option<f64>,
    /// As in [`LabelEvaluation`](super::LabelEvaluation).
    pub recall: Option<f64>,
    /// As in [`LabelEvaluation`](super::LabelEvaluation).
    pub f1: Option<f64>,
    /// As in [`LabelEvaluation`](super::LabelEvaluation).
    pub average_precision: Option<f64>,
}

/// Compares two runs that were given the same photos and truths in the same order.
///
/// # Errors
/// [`LibraryError::Refused`] if they were not.
pub fn compare(first: &Evaluator, second: &Evaluator) -> Result<Comparison, LibraryError> {
    let names = |run: &Evaluator| run.labels.iter().map(|label| label.name.clone()).collect::<Vec<_>>();
    let is_alike =
        names(first) == names(second) && (first.photos, first.fingerprint) == (second.photos, second.fingerprint);
    if !is_alike {
        let why = "two runs can be compared only on the same labels, photos and decisions, in the same order";
        return Err(LibraryError::Refused(why.into()));
    }
    let (one, other) = (first.finish(Measure::F1), second.finish(Measure::F1));
    let mut seeded = Seeded(SEED);
    let labels: Vec<LabelComparison> = one
        .labels
        .iter()
        .zip(&other.labels)
        .enumerate()
        .map(|(label, (a, b))| {
            let numbers = |of: &super::LabelEvaluation| Numbers {
                precision: of.precision,
                recall: of.recall,
                f1: of.f1,
                average_precision: of.average_precision,
            };
            LabelComparison {
                name: a.name.clone(),
                support: a.support,
                first: numbers(a),
                second: numbers(b),
                f1_difference: a.f1.zip(b.f1).map(|(a, b)| b - a),
                f1_interval: interval(kinds(first, second, label), &mut seeded),
            }
        })
        .collect();
    let surely = |is: fn([f64; 2]) -> bool| labels.iter().filter(|label| label.f1_interval.is_some_and(is)).count();
    let (better, worse) = (surely(|[low, _]| low > 0.0), surely(|[_, high]| high < 0.0));
    let (macro_first, macro_second) = (one.macro_, other.macro_);
    Ok(Comparison { photos: first.photos, labels, macro_first, macro_second, better, worse })
}

/// Photos by what is true and what either run suggested: F1 depends on nothing else, so a bootstrap over a million
/// photos draws eight numbers.
type Kinds = [u64; 8];

fn kind(is_true: bool, first: bool, second: bool) -> usize {
    usize::from(is_true) << 2 | usize::from(first) << 1 | usize::from(second)
}

fn kinds(first: &Evaluator, second: &Evaluator, label: usize) -> Kinds {
    let mut kinds = Kinds::default();
    let (one, other) = (&first.points[label], &second.points[label]);
    let pairs = [(true, &one.accepted, &other.accepted), (false, &one.rejected, &other.rejected)];
    for (is_true, one, other) in pairs {
        for (a, b) in one.iter().zip(other) {
            kinds[kind(is_true, first.is_suggested(label, *a), second.is_suggested(label, *b))] += 1;
        }
    }
    kinds
}

fn difference(kinds: &Kinds) -> Option<f64> {
    let sum = |is_true: bool, suggested: bool, second: bool| -> u64 {
        [false, true]
            .map(|other| if second { kind(is_true, other, suggested) } else { kind(is_true, suggested, other) })
            .map(|kind| kinds[kind])
            .iter()
            .sum()
    };
    let f1 = |second: bool| {
        let (hits, wrong, missed) = (sum(true, true, second), sum(false, true, second), sum(true, false, second));
        Counts { hits, wrong, missed, rightly_left: 0 }.f1()
    };
    Some(f1(true)? - f1(false)?)
}

/// Percentiles of the difference; none if it is undefined, or in most samples.
fn interval(kinds: Kinds, seeded: &mut Seeded) -> Option<[f64; 2]> {
    difference(&kinds)?;
    let mut samples: Vec<f64> = (0..SAMPLES).filter_map(|_| difference(&resampled(&kinds, seeded))).collect();
    samples.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| samples[(part * (samples.len() - 1) as f64).round() as usize];
    (samples.len() * 2 > SAMPLES).then(|| [at(0.025), at(0.975)])
}

/// As many photos again, drawn with replacement: a multinomial sample, one binomial after the other.
fn resampled(kinds: &Kinds, seeded: &mut Seeded) -> Kinds {
    let mut left: u64 = kinds.iter().sum();
    let mut unseen = left;
    kinds.map(|count| {
        let drawn = if unseen == 0 { 0 } else { binomial(left, count as f64 / unseen as f64, seeded) };
        left -= drawn;
        unseen -= count;
        drawn
    })
}

/// How often something of this probability happens in so many trials.
fn binomial(trials: u64, probability: f64, seeded: &mut Seeded) -> u64 {
    /// From so many expected events on, the normal distribution is near enough.
    const MANY: f64 = 40.0;
    if probability >= 1.0 || trials == 0 {
        return trials;
    }
    if probability > 0.5 {
        return trials - binomial(trials, 1.0 - probability, seeded);
    }
    let mean = trials as f64 * probability;
    if mean > MANY {
        let drawn = (mean + (mean * (1.0 - probability)).sqrt() * seeded.normal()).round();
        return (drawn.max(0.0) as u64).min(trials);
    }
    if probability <= 0.0 {
        return 0;
    }
    // From one event to the next, by the geometric distribution.
    let (mut at, mut events) = (0.0, 0);
    loop {
        at += ((1.0 - seeded.uniform()).ln() / (-probability).ln_1p()).floor() + 1.0;
        if at > trials as f64 {
            return events;
        }
        events += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::tests::plain;

    #[test]
    fn a_run_that_is_better_by_far_is_found_so_and_one_that_is_the_same_is_not() {
        let mut seeded = Seeded(4);
        let [mut first, mut same, mut second] = [(); 3].map(|()| plain(&["dog", "rare"]));
        for _ in 0..400 {
            let is_true = seeded.uniform() < 0.3;
            let mut score = |quality: f64| {
                let is_right = seeded.uniform() < quality;
                if is_right == is_true { 0.9 } else { 0.1 }
            };
            let (poor, like, good) = (score(0.75), score(0.75), score(0.95));
            let truth = [Some(is_true), None];
            first.photo(&[poor, 0.5], &truth).unwrap();
            same.photo(&[like, 0.5], &truth).unwrap();
            second.photo(&[good, 0.5], &truth).unwrap();
        }
        let found = compare(&first, &second).unwrap();
        let [low, high] = found.labels[0].f1_interval.unwrap();
        let difference = found.labels[0].f1_difference.unwrap();
        assert!(low > 0.1 && low < difference && difference < high, "{low} {difference} {high}");
        assert_eq!((found.better, found.worse, found.labels[1].f1_interval), (1, 0, None));
        assert_eq!(compare(&second, &first).unwrap().worse, 1);
        let found = compare(&first, &same).unwrap();
        let [low, high] = found.labels[0].f1_interval.unwrap();
        assert!(low < 0.0 && high > 0.0 && found.better + found.worse == 0, "{low} {high}");
        assert_eq!(compare(&first, &second).unwrap(), compare(&first, &second).unwrap());
    }

    #[test]
    fn runs_over_other_photos_are_refused() {
        let [mut first, mut second] = [(); 2].map(|()| plain(&["dog"]));
        first.photo(&[0.5], &[Some(true)]).unwrap();
        second.photo(&[0.5], &[Some(false)]).unwrap();
        assert!(matches!(compare(&first, &second), Err(LibraryError::Refused(_))));
        assert!(matches!(compare(&first, &plain(&["cat"])), Err(LibraryError::Refused(_))));
    }

    #[test]
    fn binomial_numbers_have_their_mean_and_variance() {
        let mut seeded = Seeded(8);
        for (trials, probability) in [(10, 0.3), (1000, 0.02), (1000, 0.9), (1_000_000, 0.4)] {
            let drawn: Vec<f64> = (0..4000).map(|_| binomial(trials, probability, &mut seeded) as f64).collect();
            let mean = drawn.iter().sum::<f64>() / 4000.0;
            let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4000.0;
            let (expected, spread) = (trials as f64 * probability, trials as f64 * probability * (1.0 - probability));
            assert!((mean - expected).abs() < 4.0 * (spread / 4000.0).sqrt(), "{trials} {probability} {mean}");
            assert!((variance / spread - 1.0).abs() < 0.1, "{trials} {probability} {variance} {spread}");
        }
        assert_eq!((binomial(5, 0.0, &mut seeded), binomial(5, 1.0, &mut seeded)), (0, 5));
        let kinds = [3, 0, 100, 7, 0, 0, 1, 50_000];
        assert_eq!(resampled(&kinds, &mut seeded).iter().sum::<u64>(), kinds.iter().sum::<u64>());
    }
}
