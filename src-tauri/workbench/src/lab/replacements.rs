//! Heads that can take the place of the model's: those that ship with the embedded one, tuned ones, and files.

use std::{path::Path, sync::Arc};

use cliploupe_engine::{
    chain,
    files::Files,
    lab::{
        Heads,
        file::{self, HeadFile, Scores},
    },
};

use super::{Base, desk::Desk, edits::problem};
use crate::{
    assets,
    messages::{HeadOrigin, Problem, ProblemCode, Replacement},
    model_source::ModelSource,
};

/// Tuned heads of other runs that are read at most.
const MOST_KEPT: usize = 64;

/// Heads that can be put in, and what they say of scores: those that were trained apart have a scale of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    /// The heads.
    pub heads: Heads,
    /// How cosines become scores with them.
    pub scores: Scores,
}

/// All that fit this model, the shipped ones first.
pub fn list(base: &Base, desk: &Desk) -> Vec<Replacement> {
    let shipped: &[&str] = if base.source == ModelSource::Embedded { assets::EMBEDDED_HEADS } else { &[] };
    let named = |origin: HeadOrigin| move |name: &str| Replacement { name: name.to_owned(), origin };
    let tuned = desk.tuned.keys().map(String::as_str).map(named(HeadOrigin::Tuned));
    let files = desk.files.keys().map(String::as_str).map(named(HeadOrigin::File));
    shipped.iter().copied().map(named(HeadOrigin::Shipped)).chain(tuned).chain(files).collect()
}

/// The heads of that name, or of that file.
pub fn find(base: &Base, desk: &Desk, name: &str) -> Result<Arc<Put>, Problem> {
    if let Some(known) = desk.tuned.get(name).or_else(|| desk.files.get(name)) {
        return Ok(known.clone());
    }
    if base.source == ModelSource::Embedded && name == assets::OWN_HEADS {
        return Ok(Arc::new(Put { heads: (*base.heads).clone(), scores: Scores::default() }));
    }
    if base.source == ModelSource::Embedded && assets::EMBEDDED_HEADS.contains(&name) {
        return from_file(base, assets::embedded_heads(), &Path::new(name).with_extension("safetensors")).map(Arc::new);
    }
    // A stack that was saved in another run names its file.
    if Path::new(name).is_file() {
        return read(base, Path::new(name)).map(Arc::new);
    }
    Err(problem(&format!("there is no projection {name:?} for this model")))
}

/// The heads that were tuned for this model in other runs, by name: files of a folder. What cannot be read is left alone.
pub fn kept(base: &Base, folder: &Path) -> Vec<(String, Put)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    files.truncate(MOST_KEPT);
    let named = |path: &std::path::PathBuf| Some((path.file_stem()?.to_str()?.to_owned(), read(base, path).ok()?));
    files.iter().filter_map(named).collect()
}

/// Keeps tuned heads for other runs.
pub fn keep(base: &Base, folder: &Path, name: &str, put: &Put) -> Result<(), Problem> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Problem::file(ProblemCode::Export, "cannot make", folder, &error))?;
    let path = folder.join(name).with_extension("safetensors");
    let Heads { image, text } = &put.heads;
    let written = file::write_heads(&path, image, text, put.scores, &base.config, false);
    written.map(drop).map_err(|error| problem(&chain(&error)))
}

/// Heads from a file of this machine.
pub fn read(base: &Base, path: &Path) -> Result<Put, Problem> {
    from_file(base, Files::Disk, path)
}

/// A side that the file has no head for keeps the model's.
fn from_file(base: &Base, files: Files, path: &Path) -> Result<Put, Problem> {
    let found = file::read_heads(files, path, &base.config).map_err(|error| problem(&chain(&error)))?;
    let HeadFile { image, text, scores } = found;
    let own = &base.heads;
    let heads =
        Heads { image: image.unwrap_or_else(|| own.image.clone()), text: text.unwrap_or_else(|| own.text.clone()) };
    Ok(Put { heads, scores })
}
