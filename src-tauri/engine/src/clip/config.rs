//! What a checkpoint is, read from open_clip's `open_clip_config.json`.
//!
//! Follows open_clip `model.py` (`CLIPVisionCfg`, `CLIPTextCfg`, `_build_vision_tower`, `_build_text_tower`) at commit
//! 89fb801f. A key that we do not know is refused by name, because one key can change every answer. A key that we know
//! but do not compute is refused too, unless its value is the one that changes nothing.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{
    ScoreKind,
    activation::Activation,
    bert::{BertConfig, Places},
    block::{BlockConfig, MlpKind, Sight},
    hf_text,
    m2m100::M2m100Config,
    position::Rule,
    resnet::ResNetConfig,
    text::{TextConfig, TextPool},
    timm::{
        self,
        convnext::ConvNextConfig,
        efficientnet::EfficientNetConfig,
        eva::EvaConfig,
        fastvit::FastVitConfig,
        vit::{StemConfig, TimmVitConfig},
    },
    vit::{VisionPool, VitConfig},
};
use crate::{
    error::LoadError,
    files::Files,
    projection::{AffineBefore, Form, Orientation, ProjectionConfig},
    tokenizer::{Clean, FileRules, Language},
};

/// An image tower's configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum VisionTowerConfig {
    /// open_clip's own.
    Vit(VitConfig),
    /// OpenAI's.
    ResNet(ResNetConfig),
    /// timm's vision transformer: SigLIP, MobileCLIP-B, ViTamin.
    TimmVit(TimmVitConfig),
    /// EVA and PE.
    Eva(EvaConfig),
    /// ConvNeXt.
    ConvNext(ConvNextConfig),
    /// FastViT: MobileCLIP-S.
    FastVit(FastVitConfig),
    /// timm's EfficientNet-Lite.
    EfficientNet(EfficientNetConfig),
}

impl VisionTowerConfig {
    /// Height and width of the input in pixels.
    pub fn image_size(&self) -> [usize; 2] {
        match self {
            Self::Vit(config) => config.image_size,
            Self::ResNet(config) => config.image_size,
            Self::TimmVit(config) => config.image_size,
            Self::ConvNext(config) => config.image_size,
            Self::FastVit(config) => config.image_size,
            Self::Eva(config) => config.image_size,
            Self::EfficientNet(config) => config.image_size,
        }
    }

    /// What the tower is, in a few words.
    pub fn describe(&self) -> String {
        match self {
            Self::Vit(VitConfig { layers, block, patch_size, .. }) => {
                format!("ViT, {layers} layers of {}, patches of {} px", block.width, patch_size[0])
            }
            Self::ResNet(config) => {
                format!("ResNet, {} blocks, feature of {}", config.layers.iter().sum::<usize>(), config.features())
            }
            Self::TimmVit(config) => {
                let family = if matches!(config.stem, StemConfig::MbConv(_)) { "ViTamin" } else { "ViT (timm)" };
                let (width, stride) = (config.block.width, config.stem.stride());
                format!("{family}, {} layers of {width}, patches of {stride} px", config.layers)
            }
            Self::ConvNext(config) => {
                format!("ConvNeXt, {} blocks, feature of {}", config.depths.iter().sum::<usize>(), config.dims[3])
            }
            Self::FastVit(config) => {
                let blocks: usize = config.stages.iter().map(|stage| stage.depth).sum();
                format!("FastViT, {blocks} blocks, feature of {}", config.features())
            }
            Self::Eva(EvaConfig { layers, width, patch_size, attention_pool, .. }) => {
                let family = if attention_pool.is_some() { "PE" } else { "EVA" };
                format!("{family}, {layers} layers of {width}, patches of {patch_size} px")
            }
            Self::EfficientNet(config) => format!("EfficientNet-Lite, feature of {}", config.feature_channels()),
        }
    }
}

/// A text tower's configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum TextTowerConfig {
    /// open_clip's own.
    Native(TextConfig),
    /// BERT, RoBERTa or XLM-RoBERTa.
    Bert(BertConfig),
    /// The encoder of M2M-100 or NLLB.
    M2m100(M2m100Config),
}

