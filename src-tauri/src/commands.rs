//! What the page may ask for. Each command unpacks, makes one call, and converts; none decides anything about photos.
//!
//! `(async)` keeps a command off the window's own thread.

pub mod review;
pub mod shelf;

use std::path::{Path, PathBuf};

use cliploupe_workbench::{
    Workbench, assets,
    messages::{
        AblationOptions, AblationReport, Ask, CollectionReport, CompareWith, Comparison, DeviceInfo, Direction, Edit,
        ExplainAbilities, Explained, ExportForm, ExportPlan, Exported, FilterMenu, FlipArithmetic, HitExplained,
        LabEffect, LabState, LabelSetVersion, LabelSettings, MatrixFacts, MatrixSource, Meaning, ModelList,
        PhotoDetails, PhotoId, PhotoQuery, PhotoRecord, PhotoSummary, PriorRow, Problem, ProblemCode, ProjectionReport,
        SavedLabelSet, SelfTest, SideBySide, Snapshot, SpeedSettings, TensorRow, Tile, TuneOptions, TuneReport,
        VerifyReport, WorkbenchEvent,
    },
    model_source::ModelSource,
    store::Import,
};
use percent_encoding::percent_decode_str;
use tauri::{
    AppHandle, State,
    ipc::{Channel, InvokeBody, Request, Response},
};
use tauri_plugin_dialog::{DialogExt, FilePath};
use tauri_plugin_opener::OpenerExt;

use crate::clipboard::{Clipboard, Content};

type Bench<'a> = State<'a, Workbench>;

#[tauri::command(async)]
pub fn attach(bench: Bench<'_>, channel: Channel<WorkbenchEvent>) -> Snapshot {
    // A page that is gone needs no events.
    bench.attach(move |event| drop(channel.send(event)))
}

#[tauri::command(async)]
pub fn add_paths(bench: Bench<'_>, paths: Vec<PathBuf>) {
    bench.add_paths(paths);
}

fn local(paths: Vec<FilePath>) -> Vec<PathBuf> {
    paths.into_iter().filter_map(|path| path.into_path().ok()).collect()
}

#[tauri::command(async)]
pub fn choose_files(app: AppHandle, bench: Bench<'_>) -> bool {
    let chosen = app.dialog().file().blocking_pick_files();
    chosen.map(|paths| bench.add_paths(local(paths))).is_some()
}

#[tauri::command(async)]
pub fn choose_folder(app: AppHandle, bench: Bench<'_>) -> bool {
    let chosen = app.dialog().file().blocking_pick_folders();
    chosen.map(|paths| bench.add_paths(local(paths))).is_some()
}

#[tauri::command(async)]
pub fn add_samples(bench: Bench<'_>) -> Result<(), Problem> {
    bench.add_samples()
}

#[tauri::command(async)]
pub fn paste(bench: Bench<'_>, clipboard: State<'_, Clipboard>) -> Result<(), Problem> {
    match clipboard.read()? {
        Content::Files(paths) => bench.add_paths(paths),
        Content::Picture { name, png } => bench.add_picture(&name, &png)?,
    }
    Ok(())
}

#[tauri::command(async)]
pub fn cancel(bench: Bench<'_>) {
    bench.cancel();
}

#[tauri::command(async)]
pub fn retry(bench: Bench<'_>, ids: Vec<PhotoId>) -> Result<(), Problem> {
    bench.retry(&ids)
}

#[tauri::command(async)]
pub fn go_on(bench: Bench<'_>) -> Result<(), Problem> {
    bench.go_on()
}

#[tauri::command(async)]
pub fn remove(bench: Bench<'_>, ids: Vec<PhotoId>) -> Result<(), Problem> {
    bench.remove(&ids)
}

#[tauri::command(async)]
pub fn restore(bench: Bench<'_>, ids: Vec<PhotoId>) -> Result<(), Problem> {
    bench.restore(&ids)
}

/// Numbers travel as bytes: a million photos as JSON would take seconds.
#[tauri::command(async)]
pub fn photo_list(bench: Bench<'_>, query: PhotoQuery) -> Result<Response, Problem> {
    bench.photo_list(&query).map(|list| Response::new(list.to_bytes()))
}

#[tauri::command(async)]
pub fn photo_records(bench: Bench<'_>, ids: Vec<PhotoId>) -> Result<Vec<PhotoRecord>, Problem> {
    bench.photo_records(&ids)
}

#[tauri::command(async)]
pub fn photo_summary(bench: Bench<'_>, ids: Option<Vec<PhotoId>>) -> Result<PhotoSummary, Problem> {
    bench.photo_summary(ids.as_deref())
}

