//! open_clip's own text tower.
//! Follows open_clip `transformer.py`, `TextTransformer`, at commit 89fb801f.

use burn::{
    nn::{Embedding, LayerNorm},
    tensor::{Int, Tensor, TensorData, assert_shape},
};

use super::TokenBatch;
use super::block::{BlockConfig, ResidualAttentionBlock, Sight};
use crate::{error::LoadError, probe::Probe, weights::Weights};

/// Which position of the last block is the feature of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextPool {
    /// The first position with the largest id, which is CLIP's end token.
    Argmax,
    /// The first position with this id; the first position of all if there is none, as torch's `argmax` over zeros.
    Eos(u32),
    /// The last position, padding or not.
    Last,
    /// The first position.
    First,
}

impl TextPool {
    fn position(self, ids: &[u32]) -> usize {
        match self {
            Self::Argmax => {
                let largest = ids.iter().max().copied().unwrap_or(0);
                ids.iter().position(|id| *id == largest).unwrap_or(0)
            }
            Self::Eos(end) => ids.iter().position(|id| *id == end).unwrap_or(0),
            Self::Last => ids.len() - 1,
            Self::First => 0,
        }
    }
}

/// A text transformer, as open_clip's `text_cfg` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct TextConfig {
    /// Where keys start: empty for `CLIP`, `text.` for `CustomTextCLIP`.
    pub prefix: &'static str,
    /// Number of positions.
    pub context_length: usize,
    /// Number of token ids.
    pub vocab_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// The blocks.
    pub block: BlockConfig,
    /// Which position is the feature.
    pub pool: TextPool,
    /// What a position sees.
    pub sight: Sight,
}

/// A text transformer with its weights.
#[derive(Debug)]
pub struct TextTransformer {
    config: TextConfig,
    token_embedding: Embedding,
    positional_embedding: Tensor<2>,
    resblocks: Vec<ResidualAttentionBlock>,
    ln_final: LayerNorm,
}

impl TextTransformer {
    /// Reads the tower.
    pub fn load(weights: &Weights, config: &TextConfig) -> Result<Self, LoadError> {
        let TextConfig { prefix, context_length, vocab_size, block, .. } = *config;
        let width = block.width;
        Ok(Self {
            token_embedding: weights.embedding(&format!("{prefix}token_embedding.weight"), vocab_size, width)?,
            positional_embedding: weights.tensor(&format!("{prefix}positional_embedding"), [context_length, width])?,
            resblocks: (0..config.layers)
                .map(|i| ResidualAttentionBlock::load(weights, &format!("{prefix}transformer.resblocks.{i}"), &block))
                .collect::<Result<_, _>>()?,
            ln_final: weights.layer_norm(&format!("{prefix}ln_final"), width, block.epsilon)?,
            config: config.clone(),
        })
    }

    /// How many positions of `tokens` can influence their features.
    ///
    /// With causal sight nothing after the pooled position does, so a batch of labels runs only as far as its longest.
    pub fn needed_length(&self, tokens: &TokenBatch) -> usize {
        match self.config.sight {
            Sight::Full => tokens.length(),
            Sight::Causal => tokens.rows().map(|ids| self.config.pool.position(ids) + 1).max().unwrap_or(1),
        }
    }

    /// # Shapes
    /// - tokens: `[batch, seq]`, `seq` at most the context length
    /// - output: `[batch, width]`, the pooled feature
    pub fn forward(&self, tokens: &TokenBatch, probe: &mut Probe) -> Tensor<2> {
        let device = self.positional_embedding.device();
        let (batch, seq) = (tokens.count(), tokens.length());
        let embedded = self.token_embedding.forward(tokens.to_tensor(&device)); // [batch, seq, width]
        probe.see(|| "text.token_embedding".into(), &embedded);
        let positions = self.positional_embedding.clone().narrow(0, 0, seq);
        let mut x = embedded + positions.unsqueeze();
        for (i, block) in self.resblocks.iter().enumerate() {
            x = block.forward(x, self.config.sight);
            probe.see(|| format!("text.block.{i}"), &x);
        }
        if probe.is_on() {
            probe.see(|| "text.ln_final".into(), &self.ln_final.forward(x.clone()));
        }
        // A norm acts on each position alone, so only the pooled one needs it.
        let pooled = self.ln_final.forward(self.pool(x, tokens));
        assert_shape!(pooled, [batch, self.config.block.width]);
        probe.see(|| "text.pooled".into(), &pooled);
        pooled
    }

    fn pool(&self, x: Tensor<3>, tokens: &TokenBatch) -> Tensor<2> {
        let [batch, seq, width] = x.dims();
        let device = x.device();
        let rows: Vec<i32> =
            tokens.rows().enumerate().map(|(i, ids)| (i * seq + self.config.pool.position(ids)) as i32).collect();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [batch]), &device);
        x.reshape([batch * seq, width]).select(0, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::TextPool;

    #[test]
    fn argmax_takes_the_first_of_equal_ids() {
        assert_eq!(TextPool::Argmax.position(&[7, 9, 3, 9]), 1);
    }

    #[test]
    fn eos_is_found_by_id_and_last_ignores_padding() {
        assert_eq!(TextPool::Eos(2).position(&[0, 5, 2, 1]), 2);
        assert_eq!(TextPool::Last.position(&[5, 2, 0, 0]), 3);
    }
}
