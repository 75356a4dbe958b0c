//! `library`: what is in it, whether it is sound, what lies twice in it, and the folders that are watched.

use cliploupe_workbench::messages::{CheckReport, LibraryState, NearGroup, NearKind, NearReport, Outlier};
use serde_json::json;

use crate::{
    Report,
    args::{Common, LibraryCheck, LibraryCommand, LibraryFolder, LibraryNear, LibraryOutliers},
    failure::Failed,
    import,
    label::wait,
    opened::{Opened, Words, counted},
    places::absolute,
};

pub fn run(command: &LibraryCommand, common: &Common) -> Result<Report, Failed> {
    match command {
        LibraryCommand::Info => info(common),
        LibraryCommand::Check(command) => check(command, common),
        LibraryCommand::Near(command) => near(command, common),
        LibraryCommand::Outliers(command) => outliers(command, common),
        LibraryCommand::Watch(command) => watch(command, common),
        LibraryCommand::Unwatch(command) => unwatch(command, common),
        LibraryCommand::Rescan => rescan(common),
    }
}

fn info(common: &Common) -> Result<Report, Failed> {
    let opened = Opened::find(common, Words::default())?;
    let state = opened.bench.library_state()?;
    Ok(opened.report(described(&state), json!(state), true))
}

fn described(state: &LibraryState) -> String {
    let mut text = format!("{}\n", state.path);
    if let Some(reason) = &state.read_only {
        text.push_str(&format!("  can only be read: {reason}\n"));
    }
    let rows = [
        ("photos", state.photos),
        ("files", state.files),
        ("missing", state.missing),
        ("failed", state.failed),
        ("tags", state.tags),
        ("marked", state.marked),
    ];
    text.extend(rows.map(|(name, count)| format!("  {name:<8} {count:>9}\n")));
    text.push_str(&format!("  {:<8} {:>9} MB\n", "size", state.bytes.div_ceil(1_000_000)));
    for folder in &state.watched {
        let there = if folder.present { "" } else { ", which is not there now" };
        text.push_str(&format!("  watched  {} ({}{there})\n", folder.path, counted(folder.photos as usize, "photo")));
    }
    text
}

/// Checks, and repairs if asked; what is left makes the exit code 1.
fn check(command: &LibraryCheck, common: &Common) -> Result<Report, Failed> {
    let opened = Opened::find(common, Words::default())?;
    let report = match () {
        // What was made again was found by reading everything.
        () if command.repair => {
            let report = opened.bench.repair_library()?;
            opened.ready(common.quiet)?;
            report
        }
        () => opened.bench.check_library(command.deep)?,
    };
    let is_left =
        if report.repaired { report.findings.iter().any(|finding| !finding.repairable) } else { report.total > 0 };
    Ok(opened.report(checked(&report), json!(report), !is_left))
}

fn checked(report: &CheckReport) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let what = match (finding.repairable, report.repaired) {
            (true, true) => "repaired",
            (true, false) => "repairable",
            (false, _) => "not repairable",
        };
        text.push_str(&format!("{what}: {}: {}\n", finding.what, finding.path));
    }
    let unlisted = (report.total as usize).saturating_sub(report.findings.len());
    if unlisted > 0 {
        text.push_str(&format!("and {unlisted} more\n"));
    }
    let found = if report.total == 0 { "nothing wrong".into() } else { counted(report.total as usize, "finding") };
    text.push_str(&format!("{} looked at: {found}\n", counted(report.checked as usize, "thing")));
    if report.findings.iter().any(|finding| finding.repairable) && !report.repaired {
        text.push_str("`cliploupe-cli library check --repair` makes again what is repairable\n");
    }
    text
}

fn near(command: &LibraryNear, common: &Common) -> Result<Report, Failed> {
    if !(-1.0..=1.0).contains(&command.min_cosine) {
        return Err(Failed::usage(format!("a cosine is between -1 and 1, not {}", command.min_cosine)));
    }
    let opened = Opened::find(common, Words::default())?;
    opened.ready(common.quiet)?;
    let report = opened.bench.near_duplicates(command.min_cosine)?;
    Ok(opened.report(grouped(&report), json!(report), true))
}

