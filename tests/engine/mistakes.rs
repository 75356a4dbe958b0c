//! A golden that a wrong tower passes proves nothing, so each mistake that is easily made is made here, and must show.

use cliploupe_engine::{
    Device, Tensor, TensorData,
    clip::{TokenBatch, activation::Activation},
    device::read,
    probe::Probe,
    zero_shot::{Score, Scoring},
};
use serde_json::json;

use crate::support::{CPU, Copy, Golden, check, compare, input_tokens, transpose};

fn fails(copy: &Copy, first_stage: &str) {
    let error = copy.check().expect_err("the mistake was not noticed");
    assert!(error.starts_with(first_stage), "noticed at another stage: {error}");
}

#[test]
fn a_transposed_square_matrix() {
    let key = "visual.transformer.resblocks.0.attn.out_proj.weight";
    let copy = Copy::of("clip-vit").edit_tensors(|tensors| transpose(tensors.get_mut(key).unwrap()));
    fails(&copy, "visual.block.0");
}

#[test]
fn gelu_instead_of_quick_gelu_and_the_other_way_round() {
    let copy = Copy::of("clip-vit-quickgelu").edit_config(|json| json["model_cfg"]["quick_gelu"] = false.into());
    fails(&copy, "visual.block.0");
    let copy = Copy::of("clip-vit").edit_config(|json| json["model_cfg"]["quick_gelu"] = true.into());
    fails(&copy, "visual.block.0");
}

#[test]
fn text_that_sees_the_future() {
    let copy = Copy::of("clip-vit").edit_config(|json| json["model_cfg"]["text_cfg"]["no_causal_mask"] = true.into());
    fails(&copy, "text.block.0");
}

#[test]
fn text_that_does_not_see_the_future_though_it_should() {
    let copy = Copy::of("clipa").edit_config(|json| json["model_cfg"]["text_cfg"]["no_causal_mask"] = false.into());
    fails(&copy, "text.block.0");
}

#[test]
fn the_wrong_pooled_position() {
    let pool = |name: &str, pool: &str| {
        Copy::of(name).edit_config(|json| json["model_cfg"]["text_cfg"]["pool_type"] = pool.into())
    };
    fails(&pool("clip-vit", "last"), "text.pooled");
    fails(&pool("clipa", "argmax"), "text.pooled");
    fails(&pool("worldwide-eos", "argmax"), "text.pooled");
}

#[test]
fn the_class_token_instead_of_the_average() {
    let copy = Copy::of("clipa").edit_config(|json| json["model_cfg"]["vision_cfg"]["pool_type"] = "tok".into());
    fails(&copy, "visual.pooled");
}

#[test]
fn the_norm_before_pooling_instead_of_after() {
    let copy =
        Copy::of("clipa").edit_config(|json| json["model_cfg"]["vision_cfg"]["final_ln_after_pool"] = false.into());
    fails(&copy, "visual.pooled");
}

#[test]
fn a_projection_bias_that_is_lost() {
    let copy = Copy::of("bias-text-linear")
        .edit_tensors(|tensors| tensors.get_mut("text.text_projection.bias").unwrap().2.fill(0));
    fails(&copy, "text_features");
}

#[test]
fn a_layer_scale_that_is_left_out() {
    let copy = Copy::of("clip-vit-layerscale");
    let one = half::f16::ONE.to_le_bytes();
    let copy = copy.edit_tensors(|tensors| {
        let gamma = &mut tensors.get_mut("visual.transformer.resblocks.0.ls_1.gamma").unwrap().2;
        gamma.as_chunks_mut::<2>().0.fill(one);
    });
    fails(&copy, "visual.block.0");
}

