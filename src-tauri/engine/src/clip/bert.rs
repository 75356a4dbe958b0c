//! BERT, the text tower of the embedded model, as open_clip's `HFTextEncoder` runs it.
//! Follows transformers 5.23 `models/bert/modeling_bert.py` and open_clip `hf_model.py` at commit 89fb801f.

use burn::{
    nn::{Embedding, LayerNorm, Linear},
    tensor::{
        Bool, Tensor, TensorData, activation::gelu, assert_shape, module::attention, ops::AttentionModuleOptions,
    },
};

use super::TokenBatch;
use super::block::{join_heads, split_heads};
use crate::{error::LoadError, probe::Probe, weights::Weights};

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
    /// Rows of the position table; at least the context length.
    pub positions: usize,
    /// Rows of the token type table; CLIP's texts are all of type 0.
    pub token_types: usize,
    /// Added to the variance by every LayerNorm.
    pub epsilon: f64,
    /// The id that is padding: it is neither seen nor averaged.
    pub pad_id: u32,
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
    /// - padding: `[batch, heads, seq, seq]`, true where a key is padding
    /// - output: `[batch, seq, width]`
    fn forward(&self, x: Tensor<3>, padding: Tensor<4, Bool>) -> Tensor<3> {
        let [q, k, v] =
            [&self.query, &self.key, &self.value].map(|part| split_heads(part.forward(x.clone()), self.heads));
        let attended = join_heads(attention(q, k, v, Some(padding), None, AttentionModuleOptions::default()));
        let x = self.attention_norm.forward(x + self.attention_output.forward(attended));
        let hidden = gelu(self.intermediate.forward(x.clone()));
        self.output_norm.forward(x + self.output.forward(hidden))
    }
}

/// BERT with mean pooling over the tokens that are not padding (open_clip `MeanPooler`).
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

    /// How many positions of `tokens` can influence their features: padding is neither seen nor averaged.
    pub fn needed_length(&self, tokens: &TokenBatch) -> usize {
        let used = |ids: &[u32]| ids.iter().rposition(|id| *id != self.config.pad_id).map_or(1, |last| last + 1);
        tokens.rows().map(used).max().unwrap_or(1)
    }

    /// # Shapes
    /// - tokens: `[batch, seq]`
    /// - output: `[batch, width]`, the pooled feature
    pub fn forward(&self, tokens: &TokenBatch, probe: &mut Probe) -> Tensor<2> {
        let device = self.position_embeddings.device();
        let (batch, seq, width) = (tokens.count(), tokens.length(), self.config.width);
        let words = self.word_embeddings.forward(tokens.to_tensor(&device)); // [batch, seq, width]
        let positions =
            self.position_embeddings.clone().narrow(0, 0, seq) + self.token_type_embeddings.clone().narrow(0, 0, 1);
        let mut x = self.embeddings_norm.forward(words + positions.unsqueeze());
        let is_pad: Vec<bool> = tokens.ids().iter().map(|id| *id == self.config.pad_id).collect();
        let is_pad = Tensor::<2, Bool>::from_data(TensorData::new(is_pad, [batch, seq]), &device);
        let unseen = is_pad.clone().reshape([batch, 1, 1, seq]).expand([batch, self.config.heads, seq, seq]);
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, unseen.clone());
            probe.see(|| format!("text.block.{i}"), &x);
        }
        let kept = is_pad.bool_not().float().reshape([batch, seq, 1]);
        let count = kept.clone().sum_dim(1).clamp_min(1.0); // [batch, 1, 1]
        let pooled = ((x * kept).sum_dim(1) / count).reshape([batch, width]);
        assert_shape!(pooled, [batch, width]);
        probe.see(|| "text.pooled".into(), &pooled);
        pooled
    }
}
