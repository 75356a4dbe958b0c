//! What each section measures, in this process.

use cliploupe_workbench::{
    Options,
    bench::{self, Figure},
    devices::{CPU_BATCH, GPU_BATCHES, TrustedModel},
    messages::DeviceKind,
};
use serde_json::{Value, json};

use super::{Part, start, temporary_folder};
use crate::{
    args::{Bench, Common, Section},
    failure::Failed,
    setup::{load, load_for_reading, options, source},
};

/// What was measured, and what failed meanwhile.
pub fn measure(part: &Part, command: &Bench, common: &Common) -> Result<(Value, Vec<Value>), Failed> {
    // A checkpoint that was made has its configuration beside it.
    let config = common.config.clone().filter(|_| part.called.is_none());
    let common = &Common { model: part.model.clone(), device: part.device.clone(), config, ..common.clone() };
    match part.section {
        Section::Pictures => {
            let model = load_for_reading(common, None)?;
            Ok((entry(part, &source(common)?.name(), "cpu", &bench::pictures(&model.preprocess)), Vec::new()))
        }
        Section::Encode => Ok((encode(part, command, common)?, Vec::new())),
        Section::Import => Ok((import(part, command, common)?, Vec::new())),
        Section::Search => {
            let folder = temporary_folder()?;
            let mut figures = bench::search(folder.path(), &command.search_of)?;
            figures.extend(bench::peak_memory());
            Ok((entry(part, "made-up", "cpu", &figures), Vec::new()))
        }
        Section::Start => Ok((start::measure(part, common)?, Vec::new())),
        Section::Fidelity => fidelity(part, command, common),
        Section::Lab => Ok((entry(part, "projections", "cpu", &bench::lab()), Vec::new())),
        Section::Library => {
            let folder = temporary_folder()?;
            let photos = command.library_of.unwrap_or_default();
            let figures = bench::library(&folder.path().join("library"), photos)?;
            Ok((entry(part, "library", "cpu", &figures), Vec::new()))
        }
    }
}

/// What is said of a part in JSON.
pub fn entry(part: &Part, model: &str, device: &str, figures: &[Figure]) -> Value {
    let model = part.called.unwrap_or(model);
    json!({ "section": part.section.name(), "model": model, "device": device, "figures": figures })
}

/// The same of a model on its device, with what makes the figures comparable.
fn entry_of(part: &Part, name: &str, opened: &TrustedModel, figures: &[Figure]) -> Value {
    let mut found = entry(part, name, &opened.device.id, figures);
    found["adapter"] = json!(opened.device.name);
    found["precision"] = json!(opened.precision);
    found["selfTest"] = json!(opened.self_test);
    found
}

fn encode(part: &Part, command: &Bench, common: &Common) -> Result<Value, Failed> {
    let load = || load(common, None);
    let ((opened, name), mut figures) = bench::load(load, |(opened, _)| opened.model.clip.parameters())?;
    let batches: Vec<usize> = command.batch.iter().map(|&batch| batch.into()).collect();
    figures.extend(bench::model(&opened.model, &batches));
    figures.extend(bench::peak_memory());
    Ok(entry_of(part, &name, &opened, &figures))
}

fn import(part: &Part, command: &Bench, common: &Common) -> Result<Value, Failed> {
    let folder = temporary_folder()?;
    let options = |library| Ok::<_, Failed>(Options { library: Some(library), ..options(common)? });
    let import = bench::import(command.import_of as usize, folder.path(), options)?;
    let (opened, name) = load(common, None)?;
    let is_on_cpu = opened.device.kind == DeviceKind::Cpu;
    let batch = if is_on_cpu { CPU_BATCH } else { GPU_BATCHES[GPU_BATCHES.len() - 1] };
    let mut stages = import.stages(&opened.model, batch, is_on_cpu, common.exact)?;
    stages.figures.extend(bench::peak_memory());
    let mut found = entry_of(part, &name, &opened, &stages.figures);
    found["bound"] = json!(stages.bound);
    Ok(found)
}

fn fidelity(part: &Part, command: &Bench, common: &Common) -> Result<(Value, Vec<Value>), Failed> {
    let (opened, name) = load(common, None)?;
    let folder = command.photos.as_deref().unwrap_or_else(|| std::path::Path::new("."));
    let fidelity = bench::fidelity(&opened.model, folder)?;
    let mut found = entry_of(part, &name, &opened, &fidelity.figures);
    found["worst"] = json!(fidelity.worst.display().to_string());
    let failed = fidelity.failed.iter().map(|(path, problem)| {
        let path = path.display().to_string();
        json!({ "section": part.section.name(), "path": path, "error": problem.message })
    });
    Ok((found, failed.collect()))
}
