//! A golden that a wrong tower passes proves nothing, so each mistake that is easily made is made here, and must show.

use cliploupe_engine::zero_shot::{Score, Scoring};

use crate::support::{CPU, Copy, check, transpose};

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
