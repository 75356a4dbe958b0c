//! BERT and its kin, RoBERTa and XLM-RoBERTa, which differ in how tokens are numbered: the text towers of the embedded
//! model, of Chinese-CLIP, and of open_clip's `HFTextEncoder`.
//! Follows transformers 5.23 `models/bert/modeling_bert.py` and `models/roberta/modeling_roberta.py`.

use burn::tensor::{Bool, Tensor, assert_shape};

use super::TokenBatch;
use super::activation::Activation;
use super::attention::attention;
use super::block::{Sight, join_heads, split_heads};
use super::padding::{EncoderPool, Padding, needed_length};
use crate::{
    error::LoadError,
    layers::{Embedding, LayerNorm, Linear},
    probe::Probe,
    weights::Weights,
};

/// Which row of the position table a token gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// The first token gets row 0, and padding is counted too: BERT.
    FromZero,
    /// The first token gets row `pad_id + 1`, and padding is skipped: RoBERTa.
    PastPadding,
}

/// BERT's shape, from its `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct BertConfig {
    /// Inner size.
    pub width: usize,
    /// Hidden size of the MLP.
    pub mlp_width: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Number of layers.
    pub layers: usize,
    /// Number of token ids.
    pub vocab_size: usize,
    /// Rows of the position table.
    pub positions: usize,
    /// Which of them a token gets.
    pub places: Places,
    /// Rows of the token type table; CLIP's texts are all of type 0.
    pub token_types: usize,
    /// Added to the variance by every LayerNorm.
    pub epsilon: f64,
    /// The id that is padding: it is neither seen nor averaged.
    pub pad_id: u32,
    /// From tokens to the feature.
    pub pool: EncoderPool,
}

impl BertConfig {
    /// The longest text that the position table has rows for.
    pub fn longest_text(&self) -> usize {
        match self.places {
            Places::FromZero => self.positions,
            Places::PastPadding => self.positions.saturating_sub(self.pad_id as usize + 1),
        }
    }

    /// Key of the norm that the last layer ends in.
    pub fn last_norm(&self) -> String {
        format!("text.transformer.encoder.layer.{}.output.LayerNorm", self.layers - 1)
    }
}

/// One layer: post-norm attention, then a post-norm MLP.
#[derive(Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
    heads: usize,
}

impl Layer {
    fn load(weights: &Weights, name: &str, config: &BertConfig) -> Result<Self, LoadError> {
        let BertConfig { width, mlp_width, epsilon, heads, .. } = *config;
        let square = |part: &str| weights.linear(&format!("{name}.attention.{part}"), width, width, true);
        let norm = |part: &str| weights.layer_norm(&format!("{name}.{part}.LayerNorm"), width, epsilon);
        Ok(Self {
            query: square("self.query")?,
            key: square("self.key")?,
            value: square("self.value")?,
            attention_output: square("output.dense")?,
            attention_norm: norm("attention.output")?,
            intermediate: weights.linear(&format!("{name}.intermediate.dense"), width, mlp_width, true)?,
            output: weights.linear(&format!("{name}.output.dense"), mlp_width, width, true)?,
            output_norm: norm("output")?,
            heads,
        })
    }

    /// # Shapes
    /// - x: `[batch, seq, width]`
    /// - hidden: `[batch, heads, seq, seq]`, true where a key is padding
    /// - output: `[batch, seq, width]`
    fn forward(&self, x: Tensor<3>, hidden: Tensor<4, Bool>) -> Tensor<3> {
        let [q, k, v] =
            [&self.query, &self.key, &self.value].map(|part| split_heads(part.forward(x.clone()), self.heads));
        let attended = join_heads(attention(q, k, v, Some(hidden), Sight::Full));
        let x = self.attention_norm.forward(x + self.attention_output.forward(attended));
        let active = Activation::Gelu.apply(self.intermediate.forward(x.clone()));
        self.output_norm.forward(x + self.output.forward(active))
    }
}

/// A text tower of this family with its weights.
#[derive(Debug)]
pub struct Bert {
    config: BertConfig,
    word_embeddings: Embedding,
    position_embeddings: Tensor<2>,
    token_type_embeddings: Tensor<2>,
    embeddings_norm: LayerNorm,
    layers: Vec<Layer>,
}

impl Bert {
    /// Reads the tower from `text.transformer.*`.
    pub fn load(weights: &Weights, config: &BertConfig) -> Result<Self, LoadError> {
        const PREFIX: &str = "text.transformer";
        let BertConfig { width, vocab_size, positions, token_types, epsilon, .. } = *config;
        let table = |part: &str| format!("{PREFIX}.embeddings.{part}");
        Ok(Self {
            word_embeddings: weights.embedding(&table("word_embeddings.weight"), vocab_size, width)?,
            position_embeddings: weights.tensor(&table("position_embeddings.weight"), [positions, width])?,
            token_type_embeddings: weights.tensor(&table("token_type_embeddings.weight"), [token_types, width])?,
            embeddings_norm: weights.layer_norm(&table("LayerNorm"), width, epsilon)?,
            layers: (0..config.layers)
                .map(|i| Layer::load(weights, &format!("{PREFIX}.encoder.layer.{i}"), config))
                .collect::<Result<_, _>>()?,
            config: config.clone(),
        })
    }

    /// How many positions of `tokens` can influence their features.
    pub fn needed_length(&self, tokens: &TokenBatch) -> usize {
        needed_length(tokens, self.config.pad_id)
    }

    /// # Shapes
    /// - tokens: `[batch, seq]`, `seq` at most [`BertConfig::longest_text`]
    /// - output: `[batch, width]`, the pooled feature
    pub fn forward(&self, tokens: &TokenBatch, probe: &mut Probe) -> Tensor<2> {
        let device = self.position_embeddings.device();
        let (batch, seq, width) = (tokens.count(), tokens.length(), self.config.width);
        let padding = Padding::of(tokens, self.config.pad_id);
        let words = self.word_embeddings.forward(tokens.to_tensor(&device)); // [batch, seq, width]
        let table = self.position_embeddings.clone();
        let positions: Tensor<3> = match self.config.places {
            Places::FromZero => table.narrow(0, 0, seq).unsqueeze(),
            Places::PastPadding => table.select(0, padding.places(&device)).reshape([batch, seq, width]),
        };
        // CLIP's texts are all of the first type.
        let token_type = self.token_type_embeddings.clone().narrow(0, 0, 1).unsqueeze();
        let mut x = self.embeddings_norm.forward(words + positions + token_type);
        let hidden = padding.hidden(self.config.heads, &device);
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, hidden.clone());
            probe.see(|| format!("text.block.{i}"), &x);
        }
        let pooled = padding.pool(x, self.config.pool);
        assert_shape!(pooled, [batch, width]);
        probe.see(|| "text.pooled".into(), &pooled);
        pooled
    }
}
