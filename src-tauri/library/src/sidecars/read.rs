//! What sidecars say about a photo.

use super::{names::Said, place::Folder};
use crate::{
    LibraryError,
    xmp::{Keywords, MAX_BYTES, MachineTag, Xmp, XmpError},
};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// What a sidecar says.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadSidecar {
    /// The sidecar.
    pub path: PathBuf,
    /// A person's tags, from all lists: paths first, then words that are in none of the paths.
    pub tags: Vec<String>,
    /// Names of machine tags, without their root.
    pub machine: Vec<String>,
    /// Where those came from, as far as the sidecar tells.
    pub suggestions: Vec<MachineTag>,
    /// -1 (rejected) to 5.
    pub rating: Option<i8>,
    /// ACDSee's categories. They are not among the tags: they are never written, so they could not be taken away.
    pub categories: Vec<String>,
}

/// Reads a photo's sidecars, under either name: none, one or two.
pub fn read(photo: &Path, folder: &Folder, root: &str) -> Result<Vec<ReadSidecar>, LibraryError> {
    let name = photo.file_name().ok_or_else(|| LibraryError::Refused(format!("{photo:?} is not a file")))?;
    let found = folder.find(name);
    let paths = found.name_ext.into_iter().chain(found.name);
    paths.map(|path| said_by(&xmp_at(&path, &bytes_at(&path)?)?, path, root)).collect()
}

fn said_by(xmp: &Xmp, path: PathBuf, root: &str) -> Result<ReadSidecar, LibraryError> {
    let said = Said::of(xmp.keywords(), root);
    Ok(ReadSidecar {
        path,
        tags: said.tags,
        machine: said.machine,
        suggestions: xmp.machine_tags(),
        rating: xmp.rating(),
        categories: xmp.categories(),
    })
}

/// A person's tags in a document's lists, such as those embedded in a photo.
pub fn tags_of(keywords: Keywords, root: &str) -> Vec<String> {
    Said::of(keywords, root).tags
}

/// A sidecar's bytes; its size is checked first.
pub(super) fn bytes_at(path: &Path) -> Result<Vec<u8>, LibraryError> {
    let failed = || LibraryError::file("read", path);
    let file = File::open(path).map_err(failed())?;
    let metadata = file.metadata().map_err(failed())?;
    if !metadata.is_file() {
        return Err(LibraryError::Refused(format!("{path:?} is not a file")));
    }
    let mut bytes = Vec::new();
    // It may grow between the question for its size and now.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed())?;
    if bytes.len() as u64 > MAX_BYTES {
        let source = XmpError::TooLarge { bytes: metadata.len(), limit: MAX_BYTES };
        return Err(LibraryError::Sidecar { path: path.into(), source });
    }
    Ok(bytes)
}

/// The document in a sidecar's bytes. An empty file, as a full disk leaves behind, says nothing.
pub(super) fn xmp_at(path: &Path, bytes: &[u8]) -> Result<Xmp, LibraryError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Xmp::blank());
    }
    Xmp::parse(bytes).map_err(|source| LibraryError::Sidecar { path: path.into(), source })
}
