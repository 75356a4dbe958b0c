//! Suggestions, decisions, and how good the ones are by the others.

use cliploupe_workbench::messages::{
    EvaluationQuery, EvaluationReport, LabelCard, PhotoId, Problem, Queue, QueueQuery, ReviewState, ReviewVerdict,
    StepDone, ThresholdEffect,
};
use tauri::AppHandle;

use super::{Bench, place};

#[tauri::command(async)]
pub fn review_state(bench: Bench<'_>) -> Result<ReviewState, Problem> {
    bench.review_state()
}

#[tauri::command(async)]
pub fn review_suggest(bench: Bench<'_>) -> Result<(), Problem> {
    bench.suggest()
}

#[tauri::command(async)]
pub fn review_cancel_suggest(bench: Bench<'_>) {
    bench.cancel_suggest();
}

#[tauri::command(async)]
pub fn review_queue(bench: Bench<'_>, query: QueueQuery) -> Result<Queue, Problem> {
    bench.queue(&query)
}

#[tauri::command(async)]
pub fn review_decide(
    bench: Bench<'_>,
    photos: Vec<PhotoId>,
    label: &str,
    verdict: ReviewVerdict,
) -> Result<(), Problem> {
    bench.decide(&photos, label, verdict)
}

#[tauri::command(async)]
pub fn review_decide_all(
    bench: Bench<'_>,
    label: &str,
    min_probability: f32,
    verdict: ReviewVerdict,
) -> Result<u32, Problem> {
    bench.decide_all(label, min_probability, verdict)
}

#[tauri::command(async)]
pub fn review_undo(bench: Bench<'_>) -> Result<Option<StepDone>, Problem> {
    bench.undo()
}

#[tauri::command(async)]
pub fn review_redo(bench: Bench<'_>) -> Result<Option<StepDone>, Problem> {
    bench.redo()
}

#[tauri::command(async)]
pub fn review_label_card(bench: Bench<'_>, label: &str) -> Result<LabelCard, Problem> {
    bench.label_card(label)
}

#[tauri::command(async)]
pub fn review_threshold_effect(bench: Bench<'_>, label: &str, threshold: f32) -> Result<ThresholdEffect, Problem> {
    bench.threshold_effect(label, threshold)
}

#[tauri::command(async)]
pub fn review_set_threshold(bench: Bench<'_>, label: &str, threshold: Option<f32>) -> Result<(), Problem> {
    bench.set_threshold(label, threshold)
}

#[tauri::command(async)]
pub fn review_rename_tag(bench: Bench<'_>, from: &str, to: &str) -> Result<(), Problem> {
    bench.rename_tag(from, to)
}

#[tauri::command(async)]
pub fn review_evaluate(bench: Bench<'_>, query: EvaluationQuery) -> Result<EvaluationReport, Problem> {
    bench.evaluate(&query)
}

#[tauri::command(async)]
pub fn review_save_evaluation(app: AppHandle, bench: Bench<'_>, format: &str) -> Result<Option<String>, Problem> {
    let (text, name) = if format == "json" { bench.evaluation_json()? } else { bench.evaluation_text(true)? };
    place(&app, &name).map(|path| bench.write_file(&path, text.as_bytes())).transpose()
}
