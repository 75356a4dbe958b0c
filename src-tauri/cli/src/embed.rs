//! `embed`: raw vectors of pictures or texts, at any of three stages.

use std::path::Path;

use cliploupe_workbench::engine::{
    Model, Tensor,
    clip::{TokenBatch, normalise},
    device::read,
    photo::{self, Limits},
    preprocess::{normalise as normalise_pixels, resize_and_crop},
    probe::Probe,
    projection::Projection,
};
use safetensors::{Dtype, SafeTensors};
use serde_json::json;

use crate::{
    Report,
    args::{Common, Embed, Stage},
    failure::{Failed, photo_message},
    setup::load,
};

/// Pictures encoded at once.
const BATCH: usize = 16;

pub fn run(command: &Embed, common: &Common) -> Result<Report, Failed> {
    let (opened, name) = load(common, command.texts.language.as_deref())?;
    let (model, device) = (&*opened.model, &opened.device);
    let mut failed = Vec::new();
    let vectors = if !command.image.is_empty() {
        pictures(model, command, &mut failed)
    } else if let Some(path) = &command.pixels {
        let pixels = read_pixels(model, path)?;
        at_stage(model.clip.image_pooled(pixels, &mut Probe::off()), model.clip.image_projection(), command.stage)
    } else {
        let tokens = match &command.tokens {
            Some(path) => read_tokens(model, path)?,
            None => model.tokenize(&command.text)?,
        };
        at_stage(model.clip.text_pooled_short(&tokens), model.clip.text_projection(), command.stage)
    };
    let dim = vectors.first().map_or(0, Vec::len);
    let text = vectors.iter().map(|vector| format!("{}\n", join(vector))).collect::<String>()
        + &failed.iter().map(|(path, error)| format!("failed: {path}: {error}\n")).collect::<String>();
    let complete = failed.is_empty();
    let failed: Vec<_> = failed.iter().map(|(path, error)| json!({ "path": path, "error": error })).collect();
    let stage = command.stage.name();
    let json =
        json!({ "model": name, "device": device.id, "stage": stage, "dim": dim, "vectors": vectors, "failed": failed });
    Ok(Report { text, json, complete })
}

fn join(vector: &[f32]) -> String {
    vector.iter().map(|v| v.to_string()).collect::<Vec<_>>().join(" ")
}

fn pictures(model: &Model, command: &Embed, failed: &mut Vec<(String, String)>) -> Vec<Vec<f32>> {
    let mut vectors = Vec::new();
    for paths in command.image.chunks(BATCH) {
        let mut values = Vec::new();
        for path in paths {
            match photo::open(path, &Limits::default()) {
                Ok(photo) => {
                    let pixels = resize_and_crop(&photo.picture, &model.preprocess);
                    values.extend(normalise_pixels(&pixels, &model.preprocess));
                }
                Err(error) => failed.push((path.display().to_string(), photo_message(&error))),
            }
        }
        if !values.is_empty() {
            let pooled = model.clip.image_pooled(model.pixel_batch(values), &mut Probe::off());
            vectors.extend(at_stage(pooled, model.clip.image_projection(), command.stage));
        }
    }
    vectors
}

fn at_stage(pooled: Tensor<2>, projection: &Projection, stage: Stage) -> Vec<Vec<f32>> {
    let vectors = match stage {
        Stage::Pooled => pooled,
        Stage::Projected => projection.forward(pooled),
        Stage::Embedding => normalise(projection.forward(pooled)),
    };
    let dim = vectors.dims()[1];
    read(vectors).chunks_exact(dim).map(<[f32]>::to_vec).collect()
}

fn with_tensor<T>(
    path: &Path,
    name: &str,
    use_it: impl FnOnce(Dtype, &[usize], &[u8]) -> Result<T, String>,
) -> Result<T, Failed> {
    let wrong = |cause: String| Failed::work(format!("cannot use {name:?} of {path:?}: {cause}"));
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
    let tensor = file.tensor(name).map_err(|error| wrong(error.to_string()))?;
    use_it(tensor.dtype(), tensor.shape(), tensor.data()).map_err(wrong)
}

fn read_pixels(model: &Model, path: &Path) -> Result<Tensor<4>, Failed> {
    let [height, width] = model.config.vision.image_size();
    with_tensor(path, "input.pixels", |dtype, shape, data| {
        if dtype != Dtype::F32 || shape.len() != 4 || shape[0] == 0 || shape[1..] != [3, height, width] {
            return Err(format!("it is {dtype:?} {shape:?}, the tower takes F32 [batch, 3, {height}, {width}]"));
        }
        let values = data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok(model.pixel_batch(values))
    })
}

fn read_tokens(model: &Model, path: &Path) -> Result<TokenBatch, Failed> {
    let context = model.config.context_length;
    let tokens = with_tensor(path, "input.tokens", |dtype, shape, data| {
        let [_, seq] = *shape else { return Err(format!("it has shape {shape:?}, not [batch, seq]")) };
        if seq == 0 || seq > context || shape[0] == 0 {
            return Err(format!("it has shape {shape:?}, the tower takes 1 to {context} tokens"));
        }
        let ids: Vec<i64> = match dtype {
            Dtype::I32 => data.as_chunks::<4>().0.iter().map(|bytes| i32::from_le_bytes(*bytes).into()).collect(),
            Dtype::I64 => data.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect(),
            other => return Err(format!("it is {other:?}, not I32 or I64")),
        };
        let ids: Result<Vec<u32>, _> = ids.into_iter().map(u32::try_from).collect();
        Ok(TokenBatch::new(ids.map_err(|_| "it has an id below zero".to_owned())?, seq))
    })?;
    model.check_tokens(&tokens)?;
    Ok(tokens)
}
