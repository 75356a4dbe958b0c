//! Zero-shot scoring: words in, a direction per label; pictures in, a score per label.
//!
//! Follows open_clip `zero_shot_classifier.py`, `build_zero_shot_classifier`, at commit 89fb801f: the unit embeddings of
//! a label's sentences are averaged and the mean is made unit again.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{
    clip::{Clip, ScoreKind, TokenBatch, normalise},
    device::read,
    threads,
};

/// What a template has in the place of the label.
pub const PLACEHOLDER: &str = "{}";

/// Texts encoded at once. A text is short, so a batch of this size fits anywhere.
const TEXT_BATCH: usize = 64;

/// The fewest texts that a thread of the CPU takes through the text tower at once.
const TEXTS_OF_A_THREAD: usize = 16;

/// Puts `label` into `template`.
pub fn fill(template: &str, label: &str) -> String {
    template.replace(PLACEHOLDER, label)
}

/// A picture's relation to one label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// In −1…1.
    pub cosine: f32,
    /// `scale · cosine + bias`.
    pub logit: f32,
    /// In 0…1, by the model's [`ScoreKind`].
    pub probability: f32,
}

/// Unit embeddings of tokenised texts.
///
/// # Shapes
/// - tokens: one text per row
/// - output: `[text, embed]`, row-major
pub fn text_embeddings(clip: &Clip, tokens: &TokenBatch) -> Vec<f32> {
    let projection = clip.text_projection();
    of_texts(clip, tokens, projection.config().output_dim, |pooled| normalise(projection.forward(pooled)))
}

/// Pooled features of tokenised texts, before the projection.
///
/// # Shapes
/// - tokens: one text per row
/// - output: `[text, width]`, row-major
pub fn text_pooled(clip: &Clip, tokens: &TokenBatch) -> Vec<f32> {
    of_texts(clip, tokens, clip.text_projection().config().input_dim, |pooled| pooled)
}

/// Texts of like length share a batch, so that few positions are computed in vain; the result is in the order given.
fn of_texts(clip: &Clip, tokens: &TokenBatch, size: usize, then: impl Fn(Tensor<2>) -> Tensor<2> + Sync) -> Vec<f32> {
    let rows: Vec<&[u32]> = tokens.rows().collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|row| used_length(rows[*row]));
    let mut out = vec![0.0; rows.len() * size];
    // A GPU looks for kernels for each shape, so it gets few of them; on the CPU nothing is computed in vain.
    let fills_up = *clip.device() != Device::flex();
    let vectors = |group: &[usize]| {
        let count = if fills_up { group.len().next_power_of_two() } else { group.len() };
        let filled = group.iter().chain(std::iter::repeat_n(&group[0], count - group.len()));
        let ids = filled.flat_map(|row| rows[*row]).copied().collect();
        read(then(clip.text_pooled_short(&TokenBatch::new(ids, tokens.length()))))
    };
    let at_once = if fills_up { TEXT_BATCH } else { threads::part(rows.len(), [TEXTS_OF_A_THREAD, TEXT_BATCH]) };
    let groups: Vec<&[usize]> = order.chunks(at_once).collect();
    let found = if fills_up {
        groups.iter().map(|group| vectors(group)).collect()
    } else {
        threads::spread(groups.len(), |index| vectors(groups[index]))
    };
    for (group, vectors) in groups.into_iter().zip(found) {
        for (row, vector) in group.iter().zip(vectors.chunks_exact(size)) {
            out[row * size..][..size].copy_from_slice(vector);
        }
    }
    out
}

/// Length without the trailing repetition of one id, which is padding in every tokenizer that pads on the right.
fn used_length(ids: &[u32]) -> usize {
    let Some(last) = ids.last() else { return 0 };
    ids.iter().rposition(|id| id != last).map_or(1, |position| position + 2)
}

/// The direction of each label: the unit mean of its sentences' unit embeddings.
///
/// # Shapes
/// - sentences: `[sentence, embed]`, label after label
/// - counts: sentences of each label
/// - output: `[label, embed]`
pub fn label_directions(sentences: &[f32], counts: &[usize], embed: usize) -> Vec<f32> {
    let mut rows = sentences.chunks_exact(embed);
    counts
        .iter()
        .flat_map(|count| {
            let mut mean = vec![0.0f64; embed];
            for row in rows.by_ref().take(*count) {
                mean.iter_mut().zip(row).for_each(|(m, v)| *m += f64::from(*v));
            }
            let length = mean.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
            mean.into_iter().map(move |v| (v / length) as f32)
        })
        .collect()
}

