//! The library as a whole: folders, health, near duplicates, outliers, sidecars.

use cliploupe_workbench::messages::{
    CheckReport, LibraryState, NearReport, Outlier, PhotoId, Problem, SidecarOptions, SidecarReading, SidecarReport,
};
use tauri::AppHandle;
use tauri_plugin_dialog::DialogExt;

use super::{Bench, place, reveal_path};

#[tauri::command(async)]
pub fn shelf_state(bench: Bench<'_>) -> Result<LibraryState, Problem> {
    bench.library_state()
}

#[tauri::command(async)]
pub fn shelf_choose_library(app: AppHandle, bench: Bench<'_>) -> Result<Option<String>, Problem> {
    let Some(folder) = app.dialog().file().blocking_pick_folder().and_then(|path| path.into_path().ok()) else {
        return Ok(None);
    };
    bench.choose_library(&folder)?;
    Ok(Some(folder.display().to_string()))
}

#[tauri::command(async)]
pub fn shelf_restart(app: AppHandle) {
    app.request_restart();
}

#[tauri::command(async)]
pub fn shelf_watch_folder(app: AppHandle, bench: Bench<'_>) -> Result<bool, Problem> {
    let folder = app.dialog().file().blocking_pick_folder().and_then(|path| path.into_path().ok());
    folder.map(|folder| bench.watch_folder(&folder)).transpose().map(|watched| watched.is_some())
}

#[tauri::command(async)]
pub fn shelf_unwatch_folder(bench: Bench<'_>, path: &str) -> Result<(), Problem> {
    bench.unwatch_folder(path.as_ref())
}

#[tauri::command(async)]
pub fn shelf_rescan(bench: Bench<'_>) -> Result<(), Problem> {
    bench.rescan()
}

#[tauri::command(async)]
pub fn shelf_check(bench: Bench<'_>, deep: bool) -> Result<CheckReport, Problem> {
    bench.check_library(deep)
}

#[tauri::command(async)]
pub fn shelf_repair(bench: Bench<'_>) -> Result<CheckReport, Problem> {
    bench.repair_library()
}

#[tauri::command(async)]
pub fn shelf_reveal(app: AppHandle, bench: Bench<'_>) -> Result<(), Problem> {
    let path = bench.library_state()?.path;
    reveal_path(&app, path.as_ref())
}

#[tauri::command(async)]
pub fn shelf_near_duplicates(bench: Bench<'_>, min_cosine: f32) -> Result<NearReport, Problem> {
    bench.near_duplicates(min_cosine)
}

#[tauri::command(async)]
pub fn shelf_outliers(bench: Bench<'_>, top: u32) -> Result<Vec<Outlier>, Problem> {
    bench.outliers(top as usize)
}

#[tauri::command(async)]
pub fn shelf_mark(bench: Bench<'_>, ids: Vec<PhotoId>, marked: bool) -> Result<(), Problem> {
    bench.mark(&ids, marked)
}

#[tauri::command(async)]
pub fn shelf_export_marked(app: AppHandle, bench: Bench<'_>) -> Result<Option<String>, Problem> {
    let paths = bench.marked_paths()?;
    place(&app, "set-aside.txt").map(|path| bench.write_file(&path, paths.as_bytes())).transpose()
}

#[tauri::command(async)]
pub fn shelf_sidecar_options(bench: Bench<'_>) -> SidecarOptions {
    bench.sidecar_options()
}

#[tauri::command(async)]
pub fn shelf_plan_sidecars(
    bench: Bench<'_>,
    ids: Option<Vec<PhotoId>>,
    options: SidecarOptions,
) -> Result<SidecarReport, Problem> {
    bench.plan_sidecars(ids.as_deref(), &options)
}

#[tauri::command(async)]
pub fn shelf_write_sidecars(
    bench: Bench<'_>,
    ids: Option<Vec<PhotoId>>,
    options: SidecarOptions,
) -> Result<SidecarReport, Problem> {
    bench.write_sidecars(ids.as_deref(), &options)
}

#[tauri::command(async)]
pub fn shelf_remove_machine_tags(bench: Bench<'_>, ids: Option<Vec<PhotoId>>) -> Result<SidecarReport, Problem> {
    bench.remove_machine_tags(ids.as_deref())
}

#[tauri::command(async)]
pub fn shelf_plan_reading(bench: Bench<'_>, ids: Option<Vec<PhotoId>>) -> Result<SidecarReading, Problem> {
    bench.plan_reading(ids.as_deref())
}

#[tauri::command(async)]
pub fn shelf_take_reading(
    bench: Bench<'_>,
    ids: Option<Vec<PhotoId>>,
    even_rejected: bool,
) -> Result<SidecarReading, Problem> {
    bench.take_reading(ids.as_deref(), even_rejected)
}

#[tauri::command(async)]
pub fn shelf_export_tags(app: AppHandle, bench: Bench<'_>, format: &str) -> Result<Option<String>, Problem> {
    let name = if format == "json" { "tags.json" } else { "tags.csv" };
    let Some(path) = place(&app, name) else { return Ok(None) };
    bench.export_tags(&path, format)?;
    Ok(Some(path.display().to_string()))
}
