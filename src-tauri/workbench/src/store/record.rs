//! What is remembered of an installed model: `cliploupe.json` in its folder.

use std::{
    io,
    path::{Path, PathBuf},
};

use cliploupe_engine::files::Files;
use serde::{Deserialize, Serialize};

use cliploupe_library::whole_file;

use crate::messages::InstalledFile;

/// Its file name.
pub const RECORD: &str = "cliploupe.json";
/// A record lists a handful of files.
const MAX_RECORD_BYTES: u64 = 1 << 20;
/// Raised when an older program could not make sense of a newer record.
const VERSION: u32 = 1;

/// Where an imported model stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InPlace {
    /// The folder or the weights file.
    pub path: PathBuf,
    /// Its configuration, where that lies elsewhere.
    pub config: Option<PathBuf>,
}

/// A file and what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordFile {
    /// Its name in the folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// The record of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    version: u32,
    /// The model's name, of which the folder's is made.
    pub name: String,
    /// Address or path it was taken from.
    pub origin: String,
    /// Licence, where known.
    pub licence: Option<String>,
    /// Milliseconds since 1970.
    pub installed_ms: i64,
    /// Where it stays, if it was not copied.
    pub in_place: Option<InPlace>,
    /// Which of the files holds the weights.
    pub weights: String,
    /// Its files.
    pub files: Vec<RecordFile>,
}

impl Record {
    /// A record made now.
    pub fn new(name: &str, origin: String, weights: String, files: Vec<RecordFile>) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self {
            version: VERSION,
            name: name.to_owned(),
            origin,
            licence: None,
            installed_ms: since.as_millis() as i64,
            in_place: None,
            weights,
            files,
        }
    }

    /// Reads the record in `folder`.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let bytes = Files::Disk.read(&folder.join(RECORD), MAX_RECORD_BYTES)?;
        let record: Self = serde_json::from_slice(&bytes)?;
        if record.version > VERSION {
            return Err(io::Error::other(format!("it is of version {}, made by a newer program", record.version)));
        }
        // Names of files are joined to the folder's path.
        let is_plain = |name: &str| Path::new(name).file_name().is_some_and(|own| own == name);
        match record.files.iter().find(|file| !is_plain(&file.name)) {
            Some(file) => Err(io::Error::other(format!("{:?} is no name of a file", file.name))),
            None => Ok(record),
        }
    }

    /// Writes it into `folder`.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        whole_file::write(&folder.join(RECORD), &serde_json::to_vec_pretty(self)?)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The hash of the weights.
    pub fn sha256(&self) -> String {
        let weights = self.files.iter().find(|file| file.name == self.weights);
        weights.map(|file| file.sha256.clone()).unwrap_or_default()
    }
}

impl From<RecordFile> for InstalledFile {
    fn from(file: RecordFile) -> Self {
        Self { name: file.name, bytes: file.bytes, sha256: file.sha256 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_written_and_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| RecordFile { name: name.into(), bytes: 3, sha256: "ab".repeat(32) };
        let mut record = Record::new("a/b", "somewhere".into(), "w.safetensors".into(), vec![file("w.safetensors")]);
        record.write(folder.path()).unwrap();
        assert_eq!(Record::read(folder.path()).unwrap(), record);
        assert_eq!((record.bytes(), record.sha256()), (3, "ab".repeat(32)));

        record.files.push(file("../elsewhere"));
        record.write(folder.path()).unwrap();
        assert!(Record::read(folder.path()).is_err());
        std::fs::write(folder.path().join(RECORD), "{").unwrap();
        assert!(Record::read(folder.path()).is_err());
    }
}
