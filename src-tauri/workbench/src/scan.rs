//! From what was dropped to a list of files: folders are walked, links followed, loops found.

use std::path::{Path, PathBuf};

use cliploupe_engine::photo::looks_like_photo;
use walkdir::WalkDir;

use crate::messages::{Problem, ProblemCode};

/// What a walk comes upon.
pub enum Found {
    /// A file to try. One that was named by the person is tried whatever its extension.
    Photo(PathBuf),
    /// Something that cannot be walked or read.
    Failed(PathBuf, Problem),
}

/// Walks `path`, in the order of names, and hands over what it finds; stops as soon as `go_on` says false.
pub fn walk(path: &Path, go_on: impl Fn() -> bool, mut found: impl FnMut(Found)) {
    if !path.is_dir() {
        found(Found::Photo(path.to_owned()));
        return;
    }
    let mut count = 0;
    for entry in WalkDir::new(path).follow_links(true).sort_by_file_name() {
        if !go_on() {
            return;
        }
        let next = match entry {
            Ok(entry) if entry.file_type().is_file() && looks_like_photo(entry.path()) => {
                count += 1;
                Found::Photo(entry.into_path())
            }
            Ok(_) => continue,
            Err(error) => {
                let at = error.path().unwrap_or(path).to_owned();
                // A broken link is only worth a word if it was to be a photo.
                if error.loop_ancestor().is_none() && at.is_symlink() && !looks_like_photo(&at) {
                    continue;
                }
                count += 1;
                Found::Failed(at.clone(), problem(&error, &at))
            }
        };
        found(next);
    }
    if count == 0 {
        let shown = path.display().to_string();
        let message = format!("no photos in {shown:?}. Choose another folder, or drop the files themselves.");
        found(Found::Failed(path.to_owned(), Problem::new(ProblemCode::NoPhotos, &[("path", &shown)], message)));
    }
}

fn problem(error: &walkdir::Error, path: &Path) -> Problem {
    let shown = path.display().to_string();
    let params = [("path", shown.as_str())];
    if error.loop_ancestor().is_some() {
        let message = format!("the link {shown:?} leads back into a folder that it lies in, and was not followed");
        return Problem::new(ProblemCode::LinkLoop, &params, message);
    }
    match error.io_error() {
        Some(io) if path.is_symlink() && io.kind() == std::io::ErrorKind::NotFound => {
            Problem::new(ProblemCode::BrokenLink, &params, format!("the target of the link {shown:?} is gone"))
        }
        Some(io) if io.kind() == std::io::ErrorKind::PermissionDenied => {
            Problem::new(ProblemCode::Permission, &params, format!("not allowed to open {shown:?}"))
        }
        // The standard library has no stable name for ELOOP; it is what is left when a link cannot be followed.
        Some(_) if path.is_symlink() => {
            Problem::new(ProblemCode::LinkLoop, &params, format!("the link {shown:?} leads in a circle"))
        }
        Some(io) => Problem::file(ProblemCode::Unreadable, "cannot open", path, io),
        None => Problem::internal(&error.to_string()),
    }
}
