//! From a model's score to a probability that a person would agree with, per model, label and library.
//!
//! **The score** of a photo and a label is a margin: the cosine between them less the mean cosine between the photo and
//! some neutral sentences ("a photo"). Some photos are near to every sentence and some to none; the margin takes that
//! out, and what is left differs between labels by an offset and a scale, which the library itself shows.
//!
//! **The start** ([`Background`]) looks at the margins of all photos, without any decision: most labels are true of few
//! photos, so there is a bulk of photos that do not match and a tail that does. It fits both as two normal
//! distributions with one spread, held by a few made-up observations where the margins do not decide. Two such
//! distributions make the probability a logistic function of the score, with its place and its slope. The idea of an
//! empirical null, a bulk that is measured rather than assumed, is Efron's ("Large-Scale Simultaneous Hypothesis
//! Testing: The Choice of a Null Hypothesis", JASA 99, 2004); a mixture was taken rather than his local false discovery
//! rate because his null is the bulk, and a label may be true of most photos.
//!
//! While there are few photos the model's own meaning of a margin stands in for them ([`Background::expecting`]): its
//! logit scale, and its bias or, where it has none, the odds of the label against a neutral sentence.
//!
//! **Decisions** ([`Calibration::fit`]) move place and slope, as Platt's sigmoid does (1999), from the start and not from
//! nothing: the start is a prior that some ten decisions outweigh. A decision may be a slip, so each has a small chance
//! of meaning nothing (a lapse, as in psychometrics), which bounds what one decision can do, however far out it is. From
//! [`ENOUGH_FOR_CURVE`] decisions on, half of the probability and more comes from a monotone step curve (isotonic
//! regression) that is not bound to the logistic form. Probabilities never fall where scores rise.
//!
//! **What to keep in mind**: people mostly decide what is shown to them, so decisions lie where scores are high.
//! That does not bias the fit as such, for it asks how probable a tag is at a given score; but below the scores that
//! were shown the fit is a continuation. Tags that a person added by hand (found by a search, or known) are accepted only
//! and so lean to yes; give them a smaller weight.

mod background;
mod curve;
mod fit;
mod histogram;

use serde::{Deserialize, Serialize};

pub use self::{
    background::{Background, Expected},
    curve::Curve,
    fit::{Decided, ENOUGH_FOR_CURVE},
    histogram::{Around, Histogram, around, histogram, tagged_at},
};

/// Sentences that fit every photo alike, for [`margin`].
pub const NEUTRAL: [&str; 4] = ["a photo", "a picture", "an image", "a photo of something"];

/// The score of a photo and a label: their cosine less the mean cosine between the photo and the neutral sentences.
pub fn margin(cosine: f32, neutral: &[f32]) -> f32 {
    let mean = neutral.iter().copied().map(f64::from).sum::<f64>() / neutral.len().max(1) as f64;
    (f64::from(cosine) - mean) as f32
}

/// Probability by score. It rises with the score, everywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Calibration {
    /// The score at which the logistic part is 0.5.
    pub middle: f64,
    /// Rise of the log-odds per unit of score, above 0.
    pub slope: f64,
    /// How many decisions it was fitted to.
    pub decisions: usize,
    /// What many decisions added to the logistic function.
    pub curve: Option<Curve>,
}

impl Calibration {
    /// From the library alone, before anybody decided.
    pub fn start(background: &Background) -> Self {
        let (middle, slope) = background.logistic();
        Self { middle, slope, decisions: 0, curve: None }
    }

    /// From the library and what a person decided.
    pub fn fit(background: &Background, decisions: &[Decided]) -> Self {
        fit::fit(background, decisions)
    }

    /// The probability that a photo with this score has the label.
    pub fn probability(&self, score: f32) -> f64 {
        self.at(f64::from(score))
    }

