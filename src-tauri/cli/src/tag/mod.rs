//! `tag`: what the machine suggests, what a person says of it, and tags of other programs.

mod sidecars;
mod text;

use std::{collections::HashMap, path::PathBuf};

use cliploupe_workbench::messages::{Decided, PhotoId, QueueOrder, QueueQuery, ReviewVerdict, StepDone, Suggested};
use serde_json::{Value, json};

use crate::{
    Report,
    args::{Common, Order, Tag, TagList, TagQueue, TagSuggest, TagTable, TagThreshold, TagVerdict},
    failure::Failed,
    opened::{Opened, Words, counted, label_settings},
    places::Places,
};

pub fn run(command: &Tag, common: &Common) -> Result<Report, Failed> {
    let verdict = |label: &str, paths: &[PathBuf], verdict| decide(label, paths, verdict, common);
    match command {
        Tag::List(command) => list(command, common),
        Tag::Add(command) => verdict(&command.label, &command.paths, ReviewVerdict::Accept),
        Tag::Remove(command) => verdict(&command.label, &command.paths, ReviewVerdict::Clear),
        Tag::Accept(command) => judge(command, ReviewVerdict::Accept, common),
        Tag::Reject(command) => judge(command, ReviewVerdict::Reject, common),
        Tag::Suggest(command) => suggest(command, common),
        Tag::Queue(command) => queue(command, common),
        Tag::Undo => step(common, "undone", |opened| Ok(opened.bench.undo()?)),
        Tag::Redo => step(common, "done again", |opened| Ok(opened.bench.redo()?)),
        Tag::Threshold(command) => threshold(command, common),
        Tag::Rename(command) => rename(&command.old, &command.new, common),
        Tag::Export(command) => sidecars::export(command, common),
        Tag::Import(command) => sidecars::import(command, common),
        Tag::Table(command) => table(command, common),
    }
}

/// The label that is meant, without spaces around it.
fn label(given: &str) -> Result<&str, Failed> {
    let label = given.trim();
    if label.is_empty() { Err(Failed::usage("the label is empty")) } else { Ok(label) }
}

/// A probability that is meant.
fn probability(given: f32) -> Result<f32, Failed> {
    if (0.0..=1.0).contains(&given) {
        return Ok(given);
    }
    Err(Failed::usage(format!("a probability is between 0 and 1, not {given}")))
}

fn list(command: &TagList, common: &Common) -> Result<Report, Failed> {
    let opened = Opened::find(common, Words::default())?;
    if command.paths.is_empty() {
        let mut labels = opened.bench.review_state()?.labels;
        labels.retain(|label| label.accepted + label.rejected + label.waiting > 0);
        return Ok(opened.report(text::labels(&labels), json!({ "labels": labels }), true));
    }
    let mut text = String::new();
    let mut photos = Vec::new();
    for id in Places::of(&opened.bench)?.all(&command.paths)? {
        let Some(details) = opened.bench.details(id) else { continue };
        text.push_str(&text::photo(&details));
        photos.push(json!({
            "path": details.path,
            "tags": decided(&details.decisions, true),
            "rejected": decided(&details.decisions, false),
            "decisions": details.decisions,
            "suggested": details.suggestions,
        }));
    }
    Ok(opened.report(text, json!({ "photos": photos }), true))
}

/// Labels that were accepted, or rejected.
fn decided(decisions: &[Decided], accepted: bool) -> Vec<&str> {
    decisions.iter().filter(|decision| decision.accepted == accepted).map(|decision| decision.label.as_str()).collect()
}

fn decide(given: &str, paths: &[PathBuf], verdict: ReviewVerdict, common: &Common) -> Result<Report, Failed> {
    let label = label(given)?;
    let opened = Opened::find(common, Words::default())?;
    let ids = Places::of(&opened.bench)?.all(paths)?;
    opened.bench.decide(&ids, label, verdict)?;
    Ok(decision(&opened, label, verdict, ids.len()))
}

fn judge(command: &TagVerdict, verdict: ReviewVerdict, common: &Common) -> Result<Report, Failed> {
    let Some(at_least) = command.at_least else { return decide(&command.label, &command.paths, verdict, common) };
    let (label, at_least) = (label(&command.label)?, probability(at_least)?);
    let opened = Opened::find(common, Words::default())?;
    let photos = opened.bench.decide_all(label, at_least, verdict)?;
    Ok(decision(&opened, label, verdict, photos as usize))
}

fn decision(opened: &Opened, label: &str, verdict: ReviewVerdict, photos: usize) -> Report {
    let done = match verdict {
        ReviewVerdict::Accept => "accepted on",
        ReviewVerdict::Reject => "rejected on",
        ReviewVerdict::Clear => "undecided on",
    };
    let text = format!("{label}: {done} {}\n", counted(photos, "photo"));
    opened.report(text, json!({ "label": label, "verdict": verdict, "photos": photos }), true)
}

