//! Label sets: named lists of labels with the sentences that ask a model for them. Every version that was saved is kept,
//! and a set can be handed on as a file.

mod file;

use std::{
    collections::{HashSet, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
};

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

pub use self::file::{from_file, to_file};
use crate::{LibraryError, labels};

/// What a template has in the place of the words.
const PLACEHOLDER: &str = "{}";

/// Limits, so that a file from anywhere costs neither memory nor hours of encoding.
const MOST_LABELS: usize = 10_000;
const MOST_PROMPTS: usize = 100;
const MOST_TEMPLATES: usize = 200;
const LONGEST_TEXT: usize = 1000;

/// A named list of labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSet {
    /// Stays with the set when it is renamed or handed on. Empty for a set that was never saved.
    #[serde(default)]
    pub uid: String,
    /// What people call it.
    pub name: String,
    /// Counts from 1 with every change; what is given to [`save`] does not matter.
    #[serde(default)]
    pub version: u32,
    /// The labels, in the order to show.
    pub labels: Vec<SetLabel>,
    /// Sentences with `{}` in the place of a label's words. Without any, the words stand alone.
    #[serde(default)]
    pub templates: Vec<String>,
}

/// A label of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetLabel {
    /// Its name, hierarchical as `animal/dog`.
    pub name: String,
    /// Words or whole sentences that stand for it. Without any, the last part of its name does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<String>,
    /// Templates for this label alone; an empty list takes its prompts as they are. `None` for those of the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Vec<String>>,
    /// A colour of the palette.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<u8>,
}

impl LabelSet {
    /// The sentences that ask for a label of this set: every prompt in every template.
    pub fn sentences(&self, label: &SetLabel) -> Vec<String> {
        let alone = [PLACEHOLDER.to_owned()];
        let templates = match label.template.as_ref().unwrap_or(&self.templates).as_slice() {
            [] => alone.as_slice(),
            templates => templates,
        };
        let leaf = [labels::leaf(&label.name).to_owned()];
        let prompts = if label.prompts.is_empty() { leaf.as_slice() } else { &label.prompts };
        prompts
            .iter()
            .flat_map(|prompt| templates.iter().map(move |template| template.replace(PLACEHOLDER, prompt)))
            .collect()
    }

    /// The set with tidy names and texts.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] for an empty or double name, a template without `{}`, and more than anybody needs.
    pub fn tidy(mut self) -> Result<Self, LibraryError> {
        self.uid = self.uid.trim().to_owned();
        check(self.uid.len() <= 64 && self.uid.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), || {
            format!("{:?} cannot be the uid of a label set", short(&self.uid))
        })?;
        self.name = text(&self.name, "a label set's name")?;
        check(self.labels.len() <= MOST_LABELS, || format!("a label set has at most {MOST_LABELS} labels"))?;
        tidy_templates(&mut self.templates)?;
        let mut names = HashSet::new();
        for label in &mut self.labels {
            label.name = labels::tidy(&label.name)?;
            check(names.insert(label.name.clone()), || format!("the label {:?} is there twice", label.name))?;
            check(label.prompts.len() <= MOST_PROMPTS, || {
                format!("the label {:?} has more than {MOST_PROMPTS} prompts", label.name)
            })?;
            label.prompts = label.prompts.iter().map(|prompt| text(prompt, "a prompt")).collect::<Result<_, _>>()?;
            label.template.as_mut().map_or(Ok(()), tidy_templates)?;
        }
        Ok(self)
    }
}

fn tidy_templates(templates: &mut Vec<String>) -> Result<(), LibraryError> {
    check(templates.len() <= MOST_TEMPLATES, || format!("more than {MOST_TEMPLATES} templates"))?;
    for template in templates {
        *template = text(template, "a template")?;
        check(template.contains(PLACEHOLDER), || format!("the template {:?} has no {PLACEHOLDER}", short(template)))?;
    }
    Ok(())
}

fn text(given: &str, what: &str) -> Result<String, LibraryError> {
    let tidy = given.split_whitespace().collect::<Vec<_>>().join(" ");
    check(!tidy.is_empty(), || format!("{what} is empty"))?;
    check(tidy.len() <= LONGEST_TEXT, || format!("{what} has more than {LONGEST_TEXT} bytes: {:?}…", short(&tidy)))?;
    Ok(tidy)
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), LibraryError> {
    if holds { Ok(()) } else { Err(LibraryError::Refused(why())) }
}

