//! Numbers of one label: precision and recall, their intervals, average precision, and the best threshold.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::LibraryError;

/// The 97.5th of a hundred of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// What a threshold is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Measure {
    /// Precision and recall count the same.
    F1,
    /// Precision counts twice as much as recall.
    FHalf,
    /// Recall counts twice as much as precision.
    F2,
    /// The highest precision whose recall is at least this.
    PrecisionAtRecall(f64),
    /// The highest recall whose precision is at least this.
    RecallAtPrecision(f64),
}

impl Measure {
    /// None where the demand is not met.
    fn value(self, counts: Counts) -> Option<f64> {
        match self {
            Self::F1 => counts.f_beta(1.0),
            Self::FHalf => counts.f_beta(0.5),
            Self::F2 => counts.f_beta(2.0),
            Self::PrecisionAtRecall(least) => counts.precision().filter(|_| counts.recall() >= Some(least)),
            Self::RecallAtPrecision(least) => counts.recall().filter(|_| counts.precision() >= Some(least)),
        }
    }
}

impl fmt::Display for Measure {
    /// `f1`, `f0.5`, `f2`, `precision@recall=0.9`, `recall@precision=0.9`; as [`Measure::from_str`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F1 => f.write_str("f1"),
            Self::FHalf => f.write_str("f0.5"),
            Self::F2 => f.write_str("f2"),
            Self::PrecisionAtRecall(least) => write!(f, "precision@recall={least}"),
            Self::RecallAtPrecision(least) => write!(f, "recall@precision={least}"),
        }
    }
}

impl FromStr for Measure {
    type Err = LibraryError;

    fn from_str(text: &str) -> Result<Self, LibraryError> {
        let least = |number: &str| number.parse().ok().filter(|least| (0.0..=1.0).contains(least));
        let known = match (text, text.split_once('=')) {
            ("f1", _) => Some(Self::F1),
            ("f0.5", _) => Some(Self::FHalf),
            ("f2", _) => Some(Self::F2),
            (_, Some(("precision@recall", number))) => least(number).map(Self::PrecisionAtRecall),
            (_, Some(("recall@precision", number))) => least(number).map(Self::RecallAtPrecision),
            _ => None,
        };
        known.ok_or_else(|| {
            let known = "f1, f0.5, f2, precision@recall=0.9 or recall@precision=0.9";
            LibraryError::Refused(format!("{text:?} is no measure; choose {known}"))
        })
    }
}

impl From<Measure> for String {
    fn from(measure: Measure) -> Self {
        measure.to_string()
    }
}

impl TryFrom<String> for Measure {
    type Error = LibraryError;

    fn try_from(text: String) -> Result<Self, LibraryError> {
        text.parse()
    }
}

/// The four kinds of a judged suggestion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub hits: u64,
    pub wrong: u64,
    pub missed: u64,
    pub rightly_left: u64,
}

impl Counts {
    pub fn add(&mut self, other: Self) {
        self.hits += other.hits;
        self.wrong += other.wrong;
        self.missed += other.missed;
        self.rightly_left += other.rightly_left;
    }

    pub fn all(self) -> u64 {
        self.hits + self.wrong + self.missed + self.rightly_left
    }

    pub fn precision(self) -> Option<f64> {
        part(self.hits as f64, (self.hits + self.wrong) as f64)
    }

    pub fn recall(self) -> Option<f64> {
        part(self.hits as f64, (self.hits + self.missed) as f64)
    }

    pub fn f1(self) -> Option<f64> {
        self.f_beta(1.0)
    }

    /// (1 + β²)·hits / ((1 + β²)·hits + β²·missed + wrong), after van Rijsbergen; none if nothing is true or suggested.
    fn f_beta(self, beta: f64) -> Option<f64> {
        let square = beta * beta;
        let hits = (1.0 + square) * self.hits as f64;
        part(hits, hits + square * self.missed as f64 + self.wrong as f64)
    }
}

fn part(of: f64, all: f64) -> Option<f64> {
    (all > 0.0).then(|| of / all)
}

/// Where a share lies with a probability of 95 %, from what was counted (Wilson, JASA 22, 1927); none of nothing.
pub fn wilson(counted: u64, all: u64) -> Option<[f64; 2]> {
    let n = all as f64;
    let share = part(counted as f64, n)?;
    let middle = share + Z * Z / (2.0 * n);
    let reach = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    Some([((middle - reach) / scale).max(0.0), ((middle + reach) / scale).min(1.0)])
}

/// Distinct scores from the highest on, each with how many accepted and rejected photos have it; both lists fall.
fn steps(accepted: &[f32], rejected: &[f32]) -> impl Iterator<Item = (f32, u64, u64)> {
    let (mut accepted, mut rejected) = (accepted.iter().peekable(), rejected.iter().peekable());
    std::iter::from_fn(move || {
        let score = match (accepted.peek(), rejected.peek()) {
            (Some(a), Some(b)) => a.max(**b),
            (Some(score), None) | (None, Some(score)) => **score,
            (None, None) => return None,
        };
        let mut hits = 0;
        while accepted.next_if(|other| **other >= score).is_some() {
            hits += 1;
        }
        let mut wrong = 0;
        while rejected.next_if(|other| **other >= score).is_some() {
            wrong += 1;
        }
        Some((score, hits, wrong))
    })
}

/// Σ (Rₙ − Rₙ₋₁)·Pₙ over distinct scores; none if nothing is true.
pub(super) fn average_precision(accepted: &[f32], rejected: &[f32]) -> Option<f64> {
    let (mut hits, mut suggested, mut sum) = (0, 0, 0.0);
    for (_, new_hits, new_wrong) in steps(accepted, rejected) {
        hits += new_hits;
        suggested += new_hits + new_wrong;
        sum += new_hits as f64 * hits as f64 / suggested as f64;
    }
    part(sum, accepted.len() as f64)
}

