//! Place and slope of the logistic function from decisions, with the start as their prior.

use std::collections::BTreeMap;

use super::{Background, Calibration, Curve, logistic};

/// From so many decisions on, a step curve has its say.
pub const ENOUGH_FOR_CURVE: usize = 200;

/// Chance that a decision means nothing: a slip of the hand, or a photo that cannot be told.
const LAPSE: f64 = 0.03;
/// How far the place may be off at the start, in spreads of the margins. Twice as much would fit ten decisions a little
/// better, and let a single one move the place three times as far (tests/library/calibrate.rs has the libraries).
const PLACE_SPREAD: f64 = 0.7;
/// How far the slope may be off, as a factor's logarithm.
const SLOPE_SPREAD: f64 = 0.5;
/// The flattest slope, in log-odds per spread, so that more score never means less probability.
const FLATTEST: f64 = 0.1;
/// Decisions are put together where their scores differ by less, in spreads.
const GRAIN: f64 = 0.01;
/// Scores beyond so many spreads from the start's place count as there.
const FARTHEST: f64 = 20.0;

/// A person's decision about a photo with this score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decided {
    /// The margin of the photo, under the model at hand.
    pub score: f32,
    /// Accepted, or rejected.
    pub accepted: bool,
    /// 1 for a decision about a suggestion; less for what leans to one side.
    pub weight: f64,
}

pub(super) fn fit(background: &Background, decisions: &[Decided]) -> Calibration {
    let start = Calibration::start(background);
    let sound = |decided: &&Decided| decided.score.is_finite() && decided.weight.is_finite() && decided.weight > 0.0;
    let decisions: Vec<Decided> = decisions.iter().filter(sound).copied().collect();
    if decisions.is_empty() {
        return start;
    }
    let grains = grains(&decisions, start.middle, background.unit());
    let steepness = (start.slope * background.unit()).ln();
    let (place, steepness) = lowest(|place, s| loss(&grains, place, s, steepness), steepness);
    let mut fitted = Calibration {
        middle: start.middle + place * background.unit(),
        slope: steepness.exp() / background.unit(),
        decisions: decisions.len(),
        curve: None,
    };
    fitted.curve = Curve::fit(&decisions, |score| logistic(fitted.slope * (score - fitted.middle)));
    fitted
}

/// Weights of the rejected and the accepted at a score, in spreads from the start's place.
struct Grain {
    at: f64,
    weights: [f64; 2],
}

fn grains(decisions: &[Decided], middle: f64, spread: f64) -> Vec<Grain> {
    let mut grains: BTreeMap<i64, [f64; 2]> = BTreeMap::new();
    for decided in decisions {
        let at = ((f64::from(decided.score) - middle) / spread).clamp(-FARTHEST, FARTHEST);
        grains.entry((at / GRAIN).round() as i64).or_default()[usize::from(decided.accepted)] += decided.weight;
    }
    grains.into_iter().map(|(at, weights)| Grain { at: at as f64 * GRAIN, weights }).collect()
}

/// How unlikely the decisions and the move away from the start are, as a negative logarithm.
fn loss(grains: &[Grain], place: f64, steepness: f64, start: f64) -> f64 {
    let slope = steepness.exp();
    let seen = |probability: f64| (LAPSE + (1.0 - 2.0 * LAPSE) * probability).ln();
    let decided: f64 = grains
        .iter()
        .map(|grain| {
            let probability = logistic(slope * (grain.at - place));
            -(grain.weights[1] * seen(probability) + grain.weights[0] * seen(1.0 - probability))
        })
        .sum();
    decided + (place / PLACE_SPREAD).powi(2) / 2.0 + ((steepness - start) / SLOPE_SPREAD).powi(2) / 2.0
}

/// The lowest point of a function of place and steepness. The lapses make several valleys, so a coarse grid finds the
/// deepest one, and a compass search its floor.
fn lowest(loss: impl Fn(f64, f64) -> f64, start: f64) -> (f64, f64) {
    let least = FLATTEST.ln();
    let grid = (-16..=16).flat_map(|i| (-4..=4).map(move |j| (f64::from(i) * 0.375, start + f64::from(j) * 0.375)));
    let mut best = (0.0, start);
    let mut depth = loss(best.0, best.1);
    let mut try_at = |at: (f64, f64), best: &mut (f64, f64)| {
        let at = (at.0, at.1.max(least));
        let found = loss(at.0, at.1);
        let is_lower = found < depth;
        if is_lower {
            (*best, depth) = (at, found);
        }
        is_lower
    };
    grid.for_each(|at| {
        try_at(at, &mut best);
    });
    let mut step = 0.2;
    while step > 1e-5 {
        let ways = [(step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step), (step, step), (-step, -step)];
        if !ways.into_iter().any(|(i, j)| try_at((best.0 + i, best.1 + j), &mut best)) {
            step /= 2.0;
        }
    }
    best
}
