//! Checkpoints in the layout of Hugging Face transformers: their `config.json` and where they keep open_clip's tensors.
//!
//! Follows transformers 5.23 `models/clip` and `models/bert`. Their configurations carry dozens of keys for text
//! generation and training; those are listed here, so that a key in neither list is refused by name.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    ScoreKind,
    bert::BertConfig,
    block::{Activation, BlockConfig, MlpKind, Sight},
    config::{ClipConfig, Context, Size, TextTowerConfig, TokenizerKind, VisionTowerConfig},
    position::Rule,
    text::{TextConfig, TextPool},
    vit::{VisionPool, VitConfig},
};
use crate::{
    checkpoint::read_json,
    error::LoadError,
    files::Files,
    projection::{AffineBefore, Form, Orientation, ProjectionConfig},
    weights::Source,
};

/// Keys of `PretrainedConfig` and of training that do not change what an encoder computes.
#[rustfmt::skip]
const HARMLESS_KEYS: &[&str] = &[
    "_attn_implementation_autoset", "_commit_hash", "_name_or_path", "add_cross_attention", "architectures",
    "attention_dropout", "attention_probs_dropout_prob", "bad_words_ids", "begin_suppress_tokens", "bos_token_id",
    "chunk_size_feed_forward", "classifier_dropout", "cross_attention_hidden_size", "decoder_start_token_id",
    "diversity_penalty", "do_sample", "dropout", "dtype", "early_stopping", "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id", "forced_eos_token_id",
    "gradient_checkpointing", "hidden_dropout_prob", "id2label", "initializer_factor", "initializer_range",
    "is_decoder", "is_encoder_decoder", "label2id", "length_penalty", "logit_scale_init_value", "max_length",
    "min_length", "model_type", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences",
    "output_attentions", "output_hidden_states", "output_scores", "prefix", "problem_type", "pruned_heads",
    "remove_invalid_values", "repetition_penalty", "return_dict", "return_dict_in_generate", "sep_token_id",
    "suppress_tokens", "task_specific_params", "temperature", "tf_legacy_loss", "tie_encoder_decoder",
    "tie_word_embeddings", "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript", "transformers_version",
    "typical_p", "use_bfloat16", "use_cache",
];

/// A JSON object whose keys are accounted for.
struct Section<'a> {
    map: &'a Map<String, Value>,
    name: &'static str,
    context: Context<'a>,
}

impl<'a> Section<'a> {
    /// Refuses keys that are neither in `known` nor harmless.
    fn new(value: &'a Value, name: &'static str, known: &[&str], context: Context<'a>) -> Result<Self, LoadError> {
        let Value::Object(map) = value else { return Err(context.impossible(format!("{name} that is not an object"))) };
        let is_known = |key: &str| known.contains(&key) || HARMLESS_KEYS.contains(&key);
        match map.keys().find(|key| !is_known(key)) {
            Some(key) => Err(context.unsupported(format!("the unknown key {key:?} in {name}"))),
            None => Ok(Self { map, name, context }),
        }
    }

    fn size(&self, key: &str, default: usize) -> Result<usize, LoadError> {
        let value = match self.map.get(key) {
            None => default,
            Some(value) => value
                .as_u64()
                .and_then(|v| usize::try_from(v).ok())
                .ok_or_else(|| self.context.impossible(format!("{}.{key} = {value}", self.name)))?,
        };
        self.context.size(key, value)
    }

    fn number(&self, key: &str, default: f64) -> Result<f64, LoadError> {
        match self.map.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_f64().ok_or_else(|| self.context.impossible(format!("{}.{key} = {value}", self.name)))
            }
        }
    }

    fn text(&self, key: &str, default: &'static str) -> Result<&str, LoadError> {
        match self.map.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_str().ok_or_else(|| self.context.impossible(format!("{}.{key} = {value}", self.name)))
            }
        }
    }

    fn activation(&self) -> Result<Activation, LoadError> {
        match self.text("hidden_act", "quick_gelu")? {
            "quick_gelu" => Ok(Activation::QuickGelu),
            "gelu" => Ok(Activation::Gelu),
            other => Err(self.context.unsupported(format!("{}.hidden_act = {other:?}", self.name))),
        }
    }

    /// The blocks and their number, with `CLIPTextConfig`'s or `CLIPVisionConfig`'s defaults.
    fn blocks(&self, defaults: [usize; 3]) -> Result<(BlockConfig, usize), LoadError> {
        let [width, mlp_width, heads] = defaults;
        let block = BlockConfig {
            width: self.size("hidden_size", width)?,
            heads: self.size("num_attention_heads", heads)?,
            mlp_width: self.size("intermediate_size", mlp_width)?,
            activation: self.activation()?,
            mlp: MlpKind::Plain,
            epsilon: self.number("layer_norm_eps", 1e-5)?,
            layer_scale: false,
        };
        if !block.width.is_multiple_of(block.heads) {
            let what = format!("{} heads for {}.hidden_size = {}", block.heads, self.name, block.width);
            return Err(self.context.impossible(what));
        }
        Ok((block, self.size("num_hidden_layers", 12)?))
    }
}