impl TextTowerConfig {
    /// Number of token ids; every id must be below it.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Native(config) => config.vocab_size,
            Self::Bert(config) => config.vocab_size,
            Self::M2m100(config) => config.vocab_size,
        }
    }

    /// The id that the tower takes for padding, if it looks for any.
    pub fn pad_id(&self) -> Option<u32> {
        match self {
            Self::Native(_) => None,
            Self::Bert(config) => Some(config.pad_id),
            Self::M2m100(config) => Some(config.pad_id),
        }
    }

    /// What the tower is, in a few words.
    pub fn describe(&self) -> String {
        match self {
            Self::Native(TextConfig { layers, block, .. }) => {
                format!("transformer, {layers} layers of {}", block.width)
            }
            Self::Bert(BertConfig { layers, width, places, .. }) => {
                let family = if *places == Places::PastPadding { "RoBERTa" } else { "BERT" };
                format!("{family}, {layers} layers of {width}")
            }
            Self::M2m100(M2m100Config { layers, block, .. }) => {
                format!("M2M-100 encoder, {layers} layers of {}", block.width)
            }
        }
    }
}

/// Which tokenizer the text tower was trained with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenizerKind {
    /// CLIP's own byte-pair encoding, which Cliploupe carries.
    Clip,
    /// The one beside the checkpoint.
    File(FileRules),
}

/// Everything about a model but its weights, its tokenizer and its preprocessing.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipConfig {
    /// The image tower.
    pub vision: VisionTowerConfig,
    /// The text tower.
    pub text: TextTowerConfig,
    /// From the image tower to the joint space.
    pub image_projection: ProjectionConfig,
    /// From the text tower to the joint space.
    pub text_projection: ProjectionConfig,
    /// Size of the joint space.
    pub embed_dim: usize,
    /// Tokens of a text, with padding.
    pub context_length: usize,
    /// How cosines become scores.
    pub score_kind: ScoreKind,
    /// How texts become tokens.
    pub tokenizer: TokenizerKind,
    /// Whether the person asked for another image size than the configuration's.
    pub resampled: bool,
    /// Whether the file has a caption decoder beside the towers, as CoCa's has; it is left out.
    pub caption_decoder: bool,
    /// Tensors that may be in the file and mean nothing.
    pub ignored_keys: &'static [&'static str],
}

/// Tensors without influence that some versions of the writers stored.
const IGNORED_KEYS: &[&str] = &[
    "text.transformer.embeddings.position_ids",
    "text_model.embeddings.position_ids",
    "vision_model.embeddings.position_ids",
];

/// A size that is a number or `[height, width]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(super) enum Size {
    Square(usize),
    Rectangle([usize; 2]),
}

