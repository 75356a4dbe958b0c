//! From starting the program to the labels of one photo, in a process of its own, and how large program and process are.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use cliploupe_workbench::{
    assets,
    bench::{figure, is_stripped, peak_memory_of},
};
use serde_json::Value;

use super::{Part, parts::entry, temporary_folder};
use crate::{
    args::{Common, Precision},
    failure::Failed,
    setup::source,
};

/// Starts that are timed.
const STARTS: usize = 3;
/// How often a process is asked for the largest memory it has had, which the system knows only while it runs.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Cold start, memory and size.
pub fn measure(part: &Part, common: &Common) -> Result<Value, Failed> {
    let (name, bytes) = assets::SAMPLES[2];
    let folder = temporary_folder()?;
    let photo = folder.path().join(name);
    std::fs::write(&photo, bytes).map_err(|error| failed(error.to_string()))?;
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut device = String::new();
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let begin = Instant::now();
        device = started(&program, &photo, common)?;
        times.push(begin.elapsed());
    }
    times.sort();
    let mut figures = vec![figure("cold start to first labels", times[STARTS / 2].as_secs_f64() * 1e3, "ms")];
    if let Some(peak) = peak(&program, &photo, common)? {
        figures.push(figure("peak memory of that", peak, "MiB"));
    }
    let about = |error: std::io::Error| failed(format!("{error}: {program:?}"));
    let size = std::fs::metadata(&program).map_err(about)?.len() as f64 / f64::from(1 << 20);
    let what = match is_stripped(&program).map_err(about)? {
        Some(true) => "size of the program, stripped",
        Some(false) => "size of the program, with symbols",
        None => "size of the program",
    };
    figures.push(figure(what, size, "MiB"));
    Ok(entry(part, &source(common)?.name(), &device, &figures))
}

fn failed(cause: impl std::fmt::Display) -> Failed {
    Failed::work(format!("cannot measure a cold start: {cause}"))
}

fn label(program: &Path, photo: &Path, common: &Common) -> Command {
    let mut command = Command::new(program);
    command
        .args(["label", "--quiet", "--json", "--model", &common.model, "--device", &common.device])
        .args(common.half_at_rest.then_some("--half-at-rest"))
        .args(common.exact.then_some("--exact"))
        .args((common.precision == Precision::F32).then_some("--precision=f32"))
        .args(common.config.iter().flat_map(|config| ["--config".as_ref(), config.as_os_str()]))
        .arg(photo);
    command
}

/// Labels the photo, and says on which device.
fn started(program: &Path, photo: &Path, common: &Common) -> Result<String, Failed> {
    let output = label(program, photo, common).output().map_err(failed)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("label ended with {}: {}", output.status, said.trim())));
    }
    let report: Value = serde_json::from_slice(&output.stdout).map_err(failed)?;
    Ok(report["device"].as_str().unwrap_or(&common.device).to_owned())
}

/// The largest memory of one more start in MiB, where the system tells.
fn peak(program: &Path, photo: &Path, common: &Common) -> Result<Option<f64>, Failed> {
    let mut child = label(program, photo, common).stdout(Stdio::null()).spawn().map_err(failed)?;
    let mut peak = None;
    loop {
        // Once it has ended the system tells no more, and what was seen last stands.
        peak = peak_memory_of(child.id()).or(peak);
        match child.try_wait().map_err(failed)? {
            Some(status) if status.success() => return Ok(peak),
            Some(status) => return Err(failed(format!("label ended with {status}"))),
            None => std::thread::sleep(LOOK_EVERY),
        }
    }
}
