//! A photo's file, as the library wants it read: once, for its identity, its thumbnail, its look and its pixels.

use std::{ops::Deref, path::Path};

use cliploupe_engine::photo::{Facts, FileBytes, Limits, Photo, PhotoError};
use cliploupe_library::{Identity, identity::identity, import::FoundFile, look::Look, thumbnails::Thumbnails};

use crate::{
    messages::Problem,
    problem::of_photo,
    shelf::{found_file, of_library},
    thumbnails::thumbnail_jpeg,
};

/// What was found in a photo's file.
pub struct BeenRead {
    /// Where it lies.
    pub file: FoundFile,
    /// What it is made of.
    pub identity: Identity,
    /// What the decoder found.
    pub facts: Facts,
    /// Checksum of its thumbnail.
    pub thumbnail_crc: u32,
    /// What its thumbnail looks like.
    pub look: Option<[u8; 8]>,
}

/// Reads a photo and keeps its thumbnail. What `decode` makes of its bytes comes back too.
pub fn read_file<P: Deref<Target = Photo>>(
    path: &Path,
    thumbnails: &Thumbnails,
    decode: impl FnOnce(&FileBytes) -> Result<P, PhotoError>,
) -> Result<(BeenRead, P), Problem> {
    let failed = |error| of_photo(&error, path);
    let file = found_file(path).map_err(|_| unreadable(path))?;
    let bytes = FileBytes::read(path, &Limits::default()).map_err(failed)?;
    let identity = identity(&bytes.bytes);
    let photo = decode(&bytes).map_err(failed)?;
    drop(bytes);
    let jpeg = thumbnail_jpeg(&photo.picture)?;
    let thumbnail_crc = thumbnails.keep(&identity, &jpeg).map_err(|error| of_library(&error))?;
    Ok((BeenRead { file, identity, facts: photo.facts.clone(), thumbnail_crc, look: look_of(&jpeg) }, photo))
}

/// What a thumbnail looks like. One that was just made can be read; a photo without is compared by its embedding alone.
pub fn look_of(jpeg: &[u8]) -> Option<[u8; 8]> {
    Look::of_jpeg(jpeg).ok().map(Look::to_bytes)
}

/// Why a file cannot even be looked at.
pub fn unreadable(path: &Path) -> Problem {
    match FileBytes::read(path, &Limits::default()) {
        Err(error) => of_photo(&error, path),
        Ok(_) => Problem::internal("a file could not be read at first, and then could"),
    }
}
