//! Where the answers to one search end: learnt from the scores of the whole library, and from what a person says.
//!
//! No fixed cosine works, since what an unrelated photo scores depends on the model and on the query. But most photos
//! are unrelated to most queries, so the library itself shows what chance looks like:
//!
//! 1. If the scores have two hills (two normal distributions fit, far enough apart), the cut is where a score is as
//!    likely to come from the upper as from the lower one. That is how a query that is true of most photos is met.
//! 2. Otherwise there is one hill of unrelated photos, and perhaps a tail beside it. The hill's centre is the median and
//!    its width comes from the half below, where no answer lies. The cut is the lowest score from which on at most
//!    [`FALSE_SHARE`] of the photos are what chance would put there: the false discovery rate of Benjamini and Hochberg
//!    1995 with an empirical null (Efron 2004, doi:10.1198/016214504000000089).
//! 3. Marked photos move the cut: it is the mean of the posterior under a normal prior about the cut so far, and a
//!    logistic likelihood of the marks with some lapses. One mark moves it a little, ten much, and since a mark may be
//!    a slip, no single one wrecks it.

use rayon::prelude::*;

/// Largest share of chance hits that is expected among what is kept.
const FALSE_SHARE: f64 = 0.2;
/// Nothing nearer to the centre of a single hill than this many widths is kept.
const NEAREST: f64 = 2.0;
/// Two hills are two if their centres are this many of their common widths apart (Ashman et al. 1994: 2 is separable).
const APART: f64 = 2.5;
/// Smallest share of the photos that makes a hill; fewer are a tail.
const SMALLEST_HILL: f64 = 0.03;
/// Bars of the histogram that hills are fitted to.
const BARS: usize = 256;
/// Fewer scores than this show no hills.
const FEWEST: usize = 30;
/// Standard deviation of the prior of the cut under feedback, in widths of the hill below it.
const PRIOR_WIDTH: f64 = 1.5;
/// How softly a person's marks turn from "does not belong" to "belongs", in the same widths.
const SOFTNESS: f64 = 0.4;
/// Share of marks on each side that are slips.
const LAPSES: f64 = 0.05;
/// How far marks can move the cut at all, in widths, and steps to each side on the way there.
const REACH: f64 = 8.0;
const GRID: i32 = 800;

/// How a cut-off was found, before marks moved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Between two hills of scores.
    BetweenHills,
    /// Where a tail stands out from one hill.
    Tail,
    /// Nothing stands out: above the best score that chance explains.
    NothingStandsOut,
    /// Too few photos to learn from.
    TooFew,
}

/// Where answers end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CutOff {
    /// The lowest score that is kept.
    pub score: f32,
    /// How many photos of the library reach it.
    pub kept: usize,
    /// How it was found.
    pub how: How,
    /// How many marks moved it.
    pub marks: usize,
}

/// A cut, and the width of the hill below it, which is the unit of moves.
struct Cut {
    score: f64,
    width: f64,
    how: How,
}

/// Learns where answers end.
///
/// # Shapes
/// - scores: one per photo of the library, in any order; what is not a number is left out.
/// - feedback: score of a marked photo, and whether it belongs.
pub fn cut_off(scores: &[f32], feedback: &[(f32, bool)]) -> CutOff {
    let mut sorted: Vec<f32> = scores.iter().copied().filter(|score| score.is_finite()).collect();
    sorted.par_sort_unstable_by(f32::total_cmp);
    let cut = learn(&sorted);
    let marks: Vec<(f64, bool)> =
        feedback.iter().filter(|(score, _)| score.is_finite()).map(|&(score, is)| (f64::from(score), is)).collect();
    let score = if marks.is_empty() { cut.score } else { moved(&cut, &marks) } as f32;
    let kept = sorted.len() - sorted.partition_point(|&x| x < score);
    CutOff { score, kept, how: cut.how, marks: marks.len() }
}

