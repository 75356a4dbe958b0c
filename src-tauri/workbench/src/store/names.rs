//! Names of models, and the folders they become.

use std::path::Path;

use crate::{
    assets,
    messages::{Problem, ProblemCode},
};

/// Longer names fit no folder on some file systems.
const MAX_NAME_BYTES: usize = 128;

/// The folder of a model below the models folder: its name with `/` as `-`.
///
/// Names come from the command line and from configuration files, so anything that could lead out of the models folder
/// or that some system cannot have as a file name is refused.
pub fn folder_name(name: &str) -> Result<String, Problem> {
    let refuse = |cause: &str| {
        let message = format!(
            "{name:?} cannot be the name of a model: {cause}. Use letters, digits, '.', '_', '-', and '/' between parts."
        );
        Problem::new(ProblemCode::ModelStore, &[("path", name), ("cause", cause)], message)
    };
    if name == assets::EMBEDDED_MODEL {
        return Err(refuse("it means the one inside the program"));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(refuse("it is too long"));
    }
    for part in name.split('/') {
        if part.is_empty() || part.starts_with('.') || part.ends_with('.') {
            return Err(refuse("a part of it is empty, or begins or ends with a dot"));
        }
        if part.starts_with('-') {
            return Err(refuse("a part of it begins with a dash"));
        }
        if !part.chars().all(is_allowed) {
            return Err(refuse("it has a character that file names cannot have everywhere"));
        }
    }
    let folder = name.replace('/', "-");
    if is_device(&folder) {
        return Err(refuse("Windows keeps that name for a device"));
    }
    Ok(folder)
}

fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || "._-+".contains(c)
}

/// Names that Windows gives to devices, with any extension.
fn is_device(folder: &str) -> bool {
    let stem = folder.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let numbered =
        |kind| stem.strip_prefix(kind).is_some_and(|n| n.len() == 1 && n.chars().all(|c| c.is_ascii_digit()));
    ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
}

/// A name for the checkpoint at `path`: the folder's or file's own, with what names cannot have as `-`.
///
/// In the hub's cache a folder is called by its commit; there the repository's name two folders above is meant
/// (`models--laion--CLIP-ViT-B-32/snapshots/1a25a4`).
pub fn name_of(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let part = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let cached = path.ancestors().nth(1).filter(|folder| part(folder) == "snapshots").and_then(Path::parent);
    let repository =
        cached.and_then(|folder| part(folder).strip_prefix("models--").map(|name| name.replace("--", "/")));
    let own = || if path.is_file() { path.file_stem().map(|stem| stem.to_string_lossy().into_owned()) } else { None };
    let name = repository.unwrap_or_else(|| own().unwrap_or_else(|| part(&path)));
    let name: String = name.chars().map(|c| if is_allowed(c) || c == '/' { c } else { '-' }).collect();
    name.trim_matches(['.', '-', '/']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_folders() {
        assert_eq!(folder_name("ViT-B-32/laion2b_s34b_b79k").unwrap(), "ViT-B-32-laion2b_s34b_b79k");
        assert_eq!(folder_name("照片.v2").unwrap(), "照片.v2");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "x".repeat(129);
        for name in [
            "", ".", "..", "a/../b", "/etc", "a//b", "a/", ".hidden", "a\\b", "C:", "a b", "a\nb", "-rf", "nul",
            "COM1.x", "embedded", "dot.", &long,
        ] {
            assert!(folder_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_path_gives_a_name_that_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        assert_eq!(name_of(&make("my model (2)")), "my-model--2");
        assert_eq!(name_of(&make("models--laion--CLIP-ViT-B-32/snapshots/1a25a446")), "laion/CLIP-ViT-B-32");
        let file = folder.path().join("ViT-B-32.safetensors");
        std::fs::write(&file, "").unwrap();
        assert_eq!(name_of(&file), "ViT-B-32");
    }
}