impl Size {
    pub(super) fn height_width(self) -> [usize; 2] {
        match self {
            Self::Square(side) => [side, side],
            Self::Rectangle(size) => size,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    embed_dim: usize,
    vision_cfg: Value,
    text_cfg: Value,
    #[serde(default)]
    quick_gelu: bool,
    #[serde(default)]
    custom_text: bool,
    #[serde(default, rename = "init_logit_scale")]
    _init_logit_scale: Option<f64>,
    init_logit_bias: Option<f64>,
    #[serde(default, rename = "nonscalar_logit_scale")]
    _nonscalar_logit_scale: bool,
    multimodal_cfg: Option<Value>,
}

/// `vision_cfg`. Fields with a leading underscore only matter in training.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vision {
    image_size: Option<Size>,
    patch_size: Option<Size>,
    layers: Option<Value>,
    width: Option<usize>,
    head_width: Option<usize>,
    mlp_ratio: Option<f64>,
    ls_init_value: Option<f64>,
    #[serde(default)]
    no_ln_pre: bool,
    pool_type: Option<String>,
    #[serde(default)]
    final_ln_after_pool: bool,
    #[serde(default)]
    attentional_pool: Value,
    pos_embed_type: Option<String>,
    act_kwargs: Option<Value>,
    norm_kwargs: Option<Value>,
    block_type: Option<String>,
    #[serde(default)]
    qk_norm: bool,
    #[serde(default)]
    scaled_cosine_attn: bool,
    #[serde(default)]
    scale_heads: bool,
    #[serde(default)]
    scale_attn_inner: bool,
    #[serde(default)]
    scale_attn: bool,
    #[serde(default)]
    scale_fc: bool,
    timm_model_name: Option<String>,
    pub(super) timm_model_kwargs: Option<Value>,
    // open_clip model.py, CLIPVisionCfg: "avg" and "linear" where the key is missing, nothing where it is null.
    #[serde(default = "default_timm_pool")]
    pub(super) timm_pool: Option<String>,
    #[serde(default = "default_timm_proj")]
    pub(super) timm_proj: Option<String>,
    #[serde(default)]
    pub(super) timm_proj_bias: bool,
    #[serde(default = "default_pooler_heads")]
    attn_pooler_heads: usize,
    #[serde(default = "default_pooler_queries")]
    attn_pooler_queries: usize,
    #[serde(rename = "patch_dropout")]
    _patch_dropout: Option<f64>,
    #[serde(rename = "output_tokens")]
    _output_tokens: Option<bool>,
    #[serde(rename = "timm_model_pretrained")]
    _timm_model_pretrained: Option<bool>,
    #[serde(rename = "timm_drop")]
    _timm_drop: Option<f64>,
    #[serde(rename = "timm_drop_path")]
    _timm_drop_path: Option<f64>,
}

/// `text_cfg`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    #[serde(default = "default_context_length")]
    pub(super) context_length: usize,
    #[serde(default = "default_vocab_size")]
    vocab_size: usize,
    #[serde(default = "default_text_width")]
    width: usize,
    #[serde(default = "default_text_heads")]
    heads: usize,
    #[serde(default = "default_layers")]
    layers: usize,
    mlp_ratio: Option<f64>,
    ls_init_value: Option<f64>,
    pool_type: Option<String>,
    eos_id: Option<u32>,
    #[serde(default)]
    no_causal_mask: bool,
    #[serde(default)]
    embed_cls: bool,
    #[serde(default)]
    proj_bias: bool,
    proj_type: Option<String>,
    act_kwargs: Option<Value>,
    norm_kwargs: Option<Value>,
    #[serde(default)]
    use_pad_mask: bool,
    pad_id: Option<u32>,
    hf_model_name: Option<String>,
    // A key of open_clip 4: replaces parts of the configuration that the name stands for.
    pub(super) hf_model_config: Option<Value>,
    hf_tokenizer_name: Option<String>,
    tokenizer_kwargs: Option<TokenizerKwargs>,
    // open_clip model.py, CLIPTextCfg: these where the key is missing, the architecture's own where it is null.
    #[serde(default = "default_hf_proj_type")]
    pub(super) hf_proj_type: Option<String>,
    #[serde(default = "default_hf_pooler_type")]
    pub(super) hf_pooler_type: Option<String>,
    #[serde(rename = "hf_model_pretrained")]
    _hf_model_pretrained: Option<bool>,
    #[serde(rename = "output_tokens")]
    _output_tokens: Option<bool>,
    // 4.x names the writer of the text tower; "default" is the one below.
    text_arch: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TokenizerKwargs {
    clean: Option<Clean>,
    #[serde(default)]
    strip_sep_token: bool,
    language: Option<String>,
}

fn default_context_length() -> usize {
    77
}
fn default_vocab_size() -> usize {
    49408
}
fn default_text_width() -> usize {
    512
}
fn default_text_heads() -> usize {
    8
}
fn default_layers() -> usize {
    12
}
fn default_hf_proj_type() -> Option<String> {
    Some("mlp".into())
}
fn default_hf_pooler_type() -> Option<String> {
    Some("mean_pooler".into())
}
fn default_timm_pool() -> Option<String> {
    Some("avg".into())
}
fn default_timm_proj() -> Option<String> {
    Some("linear".into())
}
fn default_pooler_heads() -> usize {
    8
}
fn default_pooler_queries() -> usize {
    256
}

/// Errors of this module name the file; this carries it.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where the checkpoint's other files are.
    pub files: Files,
    /// The configuration file.
    pub path: &'a Path,
}

