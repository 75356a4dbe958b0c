//! Both towers of a model on its device.

use std::time::Instant;

use cliploupe_engine::{Model, preprocess::normalise, zero_shot};

use super::{Figure, figure, machine::memory, median, millis, scene};
use crate::assets;

/// Labels that are encoded at once.
const LABELS: usize = 100;

/// Pictures at these batch sizes, from normalised pixels in memory to unit vectors in memory, and labels.
pub fn model(model: &Model, batches: &[usize]) -> Vec<Figure> {
    let size = model.config.vision.image_size();
    let pixels = normalise(&scene(size[0], size[1], 0), &model.preprocess);
    let encode = |batch: usize| drop(model.image_embeddings(pixels.repeat(batch)));
    let mut figures = Vec::new();
    for &batch in batches {
        let rate = batch as f64 / median(|| encode(batch)).as_secs_f64();
        figures.push(figure(format!("encode images, batch {batch}"), rate, "images/s"));
    }
    let labels: Vec<String> = assets::label_sets().into_iter().flat_map(|set| set.labels).take(LABELS).collect();
    let sentences: Vec<String> = labels.iter().map(|label| zero_shot::fill("a photo of a {}.", label)).collect();
    // A checkpoint without its tokenizer has no labels to encode.
    if let Ok(tokens) = model.tokenize(&sentences) {
        let time = median(|| drop(zero_shot::text_embeddings(&model.clip, &tokens)));
        let rate = tokens.count() as f64 / time.as_secs_f64();
        figures.push(figure(format!("encode {LABELS} labels, 1 template"), rate, "labels/s"));
    }
    figures
}

/// Loads a model and measures how long that takes and how much memory, the latter also as a multiple of what its values
/// take in the working precision. What was loaded before in this process makes the latter too small, never too large.
pub fn load<T, E>(load: impl FnOnce() -> Result<T, E>, parameters: impl Fn(&T) -> u64) -> Result<(T, Vec<Figure>), E> {
    let before = memory("self", "VmRSS");
    let begin = Instant::now();
    let loaded = load()?;
    let mut figures = vec![figure("load the model", millis(begin.elapsed()), "ms")];
    if let (Some(before), Some(peak)) = (before, memory("self", "VmHWM")) {
        let values = parameters(&loaded) as f64 * size_of::<f32>() as f64 / f64::from(1 << 20);
        figures.push(figure("memory for loading", peak - before, "MiB"));
        figures.push(figure("the same over its values in f32", (peak - before) / values, "×"));
    }
    Ok((loaded, figures))
}