fn learn(sorted: &[f32]) -> Cut {
    let Some((&lowest, &highest)) = sorted.first().zip(sorted.last()) else {
        return Cut { score: 0.0, width: 1.0, how: How::TooFew };
    };
    let (lowest, highest) = (f64::from(lowest), f64::from(highest));
    if sorted.len() < FEWEST || lowest == highest {
        let width = ((highest - lowest) / 2.0).max(1e-6);
        return Cut { score: (lowest + highest) / 2.0, width, how: How::TooFew };
    }
    between_hills(sorted).unwrap_or_else(|| tail(sorted))
}

/// Expectation maximisation of two normal distributions on a histogram; `None` if they are one hill.
fn between_hills(sorted: &[f32]) -> Option<Cut> {
    let at = |share: f64| f64::from(sorted[((sorted.len() - 1) as f64 * share) as usize]);
    // The outermost photos would stretch the bars.
    let (low, high) = (at(0.001), at(0.999));
    let bar = (high - low) / BARS as f64;
    if bar <= 0.0 {
        return None;
    }
    let mut counts = [0.0_f64; BARS];
    for &score in sorted {
        counts[(((f64::from(score) - low) / bar) as usize).min(BARS - 1)] += 1.0;
    }
    let [lower, upper] = two_hills(&counts, low + bar / 2.0, bar, sorted.len() as f64);
    let apart = (upper.centre - lower.centre) / ((lower.width.powi(2) + upper.width.powi(2)) / 2.0).sqrt();
    if apart < APART || lower.share < SMALLEST_HILL || upper.share < SMALLEST_HILL {
        return None;
    }
    // Between the centres the difference of the two densities changes its sign once; halving finds where.
    let (mut below, mut above) = (lower.centre, upper.centre);
    for _ in 0..60 {
        let middle = f64::midpoint(below, above);
        if lower.density(middle) > upper.density(middle) { below = middle } else { above = middle }
    }
    Some(Cut { score: above, width: lower.width, how: How::BetweenHills })
}

#[derive(Clone, Copy)]
struct Hill {
    share: f64,
    centre: f64,
    width: f64,
}

impl Hill {
    /// Share of the photos per unit of score, up to 1/√2π.
    fn density(&self, score: f64) -> f64 {
        self.share / self.width * (-0.5 * ((score - self.centre) / self.width).powi(2)).exp()
    }

    fn of(counts: impl Iterator<Item = (f64, f64)> + Clone, bar: f64, all: f64) -> Self {
        let total = counts.clone().map(|(_, count)| count).sum::<f64>().max(1e-9);
        let centre = counts.clone().map(|(x, count)| x * count).sum::<f64>() / total;
        let square = counts.map(|(x, count)| (x - centre).powi(2) * count).sum::<f64>() / total;
        Self { share: total / all, centre, width: square.sqrt().max(bar) }
    }
}

/// Begins where the two sides' variances are smallest (Otsu 1979, doi:10.1109/TSMC.1979.4310076).
fn two_hills(counts: &[f64; BARS], first: f64, bar: f64, all: f64) -> [Hill; 2] {
    let points = || counts.iter().enumerate().map(|(at, &count)| (first + at as f64 * bar, count));
    let halves = |cut: usize| [Hill::of(points().take(cut), bar, all), Hill::of(points().skip(cut), bar, all)];
    let inside = |hills: &[Hill; 2]| hills.iter().map(|hill| hill.share * hill.width.powi(2)).sum::<f64>();
    let best = (1..BARS).map(halves).min_by(|a, b| inside(a).total_cmp(&inside(b)));
    let mut hills = best.expect("there are several bars");
    for _ in 0..100 {
        let [lower, upper] = hills;
        let part = |x: f64| {
            let (lower, upper) = (lower.density(x), upper.density(x));
            if lower + upper > 0.0 { lower / (lower + upper) } else { f64::from(u8::from(x < hills[0].centre)) }
        };
        hills = [
            Hill::of(points().map(|(x, count)| (x, count * part(x))), bar, all),
            Hill::of(points().map(|(x, count)| (x, count * (1.0 - part(x)))), bar, all),
        ];
    }
    if hills[0].centre > hills[1].centre {
        hills.swap(0, 1);
    }
    hills
}

