//! The encoder of M2M-100, which NLLB is too: the text tower of NLLB-CLIP.
//! Follows transformers 5.23 `models/m2m_100/modeling_m2m_100.py`, `M2M100Encoder`.

use burn::tensor::{Tensor, assert_shape};

use super::TokenBatch;
use super::block::{BlockConfig, M2M100_BLOCK, ResidualAttentionBlock, Sight};
use super::padding::{EncoderPool, Padding, needed_length};
use crate::{
    error::LoadError,
    layers::{Embedding, LayerNorm},
    probe::Probe,
    weights::Weights,
};

/// The encoder's shape, from its `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct M2m100Config {
    /// The blocks.
    pub block: BlockConfig,
    /// Number of blocks.
    pub layers: usize,
    /// Number of token ids.
    pub vocab_size: usize,
    /// The longest text, with padding.
    pub context_length: usize,
    /// Whether token embeddings are multiplied by the root of the width.
    pub scaled: bool,
    /// The id that is padding: it is neither seen nor averaged.
    pub pad_id: u32,
    /// From tokens to the feature.
    pub pool: EncoderPool,
}

/// The encoder with its weights.
#[derive(Debug)]
pub struct M2m100 {
    config: M2m100Config,
    embed_tokens: Embedding,
    /// `[pad_id + 1 + context, width]`; in no checkpoint.
    positions: Tensor<2>,
    layers: Vec<ResidualAttentionBlock>,
    layer_norm: LayerNorm,
}

impl M2m100 {
    /// Reads the encoder from `text.transformer.*`.
    pub fn load(weights: &Weights, config: &M2m100Config) -> Result<Self, LoadError> {
        const PREFIX: &str = "text.transformer";
        let M2m100Config { block, vocab_size, context_length, pad_id, .. } = *config;
        Ok(Self {
            embed_tokens: weights.embedding(&format!("{PREFIX}.embed_tokens.weight"), vocab_size, block.width)?,
            positions: weights.small(
                sinusoids(pad_id as usize, context_length, block.width),
                [pad_id as usize + 1 + context_length, block.width],
            ),
            layers: (0..config.layers)
                .map(|i| ResidualAttentionBlock::load(weights, &format!("{PREFIX}.layers.{i}"), M2M100_BLOCK, &block))
                .collect::<Result<_, _>>()?,
            layer_norm: weights.layer_norm(&format!("{PREFIX}.layer_norm"), block.width, block.epsilon)?,
            config: config.clone(),
        })
    }

    /// How many positions of `tokens` can influence their features.
    pub fn needed_length(&self, tokens: &TokenBatch) -> usize {
        needed_length(tokens, self.config.pad_id)
    }

    /// # Shapes
    /// - tokens: `[batch, seq]`, `seq` at most the context length
    /// - output: `[batch, width]`, the pooled feature
    pub fn forward(&self, tokens: &TokenBatch, probe: &mut Probe) -> Tensor<2> {
        let device = self.positions.device();
        let (batch, seq, width) = (tokens.count(), tokens.length(), self.config.block.width);
        let padding = Padding::of(tokens, self.config.pad_id);
        let scale = if self.config.scaled { (width as f64).sqrt() } else { 1.0 };
        let words = self.embed_tokens.forward(tokens.to_tensor(&device)) * scale; // [batch, seq, width]
        let positions = self.positions.clone().select(0, padding.places(&device)).reshape([batch, seq, width]);
        let mut x = words + positions;
        let hidden = padding.hidden(self.config.block.heads, &device);
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward_hiding(x, Sight::Full, Some(hidden.clone()));
            probe.see(|| format!("text.block.{i}"), &x);
        }
        let pooled = padding.pool(self.layer_norm.forward(x), self.config.pool);
        assert_shape!(pooled, [batch, width]);
        probe.see(|| "text.pooled".into(), &pooled);
        pooled
    }
}

/// Row `n` is `sin(n · f)` for each frequency `f`, then `cos(n · f)`; frequencies fall from 1 to 1/10000. Padding has
/// zeros. In f32 throughout, as transformers has them.
fn sinusoids(pad_id: usize, context_length: usize, width: usize) -> Vec<f32> {
    let half = width / 2;
    let step = (10000_f64.ln() / (half as f64 - 1.0)) as f32;
    let frequencies: Vec<f32> = (0..half).map(|i| (i as f32 * -step).exp()).collect();
    let rows = pad_id + 1 + context_length;
    let mut values = vec![0.0; rows * width];
    for (place, row) in values.chunks_exact_mut(width).enumerate().filter(|(place, _)| *place != pad_id) {
        for (i, frequency) in frequencies.iter().enumerate() {
            let angle = place as f32 * frequency;
            (row[i], row[half + i]) = (angle.sin(), angle.cos());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_sines_then_cosines_and_none_for_padding() {
        let table = sinusoids(1, 2, 4);
        assert_eq!(table[..8], [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let expected = [2.0_f32.sin(), 2e-4_f32.sin(), 2.0_f32.cos(), 2e-4_f32.cos()];
        assert!(table[8..12].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", &table[8..12]);
    }
}
