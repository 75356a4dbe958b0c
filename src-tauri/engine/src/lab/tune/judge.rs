//! What a difference on held-out photos says: an interval, a p-value and a verdict.

use serde::{Deserialize, Serialize};

use super::random::Random;

/// Resamples of the bootstrap: enough for two digits of a 95 % interval (Efron and Tibshirani 1993, section 13).
const RESAMPLES: usize = 10_000;

/// Share of the resamples outside the interval on each side.
const TAIL: f64 = 0.025;

/// With fewer held-out photos nothing is claimed: one photo is more than 5 % of the accuracy then, and an interval from
/// resampling so few is too narrow.
pub const ENOUGH_PHOTOS: usize = 20;

/// With photos of fewer classes there is nothing to tell apart.
pub const ENOUGH_CLASSES: usize = 2;

/// A difference in accuracy on held-out photos.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The mean over photos, as a share of 1.
    pub mean: f64,
    /// 95 % interval, by a paired bootstrap over photos (percentiles of 10,000 resamples).
    pub low: f64,
    /// Its other end.
    pub high: f64,
    /// Two-sided p of the exact sign test on the photos that only one of them gets right (McNemar 1947).
    pub p_value: f64,
}

/// What a difference says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The interval is above zero.
    Helped,
    /// The interval is below zero.
    Hurt,
    /// The interval has zero in it.
    NoDifference,
    /// There are fewer than [`ENOUGH_PHOTOS`] held-out photos or [`ENOUGH_CLASSES`] classes with photos.
    TooFew,
}

/// A difference with its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The difference.
    pub difference: Difference,
    /// What it says.
    pub verdict: Verdict,
}

/// Judges what became of each photo.
///
/// # Shapes
/// - before, after: `[photo]`, 1 for a photo whose class was found and 0 for another, or the mean of that over
///   repetitions; the same photos in the same order
/// - classes: number of classes that have photos
///
/// # Panics
/// If the two are not of one length.
pub fn judge(before: &[f64], after: &[f64], classes: usize, seed: u64) -> Judged {
    assert_eq!(before.len(), after.len(), "a paired comparison needs the same photos");
    let changes: Vec<f64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
    let [low, high] = interval(&changes, seed);
    let better = changes.iter().filter(|change| **change > 0.0).count();
    let worse = changes.iter().filter(|change| **change < 0.0).count();
    let difference = Difference { mean: mean(&changes), low, high, p_value: sign_test(better, worse) };
    let verdict = match difference {
        _ if changes.len() < ENOUGH_PHOTOS || classes < ENOUGH_CLASSES => Verdict::TooFew,
        Difference { low, .. } if low > 0.0 => Verdict::Helped,
        Difference { high, .. } if high < 0.0 => Verdict::Hurt,
        _ => Verdict::NoDifference,
    };
    Judged { difference, verdict }
}

/// The mean, and 0 of nothing.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The 95 % percentile interval of the mean change when photos are drawn again and again, with return.
fn interval(changes: &[f64], seed: u64) -> [f64; 2] {
    // Without a change, or with the same one everywhere, every resample is the same.
    let same = changes.windows(2).all(|pair| pair[0] == pair[1]);
    if same {
        return [mean(changes); 2];
    }
    let mut random = Random::of([seed]);
    let mut resample = || {
        let sum: f64 = (0..changes.len()).map(|_| changes[random.below(changes.len())]).sum();
        sum / changes.len() as f64
    };
    let mut means: Vec<f64> = (0..RESAMPLES).map(|_| resample()).collect();
    means.sort_by(f64::total_cmp);
    let cut = (TAIL * RESAMPLES as f64) as usize;
    [means[cut], means[RESAMPLES - 1 - cut]]
}