#[tauri::command(async)]
pub fn filter_menu(bench: Bench<'_>) -> Result<FilterMenu, Problem> {
    bench.filter_menu()
}

#[tauri::command(async)]
pub fn explain_hit(bench: Bench<'_>, query: PhotoQuery, id: PhotoId) -> Result<HitExplained, Problem> {
    bench.explain_hit(&query, id)
}

#[tauri::command(async)]
pub fn mark_hit(bench: Bench<'_>, query: PhotoQuery, id: PhotoId, belongs: Option<bool>) -> Result<(), Problem> {
    bench.mark_hit(&query, id, belongs)
}

#[tauri::command(async)]
pub fn saved_label_sets(bench: Bench<'_>) -> Result<Vec<SavedLabelSet>, Problem> {
    bench.saved_label_sets()
}

#[tauri::command(async)]
pub fn save_label_set(bench: Bench<'_>, name: &str) -> Result<SavedLabelSet, Problem> {
    bench.save_label_set(name)
}

#[tauri::command(async)]
pub fn label_set_versions(bench: Bench<'_>, uid: &str) -> Result<Vec<LabelSetVersion>, Problem> {
    bench.label_set_versions(uid)
}

#[tauri::command(async)]
pub fn rename_label_set(bench: Bench<'_>, uid: &str, name: &str) -> Result<(), Problem> {
    bench.rename_label_set(uid, name).map(drop)
}

#[tauri::command(async)]
pub fn remove_label_set(bench: Bench<'_>, uid: &str) -> Result<(), Problem> {
    bench.remove_label_set(uid)
}

#[tauri::command(async)]
pub fn export_label_set(app: AppHandle, bench: Bench<'_>, uid: &str) -> Result<Option<String>, Problem> {
    let (text, name) = bench.export_label_set(uid)?;
    place(&app, &name).map(|path| bench.write_file(&path, text.as_bytes())).transpose()
}

#[tauri::command(async)]
pub fn import_label_set(app: AppHandle, bench: Bench<'_>) -> Result<Option<SavedLabelSet>, Problem> {
    pick(&app, "label set", &["json", "txt"]).map(|path| bench.import_label_set(&path)).transpose()
}

#[tauri::command(async)]
pub fn set_labels(bench: Bench<'_>, settings: LabelSettings) -> Result<(), Problem> {
    bench.set_labels(settings)
}

#[tauri::command(async)]
pub fn load_label_file(app: AppHandle) -> Result<Option<Vec<String>>, Problem> {
    let chosen = app.dialog().file().add_filter("txt", &["txt", "csv", "md"]).blocking_pick_file();
    let Some(path) = chosen.and_then(|path| path.into_path().ok()) else { return Ok(None) };
    assets::read_label_file(&path).map(Some)
}

#[tauri::command(async)]
pub fn details(bench: Bench<'_>, id: PhotoId) -> Result<PhotoDetails, Problem> {
    bench.details(id).ok_or_else(|| gone(id))
}

#[tauri::command(async)]
pub fn devices(bench: Bench<'_>) -> Vec<DeviceInfo> {
    bench.devices()
}

#[tauri::command(async)]
pub fn choose_device(bench: Bench<'_>, id: &str) -> Result<(), Problem> {
    bench.choose_device(id)
}

#[tauri::command(async)]
pub fn test_device(bench: Bench<'_>, id: &str) -> Result<SelfTest, Problem> {
    bench.test_device(id)
}

#[tauri::command(async)]
pub fn speed_settings(bench: Bench<'_>) -> SpeedSettings {
    bench.speed()
}

#[tauri::command(async)]
pub fn set_speed(bench: Bench<'_>, speed: SpeedSettings) -> Result<(), Problem> {
    bench.set_speed(speed)
}

#[tauri::command(async)]
pub fn choose_model_folder(app: AppHandle, bench: Bench<'_>) -> Result<bool, Problem> {
    let chosen = app.dialog().file().blocking_pick_folder();
    let Some(path) = chosen.and_then(|path| path.into_path().ok()) else { return Ok(false) };
    bench.choose_model(ModelSource::Path { path, config: None })?;
    Ok(true)
}

#[tauri::command(async)]
pub fn use_embedded_model(bench: Bench<'_>) -> Result<(), Problem> {
    bench.choose_model(ModelSource::Embedded)
}

#[tauri::command(async)]
pub fn models(bench: Bench<'_>) -> Result<ModelList, Problem> {
    bench.models()
}

#[tauri::command(async)]
pub fn choose_model(bench: Bench<'_>, name: &str) -> Result<(), Problem> {
    bench.choose_model_named(name)
}

