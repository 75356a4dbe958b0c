//! `label`: zero-shot labels for files or folders.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use cliploupe_workbench::{
    Options, Workbench, assets,
    messages::{LabelSettings, PhotoDetails, PhotoState, Snapshot, WorkbenchEvent},
    settings::default_labels,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{
    Report,
    args::{Common, Label},
    failure::Failed,
    setup::options,
};

pub fn run(command: &Label, common: &Common) -> Result<Report, Failed> {
    let labels = label_list(command.labels.as_deref())?;
    let templates = templates(&command.template)?;
    if command.top == 0 {
        return Err(Failed::usage("--top must be at least 1"));
    }
    let bench = Workbench::new(Options { language: command.texts.language.clone(), ..options(common)? })?;
    let problems = Arc::new(Mutex::new(Vec::new()));
    let heard = problems.clone();
    bench.attach(move |event| {
        if let (WorkbenchEvent::Problem { problem }, Ok(mut problems)) = (event, heard.lock()) {
            problems.push(problem);
        }
    });
    let base = default_labels(0.0);
    let templates = if templates.is_empty() { base.templates.clone() } else { templates };
    bench.set_labels(LabelSettings { labels: labels.clone(), templates, ..base })?;
    bench.wait_idle();
    check_engine(&bench.snapshot())?;
    if let Some(problem) = problems.lock().ok().and_then(|mut problems| problems.pop()) {
        return Err(problem.into());
    }
    bench.add_paths(command.paths.clone());
    wait(&bench, common.quiet);
    Ok(report(&bench, &labels, command))
}

/// An error if there is no model, or not where it was asked for: a script that names a device wants that one. Where the
/// app chose, what it thought better of is only said.
pub fn check_engine(now: &Snapshot) -> Result<(), Failed> {
    let device = now.engine.device.as_ref();
    let fell_back = device.and_then(|device| device.fell_back.as_ref());
    let is_named = device.is_some_and(|device| device.chosen != "auto");
    match (now.engine.problem.as_ref(), fell_back) {
        (Some(problem), _) => Err(Failed::work(problem.message.clone())),
        (None, Some(problem)) if is_named => Err(Failed::work(problem.message.clone())),
        (None, Some(problem)) => {
            eprintln!("note: {}", problem.message);
            Ok(())
        }
        (None, None) => Ok(()),
    }
}

/// A progress bar on a terminal; nothing elsewhere.
pub fn wait(bench: &Workbench, quiet: bool) {
    if quiet {
        return bench.wait_idle();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} · {per_sec} · {eta} left");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| bench.wait_idle());
        while !waiting.is_finished() {
            let progress = bench.progress();
            bar.set_length(u64::from(progress.total));
            bar.set_position(u64::from(progress.done));
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    bar.finish_and_clear();
}

fn report(bench: &Workbench, labels: &[String], command: &Label) -> Report {
    let now = bench.snapshot();
    let (model, device) = (now.engine.model.map(|m| m.name), now.engine.device.map(|d| d.active.id));
    let details = |id| bench.details(id);
    let (mut photos, mut failed, mut text) = (Vec::new(), Vec::new(), String::new());
    for photo in &bench.photos() {
        if let (PhotoState::Failed, Some(problem)) = (photo.state, &photo.problem) {
            failed.push(json!({ "path": photo.path, "error": problem.message }));
        } else if let Some(details) = details(photo.id) {
            let best = best(&details, command);
            text.push_str(&human(&details, &best));
            photos.push(json!({ "path": details.path, "labels": best.iter().map(|s| s.json()).collect::<Vec<_>>() }));
        }
    }
    for failure in &failed {
        text.push_str(&format!(
            "failed: {}: {}\n",
            failure["path"].as_str().unwrap_or(""),
            failure["error"].as_str().unwrap_or("")
        ));
    }
    let complete = failed.is_empty();
    let json = json!({ "model": model, "device": device, "labels": labels, "photos": photos, "failed": failed });
    Report { text, json, complete }
}

struct Best {
    label: String,
    score: f32,
    logit: f32,
    cosine: f32,
}

impl Best {
    fn json(&self) -> serde_json::Value {
        json!({ "label": self.label, "score": self.score, "logit": self.logit, "cosine": self.cosine })
    }
}

fn best(details: &PhotoDetails, command: &Label) -> Vec<Best> {
    let mut scores = details.scores.clone();
    scores.sort_by(|a, b| b.logit.total_cmp(&a.logit));
    scores
        .into_iter()
        .filter(|score| command.threshold.is_none_or(|threshold| score.probability >= threshold))
        .take(command.top)
        .map(|s| Best { label: s.label, score: s.probability, logit: s.logit, cosine: s.cosine })
        .collect()
}

fn human(details: &PhotoDetails, best: &[Best]) -> String {
    let rows: String = best.iter().map(|b| format!("  {:5.1} %  {}\n", b.score * 100.0, b.label)).collect();
    format!("{}\n{rows}", details.path)
}

/// A file's lines, a ready-made set, or a list between commas. Empty labels say nothing and are left out.
pub fn label_list(given: Option<&str>) -> Result<Vec<String>, Failed> {
    let Some(given) = given else { return Ok(default_labels(0.0).labels) };
    let labels = if Path::new(given).is_file() {
        assets::read_label_file(Path::new(given))?
    } else if let Some(set) = assets::label_sets().into_iter().find(|set| set.id == given) {
        set.labels
    } else {
        given.split(',').map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned).collect()
    };
    if labels.is_empty() {
        return Err(Failed::usage(format!("--labels {given:?} names no label")));
    }
    Ok(labels)
}

pub fn templates(given: &[String]) -> Result<Vec<String>, Failed> {
    let sets = assets::template_sets();
    let mut all = Vec::new();
    for template in given {
        match sets.iter().find(|set| set.id == *template) {
            Some(set) => all.extend(set.templates.clone()),
            None if template.contains("{}") => all.push(template.clone()),
            None => return Err(Failed::usage(format!("the template {template:?} has no {{}} for the label"))),
        }
    }
    Ok(all)
}
