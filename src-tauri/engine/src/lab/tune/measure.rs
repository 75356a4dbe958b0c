//! How well scores find classes that are known.

use serde::{Deserialize, Serialize};

use super::judge::mean;
use crate::lab::measures::{average_precision, best};

/// How well classes were found on held-out photos.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Photos that count.
    pub photos: usize,
    /// Share whose best class is its own.
    pub accuracy: f64,
    /// Mean of F1 over the classes that have photos.
    pub macro_f1: f64,
    /// Mean of the average precision over the classes that have photos, the photos ranked by the class's score.
    pub mean_average_precision: f64,
}

impl Measures {
    /// # Shapes
    /// - scores: `[photo][class]`
    /// - truth: `[photo]`, the class of each
    pub fn of(scores: &[&[f32]], truth: &[usize]) -> Self {
        let found: Vec<usize> = scores.iter().map(|scores| best(scores)).collect();
        let right = found.iter().zip(truth).filter(|(found, truth)| found == truth).count();
        let mut classes = truth.to_vec();
        classes.sort_unstable();
        classes.dedup();
        let each =
            |figure: &dyn Fn(usize) -> f64| mean(&classes.iter().map(|class| figure(*class)).collect::<Vec<_>>());
        Self {
            photos: truth.len(),
            accuracy: right as f64 / truth.len().max(1) as f64,
            macro_f1: each(&|class| f1(&found, truth, class)),
            mean_average_precision: each(&|class| {
                let scored = scores.iter().zip(truth).map(|(scores, truth)| (scores[class], *truth == class));
                average_precision(scored).unwrap_or_default()
            }),
        }
    }
}

/// 2 · right / (found + there), of a class that has photos.
fn f1(found: &[usize], truth: &[usize], class: usize) -> f64 {
    let count = |list: &[usize]| list.iter().filter(|one| **one == class).count();
    let right = found.iter().zip(truth).filter(|(f, t)| **f == class && **t == class).count();
    2.0 * right as f64 / (count(found) + count(truth)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_by_hand() {
        let scores: [&[f32]; 5] = [&[0.9, 0.1], &[0.6, 0.5], &[0.7, 0.2], &[0.1, 0.8], &[0.2, 0.3]];
        let measures = Measures::of(&scores, &[0, 1, 0, 1, 1]);
        assert_eq!((measures.photos, measures.accuracy), (5, 0.8));
        // Class 0: 2 right of 3 found and 2 there; class 1: 2 right of 2 found and 3 there.
        assert!((measures.macro_f1 - 0.8).abs() < 1e-12);
        // Class 0 ranks 0.9, 0.7 first; class 1 ranks 0.8, 0.5, 0.3 first.
        assert_eq!(measures.mean_average_precision, 1.0);
        // Class 0 ranks ✗ ✓ ✗ ✓: (1/2 + 2/4) / 2; class 1 ranks ✓ ✗ ✓ ✗: (1 + 2/3) / 2.
        let scores: [&[f32]; 4] = [&[0.9, 0.8], &[0.8, 0.75], &[0.7, 0.7], &[0.6, 0.1]];
        let expected = (0.5 + 5.0 / 6.0) / 2.0;
        let measures = Measures::of(&scores, &[1, 0, 1, 0]);
        assert!((measures.mean_average_precision - expected).abs() < 1e-12, "{measures:?}");
    }

    #[test]
    fn equal_scores_are_worth_what_chance_is() {
        let scores: [&[f32]; 4] = [&[0.5, 0.5]; 4];
        for truth in [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]] {
            let measures = Measures::of(&scores, &truth);
            assert_eq!((measures.accuracy, measures.mean_average_precision), (0.5, 0.5));
        }
    }

    #[test]
    fn classes_without_photos_do_not_count() {
        let scores: [&[f32]; 2] = [&[0.1, 0.9, 0.0], &[0.0, 0.2, 0.9]];
        // The second photo is taken for class 2, which has none.
        let measures = Measures::of(&scores, &[1, 1]);
        assert_eq!((measures.accuracy, measures.macro_f1), (0.5, 2.0 / 3.0));
        assert_eq!(Measures::of(&[], &[]).accuracy, 0.0);
    }
}
