//! What edits change, in a few numbers: classes and labels from scores, and the geometry of vectors in the joint space.
//!
//! Sums are in f64. Vectors need not be of unit length: each is divided by its own.

use super::{Table, table::evenly};
use crate::analysis::{AnalysisError, embeddings::neighbour_overlap, matrix::dot};

/// Vectors that [`overlap`] compares with each other, at most.
pub const OVERLAP_SAMPLE: usize = 1024;

/// How well scores fit classes that are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassMeasures {
    /// Photos that count.
    pub photos: usize,
    /// Share whose best class is its own.
    pub accuracy: f64,
    /// Mean of F1 = 2·hits/(predicted + true) over the classes that are predicted or true for at least one photo.
    pub macro_f1: f64,
    /// Mean of the average precision over the classes that have a photo, the photos ranked by the class's score: the
    /// mean, over the photos of a class, of the precision among all that score as high. As scikit-learn's
    /// `average_precision_score`, so equal scores are one rank.
    pub mean_average_precision: f64,
}

/// The measures of `scores` for photos whose class is known.
///
/// # Shapes
/// - scores: `[photo, class]`
/// - truth: `[photo]`, indices of classes
///
/// # Errors
/// If there is no photo, if the numbers do not fit, or if a class is not one of the columns.
pub fn class_measures(scores: &Table, truth: &[usize]) -> Result<ClassMeasures, AnalysisError> {
    let (photos, classes) = (scores.count(), scores.columns());
    if photos != truth.len() {
        let (left, right) = ([photos, classes], [truth.len(), 1]);
        return Err(AnalysisError::Shapes { figure: "measures of classes", left, right });
    }
    if photos == 0 || truth.iter().any(|class| *class >= classes) {
        let input = if photos == 0 { "no photos" } else { "a class without scores" };
        return Err(AnalysisError::Undefined { figure: "measures of classes", input });
    }
    let predicted = top_labels(scores);
    let (mut hits, mut involved) = (vec![0usize; classes], vec![0usize; classes]);
    for (predicted, truth) in predicted.iter().zip(truth) {
        involved[*predicted] += 1;
        involved[*truth] += 1;
        hits[*truth] += usize::from(predicted == truth);
    }
    let f1 = hits.iter().zip(&involved).filter(|(_, involved)| **involved > 0);
    let scored = |class| scores.rows().zip(truth).map(move |(row, truth)| (row[class], *truth == class));
    let precisions = (0..classes).filter_map(|class| average_precision(scored(class)));
    Ok(ClassMeasures {
        photos,
        accuracy: hits.iter().sum::<usize>() as f64 / photos as f64,
        macro_f1: mean(f1.map(|(hits, involved)| 2.0 * *hits as f64 / *involved as f64)),
        mean_average_precision: mean(precisions),
    })
}

/// The mean, over the photos of a class, of the share of its photos among those ranked at least as high. Photos with one
/// score have one rank, so that their order in the list says nothing. None for a class without photos.
///
/// # Shapes
/// - scored: the class's score of each photo, and whether the photo is of the class
pub(super) fn average_precision(scored: impl Iterator<Item = (f32, bool)>) -> Option<f64> {
    let mut ranked: Vec<(f32, bool)> = scored.collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut seen, mut found, mut sum) = (0, 0, 0.0);
    for equal in ranked.chunk_by(|a, b| a.0 == b.0) {
        let own = equal.iter().filter(|(_, own)| *own).count();
        seen += equal.len();
        found += own;
        sum += own as f64 * found as f64 / seen as f64;
    }
    (found > 0).then(|| sum / found as f64)
}

/// The mean; 0 of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / f64::from(count) }
}

/// The best label of each photo, the first of equal ones.
///
/// # Shapes
/// - scores: `[photo, label]`
/// - output: `[photo]`
pub fn top_labels(scores: &Table) -> Vec<usize> {
    scores.rows().map(best).collect()
}

/// The place of the highest score, the first of equal ones.
pub(super) fn best(scores: &[f32]) -> usize {
    let first = (0, scores[0]);
    scores.iter().enumerate().fold(first, |best, (at, value)| if *value > best.1 { (at, *value) } else { best }).0
}

/// A photo whose best label changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flip {
    /// The photo, by its row.
    pub photo: usize,
    /// Its best label before.
    pub before: usize,
    /// Its best label after.
    pub after: usize,
}

