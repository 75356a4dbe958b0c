use cliploupe_engine::{Device, clip::ScoreKind, device::read, zero_shot::Scoring};

use crate::support::{CPU, check, fixture, goldens, input_tokens, load};

fn passes(name: &str) {
    let folder = fixture(&format!("clip/{name}"));
    let model = load(&folder, &Device::flex()).unwrap();
    let golden = goldens(&folder.join("golden.safetensors"));
    check(&model, &golden, CPU).unwrap();
    // Cutting a batch of texts to what matters must not change its features.
    let tokens = input_tokens(&golden);
    let whole = read(model.clip.text_pooled(&tokens, &mut cliploupe_engine::probe::Probe::off()));
    let short = read(model.clip.text_pooled_short(&tokens));
    assert!(whole.iter().zip(&short).all(|(a, b)| (a - b).abs() < 1e-5), "cutting texts changed their features");
}

#[test]
fn clip_vit() {
    passes("clip-vit");
}

#[test]
fn clip_vit_quickgelu() {
    passes("clip-vit-quickgelu");
}

#[test]
fn clip_vit_layerscale() {
    passes("clip-vit-layerscale");
}

#[test]
fn clipa() {
    passes("clipa");
}

#[test]
fn worldwide_eos() {
    passes("worldwide-eos");
}

#[test]
fn custom_text() {
    passes("custom-text");
}

#[test]
fn bias_text_linear() {
    passes("bias-text-linear");
}

#[test]
fn hf_clip() {
    passes("hf-clip");
}

#[test]
fn hf_clip_gelu() {
    passes("hf-clip-gelu");
}

#[test]
fn projections_know_their_bias_and_the_norm_in_front() {
    let of = |name: &str| load(&fixture(&format!("clip/{name}")), &Device::flex()).unwrap().clip;
    let clip = of("clip-vit");
    assert!(!clip.image_projection().has_bias());
    assert_eq!(clip.image_projection().affine_before().unwrap().key, "visual.ln_post");
    assert_eq!(clip.text_projection().affine_before().unwrap().beta.len(), 48);
    assert!(of("bias-text-linear").text_projection().has_bias());
}

#[test]
fn a_model_without_a_logit_bias_is_scored_by_softmax() {
    let model = load(&fixture("clip/clip-vit"), &Device::flex()).unwrap();
    assert_eq!(Scoring::of(&model.clip).kind, ScoreKind::Softmax);
}

#[test]
fn a_single_file_with_its_configuration_loads_like_its_folder() {
    let folder = fixture("clip/clip-vit");
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("mine.safetensors");
    std::fs::copy(folder.join("open_clip_model.safetensors"), &file).unwrap();
    std::fs::copy(folder.join("open_clip_config.json"), elsewhere.path().join("mine.json")).unwrap();
    let golden = goldens(&folder.join("golden.safetensors"));
    check(&load(&file, &Device::flex()).unwrap(), &golden, CPU).unwrap();
}

#[test]
fn another_image_size_resamples_the_positions() {
    use cliploupe_engine::{Checkpoint, Model, probe::Probe};
    let checkpoint = Checkpoint::find(&fixture("clip/clip-vit"), None).unwrap();
    let model = Model::load(checkpoint, Some([96, 80]), &Device::flex()).unwrap();
    let pooled = model.clip.image_pooled(model.pixel_batch(vec![0.1; 3 * 96 * 80]), &mut Probe::off());
    assert_eq!(pooled.dims(), [1, 64]);
    assert_eq!(model.preprocess.size, [96, 80]);
}
