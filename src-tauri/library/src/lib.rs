//! The photo library on disk: what is known of photos, and what a person decided about them.
//!
//! ```text
//! library/
//!   library.sqlite     photos, files, folders, labels, decisions, suggestions; the only file that cannot be rebuilt
//!   features/          per model: MODEL.f16, rows of pooled features, and MODEL.rows, whose rows they are
//!   thumbnails/ab/     JPEG files by the identity of their photo
//! ```
//! Knows no burn, no Tauri and no window: vectors come in and go out as numbers.

pub mod calibrate;
pub mod check;
pub mod clock;
mod database;
mod error;
pub mod evaluate;
pub mod export;
pub mod features;
pub mod files;
pub mod filter;
pub mod identity;
mod ids;
pub mod import;
pub mod index;
pub mod label_sets;
pub mod labels;
mod library;
pub mod look;
pub mod made_up;
pub mod near;
pub mod paths;
mod photo_rows;
pub mod photos;
mod positional;
pub mod review;
mod seeded;
pub mod sidecars;
mod state;
pub mod steps;
pub mod suggestions;
pub mod tags;
pub mod thresholds;
pub mod thumbnails;
pub mod watch;
pub mod watched;
pub mod whole_file;
pub mod xmp;

pub use database::SCHEMA;
pub use error::LibraryError;
pub use ids::{Identity, ModelKey, PhotoId};
pub use library::{Library, Open};
