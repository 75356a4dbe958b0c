//! The shell: Tauri's commands and events over the [`cliploupe_workbench`], and nothing else.

mod clipboard;
mod commands;
mod pictures;

use cliploupe_workbench::{Options, Workbench, settings};
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
            let options = Options { settings: settings::default_path(), thumbnails: true, ..Options::default() };
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
            commands::remove,
            commands::set_labels,
            commands::load_label_file,
            commands::details,
            commands::devices,
            commands::choose_device,
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