#[test]
fn blue_in_the_place_of_red() {
    let copy = Copy::of("clip-vit");
    let mut golden = copy.golden();
    let pixels = golden.get_mut("input.pixels").unwrap();
    let plane = pixels.shape[2] * pixels.shape[3];
    pixels.values.chunks_exact_mut(3 * plane).for_each(|picture| {
        let (red, rest) = picture.split_at_mut(plane);
        red.swap_with_slice(&mut rest[plane..]);
    });
    let error = check(&copy.load().unwrap(), &golden, CPU).unwrap_err();
    assert!(error.starts_with("visual.patch_conv"), "{error}");
}

#[test]
fn a_layer_norm_with_another_epsilon() {
    // 1e-6 for 1e-5 is below the noise of these stages where the variance is near 1, so the embedding of a tower with
    // small activations shows it best; 1e-3, BatchNorm's, shows everywhere.
    let copy = Copy::of("clip-vit")
        .edit_config(|json| json["model_cfg"]["vision_cfg"]["norm_kwargs"] = serde_json::json!({ "eps": 1e-3 }));
    fails(&copy, "visual.");
}

/// A text tower of transformers with another value in its configuration.
fn with_encoder(name: &str, key: &str, value: serde_json::Value) -> Copy {
    Copy::of(name).edit_config(|json| json["model_cfg"]["text_cfg"]["hf_model_config"][key] = value)
}

/// The golden's texts have no padding, so adding some must change nothing, unless it is seen.
#[test]
fn padding_that_is_seen() {
    let features = |copy: &Copy| {
        let golden = copy.golden();
        let rows = input_tokens(&golden);
        let padded = rows.rows().flat_map(|row| [row, &[0; 4]].concat()).collect();
        let clip = copy.load().unwrap().clip;
        let pooled = clip.text_pooled(&TokenBatch::new(padded, rows.length() + 4), &mut Probe::off());
        let features = clip.text_projection().forward(pooled);
        let found = Golden { shape: features.dims().to_vec(), values: read(features) };
        compare("text_features", &found, &golden["text_features"], CPU.of("text_features"))
    };
    features(&Copy::of("hf-chinese-clip")).unwrap();
    // Nothing has this id, so nothing is padding any more.
    let seen = Copy::of("hf-chinese-clip").edit_config(|json| json["text_config"]["pad_token_id"] = 255.into());
    features(&seen).unwrap_err();
}

#[test]
fn places_that_count_padding_or_begin_elsewhere() {
    for name in ["roberta-mlp", "xlmr-mlp"] {
        fails(&with_encoder(name, "model_type", json!("bert")), "text.block.0");
        let key = "text.transformer.embeddings.position_embeddings.weight";
        let shifted = Copy::of(name).edit_tensors(|tensors| tensors.get_mut(key).unwrap().2.rotate_right(2 * 48));
        fails(&shifted, "text.block.0");
    }
    // The golden's padding is id 1, so with another one the places begin elsewhere.
    fails(&with_encoder("nllb-linear", "pad_token_id", json!(0)), "text.block.0");
}

#[test]
fn the_first_token_instead_of_the_mean_and_the_other_way_round() {
    let pooled = |name: &str, pooler: &str| {
        Copy::of(name).edit_config(|json| json["model_cfg"]["text_cfg"]["hf_pooler_type"] = pooler.into())
    };
    fails(&pooled("roberta-mlp", "cls_last_hidden_state_pooler"), "text.pooled");
    fails(&pooled("xlmr-mlp", "cls_last_hidden_state_pooler"), "text.pooled");
    fails(&pooled("nllb-linear", "mean_pooler"), "text.pooled");
}

#[test]
fn nllbs_embeddings_without_their_scale() {
    fails(&with_encoder("nllb-linear", "scale_embedding", json!(false)), "text.block.0");
}

#[test]
fn another_nonlinearity_in_nllb() {
    fails(&with_encoder("nllb-linear", "activation_function", json!("gelu")), "text.block.0");
}

#[test]
fn an_encoder_with_another_epsilon() {
    for name in ["roberta-mlp", "xlmr-mlp"] {
        fails(&with_encoder(name, "layer_norm_eps", json!(1e-3)), "text.block.0");
    }
}

