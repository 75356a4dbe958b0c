//! Kinds of models that have no golden of their own in transformers' layout, and configurations that are refused.

use std::{collections::BTreeMap, path::Path};

use cliploupe_engine::chain;

use crate::support::{CPU, Copy, OwnedTensor, check, fixture, goldens, transpose, write_tensors};

/// open_clip's CLIP under transformers' names, as its converter writes it.
fn under_transformers_names(tensors: BTreeMap<String, OwnedTensor>) -> BTreeMap<String, OwnedTensor> {
    let mut renamed = BTreeMap::new();
    for (name, mut tensor) in tensors {
        let (tower, rest) = match name.strip_prefix("visual.") {
            Some(rest) => ("vision_model", rest),
            None => ("text_model", name.as_str()),
        };
        if rest == "proj" || rest == "text_projection" {
            transpose(&mut tensor);
        }
        let block = rest.strip_prefix("transformer.resblocks.").and_then(|rest| rest.split_once('.'));
        if let Some((layer, rest)) = block {
            let layer = format!("{tower}.encoder.layers.{layer}");
            if let Some(part) = rest.strip_prefix("attn.in_proj_") {
                let (dtype, mut shape, data) = tensor;
                shape[0] /= 3;
                for (piece, data) in ["q", "k", "v"].iter().zip(data.chunks_exact(data.len() / 3)) {
                    let name = format!("{layer}.self_attn.{piece}_proj.{part}");
                    renamed.insert(name, (dtype, shape.clone(), data.to_vec()));
                }
                continue;
            }
            let rest = rest.replace("attn.", "self_attn.").replace("ln_", "layer_norm");
            renamed.insert(format!("{layer}.{}", rest.replace("c_fc", "fc1").replace("c_proj", "fc2")), tensor);
            continue;
        }
        let name = match rest {
            "proj" => "visual_projection.weight".to_owned(),
            "text_projection" => "text_projection.weight".to_owned(),
            "logit_scale" => rest.to_owned(),
            "conv1.weight" => format!("{tower}.embeddings.patch_embedding.weight"),
            "positional_embedding" => format!("{tower}.embeddings.position_embedding.weight"),
            "class_embedding" | "token_embedding.weight" => format!("{tower}.embeddings.{rest}"),
            _ => {
                let norms =
                    [("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm"), ("ln_final", "final_layer_norm")];
                let (ours, theirs) = norms.into_iter().find(|(ours, _)| rest.starts_with(ours)).unwrap();
                format!("{tower}.{}", rest.replace(ours, theirs))
            }
        };
        renamed.insert(name, tensor);
    }
    renamed
}

/// A folder as `MetaClip2Model.save_pretrained` writes it, of the golden model that open_clip calls worldwide.
fn metaclip_2() -> Copy {
    let original = fixture("clip/worldwide-eos");
    let open_clip: serde_json::Value =
        serde_json::from_slice(&std::fs::read(original.join("open_clip_config.json")).unwrap()).unwrap();
    let (vision, text) = (&open_clip["model_cfg"]["vision_cfg"], &open_clip["model_cfg"]["text_cfg"]);
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let section = |width: u64, layers: &serde_json::Value, heads: u64, ratio: f64| {
        serde_json::json!({ "hidden_size": width, "intermediate_size": (width as f64 * ratio) as u64, "hidden_act": "gelu",
            "num_hidden_layers": layers, "num_attention_heads": heads })
    };
    let ratio = |part: &serde_json::Value| part["mlp_ratio"].as_f64().unwrap_or(4.0);
    let width = number(&vision["width"]);
    let mut config = serde_json::json!({
        "model_type": "metaclip_2",
        "projection_dim": open_clip["model_cfg"]["embed_dim"],
        "vision_config": section(width, &vision["layers"], width / number(&vision["head_width"]), ratio(vision)),
        "text_config": section(number(&text["width"]), &text["layers"], number(&text["heads"]), ratio(text)),
    });
    for key in ["image_size", "patch_size"] {
        config["vision_config"][key] = vision[key].clone();
    }
    config["text_config"]["vocab_size"] = text["vocab_size"].clone();
    config["text_config"]["max_position_embeddings"] = text["context_length"].clone();
    config["text_config"]["eos_token_id"] = text["eos_id"].clone();

    let copy = Copy::of("hf-clip-gelu").edit_config(|json| *json = config);
    let mut tensors = None;
    let _ = Copy::of("worldwide-eos").edit_tensors(|found| tensors = Some(found.clone()));
    write_tensors(&under_transformers_names(tensors.unwrap()), &copy.weights_path());
    copy
}

#[test]
fn metaclip_2_is_clip_with_another_end() {
    let golden = goldens(&fixture("clip/worldwide-eos/golden.safetensors"));
    check(&metaclip_2().load().unwrap(), &golden, CPU).unwrap();
    let clip = metaclip_2().edit_config(|json| json["model_type"] = "clip".into());
    let error = check(&clip.load().unwrap(), &golden, CPU).unwrap_err();
    assert!(error.starts_with("text.pooled"), "{error}");
}