impl Context<'_> {
    /// A part of the configuration in its own type.
    pub fn parse<T: for<'de> Deserialize<'de>>(self, value: Value, section: &'static str) -> Result<T, LoadError> {
        serde_json::from_value(value).map_err(|source| LoadError::Config {
            section,
            path: self.path.to_owned(),
            source,
        })
    }

    /// The configuration asks for something that is not computed.
    pub fn unsupported(self, what: impl Into<String>) -> LoadError {
        LoadError::Unsupported { what: what.into(), path: self.path.to_owned() }
    }

    /// The configuration contradicts itself.
    pub fn impossible(self, what: impl Into<String>) -> LoadError {
        LoadError::Impossible { what: what.into(), path: self.path.to_owned() }
    }

    /// Refuses a known key whose value would change the result in a way that is not computed.
    fn refuse(self, is_used: bool, what: &str) -> Result<(), LoadError> {
        if is_used { Err(self.unsupported(what)) } else { Ok(()) }
    }

    /// Sizes come from a file, so they are bounded before anything is computed from them.
    pub fn size(self, name: &str, value: usize) -> Result<usize, LoadError> {
        const LARGEST: usize = 1 << 24;
        if (1..=LARGEST).contains(&value) { Ok(value) } else { Err(self.impossible(format!("{name} = {value}"))) }
    }

    /// A number of heads that divides the width.
    pub fn heads(self, width: usize, heads: usize, section: &str) -> Result<usize, LoadError> {
        if heads > 0 && width.is_multiple_of(heads) {
            Ok(heads)
        } else {
            Err(self.impossible(format!("{heads} heads for {section}.width = {width}")))
        }
    }

    /// Hidden size of an MLP; a fraction is cut off, as Python's `int` does.
    pub fn mlp_width(self, width: usize, ratio: f64, section: &str) -> Result<usize, LoadError> {
        if !(ratio.is_finite() && ratio > 0.0 && ratio < 1e3) {
            return Err(self.impossible(format!("{section}.mlp_ratio = {ratio}")));
        }
        self.size("mlp width", (width as f64 * ratio) as usize)
    }
}

impl ClipConfig {
    /// Reads the `model_cfg` of an open_clip configuration.
    ///
    /// `path` is the configuration file, for messages and for the files beside it; `image_size` replaces the
    /// configuration's, with resampled positions.
    pub fn from_open_clip(
        model_cfg: Value,
        files: Files,
        path: &Path,
        image_size: Option<[usize; 2]>,
    ) -> Result<Self, LoadError> {
        let context = Context { files, path };
        let model: Model = context.parse(model_cfg, "model_cfg")?;
        context.size("embed_dim", model.embed_dim)?;
        let vision: Vision = context.parse(model.vision_cfg, "model_cfg.vision_cfg")?;
        let text: Text = context.parse(model.text_cfg, "model_cfg.text_cfg")?;
        let activation = if model.quick_gelu { Activation::QuickGelu } else { Activation::Gelu };
        let is_coca = model.multimodal_cfg.is_some();
        let custom_text = model.custom_text || is_coca || text.hf_model_name.is_some();
        let context_length = context.size("text_cfg.context_length", text.context_length)?;
        let (vision, image_projection) = vision_tower(&vision, model.embed_dim, activation, image_size, context)?;
        let (text_tower, text_projection) = match &text.hf_model_name {
            Some(name) => hf_text::tower(&text, name, model.embed_dim, context)?,
            None => native_text_tower(&text, model.embed_dim, activation, custom_text, context)?,
        };
        let tokenizer = tokenizer_kind(text, &text_tower, context)?;
        Ok(Self {
            vision,
            text: text_tower,
            image_projection,
            text_projection,
            embed_dim: model.embed_dim,
            context_length,
            score_kind: if model.init_logit_bias.is_some() { ScoreKind::Sigmoid } else { ScoreKind::Softmax },
            tokenizer,
            resampled: image_size.is_some(),
            ignored_keys: IGNORED_KEYS,
            caption_decoder: is_coca,
        })
    }
}

