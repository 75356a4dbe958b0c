//! A library that is open behind a workbench, as every command about one has it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use cliploupe_workbench::{
    LibraryPlace, Options, Workbench, default_library,
    library::{Library, LibraryError, Open},
    messages::{LabelSettings, Problem, WorkbenchEvent},
    settings::{self, Settings, default_labels},
};
use serde_json::{Value, json};

use crate::{
    Report,
    args::Common,
    failure::Failed,
    label::{check_engine, label_list, templates, wait},
    setup::options,
};

/// A library that is open.
pub struct Opened {
    pub bench: Workbench,
    heard: Arc<Mutex<Vec<Problem>>>,
}

/// What a command has to say to the text tower. Without labels none is encoded, which saves a start its longest part.
#[derive(Default)]
pub struct Words {
    pub language: Option<String>,
    pub labels: Option<LabelSettings>,
}

impl Opened {
    /// The library that the options name, which must be there: a mistyped folder is no new library.
    pub fn find(common: &Common, words: Words) -> Result<Self, Failed> {
        let folder = folder(common)?;
        let found = Library::open(&folder, Open { create: false, read_only: true });
        if let Err(LibraryError::NotALibrary { .. }) = found {
            return Err(Failed::work(format!(
                "there is no library. `cliploupe-cli import PATH` makes one, and --library DIR names another one: {folder:?}"
            )));
        }
        drop(found);
        Self::open(folder, common, words)
    }

    /// The library that the options name, which is made if it is not there.
    pub fn find_or_make(common: &Common, words: Words) -> Result<Self, Failed> {
        Self::open(folder(common)?, common, words)
    }

    /// The library in a folder, which is made if it is not there.
    pub fn open(folder: PathBuf, common: &Common, words: Words) -> Result<Self, Failed> {
        let bench = Workbench::new(Options {
            language: words.language,
            library: Some(LibraryPlace::At(folder)),
            ..options(common)?
        })?;
        let no_labels = || LabelSettings { labels: Vec::new(), ..default_labels(0.0) };
        bench.set_labels(words.labels.unwrap_or_else(no_labels))?;
        let heard: Arc<Mutex<Vec<Problem>>> = Arc::default();
        let problems = heard.clone();
        bench.attach(move |event| {
            let Ok(mut problems) = problems.lock() else { return };
            match event {
                WorkbenchEvent::Problem { problem } => problems.push(problem),
                WorkbenchEvent::Labels { problems: labels, .. } => {
                    problems.extend(labels.into_iter().map(|label| label.problem));
                }
                _ => {}
            }
        });
        let opened = Self { bench, heard };
        match opened.bench.library_state() {
            Ok(_) => Ok(opened),
            // Why it could not be opened was heard before.
            Err(problem) => Err(opened.problems().into_iter().next().unwrap_or(problem).into()),
        }
    }

    /// Waits until the model is there, and has seen every photo.
    pub fn ready(&self, quiet: bool) -> Result<(), Failed> {
        wait(&self.bench, quiet);
        check_engine(&self.bench.snapshot())
    }

    /// What went wrong so far and belongs to no photo.
    pub fn problems(&self) -> Vec<Problem> {
        self.heard.lock().map(|problems| problems.clone()).unwrap_or_default()
    }

    /// What a command has to say, with what went wrong beside it; `json` is an object.
    pub fn report(&self, mut text: String, mut json: Value, complete: bool) -> Report {
        let problems: Vec<String> = self.problems().into_iter().map(|problem| problem.message).collect();
        problems.iter().for_each(|problem| text.push_str(&format!("failed: {problem}\n")));
        let complete = complete && problems.is_empty();
        json["problems"] = json!(problems);
        Report { text, json, complete }
    }
}

/// The folder of the library that the options name.
pub fn folder(common: &Common) -> Result<PathBuf, Failed> {
    common.library.clone().or_else(default_library).ok_or_else(|| {
        Failed::usage("this system does not say where a person's data is kept. Name the library with --library DIR")
    })
}

/// The labels that the options name; else the window's label set, or the everyday one before there is any.
pub fn label_settings(labels: Option<&str>, template: &[String]) -> Result<LabelSettings, Failed> {
    if labels.is_some() {
        return with_labels(label_list(labels)?, template);
    }
    let kept = settings::default_path().and_then(|path| Settings::load(&path).0.labels);
    let settings = kept.unwrap_or_else(|| default_labels(0.0));
    let templates = templates(template)?;
    Ok(if templates.is_empty() { settings } else { LabelSettings { templates, ..settings } })
}

/// These labels under the sentences that the options name, whatever the window's label set is.
pub fn with_labels(labels: Vec<String>, template: &[String]) -> Result<LabelSettings, Failed> {
    let base = default_labels(0.0);
    let templates = templates(template)?;
    let templates = if templates.is_empty() { base.templates.clone() } else { templates };
    Ok(LabelSettings { labels, templates, ..base })
}

/// `1 photo`, `2 photos`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
