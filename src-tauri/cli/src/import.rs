//! `import`: adds photos to the library. It can be stopped anywhere and asked for again.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
};

use serde_json::json;

use crate::{
    Report,
    args::{Common, Import},
    failure::Failed,
    label::wait,
    opened::{Opened, Words, counted, folder},
    places::absolute,
};

pub fn run(command: &Import, common: &Common) -> Result<Report, Failed> {
    if let Some(file) = command.paths.iter().find(|path| command.watch && !path.is_dir()) {
        return Err(Failed::usage(format!("only folders can be watched, and this is none: {file:?}")));
    }
    let opened = Opened::find_or_make(common, Words::default())?;
    // The program has no handler for Ctrl-C: whenever it ends, what has been noted is on the disk.
    if !common.quiet && io::stderr().is_terminal() {
        eprintln!("importing into {}; Ctrl-C stops, and importing again goes on from there", folder(common)?.display());
    }
    // A model that is not there is said before anything is done.
    opened.ready(common.quiet)?;
    opened.bench.add_paths(command.paths.clone());
    wait(&opened.bench, common.quiet);
    if command.watch {
        command.paths.iter().try_for_each(|folder| opened.bench.watch_folder(&absolute(folder)).map(drop))?;
        wait(&opened.bench, common.quiet);
    }
    Ok(report(&opened, Some(&command.paths)))
}

/// What came of looking for photos, and those that failed: below these paths, or anywhere.
pub fn report(opened: &Opened, paths: Option<&[PathBuf]>) -> Report {
    let counts = opened.bench.import_counts();
    let paths: Option<Vec<PathBuf>> = paths.map(|paths| paths.iter().map(|path| absolute(path)).collect());
    let is_asked_for = |id| match (&paths, opened.bench.path(id)) {
        (Some(paths), Some(path)) => paths.iter().any(|asked| path.starts_with(asked)),
        _ => true,
    };
    let failures = opened.bench.snapshot().failures.into_iter().filter(|failure| is_asked_for(failure.id));
    let failures: Vec<_> =
        failures.map(|failure| json!({ "path": failure.path, "error": failure.problem.message })).collect();
    let rows = [
        ("added", counts.added),
        ("unchanged", counts.unchanged),
        ("moved", counts.moved),
        ("duplicates", counts.duplicates),
        ("changed", counts.changed),
        ("returned", counts.returned),
    ];
    let mut json = json!({ "failed": failures.len(), "failures": failures });
    let mut said = Vec::new();
    for (name, count) in rows {
        json[name] = json!(count);
        // The first two are always of interest.
        if count > 0 || said.len() < 2 {
            said.push(format!("{count} {name}"));
        }
    }
    let mut text = format!("{}\n", said.join(", "));
    for failure in &failures {
        let [path, error] = ["path", "error"].map(|key| failure[key].as_str().unwrap_or(""));
        text.push_str(&format!("failed: {path}: {error}\n"));
    }
    if !failures.is_empty() {
        text.push_str(&format!("{} could not be read\n", counted(failures.len(), "file")));
    }
    opened.report(text, json, failures.is_empty())
}