#[tauri::command(async)]
pub fn pull_model(bench: Bench<'_>, name: &str) -> Result<(), Problem> {
    bench.pull_model(name)
}

#[tauri::command(async)]
pub fn pause_transfer(bench: Bench<'_>, name: &str) -> Result<(), Problem> {
    bench.pause_transfer(name)
}

#[tauri::command(async)]
pub fn cancel_transfer(bench: Bench<'_>, name: &str) -> Result<(), Problem> {
    bench.cancel_transfer(name)
}

/// Asks for a model folder and imports it; its name, or none if the person cancelled.
#[tauri::command(async)]
pub fn import_model(app: AppHandle, bench: Bench<'_>, in_place: bool) -> Result<Option<String>, Problem> {
    let chosen = app.dialog().file().blocking_pick_folder();
    let Some(path) = chosen.and_then(|path| path.into_path().ok()) else { return Ok(None) };
    bench.import_model(&Import { path, in_place, ..Import::default() })
}

#[tauri::command(async)]
pub fn remove_model(bench: Bench<'_>, name: &str) -> Result<(), Problem> {
    bench.remove_model(name)
}

#[tauri::command(async)]
pub fn verify_model(bench: Bench<'_>, name: &str) -> Result<VerifyReport, Problem> {
    bench.verify_model(name)
}

#[tauri::command(async)]
pub fn cancel_verify(bench: Bench<'_>, name: &str) {
    bench.cancel_verify(name);
}

#[tauri::command(async)]
pub fn reveal_model(app: AppHandle, bench: Bench<'_>, name: &str) -> Result<(), Problem> {
    reveal_path(&app, &bench.model_path(name)?)
}

#[tauri::command(async)]
pub fn set_hub_endpoint(bench: Bench<'_>, endpoint: Option<&str>) -> Result<(), Problem> {
    bench.set_hub_endpoint(endpoint)
}

#[tauri::command(async)]
pub fn projection_report(bench: Bench<'_>) -> Result<ProjectionReport, Problem> {
    bench.projection_report()
}

#[tauri::command(async)]
pub fn collection_report(bench: Bench<'_>) -> Result<CollectionReport, Problem> {
    bench.collection_report()
}

#[tauri::command(async)]
pub fn meaning(bench: Bench<'_>, direction: Direction) -> Result<Meaning, Problem> {
    bench.meaning(&direction)
}

#[tauri::command(async)]
pub fn class_prior(bench: Bench<'_>) -> Result<Vec<PriorRow>, Problem> {
    bench.class_prior()
}

#[tauri::command(async)]
pub fn tensors(bench: Bench<'_>) -> Result<Vec<TensorRow>, Problem> {
    bench.tensors()
}

#[tauri::command(async)]
pub fn open_matrix(bench: Bench<'_>, source: MatrixSource) -> Result<MatrixFacts, Problem> {
    bench.open_matrix(&source)
}

/// As raw bytes: numbers as JSON would take ten times as long.
#[tauri::command(async)]
pub fn tile(bench: Bench<'_>, tile: Tile) -> Result<Response, Problem> {
    bench.tile(&tile).map(Response::new)
}

#[tauri::command(async)]
pub fn compare(bench: Bench<'_>, other: CompareWith) -> Result<Comparison, Problem> {
    bench.compare(&other)
}

#[tauri::command(async)]
pub fn explain_abilities(bench: Bench<'_>) -> Result<ExplainAbilities, Problem> {
    bench.explain_abilities()
}

#[tauri::command(async)]
pub fn explain(bench: Bench<'_>, id: PhotoId, ask: Ask) -> Result<Explained, Problem> {
    bench.explain(id, &ask)
}

#[tauri::command(async)]
pub fn lab(bench: Bench<'_>) -> Result<LabState, Problem> {
    bench.lab()
}

#[tauri::command(async)]
pub fn lab_effect(bench: Bench<'_>) -> Result<LabEffect, Problem> {
    bench.lab_effect()
}

#[tauri::command(async)]
pub fn set_edits(bench: Bench<'_>, edits: Vec<Edit>) -> Result<LabEffect, Problem> {
    bench.set_edits(edits)
}

#[tauri::command(async)]
pub fn undo_edit(bench: Bench<'_>) -> Result<LabEffect, Problem> {
    bench.undo_edit()
}

#[tauri::command(async)]
pub fn redo_edit(bench: Bench<'_>) -> Result<LabEffect, Problem> {
    bench.redo_edit()
}

