//! `ChineseCLIPModel`: CLIP's image tower, and BERT for the texts, pooled at its first token.
//! Follows transformers 5.23 `models/chinese_clip`.

use serde_json::Value;

use super::{
    Towers, clip, rules,
    text::{BERT_KEYS, bert},
};
use crate::{
    clip::{
        ScoreKind,
        bert::Places,
        config::{ClipConfig, Context, TextTowerConfig, TokenizerKind},
        padding::EncoderPool,
    },
    error::LoadError,
    projection::{AffineBefore, Form, Orientation, ProjectionConfig},
    weights::{KeyTable, Source},
};

/// Reads the `config.json`.
pub(super) fn config(
    config: &Value,
    image_size: Option<[usize; 2]>,
    context: Context<'_>,
) -> Result<(ClipConfig, KeyTable), LoadError> {
    let text_keys = [BERT_KEYS, &["projection_dim"]].concat();
    let Towers { top, vision, text } = Towers::new(config, [clip::VISION_KEYS, &text_keys], context)?;
    let embed_dim = top.size("projection_dim", 512)?;
    let (vision, image_projection) = clip::vision_tower(&vision, embed_dim, image_size)?;
    let text = bert(&text, 30522, 0, Places::FromZero, EncoderPool::First)?;
    let text_projection = ProjectionConfig {
        key: "text.proj".into(),
        form: Form::Linear { orientation: Orientation::OutIn, bias: false },
        input_dim: text.width,
        output_dim: embed_dim,
        affine_before: Some(AffineBefore::Norm(text.last_norm())),
    };
    let config = ClipConfig {
        context_length: text.longest_text(),
        tokenizer: TokenizerKind::File(rules("BertTokenizer", text.pad_id)),
        vision,
        text: TextTowerConfig::Bert(text),
        image_projection,
        text_projection,
        embed_dim,
        score_kind: ScoreKind::Softmax,
        resampled: image_size.is_some(),
        caption_decoder: false,
        ignored_keys: clip::POSITION_IDS,
    };
    Ok((config, keys))
}

/// Where a `ChineseCLIPModel` keeps the tensor that open_clip would call `name`.
fn keys(name: &str) -> Source {
    match name.strip_prefix("text.transformer.") {
        Some(rest) => Source::Named(format!("text_model.{rest}")),
        None if name == "text.proj.weight" => Source::Named("text_projection.weight".into()),
        None => clip::vision_keys(name),
    }
}
