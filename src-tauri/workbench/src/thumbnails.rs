//! Small pictures for the grid, kept as JPEG files in a folder that goes when the program ends.
//!
//! They are on disk and not in memory, so that ten thousand photos cost a directory and not a gigabyte.

use std::{fs, io, path::PathBuf};

use cliploupe_engine::{chain, photo};

use crate::messages::{PhotoId, Problem, ProblemCode};

/// Longest side of a thumbnail in pixels: a cell of the grid on a dense display.
pub const THUMBNAIL_PX: usize = 320;
/// Longest side of the large view in pixels.
const PICTURE_PX: usize = 2048;
/// Quality of both as JPEG.
const QUALITY: u8 = 85;

/// The thumbnails of this run.
pub struct Thumbnails {
    folder: tempfile::TempDir,
}

impl Thumbnails {
    /// An empty store.
    pub fn new() -> io::Result<Self> {
        Ok(Self { folder: tempfile::Builder::new().prefix("cliploupe-thumbnails-").tempdir()? })
    }

    fn path(&self, id: PhotoId) -> PathBuf {
        self.folder.path().join(format!("{id}.jpg"))
    }

    /// Makes and keeps the thumbnail of a decoded photo.
    pub fn keep(&self, id: PhotoId, picture: &photo::Picture) -> Result<(), Problem> {
        let jpeg = thumbnail_jpeg(picture)?;
        fs::write(self.path(id), jpeg).map_err(|error| problem(&error))
    }

    /// The JPEG of a photo, if it was decoded.
    pub fn get(&self, id: PhotoId) -> Option<Vec<u8>> {
        fs::read(self.path(id)).ok()
    }

    /// Removes everything, for a program that ends without dropping its values.
    pub fn close(&self) {
        // What cannot be removed now is in the system's temporary folder, which is emptied by the system.
        let _ = fs::remove_dir_all(self.folder.path());
    }

    /// Forgets a photo.
    pub fn remove(&self, id: PhotoId) {
        // A file that is not there is as good as removed, and the folder goes at the end anyway.
        let _ = fs::remove_file(self.path(id));
    }
}

/// The thumbnail of a photo, as JPEG.
pub fn thumbnail_jpeg(picture: &photo::Picture) -> Result<Vec<u8>, Problem> {
    jpeg(picture, THUMBNAIL_PX)
}

/// A picture large enough to fill a screen, as JPEG.
pub fn large_jpeg(picture: &photo::Picture) -> Result<Vec<u8>, Problem> {
    jpeg(picture, PICTURE_PX)
}

fn jpeg(picture: &photo::Picture, longest: usize) -> Result<Vec<u8>, Problem> {
    photo::jpeg_bytes(&picture.thumbnail(longest), QUALITY).map_err(|error| problem(&error))
}

/// A small picture cannot be made or kept.
pub fn problem(error: &(dyn std::error::Error + 'static)) -> Problem {
    let cause = chain(error);
    Problem::new(ProblemCode::Thumbnail, &[("cause", &cause)], format!("cannot make a small picture: {cause}"))
}
