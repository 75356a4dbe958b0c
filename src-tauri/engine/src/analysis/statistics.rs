//! What a tensor consists of, value by value: its range, its mean, its zeros, and what is not a number in it.
//!
//! Unlike a [`super::Matrix`], a tensor may have values that are not finite: they are counted and left out.

/// The figures of many values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Values there are.
    pub count: usize,
    /// Figures of those that are finite; none if there is none.
    pub finite: Option<Finite>,
    /// Values that are exactly zero.
    pub zeros: usize,
    /// Values that are NaN.
    pub nan: usize,
    /// Values that are infinite.
    pub infinite: usize,
}

/// The figures of values that are finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finite {
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, over n as numpy's `std`.
    pub std: f64,
}

impl Statistics {
    /// Share of the values that are exactly zero; 0 of no values.
    pub fn sparsity(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.zeros as f64 / self.count as f64 }
    }
}

/// The figures of `values`, in one pass.
pub fn statistics(values: &[f32]) -> Statistics {
    let (mut zeros, mut nan, mut infinite, mut finite) = (0, 0, 0, 0usize);
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut sum, mut squares) = (0.0, 0.0);
    // About the first value, because a mean far from zero would swallow the deviations from it.
    let centre = values.iter().find(|value| value.is_finite()).map_or(0.0, |value| f64::from(*value));
    for value in values {
        if !value.is_finite() {
            nan += usize::from(value.is_nan());
            infinite += usize::from(value.is_infinite());
            continue;
        }
        let value = f64::from(*value);
        finite += 1;
        zeros += usize::from(value == 0.0);
        (min, max) = (min.min(value), max.max(value));
        sum += value - centre;
        squares += (value - centre) * (value - centre);
    }
    let of_finite = || {
        let mean = sum / finite as f64;
        let variance = (squares / finite as f64 - mean * mean).max(0.0);
        Finite { min, max, mean: centre + mean, std: variance.sqrt() }
    };
    Statistics { count: values.len(), finite: (finite > 0).then(of_finite), zeros, nan, infinite }
}

/// Counts of values in bins of one width.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Where the first bin begins.
    pub from: f64,
    /// Where the last bin ends.
    pub to: f64,
    /// Values in each bin. A bin has its lower edge; the last one has its upper edge too.
    pub counts: Vec<usize>,
}

/// The finite ones of `values` in `bins` bins from the smallest to the largest; if these are the same, one around it, as
/// numpy's `histogram`. None if there is no finite value, or no bin.
pub fn histogram(values: impl Iterator<Item = f64> + Clone, bins: usize) -> Option<Histogram> {
    let finite = values.filter(|value| value.is_finite());
    let ends = |(min, max): (f64, f64), value: f64| (min.min(value), max.max(value));
    let (min, max) = finite.clone().fold((f64::INFINITY, f64::NEG_INFINITY), ends);
    if min > max || bins == 0 {
        return None;
    }
    let (from, to) = if min == max { (min - 0.5, max + 0.5) } else { (min, max) };
    // Halved, since the width of all f64 is none.
    let width = to / 2.0 - from / 2.0;
    let mut counts = vec![0; bins];
    for value in finite {
        let share = if width > 0.0 { (value / 2.0 - from / 2.0) / width } else { 0.0 };
        counts[((share * bins as f64) as usize).min(bins - 1)] += 1;
    }
    Some(Histogram { from, to, counts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_by_hand() {
        let values = [1.0, -2.0, 0.0, f32::NAN, 4.0, f32::INFINITY, -0.0, f32::NEG_INFINITY, 3.0, 0.0];
        let found = statistics(&values);
        assert_eq!((found.count, found.zeros, found.nan, found.infinite), (10, 3, 1, 2));
        let Finite { min, max, mean, std } = found.finite.unwrap();
        assert_eq!((min, max), (-2.0, 4.0));
        // Of 1, −2, 0, 4, 0, 3, 0: the sum is 6, that of the squares 30.
        assert!((mean - 6.0 / 7.0).abs() < 1e-15 && (std - (30.0 / 7.0 - 36.0 / 49.0f64).sqrt()).abs() < 1e-15);
        assert_eq!(found.sparsity(), 0.3);
    }

    #[test]
    fn small_deviations_from_a_large_mean_are_kept() {
        let values: Vec<f32> = (0..1000).map(|at| 1e6 + if at % 2 == 0 { 0.5 } else { -0.5 }).collect();
        let found = statistics(&values).finite.unwrap();
        assert!((found.mean - 1e6).abs() < 1e-9 && (found.std - 0.5).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn no_numbers_have_no_figures() {
        assert!(statistics(&[f32::NAN]).finite.is_none());
        let nothing = statistics(&[]);
        assert_eq!((nothing.count, nothing.sparsity(), nothing.finite), (0, 0.0, None));
        assert!(histogram([f64::NAN].into_iter(), 4).is_none() && histogram([1.0].into_iter(), 0).is_none());
    }

    #[test]
    fn every_number_is_in_one_bin() {
        let values = [0.0, 0.9, 1.0, 2.5, 4.0, f64::NAN];
        let found = histogram(values.into_iter(), 4).unwrap();
        assert_eq!(found, Histogram { from: 0.0, to: 4.0, counts: vec![2, 1, 1, 1] });
        let same = histogram([7.0; 3].into_iter(), 2).unwrap();
        assert_eq!(same, Histogram { from: 6.5, to: 7.5, counts: vec![0, 3] });
        let huge = histogram([f64::MIN, 0.0, f64::MAX].into_iter(), 2).unwrap();
        assert_eq!(huge.counts, [1, 2]);
    }
}
