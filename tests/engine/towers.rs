use cliploupe_engine::{Device, clip::ScoreKind, device::read, zero_shot::Scoring};

use crate::support::{CPU, Copy, check, fixture, goldens, input_tokens, load};

fn passes(name: &str) {
    let copy = Copy::of(name);
    let model = copy.load().unwrap();
    let golden = copy.golden();
    check(&model, &golden, CPU).unwrap();
    // Cutting a batch of texts to what matters must not change its features.
    let tokens = input_tokens(&golden);
    let whole = read(model.clip.text_pooled(&tokens, &mut cliploupe_engine::probe::Probe::off()));
    let short = read(model.clip.text_pooled_short(&tokens));
    assert!(whole.iter().zip(&short).all(|(a, b)| (a - b).abs() < 1e-5), "cutting texts changed their features");
}

/// One test per golden model, and one that none is forgotten.
macro_rules! golden_models {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                passes($name);
            }
        )*

        #[test]
        fn every_golden_model_has_its_test() {
            let mut tested = vec![$($name),*];
            // Checked from picture file to probabilities, in `zero_shot.rs`.
            tested.push("e2e-clip-f16");
            let folders = std::fs::read_dir(fixture("clip")).unwrap().map(|entry| entry.unwrap());
            let folders = folders.filter(|entry| entry.file_type().unwrap().is_dir());
            let mut models: Vec<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
            tested.sort_unstable();
            models.sort();
            assert_eq!(tested, models);
        }
    };
}

golden_models! {
    bias_text_linear: "bias-text-linear",
    bias_timm_linear: "bias-timm-linear",
    bias_timm_mlp: "bias-timm-mlp",
    clip_rn: "clip-rn",
    clip_vit: "clip-vit",
    clip_vit_layerscale: "clip-vit-layerscale",
    clip_vit_quickgelu: "clip-vit-quickgelu",
    clipa: "clipa",
    coca: "coca",
    convnext_linear: "convnext-linear",
    convnext_mlp: "convnext-mlp",
    convnext_xxl_eps: "convnext-xxl-eps",
    custom_text: "custom-text",
    eva01: "eva01",
    eva02: "eva02",
    eva02_postnorm: "eva02-postnorm",
    hf_chinese_clip: "hf-chinese-clip",
    hf_clip: "hf-clip",
    hf_clip_gelu: "hf-clip-gelu",
    hf_siglip: "hf-siglip",
    mobileclip_b: "mobileclip-b",
    mobileclip_s: "mobileclip-s",
    mobileclip2_l: "mobileclip2-l",
    nllb_linear: "nllb-linear",
    pe_core: "pe-core",
    pe_core_nocls: "pe-core-nocls",
    roberta_mlp: "roberta-mlp",
    siglip: "siglip",
    siglip_proj_none: "siglip-proj-none",
    siglip2: "siglip2",
    vitamin: "vitamin",
    worldwide_eos: "worldwide-eos",
    xlmr_mlp: "xlmr-mlp",
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
