//! What can go wrong with a library.

use crate::xmp::XmpError;
use std::{io, path::PathBuf};

/// Why something could not be done with a library.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A file or folder of the library, or beside a photo, cannot be read or written.
    #[error("cannot {doing} {path:?}")]
    File {
        /// What was being done, as "read".
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk is full; nothing was damaged, and the same call works once there is room.
    #[error("the disk is full: cannot {doing} {path:?}; make room there and go on")]
    DiskFull {
        /// What was being done, as "write".
        doing: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// SQLite refused.
    #[error("cannot {doing}")]
    Database {
        /// What was being done, as "add photos".
        doing: &'static str,
        /// Why.
        source: rusqlite::Error,
    },
    /// The library was made by a newer program.
    #[error(
        "the library {path:?} was made by a newer version (schema {found}, known up to {known}); update Cliploupe to open it"
    )]
    TooNew {
        /// The library.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// There is no library in that folder.
    #[error("there is no library in {path:?}")]
    NotALibrary {
        /// The folder.
        path: PathBuf,
    },
    /// The library can only be read.
    #[error("the library {path:?} can only be read: {reason}")]
    ReadOnly {
        /// The library.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file of the library is damaged.
    #[error("{path:?} is damaged: {cause}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that is known.
        cause: String,
    },
    /// A sidecar is not XMP, or cannot be changed without losing something.
    #[error("cannot use the sidecar {path:?}; it is left as it is")]
    Sidecar {
        /// The sidecar.
        path: PathBuf,
        /// Why.
        source: XmpError,
    },
    /// A sidecar, or the folder for it, can only be read.
    #[error(
        "cannot write the sidecar {path:?}: it or its folder can only be read; allow writing, or export CSV or JSON"
    )]
    SidecarNotWritable {
        /// The sidecar.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was given makes no sense.
    #[error("{0}")]
    Refused(String),
}

impl LibraryError {
    /// Wraps an error of the file system; a full disk is told apart.
    pub fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { doing, path },
            _ => Self::File { doing, path, source },
        }
    }
}

impl From<rusqlite::Error> for LibraryError {
    /// What SQLite said, as it is; `Library` tells a full disk and a damaged file apart, for it knows the file.
    fn from(source: rusqlite::Error) -> Self {
        Self::Database { doing: "read or change the library's database", source }
    }
}