fn tail(sorted: &[f32]) -> Cut {
    let all = sorted.len() as f64;
    let at = |share: f64| f64::from(sorted[((all - 1.0) * share) as usize]);
    let centre = at(0.5);
    // One and two standard deviations below; the wider guards against a hill that is steep at its foot.
    let below = ((centre - at(0.158_655)).max((centre - at(0.022_75)) / 2.0)).max(1e-9);
    // Quantiles of few photos are uncertain.
    let width = below * (1.0 + 2.0 / all.sqrt());
    let first = sorted.partition_point(|&score| f64::from(score) < centre + NEAREST * width);
    let share =
        |rank: usize| all * upper_tail((f64::from(sorted[rank]) - centre) / width) / (sorted.len() - rank) as f64;
    match (first..sorted.len()).find(|&rank| share(rank) <= FALSE_SHARE) {
        Some(rank) => Cut { score: f64::from(sorted[rank]), width, how: How::Tail },
        None => {
            let best = f64::from(sorted[sorted.len() - 1]);
            Cut { score: best.max(centre + NEAREST * width) + 1e-3 * width, width, how: How::NothingStandsOut }
        }
    }
}

/// The share of a standard normal distribution above z; Numerical Recipes' `erfc`, good to 1.2e-7 of its value.
fn upper_tail(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * x);
    let coefficients = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let polynomial = coefficients.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let erfc = t * (-x * x + polynomial).exp();
    if z >= 0.0 { erfc / 2.0 } else { 1.0 - erfc / 2.0 }
}

