//! What goes wrong on a device, and what it means for whoever wanted an answer.
//!
//! burn gives errors as text, or panics with it where an operation cannot return any. Which of the three it is decides
//! what helps: less at once, another device, or nothing.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Why a device gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComputeError {
    /// It has no memory left for this; it may have for less.
    #[error("it ran out of memory ({0})")]
    OutOfMemory(String),
    /// The driver has taken it away: nothing on it can be used any more.
    #[error("it was lost ({0})")]
    Lost(String),
    /// Something else.
    #[error("{0}")]
    Failed(String),
}

impl ComputeError {
    /// What burn, cubecl or wgpu said.
    pub fn of_text(text: &str) -> Self {
        let lower = text.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let cause = short(text);
        if says(&["out of memory", "outofmemory", "out of device memory", "out-of-memory", "not enough memory"]) {
            Self::OutOfMemory(cause)
        } else if says(&[
            "poisoned",
            "device lost",
            "device is lost",
            "device was lost",
            "devicelost",
            "async map a buffer",
        ]) {
            // Reading from a device that has gone fails in that last way, before wgpu has told that it has gone.
            Self::Lost(cause)
        } else {
            Self::Failed(cause)
        }
    }
}

/// The part of a long report that a person can use: backtraces follow, and burn wraps the cause into titles.
fn short(text: &str) -> String {
    const LONGEST: usize = 240;
    let is_title =
        |line: &&str| !line.is_empty() && !line.ends_with("Caused by:") && !line.starts_with("An error happened");
    let line = text.lines().map(str::trim).find(is_title).unwrap_or(text.trim());
    line.chars().take(LONGEST).collect()
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "a panic".into())
}

/// Does something on a device; what panics there is an error.
pub fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, ComputeError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| ComputeError::of_text(&panic_text(&*panic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_libraries_say_is_told_apart() {
        for text in [
            "out of device memory allocating 4096 bytes\nbacktrace",
            "wgpu error: Out of Memory",
            "An error happened during execution\nCaused by:\n  An out-of-memory error happened during launch",
        ] {
            assert!(matches!(ComputeError::of_text(text), ComputeError::OutOfMemory(_)), "{text}");
        }
        for text in [
            "The device is poisoned\nCaused by:\n  Destroyed: Device destroyed",
            "the device gives its values back: Execution(DevicePoisoned { reason: \"Unknown\" })",
            "Parent device is lost",
            "Read(\"the staging buffer could not be mapped: Error occurred when trying to async map a buffer\")",
        ] {
            assert!(matches!(ComputeError::of_text(text), ComputeError::Lost(_)), "{text}");
        }
        assert!(matches!(ComputeError::of_text("a shader was refused"), ComputeError::Failed(_)));
    }

    #[test]
    fn the_cause_is_said_without_titles_and_backtraces() {
        let text = "An error happened during execution\nCaused by:\n  the shader is too large\n  at frame 1";
        assert_eq!(ComputeError::of_text(text), ComputeError::Failed("the shader is too large".into()));
    }

    #[test]
    fn a_panic_is_an_error_and_an_answer_an_answer() {
        assert_eq!(attempt(|| 7), Ok(7));
        assert!(matches!(attempt::<()>(|| panic!("out of memory: {}", 3)), Err(ComputeError::OutOfMemory(_))));
    }
}