#[test]
fn models_that_are_not_computed_are_refused_by_name() {
    for (name, pointer, value, said) in [
        ("hf-clip", "/model_type", serde_json::json!("siglip2"), "NaFlex"),
        ("hf-clip", "/model_type", serde_json::json!("align"), "align"),
        ("hf-siglip", "/vision_config/vision_use_head", serde_json::json!(false), "vision_use_head"),
        ("hf-siglip", "/text_config/projection_size", serde_json::json!(32), "projection_size"),
        ("hf-siglip", "/text_config/hidden_act", serde_json::json!("silu"), "silu"),
        ("hf-siglip", "/vision_config/num_attention_heads", serde_json::json!(5), "5 heads"),
        ("hf-chinese-clip", "/text_config/type_vocab_size", serde_json::json!("two"), "type_vocab_size"),
        ("hf-chinese-clip", "/text_config/pad_token_id", serde_json::json!(-1), "pad_token_id"),
    ] {
        let copy = Copy::of(name).edit_config(|json| {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            json.pointer_mut(parent).unwrap()[key] = value;
        });
        let message = chain(&copy.load().err().unwrap());
        assert!(message.contains(said), "{pointer}: {message}");
    }
}

#[test]
fn text_towers_that_are_not_computed_are_refused_by_name() {
    for (name, key, value, said) in [
        ("roberta-mlp", "hf_model_name", serde_json::json!("google/mt5-base"), "google/mt5-base"),
        ("roberta-mlp", "hf_pooler_type", serde_json::json!("cls_pooler"), "cls_pooler"),
        ("roberta-mlp", "hf_pooler_type", serde_json::json!("max_pooler"), "max_pooler"),
        ("roberta-mlp", "hf_proj_type", serde_json::json!("clap_mlp"), "clap_mlp"),
        ("roberta-mlp", "hf_proj_type", serde_json::Value::Null, "without a projection"),
        ("roberta-mlp", "context_length", serde_json::json!(15), "16 positions"),
        ("roberta-mlp", "tokenizer_kwargs", serde_json::json!({ "language": "fra_Latn" }), "language"),
        ("nllb-linear", "context_length", serde_json::json!(8193), "8193"),
        ("nllb-linear", "hf_model_config", serde_json::json!({ "d_model": 2 }), "d_model"),
        ("nllb-linear", "hf_model_config", serde_json::json!({ "frobnicate": 1 }), "frobnicate"),
        ("nllb-linear", "hf_model_config", serde_json::json!([]), "hf_model_config"),
        ("nllb-linear", "hf_model_config", serde_json::json!({ "model_type": "mt5" }), "mt5"),
    ] {
        let copy = Copy::of(name).edit_config(|json| json["model_cfg"]["text_cfg"][key] = value);
        let message = chain(&copy.load().err().unwrap());
        assert!(message.contains(said), "{key}: {message}");
    }
}

/// A counter that old versions stored beside RoBERTa's tables.
#[test]
fn stored_position_numbers_are_no_tensor_of_the_tower() {
    let copy = Copy::of("xlmr-mlp").edit_tensors(|tensors| {
        let name = "text.transformer.embeddings.position_ids".to_owned();
        tensors.insert(name, (safetensors::Dtype::I64, vec![1, 16], vec![0; 16 * 8]));
    });
    copy.check().unwrap();
}

/// The text tower's own `config.json` beside open_clip's, as in the embedded model's folder.
#[test]
fn a_text_towers_config_makes_no_transformers_model() {
    let base: serde_json::Value = serde_json::from_slice(
        &std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/models/hf_text_configs.json")).unwrap(),
    )
    .unwrap();
    let copy = Copy::of("nllb-linear").edit_config(|json| json["model_cfg"]["text_cfg"]["hf_model_name"] = ".".into());
    std::fs::write(copy.path().join("config.json"), base["facebook/nllb-200-distilled-600M"].to_string()).unwrap();
    std::fs::rename(copy.weights_path(), copy.path().join("model.safetensors")).unwrap();
    let golden = copy.golden();
    check(&copy.load().unwrap(), &golden, CPU).unwrap();
}

#[test]
fn another_image_size_resamples_siglips_positions() {
    use cliploupe_engine::{Checkpoint, Device, Model, probe::Probe};
    let copy = Copy::of("hf-siglip");
    let load = |size| Model::load(Checkpoint::find(copy.path(), None).unwrap(), size, &Device::flex()).unwrap();
    let model = load(Some([96, 80]));
    let pooled = model.clip.image_pooled(model.pixel_batch(vec![0.1; 3 * 96 * 80]), &mut Probe::off());
    assert_eq!(pooled.dims(), [1, 48]);
    // The same size asked for is no resampling.
    check(&load(Some([64, 64])), &copy.golden(), CPU).unwrap();
}
