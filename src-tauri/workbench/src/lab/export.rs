//! The heads in force as files, and whether what was written is what was meant.

use std::{ops::ControlFlow, path::Path};

use cliploupe_engine::{
    Checkpoint, Device, Model, chain,
    clip::normalise,
    device::read,
    files::Files,
    lab::{
        Heads, Table,
        export::{self as engine, ExportError},
        file::{self, FileError},
    },
    photo::{self, Limits},
    preprocess,
    probe::Probe,
};

use super::{Base, InForce, at_hand::AtHand};
use crate::{
    devices::self_test::test_pixels,
    messages::{ExportPlan, Problem, ProblemCode, SidePlan},
    problem::of_load,
    sentences::encode_sentences,
};

/// Photos that what was written is tried on.
const TRIED: usize = 4;
/// Sentences that what was written is tried on.
const SENTENCES: [&str; 2] = ["a photo of a cat", "a street at night"];

/// How the heads in force would come into a copy of the model's checkpoint.
pub fn plan(model: &Model, in_force: &InForce) -> Result<engine::ExportPlan, Problem> {
    let Heads { image, text } = &*in_force.heads;
    let plan = engine::plan(model, image, text).and_then(|plan| plan.scored(in_force.scores));
    plan.map_err(|error| of_export(&error))
}

/// A plan as it crosses to the page.
pub fn told(plan: &engine::ExportPlan) -> ExportPlan {
    let side = |side: &engine::SidePlan| match side {
        engine::SidePlan::Unchanged => SidePlan::Unchanged,
        engine::SidePlan::Weights => SidePlan::Weights,
        engine::SidePlan::Folded { key, residual, share } => {
            SidePlan::Folded { key: key.clone(), residual: *residual, share: *share }
        }
        engine::SidePlan::Field { field } => SidePlan::Field { field: field.clone() },
        engine::SidePlan::Refused(refusal) => SidePlan::Refused { problem: refused(&chain(refusal)) },
    };
    ExportPlan {
        image: side(&plan.image),
        text: side(&plan.text),
        checkpoint_bytes: plan.checkpoint_bytes,
        heads_bytes: plan.heads_bytes,
    }
}

/// Writes a whole checkpoint; the size of its weights in bytes.
pub fn write_checkpoint(plan: &engine::ExportPlan, folder: &Path) -> Result<u64, Problem> {
    engine::write(plan, folder, false, &mut |_| ControlFlow::Continue(())).map_err(|error| of_export(&error))
}

/// Writes the heads alone; the size of the file in bytes.
pub fn write_heads(in_force: &InForce, path: &Path, replaced: bool) -> Result<u64, Problem> {
    let Heads { image, text } = &*in_force.heads;
    file::write_heads(path, image, text, in_force.scores, &in_force.base.config, replaced)
        .map_err(|error| of_file(&error))
}

fn refused(cause: &str) -> Problem {
    Problem::new(ProblemCode::Export, &[("cause", cause)], format!("cannot be written: {cause}"))
}

fn of_export(error: &ExportError) -> Problem {
    match error {
        ExportError::Source(source) => of_load(source),
        other => refused(&chain(other)),
    }
}

fn of_file(error: &FileError) -> Problem {
    refused(&chain(error))
}

/// Pixels and sentences that both models are given.
pub struct Trial {
    /// Normalised pixels of a few pictures.
    pixels: Vec<f32>,
}

impl Trial {
    /// A few of the photos at hand, or a synthetic picture if none can be read.
    pub fn new(model: &Model, at_hand: &AtHand) -> Self {
        let photos =
            at_hand.photos.paths.iter().take(TRIED).filter_map(|path| photo::open(path, &Limits::default()).ok());
        let mut pictures: Vec<_> =
            photos.map(|photo| preprocess::resize_and_crop(&photo.picture, &model.preprocess)).collect();
        if pictures.is_empty() {
            pictures.push(test_pixels(&model.preprocess));
        }
        let pixels = pictures.iter().flat_map(|pixels| preprocess::normalise(pixels, &model.preprocess)).collect();
        Self { pixels }
    }

    /// Unit vectors of both towers by these heads behind the model's towers; no texts without a tokenizer.
    pub fn by_heads(&self, model: &Model, heads: &Heads) -> [Vec<f32>; 2] {
        let pooled = read(model.clip.image_pooled(model.pixel_batch(self.pixels.clone()), &mut Probe::off()));
        let images = heads.image.apply(&Table::new(heads.image.input_dim(), pooled)).unit();
        let texts = encode_sentences(model, &SENTENCES.map(str::to_owned)).ok();
        let texts = texts.map(|pooled| heads.text.apply(&pooled).unit());
        [images.values().to_vec(), texts.map_or_else(Vec::new, |texts| texts.values().to_vec())]
    }

    /// The same by a model that was loaded.
    fn by_model(&self, model: &Model) -> [Vec<f32>; 2] {
        let images = model.image_embeddings(self.pixels.clone());
        let texts = model.tokenize(&SENTENCES).ok();
        let texts = texts
            .map(|tokens| read(normalise(model.clip.text_projection().forward(model.clip.text_pooled_short(&tokens)))));
        [images, texts.unwrap_or_default()]
    }

    /// The largest difference of a checkpoint that was written from what it should give.
    pub fn of_checkpoint(&self, folder: &Path, expected: &[Vec<f32>; 2]) -> Result<f64, Problem> {
        let written = Checkpoint::find(folder, None).map_err(|error| of_load(&error))?;
        let model = Model::load(written, None, &Device::flex()).map_err(|error| of_load(&error))?;
        Ok(difference(&self.by_model(&model), expected))
    }
}

/// The largest difference of heads that were written from those in force, on what is at hand.
pub fn heads_difference(base: &Base, in_force: &InForce, path: &Path, at_hand: &AtHand) -> Result<f64, Problem> {
    let found = file::read_heads(Files::Disk, path, &base.config).map_err(|error| of_file(&error))?;
    let read = Heads {
        image: found.image.unwrap_or_else(|| base.heads.image.clone()),
        text: found.text.unwrap_or_else(|| base.heads.text.clone()),
    };
    let vectors = |heads: &Heads| {
        let texts = at_hand.sentences().map(|sentences| heads.text.apply(&sentences.pooled).unit());
        let images = heads.image.apply(at_hand.photos.pooled.sample()).unit();
        [images.values().to_vec(), texts.map_or_else(Vec::new, |texts| texts.values().to_vec())]
    };
    Ok(difference(&vectors(&read), &vectors(&in_force.heads)))
}

/// Infinite where they are not even of one size, or not numbers.
fn difference(found: &[Vec<f32>; 2], expected: &[Vec<f32>; 2]) -> f64 {
    let pairs = || found.iter().flatten().zip(expected.iter().flatten());
    if found.iter().map(Vec::len).ne(expected.iter().map(Vec::len)) {
        return f64::INFINITY;
    }
    pairs()
        .map(|(a, b)| f64::from((a - b).abs()))
        .fold(0.0, |most, d| if d.is_nan() { f64::INFINITY } else { f64::max(most, d) })
}
