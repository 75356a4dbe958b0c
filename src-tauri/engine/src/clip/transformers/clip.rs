//! `CLIPModel`, and `MetaClip2Model`, whose layout is the same.
//! Follows transformers 5.23 `models/clip` and `models/metaclip_2`.

use serde_json::Value;

use super::{Defaults, Section, Towers, rules};
use crate::{
    clip::{
        ScoreKind,
        block::Sight,
        config::{ClipConfig, Context, TextTowerConfig, TokenizerKind, VisionTowerConfig},
        position::Rule,
        text::{TextConfig, TextPool},
        vit::{VisionPool, VitConfig},
    },
    error::LoadError,
    projection::{AffineBefore, Form, Orientation, ProjectionConfig},
    weights::{KeyTable, Source},
};

#[rustfmt::skip]
const TEXT_KEYS: &[&str] = &[
    "eos_token_id", "hidden_act", "hidden_size", "intermediate_size", "layer_norm_eps", "max_position_embeddings",
    "num_attention_heads", "num_hidden_layers", "pad_token_id", "projection_dim", "vocab_size",
];

#[rustfmt::skip]
pub(super) const VISION_KEYS: &[&str] = &[
    "hidden_act", "hidden_size", "image_size", "intermediate_size", "layer_norm_eps", "num_attention_heads",
    "num_channels", "num_hidden_layers", "patch_size", "projection_dim",
];

const TEXT_DEFAULTS: Defaults =
    Defaults { width: 512, mlp_width: 2048, heads: 8, activation: "quick_gelu", epsilon: 1e-5 };
const VISION_DEFAULTS: Defaults =
    Defaults { width: 768, mlp_width: 3072, heads: 12, activation: "quick_gelu", epsilon: 1e-5 };

/// Counters that old versions stored.
pub(super) const POSITION_IDS: &[&str] =
    &["text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"];

/// What an `eos_token_id` of 2 means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Eos {
    /// The largest id of the text: files of `CLIPModel` from before a fix say 2 and mean that (`modeling_clip.py`).
    OldMeansLargest,
    /// The id 2: `modeling_metaclip_2.py`.
    AsSaid,
}

/// Reads the `config.json`.
pub(super) fn config(
    config: &Value,
    eos: Eos,
    image_size: Option<[usize; 2]>,
    context: Context<'_>,
) -> Result<(ClipConfig, KeyTable), LoadError> {
    let Towers { top, vision, text } = Towers::new(config, [VISION_KEYS, TEXT_KEYS], context)?;
    let embed_dim = top.size("projection_dim", 512)?;
    let (vision, image_projection) = vision_tower(&vision, embed_dim, image_size)?;
    let pad_id = text.token_id("pad_token_id", 1)?;
    let text = text_tower(&text, eos)?;
    let text_projection = ProjectionConfig {
        key: "text_projection".into(),
        form: Form::Linear { orientation: Orientation::InOut, bias: false },
        input_dim: text.block.width,
        output_dim: embed_dim,
        affine_before: Some(AffineBefore::Norm("ln_final".into())),
    };
    let config = ClipConfig {
        context_length: text.context_length,
        tokenizer: tokenizer(&text, eos, pad_id),
        vision,
        text: TextTowerConfig::Native(text),
        image_projection,
        text_projection,
        embed_dim,
        score_kind: ScoreKind::Softmax,
        resampled: image_size.is_some(),
        caption_decoder: false,
        ignored_keys: POSITION_IDS,
    };
    Ok((config, keys))
}

/// The image tower, which Chinese-CLIP has too, and its projection.
pub(super) fn vision_tower(
    vision: &Section<'_>,
    embed_dim: usize,
    image_size: Option<[usize; 2]>,
) -> Result<(VisionTowerConfig, ProjectionConfig), LoadError> {
    let (block, layers) = vision.blocks(VISION_DEFAULTS)?;
    let (image_size, patch_size) = vision.picture(image_size, 32)?;
    let tower = VitConfig {
        image_size,
        patch_size,
        layers,
        block,
        ln_pre: true,
        pool: VisionPool::Token,
        norm_after_pool: false,
        position_rule: Rule::Bicubic,
    };
    let projection = ProjectionConfig {
        key: "visual.proj".into(),
        form: Form::Linear { orientation: Orientation::InOut, bias: false },
        input_dim: block.width,
        output_dim: embed_dim,
        affine_before: Some(AffineBefore::Norm("visual.ln_post".into())),
    };
    Ok((VisionTowerConfig::Vit(tower), projection))
}

fn text_tower(text: &Section<'_>, eos: Eos) -> Result<TextConfig, LoadError> {
    let (block, layers) = text.blocks(TEXT_DEFAULTS)?;
    let end = text.token_id("eos_token_id", 49407)?;
    Ok(TextConfig {
        prefix: "",
        context_length: text.size("max_position_embeddings", 77)?,
        vocab_size: text.size("vocab_size", 49408)?,
        layers,
        block,
        pool: if end == 2 && eos == Eos::OldMeansLargest { TextPool::Argmax } else { TextPool::Eos(end) },
        sight: Sight::Causal,
    })
}

