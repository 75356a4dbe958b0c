//! What can go wrong between a checkpoint on disk and a tower in memory.

use std::path::PathBuf;

use crate::{pytorch::PyTorchError, tokenizer::TokenizerError};

/// A checkpoint that was refused, and why. Nothing of it is used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The path has no checkpoint in a layout that we know.
    #[error("found no checkpoint at {path:?}: {reason}")]
    NotACheckpoint {
        /// What was missing.
        reason: &'static str,
        /// The folder or file that was given.
        path: PathBuf,
    },
    /// A file of the checkpoint cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A configuration file is not the JSON we expect; serde names the key.
    #[error("cannot use the configuration {section} of {path:?}")]
    Config {
        /// The part of the file, such as `model_cfg.vision_cfg`.
        section: &'static str,
        /// The file.
        path: PathBuf,
        /// Names the unknown, missing or ill-typed key.
        source: serde_json::Error,
    },
    /// A configuration value that is well-formed but impossible, such as a width that heads do not divide.
    #[error("the configuration asks for {what}, in {path:?}")]
    Impossible {
        /// The key and its value.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// A configuration that is valid for open_clip or transformers but that Cliploupe does not compute.
    #[error("{what} is not supported, asked for in {path:?}")]
    Unsupported {
        /// The key and its value.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// The safetensors header does not describe the file that follows it.
    #[error("the safetensors header is wrong ({reason}) in {path:?}")]
    Header {
        /// What does not fit.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// A PyTorch file was refused. Nothing in it was run.
    #[error("cannot use the PyTorch checkpoint {path:?}")]
    PyTorch {
        /// The file.
        path: PathBuf,
        /// What was found in it.
        source: PyTorchError,
    },
    /// A tensor the towers need is not in the file.
    #[error("tensor {name:?} is missing from {path:?}")]
    MissingTensor {
        /// The name in the file's own layout.
        name: String,
        /// The weights file.
        path: PathBuf,
    },
    /// Tensors are left over: the file is of another architecture than its configuration.
    #[error("{} tensor(s) are not part of this architecture, the first is {:?}, in {path:?}", names.len(), names[0])]
    UnknownTensors {
        /// Every left-over name, sorted; never empty.
        names: Vec<String>,
        /// The weights file.
        path: PathBuf,
    },
    /// A tensor has another shape than the configuration implies.
    #[error("tensor {name:?} has shape {found:?}, but the configuration implies {expected:?}, in {path:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Outermost axis first.
        expected: Vec<usize>,
        /// Outermost axis first.
        found: Vec<usize>,
        /// The weights file.
        path: PathBuf,
    },
    /// A tensor is stored in a type that weights never have.
    #[error("tensor {name:?} is stored as {dtype}, but weights are f32, f16 or bf16, in {path:?}")]
    Dtype {
        /// The tensor.
        name: String,
        /// The stored type.
        dtype: String,
        /// The weights file.
        path: PathBuf,
    },
    /// A tensor holds NaN or infinity: every answer of the model would be NaN.
    #[error("tensor {name:?} holds {count} value(s) that are not finite numbers, in {path:?}")]
    NotFinite {
        /// The tensor.
        name: String,
        /// How many values.
        count: usize,
        /// The weights file.
        path: PathBuf,
    },
    /// The tokenizer of the checkpoint cannot be used.
    #[error("cannot use the tokenizer of the checkpoint")]
    Tokenizer(#[from] TokenizerError),
    /// The preprocessing of the checkpoint cannot be used.
    #[error("cannot use the preprocessing of the checkpoint in {path:?}")]
    Preprocess {
        /// The file.
        path: PathBuf,
        /// Names the key.
        source: crate::preprocess::ConfigError,
    },
}

/// `error`, followed by each of its causes: the one line that a person reads.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some libraries repeat the cause in their own message.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
