//! `eval`: how good suggested tags are, by what a person decided, or by photos whose labels are known.

mod truth;

use std::path::Path;

use cliploupe_workbench::messages::{EvaluationQuery, EvaluationReport};
use serde_json::{Value, json};

use self::truth::Truth;
use crate::{
    Report,
    args::{Common, Eval},
    failure::Failed,
    inspect::compare_with,
    label::{label_list, wait},
    opened::{Opened, Words, label_settings, with_labels},
};

pub fn run(command: &Eval, common: &Common) -> Result<Report, Failed> {
    match &command.truth {
        Some(path) => by_truth(command, path, common),
        None => by_decisions(command, common),
    }
}

/// By what was decided in the library.
fn by_decisions(command: &Eval, common: &Common) -> Result<Report, Failed> {
    let opened = Opened::find(common, Words { language: command.texts.language.clone(), labels: None })?;
    let decided = opened.bench.review_state()?.labels.into_iter().filter(|label| label.accepted + label.rejected > 0);
    let decided: Vec<String> = decided.map(|label| label.label).collect();
    if decided.is_empty() {
        return Err(Failed::work(
            "nothing was decided in this library yet, so there is nothing to evaluate by. Accept and reject suggestions \
             first, or name photos whose labels are known with --truth",
        ));
    }
    let mut settings = label_settings(command.labels.as_deref(), &command.template)?;
    if command.labels.is_none() {
        settings.labels = decided;
    }
    opened.bench.set_labels(settings)?;
    opened.ready(common.quiet)?;
    let compare = command.compare.as_deref().map(|other| compare_with(&opened.bench, other)).transpose()?;
    let report = opened.bench.evaluate(&EvaluationQuery { measure: command.measure.clone(), compare })?;
    finish(&opened, command, &report, &[])
}

/// By photos whose labels are known: in a library for this only, or in one that was named and has them.
fn by_truth(command: &Eval, path: &Path, common: &Common) -> Result<Report, Failed> {
    let truth = Truth::read(path)?;
    let passing = common.library.is_none().then(tempfile::tempdir).transpose();
    let passing = passing.map_err(|error| Failed::work(format!("cannot make a temporary folder: {error}")))?;
    let labels = match &command.labels {
        Some(_) => label_list(command.labels.as_deref())?,
        None => truth.labels(),
    };
    let settings = with_labels(labels, &command.template)?;
    let words = Words { language: command.texts.language.clone(), labels: Some(settings.clone()) };
    let opened = match &passing {
        Some(folder) => Opened::open(folder.path().to_owned(), common, words)?,
        None => Opened::find(common, words)?,
    };
    opened.ready(common.quiet)?;
    if passing.is_some() {
        opened.bench.add_paths(truth.paths());
        wait(&opened.bench, common.quiet);
    }
    let known = truth.photos(&opened.bench)?;
    if known.photos.is_empty() {
        let why = known.failed.first().and_then(|failed| failed["error"].as_str());
        let why = why.unwrap_or("there is none");
        return Err(Failed::work(format!("there is no photo to evaluate by: {why}")));
    }
    let compare = command.compare.as_deref().map(|other| compare_with(&opened.bench, other)).transpose()?;
    let query = EvaluationQuery { measure: command.measure.clone(), compare };
    let report = opened.bench.evaluate_truth(known.photos, &settings.labels, &query)?;
    finish(&opened, command, &report, &known.failed)
}

fn finish(opened: &Opened, command: &Eval, report: &EvaluationReport, failed: &[Value]) -> Result<Report, Failed> {
    let (mut text, _) = opened.bench.evaluation_text(false)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut json = json!(report);
    json["failed"] = json!(failed);
    for failure in failed {
        let [path, error] = ["path", "error"].map(|key| failure[key].as_str().unwrap_or(""));
        text.push_str(&format!("failed: {path}: {error}\n"));
    }
    if let Some(path) = &command.report {
        let written = opened.bench.write_file(path, opened.bench.evaluation_text(true)?.0.as_bytes())?;
        text.push_str(&format!("written: {written}\n"));
        json["written"] = json!(written);
    }
    Ok(opened.report(text, json, failed.is_empty()))
}
