//! Tags, suggestions and steps in words and columns.

use cliploupe_workbench::messages::{PhotoDetails, ReviewLabel, StepDone};

use super::decided;
use crate::opened::counted;

/// Labels with what was decided about them.
pub fn labels(labels: &[ReviewLabel]) -> String {
    if labels.is_empty() {
        return "no label was decided about or is suggested\n".into();
    }
    let width = labels.iter().map(|label| label.label.chars().count()).max().unwrap_or(0).max("label".len());
    let mut text = format!("{:<width$} accepted rejected  waiting  from\n", "label");
    for label in labels {
        let by = label.threshold_by.as_deref().map(|by| format!(" ({by})")).unwrap_or_default();
        text.push_str(&format!(
            "{:<width$} {:>8} {:>8} {:>8}  {:.2}{by}\n",
            label.label, label.accepted, label.rejected, label.waiting, label.threshold
        ));
    }
    text
}

/// A photo with its labels.
pub fn photo(details: &PhotoDetails) -> String {
    let mut text = format!("{}\n", details.path);
    for (what, accepted) in [("tag", true), ("rejected", false)] {
        for label in decided(&details.decisions, accepted) {
            text.push_str(&format!("  {what:<9} {label}\n"));
        }
    }
    for suggested in &details.suggestions {
        text.push_str(&format!("  {:<9} {} {:.1} %\n", "suggested", suggested.label, suggested.by.probability * 100.0));
    }
    text
}

/// A step that was taken back or done again.
pub fn step(step: &StepDone, done: &str) -> String {
    let label = step.step.label.as_ref().map(|label| format!(" {label}")).unwrap_or_default();
    let mut text = format!("{done}: {}{label} on {}\n", step.step.kind, counted(step.step.photos as usize, "photo"));
    if step.skipped > 0 {
        let skipped = counted(step.skipped as usize, "photo");
        text.push_str(&format!("{skipped} left as decided later\n"));
    }
    text
}