/// The photos whose best label is another one after than before.
///
/// # Shapes
/// - before, after: `[photo, label]`, of the same photos and labels
///
/// # Errors
/// If they are not.
pub fn flips(before: &Table, after: &Table) -> Result<Vec<Flip>, AnalysisError> {
    let shape = |table: &Table| [table.count(), table.columns()];
    let (left, right) = (shape(before), shape(after));
    if left != right {
        return Err(AnalysisError::Shapes { figure: "changed labels", left, right });
    }
    let pairs = top_labels(before).into_iter().zip(top_labels(after)).enumerate();
    Ok(pairs
        .filter(|(_, (before, after))| before != after)
        .map(|(photo, (before, after))| Flip { photo, before, after })
        .collect())
}

/// The modality gap μ_images − μ_texts of unit means (see [`crate::analysis::embeddings::modality_gap`]); none if a side
/// is empty.
///
/// # Panics
/// If the vectors are of different lengths.
pub fn gap(images: &Table, texts: &Table) -> Option<Vec<f64>> {
    assert_eq!(images.columns(), texts.columns(), "vectors of one joint space");
    let (images, texts) = (images.unit_mean()?, texts.unit_mean()?);
    Some(images.iter().zip(texts).map(|(image, text)| image - text).collect())
}

/// The mean cosine of all pairs of different vectors: (‖Σu‖² − Σ‖u‖²)/(n(n − 1)) of unit vectors u. None below two.
pub fn cone(vectors: &Table) -> Option<f64> {
    let count = vectors.count() as f64;
    let mean = vectors.unit_mean().filter(|_| count >= 2.0)?;
    // A vector of zeros has no cosine with itself to be taken out.
    let own = vectors.lengths().iter().filter(|length| **length > 1e-12).count() as f64;
    Some((dot(&mean, &mean) * count * count - own) / (count * (count - 1.0)))
}

/// The mean cosine of an image and a text, μ_images·μ_texts; none if a side is empty.
///
/// # Panics
/// As [`gap`].
pub fn image_text_cosine(images: &Table, texts: &Table) -> Option<f64> {
    assert_eq!(images.columns(), texts.columns(), "vectors of one joint space");
    Some(dot(&images.unit_mean()?, &texts.unit_mean()?))
}

/// How many of each one's nearest neighbours two tables have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// Neighbours looked at.
    pub k: usize,
    /// Share of them in common.
    pub share: f64,
    /// What chance would give, k/(n − 1).
    pub chance: f64,
}

/// The neighbour overlap of the same things in two tables, among an even sample of at most [`OVERLAP_SAMPLE`]. None if
/// there are no more than k of them.
///
/// # Shapes
/// - before, after: `[row, any]`
///
/// # Errors
/// If the numbers of rows differ, or a value is not finite.
pub fn overlap(before: &Table, after: &Table, k: usize) -> Result<Option<Overlap>, AnalysisError> {
    if before.count() != after.count() {
        let (left, right) = ([before.count(), before.columns()], [after.count(), after.columns()]);
        return Err(AnalysisError::Shapes { figure: "the neighbour overlap", left, right });
    }
    let sample = evenly(before.count(), OVERLAP_SAMPLE);
    let count = sample.len();
    if k == 0 || count <= k {
        return Ok(None);
    }
    let [before, after] = [before, after].map(|table| table.select(sample.clone()).to_matrix());
    let share = neighbour_overlap(&before?, &after?, k)?;
    Ok(Some(Overlap { k, share, chance: k as f64 / (count - 1) as f64 }))
}

/// What an image-side bias b adds to each label c for every photo, t_c·b: a prior, since
/// argmax_c t_c·(u + b)/‖u + b‖ = argmax_c (t_c·u + t_c·b).
///
/// # Shapes
/// - labels: `[label, embed]`, unit vectors
/// - bias: `[embed]`
/// - output: `[label]`
///
/// # Panics
/// If the lengths differ.
pub fn class_prior(labels: &Table, bias: &[f64]) -> Vec<f64> {
    labels.along(bias)
}

