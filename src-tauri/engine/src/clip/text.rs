//! open_clip's own text tower, and CoCa's, which reads a text from a token behind it.
//! Follows open_clip `transformer.py`, `TextTransformer`, at commit 89fb801f.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData, assert_shape};

use super::TokenBatch;
use super::block::{BlockConfig, OPEN_CLIP_BLOCK, ResidualAttentionBlock, Sight};
use crate::{
    error::LoadError,
    layers::{Embedding, LayerNorm},
    probe::Probe,
    weights::Weights,
};

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
    /// CoCa: a learnt token behind the text, which is in no tokenizer. Padding is hidden with a mask that is one position
    /// off, which the released weights were trained with (`correct_cls_mask=False`): position `j` is seen if `j` is 0 or
    /// token `j − 1` is not this id.
    Behind {
        /// The id that is padding.
        pad_id: u32,
    },
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
            Self::Behind { .. } => ids.len(),
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
    /// CoCa's token behind the text: `[1, 1, width]`.
    cls_emb: Option<Tensor<3>>,
    positional_embedding: Tensor<2>,
    resblocks: Vec<ResidualAttentionBlock>,
    ln_final: LayerNorm,
}

impl TextTransformer {
    /// Reads the tower.
    pub fn load(weights: &Weights, config: &TextConfig) -> Result<Self, LoadError> {
        let TextConfig { prefix, context_length, vocab_size, block, .. } = *config;
        let width = block.width;
        let behind = matches!(config.pool, TextPool::Behind { .. });
        let positions = context_length + usize::from(behind);
        Ok(Self {
            cls_emb: behind
                .then(|| weights.tensor::<1>(&format!("{prefix}cls_emb"), [width]).map(Tensor::unsqueeze))
                .transpose()?,
            token_embedding: weights.embedding(&format!("{prefix}token_embedding.weight"), vocab_size, width)?,
            positional_embedding: weights.tensor(&format!("{prefix}positional_embedding"), [positions, width])?,
            resblocks: (0..config.layers)
                .map(|i| {
                    ResidualAttentionBlock::load(
                        weights,
                        &format!("{prefix}transformer.resblocks.{i}"),
                        OPEN_CLIP_BLOCK,
                        &block,
                    )
                })
                .collect::<Result<_, _>>()?,
            ln_final: weights.layer_norm(&format!("{prefix}ln_final"), width, block.epsilon)?,
            config: config.clone(),
        })
    }

    /// How many positions of `tokens` can influence their features.
    ///
    /// With causal sight nothing after the pooled position does, so a batch of labels runs only as far as its longest.
    pub fn needed_length(&self, tokens: &TokenBatch) -> usize {
        match (self.config.sight, self.config.pool) {
            (Sight::Full, _) => tokens.length(),
            (Sight::Causal, TextPool::Behind { pad_id }) => {
                // The first padding is seen (see `TextPool::Behind`), so it stays.
                let used = |ids: &[u32]| ids.iter().rposition(|id| *id != pad_id).map_or(1, |last| last + 2);
                tokens.rows().map(used).max().unwrap_or(1).min(tokens.length())
            }
            (Sight::Causal, pool) => tokens.rows().map(|ids| pool.position(ids) + 1).max().unwrap_or(1),
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
        let mut x = embedded + self.positional_embedding.clone().narrow(0, 0, seq).unsqueeze();
        if let Some(token) = &self.cls_emb {
            // However short the batch was cut, the token behind the text has the last position.
            let place = self.positional_embedding.clone().narrow(0, self.config.context_length, 1).unsqueeze();
            x = Tensor::cat(vec![x, (token.clone() + place).expand([batch, 1, self.config.block.width])], 1);
        }
        let hidden = match self.config.pool {
            TextPool::Behind { pad_id } => Some(hidden_padding(tokens, pad_id, self.config.block.heads, &device)),
            _ => None,
        };
        for (i, block) in self.resblocks.iter().enumerate() {
            x = block.forward_hiding(x, self.config.sight, hidden.clone());
            probe.see(|| format!("text.block.{i}"), &x);
        }
        if hidden.is_none() {
            probe.look(|| "text.ln_final".into(), || self.ln_final.forward(x.clone()));
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

/// CoCa's mask, `[batch, heads, seq + 1, seq + 1]`: true where a position is not seen.
fn hidden_padding(tokens: &TokenBatch, pad_id: u32, heads: usize, device: &Device) -> Tensor<4, Bool> {
    let (batch, seq) = (tokens.count(), tokens.length());
    let hidden: Vec<bool> =
        tokens.rows().flat_map(|ids| std::iter::once(false).chain(ids.iter().map(|id| *id == pad_id))).collect();
    let keys = Tensor::<2, Bool>::from_data(TensorData::new(hidden, [batch, seq + 1]), device);
    keys.reshape([batch, 1, 1, seq + 1]).expand([batch, heads, seq + 1, seq + 1])
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