/// Two-sided p of `better` against `worse` if either were as likely: twice the lighter tail of a binomial of ½.
fn sign_test(better: usize, worse: usize) -> f64 {
    let (count, fewer) = (better + worse, better.min(worse));
    // ln of C(count, k) / 2^count, from one k to the next.
    let mut ln_share = -(count as f64) * std::f64::consts::LN_2;
    let mut tail = ln_share.exp();
    for k in 1..=fewer {
        ln_share += ((count + 1 - k) as f64).ln() - (k as f64).ln();
        tail += ln_share.exp();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `better` photos that are only right after, `worse` only before, of `count`.
    fn judged(better: usize, worse: usize, count: usize) -> Judged {
        let before: Vec<f64> = (0..count).map(|photo| f64::from(photo >= better)).collect();
        let after: Vec<f64> = (0..count).map(|photo| f64::from(photo < better || photo >= better + worse)).collect();
        judge(&before, &after, 2, 5)
    }

    #[test]
    fn the_sign_test_by_hand() {
        assert_eq!(sign_test(0, 0), 1.0);
        assert_eq!(sign_test(3, 3), 1.0);
        // 2 / 2⁵, and 2 · (1 + 10) / 2¹⁰, either way round.
        assert!((sign_test(5, 0) - 0.0625).abs() < 1e-12);
        assert!((sign_test(9, 1) - 22.0 / 1024.0).abs() < 1e-12);
        assert!((sign_test(1, 9) - 22.0 / 1024.0).abs() < 1e-12);
        // 2 · (1 + 12 + 66) / 2¹².
        assert!((sign_test(2, 10) - 158.0 / 4096.0).abs() < 1e-12);
        assert!(sign_test(30_000, 29_000) < 0.001 && sign_test(3_000, 0) >= 0.0);
    }

    #[test]
    fn the_interval_is_that_of_a_mean_of_many() {
        // 60 better and 20 worse of 400: mean 0.1, standard deviation √(0.2 − 0.01) / 20 = 0.0218.
        let difference = judged(60, 20, 400).difference;
        assert!((difference.mean - 0.1).abs() < 1e-12);
        assert!((difference.low - (0.1 - 1.96 * 0.0218)).abs() < 0.004, "{difference:?}");
        assert!((difference.high - (0.1 + 1.96 * 0.0218)).abs() < 0.004, "{difference:?}");
    }

    #[test]
    fn the_interval_covers_the_truth_nineteen_times_in_twenty() {
        let mut random = Random::of([17]);
        // A change is +1, −1 or 0 with 3 : 1 : 6, so 0.2 on average.
        let mut sample =
            || -> Vec<f64> { (0..80).map(|_| [1., 1., 1., -1., 0., 0., 0., 0., 0., 0.][random.below(10)]).collect() };
        let covered = (0..60)
            .filter(|seed| {
                let [low, high] = interval(&sample(), *seed);
                low <= 0.2 && 0.2 <= high
            })
            .count();
        assert!(covered >= 52, "{covered} of 60");
    }

    #[test]
    fn verdicts_follow_the_interval() {
        assert_eq!(judged(30, 2, 100).verdict, Verdict::Helped);
        assert_eq!(judged(2, 30, 100).verdict, Verdict::Hurt);
        assert_eq!(judged(5, 5, 100).verdict, Verdict::NoDifference);
        assert_eq!(judged(0, 0, 100).verdict, Verdict::NoDifference);
        assert_eq!(judged(0, 0, 100).difference, Difference { mean: 0.0, low: 0.0, high: 0.0, p_value: 1.0 });
        assert_eq!(judged(ENOUGH_PHOTOS, 0, ENOUGH_PHOTOS).verdict, Verdict::Helped);
        assert_eq!(judged(ENOUGH_PHOTOS - 1, 0, ENOUGH_PHOTOS - 1).verdict, Verdict::TooFew);
        assert_eq!(judge(&[0.0; 50], &[1.0; 50], 1, 5).verdict, Verdict::TooFew);
        assert_eq!(judge(&[], &[], 0, 5).verdict, Verdict::TooFew);
    }
}
