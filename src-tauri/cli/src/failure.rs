//! Errors at the edge: one line, and an exit code.

use cliploupe_workbench::{
    engine::{EncodeError, LoadError, chain, device::DeviceError, photo::PhotoError},
    library::LibraryError,
    messages::Problem,
};

/// Why a command did nothing at all.
pub struct Failed {
    pub message: String,
    pub exit_code: u8,
}

impl Failed {
    /// The work could not be done.
    pub fn work(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: 1 }
    }

    /// What was asked for makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: 2 }
    }
}

impl From<LoadError> for Failed {
    fn from(error: LoadError) -> Self {
        Self::work(chain(&error))
    }
}

impl From<EncodeError> for Failed {
    fn from(error: EncodeError) -> Self {
        Self::work(chain(&error))
    }
}

impl From<LibraryError> for Failed {
    fn from(error: LibraryError) -> Self {
        Self::work(chain(&error))
    }
}

impl From<DeviceError> for Failed {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Unknown { .. } => Self::usage(chain(&error)),
            _ => Self::work(chain(&error)),
        }
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::work(problem.message)
    }
}

/// A photo's error with its remedy, as the JSON's `error`.
pub fn photo_message(error: &PhotoError) -> String {
    format!("{}. {}", chain(error), error.remedy())
}
