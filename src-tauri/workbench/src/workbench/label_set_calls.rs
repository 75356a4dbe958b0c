//! Label sets under a name: kept in the library with all their versions, and handed on as files.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use cliploupe_library::{
    LibraryError, clock,
    label_sets::{self, LabelSet, SetLabel},
};
use rusqlite::Connection;

use super::Workbench;
use crate::{
    messages::{LabelPrompts, LabelSetRef, LabelSetVersion, LabelSettings, Problem, ProblemCode, SavedLabelSet},
    shelf::of_library,
};

/// More than a file of a label set may have, in bytes; the library refuses what is longer than it allows.
const READ_AT_MOST: u64 = (4 << 20) + 1;
/// Longest name that a file is suggested to have, in characters.
const LONGEST_NAME: usize = 60;

impl Workbench {
    /// The saved label sets, by name.
    pub fn saved_label_sets(&self) -> Result<Vec<SavedLabelSet>, Problem> {
        self.shelf()?.read(all)
    }

    /// Saves the label set in use under a name: as the next version if it is the set of that name, and else as a new set.
    /// Nothing changes where nothing is new. What is in use is that set from then on.
    pub fn save_label_set(&self, name: &str) -> Result<SavedLabelSet, Problem> {
        let (settings, _) = self.shared.labels();
        let name = name.trim();
        let own = settings.set.as_ref().filter(|set| set.name == name).map(|set| set.uid.clone());
        let set = set_of(&settings, own.unwrap_or_default(), name);
        let (set, saved) = self.shelf()?.write(|tx| {
            let set = match label_sets::load(tx, &set.uid, None)? {
                Some(before) => with_colours_of(set, &before),
                None => set,
            };
            let set = label_sets::save(tx, set, clock::now_ms())?;
            let saved = saved(tx, &set.uid)?;
            Ok((set, saved))
        })?;
        let set = Some(LabelSetRef { uid: set.uid, name: set.name, version: set.version });
        if settings.set != set {
            self.set_labels(LabelSettings { set, ..settings })?;
        }
        Ok(saved)
    }

    /// Every version of a saved label set, the oldest first, as it would be used: how many labels a photo shows, and from
    /// which probability on, stay as they are.
    pub fn label_set_versions(&self, uid: &str) -> Result<Vec<LabelSetVersion>, Problem> {
        let (current, _) = self.shared.labels();
        self.shelf()?.read(|conn| {
            let mut versions = Vec::new();
            for (version, saved_ms) in label_sets::versions(conn, uid)? {
                if let Some(set) = label_sets::load(conn, uid, Some(version))? {
                    versions.push(LabelSetVersion { version, saved_ms, settings: settings_of(set, &current) });
                }
            }
            Ok(versions)
        })
    }

    /// Gives a saved label set another name.
    pub fn rename_label_set(&self, uid: &str, name: &str) -> Result<SavedLabelSet, Problem> {
        let renamed = self.shelf()?.write(|tx| {
            label_sets::rename(tx, uid, name, clock::now_ms())?;
            saved(tx, uid)
        })?;
        self.refer_to(uid, Some(&renamed))?;
        Ok(renamed)
    }

    /// Removes a saved label set with all its versions. Labels in use stay in use, and tags and suggestions stay.
    pub fn remove_label_set(&self, uid: &str) -> Result<(), Problem> {
        self.shelf()?.write(|tx| label_sets::remove(tx, uid))?;
        self.refer_to(uid, None)
    }

    /// A saved label set as the text of a file to hand on, and a name for that file.
    pub fn export_label_set(&self, uid: &str) -> Result<(String, String), Problem> {
        let set = self.shelf()?.read(|conn| label_sets::load(conn, uid, None))?;
        let set = set.ok_or_else(|| of_library(&unknown(uid)))?;
        Ok((label_sets::to_file(&set), name_of_file(&set.name)))
    }

    /// Saves the label set in a file: one that was handed on, or plain text with one label a line, which is named after the
    /// file. A set that is known already gets its next version.
    pub fn import_label_set(&self, path: &Path) -> Result<SavedLabelSet, Problem> {
        let bytes = read(path)?;
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let set = label_sets::from_file(&bytes, &name).map_err(|error| of_library(&error))?;
        self.shelf()?.write(|tx| {
            let set = label_sets::import(tx, set, clock::now_ms())?;
            saved(tx, &set.uid)
        })
    }

    /// The labels in use follow what became of the set that they come from.
    fn refer_to(&self, uid: &str, now: Option<&SavedLabelSet>) -> Result<(), Problem> {
        let (settings, _) = self.shared.labels();
        let Some(before) = settings.set.as_ref().filter(|set| set.uid == uid) else { return Ok(()) };
        // They may be those of an older version, which they stay.
        let set = now.map(|now| LabelSetRef { name: now.name.clone(), ..before.clone() });
        self.set_labels(LabelSettings { set, ..settings })
    }
}

/// All sets, by name.
fn all(conn: &Connection) -> Result<Vec<SavedLabelSet>, LibraryError> {
    let told = |summary: label_sets::SetSummary| {
        let set = label_sets::load(conn, &summary.uid, None)?;
        Ok(SavedLabelSet {
            labels: set.map_or(0, |set| set.labels.len() as u32),
            uid: summary.uid,
            name: summary.name,
            version: summary.version,
            saved_ms: summary.saved_ms,
        })
    };
    label_sets::list(conn)?.into_iter().map(told).collect()
}

/// One set, which is there.
fn saved(conn: &Connection, uid: &str) -> Result<SavedLabelSet, LibraryError> {
    all(conn)?.into_iter().find(|set| set.uid == uid).ok_or_else(|| unknown(uid))
}