fn grouped(report: &NearReport) -> String {
    let mut text: String = report.groups.iter().map(group).collect();
    let unlisted = (report.total as usize).saturating_sub(report.groups.len());
    if unlisted > 0 {
        text.push_str(&format!("and {} more\n", counted(unlisted, "group")));
    }
    let compared = counted(report.compared as usize, "photo");
    text + &format!("{} among {compared}\n", counted(report.total as usize, "group"))
}

/// A group, the photo to keep first.
fn group(group: &NearGroup) -> String {
    let kind = match group.kind {
        NearKind::SameContent => "the same content",
        NearKind::NearDuplicate => "near duplicates",
        NearKind::Similar => "similar",
    };
    let mut text = format!("{kind}\n");
    for photo in &group.photos {
        let keep = if photo.keep { "keep" } else { "" };
        let marked = if photo.marked { "  marked" } else { "" };
        text.push_str(&format!(
            "  {keep:<4} {:.3} {:>2} bits {:>5}×{:<5} {:>10} bytes  {}{marked}\n",
            photo.cosine, photo.look_distance, photo.width, photo.height, photo.bytes, photo.path
        ));
    }
    text
}

fn outliers(command: &LibraryOutliers, common: &Common) -> Result<Report, Failed> {
    if command.top == 0 {
        return Err(Failed::usage("--top must be at least 1"));
    }
    let opened = Opened::find(common, Words::default())?;
    opened.ready(common.quiet)?;
    let outliers = opened.bench.outliers(command.top)?;
    let path = |outlier: &Outlier| opened.bench.path(outlier.id).unwrap_or_default().display().to_string();
    let line = |outlier: &Outlier| {
        let Outlier { similarity, deviations, .. } = outlier;
        format!("{similarity:6.3} {deviations:5.1} σ  {}\n", path(outlier))
    };
    let mut text: String = outliers.iter().map(line).collect();
    text.push_str(&format!("{}, the least like their ten nearest first\n", counted(outliers.len(), "photo")));
    let rows: Vec<_> = outliers
        .iter()
        .map(|outlier| {
            let mut row = json!(outlier);
            row["path"] = json!(path(outlier));
            row
        })
        .collect();
    Ok(opened.report(text, json!({ "outliers": rows }), true))
}

fn watch(command: &LibraryFolder, common: &Common) -> Result<Report, Failed> {
    if !command.folder.is_dir() {
        return Err(Failed::usage(format!("only folders can be watched, and this is none: {:?}", command.folder)));
    }
    let opened = Opened::find_or_make(common, Words::default())?;
    opened.ready(common.quiet)?;
    opened.bench.watch_folder(&absolute(&command.folder))?;
    wait(&opened.bench, common.quiet);
    Ok(import::report(&opened, Some(std::slice::from_ref(&command.folder))))
}

fn unwatch(command: &LibraryFolder, common: &Common) -> Result<Report, Failed> {
    let opened = Opened::find(common, Words::default())?;
    let folder = absolute(&command.folder);
    let shown = folder.display().to_string();
    if !opened.bench.library_state()?.watched.iter().any(|watched| watched.path == shown) {
        return Err(Failed::work(format!(
            "this folder is not watched. `cliploupe-cli library info` lists those that are: {folder:?}"
        )));
    }
    opened.bench.unwatch_folder(&folder)?;
    Ok(opened.report(format!("not watched any longer: {shown}\n"), json!({ "unwatched": shown }), true))
}

fn rescan(common: &Common) -> Result<Report, Failed> {
    let opened = Opened::find(common, Words::default())?;
    opened.ready(common.quiet)?;
    opened.bench.rescan()?;
    wait(&opened.bench, common.quiet);
    Ok(import::report(&opened, None))
}
