//! The embedded model against open_clip's own run of it: eight photos, forty labels.

use cliploupe_engine::{
    Device, Model,
    clip::normalise,
    device::read,
    photo::{self, Limits},
    preprocess::{Pixels, normalise as normalise_pixels, resize_and_crop},
    probe::Probe,
    zero_shot::{Scoring, cosines, text_embeddings},
};
use serde::Deserialize;

use crate::support::{asset, fixture, load};

#[derive(Deserialize)]
struct Golden {
    logit_scale_exp: f32,
    logit_bias: f32,
    images: Vec<Image>,
    labels: Vec<Label>,
    logits: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Image {
    wheel_path: String,
    pixel_mean_per_channel: Vec<f32>,
    pixels_row_130_first_8_of_channel_0: Vec<f32>,
    trunk_feature_first_8: Vec<f32>,
    trunk_feature_norm: f32,
    embedding: Vec<f32>,
}

#[derive(Deserialize)]
struct Label {
    text: String,
    token_ids: Vec<u32>,
    embedding: Vec<f32>,
}

fn golden() -> Golden {
    serde_json::from_slice(&std::fs::read(fixture("embedded/golden.json")).unwrap()).unwrap()
}

fn model() -> Model {
    load(&asset("model"), &Device::flex()).unwrap()
}

/// The sample photos are part of the product; the others are only used here.
fn pixels(model: &Model, image: &Image) -> Pixels {
    let name = image.wheel_path.rsplit('/').next().unwrap();
    let sample = asset(&format!("samples/{name}"));
    let path = if sample.exists() { sample } else { fixture(&format!("embedded/photos/{name}")) };
    resize_and_crop(&photo::open(&path, &Limits::default()).unwrap().picture, &model.preprocess)
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// JPEG decoders differ by a level here and there, and so do the numbers after them; a PNG has no such excuse.
fn tolerance(image: &Image, exact: f32, jpeg: f32) -> f32 {
    if image.wheel_path.ends_with(".png") { exact } else { jpeg }
}

#[test]
fn photos_give_open_clips_pixels_features_embeddings_and_logits() {
    let (golden, model) = (golden(), model());
    let clip = &model.clip;
    assert!((clip.logit_scale() - golden.logit_scale_exp).abs() < 1e-4);
    assert!((clip.logit_bias().unwrap() - golden.logit_bias).abs() < 1e-5);
    let labels: Vec<f32> = golden.labels.iter().flat_map(|label| label.embedding.clone()).collect();
    for (image, expected) in golden.images.iter().zip(&golden.logits) {
        let values = normalise_pixels(&pixels(&model, image), &model.preprocess);
        let [height, width] = model.preprocess.size;
        let mean: Vec<f32> = values
            .chunks_exact(height * width)
            .map(|plane| (plane.iter().map(|v| f64::from(*v)).sum::<f64>() / plane.len() as f64) as f32)
            .collect();
        assert!(
            largest_difference(&mean, &image.pixel_mean_per_channel) < tolerance(image, 2e-6, 2e-3),
            "{}",
            image.wheel_path
        );
        let row = &values[130 * width..][..8];
        assert!(largest_difference(row, &image.pixels_row_130_first_8_of_channel_0) < tolerance(image, 1e-6, 0.05));
        let pooled = clip.image_pooled(model.pixel_batch(values), &mut Probe::off());
        let feature = read(pooled.clone());
        let norm = feature.iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!((norm - image.trunk_feature_norm).abs() < tolerance(image, 1e-3, 0.2), "{norm}");
        assert!(largest_difference(&feature[..8], &image.trunk_feature_first_8) < tolerance(image, 2e-4, 0.1));
        let embedding = read(normalise(clip.image_projection().forward(pooled)));
        assert!(largest_difference(&embedding, &image.embedding) < tolerance(image, 2e-5, 0.02));
        let scores = Scoring::of(clip).scores(&cosines(&embedding, &labels, model.config.embed_dim));
        let logits: Vec<f32> = scores.iter().map(|score| score.logit).collect();
        let difference = largest_difference(&logits, expected);
        assert!(difference < tolerance(image, 2e-3, 0.25), "{}: {difference}", image.wheel_path);
    }
}

#[test]
fn labels_give_open_clips_tokens_and_embeddings() {
    let (golden, model) = (golden(), model());
    let texts: Vec<&str> = golden.labels.iter().map(|label| label.text.as_str()).collect();
    let tokens = model.tokenize(&texts).unwrap();
    let embeddings = text_embeddings(&model.clip, &tokens);
    for ((label, ids), embedding) in
        golden.labels.iter().zip(tokens.rows()).zip(embeddings.chunks_exact(model.config.embed_dim))
    {
        assert_eq!(&ids[..label.token_ids.len()], label.token_ids, "{}", label.text);
        assert!(ids[label.token_ids.len()..].iter().all(|id| *id == 0));
        assert!(largest_difference(embedding, &label.embedding) < 2e-5, "{}", label.text);
    }
}

/// The heads that come beside the model: a bias on its own form, and the MLP without and with one.
#[test]
fn every_exchangeable_projection_loads_in_the_place_of_the_shipped_one() {
    use safetensors::{SafeTensors, tensor::TensorView};
    for (name, bias) in [("linear-bias", true), ("mlp", false), ("mlp-bias", true)] {
        let folder = tempfile::tempdir().unwrap();
        for file in ["config.json", "tokenizer.json"] {
            std::fs::copy(asset(&format!("model/{file}")), folder.path().join(file)).unwrap();
        }
        let json =
            |path| -> serde_json::Value { serde_json::from_slice(&std::fs::read(asset(path)).unwrap()).unwrap() };
        let mut config = json("model/open_clip_config.json");
        let change = json(&format!("model/projections/{name}.json"));
        for section in ["vision_cfg", "text_cfg"] {
            for (key, value) in change["model_cfg"][section].as_object().unwrap() {
                config["model_cfg"][section][key] = value.clone();
            }
        }
        std::fs::write(folder.path().join("open_clip_config.json"), config.to_string()).unwrap();
        let (whole, head) = (
            std::fs::read(asset("model/open_clip_model.safetensors")).unwrap(),
            std::fs::read(asset(&format!("model/projections/{name}.safetensors"))).unwrap(),
        );
        let (whole, head) = (SafeTensors::deserialize(&whole).unwrap(), SafeTensors::deserialize(&head).unwrap());
        let is_head =
            |key: &str| key.starts_with("visual.head.") || key.starts_with("text.proj.") || key.starts_with("logit_");
        let kept = whole.tensors().into_iter().filter(|(key, _)| !is_head(key));
        let tensors: Vec<(String, TensorView)> = kept.chain(head.tensors()).collect();
        safetensors::serialize_to_file(tensors, None, &folder.path().join("open_clip_model.safetensors")).unwrap();
        let model = load(folder.path(), &Device::flex()).unwrap();
        assert_eq!(model.clip.image_projection().has_bias(), bias, "{name}");
        let cat = &golden().images[1];
        let values = normalise_pixels(&pixels(&model, cat), &model.preprocess);
        let pooled = model.clip.image_pooled(model.pixel_batch(values), &mut Probe::off());
        let labels = model.tokenize(&["a photo of a cat", "a cup of coffee"]).unwrap();
        let labels = text_embeddings(&model.clip, &labels);
        let found = cosines(&read(normalise(model.clip.image_projection().forward(pooled))), &labels, 256);
        assert!(found[0] > found[1] + 0.1, "{name} does not know a cat from a cup of coffee: {found:?}");
    }
}
