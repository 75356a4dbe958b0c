//! The system's file dialogs, answered by keyboard as a person could.

use std::{path::Path, process::Command, thread::sleep, time::Duration};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Types `path` into the dialog whose title holds `title`, and confirms it.
pub fn answer(title: &str, path: &Path) -> Result<()> {
    let mut tries = 0..50;
    let window = loop {
        match xdotool(&["search", "--onlyvisible", "--name", title]) {
            Ok(found) if !found.trim().is_empty() => break found.lines().next().unwrap_or_default().to_owned(),
            _ if tries.next().is_none() => return Err(format!("no dialog {title:?} has appeared").into()),
            _ => sleep(Duration::from_millis(200)),
        }
    };
    sleep(Duration::from_millis(700));
    // There is no window manager that would give it the keyboard.
    xdotool(&["windowfocus", "--sync", &window])?;
    sleep(Duration::from_millis(300));
    xdotool(&["key", "--clearmodifiers", "ctrl+a"])?;
    xdotool(&["type", "--delay", "15", &path.display().to_string()])?;
    sleep(Duration::from_millis(500));
    xdotool(&["key", "Return"])?;
    sleep(Duration::from_millis(500));
    Ok(())
}

/// Runs xdotool; what it printed.
pub fn xdotool(args: &[&str]) -> Result<String> {
    let output = Command::new("xdotool").args(args).output()?;
    if !output.status.success() {
        return Err(format!("xdotool {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
