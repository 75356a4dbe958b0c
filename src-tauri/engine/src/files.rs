//! Where a checkpoint's files are: on disk, or inside the program, as those of the embedded model. And how files are
//! written: as a whole or not at all.

use std::{
    fs::{self, File},
    io::{Cursor, Error, ErrorKind, Read, Result, Seek, Write},
    path::{Path, PathBuf},
    process,
};

/// A file that can be read anywhere.
pub trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// A file inside the program.
#[derive(Debug, PartialEq, Eq)]
pub struct MemoryFile {
    /// Its name, without a folder.
    pub name: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
}

/// Where to look for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// The file system.
    Disk,
    /// These files; only the last part of a path counts.
    Memory(&'static [MemoryFile]),
}

impl Files {
    /// Opens `path` and tells its length in bytes.
    pub fn open(self, path: &Path) -> Result<(Box<dyn ReadSeek>, u64)> {
        match self {
            Self::Disk => {
                let file = File::open(path)?;
                let length = file.metadata()?.len();
                Ok((Box::new(file), length))
            }
            Self::Memory(files) => {
                let file = find(files, path).ok_or_else(|| Error::from(ErrorKind::NotFound))?;
                Ok((Box::new(Cursor::new(file.bytes)), file.bytes.len() as u64))
            }
        }
    }

    /// Reads a whole file of at most `limit` bytes; a longer one is an error before it is read.
    pub fn read(self, path: &Path, limit: u64) -> Result<Vec<u8>> {
        let (file, length) = self.open(path)?;
        let too_long =
            || Error::new(ErrorKind::FileTooLarge, format!("{length} bytes, where at most {limit} make sense"));
        if length > limit {
            return Err(too_long());
        }
        // The length of a special file may be a lie, so reading is bounded too.
        let mut bytes = Vec::with_capacity(length as usize);
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit { Err(too_long()) } else { Ok(bytes) }
    }

    /// Whether there is a file at `path`.
    pub fn has(self, path: &Path) -> bool {
        match self {
            Self::Disk => path.is_file(),
            Self::Memory(files) => find(files, path).is_some(),
        }
    }
}

fn find(files: &'static [MemoryFile], path: &Path) -> Option<&'static MemoryFile> {
    files.iter().find(|file| path.file_name().is_some_and(|name| name == file.name))
}

/// A file or folder that is written beside its place and takes it by a rename. Until then nothing is seen of it, and
/// dropped before that, it is removed.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    place: PathBuf,
}

impl Unfinished {
    /// For `place`, of which the parent folder must exist. Nothing is made yet.
    pub fn of(place: &Path) -> Self {
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let path = place.with_file_name(format!(".{name}.{}.partial", process::id()));
        Self { path, place: place.to_owned() }
    }

    /// Where it is being written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes its place. What is there is an error, unless it is a file and may be `replaced`.
    pub fn finish(self, replaced: bool) -> Result<()> {
        if !replaced && self.place.exists() {
            return Err(Error::from(ErrorKind::AlreadyExists));
        }
        fs::rename(&self.path, &self.place)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What was renamed is no longer there; what cannot be removed is named as unfinished.
        let _ = if self.path.is_dir() { fs::remove_dir_all(&self.path) } else { fs::remove_file(&self.path) };
    }
}

/// Writes a file whole into a folder that exists. A file that is there is an error, unless it may be `replaced`.
pub fn write_whole(path: &Path, bytes: &[u8], replaced: bool) -> Result<()> {
    let unfinished = Unfinished::of(path);
    let mut file = File::create(unfinished.path())?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    unfinished.finish(replaced)
}
