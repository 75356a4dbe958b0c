//! Encoders of texts without a picture tower beside them: what open_clip's `HFTextEncoder` wraps.
//! Follows transformers 5.23 `models/bert`, `models/roberta`, `models/xlm_roberta` and `models/m2m_100`.

use serde_json::Value;

use super::Section;
use crate::{
    clip::{
        bert::{BertConfig, Places},
        block::{BlockConfig, MlpKind},
        config::{Context, TextTowerConfig},
        m2m100::M2m100Config,
        padding::EncoderPool,
    },
    error::LoadError,
};

/// The `model_type` of every encoder that can be a text tower.
pub const TEXT_MODEL_TYPES: [&str; 4] = ["bert", "roberta", "xlm-roberta", "m2m_100"];

#[rustfmt::skip]
pub(super) const BERT_KEYS: &[&str] = &[
    "hidden_act", "hidden_size", "intermediate_size", "layer_norm_eps", "max_position_embeddings",
    "num_attention_heads", "num_hidden_layers", "pad_token_id", "position_embedding_type", "type_vocab_size", "vocab_size",
    "eos_token_id",
];

/// Those of the decoder, which is not in a text tower, and of training are among them.
#[rustfmt::skip]
const M2M100_KEYS: &[&str] = &[
    "activation_dropout", "activation_function", "d_model", "decoder_attention_heads", "decoder_ffn_dim",
    "decoder_layerdrop", "decoder_layers", "encoder_attention_heads", "encoder_ffn_dim", "encoder_layerdrop",
    "encoder_layers", "eos_token_id", "init_std", "max_position_embeddings", "num_hidden_layers", "pad_token_id",
    "scale_embedding", "vocab_size",
];

/// More than any text tower was trained with.
const LONGEST_TEXT: usize = 8192;

/// Reads the configuration of an encoder. `pooler` is open_clip's `hf_pooler_type`; without, the architecture's own
/// (`hf_configs.py`).
pub(in crate::clip) fn text_encoder(
    config: &Value,
    pooler: Option<&str>,
    context_length: usize,
    context: Context<'_>,
) -> Result<TextTowerConfig, LoadError> {
    let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let pool = match (pooler, model_type) {
        (Some("mean_pooler"), _) | (None, "roberta" | "xlm-roberta") => EncoderPool::Mean,
        (Some("cls_last_hidden_state_pooler"), _) | (Some("cls_pooler") | None, "m2m_100") => EncoderPool::First,
        // Of the others it would take what their own pooler makes of the first token; no released model does.
        _ => {
            return Err(context.unsupported(format!("text_cfg.hf_pooler_type = {pooler:?} for {model_type:?}")));
        }
    };
    let section = |keys| Section::new(config, "config", keys, context);
    Ok(match model_type {
        "bert" => TextTowerConfig::Bert(bert(&section(BERT_KEYS)?, 30522, 0, Places::FromZero, pool)?),
        "roberta" => TextTowerConfig::Bert(bert(&section(BERT_KEYS)?, 50265, 1, Places::PastPadding, pool)?),
        "xlm-roberta" => TextTowerConfig::Bert(bert(&section(BERT_KEYS)?, 30522, 1, Places::PastPadding, pool)?),
        "m2m_100" => TextTowerConfig::M2m100(m2m100(&section(M2M100_KEYS)?, context_length, pool)?),
        other => return Err(context.unsupported(format!("model_type = {other:?} in a text tower"))),
    })
}

/// BERT's shape, or that of its kin; `vocab_size` and `pad_id` are the class's defaults.
pub(super) fn bert(
    section: &Section<'_>,
    vocab_size: usize,
    pad_id: u32,
    places: Places,
    pool: EncoderPool,
) -> Result<BertConfig, LoadError> {
    let context = section.context;
    for (key, expected) in [("hidden_act", "gelu"), ("position_embedding_type", "absolute")] {
        let found = section.text(key, expected)?;
        if found != expected {
            return Err(context.unsupported(format!("{key} = {found:?} in a text tower")));
        }
    }
    let width = section.size("hidden_size", 768)?;
    Ok(BertConfig {
        width,
        mlp_width: section.size("intermediate_size", 3072)?,
        heads: context.heads(width, section.size("num_attention_heads", 12)?, section.name)?,
        layers: section.size("num_hidden_layers", 12)?,
        vocab_size: section.size("vocab_size", vocab_size)?,
        positions: section.size("max_position_embeddings", 512)?,
        places,
        token_types: section.size("type_vocab_size", 2)?,
        epsilon: section.number("layer_norm_eps", 1e-12)?,
        pad_id: section.token_id("pad_token_id", pad_id)?,
        pool,
    })
}

fn m2m100(section: &Section<'_>, context_length: usize, pool: EncoderPool) -> Result<M2m100Config, LoadError> {
    let context = section.context;
    let width = section.size("d_model", 1024)?;
    let layers = section.size("encoder_layers", 12)?;
    if section.size("num_hidden_layers", layers)? != layers {
        return Err(context.impossible(format!("num_hidden_layers that is not encoder_layers = {layers}")));
    }
    // An odd one would need a column of zeros, and half of two has no steps between frequencies.
    if !width.is_multiple_of(2) || width < 4 {
        return Err(context.unsupported(format!("d_model = {width}")));
    }
    // No tensor depends on it, so nothing else would bound the table of positions.
    if context_length > LONGEST_TEXT {
        return Err(context.impossible(format!("texts of {context_length} tokens")));
    }
    let pad_id = section.token_id("pad_token_id", 1)?;
    let vocab_size = section.size("vocab_size", 128_112)?;
    if pad_id as usize >= vocab_size {
        return Err(context.impossible(format!("pad_token_id = {pad_id} of {vocab_size}")));
    }
    Ok(M2m100Config {
        block: BlockConfig {
            width,
            heads: context.heads(width, section.size("encoder_attention_heads", 16)?, section.name)?,
            mlp_width: section.size("encoder_ffn_dim", 4096)?,
            activation: section.activation("activation_function", "relu")?,
            mlp: MlpKind::Plain,
            // torch's default, which the class takes.
            epsilon: 1e-5,
            layer_scale: false,
        },
        layers,
        vocab_size,
        context_length,
        scaled: section.flag("scale_embedding", true)?,
        pad_id,
        pool,
    })
}
