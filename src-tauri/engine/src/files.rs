//! Where a checkpoint's files are: on disk, or inside the program, as those of the embedded model.

use std::{
    fs::File,
    io::{Cursor, Error, ErrorKind, Read, Result, Seek},
    path::Path,
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