fn unknown(uid: &str) -> LibraryError {
    LibraryError::Refused(format!("there is no label set with the uid {uid:?}; it may have been removed"))
}

/// The bytes of a file, as far as one of a label set may go.
fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let failed = |error| Problem::file(ProblemCode::Unreadable, "cannot read the label set", path, &error);
    // Asked before opening: opening a named pipe would wait for ever.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(of_library(&LibraryError::Refused(format!("{path:?} is not a file"))));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(READ_AT_MOST).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

/// The labels in use as a set of the library.
fn set_of(settings: &LabelSettings, uid: String, name: &str) -> LabelSet {
    let label = |label: &String| {
        let own = settings.prompts.get(label).cloned().unwrap_or_default();
        SetLabel { name: label.clone(), prompts: own.prompts, template: own.templates, colour: None }
    };
    LabelSet {
        uid,
        name: name.to_owned(),
        version: 0,
        labels: settings.labels.iter().map(label).collect(),
        templates: settings.templates.clone(),
    }
}

/// Colours, which are not among the settings, stay with their labels.
fn with_colours_of(mut set: LabelSet, before: &LabelSet) -> LabelSet {
    let colours: BTreeMap<&str, Option<u8>> =
        before.labels.iter().map(|label| (label.name.as_str(), label.colour)).collect();
    for label in &mut set.labels {
        label.colour = colours.get(label.name.as_str()).copied().flatten();
    }
    set
}

/// A set of the library as it would be used in the place of the current labels.
fn settings_of(set: LabelSet, current: &LabelSettings) -> LabelSettings {
    let own = |label: &SetLabel| {
        let has_own = !label.prompts.is_empty() || label.template.is_some();
        let prompts = LabelPrompts { prompts: label.prompts.clone(), templates: label.template.clone() };
        has_own.then(|| (label.name.clone(), prompts))
    };
    LabelSettings {
        prompts: set.labels.iter().filter_map(own).collect(),
        labels: set.labels.into_iter().map(|label| label.name).collect(),
        templates: set.templates,
        top_k: current.top_k,
        threshold: current.threshold,
        set: Some(LabelSetRef { uid: set.uid, name: set.name, version: set.version }),
    }
}

/// A name that every system takes for a file.
fn name_of_file(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let plain: String = name.chars().take(LONGEST_NAME).map(|c| if is_plain(c) { c } else { '-' }).collect();
    let plain = plain.trim();
    // The word behind it also keeps it from being a device of Windows, as `con.json` is.
    if plain.is_empty() { "labels.json".into() } else { format!("{plain} labels.json") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> LabelSettings {
        let own = LabelPrompts { prompts: vec!["puppy".into(), "hound".into()], templates: Some(vec!["a {}".into()]) };
        let sentence = LabelPrompts { prompts: vec!["waves on a beach".into()], templates: Some(vec!["{}".into()]) };
        LabelSettings {
            labels: vec!["animal/dog".into(), "sea".into(), "car".into()],
            templates: vec!["a photo of a {}".into(), "{}".into()],
            top_k: 5,
            threshold: 0.25,
            prompts: [("animal/dog".to_owned(), own), ("sea".to_owned(), sentence)].into(),
            set: None,
        }
    }

    #[test]
    fn labels_in_use_come_back_from_a_set_as_they_were() {
        let settings = settings();
        let set = LabelSet { version: 4, ..set_of(&settings, "u1".into(), "Mine") };
        assert_eq!(set.sentences(&set.labels[0]), ["a puppy", "a hound"]);
        let of = LabelSetRef { uid: "u1".into(), name: "Mine".into(), version: 4 };
        assert_eq!(settings_of(set, &settings), LabelSettings { set: Some(of), ..settings });
    }

    #[test]
    fn a_set_is_used_with_the_current_threshold_and_number_of_labels() {
        let current = LabelSettings { top_k: 1, threshold: 0.75, ..settings() };
        let used = settings_of(set_of(&settings(), String::new(), "Mine"), &current);
        assert_eq!((used.top_k, used.threshold, used.prompts), (1, 0.75, settings().prompts));
    }

    #[test]
    fn prompts_of_labels_that_are_not_in_the_list_are_left_out() {
        let mut settings = settings();
        settings.prompts.insert("gone".into(), LabelPrompts { prompts: vec!["x".into()], templates: None });
        let set = set_of(&settings, String::new(), "Mine");
        assert!(!settings_of(set, &settings).prompts.contains_key("gone"));
    }

    #[test]
    fn colours_stay_with_their_labels() {
        let mut before = set_of(&settings(), "u1".into(), "Mine");
        before.labels[1].colour = Some(3);
        let after = with_colours_of(
            LabelSet { labels: before.labels.iter().rev().cloned().collect(), ..before.clone() },
            &before,
        );
        assert_eq!(after.labels.iter().map(|label| label.colour).collect::<Vec<_>>(), [None, Some(3), None]);
    }

    #[test]
    fn names_of_files_are_plain() {
        assert_eq!(name_of_file("Tiere: Hund/Katze"), "Tiere- Hund-Katze labels.json");
        assert_eq!(name_of_file("../con"), "---con labels.json");
        assert_eq!(name_of_file(" "), "labels.json");
    }

    #[test]
    fn a_file_is_read_no_further_than_it_may_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.txt");
        std::fs::write(&path, vec![b'a'; READ_AT_MOST as usize + 10]).unwrap();
        let bytes = read(&path).unwrap();
        assert_eq!(bytes.len() as u64, READ_AT_MOST);
        assert!(label_sets::from_file(&bytes, "long").is_err());
        assert!(read(folder.path()).is_err());
    }
}
