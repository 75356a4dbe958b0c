use cliploupe_engine::{
    Device,
    clip::{Clip, TokenBatch, normalise},
    device::read,
    photo::{self, Limits},
    preprocess::{normalise as normalise_pixels, resize_and_crop},
    probe::Probe,
    zero_shot::{Scoring, cosines, fill, label_directions, text_embeddings},
};

use crate::support::{Golden, Goldens, Tolerance, asset, compare, fixture, goldens, load};

fn templates(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(asset(&format!("templates/{name}.txt"))).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn assert_close(name: &str, shape: [usize; 2], values: Vec<f32>, golden: &Goldens, absolute: f32) {
    let found = Golden { shape: shape.to_vec(), values };
    compare(name, &found, &golden[name], Tolerance { absolute, relative: 0.0 }).unwrap();
}

/// `[row, column]` to `[column, row]`.
fn turned(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns)).copied().collect()
}

#[test]
fn no_texts_have_no_embeddings() {
    let model = load(&fixture("clip/e2e-clip-f16"), &Device::flex()).unwrap();
    assert!(text_embeddings(&model.clip, &TokenBatch::new(Vec::new(), 77)).is_empty());
}

#[test]
fn picture_files_and_words_become_open_clips_probabilities() {
    let folder = fixture("clip/e2e-clip-f16");
    let model = load(&folder, &Device::flex()).unwrap();
    let golden = goldens(&folder.join("golden.safetensors"));
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("golden.json")).unwrap()).unwrap();
    let names = |key: &str| -> Vec<String> {
        json[key].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let pixels: Vec<f32> = names("images")
        .iter()
        .flat_map(|name| {
            let photo = photo::open(&fixture(&format!("preprocess/images/{name}")), &Limits::default()).unwrap();
            normalise_pixels(&resize_and_crop(&photo.picture, &model.preprocess), &model.preprocess)
        })
        .collect();
    let clip: &Clip = &model.clip;
    let images = read(normalise(
        clip.image_projection().forward(clip.image_pooled(model.pixel_batch(pixels), &mut Probe::off())),
    ));
    let (embed, classes) = (model.config.embed_dim, names("classes"));
    assert_close("image_features_norm", [4, embed], images.clone(), &golden, 2e-5);
    for (key, set) in [("t1", "one"), ("t7", "simple7"), ("t80", "openai80")] {
        let templates = templates(set);
        let sentences: Vec<String> =
            classes.iter().flat_map(|class| templates.iter().map(|template| fill(template, class))).collect();
        let tokens = model.tokenize(&sentences).unwrap();
        let directions =
            label_directions(&text_embeddings(clip, &tokens), &vec![templates.len(); classes.len()], embed);
        assert_close(&format!("classifier.{key}"), [embed, 5], turned(&directions, embed), &golden, 2e-5);
        let probabilities = cosines(&images, &directions, embed)
            .chunks_exact(5)
            .flat_map(|row| Scoring::of(clip).scores(row))
            .map(|score| score.probability)
            .collect();
        assert_close(&format!("probs.{key}"), [4, 5], probabilities, &golden, 2e-5);
    }
}