    fn at(&self, score: f64) -> f64 {
        let logistic = self.logistic(score);
        self.curve.as_ref().map_or(logistic, |curve| curve.blend(score, logistic, |score| self.logistic(score)))
    }

    fn logistic(&self, score: f64) -> f64 {
        logistic(self.slope * (score - self.middle))
    }

    /// The lowest score with at least this probability; infinite for 0 and 1, which no score has.
    pub fn score_at(&self, probability: f64) -> f64 {
        if probability <= 0.0 {
            return f64::NEG_INFINITY;
        }
        if probability >= 1.0 {
            return f64::INFINITY;
        }
        let odds = (probability / (1.0 - probability)).ln();
        let plain = self.middle + odds / self.slope;
        if self.curve.is_none() { plain } else { self.search(probability, plain) }
    }

    /// By halving, around a score that is nearly right.
    fn search(&self, probability: f64, near: f64) -> f64 {
        let mut step = 1.0 / self.slope;
        while self.at(near - step) >= probability || self.at(near + step) < probability {
            step *= 2.0;
            if !step.is_finite() {
                return near;
            }
        }
        let (mut low, mut high) = (near - step, near + step);
        for _ in 0..100 {
            let middle = low.midpoint(high);
            if self.at(middle) >= probability { high = middle } else { low = middle }
        }
        high
    }
}

