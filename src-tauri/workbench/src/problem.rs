//! Errors of the engine as problems: a code that the interface has words for, and the English text.

use std::{collections::BTreeMap, path::Path};

use cliploupe_engine::{EncodeError, LoadError, chain, device::DeviceError, photo::PhotoError};

use crate::messages::{Problem, ProblemCode};

impl Problem {
    /// A problem whose English text is `message`.
    pub fn new(code: ProblemCode, params: &[(&str, &str)], message: impl Into<String>) -> Self {
        let params = params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { code, params, message: message.into() }
    }

    /// A bug: something that should have been impossible.
    pub fn internal(cause: &str) -> Self {
        Self::new(ProblemCode::Internal, &[("cause", cause)], format!("an internal error: {cause}"))
    }

    /// A file that cannot be read or written, at the path that says so.
    pub fn file(code: ProblemCode, doing: &str, path: &Path, error: &std::io::Error) -> Self {
        let (path, cause) = (path.display().to_string(), error.to_string());
        Self::new(code, &[("path", &path), ("cause", &cause)], format!("{doing} {path:?}: {cause}"))
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// Why `path` gave no picture.
pub fn of_photo(error: &PhotoError, path: &Path) -> Problem {
    let mut params = BTreeMap::from([("path".to_owned(), path.display().to_string())]);
    let mut set = |key: &str, value: String| {
        params.insert(key.to_owned(), value);
    };
    let code = match error {
        PhotoError::NotFound { .. } => ProblemCode::NotFound,
        PhotoError::BrokenLink { .. } => ProblemCode::BrokenLink,
        PhotoError::LinkLoop { .. } => ProblemCode::LinkLoop,
        PhotoError::Permission { .. } => ProblemCode::Permission,
        PhotoError::Unreadable { source, .. } => {
            set("cause", source.to_string());
            ProblemCode::Unreadable
        }
        PhotoError::NotAFile { .. } | PhotoError::TooManyBytes { .. } | PhotoError::TooMuchMemory { .. } => {
            set("cause", error.to_string());
            ProblemCode::Unreadable
        }
        PhotoError::EmptyFile => ProblemCode::EmptyFile,
        PhotoError::UnknownFormat => ProblemCode::UnknownFormat,
        PhotoError::UnsupportedFormat { format } | PhotoError::UnsupportedKind { format, .. } => {
            set("format", (*format).to_string());
            ProblemCode::UnsupportedFormat
        }
        PhotoError::Corrupt { format, source } => {
            set("format", (*format).to_string());
            set("cause", source.to_string());
            ProblemCode::Corrupt
        }
        PhotoError::TooManyPixels { width, height, limit } => {
            let megapixels = |pixels: u64| (pixels / 1_000_000).to_string();
            set("width", width.to_string());
            set("height", height.to_string());
            set("megapixels", megapixels(u64::from(*width) * u64::from(*height)));
            set("limitMegapixels", megapixels(*limit));
            ProblemCode::TooManyPixels
        }
        PhotoError::TooLong { .. } => {
            set("cause", error.to_string());
            ProblemCode::Unreadable
        }
    };
    Problem { code, params, message: format!("{}. {}", chain(error), error.remedy()) }
}

/// Why a checkpoint was refused.
pub fn of_load(error: &LoadError) -> Problem {
    let (code, path) = match error {
        LoadError::NotACheckpoint { path, .. } | LoadError::Read { path, .. } => (ProblemCode::ModelFolder, Some(path)),
        LoadError::Config { path, .. } | LoadError::Impossible { path, .. } | LoadError::Preprocess { path, .. } => {
            (ProblemCode::ModelConfig, Some(path))
        }
        LoadError::Unsupported { path, .. } => (ProblemCode::ModelUnsupported, Some(path)),
        LoadError::Header { path, .. }
        | LoadError::PyTorch { path, .. }
        | LoadError::MissingTensor { path, .. }
        | LoadError::UnknownTensors { path, .. }
        | LoadError::Shape { path, .. }
        | LoadError::Dtype { path, .. }
        | LoadError::NotFinite { path, .. } => (ProblemCode::ModelTensors, Some(path)),
        LoadError::Tokenizer(_) => (ProblemCode::ModelConfig, None),
    };
    let message = chain(error);
    let path = path.map(|path| path.display().to_string()).unwrap_or_default();
    Problem::new(code, &[("path", &path), ("cause", &message)], message.clone())
}

/// Why a text cannot be encoded.
pub fn of_encode(error: &EncodeError) -> Problem {
    let cause = chain(error);
    Problem::new(ProblemCode::ModelConfig, &[("path", ""), ("cause", &cause)], cause.clone())
}

/// Why a device cannot be used.
pub fn of_device(error: &DeviceError, asked: &str) -> Problem {
    let message = chain(error);
    Problem::new(ProblemCode::Device, &[("device", asked), ("cause", &message)], message.clone())
}
