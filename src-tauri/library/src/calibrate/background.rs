//! What the margins of all photos say of a label before anybody decided: where photos that match part from the others.

use serde::{Deserialize, Serialize};

/// Spread of the margins of photos that do not match, in cosines, as CLIP models have it; only for libraries of a few
/// photos, whose own spread says little.
const TYPICAL_SPREAD: f64 = 0.02;
/// How many photos the typical spread counts for.
const TYPICAL_WEIGHT: f64 = 5.0;
/// More photos than this do not make the fit surer: margins are only roughly normal, and a million of them would fit
/// what is wrong with that.
const MOST_PHOTOS: f64 = 500.0;

/// Made-up observations that decide where the margins do not: what part of the photos a label is true of,
const TRUE_SEEN: f64 = 1.0;
const FALSE_SEEN: f64 = 9.0;
/// how many spreads the photos that match lie above the others,
const GAP: f64 = 3.5;
const GAP_WEIGHT: f64 = 15.0;
/// and how the spread of one kind compares to that of all.
const SPREAD_WEIGHT: f64 = 10.0;
/// The two kinds never come nearer than so many spreads: closer ones would only describe the shape of one.
const LEAST_GAP: f64 = 2.5;
/// How far, in spreads, the parting may lie from a margin of 0, where a photo fits the label as well as it fits neutral
/// sentences. Weak: it decides only between readings that the margins leave open.
const ZERO_SPREAD: f64 = 3.0;
/// The steepest logistic that is believed before anybody decided, in log-odds per spread.
const STEEPEST: f64 = 3.0;

/// Bins of the standardised margins, from `LOWEST` on.
const BINS: usize = 400;
const BIN: f64 = 0.05;
const LOWEST: f64 = -8.0;
const ROUNDS: usize = 80;

/// The margins of one label over a library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Background {
    /// How many photos had a margin.
    pub photos: usize,
    /// Half of them lie below.
    pub median: f64,
    /// Half the distance between the 16th and the 84th of a hundred: the standard deviation, if they were normal.
    pub scale: f64,
    /// Mean of the photos that do not match.
    pub low: f64,
    /// Mean of those that do.
    pub high: f64,
    /// Standard deviation of either kind.
    pub spread: f64,
    /// Part of the photos that match, from 0 to 1.
    pub share: f64,
    /// What the model itself would say, for as long as there are too few photos to ask.
    pub expected: Option<Expected>,
}

/// What a model was trained to mean by a margin, whatever the library.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// The margin at which the model gives 0.5.
    pub middle: f64,
    /// Rise of the log-odds per unit of margin, above 0; a model's logit scale.
    pub slope: f64,
}

/// With so many photos, what they show and what the model was trained to say weigh the same. A mixture of two
/// distributions cannot be told from a handful of margins: among seven photos, the one most like a church would be one.
const ENOUGH: f64 = 200.0;

impl Background {
    /// Of all margins of one label, in any order. Margins that are no numbers are passed over.
    pub fn of(scores: &[f32]) -> Self {
        let mut scores: Vec<f32> = scores.iter().copied().filter(|score| score.is_finite()).collect();
        let photos = scores.len();
        let [low, median, high] = [0.16, 0.5, 0.84].map(|part| quantile(&mut scores, part));
        let scale = (high - low) / 2.0;
        let own = if scale > 0.0 { scale } else { TYPICAL_SPREAD };
        let weight = photos as f64;
        let unit = ((weight * own.ln() + TYPICAL_WEIGHT * TYPICAL_SPREAD.ln()) / (weight + TYPICAL_WEIGHT)).exp();
        let mixture = Mixture::best(&binned(&scores, median, unit), -median / unit);
        let back = |z: f64| median + unit * z;
        let Mixture { low, high, spread, share } = mixture;
        Self { photos, median, scale, low: back(low), high: back(high), spread: unit * spread, share, expected: None }
    }

    /// The same, held to what the model was trained to say while there are few photos.
    pub fn expecting(self, expected: Expected) -> Self {
        Self { expected: Some(expected), ..self }
    }