/// 1 / (1 + e⁻ˣ), without overflow.
fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_photos_say_little_and_many_say_what_they_show() {
        let expected = Expected { middle: 0.1, slope: 50.0 };
        let start = |count: usize| {
            let scores: Vec<f32> = (0..count).map(|i| (i % 10) as f32 * 0.01 - 0.2).collect();
            Calibration::start(&Background::of(&scores).expecting(expected)).middle
        };
        assert!((start(5) - 0.1).abs() < 0.02, "{}", start(5));
        let own =
            Calibration::start(&Background::of(&(0..50_000).map(|i| (i % 10) as f32 * 0.01 - 0.2).collect::<Vec<_>>()));
        assert!((start(50_000) - own.middle).abs() < 0.01);
    }
    use crate::seeded::Seeded;

    /// Margins of a label that a tenth of the photos match.
    fn library() -> Vec<f32> {
        let mut seeded = Seeded(5);
        let mut margin = || seeded.normal() * 0.015 + if seeded.uniform() < 0.1 { 0.03 } else { -0.03 };
        (0..3000).map(|_| margin() as f32).collect()
    }

    fn decided(score: f64, accepted: bool) -> Decided {
        Decided { score: score as f32, accepted, weight: 1.0 }
    }

    #[test]
    fn a_margin_does_not_depend_on_how_near_a_photo_is_to_every_sentence() {
        let near = margin(0.35, &[0.25, 0.27]);
        assert!((near - 0.09).abs() < 1e-6 && (margin(0.25, &[0.15, 0.17]) - near).abs() < 1e-6);
        assert_eq!(margin(0.5, &[]), 0.5);
    }

    #[test]
    fn the_score_of_a_probability_has_that_probability() {
        let background = Background::of(&library());
        let many: Vec<Decided> =
            (0..400).map(|i| decided(f64::from(i) * 2e-4 - 0.04, i % 3 == 0 && i > 100 || i > 300)).collect();
        let curved = Calibration::fit(&background, &many);
        assert!(curved.curve.is_some());
        for calibration in [Calibration::start(&background), curved] {
            for probability in [1e-6, 0.01, 0.3, 0.5, 0.9, 0.9999] {
                let found = calibration.at(calibration.score_at(probability));
                assert!((found - probability).abs() < 1e-9 * (1.0 + 1.0 / probability), "{probability} {found}");
            }
            assert_eq!(calibration.score_at(0.0), f64::NEG_INFINITY);
            assert_eq!(calibration.score_at(1.0), f64::INFINITY);
        }
    }

    #[test]
    fn one_decision_moves_the_threshold_little_however_strange_it_is() {
        let scores = library();
        let background = Background::of(&scores);
        let start = Calibration::start(&background);
        let tagged = tagged_at(&scores, &start, 0.5) as f64;
        for step in -400..=400 {
            for accepted in [false, true] {
                let score = start.middle + f64::from(step) * 0.05 * background.spread;
                let fitted = Calibration::fit(&background, &[decided(score, accepted)]);
                let moved = (fitted.middle - start.middle).abs() / background.spread;
                let now = tagged_at(&scores, &fitted, 0.5) as f64;
                assert!(
                    moved < 1.0 && (0.6..2.0).contains(&(now / tagged)),
                    "{step} {accepted} {moved} {now} {tagged}"
                );
            }
        }
        let absurd =
            [decided(1e30, false), decided(f64::NAN, true), Decided { weight: f64::NAN, ..decided(0.0, true) }];
        let fitted = Calibration::fit(&background, &absurd);
        assert!((fitted.middle - start.middle).abs() < 0.1 * background.spread && fitted.decisions == 1);
    }

    #[test]
    fn ten_decisions_already_move_it_where_they_say() {
        let background = Background::of(&library());
        let start = Calibration::start(&background);
        // The truth begins two spreads above the start, where nobody would have guessed.
        let truth = start.middle + 2.0 * background.spread;
        let ten: Vec<Decided> = (0..10)
            .map(|i| start.middle + f64::from(i) * 0.4 * background.spread)
            .map(|score| decided(score, score > truth))
            .collect();
        let fitted = Calibration::fit(&background, &ten);
        let off = |calibration: &Calibration| (calibration.middle - truth).abs() / background.spread;
        assert!(off(&fitted) < 0.7, "{}", off(&fitted));
        // An eleventh that denies the rest changes little.
        let slip = [ten, vec![decided(truth + 4.0 * background.spread, false)]].concat();
        let moved = (Calibration::fit(&background, &slip).middle - fitted.middle).abs() / background.spread;
        assert!(moved < 0.3, "{moved}");
    }

    #[test]
    fn libraries_that_say_nothing_give_a_cautious_start() {
        for scores in [vec![], vec![0.01], vec![0.0; 500], vec![f32::NAN; 3], vec![f32::MAX, f32::MIN, 0.0]] {
            let background = Background::of(&scores);
            let calibration = Calibration::start(&background);
            assert!(calibration.middle.is_finite() && calibration.slope > 0.0, "{scores:?} {background:?}");
            let tagged = tagged_at(&scores, &calibration, 0.5);
            assert!(tagged <= 1, "{tagged} of {}", scores.len());
        }
    }

    #[test]
    fn it_comes_back_from_json() {
        let background = Background::of(&library());
        let calibration = Calibration::fit(&background, &[decided(0.0, true)]);
        let text = serde_json::to_string(&calibration).unwrap();
        assert!(text.starts_with("{\"middle\":"), "{text}");
        let back: Calibration = serde_json::from_str(&text).unwrap();
        assert!((back.middle - calibration.middle).abs() < 1e-15 && back.decisions == 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn more_score_is_never_less_probability(
            decisions in prop::collection::vec((-0.2f32..0.2, any::<bool>()), 0..500),
            mut scores in prop::collection::vec(-0.5f32..0.5, 50),
        ) {
            let background = Background::of(&library());
            let decisions: Vec<Decided> =
                decisions.into_iter().map(|(score, accepted)| Decided { score, accepted, weight: 1.0 }).collect();
            let calibration = Calibration::fit(&background, &decisions);
            scores.extend(calibration.curve.iter().flat_map(|curve| &curve.scores).map(|score| *score as f32));
            scores.sort_unstable_by(f32::total_cmp);
            let probabilities: Vec<f64> = scores.iter().map(|score| calibration.probability(*score)).collect();
            prop_assert!(probabilities.is_sorted(), "{probabilities:?}");
            prop_assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
        }
    }
}
