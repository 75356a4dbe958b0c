//! `bench`: how fast this machine is, section by section.
//!
//! What is measured is split into parts: a section, for one model on one device. A single part is measured in this process;
//! of several, each gets a process of its own (`child.rs`), so that no part finds memory, caches or a GPU as another one
//! left them, and a driver that ends the process costs one part and not the rest. `parts.rs` measures, `start.rs` starts
//! the program, `text.rs` makes tables.

mod child;
mod parts;
mod start;
mod text;

use std::path::{Path, PathBuf};

use cliploupe_workbench::{
    bench::{self, Shape},
    engine::device::{self, DeviceChoice, DeviceKind},
};
use serde_json::json;

use crate::{
    Report,
    args::{Bench, Common, Section},
    failure::Failed,
};

/// One section for one model on one device.
struct Part {
    section: Section,
    /// What `--model` takes.
    model: String,
    /// What the model is called, where that is not its own name.
    called: Option<&'static str>,
    /// What `--device` takes.
    device: String,
}

pub fn run(command: &Bench, common: &Common) -> Result<Report, Failed> {
    let sections = sections(command)?;
    let temporary = temporary_folder()?;
    let made = made(command, temporary.path())?;
    let mut parts = parts(&sections, common, made.as_ref())?;
    let (mut models, mut failed) = (Vec::new(), Vec::new());
    if let Some(index) = command.part {
        parts = parts.into_iter().skip(index).take(1).collect();
    }
    match parts.as_slice() {
        [part] => {
            let (found, problems) = parts::measure(part, command, common)?;
            (models, failed) = (vec![found], problems);
        }
        parts => {
            for (index, part) in parts.iter().enumerate() {
                match child::measure(index, part, made.as_ref(), common) {
                    Ok((found, problems)) => {
                        models.extend(found);
                        failed.extend(problems);
                    }
                    Err(error) => failed.push(json!({
                        "section": part.section.name(),
                        "model": part.called.unwrap_or(&part.model),
                        "device": part.device,
                        "error": error.message,
                    })),
                }
            }
        }
    }
    let machine = json!(bench::machine());
    let text = text::report(&machine, &models, &failed);
    let complete = failed.is_empty();
    Ok(Report { text, json: json!({ "machine": machine, "models": models, "failed": failed }), complete })
}

/// A folder that is gone when the part has been measured.
fn temporary_folder() -> Result<tempfile::TempDir, Failed> {
    tempfile::tempdir().map_err(|error| Failed::work(format!("cannot make a temporary folder: {error}")))
}

/// What is asked for, each once.
fn sections(command: &Bench) -> Result<Vec<Section>, Failed> {
    let mut sections = command.only.clone();
    if sections.is_empty() {
        sections = vec![Section::Pictures, Section::Encode, Section::Import, Section::Search, Section::Start];
        let also = [
            (Section::Fidelity, command.photos.is_some()),
            (Section::Lab, command.lab),
            (Section::Library, command.library_of.is_some()),
        ];
        sections.extend(also.into_iter().filter(|(_, is_asked_for)| *is_asked_for).map(|(section, _)| section));
    }
    let lacks = |section, option: bool| sections.contains(&section) && !option;
    if lacks(Section::Fidelity, command.photos.is_some()) {
        return Err(Failed::usage("--only fidelity needs photos to look at: --photos FOLDER"));
    }
    if lacks(Section::Library, command.library_of.is_some()) {
        return Err(Failed::usage("--only library needs to know how many photos to make: --library-of PHOTOS"));
    }
    let mut once = Vec::new();
    sections.into_iter().for_each(|section| {
        if !once.contains(&section) {
            once.push(section);
        }
    });
    Ok(once)
}

/// A checkpoint that was made to be measured.
struct Made {
    name: &'static str,
    folder: PathBuf,
}

/// The checkpoint of the shape that is asked for, made now unless another process has made it.
fn made(command: &Bench, temporary: &Path) -> Result<Option<Made>, Failed> {
    let Some(name) = &command.shape else { return Ok(None) };
    // clap only lets the names of the shapes through.
    let shape: &Shape = bench::SHAPES.iter().find(|shape| shape.name == name).expect("a name that clap let through");
    if let Some(folder) = command.made.clone() {
        return Ok(Some(Made { name: shape.name, folder }));
    }
    let folder = command.keep.clone().unwrap_or_else(|| temporary.join(shape.name));
    if let Some(there) = bench::FILES.iter().map(|file| folder.join(file)).find(|file| file.exists()) {
        return Err(Failed::usage(format!(
            "--keep does not replace the checkpoint that is in the folder. Measure it with --model, or name another \
             folder: {there:?}"
        )));
    }
    std::fs::create_dir_all(&folder)
        .and_then(|()| shape.write(&folder))
        .map_err(|error| Failed::work(format!("cannot write the random checkpoint: {error}: {folder:?}")))?;
    Ok(Some(Made { name: shape.name, folder }))
}

fn parts(sections: &[Section], common: &Common, made: Option<&Made>) -> Result<Vec<Part>, Failed> {
    let devices = devices(common)?;
    let mut models = vec![(common.model.clone(), None)];
    models.extend(made.map(|made| (made.folder.to_string_lossy().into_owned(), Some(made.name))));
    let mut parts = Vec::new();
    for &section in sections {
        let (takes_models, takes_devices) = match section {
            Section::Encode | Section::Import | Section::Start => (true, true),
            Section::Pictures | Section::Search | Section::Fidelity | Section::Lab | Section::Library => (false, false),
        };
        if common.image_size.is_some() && matches!(section, Section::Import | Section::Start) {
            return Err(Failed::usage("--image-size is for `bench --only pictures,encode,fidelity`"));
        }
        for (model, called) in &models[..if takes_models { models.len() } else { 1 }] {
            for device in &devices[..if takes_devices { devices.len() } else { 1 }] {
                parts.push(Part { section, model: model.clone(), called: *called, device: device.clone() });
            }
        }
    }
    Ok(parts)
}

/// The device that was named; unless one was, the processor and the GPU that `gpu` means, if there is one.
fn devices(common: &Common) -> Result<Vec<String>, Failed> {
    if common.device.parse::<DeviceChoice>()? != DeviceChoice::Auto {
        return Ok(vec![common.device.clone()]);
    }
    let is_gpu = |kind| !matches!(kind, DeviceKind::Cpu | DeviceKind::Software);
    let has_gpu = device::list().into_iter().any(|device| is_gpu(device.kind));
    Ok(["cpu"].into_iter().chain(has_gpu.then_some("gpu")).map(str::to_owned).collect())
}