#[rustfmt::skip]
const CLIP_TEXT_KEYS: &[&str] = &[
    "eos_token_id", "hidden_act", "hidden_size", "intermediate_size", "layer_norm_eps", "max_position_embeddings",
    "num_attention_heads", "num_hidden_layers", "pad_token_id", "projection_dim", "vocab_size",
];

#[rustfmt::skip]
const CLIP_VISION_KEYS: &[&str] = &[
    "hidden_act", "hidden_size", "image_size", "intermediate_size", "layer_norm_eps", "num_attention_heads",
    "num_channels", "num_hidden_layers", "patch_size", "projection_dim",
];

/// Reads the `config.json` of a `CLIPModel`; `image_size` replaces the configuration's.
pub fn clip_config(config: &Value, path: &Path, image_size: Option<[usize; 2]>) -> Result<ClipConfig, LoadError> {
    let context = Context { files: Files::Disk, path };
    let top = Section::new(
        config,
        "config",
        &["projection_dim", "text_config", "vision_config", "text_config_dict", "vision_config_dict"],
        context,
    )?;
    if top.text("model_type", "clip")? != "clip" {
        return Err(context.unsupported(format!("model_type = {:?}", top.text("model_type", "clip")?)));
    }
    let embed_dim = top.size("projection_dim", 512)?;
    let empty = Value::Object(Map::new());
    let part = |key: &str| config.get(key).unwrap_or(&empty);
    let vision = Section::new(part("vision_config"), "vision_config", CLIP_VISION_KEYS, context)?;
    let text = Section::new(part("text_config"), "text_config", CLIP_TEXT_KEYS, context)?;
    // transformers configuration_clip.py: where given, the `_dict` twins override the sections.
    for key in ["text_config_dict", "vision_config_dict"] {
        if config.get(key).is_some_and(|v| !v.is_null() && v != part(key.trim_end_matches("_dict"))) {
            return Err(context.unsupported(format!("{key} that differs from {}", key.trim_end_matches("_dict"))));
        }
    }
    if vision.size("num_channels", 3)? != 3 {
        return Err(context.unsupported("vision_config.num_channels other than 3"));
    }
    let (vision_tower, vision_width) = clip_vision(&vision, image_size)?;
    let (text_tower, text_width) = clip_text(&text)?;
    let projection = |key: &str, input_dim, norm: &str| ProjectionConfig {
        key: key.into(),
        form: Form::Linear { orientation: Orientation::InOut, bias: false },
        input_dim,
        output_dim: embed_dim,
        affine_before: Some(AffineBefore::Norm(norm.into())),
    };
    Ok(ClipConfig {
        context_length: text_tower.context_length,
        tokenizer: TokenizerKind::Clip,
        vision: VisionTowerConfig::Vit(vision_tower),
        text: TextTowerConfig::Native(text_tower),
        image_projection: projection("visual.proj", vision_width, "visual.ln_post"),
        text_projection: projection("text_projection", text_width, "ln_final"),
        embed_dim,
        score_kind: ScoreKind::Softmax,
        resampled: image_size.is_some(),
        caption_decoder: false,
        ignored_keys: &["text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"],
    })
}

fn clip_vision(vision: &Section<'_>, image_size: Option<[usize; 2]>) -> Result<(VitConfig, usize), LoadError> {
    let (block, layers) = vision.blocks([768, 3072, 12])?;
    let read_size = |key: &str, default| match vision.map.get(key) {
        None => Ok([default, default]),
        Some(value) => vision.context.parse::<Size>(value.clone(), "vision_config").map(Size::height_width),
    };
    let image_size = image_size.map_or_else(|| read_size("image_size", 224), Ok)?;
    let patch_size = read_size("patch_size", 32)?;
    for (image, patch) in image_size.into_iter().zip(patch_size) {
        if patch == 0 || patch > image || image > 8192 {
            return Err(vision.context.impossible(format!("patches of {patch} for {image} pixels")));
        }
    }
    let width = block.width;
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
    Ok((tower, width))
}

