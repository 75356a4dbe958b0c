//! What a person sees of a label: the margins of all photos, what was decided, and the threshold on them.

use serde::{Deserialize, Serialize};

use super::{Calibration, Decided};
use crate::PhotoId;

/// The most bins of a histogram.
const MOST_BINS: usize = 1000;

/// How many photos have which score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Histogram {
    /// Where bins begin and end: one more than there are bins. A bin holds its lower edge; the last holds both.
    pub edges: Vec<f64>,
    /// All photos.
    pub counts: Vec<usize>,
    /// Photos that were accepted.
    pub accepted: Vec<usize>,
    /// Photos that were rejected.
    pub rejected: Vec<usize>,
}

/// Scores in so many bins of one width (1 to 1000) from the lowest to the highest; decisions beyond fall into the outer
/// bins. What is no number is passed over.
pub fn histogram(scores: &[f32], decisions: &[Decided], bins: usize) -> Histogram {
    let bins = bins.clamp(1, MOST_BINS);
    let finite = || scores.iter().copied().filter(|score| score.is_finite()).map(f64::from);
    let (mut low, mut high) =
        finite().fold((f64::MAX, f64::MIN), |(low, high), score| (low.min(score), high.max(score)));
    if low > high {
        (low, high) = (0.0, 0.0);
    }
    if low == high {
        // One width around the one score that there is.
        (low, high) = (low - 0.5, high + 0.5);
    }
    let edges: Vec<f64> = (0..=bins).map(|edge| low + (high - low) * edge as f64 / bins as f64).collect();
    // The edges decide, so that what is drawn and what is counted agree to the last photo.
    let bin = |score: f64| {
        let guess = ((score - low) / (high - low) * bins as f64) as usize;
        let guess = guess.min(bins - 1);
        match score {
            _ if guess > 0 && score < edges[guess] => guess - 1,
            _ if guess + 1 < bins && score >= edges[guess + 1] => guess + 1,
            _ => guess,
        }
    };
    let mut counts = vec![0; bins];
    finite().for_each(|score| counts[bin(score)] += 1);
    let decided = |accepted: bool| {
        let mut counts = vec![0; bins];
        let these = decisions.iter().filter(|decided| decided.accepted == accepted && decided.score.is_finite());
        these.for_each(|decided| counts[bin(f64::from(decided.score))] += 1);
        counts
    };
    let (accepted, rejected) = (decided(true), decided(false));
    Histogram { edges, counts, accepted, rejected }
}

/// How many photos would be suggested from this probability on.
pub fn tagged_at(scores: &[f32], calibration: &Calibration, probability: f64) -> usize {
    let at = calibration.score_at(probability);
    scores.iter().filter(|score| f64::from(**score) >= at).count()
}

/// Photos on both sides of a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Around {
    /// Those just above it, the nearest first, with their scores.
    pub above: Vec<(PhotoId, f32)>,
    /// Those just below it, the nearest first, with their scores.
    pub below: Vec<(PhotoId, f32)>,
}

/// The `most` photos just above and just below a probability. What is no number is passed over.
pub fn around(
    scores: impl IntoIterator<Item = (PhotoId, f32)>,
    calibration: &Calibration,
    probability: f64,
    most: usize,
) -> Around {
    let at = calibration.score_at(probability);
    let finite = scores.into_iter().filter(|(_, score)| score.is_finite());
    let (mut above, mut below): (Vec<_>, Vec<_>) = finite.partition(|(_, score)| f64::from(*score) >= at);
    let first = |photos: &mut Vec<(PhotoId, f32)>, sign: f32| {
        let order = |a: &(PhotoId, f32), b: &(PhotoId, f32)| (sign * a.1).total_cmp(&(sign * b.1)).then(a.0.cmp(&b.0));
        if most < photos.len() {
            photos.select_nth_unstable_by(most, order);
            photos.truncate(most);
        }
        photos.sort_unstable_by(order);
    };
    first(&mut above, 1.0);
    first(&mut below, -1.0);
    Around { above, below }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::Background;

    #[test]
    fn every_photo_is_in_the_bin_whose_edges_hold_it() {
        let scores: Vec<f32> = (0..1000).map(|i| ((i * 7919) % 1000) as f32 / 999.0).chain([f32::NAN]).collect();
        let decisions = [(0.0, true), (1.0, false), (5.0, false), (-5.0, true)].map(|(score, accepted)| Decided {
            score,
            accepted,
            weight: 1.0,
        });
        for bins in [1, 3, 10, 37] {
            let Histogram { edges, counts, accepted, rejected } = histogram(&scores, &decisions, bins);
            assert_eq!((edges.len(), counts.iter().sum::<usize>()), (bins + 1, 1000));
            for (bin, count) in counts.iter().enumerate() {
                let holds = |score: f64| score >= edges[bin] && (score < edges[bin + 1] || bin + 1 == bins);
                assert_eq!(scores.iter().filter(|score| holds(f64::from(**score))).count(), *count);
            }
            assert_eq!((accepted[0], rejected[bins - 1]), (2, 2));
        }
        assert_eq!(histogram(&[2.0, 2.0], &[], 2).counts, [0, 2]);
        assert_eq!(histogram(&[], &[], 0).counts, [0]);
    }

    #[test]
    fn the_threshold_parts_what_is_counted_from_what_is_shown_below() {
        let scores: Vec<f32> = (0..200).map(|i| i as f32 / 1000.0).collect();
        let calibration = Calibration::start(&Background::of(&scores));
        let tagged = tagged_at(&scores, &calibration, 0.5);
        assert!((1..200).contains(&tagged), "{tagged}");
        let first = (200 - tagged) as PhotoId;
        let found = around((0..).zip(scores.iter().copied()), &calibration, 0.5, 3);
        let ids = |photos: &[(PhotoId, f32)]| photos.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        assert_eq!(ids(&found.below), [first - 1, first - 2, first - 3]);
        assert_eq!(ids(&found.above), (first..200).take(3).collect::<Vec<_>>());
        let all = around((0..).zip(scores.iter().copied()), &calibration, 0.0, 500);
        assert_eq!((all.above.len(), all.below.len()), (200, 0));
    }
}
