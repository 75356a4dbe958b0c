//! A monotone curve through many decisions, which need not be logistic.

use serde::{Deserialize, Serialize};

use super::{Decided, ENOUGH_FOR_CURVE};

/// Decisions of one verdict that there must be, so that the curve sees both sides.
const LEAST_OF_EACH: usize = 30;
/// Decisions that make one knot, at least.
const GROUP: usize = 25;
/// The most knots.
const MOST_KNOTS: usize = 40;
/// Decisions as the logistic function would make them that are added to every knot.
const PRIOR: f64 = 5.0;

/// Knots of a curve that rises with the score, and how much it counts beside the logistic function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Curve {
    /// Scores, rising.
    pub scores: Vec<f64>,
    /// A probability for each, never falling.
    pub probabilities: Vec<f64>,
    /// From 0, the logistic function alone, to 1, the curve alone.
    pub weight: f64,
}

impl Curve {
    /// By isotonic regression (Ayer et al. 1955; for probabilities Zadrozny and Elkan, KDD 2002) of groups of decisions;
    /// `None` while there are too few.
    pub(super) fn fit(decisions: &[Decided], logistic: impl Fn(f64) -> f64) -> Option<Self> {
        let accepted = decisions.iter().filter(|decided| decided.accepted).count();
        let rarer = accepted.min(decisions.len() - accepted);
        if decisions.len() < ENOUGH_FOR_CURVE || rarer < LEAST_OF_EACH {
            return None;
        }
        let mut sorted = decisions.to_vec();
        sorted.sort_unstable_by(|a, b| a.score.total_cmp(&b.score).then(a.accepted.cmp(&b.accepted)));
        let size = GROUP.max(sorted.len().div_ceil(MOST_KNOTS));
        let mut knots: Vec<Knot> = vec![];
        for group in sorted.chunks(size).filter(|group| group.len() * 2 > size) {
            knots.push(Knot::of(group, &logistic));
            join_falling(&mut knots);
        }
        let count = decisions.len() as f64;
        Some(Self {
            scores: knots.iter().map(|knot| knot.score).collect(),
            probabilities: knots.iter().map(|knot| knot.probability).collect(),
            weight: count / (count + ENOUGH_FOR_CURVE as f64),
        })
    }

    /// The mean of the curve and the logistic function, by weight.
    pub(super) fn blend(&self, score: f64, logistic: f64, at: impl Fn(f64) -> f64) -> f64 {
        (1.0 - self.weight) * logistic + self.weight * self.value(score, logistic, at)
    }

    /// Straight between knots. Outside it goes on as the logistic function does, in proportion, to 0 and to 1.
    fn value(&self, score: f64, logistic: f64, at: impl Fn(f64) -> f64) -> f64 {
        let next = self.scores.partition_point(|knot| *knot < score);
        let knot = |place: usize| Some((*self.scores.get(place)?, *self.probabilities.get(place)?));
        match (next.checked_sub(1).and_then(knot), knot(next)) {
            (None, None) => logistic,
            (None, Some((first, value))) => value * (logistic / at(first).max(f64::MIN_POSITIVE)).min(1.0),
            (Some((last, value)), None) => {
                1.0 - (1.0 - value) * ((1.0 - logistic) / (1.0 - at(last)).max(f64::MIN_POSITIVE)).min(1.0)
            }
            (Some((low, from)), Some((high, to))) => {
                from + (to - from) * ((score - low) / (high - low).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
            }
        }
    }
}

struct Knot {
    score: f64,
    probability: f64,
    weight: f64,
}

impl Knot {
    fn of(group: &[Decided], logistic: impl Fn(f64) -> f64) -> Self {
        let sum = |value: &dyn Fn(&Decided) -> f64| -> f64 { group.iter().map(value).sum() };
        let weight = sum(&|decided| decided.weight);
        let mean = |value: &dyn Fn(&Decided) -> f64| sum(&|decided| decided.weight * value(decided)) / weight;
        let expected = mean(&|decided| logistic(f64::from(decided.score)));
        let accepted = mean(&|decided| f64::from(u8::from(decided.accepted)));
        Self {
            score: mean(&|decided| f64::from(decided.score)),
            probability: (accepted * weight + expected * PRIOR) / (weight + PRIOR),
            weight: weight + PRIOR,
        }
    }
}

/// Joins the last knots as long as they fall (pool adjacent violators).
fn join_falling(knots: &mut Vec<Knot>) {
    while let [.., a, b] = knots.as_slice()
        && a.probability >= b.probability
    {
        let weight = a.weight + b.weight;
        let mean = |of_a: f64, of_b: f64| (of_a * a.weight + of_b * b.weight) / weight;
        let joined = Knot { score: mean(a.score, b.score), probability: mean(a.probability, b.probability), weight };
        knots.truncate(knots.len() - 2);
        knots.push(joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knot(score: f64, probability: f64, weight: f64) -> Knot {
        Knot { score, probability, weight }
    }

    #[test]
    fn falling_knots_are_pooled() {
        let mut pooled: Vec<Knot> = vec![];
        for (score, probability) in [(1.0, 0.1), (2.0, 0.5), (3.0, 0.3), (4.0, 0.4), (5.0, 0.9)] {
            pooled.push(knot(score, probability, 1.0));
            join_falling(&mut pooled);
        }
        // sklearn.isotonic.IsotonicRegression().fit_transform([1,2,3,4,5], [.1,.5,.3,.4,.9]) gives .1, .4, .4, .4, .9
        let probabilities: Vec<f64> = pooled.iter().map(|knot| (knot.probability * 1e12).round() / 1e12).collect();
        assert_eq!(probabilities, [0.1, 0.4, 0.9]);
        assert_eq!((pooled[1].score, pooled[1].weight), (3.0, 3.0));
    }

    #[test]
    fn it_waits_for_enough_decisions_of_either_kind() {
        let decisions = |accepted: usize, all: usize| -> Vec<Decided> {
            (0..all).map(|i| Decided { score: i as f32, accepted: i >= all - accepted, weight: 1.0 }).collect()
        };
        assert!(Curve::fit(&decisions(100, ENOUGH_FOR_CURVE - 1), |_| 0.5).is_none());
        assert!(Curve::fit(&decisions(LEAST_OF_EACH - 1, 500), |_| 0.5).is_none());
        let curve = Curve::fit(&decisions(200, 400), |_| 0.5).unwrap();
        assert!((curve.weight - 2.0 / 3.0).abs() < 1e-12 && curve.scores.len() <= 400 / GROUP);
    }
}