fn tokenizer_kind(text: Text, tower: &TextTowerConfig, context: Context<'_>) -> Result<TokenizerKind, LoadError> {
    let TokenizerKwargs { clean, strip_sep_token, language } = text.tokenizer_kwargs.unwrap_or_default();
    let Some(name) = text.hf_tokenizer_name.filter(|name| !name.is_empty()) else {
        let is_used = clean.is_some_and(|clean| clean != Clean::Lower) || strip_sep_token || language.is_some();
        context.refuse(is_used, "text_cfg.tokenizer_kwargs for CLIP's own tokenizer")?;
        return Ok(TokenizerKind::Clip);
    };
    let is_told = matches!(tower, TextTowerConfig::M2m100(_));
    context.refuse(language.is_some() && !is_told, "text_cfg.tokenizer_kwargs.language for this text tower")?;
    Ok(TokenizerKind::File(FileRules {
        // open_clip tokenizer.py, HFTokenizer: clean="whitespace".
        clean: Some(clean.unwrap_or(Clean::Whitespace)),
        class: "",
        strip_sep_token,
        language: match language {
            Some(code) => Language::Code(code),
            None if is_told => Language::Default,
            None => Language::Untold,
        },
        pad_id: tower.pad_id().or_else(|| known_padding(&name)),
    }))
}

/// What fills a text, by the name of a hub tokenizer whose files do not say.
fn known_padding(name: &str) -> Option<u32> {
    let name = name.rsplit('/').next().unwrap_or(name);
    if name.contains("SigLIP2") || name.starts_with("bert-") {
        Some(0)
    } else if name.contains("SigLIP") || name.starts_with("xlm-") || name.starts_with("roberta-") {
        // SigLIP's is the end of the text.
        Some(1)
    } else {
        None
    }
}

pub(super) type TowerWithProjection<T> = (T, ProjectionConfig);

fn vision_tower(
    vision: &Vision,
    embed_dim: usize,
    activation: Activation,
    image_size: Option<[usize; 2]>,
    context: Context<'_>,
) -> Result<TowerWithProjection<VisionTowerConfig>, LoadError> {
    let image_size = image_size.unwrap_or_else(|| vision.image_size.map_or([224, 224], Size::height_width));
    for side in image_size {
        if !(1..=8192).contains(&side) {
            return Err(context.impossible(format!("vision_cfg.image_size = {side}")));
        }
    }
    match &vision.timm_model_name {
        Some(name) => timm::tower(vision, name, embed_dim, image_size, context),
        None => native_vision_tower(vision, embed_dim, activation, image_size, context),
    }
}

