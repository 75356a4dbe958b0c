//! What is remembered of a download that is not finished, so that a later run of the program goes on with it.

use std::{collections::BTreeMap, io, path::Path};

use cliploupe_engine::files::Files;
use serde::{Deserialize, Serialize};

use cliploupe_library::whole_file;

/// A journal lists a handful of files.
const MAX_JOURNAL_BYTES: u64 = 1 << 20;

/// What is known of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Where it comes from; bytes of another address are not mixed with it.
    pub url: String,
    /// Its size, once a server said.
    pub bytes: Option<u64>,
    /// Its hash: as published, or as found once it is done.
    pub sha256: Option<String>,
    /// The validator of the server that the bytes come from.
    pub etag: Option<String>,
    /// It is whole, and was checked.
    pub done: bool,
}

/// A download that is under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The model.
    pub name: String,
    /// Bytes of all files, as far as known.
    pub total: Option<u64>,
    /// By name in the model's folder.
    pub files: BTreeMap<String, FileState>,
}

impl Journal {
    /// Reads a journal; none if there is none that makes sense, for a download can begin anew.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&Files::Disk.read(path, MAX_JOURNAL_BYTES).ok()?).ok()
    }

    /// Writes it.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        whole_file::write(path, &serde_json::to_vec_pretty(self)?)
    }
}