fn clip_text(text: &Section<'_>) -> Result<(TextConfig, usize), LoadError> {
    let (block, layers) = text.blocks([512, 2048, 8])?;
    let end = text.map.get("eos_token_id").and_then(Value::as_u64).unwrap_or(49407);
    let width = block.width;
    let tower = TextConfig {
        prefix: "",
        context_length: text.size("max_position_embeddings", 77)?,
        vocab_size: text.size("vocab_size", 49408)?,
        layers,
        block,
        // modeling_clip.py:552-572: files from before the fix say 2 and mean "the largest id".
        pool: if end == 2 { TextPool::Argmax } else { TextPool::Eos(end as u32) },
        sight: Sight::Causal,
    };
    Ok((tower, width))
}

/// Where a `CLIPModel` keeps the tensor that open_clip calls `name` (`openclip` key on the left, table of both formats).
pub fn clip_keys(name: &str) -> Source {
    let whole = match name {
        "visual.proj" => return Source::Transposed("visual_projection.weight".into()),
        "text_projection" => return Source::Transposed("text_projection.weight".into()),
        "visual.class_embedding" => "vision_model.embeddings.class_embedding",
        "visual.conv1.weight" => "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding" => "vision_model.embeddings.position_embedding.weight",
        "token_embedding.weight" => "text_model.embeddings.token_embedding.weight",
        "positional_embedding" => "text_model.embeddings.position_embedding.weight",
        _ => "",
    };
    if !whole.is_empty() {
        return Source::Named(whole.into());
    }
    // `pre_layrnorm` is transformers' own spelling.
    for (ours, theirs) in [
        ("visual.ln_pre.", "vision_model.pre_layrnorm."),
        ("visual.ln_post.", "vision_model.post_layernorm."),
        ("ln_final.", "text_model.final_layer_norm."),
    ] {
        if let Some(rest) = name.strip_prefix(ours) {
            return Source::Named(format!("{theirs}{rest}"));
        }
    }
    for (ours, theirs) in [("visual.transformer.resblocks.", "vision_model"), ("transformer.resblocks.", "text_model")]
    {
        if let Some((layer, rest)) = name.strip_prefix(ours).and_then(|rest| rest.split_once('.')) {
            return block_keys(&format!("{theirs}.encoder.layers.{layer}"), rest);
        }
    }
    Source::Named(name.to_owned())
}

fn block_keys(layer: &str, rest: &str) -> Source {
    if let Some(part) = rest.strip_prefix("attn.in_proj_") {
        return Source::Stacked(["q", "k", "v"].map(|p| format!("{layer}.self_attn.{p}_proj.{part}")).to_vec());
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
    Source::Named(renamed.unwrap_or_else(|| format!("{layer}.{rest}")))
}

#[rustfmt::skip]
const BERT_KEYS: &[&str] = &[
    "hidden_act", "hidden_size", "intermediate_size", "layer_norm_eps", "max_position_embeddings",
    "num_attention_heads", "num_hidden_layers", "pad_token_id", "position_embedding_type", "type_vocab_size", "vocab_size",
];

/// Reads BERT's `config.json`.
pub fn read_bert_config(files: Files, path: &Path) -> Result<BertConfig, LoadError> {
    let context = Context { files, path };
    let config = read_json(files, path)?;
    let bert = Section::new(&config, "config", BERT_KEYS, context)?;
    for (key, expected) in [("model_type", "bert"), ("hidden_act", "gelu"), ("position_embedding_type", "absolute")] {
        let found = bert.text(key, expected)?;
        if found != expected {
            return Err(context.unsupported(format!("{key} = {found:?} in a text tower")));
        }
    }
    let config = BertConfig {
        width: bert.size("hidden_size", 768)?,
        mlp_width: bert.size("intermediate_size", 3072)?,
        heads: bert.size("num_attention_heads", 12)?,
        layers: bert.size("num_hidden_layers", 12)?,
        vocab_size: bert.size("vocab_size", 30522)?,
        positions: bert.size("max_position_embeddings", 512)?,
        token_types: bert.size("type_vocab_size", 2)?,
        epsilon: bert.number("layer_norm_eps", 1e-12)?,
        pad_id: bert.map.get("pad_token_id").and_then(Value::as_u64).unwrap_or(0) as u32,
    };
    if !config.width.is_multiple_of(config.heads) {
        return Err(context.impossible(format!("{} heads for hidden_size = {}", config.heads, config.width)));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projections_turn_round_and_attention_is_stacked() {
        assert_eq!(clip_keys("visual.proj"), Source::Transposed("visual_projection.weight".into()));
        let Source::Stacked(parts) = clip_keys("transformer.resblocks.3.attn.in_proj_bias") else {
            panic!("not stacked")
        };
        assert_eq!(parts[1], "text_model.encoder.layers.3.self_attn.k_proj.bias");
        assert_eq!(clip_keys("visual.ln_pre.bias"), Source::Named("vision_model.pre_layrnorm.bias".into()));
    }
}
