//! `SiglipModel`, which is also what SigLIP 2 of a fixed picture size is: timm's vision transformer with an attention
//! pool, and open_clip's text tower, under other names.
//! Follows transformers 5.23 `models/siglip`.

use serde_json::Value;

use super::{Defaults, Section, Towers, clip, rules};
use crate::{
    clip::{
        ScoreKind,
        block::Sight,
        config::{ClipConfig, Context, TextTowerConfig, TokenizerKind, VisionTowerConfig},
        position::Rule,
        text::{TextConfig, TextPool},
        timm::{
            attention_pool::AttentionPoolConfig,
            vit::{PoolConfig, StemConfig, TimmVitConfig},
        },
    },
    error::LoadError,
    projection::{AffineBefore, Form, Orientation, ProjectionConfig},
    weights::{KeyTable, Source},
};

#[rustfmt::skip]
const TEXT_KEYS: &[&str] = &[
    "eos_token_id", "hidden_act", "hidden_size", "intermediate_size", "layer_norm_eps", "max_position_embeddings",
    "num_attention_heads", "num_hidden_layers", "pad_token_id", "projection_size", "vocab_size",
];

#[rustfmt::skip]
const VISION_KEYS: &[&str] = &[
    "hidden_act", "hidden_size", "image_size", "intermediate_size", "layer_norm_eps", "num_attention_heads",
    "num_channels", "num_hidden_layers", "patch_size", "vision_use_head",
];

/// Of both towers. The activation is the approximate one unless the file says otherwise, unlike timm's towers of the
/// same weights.
const DEFAULTS: Defaults =
    Defaults { width: 768, mlp_width: 3072, heads: 12, activation: "gelu_pytorch_tanh", epsilon: 1e-6 };

/// Words of Gemma's tokenizer, which SigLIP 2 uses.
const GEMMA_VOCABULARY: usize = 256_000;

/// Reads the `config.json`.
pub(super) fn config(
    config: &Value,
    image_size: Option<[usize; 2]>,
    context: Context<'_>,
) -> Result<(ClipConfig, KeyTable), LoadError> {
    let Towers { vision, text, .. } = Towers::new(config, [VISION_KEYS, TEXT_KEYS], context)?;
    let vision = vision_tower(&vision, image_size)?;
    let embed_dim = vision.block.width;
    let (block, layers) = text.blocks(DEFAULTS)?;
    let projection_size = text.size("projection_size", block.width)?;
    if projection_size != embed_dim {
        let what = format!("text_config.projection_size = {projection_size} for pictures of {embed_dim}");
        return Err(context.impossible(what));
    }
    let text = TextConfig {
        prefix: "text.",
        context_length: text.size("max_position_embeddings", 64)?,
        vocab_size: text.size("vocab_size", 32000)?,
        layers,
        block,
        pool: TextPool::Last,
        sight: Sight::Full,
    };
    let projection = |key: &str, form, input_dim, affine_before| ProjectionConfig {
        key: key.into(),
        form,
        input_dim,
        output_dim: embed_dim,
        affine_before,
    };
    let text_norm = AffineBefore::Norm("text.ln_final".into());
    let linear = Form::Linear { orientation: Orientation::OutIn, bias: true };
    let config = ClipConfig {
        image_projection: projection("visual.head", Form::Identity, embed_dim, None),
        text_projection: projection("text.text_projection", linear, block.width, Some(text_norm)),
        vision: VisionTowerConfig::TimmVit(vision),
        embed_dim,
        context_length: text.context_length,
        score_kind: ScoreKind::Sigmoid,
        // The end of a text, or the padding of SigLIP 2's vocabulary. `pad_token_id` is not what anything was trained with.
        tokenizer: TokenizerKind::File(rules("SiglipTokenizer", u32::from(text.vocab_size != GEMMA_VOCABULARY))),
        text: TextTowerConfig::Native(text),
        resampled: image_size.is_some(),
        caption_decoder: false,
        ignored_keys: clip::POSITION_IDS,
    };
    Ok((config, keys))
}

