//! Checkpoints in the layouts of Hugging Face transformers: their `config.json` and where they keep open_clip's tensors.
//!
//! Follows transformers 5.23, one file per family of models. Their configurations carry dozens of keys for text
//! generation and training; those are listed here, so that a key in neither list is refused by name.

mod chinese_clip;
mod clip;
mod siglip;
mod text;

use std::{path::Path, sync::LazyLock};

use serde_json::{Map, Value};

use super::{
    activation::Activation,
    block::{BlockConfig, MlpKind},
    config::{ClipConfig, Context, Size},
};
use crate::{
    error::LoadError,
    files::Files,
    tokenizer::{FileRules, Language},
    weights::KeyTable,
};

pub use text::TEXT_MODEL_TYPES;
pub(super) use text::text_encoder;

/// Reads the `config.json` of a model with two towers; `image_size` replaces the configuration's.
pub fn read_config(
    config: &Value,
    path: &Path,
    image_size: Option<[usize; 2]>,
) -> Result<(ClipConfig, KeyTable), LoadError> {
    let context = Context { files: Files::Disk, path };
    match config.get("model_type").and_then(Value::as_str).unwrap_or("clip") {
        "clip" => clip::config(config, clip::Eos::OldMeansLargest, image_size, context),
        "metaclip_2" => clip::config(config, clip::Eos::AsSaid, image_size, context),
        "chinese_clip" => chinese_clip::config(config, image_size, context),
        "siglip" => siglip::config(config, image_size, context),
        // SigLIP 2 of a fixed size calls itself "siglip"; this one takes pictures of any shape.
        "siglip2" => Err(context.unsupported("model_type = \"siglip2\" (NaFlex)")),
        other => Err(context.unsupported(format!("model_type = {other:?}"))),
    }
}

/// How the tokenizer beside a model is used: as transformers would, whose class for this kind of model is `class`.
fn rules(class: &'static str, pad_id: u32) -> FileRules {
    FileRules { clean: None, class, strip_sep_token: false, language: Language::Untold, pad_id: Some(pad_id) }
}