/// The MLP's nonlinearity is no setting, so the golden itself must tell the exact one from its approximation.
#[test]
fn the_tanh_approximation_between_the_layers_of_a_projection() {
    let golden = Copy::of("roberta-mlp").golden();
    let (hidden, active) = (&golden["text.proj.0"], &golden["text.proj.1"]);
    let apply = |activation: Activation| {
        let data = TensorData::new(hidden.values.clone(), [hidden.values.len()]);
        let values = read(activation.apply(Tensor::<1>::from_data(data, &Device::flex())));
        compare("text.proj.1", &Golden { shape: hidden.shape.clone(), values }, active, CPU.of("text.proj.1"))
    };
    apply(Activation::Gelu).unwrap();
    apply(Activation::GeluTanh).unwrap_err();
    apply(Activation::Relu).unwrap_err();
}

#[test]
fn exact_gelu_instead_of_its_approximation() {
    let text = Copy::of("siglip2").edit_config(|json| {
        json["model_cfg"]["text_cfg"]["act_kwargs"] = json!({ "approximate": "none" });
    });
    fails(&text, "text.block.0");
    let vision = Copy::of("hf-siglip").edit_config(|json| json["vision_config"]["hidden_act"] = "gelu".into());
    fails(&vision, "visual.pooled");
    let text = Copy::of("hf-siglip").edit_config(|json| json["text_config"]["hidden_act"] = "gelu".into());
    fails(&text, "text_features");
}

#[test]
fn siglips_text_bias_that_is_lost() {
    for (name, key) in [
        ("siglip", "text.text_projection.bias"),
        ("siglip2", "text.text_projection.bias"),
        ("hf-siglip", "text_model.head.bias"),
    ] {
        let copy = Copy::of(name).edit_tensors(|tensors| tensors.get_mut(key).unwrap().2.fill(0));
        fails(&copy, "text_features");
    }
}

#[test]
fn torchs_epsilon_in_siglip() {
    let vision = Copy::of("hf-siglip").edit_config(|json| json["vision_config"]["layer_norm_eps"] = 1e-3.into());
    fails(&vision, "visual.pooled");
    let text = Copy::of("hf-siglip").edit_config(|json| json["text_config"]["layer_norm_eps"] = 1e-3.into());
    fails(&text, "text_features");
}

#[test]
fn the_rows_of_an_attention_pool_in_another_order() {
    // Queries and keys change places.
    let copy = Copy::of("hf-siglip").edit_tensors(|tensors| {
        let weight = &mut tensors.get_mut("vision_model.head.attention.in_proj_weight").unwrap().2;
        let third = weight.len() / 3;
        weight[..2 * third].rotate_left(third);
    });
    fails(&copy, "visual.pooled");
}

#[test]
fn a_logit_scale_without_its_exponential() {
    let copy = Copy::of("clip-vit");
    let model = copy.load().unwrap();
    let golden = copy.golden();
    let expected = &golden["logits_per_image"].values;
    let cosines: Vec<f32> = expected.iter().map(|logit| logit / model.clip.logit_scale()).collect();
    let wrong = Scoring { scale: model.clip.logit_scale().ln(), ..Scoring::of(&model.clip) };
    let logits = wrong.scores(&cosines).into_iter().map(|Score { logit, .. }| logit);
    assert!(logits.zip(expected).any(|(a, b)| (a - b).abs() > 3e-4));
}

/// Changes one tensor's bytes.
fn spoilt(name: &str, key: &str, spoil: impl FnOnce(&mut Vec<u8>)) -> Copy {
    Copy::of(name).edit_tensors(|tensors| {
        spoil(&mut tensors.get_mut(key).unwrap_or_else(|| panic!("{name} has no {key}")).2);
    })
}

fn zeroed(name: &str, key: &str) -> Copy {
    spoilt(name, key, |bytes| bytes.fill(0))
}

/// Another architecture that the same tensors fit.
fn renamed(name: &str, timm_model_name: &str) -> Copy {
    Copy::of(name).edit_config(|json| json["model_cfg"]["vision_cfg"]["timm_model_name"] = timm_model_name.into())
}