#[tauri::command(async)]
pub fn save_edits(bench: Bench<'_>, name: &str) -> Result<(), Problem> {
    bench.save_edits(name)
}

#[tauri::command(async)]
pub fn load_edits(bench: Bench<'_>, name: &str) -> Result<LabEffect, Problem> {
    bench.load_edits(name)
}

#[tauri::command(async)]
pub fn forget_edits(bench: Bench<'_>, name: &str) -> Result<(), Problem> {
    bench.forget_edits(name)
}

#[tauri::command(async)]
pub fn flip_arithmetic(bench: Bench<'_>, id: PhotoId) -> Result<FlipArithmetic, Problem> {
    bench.flip_arithmetic(id)
}

#[tauri::command(async)]
pub fn search_side_by_side(bench: Bench<'_>, query: &str, top: u32) -> Result<SideBySide, Problem> {
    bench.search_side_by_side(query, top as usize)
}

fn pick(app: &AppHandle, name: &str, extensions: &[&str]) -> Option<PathBuf> {
    app.dialog().file().add_filter(name, extensions).blocking_pick_file()?.into_path().ok()
}

fn place(app: &AppHandle, name: &str) -> Option<PathBuf> {
    app.dialog().file().set_file_name(name).blocking_save_file()?.into_path().ok()
}

#[tauri::command(async)]
pub fn choose_vector_file(app: AppHandle) -> Option<String> {
    pick(&app, "vector", &["json", "txt", "csv", "safetensors"]).map(|path| path.display().to_string())
}

#[tauri::command(async)]
pub fn choose_head_file(app: AppHandle, bench: Bench<'_>) -> Result<Option<String>, Problem> {
    pick(&app, "safetensors", &["safetensors"]).map(|path| bench.add_head_file(&path)).transpose()
}

#[tauri::command(async)]
pub fn tune(bench: Bench<'_>, options: TuneOptions) -> Result<TuneReport, Problem> {
    bench.tune(&options)
}

#[tauri::command(async)]
pub fn ablation(bench: Bench<'_>, options: AblationOptions) -> Result<AblationReport, Problem> {
    bench.ablation(&options)
}

#[tauri::command(async)]
pub fn cancel_tune(bench: Bench<'_>) {
    bench.cancel_tune();
}

#[tauri::command(async)]
pub fn save_ablation(app: AppHandle, bench: Bench<'_>, format: &str) -> Result<Option<String>, Problem> {
    let (text, name) = bench.ablation_text(format)?;
    place(&app, &name).map(|path| bench.write_file(&path, text.as_bytes())).transpose()
}

#[tauri::command(async)]
pub fn export_plan(bench: Bench<'_>) -> Result<ExportPlan, Problem> {
    bench.export_plan()
}

#[tauri::command(async)]
pub fn export_heads(app: AppHandle, bench: Bench<'_>, form: ExportForm) -> Result<Option<Exported>, Problem> {
    // The dialog has asked whether a file may be replaced.
    place(&app, &bench.export_name(form)?).map(|path| bench.export_heads(form, &path, true)).transpose()
}

/// The content comes as raw bytes, the suggested name in a header.
#[tauri::command(async)]
pub fn save_file(app: AppHandle, bench: Bench<'_>, request: Request<'_>) -> Result<Option<String>, Problem> {
    let InvokeBody::Raw(content) = request.body() else {
        return Err(Problem::internal("a file to save came without its content"));
    };
    let name = request.headers().get("x-name").and_then(|name| name.to_str().ok()).unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8_lossy();
    place(&app, &name).map(|path| bench.write_file(&path, content)).transpose()
}

#[tauri::command]
pub fn model_card() -> &'static str {
    assets::MODEL_CARD
}

#[tauri::command(async)]
pub fn reveal(app: AppHandle, bench: Bench<'_>, id: PhotoId) -> Result<(), Problem> {
    let path = bench.path(id).ok_or_else(|| gone(id))?;
    reveal_path(&app, &path)
}

fn reveal_path(app: &AppHandle, path: &Path) -> Result<(), Problem> {
    app.opener().reveal_item_in_dir(path).map_err(|error| {
        let (path, cause) = (path.display().to_string(), error.to_string());
        let message = format!("cannot show {path:?} in its folder: {cause}");
        Problem::new(ProblemCode::Unreadable, &[("path", &path), ("cause", &cause)], message)
    })
}

#[tauri::command(async)]
pub fn copy_text(clipboard: State<'_, Clipboard>, text: String) -> Result<(), Problem> {
    clipboard.write(text)
}

fn gone(id: PhotoId) -> Problem {
    Problem::internal(&format!("photo {id} is no longer on the table"))
}