/// Keys of `PretrainedConfig` and of training that do not change what an encoder computes.
#[rustfmt::skip]
const HARMLESS_KEYS: &[&str] = &[
    "_attn_implementation_autoset", "_commit_hash", "_name_or_path", "add_cross_attention", "architectures",
    "attention_dropout", "attention_probs_dropout_prob", "bad_words_ids", "begin_suppress_tokens", "bos_token_id",
    "chunk_size_feed_forward", "classifier_dropout", "cross_attention_hidden_size", "decoder_start_token_id",
    "directionality", "diversity_penalty", "do_sample", "dropout", "dtype", "early_stopping", "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id", "forced_eos_token_id",
    "gradient_checkpointing", "hidden_dropout_prob", "id2label", "initializer_factor", "initializer_range",
    "is_decoder", "is_encoder_decoder", "label2id", "length_penalty", "logit_scale_init_value", "max_length",
    "min_length", "model_type", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences",
    "output_attentions", "output_hidden_states", "output_past", "output_scores", "pooler_fc_size",
    "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type", "prefix",
    "problem_type", "pruned_heads",
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

    /// The value of a key, unless it is absent or null.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn read<T>(&self, key: &str, default: T, read: impl Fn(&'a Value) -> Option<T>) -> Result<T, LoadError> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => read(value).ok_or_else(|| self.context.impossible(format!("{}.{key} = {value}", self.name))),
        }
    }

    fn size(&self, key: &str, default: usize) -> Result<usize, LoadError> {
        let value = self.read(key, default, |value| usize::try_from(value.as_u64()?).ok())?;
        self.context.size(key, value)
    }

    fn number(&self, key: &str, default: f64) -> Result<f64, LoadError> {
        self.read(key, default, Value::as_f64)
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, LoadError> {
        self.read(key, default, Value::as_bool)
    }

    fn text(&self, key: &str, default: &'a str) -> Result<&'a str, LoadError> {
        self.read(key, default, Value::as_str)
    }

    fn token_id(&self, key: &str, default: u32) -> Result<u32, LoadError> {
        self.read(key, default, |value| u32::try_from(value.as_u64()?).ok())
    }

    /// transformers `activations.py`, `ACT2FN`.
    fn activation(&self, key: &str, default: &'a str) -> Result<Activation, LoadError> {
        match self.text(key, default)? {
            "quick_gelu" => Ok(Activation::QuickGelu),
            "gelu" => Ok(Activation::Gelu),
            "gelu_pytorch_tanh" | "gelu_new" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            other => Err(self.context.unsupported(format!("{}.{key} = {other:?}", self.name))),
        }
    }

    /// The blocks and their number.
    fn blocks(&self, defaults: Defaults) -> Result<(BlockConfig, usize), LoadError> {
        let width = self.size("hidden_size", defaults.width)?;
        let block = BlockConfig {
            width,
            heads: self.context.heads(width, self.size("num_attention_heads", defaults.heads)?, self.name)?,
            mlp_width: self.size("intermediate_size", defaults.mlp_width)?,
            activation: self.activation("hidden_act", defaults.activation)?,
            mlp: MlpKind::Plain,
            epsilon: self.number("layer_norm_eps", defaults.epsilon)?,
            layer_scale: false,
        };
        Ok((block, self.size("num_hidden_layers", 12)?))
    }

    /// Sizes of a picture and of its patches; `image_size` replaces the configuration's.
    fn picture(
        &self,
        image_size: Option<[usize; 2]>,
        patch_default: usize,
    ) -> Result<([usize; 2], [usize; 2]), LoadError> {
        let read_size = |key: &str, default| match self.get(key) {
            None => Ok([default, default]),
            Some(value) => self.context.parse::<Size>(value.clone(), self.name).map(Size::height_width),
        };
        let image_size = image_size.map_or_else(|| read_size("image_size", 224), Ok)?;
        let patch_size = read_size("patch_size", patch_default)?;
        for (image, patch) in image_size.into_iter().zip(patch_size) {
            if patch == 0 || patch > image || image > 8192 {
                return Err(self.context.impossible(format!("patches of {patch} for {image} pixels")));
            }
        }
        if self.size("num_channels", 3)? != 3 {
            return Err(self.context.unsupported(format!("{}.num_channels other than 3", self.name)));
        }
        Ok((image_size, patch_size))
    }
}

/// What a configuration class says where the file says nothing.
#[derive(Clone, Copy)]
struct Defaults {
    width: usize,
    mlp_width: usize,
    heads: usize,
    activation: &'static str,
    epsilon: f64,
}

/// The configurations of the two towers, in a model's own.
struct Towers<'a> {
    top: Section<'a>,
    vision: Section<'a>,
    text: Section<'a>,
}

impl<'a> Towers<'a> {
    fn new(config: &'a Value, [vision_keys, text_keys]: [&[&str]; 2], context: Context<'a>) -> Result<Self, LoadError> {
        static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
        const KEYS: &[&str] =
            &["projection_dim", "text_config", "vision_config", "text_config_dict", "vision_config_dict"];
        let part = |key: &str| config.get(key).filter(|value| !value.is_null()).unwrap_or(&EMPTY);
        // transformers configuration_clip.py: where given, the `_dict` twins override the sections.
        for key in ["text_config_dict", "vision_config_dict"] {
            if config.get(key).is_some_and(|v| !v.is_null() && v != part(key.trim_end_matches("_dict"))) {
                return Err(context.unsupported(format!("{key} that differs from {}", key.trim_end_matches("_dict"))));
            }
        }
        Ok(Self {
            top: Section::new(config, "config", KEYS, context)?,
            vision: Section::new(part("vision_config"), "vision_config", vision_keys, context)?,
            text: Section::new(part("text_config"), "text_config", text_keys, context)?,
        })
    }
}