fn native_vision_tower(
    vision: &Vision,
    embed_dim: usize,
    activation: Activation,
    image_size: [usize; 2],
    context: Context<'_>,
) -> Result<TowerWithProjection<VisionTowerConfig>, LoadError> {
    let layers = match &vision.layers {
        None => default_layers(),
        Some(Value::Number(n)) if n.is_u64() => n.as_u64().unwrap_or_default() as usize,
        Some(list @ Value::Array(_)) => return resnet_tower(vision, list, embed_dim, image_size, context),
        Some(other) => return Err(context.impossible(format!("vision_cfg.layers = {other}"))),
    };
    let attentional_pool = match &vision.attentional_pool {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        // "parallel" and "cascade" pool twice; no released weights do.
        other => return Err(context.unsupported(format!("vision_cfg.attentional_pool = {other}"))),
    };
    context.refuse(vision.pos_embed_type.as_deref().is_some_and(|t| t != "learnable"), "vision_cfg.pos_embed_type")?;
    context.refuse(vision.block_type.as_deref().is_some_and(|t| t != "default"), "vision_cfg.block_type")?;
    context.refuse(vision.act_kwargs.is_some(), "vision_cfg.act_kwargs")?;
    for (is_used, name) in [
        (vision.qk_norm, "qk_norm"),
        (vision.scaled_cosine_attn, "scaled_cosine_attn"),
        (vision.scale_heads, "scale_heads"),
        (vision.scale_attn_inner, "scale_attn_inner"),
        (vision.scale_attn, "scale_attn"),
        (vision.scale_fc, "scale_fc"),
    ] {
        context.refuse(is_used, &format!("vision_cfg.{name}"))?;
    }
    let width = context.size("vision_cfg.width", vision.width.unwrap_or(768))?;
    let head_width = context.size("vision_cfg.head_width", vision.head_width.unwrap_or(64))?;
    let patch_size = vision.patch_size.map_or([16, 16], Size::height_width);
    if patch_size.contains(&0) || patch_size[0] > image_size[0] || patch_size[1] > image_size[1] {
        return Err(context.impossible(format!("vision_cfg.patch_size = {patch_size:?} for {image_size:?} pixels")));
    }
    let block = BlockConfig {
        width,
        heads: context.heads(width, width / head_width, "vision_cfg")?,
        mlp_width: context.mlp_width(width, vision.mlp_ratio.unwrap_or(4.0), "vision_cfg")?,
        activation,
        mlp: MlpKind::Plain,
        epsilon: epsilon(vision.norm_kwargs.as_ref(), "vision_cfg.norm_kwargs", context)?,
        layer_scale: vision.ls_init_value.is_some(),
    };
    let pool = match vision.pool_type.as_deref() {
        None | Some("tok") if attentional_pool => VisionPool::Attention {
            queries: context.size("vision_cfg.attn_pooler_queries", vision.attn_pooler_queries)?,
            heads: context.heads(embed_dim, vision.attn_pooler_heads, "attn_pooler")?,
            width: embed_dim,
        },
        None | Some("tok") => VisionPool::Token,
        Some("avg") if !attentional_pool => VisionPool::Average,
        Some(other) => return Err(context.unsupported(format!("vision_cfg.pool_type = {other:?}"))),
    };
    if attentional_pool && vision.final_ln_after_pool {
        return Err(context.unsupported("vision_cfg.final_ln_after_pool with attentional_pool"));
    }
    let tower = VitConfig {
        image_size,
        patch_size,
        layers: context.size("vision_cfg.layers", layers)?,
        block,
        ln_pre: !vision.no_ln_pre,
        pool,
        norm_after_pool: vision.final_ln_after_pool,
        position_rule: Rule::BicubicAntialias,
    };
    let projection = ProjectionConfig {
        key: "visual.proj".into(),
        form: Form::Linear { orientation: Orientation::InOut, bias: false },
        input_dim: tower.pooled_width(),
        output_dim: embed_dim,
        affine_before: Some(AffineBefore::Norm("visual.ln_post".into())),
    };
    Ok((VisionTowerConfig::Vit(tower), projection))
}

/// `layers` as a list of four makes the tower a ResNet (open_clip model.py, `_build_vision_tower`).
fn resnet_tower(
    vision: &Vision,
    layers: &Value,
    embed_dim: usize,
    image_size: [usize; 2],
    context: Context<'_>,
) -> Result<TowerWithProjection<VisionTowerConfig>, LoadError> {
    let layers: [usize; 4] = context.parse(layers.clone(), "vision_cfg.layers")?;
    for blocks in layers {
        context.size("vision_cfg.layers", blocks)?;
    }
    let width = context.size("vision_cfg.width", vision.width.unwrap_or(64))?;
    if !width.is_multiple_of(2) {
        return Err(context.impossible(format!("vision_cfg.width = {width} for a ResNet")));
    }
    let head_width = context.size("vision_cfg.head_width", vision.head_width.unwrap_or(64))?;
    if image_size.iter().any(|side| *side < ResNetConfig::STRIDE) {
        return Err(context.impossible(format!("vision_cfg.image_size = {image_size:?} for a ResNet")));
    }
    let features = context.size("vision_cfg.width", width * 32)?;
    let tower = ResNetConfig {
        image_size,
        layers,
        width,
        heads: context.heads(features, features / head_width, "vision_cfg")?,
    };
    let projection = ProjectionConfig {
        key: "visual.attnpool.c_proj".into(),
        form: Form::Linear { orientation: Orientation::OutIn, bias: true },
        input_dim: features,
        output_dim: embed_dim,
        affine_before: Some(AffineBefore::Values("visual.attnpool.v_proj.bias".into())),
    };
    Ok((VisionTowerConfig::ResNet(tower), projection))
}

