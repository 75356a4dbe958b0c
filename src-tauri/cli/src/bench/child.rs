//! A part that is measured in a process of its own.

use std::process::Command;

use serde_json::Value;

use super::{Made, Part};
use crate::{args::Common, failure::Failed};

/// What was measured, and what failed meanwhile. The process gets the same options as this one, and which part is its.
pub fn measure(
    index: usize,
    part: &Part,
    made: Option<&Made>,
    common: &Common,
) -> Result<(Vec<Value>, Vec<Value>), Failed> {
    let failed = |cause: String| Failed::work(format!("cannot measure {}: {cause}", part.section.name()));
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).args(["--part", &index.to_string()]);
    if let Some(made) = made {
        command.arg("--made").arg(&made.folder);
    }
    if !common.json {
        command.arg("--json");
    }
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().trim_start_matches("error: ");
        return Err(failed(if said.is_empty() { format!("it ended with {}", output.status) } else { said.to_owned() }));
    };
    let list = |key: &str| report[key].as_array().cloned().unwrap_or_default();
    Ok((list("models"), list("failed")))
}