/// The mean of what the cut can be, weighed by prior and marks, on a fine grid.
fn moved(cut: &Cut, marks: &[(f64, bool)]) -> f64 {
    let widths = |step: i32| f64::from(step) * REACH / f64::from(GRID);
    let weight = |step: i32| {
        let at = cut.score + widths(step) * cut.width;
        let chance = |&(score, belongs): &(f64, bool)| {
            let above = 1.0 / (1.0 + (-(score - at) / (SOFTNESS * cut.width)).exp());
            (LAPSES + (1.0 - 2.0 * LAPSES) * if belongs { above } else { 1.0 - above }).ln()
        };
        -0.5 * (widths(step) / PRIOR_WIDTH).powi(2) + marks.iter().map(chance).sum::<f64>()
    };
    let logarithms: Vec<f64> = (-GRID..=GRID).map(weight).collect();
    let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut all) = (0.0, 0.0);
    for (step, logarithm) in (-GRID..=GRID).zip(logarithms) {
        let weight = (logarithm - largest).exp();
        sum += weight * widths(step);
        all += weight;
    }
    cut.score + sum / all * cut.width
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles of a normal distribution, so that no run differs from another.
    fn hill(count: usize, centre: f64, width: f64) -> Vec<f32> {
        let quantile = |share: f64| {
            let (mut low, mut high) = (-9.0, 9.0);
            for _ in 0..50 {
                let middle = f64::midpoint(low, high);
                if 1.0 - upper_tail(middle) < share { low = middle } else { high = middle }
            }
            low
        };
        (0..count).map(|i| (centre + width * quantile((i as f64 + 0.5) / count as f64)) as f32).collect()
    }

    #[test]
    fn the_normal_tail_is_that_of_the_tables() {
        for (z, tail) in
            [(0.0, 0.5), (1.0, 0.158_655_25), (3.0, 1.349_898e-3), (5.0, 2.866_516e-7), (-1.0, 0.841_344_7)]
        {
            assert!((upper_tail(z) / tail - 1.0).abs() < 1e-6, "{z}: {}", upper_tail(z));
        }
    }

    #[test]
    fn a_few_answers_stand_out_from_the_hill_of_unrelated_photos() {
        for (unrelated, related) in [(2_000, 10), (20_000, 40), (20_000, 400)] {
            let mut scores = hill(unrelated, 0.18, 0.02);
            scores.extend(hill(related, 0.30, 0.012));
            let cut = cut_off(&scores, &[]);
            assert_eq!(cut.how, How::Tail, "{unrelated} {related}");
            let kept = related * 9 / 10..=related * 13 / 10 + 2;
            assert!(kept.contains(&cut.kept), "{} kept of {related}", cut.kept);
        }
    }

    #[test]
    fn a_query_that_is_true_of_most_photos_keeps_most() {
        let mut scores = hill(4_000, 0.17, 0.02);
        scores.extend(hill(6_000, 0.28, 0.02));
        let cut = cut_off(&scores, &[]);
        assert_eq!(cut.how, How::BetweenHills);
        assert!((5_800..6_200).contains(&cut.kept), "{}", cut.kept);
    }

    #[test]
    fn a_query_that_is_true_of_nothing_keeps_next_to_nothing() {
        for count in [100, 1_000, 50_000] {
            let cut = cut_off(&hill(count, 0.18, 0.02), &[]);
            assert!(cut.kept <= count / 200, "{} of {count}", cut.kept);
            assert!(cut.score > 0.22);
        }
    }

    #[test]
    fn one_hill_is_not_cut_in_two_even_if_it_leans() {
        // The square of a normal distribution's tail leans to the right, as cosines with vague queries do.
        let leaning: Vec<f32> = hill(20_000, 0.0, 1.0).iter().map(|z| 0.18 + 0.02 * (z + 0.05 * z * z)).collect();
        let cut = cut_off(&leaning, &[]);
        assert_ne!(cut.how, How::BetweenHills);
        assert!(cut.kept < 1_000, "{}", cut.kept);
    }

    #[test]
    fn scale_and_place_of_scores_do_not_matter() {
        let mut scores = hill(5_000, 0.18, 0.02);
        scores.extend(hill(50, 0.30, 0.01));
        let stretched: Vec<f32> = scores.iter().map(|score| score * 40.0 - 3.0).collect();
        assert_eq!(cut_off(&scores, &[]).kept, cut_off(&stretched, &[]).kept);
    }

    #[test]
    fn marks_move_the_cut_one_by_one_and_none_wrecks_it() {
        let mut scores = hill(5_000, 0.18, 0.02);
        scores.extend(hill(50, 0.30, 0.01));
        let learnt = cut_off(&scores, &[]).score;
        let below: Vec<(f32, bool)> = (0..10).map(|i| (learnt - 0.005 - 0.001 * i as f32, true)).collect();
        let after = |count: usize| cut_off(&scores, &below[..count]).score;
        assert!(after(1) < learnt && after(4) < after(1) && after(10) < after(4));
        assert!(after(10) < below[6].0, "ten marks are followed: {} {}", after(10), below[6].0);
        let absurd = cut_off(&scores, &[(0.05, true)]).score;
        assert!(learnt - absurd < 0.02 && absurd > 0.18 + 0.01, "{learnt} {absurd}");
        let rejected = cut_off(&scores, &[(learnt + 0.01, false), (learnt + 0.012, false)]);
        assert!(rejected.score > learnt && rejected.kept > 0);
    }

    #[test]
    fn few_or_equal_or_no_scores_have_an_answer_too() {
        assert_eq!(cut_off(&[], &[]).kept, 0);
        assert_eq!(cut_off(&[0.1, 0.3, 0.31, f32::NAN], &[]).kept, 2);
        assert_eq!(cut_off(&[0.2; 100], &[]).how, How::TooFew);
    }
}
