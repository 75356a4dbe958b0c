//! How much more a photo is like a label than like nothing in particular.

use cliploupe_engine::zero_shot::{self, Scoring};
use cliploupe_library::{
    PhotoId,
    calibrate::{Background, Calibration, Decided, Expected},
};

/// One label over many photos.
pub struct Margins {
    /// The photos, in the order of their numbers.
    pub photos: Vec<PhotoId>,
    /// The margin of each.
    pub scores: Vec<f32>,
    /// What a margin means, by the library and by what was decided.
    pub calibration: Calibration,
    /// What was decided: photo, its margin, accepted.
    pub decided: Vec<(PhotoId, f32, bool)>,
}

impl Margins {
    /// From the margins of photos, in the order of their numbers, and the verdicts on them.
    pub fn new(photos: Vec<PhotoId>, scores: Vec<f32>, verdicts: &[(PhotoId, bool)], expected: Expected) -> Self {
        let background = Background::of(&scores).expecting(expected);
        let score = |id: &PhotoId| photos.binary_search(id).ok().map(|at| scores[at]);
        let known = verdicts.iter().filter_map(|(id, accepted)| Some((*id, score(id)?, *accepted)));
        let decided: Vec<_> = known.collect();
        let calibration = Calibration::fit(&background, &decisions(decided.iter().copied()));
        Self { photos, scores, calibration, decided }
    }

    /// What was decided, as calibration takes it.
    pub fn decisions(&self) -> Vec<Decided> {
        decisions(self.decided.iter().copied())
    }
}

/// Decisions as calibration takes them.
pub fn decisions(decided: impl Iterator<Item = (PhotoId, f32, bool)>) -> Vec<Decided> {
    decided.map(|(_, score, accepted)| Decided { score, accepted, weight: 1.0 }).collect()
}

/// The cosine of each photo with each label, less its mean cosine with the neutral sentences: `[photo, label]`.
///
/// # Shapes
/// - embeddings: `[photo, embed]`, unit vectors
/// - directions: `[label, embed]`, unit vectors
/// - neutral: `[embed]`, the mean of the neutral sentences' unit vectors
pub fn margins(embeddings: &[f32], directions: &[f32], neutral: &[f32]) -> Vec<f32> {
    let above = |row: &[f32]| row.iter().zip(neutral).map(|(d, n)| d - n).collect::<Vec<f32>>();
    let above: Vec<f32> = directions.chunks_exact(neutral.len()).flat_map(above).collect();
    zero_shot::cosines(embeddings, &above, neutral.len())
}

/// What a model was trained to mean by a margin.
///
/// With a sigmoid, the scale and the bias of its logits, at the typical cosine with the neutral sentences. With a softmax,
/// the odds of the label against a neutral sentence.
///
/// # Shapes
/// - embeddings: `[photo, embed]`, of some photos
/// - neutral: `[embed]`
pub fn expected(scoring: Scoring, embeddings: &[f32], neutral: &[f32]) -> Expected {
    let slope = f64::from(scoring.scale).max(1.0);
    let middle = match scoring.logit_bias() {
        Some(bias) => {
            let cosines = zero_shot::cosines(embeddings, neutral, neutral.len());
            let typical = cosines.iter().copied().map(f64::from).sum::<f64>() / cosines.len().max(1) as f64;
            -f64::from(bias) / slope - typical
        }
        None => 0.0,
    };
    Expected { middle, slope }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected = Expected { middle: 0.1, slope: 50.0 };

    #[test]
    fn a_margin_is_the_cosine_above_that_of_nothing_in_particular() {
        let scores = margins(&[1.0, 0.0, 0.6, 0.8], &[0.0, 1.0, 1.0, 0.0], &[0.5, 0.5]);
        let expected = [-0.5, 0.5, 0.1, -0.1];
        assert!(scores.iter().zip(expected).all(|(score, expected)| (score - expected).abs() < 1e-6), "{scores:?}");
    }

    #[test]
    fn decisions_about_photos_that_are_not_there_count_for_nothing() {
        let scores: Vec<f32> = (0..200).map(|i| (i % 17) as f32 / 100.0).collect();
        let margins =
            Margins::new((0..200).map(|i| i * 2).collect(), scores, &[(4, true), (5, false), (900, true)], EXPECTED);
        assert_eq!(margins.decided, [(4, 0.02, true)]);
        assert_eq!(margins.calibration.decisions, 1);
    }
}
