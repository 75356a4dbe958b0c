//! The files of a store: their names, how they are begun, and the lock that puts programs in a row.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::format::{HEADER_BYTES, Header};
use crate::{LibraryError, positional::read_exact_at};

#[derive(Clone)]
pub(super) struct Paths {
    pub values: PathBuf,
    pub index: PathBuf,
    pub lock: PathBuf,
    /// What a compaction is about to put in the others' place, see `compact.rs`.
    pub new_values: PathBuf,
    pub new_index: PathBuf,
}

impl Paths {
    pub fn new(folder: &Path, name: &str) -> Self {
        let path = |suffix: &str| folder.join(format!("{name}.{suffix}"));
        Self {
            values: path("f16"),
            index: path("rows"),
            lock: path("lock"),
            new_values: path("f16.new"),
            new_index: path("rows.new"),
        }
    }
}

/// Makes a store where none is. Features without a row index are nobody's and make room.
pub(super) fn begin(paths: &Paths, header: Header) -> Result<(), LibraryError> {
    let is_there = |path: &Path| fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
    if is_there(&paths.index) {
        open_file(&paths.values, false)?;
        return Ok(());
    }
    open_file(&paths.values, false)?.set_len(0).map_err(LibraryError::file("shorten", &paths.values))?;
    crate::whole_file::write(&paths.index, &header.to_bytes()).map_err(LibraryError::file("make", &paths.index))
}

pub(super) fn open_file(path: &Path, is_read_only: bool) -> Result<File, LibraryError> {
    let mut options = OpenOptions::new();
    options.read(true);
    if !is_read_only {
        options.write(true).create(true).truncate(false);
    }
    options.open(path).map_err(LibraryError::file("open", path))
}

pub(super) fn read_header(index: &File, path: &Path) -> Result<Header, LibraryError> {
    let length = index.metadata().map_err(LibraryError::file("read", path))?.len().min(HEADER_BYTES);
    let mut bytes = vec![0; length as usize];
    read_exact_at(index, &mut bytes, 0).map_err(LibraryError::file("read", path))?;
    Header::from_bytes(&bytes).map_err(|cause| LibraryError::Damaged { path: path.to_owned(), cause })
}

/// Waits until no other program writes (or, to write, until none reads entries). Given back when dropped. In a folder
/// that can only be read there may be no lock, and nobody who writes.
pub(super) fn lock(paths: &Paths, is_shared: bool) -> Result<Option<File>, LibraryError> {
    let file = match (open_file(&paths.lock, false), is_shared) {
        (Ok(file), _) => file,
        (Err(_), true) => match open_file(&paths.lock, true) {
            Ok(file) => file,
            Err(_) => return Ok(None),
        },
        (Err(error), false) => return Err(error),
    };
    let locked = if is_shared { file.lock_shared() } else { file.lock() };
    locked.map_err(LibraryError::file("lock", &paths.lock))?;
    Ok(Some(file))
}

pub(super) fn cut(file: &File, length: u64) -> io::Result<()> {
    if file.metadata()?.len() == length { Ok(()) } else { file.set_len(length) }
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), LibraryError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LibraryError::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Another number each time, on any machine: `RandomState` is seeded by the system.
pub(super) fn a_generation() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::time::SystemTime::now())
}