fn tokenizer(text: &TextConfig, eos: Eos, pad_id: u32) -> TokenizerKind {
    // CLIP's own, which a folder may lack. Other vocabularies come with their files.
    const CLIP_VOCABULARY: usize = 49408;
    match eos {
        Eos::OldMeansLargest if text.vocab_size == CLIP_VOCABULARY => TokenizerKind::Clip,
        Eos::OldMeansLargest => TokenizerKind::File(rules("CLIPTokenizer", pad_id)),
        Eos::AsSaid => TokenizerKind::File(rules("XLMRobertaTokenizer", pad_id)),
    }
}

/// Where a `CLIPModel` keeps the tensor that open_clip calls `name`.
fn keys(name: &str) -> Source {
    let whole = match name {
        "text_projection" => return Source::Transposed("text_projection.weight".into()),
        "token_embedding.weight" => "text_model.embeddings.token_embedding.weight",
        "positional_embedding" => "text_model.embeddings.position_embedding.weight",
        _ => "",
    };
    if !whole.is_empty() {
        return Source::Named(whole.into());
    }
    if let Some(rest) = name.strip_prefix("ln_final.") {
        return Source::Named(format!("text_model.final_layer_norm.{rest}"));
    }
    block_in(name, "transformer.resblocks.", "text_model").unwrap_or_else(|| vision_keys(name))
}

/// Where the image tower keeps the tensor that open_clip calls `name`; other names stay as they are.
pub(super) fn vision_keys(name: &str) -> Source {
    let whole = match name {
        "visual.proj" => return Source::Transposed("visual_projection.weight".into()),
        "visual.class_embedding" => "vision_model.embeddings.class_embedding",
        "visual.conv1.weight" => "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding" => "vision_model.embeddings.position_embedding.weight",
        _ => "",
    };
    if !whole.is_empty() {
        return Source::Named(whole.into());
    }
    // `pre_layrnorm` is transformers' own spelling.
    for (ours, theirs) in
        [("visual.ln_pre.", "vision_model.pre_layrnorm."), ("visual.ln_post.", "vision_model.post_layernorm.")]
    {
        if let Some(rest) = name.strip_prefix(ours) {
            return Source::Named(format!("{theirs}{rest}"));
        }
    }
    block_in(name, "visual.transformer.resblocks.", "vision_model").unwrap_or_else(|| Source::Named(name.to_owned()))
}

/// The place of a tensor of one of the blocks that open_clip calls `blocks` and a number.
pub(super) fn block_in(name: &str, blocks: &str, tower: &str) -> Option<Source> {
    let (layer, rest) = name.strip_prefix(blocks)?.split_once('.')?;
    let layer = format!("{tower}.encoder.layers.{layer}");
    if let Some(part) = rest.strip_prefix("attn.in_proj_") {
        return Some(stacked_qkv(&layer, part));
    }
    let renamed = [
        ("attn.out_proj.", "self_attn.out_proj."),
        ("ln_1.", "layer_norm1."),
        ("ln_2.", "layer_norm2."),
        ("mlp.c_fc.", "mlp.fc1."),
        ("mlp.c_proj.", "mlp.fc2."),
    ]
    .into_iter()
    .find_map(|(ours, theirs)| rest.strip_prefix(ours).map(|end| format!("{layer}.{theirs}{end}")));
    Some(Source::Named(renamed.unwrap_or_else(|| format!("{layer}.{rest}"))))
}

/// `part` (weight or bias) of the maps to queries, keys and values, which open_clip and timm have in one.
pub(super) fn stacked_qkv(layer: &str, part: &str) -> Source {
    Source::Stacked(["q", "k", "v"].map(|p| format!("{layer}.self_attn.{p}_proj.{part}")).to_vec())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clip::transformers::read_config;

    #[test]
    fn projections_turn_round_and_attention_is_stacked() {
        assert_eq!(keys("visual.proj"), Source::Transposed("visual_projection.weight".into()));
        let Source::Stacked(parts) = keys("transformer.resblocks.3.attn.in_proj_bias") else { panic!("not stacked") };
        assert_eq!(parts[1], "text_model.encoder.layers.3.self_attn.k_proj.bias");
        assert_eq!(keys("visual.ln_pre.bias"), Source::Named("vision_model.pre_layrnorm.bias".into()));
        assert_eq!(keys("logit_scale"), Source::Named("logit_scale".into()));
    }

    #[test]
    fn an_eos_of_two_means_two_only_to_metaclip() {
        for (model_type, pool) in [("clip", TextPool::Argmax), ("metaclip_2", TextPool::Eos(2))] {
            let json = serde_json::json!({ "model_type": model_type, "text_config": { "eos_token_id": 2 } });
            let (config, _) = read_config(&json, Path::new("config.json"), None).unwrap();
            let TextTowerConfig::Native(text) = config.text else { panic!("another tower") };
            assert_eq!(text.pool, pool, "{model_type}");
        }
    }
}