fn suggest(command: &TagSuggest, common: &Common) -> Result<Report, Failed> {
    let labels = label_settings(command.labels.as_deref(), &command.template)?;
    let words = Words { language: command.texts.language.clone(), labels: Some(labels) };
    let opened = Opened::find(common, words)?;
    opened.ready(common.quiet)?;
    opened.bench.suggest()?;
    let review = opened.bench.review_state()?;
    let suggested: Vec<_> = review.labels.iter().filter(|label| label.in_set).cloned().collect();
    let mut text = text::labels(&suggested);
    text.push_str(&format!("{} waiting for a verdict\n", counted(review.waiting as usize, "suggestion")));
    let json = json!({ "labels": suggested, "waiting": review.waiting, "model": review.suggested_by });
    Ok(opened.report(text, json, true))
}

fn queue(command: &TagQueue, common: &Common) -> Result<Report, Failed> {
    let query = QueueQuery {
        label: command.label.as_deref().map(label).transpose()?.map(str::to_owned),
        order: match command.order {
            Order::Useful => QueueOrder::Useful,
            Order::Likely => QueueOrder::Likely,
            Order::Doubtful => QueueOrder::Doubtful,
        },
    };
    let opened = Opened::find(common, Words::default())?;
    let queue = opened.bench.queue(&query)?;
    let items: Vec<&Suggested> = queue.items.iter().take(command.top).collect();
    let ids: Vec<PhotoId> = items.iter().map(|item| item.photo).collect();
    let paths: HashMap<PhotoId, String> =
        opened.bench.photo_records(&ids)?.into_iter().map(|photo| (photo.id, photo.path)).collect();
    let path = |item: &Suggested| paths.get(&item.photo).map_or("", String::as_str);
    let rows: Vec<Value> =
        items.iter().map(|item| json!({ "path": path(item), "label": item.label, "by": item.by })).collect();
    let width = items.iter().map(|item| item.label.chars().count()).max().unwrap_or(0);
    let line =
        |item: &&Suggested| format!("{:5.1} %  {:<width$}  {}\n", item.by.probability * 100.0, item.label, path(item));
    let mut text: String = items.iter().map(line).collect();
    text.push_str(&format!("{} of {}\n", items.len(), counted(queue.total as usize, "suggestion")));
    Ok(opened.report(text, json!({ "total": queue.total, "items": rows }), true))
}

/// Takes a step back or forth; that there is none is no failure.
fn step(
    common: &Common,
    done: &str,
    take: impl FnOnce(&Opened) -> Result<Option<StepDone>, Failed>,
) -> Result<Report, Failed> {
    let opened = Opened::find(common, Words::default())?;
    let step = take(&opened)?;
    let text = match &step {
        Some(step) => text::step(step, done),
        None => "there is nothing to do\n".into(),
    };
    Ok(opened.report(text, json!({ "done": step }), true))
}

fn threshold(command: &TagThreshold, common: &Common) -> Result<Report, Failed> {
    let label = label(&command.label)?;
    let at = match command.at.as_str() {
        "default" => None,
        text => {
            let number = text.parse::<f32>();
            let number =
                number.map_err(|_| Failed::usage(format!("{text:?} is neither a probability nor `default`")))?;
            Some(probability(number)?)
        }
    };
    let opened = Opened::find(common, Words::default())?;
    opened.bench.set_threshold(label, at)?;
    let from = at.map_or("its default".into(), |at| at.to_string());
    Ok(opened.report(format!("{label}: suggested from {from}\n"), json!({ "label": label, "threshold": at }), true))
}

fn rename(old: &str, new: &str, common: &Common) -> Result<Report, Failed> {
    let (old, new) = (label(old)?, label(new)?);
    let opened = Opened::find(common, Words::default())?;
    opened.bench.rename_tag(old, new)?;
    Ok(opened.report(format!("{old}: is now {new}\n"), json!({ "old": old, "new": new }), true))
}

fn table(command: &TagTable, common: &Common) -> Result<Report, Failed> {
    let extension = command.file.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let form = match extension.as_deref() {
        Some("csv") => "csv",
        Some("json") => "json",
        _ => return Err(Failed::usage(format!("a table is a .csv or a .json file, not {:?}", command.file))),
    };
    let opened = Opened::find(common, Words::default())?;
    opened.bench.export_tags(&command.file, form)?;
    let shown = command.file.display().to_string();
    Ok(opened.report(format!("written: {shown}\n"), json!({ "written": shown }), true))
}
