//! `bench`: how fast decoding, preprocessing, encoding and starting are here.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use cliploupe_workbench::{
    assets,
    bench::{self, Figure},
};
use serde_json::json;

use crate::{
    Report,
    args::{Bench, Common},
    embed::{load, source},
    failure::Failed,
};

pub fn run(command: &Bench, common: &Common) -> Result<Report, Failed> {
    let folder =
        tempfile::tempdir().map_err(|error| Failed::work(format!("cannot make a temporary folder: {error}")))?;
    let named = source(common)?.name();
    let mut sections = vec![section(common, &named, &common.model)?];

    if let Some(name) = &command.shape {
        // clap only lets the names of the shapes through.
        let shape = bench::SHAPES.iter().find(|shape| shape.name == name).expect("a name that clap let through");
        shape
            .write(folder.path())
            .map_err(|error| Failed::work(format!("cannot write the random checkpoint: {error}")))?;
        let common = &Common { config: None, ..common.clone() };
        sections.push(section(common, shape.name, &folder.path().to_string_lossy())?);
    }
    if command.lab {
        sections.push(("projections".into(), "cpu".into(), bench::lab()));
    }
    if let Some(photos) = command.library_of {
        let folder = folder.path().join("library");
        let figures = bench::library(&folder, photos)?;
        sections.push(("library".into(), "cpu".into(), figures));
    }
    let text = sections.iter().map(|(name, device, figures)| table(name, device, figures)).collect();
    let models: Vec<_> = sections
        .iter()
        .map(|(name, device, figures)| json!({ "model": name, "device": device, "figures": figures }))
        .collect();
    Ok(Report { text, json: json!({ "models": models }), complete: true })
}

type Section = (String, String, Vec<Figure>);

fn section(common: &Common, name: &str, model: &str) -> Result<Section, Failed> {
    let mut figures = vec![cold_start(common, model)?];
    let options = Common { model: model.to_owned(), ..common.clone() };
    let ((loaded, _, device), loading) = bench::load(|| load(&options), |(model, ..)| model.clip.parameters())?;
    figures.extend(loading);
    figures.extend(bench::pictures(&loaded));
    figures.extend(bench::model(&loaded));
    figures.extend(bench::peak_memory());
    Ok((name.to_owned(), device.id, figures))
}

/// From starting the program to the labels of one sample photo, in a process of its own.
fn cold_start(common: &Common, model: &str) -> Result<Figure, Failed> {
    let failed = |cause: String| Failed::work(format!("cannot measure a cold start: {cause}"));
    let (name, bytes) = assets::SAMPLES[2];
    let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
    let photo = folder.path().join(name);
    std::fs::write(&photo, bytes).map_err(|error| failed(error.to_string()))?;
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let begin = Instant::now();
    let status = Command::new(program)
        .args(["label", "--quiet", "--model", model, "--device", &common.device])
        .args(common.config.iter().flat_map(|config| ["--config".as_ref(), config.as_os_str()]))
        .arg(&photo)
        .stdout(Stdio::null())
        .status()
        .map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(format!("label ended with {status}")));
    }
    Ok(Figure { what: "cold start to first labels".into(), value: begin.elapsed().as_secs_f64() * 1e3, unit: "ms" })
}

fn table(name: &str, device: &str, figures: &[Figure]) -> String {
    let rows: String = figures.iter().map(|f| format!("  {:<32} {:>10.1} {}\n", f.what, f.value, f.unit)).collect();
    format!("{name} on {device}\n{rows}")
}