/// A threshold, and what it would do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Best {
    /// The probability to suggest from, half way between the photos on both sides.
    pub threshold: f64,
    /// What is maximised, there.
    pub value: f64,
    /// Precision there.
    pub precision: f64,
    /// Recall there.
    pub recall: f64,
}

/// The threshold that maximises a measure, the highest one of several; none if nothing is true, or no threshold meets
/// the demand. It was chosen on the very photos it is judged by, so others will do a little worse.
pub(super) fn best(
    accepted: &[f32],
    rejected: &[f32],
    probability: impl Fn(f32) -> f64,
    measure: Measure,
) -> Option<Best> {
    let (positives, negatives) = (accepted.len() as u64, rejected.len() as u64);
    if positives == 0 {
        return None;
    }
    let mut best: Option<Best> = None;
    let mut counts = Counts { missed: positives, rightly_left: negatives, ..Counts::default() };
    let mut steps = steps(accepted, rejected).peekable();
    while let Some((score, hits, wrong)) = steps.next() {
        counts.hits += hits;
        counts.wrong += wrong;
        counts.missed -= hits;
        counts.rightly_left -= wrong;
        let here = probability(score);
        let next = steps.peek().map(|(score, ..)| probability(*score));
        // Scores that have one probability cannot be parted by it.
        if next.is_some_and(|next| next >= here) {
            continue;
        }
        let Some(value) = measure.value(counts) else { continue };
        if best.as_ref().is_none_or(|best| value > best.value) {
            let half = next.map_or(here, |next| here.midpoint(next));
            let threshold = if next.is_some_and(|next| half <= next) { here } else { half };
            let (precision, recall) = (counts.precision().unwrap_or(0.0), counts.recall().unwrap_or(0.0));
            best = Some(Best { threshold, value, precision, recall });
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: ([f32; 4], [f32; 4]) = ([0.9, 0.8, 0.5, 0.2], [0.85, 0.5, 0.4, 0.1]);

    #[test]
    fn average_precision_takes_ties_as_one_step() {
        // By hand: recall rises by a quarter at 0.9 (1 of 1), 0.8 (2 of 3), 0.5 (3 of 5) and 0.2 (4 of 7).
        let by_hand = (1.0 + 2.0 / 3.0 + 3.0 / 5.0 + 4.0 / 7.0) / 4.0;
        assert!((average_precision(&SOME.0, &SOME.1).unwrap() - by_hand).abs() < 1e-12);
        // All equal: the share of what is true, whatever the order.
        assert_eq!(average_precision(&[0.3; 2], &[0.3; 6]), Some(0.25));
        assert_eq!((average_precision(&[1.0], &[]), average_precision(&[], &[1.0])), (Some(1.0), None));
    }

    #[test]
    fn the_best_threshold_maximises_what_is_asked_for() {
        let found = |measure| best(&SOME.0, &SOME.1, f64::from, measure).unwrap();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-7, "{a} {b}");
        // F1: 2/5, 2/5, 4/7, 6/9, 6/10, 8/11, 8/12 from the highest score on.
        near(found(Measure::F1).value, 8.0 / 11.0);
        near(found(Measure::F1).threshold, 0.15);
        // F0.5: 1.25/2 at 0.9, 2.5/(2.5 + 0.5 + 1) = 0.625 at 0.8 as well: the higher one is taken.
        near(found(Measure::FHalf).value, 0.625);
        near(found(Measure::FHalf).threshold, 0.875);
        near(found(Measure::F2).value, 20.0 / 23.0);
        let demanded = found(Measure::PrecisionAtRecall(0.6));
        assert_eq!((demanded.precision, demanded.recall), (0.6, 0.75));
        near(demanded.threshold, 0.45);
        let demanded = found(Measure::RecallAtPrecision(0.6));
        assert_eq!((demanded.precision, demanded.recall), (0.6, 0.75));
        assert_eq!(best(&[0.1], &[0.9], f64::from, Measure::RecallAtPrecision(0.9)), None);
        assert_eq!(best(&[], &[0.9], f64::from, Measure::F1), None);
    }

    #[test]
    fn a_threshold_parts_what_it_says_it_parts() {
        // Probabilities that cannot be told apart are taken or left together.
        let steps = |score: f32| f64::from((score * 4.0).floor()) / 4.0;
        let found = best(&SOME.0, &SOME.1, steps, Measure::F1).unwrap();
        let suggested = |scores: &[f32]| scores.iter().filter(|score| steps(**score) >= found.threshold).count() as f64;
        let (hits, wrong) = (suggested(&SOME.0), suggested(&SOME.1));
        assert_eq!((found.precision, found.recall), (hits / (hits + wrong), hits / 4.0));
    }

    #[test]
    fn intervals_are_wilsons() {
        // statsmodels.stats.proportion.proportion_confint(8, 10, method="wilson") and (0, 10)
        let near = |found: Option<[f64; 2]>, expected: [f64; 2]| {
            assert!(found.unwrap().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-7), "{found:?}");
        };
        near(wilson(8, 10), [0.490_162_47, 0.943_317_85]);
        near(wilson(0, 10), [0.0, 0.277_532_80]);
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn measures_are_read_as_they_are_written() {
        for measure in
            [Measure::F1, Measure::FHalf, Measure::F2, Measure::PrecisionAtRecall(0.9), Measure::RecallAtPrecision(0.5)]
        {
            assert_eq!(measure.to_string().parse::<Measure>().unwrap(), measure);
        }
        assert!(["f3", "precision@recall=2", "", "f1=1"].iter().all(|text| text.parse::<Measure>().is_err()));
    }
}
