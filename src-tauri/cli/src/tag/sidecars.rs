//! `tag export` and `tag import`: tags to and from XMP sidecars.

use cliploupe_workbench::messages::{
    OnConflict, PathProblem, SidecarNaming, SidecarOptions, SidecarPlan, SidecarReading, SidecarReport,
};
use serde_json::json;

use crate::{
    Report,
    args::{Common, Naming, TagExport, TagImport, Winner},
    failure::Failed,
    opened::{Opened, Words, counted},
    places::chosen,
};

/// Writes sidecars, or says what it would write; where a conflict is left open, the work is not complete.
pub fn export(command: &TagExport, common: &Common) -> Result<Report, Failed> {
    let options = options(command)?;
    let opened = Opened::find(common, Words::default())?;
    let photos = chosen(&opened.bench, &command.paths)?;
    let photos = photos.as_deref();
    let report = match () {
        () if command.remove_suggestions => opened.bench.remove_machine_tags(photos)?,
        () if command.dry_run => opened.bench.plan_sidecars(photos, &options)?,
        () => opened.bench.write_sidecars(photos, &options)?,
    };
    let is_open = report.conflicts > 0 && options.on_conflict == OnConflict::Ask && !command.dry_run;
    let complete = report.failed.is_empty() && !is_open;
    Ok(opened.report(written(&report), json!(report), complete))
}

fn options(command: &TagExport) -> Result<SidecarOptions, Failed> {
    if command.root.trim().is_empty() {
        return Err(Failed::usage("--root is empty, so suggestions could not be told from tags"));
    }
    Ok(SidecarOptions {
        naming: match command.naming {
            Naming::NameExt => SidecarNaming::NameExt,
            Naming::Name => SidecarNaming::Name,
        },
        microsoft: command.microsoft,
        mediapro: command.mediapro,
        suggestions: command.suggestions,
        root: command.root.trim().to_owned(),
        on_conflict: match command.on_conflict {
            Winner::Ask => OnConflict::Ask,
            Winner::Library => OnConflict::Library,
            Winner::Sidecar => OnConflict::Sidecar,
            Winner::Union => OnConflict::Union,
        },
    })
}

fn written(report: &SidecarReport) -> String {
    let mut text: String = report.plans.iter().map(|plan| planned(plan, report.written)).collect();
    let unlisted = (report.changed as usize).saturating_sub(report.plans.len());
    if unlisted > 0 {
        text.push_str(&format!("and {} more\n", counted(unlisted, "sidecar")));
    }
    text.push_str(&failed(&report.failed));
    let changed = counted(report.changed as usize, "sidecar");
    let done = if report.written { "written" } else { "would change, and nothing was written" };
    text.push_str(&format!("{changed} {done}; {} as they should be", report.unchanged));
    if report.conflicts > 0 {
        let conflicts = counted(report.conflicts as usize, "conflict");
        text.push_str(&format!("; {conflicts}, see --on-conflict"));
    }
    text + "\n"
}

/// A sidecar: with its diff before it is written, by its name afterwards.
fn planned(plan: &SidecarPlan, is_written: bool) -> String {
    let mut text = if is_written || plan.diff.is_empty() { format!("{}\n", plan.path) } else { plan.diff.clone() };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    for conflict in &plan.conflicts {
        let (has, lacks) = if conflict.in_library { ("library", "sidecar") } else { ("sidecar", "library") };
        text.push_str(&format!("conflict: the {has} has {}, the {lacks} has not: {}\n", conflict.tag, plan.path));
    }
    text
}

fn failed(problems: &[PathProblem]) -> String {
    problems.iter().map(|failed| format!("failed: {}: {}\n", failed.path, failed.problem.message)).collect()
}

/// Takes over tags of sidecars and photos, or says what there is.
pub fn import(command: &TagImport, common: &Common) -> Result<Report, Failed> {
    let opened = Opened::find(common, Words::default())?;
    let photos = chosen(&opened.bench, &command.paths)?;
    let photos = photos.as_deref();
    let reading = match () {
        () if command.dry_run => opened.bench.plan_reading(photos)?,
        () => opened.bench.take_reading(photos, command.even_rejected)?,
    };
    let complete = reading.failed.is_empty();
    Ok(opened.report(read(&reading), json!(reading), complete))
}

fn read(reading: &SidecarReading) -> String {
    let mut text = String::new();
    for found in &reading.found {
        text.push_str(&format!("{}\n", found.path));
        text.extend(found.adds.iter().map(|tag| format!("  new       {tag}\n")));
        text.extend(found.rejected.iter().map(|tag| format!("  rejected  {tag}\n")));
    }
    let unlisted = (reading.photos as usize).saturating_sub(reading.found.len());
    if unlisted > 0 {
        text.push_str(&format!("and {} more\n", counted(unlisted, "photo")));
    }
    text.push_str(&failed(&reading.failed));
    let (tags, photos) = (counted(reading.tags as usize, "tag"), counted(reading.photos as usize, "photo"));
    let done = if reading.taken { "taken over" } else { "found, and nothing was taken over" };
    let sidecars = counted(reading.sidecars as usize, "sidecar");
    text + &format!("{tags} on {photos} {done}; {sidecars} read\n")
}
