//! ExifTool, the most thorough reader and writer of metadata there is. It is among the packages that the tests require, so
//! that it is missing is a failure.

use serde_json::Value;
use std::{path::Path, process::Command};

/// Runs ExifTool with arguments on files; what it wrote, and a panic where it failed.
pub fn exiftool(arguments: &[&str], files: &[&Path]) -> String {
    let mut command = Command::new("exiftool");
    let output = command.args(["-q", "-overwrite_original"]).args(arguments).args(files).output();
    let output = output.expect("exiftool runs (package libimage-exiftool-perl)");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "exiftool {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// All XMP that a file has, by group and tag, as ExifTool understands it.
pub fn xmp_of(file: &Path) -> serde_json::Map<String, Value> {
    let text = exiftool(&["-j", "-G1", "-struct", "-XMP:all"], &[file]);
    let mut files: Vec<serde_json::Map<String, Value>> = serde_json::from_str(&text).unwrap();
    let mut tags = files.remove(0);
    tags.remove("SourceFile");
    // How it was written, not what it says.
    tags.remove("XMP-x:XMPToolkit");
    tags
}
