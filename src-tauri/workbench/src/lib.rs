//! The workbench joins photos, words and a model: what the window and the command line have in common.
//!
//! A [`Workbench`] holds the photos on the table, walks folders, decodes ahead of one model worker, scores what is
//! there against the label set, and tells an onlooker about it in [`messages::WorkbenchEvent`]s. It knows no Tauri.

pub mod assets;
pub mod bench;
pub mod bindings;
pub mod catalogue;
pub mod devices;
mod lab;
pub mod messages;
pub mod model_source;
pub mod models;
mod photo_file;
pub mod problem;
mod review;
mod scan;
mod sentences;
pub mod settings;
mod shelf;
mod stages;
pub mod store;
mod table;
mod thumbnails;
pub mod verify;
mod workbench;
mod worker;

pub use cliploupe_engine as engine;
pub use cliploupe_library as library;
pub use workbench::{LibraryPlace, Options, PhotoList, Workbench};
pub use worker::{Attempt, Faults};

/// Where the person's own library lies on this platform.
pub fn default_library() -> Option<std::path::PathBuf> {
    shelf::Shelf::default_folder()
}