#[test]
fn biases_of_image_projections_that_are_lost() {
    for (name, key) in [
        ("bias-timm-linear", "visual.head.proj.bias"),
        ("bias-timm-mlp", "visual.head.mlp.fc2.bias"),
        ("eva01", "visual.trunk.head.bias"),
        ("pe-core", "visual.trunk.head.bias"),
        ("mobileclip-s", "visual.trunk.head.fc.bias"),
    ] {
        fails(&zeroed(name, key), "image_features");
    }
    // Cells of a ResNet go through the projection too.
    fails(&zeroed("clip-rn", "visual.attnpool.c_proj.bias"), "visual.dense");
    fails(&zeroed("convnext-mlp", "visual.head.mlp.fc1.bias"), "visual.head.fc1");
    fails(&zeroed("siglip", "text.text_projection.bias"), "text_features");
}

#[test]
fn a_transposed_square_matrix_of_each_timm_family() {
    for (name, key, stage) in [
        ("siglip", "visual.trunk.blocks.0.attn.proj.weight", "visual.block.0"),
        ("eva01", "visual.trunk.blocks.0.attn.proj.weight", "visual.block.0"),
        ("eva02", "visual.trunk.blocks.0.attn.q_proj.weight", "visual.block.0"),
        ("pe-core", "visual.trunk.attn_pool.proj.weight", "visual.attn_pool"),
        ("vitamin", "visual.trunk.blocks.1.attn.proj.weight", "visual.block.1"),
        ("mobileclip-s", "visual.trunk.stages.3.blocks.0.token_mixer.proj.weight", "visual.stage.3"),
        ("clip-rn", "visual.attnpool.k_proj.weight", "visual.attn.pool"),
    ] {
        fails(&Copy::of(name).edit_tensors(|tensors| transpose(tensors.get_mut(key).unwrap())), stage);
    }
}

#[test]
fn queries_in_the_place_of_keys() {
    // Attention is symmetric in neither: its softmax runs over keys.
    let copy = spoilt("siglip", "visual.trunk.blocks.0.attn.qkv.weight", |bytes| {
        let third = bytes.len() / 3;
        let (queries, rest) = bytes.split_at_mut(third);
        queries.swap_with_slice(&mut rest[..third]);
    });
    fails(&copy, "visual.block.0");
}

#[test]
fn the_exact_gelu_instead_of_the_tanh_one_and_the_other_way_round() {
    let copy =
        Copy::of("siglip2").edit_config(|json| json["model_cfg"]["text_cfg"]["act_kwargs"] = serde_json::Value::Null);
    fails(&copy, "text.block.0");
    fails(&renamed("siglip2", "vit_base_patch16_siglip_256"), "visual.block.0");
    let copy = Copy::of("siglip").edit_config(|json| {
        json["model_cfg"]["text_cfg"]["act_kwargs"] = serde_json::json!({ "approximate": "tanh" });
    });
    fails(&copy, "text.block.0");
}

#[test]
fn a_layer_norm_with_the_epsilon_of_another_size() {
    fails(&renamed("convnext-xxl-eps", "convnext_base"), "visual.stage.");
}

#[test]
fn rotary_positions_of_other_pairs_or_of_another_grid() {
    // Without a rotation, the same permutation of queries and keys would change nothing.
    let halves_for_pairs = |bytes: &mut Vec<u8>, row: usize| {
        const HEAD: usize = 16;
        let rows: Vec<Vec<u8>> = bytes.chunks_exact(row).map(<[u8]>::to_vec).collect();
        let turned = (0..rows.len()).map(|i| {
            let (head, channel) = (i / HEAD * HEAD, i % HEAD);
            &rows[head + channel / 2 + channel % 2 * HEAD / 2]
        });
        *bytes = turned.flatten().copied().collect();
    };
    let copy = Copy::of("eva02").edit_tensors(|tensors| {
        for key in ["q_proj.weight", "k_proj.weight", "q_proj.bias"] {
            let tensor = tensors.get_mut(&format!("visual.trunk.blocks.0.attn.{key}")).unwrap();
            halves_for_pairs(&mut tensor.2, 2 * tensor.1.get(1).copied().unwrap_or(1));
        }
    });
    fails(&copy, "visual.block.0");
    fails(&renamed("pe-core", "vit_pe_core_small_patch16_384"), "visual.rope");
}

