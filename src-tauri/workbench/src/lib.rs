//! The workbench joins photos, words and a model: what the window and the command line have in common.
//!
//! A [`Workbench`] holds the photos on the table, walks folders, decodes ahead of one model worker, scores what is
//! there against the label set, and tells an onlooker about it in [`messages::WorkbenchEvent`]s. It knows no Tauri.

pub mod assets;
pub mod bench;
pub mod bindings;
pub mod catalogue;
mod lab;
pub mod messages;
pub mod model_source;
pub mod models;
pub mod problem;
mod scan;
pub mod settings;
pub mod store;
mod table;
mod thumbnails;
pub mod verify;
mod whole_file;
mod workbench;
mod worker;

pub use cliploupe_engine as engine;
pub use workbench::{Options, Workbench};