fn vision_tower(vision: &Section<'_>, image_size: Option<[usize; 2]>) -> Result<TimmVitConfig, LoadError> {
    let (block, layers) = vision.blocks(DEFAULTS)?;
    let (image_size, patch_size) = vision.picture(image_size, 16)?;
    if patch_size[0] != patch_size[1] {
        return Err(vision.context.unsupported(format!("vision_config.patch_size = {patch_size:?}")));
    }
    if !vision.flag("vision_use_head", true)? {
        return Err(vision.context.unsupported("vision_config.vision_use_head = false"));
    }
    Ok(TimmVitConfig {
        image_size,
        stem: StemConfig::Patches { size: patch_size[0], bias: true },
        layers,
        block,
        class_token: false,
        class_position: false,
        positions: true,
        position_rule: Rule::Bicubic,
        norm_pre: false,
        pool: PoolConfig::Attention(AttentionPoolConfig {
            heads: block.heads,
            mlp_width: block.mlp_width,
            activation: block.activation,
            epsilon: block.epsilon,
        }),
    })
}

/// Where a `SiglipModel` keeps the tensor that open_clip calls `name`.
fn keys(name: &str) -> Source {
    const POOL: &str = "visual.trunk.attn_pool.";
    const HEAD: &str = "vision_model.head";
    const POSITIONS: &str = "embeddings.position_embedding.weight";
    match name {
        "text.token_embedding.weight" => {
            return Source::Named("text_model.embeddings.token_embedding.weight".into());
        }
        "text.positional_embedding" => return Source::Named(format!("text_model.{POSITIONS}")),
        "visual.trunk.pos_embed" => return Source::Squeezed(format!("vision_model.{POSITIONS}")),
        "visual.trunk.attn_pool.latent" => return Source::Named(format!("{HEAD}.probe")),
        _ => {}
    }
    // torch's `MultiheadAttention` has queries, keys and values in one; timm has the queries apart.
    for (ours, thirds) in [("q.", [0, 1]), ("kv.", [1, 3])] {
        if let Some(part) = name.strip_prefix(POOL).and_then(|rest| rest.strip_prefix(ours)) {
            return Source::Thirds(format!("{HEAD}.attention.in_proj_{part}"), thirds);
        }
    }
    for (ours, theirs) in [
        ("text.ln_final.", "text_model.final_layer_norm."),
        ("text.text_projection.", "text_model.head."),
        ("visual.trunk.patch_embed.proj.", "vision_model.embeddings.patch_embedding."),
        ("visual.trunk.norm.", "vision_model.post_layernorm."),
        ("visual.trunk.attn_pool.proj.", "vision_model.head.attention.out_proj."),
        ("visual.trunk.attn_pool.norm.", "vision_model.head.layernorm."),
        ("visual.trunk.attn_pool.mlp.", "vision_model.head.mlp."),
    ] {
        if let Some(rest) = name.strip_prefix(ours) {
            return Source::Named(format!("{theirs}{rest}"));
        }
    }
    clip::block_in(name, "text.transformer.resblocks.", "text_model")
        .or_else(|| vision_block(name))
        .unwrap_or_else(|| Source::Named(name.to_owned()))
}

/// The place of a tensor of one of timm's blocks.
fn vision_block(name: &str) -> Option<Source> {
    let (layer, rest) = name.strip_prefix("visual.trunk.blocks.")?.split_once('.')?;
    let layer = format!("vision_model.encoder.layers.{layer}");
    if let Some(part) = rest.strip_prefix("attn.qkv.") {
        return Some(clip::stacked_qkv(&layer, part));
    }
    let renamed = [("attn.proj.", "self_attn.out_proj."), ("norm1.", "layer_norm1."), ("norm2.", "layer_norm2.")]
        .into_iter()
        .find_map(|(ours, theirs)| rest.strip_prefix(ours).map(|end| format!("{layer}.{theirs}{end}")));
    Some(Source::Named(renamed.unwrap_or_else(|| format!("{layer}.{rest}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attention_pool_takes_its_queries_apart() {
        let whole = || "vision_model.head.attention.in_proj_weight".to_owned();
        assert_eq!(keys("visual.trunk.attn_pool.q.weight"), Source::Thirds(whole(), [0, 1]));
        assert_eq!(keys("visual.trunk.attn_pool.kv.weight"), Source::Thirds(whole(), [1, 3]));
        let named = |name: &str| Source::Named(name.into());
        assert_eq!(keys("visual.trunk.attn_pool.mlp.fc1.bias"), named("vision_model.head.mlp.fc1.bias"));
        assert_eq!(keys("visual.trunk.blocks.2.mlp.fc2.bias"), named("vision_model.encoder.layers.2.mlp.fc2.bias"));
        assert_eq!(keys("text.text_projection.bias"), named("text_model.head.bias"));
    }
}