/// A uid for a new set: 32 hexadecimal digits, by chance.
pub fn new_uid() -> String {
    // Every `RandomState` has keys of its own, which the system's randomness began.
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

/// Saves a set, and gives one without a uid its uid; as it is saved, with its version. Without a change there is no new
/// version.
///
/// # Errors
/// As [`LabelSet::tidy`], and if another set has that name; what SQLite says.
pub fn save(tx: &Connection, set: LabelSet, now_ms: i64) -> Result<LabelSet, LibraryError> {
    let mut set = set.tidy()?;
    if set.uid.is_empty() {
        set.uid = new_uid();
    }
    let other = holder(tx, &set.name)?.is_some_and(|uid| uid != set.uid);
    check(!other, || format!("another label set is called {:?}; choose another name", set.name))?;
    let latest = load(tx, &set.uid, None)?;
    set.version = latest.as_ref().map_or(1, |latest| latest.version);
    if latest.as_ref() == Some(&set) {
        return Ok(set);
    }
    set.version = latest.map_or(1, |latest| latest.version.saturating_add(1));
    let body = serde_json::to_string(&set).map_err(|error| LibraryError::Refused(error.to_string()))?;
    let sql = "INSERT INTO label_set (uid, name, version) VALUES (?1, ?2, ?3)
               ON CONFLICT (uid) DO UPDATE SET name = excluded.name, version = excluded.version RETURNING id";
    let id: i64 = tx.prepare_cached(sql)?.query_row(params![set.uid, set.name, set.version], |row| row.get(0))?;
    let sql = "INSERT INTO label_set_version (label_set, version, body, saved_ms) VALUES (?1, ?2, ?3, ?4)";
    tx.prepare_cached(sql)?.execute(params![id, set.version, body, now_ms])?;
    Ok(set)
}

/// The uid of the set with that name.
fn holder(conn: &Connection, name: &str) -> Result<Option<String>, LibraryError> {
    let mut statement = conn.prepare_cached("SELECT uid FROM label_set WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

/// A set as it was saved last, or in an older version.
///
/// # Errors
/// [`LibraryError::Refused`] if what was saved cannot be read; what SQLite says.
pub fn load(conn: &Connection, uid: &str, version: Option<u32>) -> Result<Option<LabelSet>, LibraryError> {
    let sql = "SELECT v.body FROM label_set s JOIN label_set_version v ON v.label_set = s.id
               WHERE s.uid = ?1 AND v.version = ifnull(?2, s.version)";
    let body: Option<String> =
        conn.prepare_cached(sql)?.query_row(params![uid, version], |row| row.get(0)).optional()?;
    let read = |body: String| {
        serde_json::from_str(&body)
            .map_err(|error| LibraryError::Refused(format!("the label set {uid:?} cannot be read: {error}")))
    };
    body.map(read).transpose()
}

/// A set in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetSummary {
    /// As in [`LabelSet`].
    pub uid: String,
    /// As in [`LabelSet`].
    pub name: String,
    /// The latest.
    pub version: u32,
    /// When that was saved.
    pub saved_ms: i64,
}

/// All sets, by name.
///
/// # Errors
/// What SQLite says.
pub fn list(conn: &Connection) -> Result<Vec<SetSummary>, LibraryError> {
    let sql = "SELECT s.uid, s.name, s.version, v.saved_ms FROM label_set s
               JOIN label_set_version v ON v.label_set = s.id AND v.version = s.version ORDER BY s.name";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(SetSummary { uid: row.get(0)?, name: row.get(1)?, version: row.get(2)?, saved_ms: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The versions of a set and when each was saved, the oldest first.
///
/// # Errors
/// What SQLite says.
pub fn versions(conn: &Connection, uid: &str) -> Result<Vec<(u32, i64)>, LibraryError> {
    let sql = "SELECT v.version, v.saved_ms FROM label_set s JOIN label_set_version v ON v.label_set = s.id
               WHERE s.uid = ?1 ORDER BY v.version";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([uid], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Gives a set another name, which is a version of its own.
///
/// # Errors
/// As [`save`], and if there is no such set.
pub fn rename(tx: &Connection, uid: &str, name: &str, now_ms: i64) -> Result<LabelSet, LibraryError> {
    let set = load(tx, uid, None)?;
    let set = set.ok_or_else(|| LibraryError::Refused(format!("there is no label set with the uid {uid:?}")))?;
    save(tx, LabelSet { name: name.to_owned(), ..set }, now_ms)
}

/// Removes a set with all its versions; tags and suggestions stay. Whether there was one.
///
/// # Errors
/// What SQLite says.
pub fn remove(tx: &Connection, uid: &str) -> Result<bool, LibraryError> {
    let sql = "DELETE FROM label_set_version WHERE label_set = (SELECT id FROM label_set WHERE uid = ?1)";
    tx.prepare_cached(sql)?.execute([uid])?;
    Ok(tx.prepare_cached("DELETE FROM label_set WHERE uid = ?1")?.execute([uid])? > 0)
}

/// Gives a label, and those below it, another name in all sets, so that it goes on to be asked for as before. A set that
/// has the new name already drops the old one. The names of the sets that changed.
///
/// # Errors
/// As [`save`].
pub fn rename_label(tx: &Connection, old: &str, new: &str, now_ms: i64) -> Result<Vec<String>, LibraryError> {
    let (old, new) = (labels::tidy(old)?, labels::tidy(new)?);
    let mut changed = vec![];
    for summary in list(tx)? {
        let Some(mut set) = load(tx, &summary.uid, None)? else { continue };
        if old == new || !set.labels.iter().any(|label| labels::is_within(&label.name, &old)) {
            continue;
        }
        for label in set.labels.iter_mut().filter(|label| labels::is_within(&label.name, &old)) {
            let name = labels::tidy(&format!("{new}{}", &label.name[old.len()..]))?;
            if label.prompts.is_empty() && labels::leaf(&name) != labels::leaf(&label.name) {
                label.prompts = vec![labels::leaf(&label.name).to_owned()];
            }
            label.name = name;
        }
        let mut names = HashSet::new();
        set.labels.retain(|label| names.insert(label.name.clone()));
        save(tx, set, now_ms)?;
        changed.push(summary.name);
    }
    Ok(changed)
}

/// Saves a set that came from a file. One whose uid is known becomes its next version; a new one whose name is taken gets
/// a number behind its name.
///
/// # Errors
/// As [`save`].
pub fn import(tx: &Connection, set: LabelSet, now_ms: i64) -> Result<LabelSet, LibraryError> {
    let mut set = set.tidy()?;
    let given = set.name.clone();
    let mut number = 1;
    while holder(tx, &set.name)?.is_some_and(|uid| uid != set.uid) {
        number += 1;
        set.name = format!("{given} ({number})");
    }
    save(tx, set, now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::tests::library;

    pub(super) fn label(name: &str) -> SetLabel {
        SetLabel { name: name.into(), ..SetLabel::default() }
    }

    pub(super) fn set(name: &str, labels: &[&str]) -> LabelSet {
        LabelSet {
            name: name.into(),
            labels: labels.iter().map(|name| label(name)).collect(),
            templates: vec!["a photo of a {}".into(), "{}".into()],
            ..LabelSet::default()
        }
    }

    #[test]
    fn sentences_are_prompts_in_templates() {
        let mut set = set("s", &["animal/dog", "b", "c"]);
        set.labels[1].prompts = vec!["one".into(), "two".into()];
        set.labels[1].template = Some(vec!["[{}]".into()]);
        set.labels[2].prompts = vec!["a whole sentence".into()];
        set.labels[2].template = Some(vec![]);
        let sentences = |at: usize| set.sentences(&set.labels[at]);
        assert_eq!(sentences(0), ["a photo of a dog", "dog"]);
        assert_eq!(sentences(1), ["[one]", "[two]"]);
        assert_eq!(sentences(2), ["a whole sentence"]);
    }

    #[test]
    fn every_change_is_a_version_and_nothing_else_is() {
        let conn = library(0);
        let first = save(&conn, set("animals", &["dog"]), 1).unwrap();
        assert_eq!((first.version, save(&conn, first.clone(), 2).unwrap().version), (1, 1));
        let second = save(&conn, LabelSet { labels: vec![label("cat")], ..first.clone() }, 3).unwrap();
        let third = rename(&conn, &first.uid, "pets", 4).unwrap();
        assert_eq!((second.version, third.version, third.name.as_str()), (2, 3, "pets"));
        assert_eq!(load(&conn, &first.uid, Some(1)).unwrap(), Some(first.clone()));
        assert_eq!(load(&conn, &first.uid, None).unwrap(), Some(third));
        assert_eq!(versions(&conn, &first.uid).unwrap(), [(1, 1), (2, 3), (3, 4)]);
        assert_eq!(list(&conn).unwrap()[0].version, 3);
        assert!(remove(&conn, &first.uid).unwrap() && !remove(&conn, &first.uid).unwrap());
        assert!(list(&conn).unwrap().is_empty() && versions(&conn, &first.uid).unwrap().is_empty());
    }

    #[test]
    fn two_sets_never_have_one_name() {
        let conn = library(0);
        let first = save(&conn, set("animals", &["dog"]), 1).unwrap();
        assert!(matches!(save(&conn, set("animals", &["cat"]), 1), Err(LibraryError::Refused(_))));
        let guest = import(&conn, LabelSet { uid: new_uid(), ..set("animals", &["cat"]) }, 2).unwrap();
        assert_eq!((guest.name.as_str(), guest.version), ("animals (2)", 1));
        let known = import(&conn, LabelSet { uid: first.uid.clone(), ..set("animals", &["cat"]) }, 2).unwrap();
        assert_eq!((known.name.as_str(), known.version), ("animals", 2));
    }

    #[test]
    fn a_renamed_label_is_asked_for_as_before() {
        let conn = library(0);
        let saved = save(&conn, set("animals", &["dog", "dog/poodle", "hound"]), 1).unwrap();
        assert_eq!(rename_label(&conn, "dog", "animal/hound", 2).unwrap(), ["animals"]);
        let now = load(&conn, &saved.uid, None).unwrap().unwrap();
        let names: Vec<_> = now.labels.iter().map(|label| label.name.as_str()).collect();
        assert_eq!(names, ["animal/hound", "animal/hound/poodle", "hound"]);
        assert_eq!(now.sentences(&now.labels[0]), saved.sentences(&saved.labels[0]));
        assert_eq!(now.sentences(&now.labels[1]), saved.sentences(&saved.labels[1]));
        rename_label(&conn, "animal/hound", "hound", 3).unwrap();
        assert_eq!(load(&conn, &saved.uid, None).unwrap().unwrap().labels.len(), 2);
    }
}
