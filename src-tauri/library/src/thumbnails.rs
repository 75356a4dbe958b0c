//! Small JPEG files, one per photo, in 256 folders: `ab/abcdef….jpg` by the photo's identity.
//!
//! A thumbnail gets its name only when it is whole. It is not forced to the disk, since it can be made again; what a
//! power cut leaves is told by its checksum, which the database keeps, and mostly by its first and last bytes alone.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{Identity, LibraryError};

/// How names of files begin that are being written, and of what a stopped program left.
pub(crate) const UNFINISHED: &str = ".part-";

/// The folder of thumbnails.
#[derive(Debug, Clone)]
pub struct Thumbnails {
    folder: PathBuf,
}

impl Thumbnails {
    /// In a folder that need not be there yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where the thumbnail of a photo is, or would be.
    pub fn path(&self, identity: &Identity) -> PathBuf {
        let name = identity.to_string();
        self.folder.join(&name[..2]).join(format!("{name}.jpg"))
    }

    /// Writes a thumbnail, in the place of an older one if there is one, and gives its CRC-32 for the database.
    pub fn keep(&self, identity: &Identity, jpeg: &[u8]) -> Result<u32, LibraryError> {
        if !is_whole(jpeg) {
            return Err(LibraryError::Refused(format!("the thumbnail of {identity} is not a whole JPEG")));
        }
        let path = self.path(identity);
        let folder = path.parent().expect("the path was joined");
        write(folder, &path, jpeg).map_err(LibraryError::file("write the thumbnail", &path))?;
        Ok(crc32fast::hash(jpeg))
    }

    /// The JPEG's bytes; `None` if there is none. One that is cut short is [`LibraryError::Damaged`].
    pub fn get(&self, identity: &Identity) -> Result<Option<Vec<u8>>, LibraryError> {
        let path = self.path(identity);
        let jpeg = match fs::read(&path) {
            Ok(jpeg) => jpeg,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LibraryError::file("read the thumbnail", path)(error)),
        };
        if !is_whole(&jpeg) {
            return Err(LibraryError::Damaged { path, cause: "it does not begin and end as a JPEG does".into() });
        }
        Ok(Some(jpeg))
    }

    /// Like [`Thumbnails::get`], and checks what the database says of it.
    pub fn get_checked(&self, identity: &Identity, crc: u32) -> Result<Option<Vec<u8>>, LibraryError> {
        let jpeg = self.get(identity)?;
        if jpeg.as_ref().is_some_and(|jpeg| crc32fast::hash(jpeg) != crc) {
            let cause = "it does not match its checksum".into();
            return Err(LibraryError::Damaged { path: self.path(identity), cause });
        }
        Ok(jpeg)
    }

    /// Removes the thumbnail of a photo if there is one.
    pub fn remove(&self, identity: &Identity) -> Result<(), LibraryError> {
        let path = self.path(identity);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LibraryError::file("remove the thumbnail", path)(error))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

fn write(folder: &Path, path: &Path, jpeg: &[u8]) -> io::Result<()> {
    let new = || tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder);
    let mut file = match new() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            new()?
        }
        file => file?,
    };
    file.write_all(jpeg)?;
    file.persist(path)?;
    Ok(())
}

/// Start of image first, end of image last (ITU T.81, B.1.1.3).
pub(crate) fn is_whole(jpeg: &[u8]) -> bool {
    jpeg.len() > 4 && jpeg.starts_with(&[0xFF, 0xD8, 0xFF]) && jpeg.ends_with(&[0xFF, 0xD9])
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &[u8] = b"\xFF\xD8\xFF made up \xFF\xD9";

    #[test]
    fn a_thumbnail_is_kept_replaced_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (thumbnails, identity) = (Thumbnails::new(folder.path().join("thumbnails")), Identity([0xAB; 32]));
        assert_eq!(thumbnails.get(&identity).unwrap(), None);
        let crc = thumbnails.keep(&identity, b"\xFF\xD8\xFF\xFF\xD9").unwrap();
        assert_ne!(thumbnails.keep(&identity, JPEG).unwrap(), crc);
        assert_eq!(thumbnails.get_checked(&identity, crc32fast::hash(JPEG)).unwrap().as_deref(), Some(JPEG));
        assert!(thumbnails.path(&identity).ends_with(format!("ab/{identity}.jpg")));
        assert_eq!(fs::read_dir(folder.path().join("thumbnails/ab")).unwrap().count(), 1);
        thumbnails.remove(&identity).unwrap();
        thumbnails.remove(&identity).unwrap();
        assert_eq!(thumbnails.get(&identity).unwrap(), None);
    }

    #[test]
    fn torn_and_changed_thumbnails_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (thumbnails, identity) = (Thumbnails::new(folder.path()), Identity([1; 32]));
        let crc = thumbnails.keep(&identity, JPEG).unwrap();
        for end in 0..JPEG.len() {
            fs::write(thumbnails.path(&identity), &JPEG[..end]).unwrap();
            assert!(matches!(thumbnails.get(&identity), Err(LibraryError::Damaged { .. })), "{end} bytes");
        }
        let mut changed = JPEG.to_vec();
        changed[5] ^= 1;
        fs::write(thumbnails.path(&identity), &changed).unwrap();
        assert!(matches!(thumbnails.get_checked(&identity, crc), Err(LibraryError::Damaged { .. })));
        assert!(matches!(thumbnails.keep(&identity, &JPEG[..5]), Err(LibraryError::Refused(_))));
    }
}
