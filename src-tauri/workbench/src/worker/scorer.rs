//! From embeddings to scores: a label set as directions in the joint space.

use std::sync::Arc;

use cliploupe_engine::{
    lab::Head,
    zero_shot::{self, Scoring},
};

use crate::{
    messages::{BEST_PER_PHOTO, BestLabel, LabelScore, LabelSettings},
    sentences::Sentences,
};

/// Everything that turns an embedding into scores.
pub struct Scorer {
    pub version: u32,
    /// The labels.
    pub sentences: Arc<Sentences>,
    /// `[column, embed]`, unit vectors.
    pub directions: Vec<f32>,
    embed: usize,
    pub scoring: Scoring,
    /// The label set it was built from.
    pub settings: LabelSettings,
}

impl Scorer {
    pub(super) fn new(
        version: u32,
        settings: LabelSettings,
        sentences: Arc<Sentences>,
        head: &Head,
        scoring: Scoring,
    ) -> Self {
        let directions = sentences.directions(head);
        Self { version, sentences, directions, embed: head.output_dim(), scoring, settings }
    }

    /// The same labels by another text head.
    pub fn with_head(&self, head: &Head, scoring: Scoring) -> Self {
        Self::new(self.version, self.settings.clone(), self.sentences.clone(), head, scoring)
    }

    /// The direction of the label at this place of [`Self::labels`], `[embed]`.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn direction(&self, at: usize) -> &[f32] {
        &self.directions[at * self.embed..][..self.embed]
    }

    /// The labels that have a direction, in the order of the directions.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = &str> {
        self.sentences.columns.iter().map(|label| self.settings.labels[*label as usize].as_str())
    }

    /// Best labels of pictures.
    ///
    /// # Shapes
    /// - embeddings: `[image, embed]`
    pub fn best(&self, embeddings: &[f32]) -> Vec<Vec<BestLabel>> {
        let images = embeddings.len() / self.embed;
        let columns = &self.sentences.columns;
        if columns.is_empty() {
            return vec![Vec::new(); images];
        }
        let cosines = zero_shot::cosines(embeddings, &self.directions, self.embed);
        let best_of = |row: &[f32]| {
            let scores = self.scoring.scores(row);
            let best = zero_shot::top_k(&scores, BEST_PER_PHOTO).into_iter();
            best.map(|i| BestLabel { label: columns[i], score: scores[i].probability }).collect()
        };
        cosines.chunks_exact(columns.len()).map(best_of).collect()
    }

    /// Scores of one picture against every label, in the order of the set.
    pub fn all(&self, embedding: &[f32]) -> Vec<LabelScore> {
        let cosines = zero_shot::cosines(embedding, &self.directions, self.embed);
        let scores = self.scoring.scores(&cosines);
        let named = self.labels().zip(scores);
        named
            .map(|(label, score)| LabelScore {
                label: label.to_owned(),
                cosine: score.cosine,
                logit: score.logit,
                probability: score.probability,
            })
            .collect()
    }
}
