//! The shell: Tauri's commands and events over the [`cliploupe_workbench`], and nothing else.

mod clipboard;
mod commands;
mod pictures;

use cliploupe_workbench::{LibraryPlace, Options, Workbench, devices, settings};
use tauri::{DragDropEvent, Manager, RunEvent, WindowEvent};

use crate::clipboard::Clipboard;

/// Opens the window and runs until it is closed.
///
/// # Panics
/// If no window can be opened at all, which there is no window to say in.
pub fn run() {
    tauri::Builder::default()
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_opener::init())
        .register_asynchronous_uri_scheme_protocol("photo", pictures::serve)
        .setup(|app| {
            let options = Options {
                settings: settings::default_path(),
                library: Some(LibraryPlace::Own),
                thumbnails: true,
                devices: devices::default_folder(),
                ..Options::default()
            };
            app.manage(Workbench::new(options)?);
            app.manage(Clipboard::default());
            // Photos named on the command line, as file managers do with "open with".
            let paths: Vec<_> = std::env::args_os().skip(1).map(Into::into).collect();
            if !paths.is_empty() {
                app.state::<Workbench>().add_paths(paths);
            }
            Ok(())
        })
        .on_window_event(|window, event| {
            if let WindowEvent::DragDrop(DragDropEvent::Drop { paths, .. }) = event {
                window.state::<Workbench>().add_paths(paths.clone());
            }
        })
        .invoke_handler(tauri::generate_handler![
            commands::attach,
            commands::add_paths,
            commands::choose_files,
            commands::choose_folder,
            commands::add_samples,
            commands::paste,
            commands::cancel,
            commands::retry,
            commands::go_on,
            commands::restore,
            commands::photo_list,
            commands::photo_records,
            commands::photo_summary,
            commands::filter_menu,
            commands::explain_hit,
            commands::mark_hit,
            commands::saved_label_sets,
            commands::save_label_set,
            commands::label_set_versions,
            commands::rename_label_set,
            commands::remove_label_set,
            commands::export_label_set,
            commands::import_label_set,
            commands::review::review_state,
            commands::review::review_suggest,
            commands::review::review_cancel_suggest,
            commands::review::review_queue,
            commands::review::review_decide,
            commands::review::review_decide_all,
            commands::review::review_undo,
            commands::review::review_redo,
            commands::review::review_label_card,
            commands::review::review_threshold_effect,
            commands::review::review_set_threshold,
            commands::review::review_rename_tag,
            commands::review::review_evaluate,
            commands::review::review_save_evaluation,
            commands::shelf::shelf_state,
            commands::shelf::shelf_choose_library,
            commands::shelf::shelf_restart,
            commands::shelf::shelf_watch_folder,
            commands::shelf::shelf_unwatch_folder,
            commands::shelf::shelf_rescan,
            commands::shelf::shelf_check,
            commands::shelf::shelf_repair,
            commands::shelf::shelf_reveal,
            commands::shelf::shelf_near_duplicates,
            commands::shelf::shelf_outliers,
            commands::shelf::shelf_mark,
            commands::shelf::shelf_export_marked,
            commands::shelf::shelf_sidecar_options,
            commands::shelf::shelf_plan_sidecars,
            commands::shelf::shelf_write_sidecars,
            commands::shelf::shelf_remove_machine_tags,
            commands::shelf::shelf_plan_reading,
            commands::shelf::shelf_take_reading,
            commands::shelf::shelf_export_tags,
            commands::remove,
            commands::set_labels,
            commands::load_label_file,
            commands::details,
            commands::devices,
            commands::choose_device,
            commands::test_device,
            commands::speed_settings,
            commands::set_speed,
            commands::choose_model_folder,
            commands::use_embedded_model,
            commands::models,
            commands::choose_model,
            commands::pull_model,
            commands::pause_transfer,
            commands::cancel_transfer,
            commands::import_model,
            commands::remove_model,
            commands::verify_model,
            commands::cancel_verify,
            commands::reveal_model,
            commands::set_hub_endpoint,
            commands::projection_report,
            commands::collection_report,
            commands::meaning,
            commands::class_prior,
            commands::tensors,
            commands::open_matrix,
            commands::tile,
            commands::compare,
            commands::explain_abilities,
            commands::explain,
            commands::lab,
            commands::lab_effect,
            commands::set_edits,
            commands::undo_edit,
            commands::redo_edit,
            commands::save_edits,
            commands::load_edits,
            commands::forget_edits,
            commands::flip_arithmetic,
            commands::search_side_by_side,
            commands::choose_vector_file,
            commands::choose_head_file,
            commands::tune,
            commands::ablation,
            commands::cancel_tune,
            commands::save_ablation,
            commands::export_plan,
            commands::export_heads,
            commands::save_file,
            commands::model_card,
            commands::reveal,
            commands::copy_text,
        ])
        .build(tauri::generate_context!())
        .expect("the system can open a window")
        .run(|app, event| {
            // The process ends here without dropping what Tauri manages.
            if let RunEvent::Exit = event {
                app.state::<Workbench>().close();
            }
        });
}
