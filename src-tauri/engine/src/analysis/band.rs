//! The flat middle of a spectrum: where IsoCLIP (arXiv 2603.19862) would cut.
//!
//! The spectrum of Ψ falls steeply at its strong end and at its weak end, and slowly between. The paper chooses both cuts
//! by hand for each model; here is a rule, to begin from.

use std::ops::Range;

use super::spectrum::rank;

/// A slope counts as flat up to this many times the median slope. The median is within the middle, where it is more
/// than half of the spectrum.
const FLAT: f64 = 2.0;

/// A slope is taken over this share of the spectrum to each side, so that a step between two neighbours is none.
const REACH: f64 = 1.0 / 32.0;

/// The flat middle: the longest run of indices where ln σ falls by no more than twice as much per index as in the
/// median. The slope at k is the one of the straight line from k − r to k + r, with r a thirty-second of the spectrum
/// and less where it ends. A spectrum that is a straight line in the logarithm is flat as a whole; values that are zero,
/// by [`rank`], are not in the band.
///
/// # Shapes
/// - singular_values: largest first
pub fn flat_band(singular_values: &[f64]) -> Range<usize> {
    let count = rank(singular_values);
    let reach = ((count as f64 * REACH) as usize).max(1);
    let log = |at: usize| singular_values[at].ln();
    let slope = |at: usize| {
        let (from, to) = (at.saturating_sub(reach), (at + reach).min(count - 1));
        if from == to { 0.0 } else { (log(from) - log(to)) / (to - from) as f64 }
    };
    let slopes: Vec<f64> = (0..count).map(slope).collect();
    let mut sorted = slopes.clone();
    sorted.sort_by(f64::total_cmp);
    let Some(median) = sorted.get(count / 2) else { return 0..0 };
    // Equal values differ by rounding.
    let limit = FLAT * median + 1e-12;
    let (mut longest, mut start) = (0..0, 0);
    for (at, slope) in slopes.iter().enumerate() {
        if *slope > limit {
            start = at + 1;
        } else if at + 1 - start > longest.len() {
            longest = start..at + 1;
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A spectrum that falls by these factors of e per index, for so many indices each.
    fn spectrum(pieces: &[(f64, usize)]) -> Vec<f64> {
        let mut log = 3.0;
        let mut values = Vec::new();
        for (fall, count) in pieces {
            for _ in 0..*count {
                values.push(f64::exp(log));
                log -= fall;
            }
        }
        values
    }

    #[test]
    fn the_middle_between_two_steep_ends_is_found() {
        let values = spectrum(&[(0.1, 100), (0.005, 300), (0.08, 80)]);
        let Range { start, end } = flat_band(&values);
        // Within the reach of a slope.
        assert!(start.abs_diff(100) <= 15 && end.abs_diff(400) <= 15, "{start}..{end}");
    }

    #[test]
    fn the_scale_does_not_matter_and_noise_does_not_tear_the_band() {
        let noisy = |scale: f64| -> Vec<f64> {
            let values = spectrum(&[(0.1, 40), (0.004, 200), (0.1, 40)]);
            let mut values: Vec<f64> = values
                .iter()
                .enumerate()
                .map(|(at, value)| scale * value * (1.0 + 0.004 * (at as f64).sin()))
                .collect();
            values.sort_by(|a, b| b.total_cmp(a));
            values
        };
        let band = flat_band(&noisy(1.0));
        assert!(band.start.abs_diff(40) <= 9 && band.end.abs_diff(240) <= 9, "{band:?}");
        assert_eq!(flat_band(&noisy(1e-8)), band);
    }

    #[test]
    fn a_spectrum_without_ends_is_flat_as_a_whole() {
        assert_eq!(flat_band(&[2.0; 50]), 0..50);
        assert_eq!(flat_band(&spectrum(&[(0.02, 64)])), 0..64);
        assert_eq!((flat_band(&[3.0]), flat_band(&[0.0, 0.0]), flat_band(&[])), (0..1, 0..0, 0..0));
    }

    #[test]
    fn zeros_are_not_in_the_band() {
        let mut values = spectrum(&[(0.01, 30)]);
        values.extend([0.0; 10]);
        assert_eq!(flat_band(&values), 0..30);
    }
}
