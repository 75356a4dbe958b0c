//! What the page may ask for. Each command unpacks, makes one call, and converts; none decides anything about photos.
//!
//! `(async)` keeps a command off the window's own thread.

use std::path::{Path, PathBuf};

use cliploupe_workbench::{
    Workbench, assets,
    messages::{
        DeviceInfo, LabelSettings, ModelList, PhotoDetails, PhotoId, Problem, ProblemCode, Snapshot, VerifyReport,
        WorkbenchEvent,
    },
    model_source::ModelSource,
    store::Import,
};
use tauri::{AppHandle, State, ipc::Channel};
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
pub fn retry(bench: Bench<'_>, ids: Vec<PhotoId>) {
    bench.retry(&ids);
}

#[tauri::command(async)]
pub fn remove(bench: Bench<'_>, ids: Vec<PhotoId>) {
    bench.remove(&ids);
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
pub fn devices() -> Vec<DeviceInfo> {
    Workbench::devices()
}

#[tauri::command(async)]
pub fn choose_device(bench: Bench<'_>, id: &str) -> Result<(), Problem> {
    bench.choose_device(id)
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
