//! Why a file is no picture, and what the reader of the message can do about it.
//! Who says so: `mod.rs` (the file system), `format.rs` (what is no photo), `source.rs` (what is damaged or too large).

use std::io;
use std::path::PathBuf;

/// Why a file is no picture here.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// Nothing has this name.
    #[error("cannot open a photo that does not exist: {path:?}")]
    NotFound {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A link whose target was moved or deleted.
    #[error("cannot follow a link whose target is gone: {path:?}")]
    BrokenLink {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Links that lead to one another.
    #[error("cannot follow links that lead round in a circle: {path:?}")]
    LinkLoop {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The user may not read it.
    #[error("not allowed to read {path:?}")]
    Permission {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk or the network failed.
    #[error("cannot read {path:?}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("expected a photo but found a folder or a device: {path:?}")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The file is beyond [`Limits::bytes`](super::Limits::bytes).
    #[error("cannot read a file of {bytes} bytes, the limit is {limit}: {path:?}")]
    TooManyBytes {
        /// Size of the file.
        bytes: u64,
        /// What would be accepted.
        limit: u64,
        /// The file.
        path: PathBuf,
    },
    /// Zero bytes.
    #[error("cannot decode an empty file")]
    EmptyFile,
    /// No known mark at the beginning, whatever the extension says.
    #[error("cannot tell what the file is: its content matches no picture format")]
    UnknownFormat,
    /// A format that is known but not decoded here.
    #[error("cannot decode {format}")]
    UnsupportedFormat {
        /// Its name.
        format: &'static str,
    },
    /// A rare variety of a format that is otherwise decoded.
    #[error("cannot decode this kind of {format}")]
    UnsupportedKind {
        /// Its name.
        format: &'static str,
        /// What the decoder said.
        source: Cause,
    },
    /// Cut short, or altered.
    #[error("cannot decode a damaged {format}")]
    Corrupt {
        /// Its name.
        format: &'static str,
        /// What the decoder said.
        source: Cause,
    },
    /// The picture is beyond [`Limits::pixels`](super::Limits::pixels).
    #[error("cannot decode a picture of {width} × {height} pixels, the limit is {limit} pixels")]
    TooManyPixels {
        /// Columns that the header claims.
        width: u32,
        /// Rows that the header claims.
        height: u32,
        /// What would be accepted.
        limit: u64,
    },
    /// The picture is beyond [`Limits::side`](super::Limits::side).
    #[error("cannot decode a picture of {width} × {height} pixels, the limit is {limit} pixels a side")]
    TooLong {
        /// Columns that the header claims.
        width: u32,
        /// Rows that the header claims.
        height: u32,
        /// What would be accepted.
        limit: u32,
    },
    /// Tables inside the file are larger than any honest picture's.
    #[error("cannot decode a {format} that asks for more memory than its size explains")]
    TooMuchMemory {
        /// Its name.
        format: &'static str,
        /// What the decoder said.
        source: Cause,
    },
}

/// Any error below [`PhotoError`]: the decoders have one type each.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl PhotoError {
    /// What the reader of the message can do now.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "Check the name, or scan the folder again if the photo was moved.",
            Self::BrokenLink { .. } | Self::LinkLoop { .. } => "Delete the link or point it at the photo.",
            Self::Permission { .. } => "Give your user the right to read this file and its folders.",
            Self::Unreadable { .. } => "Check that the disk or network share is connected, then try again.",
            Self::NotAFile { .. } => "Choose a photo; to take a whole folder, add it as a folder.",
            Self::EmptyFile => "Copy or download the photo again: nothing was written into this file.",
            Self::UnknownFormat => "Open it in another program to find out what it is; its extension may be wrong.",
            Self::UnsupportedFormat { .. } | Self::UnsupportedKind { .. } => {
                "Export it as JPEG, PNG, WebP or 8-bit or 16-bit TIFF in another program and add that file."
            }
            Self::Corrupt { .. } => "Copy or download the photo again, or restore it from a backup.",
            Self::TooManyBytes { .. }
            | Self::TooManyPixels { .. }
            | Self::TooLong { .. }
            | Self::TooMuchMemory { .. } => "Make a smaller copy in another program and add that file.",
        }
    }
}