/// Cosines of unit vectors.
///
/// # Shapes
/// - images: `[image, embed]`
/// - labels: `[label, embed]`
/// - output: `[image, label]`
pub fn cosines(images: &[f32], labels: &[f32], embed: usize) -> Vec<f32> {
    if images.is_empty() || labels.is_empty() {
        return Vec::new();
    }
    let device = Device::flex();
    let matrix = |values: &[f32]| {
        Tensor::<2>::from_data(TensorData::new(values.to_vec(), [values.len() / embed, embed]), &device)
    };
    read(matrix(images).matmul(matrix(labels).transpose()))
}

/// How cosines become scores in one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scoring {
    /// Softmax or sigmoid.
    pub kind: ScoreKind,
    /// What a cosine is multiplied with.
    pub scale: f32,
    /// What is added to it.
    pub bias: f32,
}

impl Scoring {
    /// The scoring that `clip` was trained with.
    pub fn of(clip: &Clip) -> Self {
        let kind = if clip.logit_bias().is_some() { ScoreKind::Sigmoid } else { ScoreKind::Softmax };
        Self { kind, scale: clip.logit_scale(), bias: clip.logit_bias().unwrap_or(0.0) }
    }

    /// What is added to a logit, for a model that was trained with a sigmoid.
    pub fn logit_bias(&self) -> Option<f32> {
        (self.kind == ScoreKind::Sigmoid).then_some(self.bias)
    }

    /// Scores of one picture against all labels of a set.
    pub fn scores(&self, cosines: &[f32]) -> Vec<Score> {
        let logits: Vec<f32> = cosines.iter().map(|cosine| self.scale * cosine + self.bias).collect();
        let probabilities = match self.kind {
            ScoreKind::Sigmoid => logits.iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect(),
            ScoreKind::Softmax => softmax(&logits),
        };
        let parts = cosines.iter().zip(&logits).zip(probabilities);
        parts.map(|((&cosine, &logit), probability)| Score { cosine, logit, probability }).collect()
    }
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = logits.iter().map(|logit| f64::from(logit - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

/// Indices of the `k` most probable labels, best first; equal ones in the order of the set.
pub fn top_k(scores: &[Score], k: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].logit.total_cmp(&scores[*a].logit).then(a.cmp(b)));
    order.truncate(k);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scoring(kind: ScoreKind) -> Scoring {
        Scoring { kind, scale: 10.0, bias: if kind == ScoreKind::Sigmoid { -5.0 } else { 0.0 } }
    }

    #[test]
    fn softmax_scores_compete_and_sigmoid_scores_do_not() {
        let sum = |kind| scoring(kind).scores(&[0.9, 0.8, -0.5]).iter().map(|s| s.probability).sum::<f32>();
        assert!((sum(ScoreKind::Softmax) - 1.0).abs() < 1e-6);
        assert!(sum(ScoreKind::Sigmoid) > 1.5);
    }

    #[test]
    fn a_label_is_the_unit_mean_of_its_sentences() {
        let directions = label_directions(&[1.0, 0.0, 0.0, 1.0, 0.0, 3.0], &[2, 1], 2);
        assert!((directions[0] - 0.5f32.sqrt()).abs() < 1e-6 && (directions[1] - 0.5f32.sqrt()).abs() < 1e-6);
        assert_eq!(directions[2..], [0.0, 1.0]);
    }

    #[test]
    fn cosines_are_products_of_rows() {
        assert_eq!(cosines(&[1.0, 0.0, 0.6, 0.8], &[0.0, 1.0], 2), [0.0, 0.8]);
    }

    #[test]
    fn best_come_first_and_ties_keep_their_order() {
        let scores = scoring(ScoreKind::Softmax).scores(&[0.1, 0.3, 0.3, 0.2]);
        assert_eq!(top_k(&scores, 3), [1, 2, 3]);
    }
}
