//! A file becomes a picture: bytes are recognised by content, checked against limits, decoded and turned upright.
//!
//! A [`Picture`] keeps the colour mode that Pillow would give the file, because Pillow resizes in that mode and
//! [`crate::preprocess`] must do the same. Whatever cannot be shown whole is an error that says what to do:
//! nothing is guessed, and a file cut short is never half a picture. Here is the order in which a file is read:
//! [`open`] (the file system), [`decode`] (bytes), `format.rs` (which format), `source.rs` (decoders, and what a
//! header tells beyond the `image` crate), `exif.rs` (orientation, camera, time), `picture.rs` (levels).
//! Who needs less than every pixel asks for [`Detail::Enough`] and gets a large JPEG many times sooner: `detail.rs` (how
//! much is enough), `scaled.rs` (that decoder), `side.rs` (how the result lies on the full picture).

mod detail;
mod error;
mod exif;
mod format;
mod jpeg;
mod outline;
mod picture;
mod scaled;
mod side;
mod source;
mod tags;

pub use detail::Detail;
pub use error::{Cause, PhotoError};
pub use format::looks_like_photo;
pub use jpeg::{JpegError, jpeg_bytes};
pub use picture::{Mode, Picture};
pub(crate) use side::Side;

use format::{lowercase_extension, recognise};
use source::Source;
use std::fs::{self, File};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is refused before memory is taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest width × height.
    pub pixels: u64,
    /// Longest side, in pixels.
    pub side: u32,
    /// Largest file, in bytes.
    pub bytes: u64,
}

impl Default for Limits {
    /// 400 megapixels, which decode to 1.6 GB at most for 8-bit files; a million pixels a side; 2 GiB.
    fn default() -> Self {
        Self { pixels: 400_000_000, side: 1_000_000, bytes: 2 << 30 }
    }
}

/// An upright picture and what its file said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// The pixels.
    pub picture: Picture,
    /// The rest.
    pub facts: Facts,
}

/// What the numbers of a pixel mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColourModel {
    /// One of two.
    BlackAndWhite,
    /// Lightness alone.
    Grey,
    /// Red, green and blue.
    Rgb,
    /// Printing inks.
    Cmyk,
    /// Places in a table of colours.
    Palette,
    /// Something rarer.
    Other,
}

/// How a file stores colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// What the numbers mean.
    pub model: ColourModel,
    /// Bits of one number.
    pub bits: u8,
    /// Whether there is one for opacity too.
    pub alpha: bool,
}

/// What a file says about its picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Name of the format, found from content: "JPEG", "PNG", …
    pub format: &'static str,
    /// Columns after turning upright.
    pub width: usize,
    /// Rows after turning upright.
    pub height: usize,
    /// Size of the file.
    pub bytes: u64,
    /// Colours as stored.
    pub colour: Colour,
    /// EXIF orientation as stored, 1 to 8; it has already been applied.
    pub orientation: u8,
    /// Maker and model.
    pub camera: Option<String>,
    /// When the shutter opened by the camera's own clock, in milliseconds since 1970 if that clock were UTC.
    pub taken_ms: Option<i64>,
    /// When the file was last written, in milliseconds since 1970; only [`open`] knows it.
    pub modified_ms: Option<i64>,
}

/// A file as it was read, before it is decoded.
#[derive(Debug)]
pub struct FileBytes {
    /// All of it.
    pub bytes: Vec<u8>,
    /// When it was last written, as asked before it was read.
    pub modified: Option<SystemTime>,
    extension: Option<String>,
}

impl FileBytes {
    /// Reads a whole file, if it is one and not too large.
    pub fn read(path: &Path, limits: &Limits) -> Result<Self, PhotoError> {
        let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
        // Asked before opening: opening a named pipe would wait for ever.
        if !metadata.is_file() {
            return Err(PhotoError::NotAFile { path: path.into() });
        }
        if metadata.len() > limits.bytes {
            return Err(PhotoError::TooManyBytes { bytes: metadata.len(), limit: limits.bytes, path: path.into() });
        }
        let bytes = read(path, limits.bytes).map_err(|source| unreadable(path, source))?;
        Ok(Self { bytes, modified: metadata.modified().ok(), extension: lowercase_extension(path) })
    }

    /// The photo in it, with every pixel.
    pub fn decode(&self, limits: &Limits) -> Result<Photo, PhotoError> {
        self.decode_with(limits, Detail::Exact)
    }

    /// Bytes that decoding it takes, about; 0 for what is no photo.
    pub fn decoded_bytes(&self, limits: &Limits, detail: Detail) -> u64 {
        let Ok(format) = recognise(&self.bytes, self.extension.as_deref()) else { return 0 };
        let source = Source::new(format, &self.bytes);
        // As in decoding, a bug in a decoder costs one photo.
        catch_unwind(AssertUnwindSafe(|| source.decoded_bytes(limits, detail))).unwrap_or(0)
    }

    /// The photo in it, with as many pixels as are needed. Facts and errors do not depend on that.
    pub fn decode_with(&self, limits: &Limits, detail: Detail) -> Result<Photo, PhotoError> {
        let mut photo = decode_named(&self.bytes, self.extension.as_deref(), limits, detail)?;
        photo.facts.modified_ms = self.modified.and_then(milliseconds);
        Ok(photo)
    }
}

/// Reads a photo from disk, every pixel.
pub fn open(path: &Path, limits: &Limits) -> Result<Photo, PhotoError> {
    open_with(path, limits, Detail::Exact)
}

/// Reads a photo from disk, as many pixels as are needed.
pub fn open_with(path: &Path, limits: &Limits, detail: Detail) -> Result<Photo, PhotoError> {
    FileBytes::read(path, limits)?.decode_with(limits, detail)
}

/// Reads a photo from memory, every pixel.
/// Without a file name, camera RAW that poses as plain TIFF is known by its tags only.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Photo, PhotoError> {
    decode_with(bytes, limits, Detail::Exact)
}

/// Reads a photo from memory, as many pixels as are needed.
pub fn decode_with(bytes: &[u8], limits: &Limits, detail: Detail) -> Result<Photo, PhotoError> {
    decode_named(bytes, None, limits, detail)
}

fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A file may grow between the question for its size and now.
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `ErrorKind::FilesystemLoop` is not stable yet: ELOOP, or Windows' ERROR_CANT_RESOLVE_FILENAME.
const LINK_LOOP: i32 = if cfg!(windows) {
    1921
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    40
} else {
    62
};

fn unreadable(path: &Path, source: io::Error) -> PhotoError {
    let path = path.to_path_buf();
    let is_link = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
    match source.kind() {
        _ if source.raw_os_error() == Some(LINK_LOOP) => PhotoError::LinkLoop { path, source },
        io::ErrorKind::NotFound if is_link => PhotoError::BrokenLink { path, source },
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => PhotoError::NotFound { path, source },
        io::ErrorKind::PermissionDenied => PhotoError::Permission { path, source },
        _ => PhotoError::Unreadable { path, source },
    }
}

fn milliseconds(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

fn decode_named(bytes: &[u8], extension: Option<&str>, limits: &Limits, detail: Detail) -> Result<Photo, PhotoError> {
    let format = recognise(bytes, extension)?;
    let source = Source::new(format, bytes);
    // Decoders are fed hostile bytes; a bug in one must cost one photo, not the app.
    catch_unwind(AssertUnwindSafe(|| source.decode(limits, detail)))
        .unwrap_or_else(|_| Err(source.corrupt("the decoder gave up (panicked) on this file")))
}
