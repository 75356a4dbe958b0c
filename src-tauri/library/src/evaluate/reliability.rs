//! Whether probabilities are what they say: of the photos with 0.8, are four of five true?

use serde::{Deserialize, Serialize};

/// Bins of the reliability curve, of one width.
const BINS: usize = 10;

/// The reliability curve, and two numbers for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reliability {
    /// Ten of one width, those without photos included.
    pub bins: Vec<ReliabilityBin>,
    /// Mean distance between probability and truth over the bins, weighted by photos (Naeini et al., AAAI 2015); none of
    /// nothing.
    pub calibration_error: Option<f64>,
    /// Mean square of the distance between probability and truth (Brier 1950); none of nothing.
    pub brier: Option<f64>,
}

/// Photos whose probabilities are nearly the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReliabilityBin {
    /// From this probability on,
    pub from: f64,
    /// up to this one, which belongs to the next bin.
    pub to: f64,
    /// How many.
    pub photos: u64,
    /// Mean probability.
    pub mean_probability: Option<f64>,
    /// Part of them that is true.
    pub share_true: Option<f64>,
}

/// What is summed up for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    bins: [Bin; BINS],
    squares: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    photos: u64,
    is_true: u64,
    probability: f64,
}

impl Sums {
    pub fn point(&mut self, probability: f64, is_true: bool) {
        let probability = probability.clamp(0.0, 1.0);
        let bin = &mut self.bins[((probability * BINS as f64) as usize).min(BINS - 1)];
        bin.photos += 1;
        bin.is_true += u64::from(is_true);
        bin.probability += probability;
        self.squares += (probability - f64::from(u8::from(is_true))).powi(2);
    }

    pub fn add(&mut self, other: &Self) {
        for (bin, more) in self.bins.iter_mut().zip(other.bins) {
            bin.photos += more.photos;
            bin.is_true += more.is_true;
            bin.probability += more.probability;
        }
        self.squares += other.squares;
    }

    pub fn finish(&self) -> Reliability {
        let photos: u64 = self.bins.iter().map(|bin| bin.photos).sum();
        let over_all = |sum: f64| (photos > 0).then(|| sum / photos as f64);
        let off = |bin: &Bin| (bin.probability - bin.is_true as f64).abs();
        let edge = |bin: usize| bin as f64 / BINS as f64;
        let shown = |(at, bin): (usize, &Bin)| {
            let mean = |sum: f64| (bin.photos > 0).then(|| sum / bin.photos as f64);
            ReliabilityBin {
                from: edge(at),
                to: edge(at + 1),
                photos: bin.photos,
                mean_probability: mean(bin.probability),
                share_true: mean(bin.is_true as f64),
            }
        };
        Reliability {
            bins: self.bins.iter().enumerate().map(shown).collect(),
            calibration_error: over_all(self.bins.iter().map(off).sum()),
            brier: over_all(self.squares),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_counts_by_hand() {
        let mut sums = Sums::default();
        [(0.05, false), (0.05, true), (0.95, true), (1.0, true)].iter().for_each(|(p, y)| sums.point(*p, *y));
        let found = sums.finish();
        let bin = |at: usize| (found.bins[at].photos, found.bins[at].share_true);
        assert_eq!((bin(0), bin(5), bin(9)), ((2, Some(0.5)), (0, None), (2, Some(1.0))));
        // |0.1 − 1| and |1.95 − 2| over 4 photos; 0.0025 + 0.9025 + 0.0025 over 4.
        assert!((found.calibration_error.unwrap() - 0.95 / 4.0).abs() < 1e-12);
        assert!((found.brier.unwrap() - 0.9075 / 4.0).abs() < 1e-12);
        let mut twice = sums.clone();
        twice.add(&sums);
        assert_eq!(twice.finish().calibration_error, found.calibration_error);
    }
}