#[test]
fn norms_before_the_branches_instead_of_behind_them() {
    fails(&renamed("eva02-postnorm", "eva_giant_patch14_224"), "visual.block.0");
    fails(&renamed("eva01", "eva02_enormous_patch14_clip_224"), "visual.block.0");
}

#[test]
fn a_gate_in_the_place_of_what_it_gates() {
    let swap = |name: &str, first: &str, second: &str| {
        Copy::of(name).edit_tensors(|tensors| {
            for part in ["weight", "bias"] {
                let (first, second) = (format!("{first}.{part}"), format!("{second}.{part}"));
                let (a, b) = (tensors[&first].clone(), tensors[&second].clone());
                tensors.insert(first, b);
                tensors.insert(second, a);
            }
        })
    };
    fails(&swap("vitamin", "visual.trunk.blocks.0.mlp.w0", "visual.trunk.blocks.0.mlp.w1"), "visual.block.0");
    fails(&swap("eva02", "visual.trunk.blocks.0.mlp.fc1_g", "visual.trunk.blocks.0.mlp.fc1_x"), "visual.block.0");
}

#[test]
fn branches_and_statistics_of_convolutions_that_are_left_out() {
    for (name, key, stage) in [
        ("mobileclip-s", "visual.trunk.stages.0.blocks.0.token_mixer.mixer.conv_scale.bn.weight", "visual.stage.0"),
        ("mobileclip-s", "visual.trunk.stages.0.blocks.0.token_mixer.norm.identity.weight", "visual.stage.0"),
        ("mobileclip-s", "visual.trunk.stages.0.blocks.0.layer_scale.gamma", "visual.stage.0"),
        ("mobileclip-s", "visual.trunk.stages.1.downsample.proj.0.small_conv.bn.weight", "visual.stage.1"),
        ("mobileclip-s", "visual.trunk.stages.2.downsample.proj.0.se.fc2.bias", "visual.stage.2"),
        ("mobileclip-s", "visual.trunk.stages.3.pos_emb.pos_enc.bias", "visual.stage.3"),
        ("mobileclip-s", "visual.trunk.final_conv.se.fc1.bias", "visual.pooled"),
        ("mobileclip-b", "visual.trunk.patch_embed.backbone.0.bn.running_mean", "visual.patch_embed"),
        ("clip-rn", "visual.layer2.0.downsample.1.running_mean", "visual.stage.1"),
        ("convnext-linear", "visual.trunk.stages.0.blocks.0.gamma", "visual.stage.0"),
        ("vitamin", "visual.trunk.patch_embed.backbone.stages.1.0.shortcut.expand.bias", "visual.patch_embed"),
    ] {
        fails(&zeroed(name, key), stage);
    }
}

#[test]
fn cocas_padding_that_is_seen() {
    let copy = Copy::of("coca").edit_config(|json| json["model_cfg"]["text_cfg"]["pad_id"] = 255.into());
    fails(&copy, "text.block.0");
}

#[test]
fn a_logit_bias_that_is_left_out() {
    fails(&zeroed("siglip", "logit_bias"), "logits_per_image");
}

#[test]
fn positions_of_a_class_token_that_has_none() {
    // MobileCLIP-B's table has no row for the class token, so it must not be moved by one.
    let copy = spoilt("mobileclip-b", "visual.trunk.pos_embed", |bytes| {
        let row = bytes.len() / 16;
        bytes.rotate_right(row);
    });
    fails(&copy, "visual.block.0");
}