    /// Place and slope of the logistic function that two normal distributions with one spread make.
    pub(super) fn logistic(&self) -> (f64, f64) {
        let gap = (self.high - self.low) / self.spread;
        let odds = ((1.0 - self.share) / self.share).ln();
        let middle = self.low.midpoint(self.high) + self.spread * odds / gap;
        let slope = gap.min(STEEPEST) / self.spread;
        let Some((expected, weight)) = self.expected.map(|expected| (expected, self.weight())) else {
            return (middle, slope);
        };
        let slope = weight * slope.ln() + (1.0 - weight) * expected.slope.ln();
        (weight * middle + (1.0 - weight) * expected.middle, slope.exp())
    }

    /// How far the photos are asked rather than the model.
    fn weight(&self) -> f64 {
        self.photos as f64 / (self.photos as f64 + ENOUGH)
    }

    /// The unit that moves of the place are measured in: the spread, as far as photos show it.
    pub(super) fn unit(&self) -> f64 {
        match self.expected {
            // A spread is where odds change by a factor of some seven.
            Some(expected) => {
                (self.weight() * self.spread.ln() + (1.0 - self.weight()) * (2.0 / expected.slope).ln()).exp()
            }
            None => self.spread,
        }
    }
}

/// The number that a part of all lies below; 0 of none.
fn quantile(scores: &mut [f32], part: f64) -> f64 {
    if scores.is_empty() {
        return 0.0;
    }
    let at = (part * (scores.len() - 1) as f64).round() as usize;
    f64::from(*scores.select_nth_unstable_by(at, f32::total_cmp).1)
}

/// Weights of the bins, summing to the number of photos that count.
fn binned(scores: &[f32], median: f64, unit: f64) -> Vec<f64> {
    let mut bins = vec![0.0; BINS];
    let weight = (MOST_PHOTOS / scores.len().max(1) as f64).min(1.0);
    for score in scores {
        let z = (f64::from(*score) - median) / unit;
        // Casting stops at 0.
        let bin = ((z - LOWEST) / BIN) as usize;
        bins[bin.min(BINS - 1)] += weight;
    }
    bins
}

/// Two normal distributions with one spread.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mixture {
    low: f64,
    high: f64,
    spread: f64,
    share: f64,
}

impl Mixture {
    /// The likeliest of several fits, each from another guess of how many photos match.
    fn best(bins: &[f64], zero: f64) -> Self {
        let fits = [0.02, 0.1, 0.3, 0.5, 0.7, 0.9].map(|share| {
            let start = Self::guess(bins, share);
            (0..ROUNDS).fold(start, |mixture, _| mixture.improved(bins))
        });
        let merit = |mixture: &Self| mixture.merit(bins, zero);
        fits.into_iter().max_by(|a, b| merit(a).total_cmp(&merit(b))).expect("there are several fits")
    }

    /// The two means if the highest margins were those that match.
    fn guess(bins: &[f64], share: f64) -> Self {
        let all: f64 = bins.iter().sum();
        let (mut left, mut sums) = (all * (1.0 - share), [(0.0, 0.0); 2]);
        for (weight, z) in bins.iter().zip(centres()) {
            let below = weight.min(left.max(0.0));
            left -= weight;
            for (sum, part) in sums.iter_mut().zip([below, weight - below]) {
                *sum = (sum.0 + part, sum.1 + part * z);
            }
        }
        let mean = |(weight, sum): (f64, f64), other: f64| if weight > 0.0 { sum / weight } else { other };
        let low = mean(sums[0], 0.0);
        let spread = 0.7;
        Self { low, high: mean(sums[1], GAP).max(low + LEAST_GAP * spread), spread, share }
    }

    /// One round of expectation and maximisation (Dempster, Laird, Rubin 1977), with the made-up observations.
    fn improved(self, bins: &[f64]) -> Self {
        let [mut n0, mut n1, mut sum0, mut sum1, mut squares] = [0.0; 5];
        for (weight, z) in bins.iter().zip(centres()).filter(|(weight, _)| **weight > 0.0) {
            let part = weight * self.belongs(z);
            n1 += part;
            n0 += weight - part;
            sum1 += part * z;
            sum0 += (weight - part) * z;
            squares += weight * z * z;
        }
        let share = (n1 + TRUE_SEEN) / (n0 + n1 + TRUE_SEEN + FALSE_SEEN);
        let gap = GAP * self.spread;
        // One made-up observation holds the lower mean where every photo matches.
        let low = (sum0 + self.high - gap) / (n0 + 1.0);
        let high = (sum1 + GAP_WEIGHT * (low + gap)) / (n1 + GAP_WEIGHT);
        let about = |n: f64, sum: f64, mean: f64| n * mean * mean - 2.0 * mean * sum;
        let scatter = squares + about(n0, sum0, low) + about(n1, sum1, high);
        let spread = ((scatter.max(0.0) + SPREAD_WEIGHT * 0.7 * 0.7) / (n0 + n1 + SPREAD_WEIGHT)).sqrt();
        Self { low, high: high.max(low + LEAST_GAP * spread), spread, share }
    }