fn native_text_tower(
    text: &Text,
    embed_dim: usize,
    activation: Activation,
    custom_text: bool,
    context: Context<'_>,
) -> Result<TowerWithProjection<TextTowerConfig>, LoadError> {
    context.refuse(text.use_pad_mask, "text_cfg.use_pad_mask")?;
    let activation = text_activation(text.act_kwargs.as_ref(), activation, context)?;
    context.refuse(text.text_arch.as_deref().is_some_and(|a| a != "default"), "text_cfg.text_arch")?;
    let width = context.size("text_cfg.width", text.width)?;
    let prefix = if custom_text { "text." } else { "" };
    let block = BlockConfig {
        width,
        heads: context.heads(width, text.heads, "text_cfg")?,
        mlp_width: context.mlp_width(width, text.mlp_ratio.unwrap_or(4.0), "text_cfg")?,
        activation,
        mlp: MlpKind::Plain,
        epsilon: epsilon(text.norm_kwargs.as_ref(), "text_cfg.norm_kwargs", context)?,
        layer_scale: text.ls_init_value.is_some(),
    };
    let pool = match text.pool_type.as_deref() {
        // CoCa ignores the pool's name. Its mask needs causal sight to mean what it was trained with.
        _ if text.embed_cls && text.no_causal_mask => {
            return Err(context.unsupported("text_cfg.embed_cls with no_causal_mask"));
        }
        _ if text.embed_cls => TextPool::Behind { pad_id: text.pad_id.unwrap_or(0) },
        None | Some("argmax") => TextPool::Argmax,
        Some("eos") => {
            TextPool::Eos(text.eos_id.ok_or_else(|| context.impossible("text_cfg.pool_type = \"eos\" without eos_id"))?)
        }
        Some("last") => TextPool::Last,
        Some("first") => TextPool::First,
        Some(other) => return Err(context.unsupported(format!("text_cfg.pool_type = {other:?}"))),
    };
    let form = match (text.proj_type.as_deref(), text.proj_bias) {
        // open_clip transformer.py:1654-1660: a bias turns the bare parameter into an nn.Linear, stored the other way round.
        (None | Some("linear"), false) => Form::Linear { orientation: Orientation::InOut, bias: false },
        (None | Some("linear"), true) => Form::Linear { orientation: Orientation::OutIn, bias: true },
        (Some("none"), _) if width == embed_dim => Form::Identity,
        (Some("none"), _) => {
            let what = format!("embed_dim = {embed_dim} without a projection, for texts of {width}");
            return Err(context.impossible(what));
        }
        (Some(other), _) => return Err(context.unsupported(format!("text_cfg.proj_type = {other:?}"))),
    };
    let tower = TextConfig {
        prefix,
        context_length: text.context_length,
        vocab_size: context.size("text_cfg.vocab_size", text.vocab_size)?,
        layers: context.size("text_cfg.layers", text.layers)?,
        block,
        pool,
        sight: if text.no_causal_mask { Sight::Full } else { Sight::Causal },
    };
    let projection = ProjectionConfig {
        key: format!("{prefix}text_projection"),
        form,
        input_dim: width,
        output_dim: embed_dim,
        affine_before: Some(AffineBefore::Norm(format!("{prefix}ln_final"))),
    };
    Ok((TextTowerConfig::Native(tower), projection))
}

/// SigLIP 2's texts use the tanh approximation, and say so in `act_kwargs`.
fn text_activation(
    act_kwargs: Option<&Value>,
    activation: Activation,
    context: Context<'_>,
) -> Result<Activation, LoadError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct ActKwargs {
        approximate: Option<String>,
    }
    let Some(kwargs) = act_kwargs else { return Ok(activation) };
    let kwargs: ActKwargs = context.parse(kwargs.clone(), "text_cfg.act_kwargs")?;
    match (kwargs.approximate.as_deref(), activation) {
        (None | Some("none"), _) => Ok(activation),
        (Some("tanh"), Activation::Gelu) => Ok(Activation::GeluTanh),
        (Some(other), _) => Err(context.unsupported(format!("text_cfg.act_kwargs.approximate = {other:?}"))),
    }
}

/// LayerNorm's epsilon: 1e-5 as in torch, unless `norm_kwargs` says otherwise.
fn epsilon(norm_kwargs: Option<&Value>, section: &'static str, context: Context<'_>) -> Result<f64, LoadError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NormKwargs {
        eps: Option<f64>,
    }
    let epsilon = match norm_kwargs {
        None => None,
        Some(kwargs) => context.parse::<NormKwargs>(kwargs.clone(), section)?.eps,
    };
    Ok(epsilon.unwrap_or(1e-5))
}