/// The cosine of each vector with `direction`, by its row, the most along it first and equal ones by their rows.
///
/// # Panics
/// If the lengths differ.
pub fn nearest_along(vectors: &Table, direction: &[f64]) -> Vec<(usize, f64)> {
    let length = dot(direction, direction).sqrt();
    let cosine = |(product, own): (f64, f64)| if own * length == 0.0 { 0.0 } else { product / (own * length) };
    let products = vectors.along(direction).into_iter().zip(vectors.lengths());
    let mut found: Vec<(usize, f64)> = products.map(cosine).enumerate().collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table<const C: usize>(rows: &[[f32; C]]) -> Table {
        Table::new(C, rows.concat())
    }

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-7
    }

    #[test]
    fn measures_by_hand() {
        // Classes 0, 1, 2 of which nobody is 2. Predictions 0, 1, 1, 2.
        let scores = table(&[[0.9, 0.1, 0.0], [0.3, 0.8, 0.1], [0.4, 0.6, 0.2], [0.2, 0.3, 0.5]]);
        let found = class_measures(&scores, &[0, 0, 1, 1]).unwrap();
        // F1: 2·1/(1 + 2), 2·1/(2 + 2), 0/(1 + 0).
        assert_eq!((found.photos, found.accuracy), (4, 0.5));
        assert!(close(found.macro_f1, (2.0 / 3.0 + 0.5 + 0.0) / 3.0));
        // Class 0 ranks photos 0, 2, 1, 3: (1 + 2/3)/2. Class 1 ranks 1, 2, 3, 0: (1/2 + 2/3)/2.
        assert!(close(found.mean_average_precision, (5.0 / 6.0 + 7.0 / 12.0) / 2.0));
    }

    #[test]
    fn equal_scores_are_one_rank_whatever_their_order() {
        let scores = table(&[[0.5, 0.0], [0.5, 0.0]]);
        for truth in [[0, 1], [1, 0]] {
            assert_eq!(class_measures(&scores, &truth).unwrap().mean_average_precision, 0.5);
        }
    }

    #[test]
    fn measures_of_nothing_and_of_unknown_classes_are_refused() {
        assert!(class_measures(&Table::new(2, Vec::new()), &[]).is_err());
        let scores = table(&[[0.5, 0.0]]);
        assert!(class_measures(&scores, &[2]).is_err());
        assert!(class_measures(&scores, &[0, 1]).is_err());
    }

    #[test]
    fn flips_name_the_photo_and_both_labels() {
        let before = table(&[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]);
        let after = table(&[[0.1, 0.2], [0.2, 0.8], [0.5, 0.5]]);
        assert_eq!(flips(&before, &after).unwrap(), [Flip { photo: 0, before: 0, after: 1 }]);
        assert_eq!(top_labels(&after), [1, 1, 0]);
        assert!(flips(&before, &table(&[[0.0, 1.0]])).is_err());
    }

    #[test]
    fn gap_and_cones_by_hand() {
        let images = table(&[[2.0, 0.0], [0.0, 3.0]]);
        let texts = table(&[[-5.0, 0.0]]);
        assert_eq!(gap(&images, &texts).unwrap(), [1.5, 0.5]);
        assert!(close(image_text_cosine(&images, &texts).unwrap(), -0.5));
        assert!(close(cone(&images).unwrap(), 0.0) && cone(&texts).is_none());
        // Three pairs, one of cosine −1 and two with a vector of zeros.
        assert!(close(cone(&table(&[[1.0, 0.0], [-2.0, 0.0], [0.0, 0.0]])).unwrap(), -1.0 / 3.0));
        let none = Table::new(2, Vec::new());
        assert!(gap(&none, &texts).is_none() && image_text_cosine(&images, &none).is_none());
    }

    #[test]
    fn neighbours_are_compared_on_an_even_sample() {
        let circle = |turn: f32| {
            let point = |at: usize| [(at as f32 * turn).cos(), (at as f32 * turn).sin()];
            table(&(0..OVERLAP_SAMPLE + 500).map(point).collect::<Vec<_>>())
        };
        let same = overlap(&circle(0.001), &circle(0.0015), 5).unwrap().unwrap();
        assert!(same.share > 0.9 && close(same.chance, 5.0 / (OVERLAP_SAMPLE - 1) as f64), "{same:?}");
        let few = table(&[[1.0, 0.0], [0.0, 1.0]]);
        assert_eq!(overlap(&few, &few, 2).unwrap(), None);
        assert!(overlap(&few, &table(&[[1.0]]), 1).is_err());
    }

    #[test]
    fn along_a_direction_by_hand() {
        let vectors = table(&[[0.0, -4.0], [3.0, 4.0], [0.0, 0.0], [0.0, 2.0]]);
        let found = nearest_along(&vectors, &[0.0, 5.0]);
        assert_eq!(found.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [3, 1, 2, 0]);
        assert!(close(found[1].1, 0.8) && close(found[3].1, -1.0));
        assert_eq!(class_prior(&vectors, &[1.0, 0.5]), [-2.0, 5.0, 0.0, 1.0]);
    }
}