    /// The probability that a margin is of a photo that matches.
    fn belongs(&self, z: f64) -> f64 {
        let gap = (self.high - self.low) / self.spread;
        let at = (z - self.low.midpoint(self.high)) / self.spread;
        super::logistic(gap * at + (self.share / (1.0 - self.share)).ln())
    }

    /// The logarithm of how likely it makes the margins and the made-up observations.
    fn merit(&self, bins: &[f64], zero: f64) -> f64 {
        let density = |z: f64, mean: f64| (-((z - mean) / self.spread).powi(2) / 2.0).exp() / self.spread;
        let fit: f64 = bins
            .iter()
            .zip(centres())
            .filter(|(weight, _)| **weight > 0.0)
            .map(|(weight, z)| {
                let both = self.share * density(z, self.high) + (1.0 - self.share) * density(z, self.low);
                weight * both.max(f64::MIN_POSITIVE).ln()
            })
            .sum();
        let gap = (self.high - self.low) / self.spread;
        let made_up = TRUE_SEEN * self.share.ln() + FALSE_SEEN * (1.0 - self.share).ln()
            - GAP_WEIGHT * (gap - GAP).powi(2) / 2.0
            - SPREAD_WEIGHT * (self.spread.ln() + 0.7 * 0.7 / (2.0 * self.spread * self.spread));
        let parting = (self.low.midpoint(self.high) - zero) / self.spread;
        fit + made_up - (parting / ZERO_SPREAD).powi(2) / 2.0
    }
}

fn centres() -> impl Iterator<Item = f64> {
    (0..BINS).map(|bin| LOWEST + BIN * (bin as f64 + 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded::Seeded;

    #[test]
    fn two_kinds_that_lie_apart_are_found() {
        let mut seeded = Seeded(9);
        for share in [0.02, 0.2, 0.6, 0.9] {
            let scores: Vec<f32> = (0..20_000)
                .map(|_| (seeded.normal() * 0.01 + if seeded.uniform() < share { 0.02 } else { -0.03 }) as f32)
                .collect();
            let found = Background::of(&scores);
            assert!((found.share - share).abs() < 0.02, "{share} {found:?}");
            assert!((found.low + 0.03).abs() < 0.002, "{share} {found:?}");
            // Ten photos in five hundred weigh less than the made-up gap of 3.5.
            let off = if share < 0.1 { 0.012 } else { 0.003 };
            assert!((found.high - 0.02).abs() < off, "{share} {found:?}");
            assert!((found.spread - 0.01).abs() < 0.001, "{share} {found:?}");
            // Between equal spreads: the middle, and ln((1 − p)/p) over the distance for the share.
            let (middle, slope) = found.logistic();
            let expected = -0.005 + 0.01 * ((1.0 - share) / share).ln() / 5.0;
            assert!((middle - expected).abs() < 0.004 && slope > 0.0, "{share} {middle} {expected}");
        }
    }

    #[test]
    fn the_unit_of_the_scores_does_not_matter() {
        let mut seeded = Seeded(2);
        let scores: Vec<f32> =
            (0..5000).map(|i| (seeded.normal() + if i % 10 == 0 { 4.0 } else { 0.0 } - 2.0) as f32).collect();
        let of = |unit: f32| {
            let found = Background::of(&scores.iter().map(|score| score * unit).collect::<Vec<_>>());
            [found.low, found.high, found.spread].map(|value| value / f64::from(unit))
        };
        for unit in [1e-3, 10.0] {
            let pairs = of(1.0).into_iter().zip(of(unit));
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 0.05), "{:?} {:?}", of(1.0), of(unit));
        }
    }
}
