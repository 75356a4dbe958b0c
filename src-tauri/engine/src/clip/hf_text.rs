//! The text towers that open_clip takes from transformers (`hf_model.py`, `HFTextEncoder`): an encoder, a pooler, and a
//! projection.
//!
//! A name such as `xlm-roberta-base` stands for the encoder's whole shape, which open_clip would fetch; the shapes of
//! those that have released weights are part of Cliploupe.

use serde_json::{Map, Value};

use super::config::{Context, Text, TextTowerConfig, TowerWithProjection};
use super::transformers::text_encoder;
use crate::{
    checkpoint::read_json,
    error::LoadError,
    projection::{AffineBefore, Form, Orientation, ProjectionConfig},
};

/// Their `config.json`, cut to what defines the encoder.
const KNOWN_ENCODERS: &str = include_str!("../../../../assets/models/hf_text_configs.json");

/// The tower and the projection that `text_cfg` describes.
pub(super) fn tower(
    text: &Text,
    name: &str,
    embed_dim: usize,
    context: Context<'_>,
) -> Result<TowerWithProjection<TextTowerConfig>, LoadError> {
    // "." is the checkpoint's own folder.
    let own = context.path.with_file_name("config.json");
    let context = if name == "." { Context { path: &own, ..context } } else { context };
    let mut encoder = if name == "." { read_json(context.files, &own)? } else { known_encoder(name, context)? };
    if let Some(overrides) = &text.hf_model_config {
        let (Value::Object(encoder), Value::Object(overrides)) = (&mut encoder, overrides) else {
            return Err(context.impossible("text_cfg.hf_model_config that is not an object"));
        };
        encoder.extend(overrides.clone());
    }
    let tower = text_encoder(&encoder, text.hf_pooler_type.as_deref(), text.context_length, context)?;
    let (width, last_norm) = match &tower {
        TextTowerConfig::Bert(bert) if text.context_length > bert.longest_text() => {
            let what = format!("text_cfg.context_length = {} with {} positions", text.context_length, bert.positions);
            return Err(context.impossible(what));
        }
        TextTowerConfig::Bert(bert) => (bert.width, bert.last_norm()),
        TextTowerConfig::M2m100(encoder) => (encoder.block.width, "text.transformer.layer_norm".into()),
        TextTowerConfig::Native(_) => return Err(context.unsupported("a text tower of open_clip's own by name")),
    };
    // hf_model.py:181-191. None of the forms has a bias.
    let form = match text.hf_proj_type.as_deref() {
        None if width == embed_dim => Form::Identity,
        None => {
            let what = format!("embed_dim = {embed_dim} without a projection, for texts of {width}");
            return Err(context.impossible(what));
        }
        Some("linear") => Form::Linear { orientation: Orientation::OutIn, bias: false },
        Some("mlp") => Form::Mlp { layers: ["0", "2"], hidden: (width + embed_dim) / 2, biases: [false, false] },
        Some(other) => return Err(context.unsupported(format!("text_cfg.hf_proj_type = {other:?}"))),
    };
    let projection = ProjectionConfig {
        key: "text.proj".into(),
        form,
        input_dim: width,
        output_dim: embed_dim,
        // A token of the last norm, or the mean of several, which keeps its shift.
        affine_before: Some(AffineBefore::Norm(last_norm)),
    };
    Ok((tower, projection))
}

fn known_encoder(name: &str, context: Context<'_>) -> Result<Value, LoadError> {
    let mut known: Map<String, Value> = serde_json::from_str(KNOWN_ENCODERS).expect("a constant table is JSON");
    known.remove(name).ok_or_else(|| context.unsupported(format!("text_cfg.hf_model_name = {name:?}")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::files::Files;

    #[test]
    fn every_known_encoder_is_understood() {
        let known: Map<String, Value> = serde_json::from_str(KNOWN_ENCODERS).unwrap();
        let context = Context { files: Files::Disk, path: Path::new("open_clip_config.json") };
        for (name, config) in &known {
            text_encoder(config, None, 77, context).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!(known.len(), 5);
    }
}
