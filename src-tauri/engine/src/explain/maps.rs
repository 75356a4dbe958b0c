//! Answers with one value for each place: maps and attention.

use super::{Answer, ExplainError, Subject};
use crate::clip::config::VisionTowerConfig;

impl Subject<'_> {
    /// cos(projected place, label) from a stage `[1, place, width]`.
    pub(super) fn map(&self, stage: &str, pixels: Vec<f32>, label: &[f32]) -> Result<Answer, ExplainError> {
        let mut stages = self.run(pixels, [stage.to_owned()]);
        let places = stages.take(stage, self.abilities.places() * self.head.input_dim())?;
        let values = self.cosines(places, label);
        Ok(Answer::Grid { grid: self.abilities.grid, values, to_class: None })
    }

    pub(super) fn attention(
        &self,
        pixels: Vec<f32>,
        layer: usize,
        head: Option<usize>,
        from: Option<usize>,
    ) -> Result<Answer, ExplainError> {
        let kept = usize::from(self.abilities.class_token);
        let seq = kept + self.abilities.places();
        let pattern = self.pattern(&format!("visual.attn.{layer}"), pixels, self.abilities.heads, head, seq * seq)?;
        let rows = match from {
            Some(place) => kept + place..kept + place + 1,
            None if kept == 1 => 0..1,
            None => 0..seq,
        };
        let rows: Vec<&[f32]> = rows.map(|row| &pattern[row * seq..][..seq]).collect();
        Ok(self.looks(mean(&rows), kept))
    }

    pub(super) fn pool_attention(&self, pixels: Vec<f32>, head: Option<usize>) -> Result<Answer, ExplainError> {
        // ResNet's pool puts the mean of all places where transformers have a class token.
        let is_resnet = matches!(self.model.config.vision, VisionTowerConfig::ResNet(_));
        let kept = usize::from(self.abilities.class_token || is_resnet);
        let seq = kept + self.abilities.places();
        let pattern = self.pattern("visual.attn.pool", pixels, self.abilities.pool_heads, head, seq)?;
        Ok(self.looks(pattern, kept))
    }

    /// The pattern of one head, `size` values, or the mean over all.
    fn pattern(
        &self,
        stage: &str,
        pixels: Vec<f32>,
        heads: usize,
        head: Option<usize>,
        size: usize,
    ) -> Result<Vec<f32>, ExplainError> {
        let patterns = self.run(pixels, [stage.to_owned()]).take(stage, heads * size)?;
        let chosen = head.map_or(0..heads, |head| head..head + 1);
        let patterns: Vec<&[f32]> = chosen.map(|head| &patterns[head * size..][..size]).collect();
        Ok(mean(&patterns))
    }

    /// A row of attention as a grid, where the first `kept` tokens are no places.
    fn looks(&self, row: Vec<f32>, kept: usize) -> Answer {
        let (class, places) = row.split_at(kept);
        Answer::Grid { grid: self.abilities.grid, values: places.to_vec(), to_class: class.first().copied() }
    }
}

/// The mean of rows of one length, at least one.
fn mean(rows: &[&[f32]]) -> Vec<f32> {
    let mut sum = vec![0.0f64; rows[0].len()];
    for row in rows {
        sum.iter_mut().zip(*row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sum.into_iter().map(|sum| (sum / rows.len() as f64) as f32).collect()
}
