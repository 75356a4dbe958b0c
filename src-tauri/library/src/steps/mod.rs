//! Steps that can be undone and redone, also after a restart.
//!
//! The newest step that is not undone is undone first; a new step forgets those that were undone. A step knows what it
//! found and what it made of it, so undoing touches only what is still as the step left it: what was decided since, here
//! or by another program on the same library, stays, and is named.

mod names;
mod record;

use std::{collections::BTreeSet, fmt};

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

pub(crate) use self::record::Recorder;
use self::{names::go_names, record::states};
use crate::{LibraryError, PhotoId, labels::LabelId, state::State};

/// A step's number; later ones are higher.
pub type StepId = i64;

/// Steps that are kept. Older ones can no longer be undone; what they decided stays.
pub const KEPT: u32 = 1000;

/// What a step was. In a step of several kinds, the later one of this list names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    /// A tag that nobody had suggested.
    Add,
    /// Suggestions accepted.
    Accept,
    /// Rejected.
    Reject,
    /// Decisions taken back.
    Clear,
    /// From sidecars, or from metadata in files.
    Import,
    /// A tag got another name, or became one with another.
    Rename,
}

impl StepKind {
    /// As in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Clear => "clear",
            Self::Import => "import",
            Self::Rename => "rename",
        }
    }

    fn parse(text: &str) -> Result<Self, LibraryError> {
        let all = [Self::Add, Self::Accept, Self::Reject, Self::Clear, Self::Import, Self::Rename];
        let known = all.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| LibraryError::Refused(format!("this library has a step of an unknown kind, {text:?}")))
    }
}

/// What a step is about, for the words of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepSummary {
    /// Which step.
    pub step: StepId,
    /// What it was.
    pub kind: StepKind,
    /// When.
    pub at_ms: i64,
    /// Names of its labels, as they are called now.
    pub labels: Vec<String>,
    /// How many photos it changed.
    pub photos: usize,
}

impl fmt::Display for StepSummary {
    /// As `accept "dog" for 3 photos`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.labels.as_slice() {
            [label] => write!(f, "{} {label:?}", self.kind.as_str())?,
            labels => write!(f, "{} {} tags", self.kind.as_str(), labels.len())?,
        }
        match self.photos {
            0 => Ok(()),
            1 => f.write_str(" for 1 photo"),
            photos => write!(f, " for {photos} photos"),
        }
    }
}

/// What undoing or redoing did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepDone {
    /// Which step.
    pub step: StepId,
    /// What it was.
    pub kind: StepKind,
    /// Names of its labels, as they are called after it.
    pub labels: Vec<String>,
    /// Photos that changed.
    pub photos: Vec<PhotoId>,
    /// Photos left as they are, because something else was decided about them since.
    pub skipped: Vec<PhotoId>,
    /// Names left as they are, because they were changed or taken since.
    pub skipped_names: Vec<String>,
}

/// What [`undo`] would undo.
///
/// # Errors
/// What SQLite says.
pub fn can_undo(conn: &Connection) -> Result<Option<StepSummary>, LibraryError> {
    next(conn, Way::Back)?.map(|(step, kind)| summary(conn, step, kind)).transpose()
}

/// What [`redo`] would do again.
///
/// # Errors
/// What SQLite says.
pub fn can_redo(conn: &Connection) -> Result<Option<StepSummary>, LibraryError> {
    next(conn, Way::Forth)?.map(|(step, kind)| summary(conn, step, kind)).transpose()
}

/// Undoes the newest step that is not undone; `None` if there is none.
///
/// # Errors
/// [`LibraryError::Refused`] if the step cannot be read; what SQLite says.
pub fn undo(tx: &Connection) -> Result<Option<StepDone>, LibraryError> {
    go(tx, Way::Back)
}

/// Does the step that was undone last again; `None` if there is none.
///
/// # Errors
/// As [`undo`].
pub fn redo(tx: &Connection) -> Result<Option<StepDone>, LibraryError> {
    go(tx, Way::Forth)
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Back,
    Forth,
}

fn next(conn: &Connection, way: Way) -> Result<Option<(StepId, StepKind)>, LibraryError> {
    let sql = match way {
        Way::Back => "SELECT id, kind FROM step WHERE undone = 0 ORDER BY id DESC LIMIT 1",
        Way::Forth => "SELECT id, kind FROM step WHERE undone = 1 ORDER BY id LIMIT 1",
    };
    let found: Option<(StepId, String)> =
        conn.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    found.map(|(step, kind)| Ok((step, StepKind::parse(&kind)?))).transpose()
}

fn summary(conn: &Connection, step: StepId, kind: StepKind) -> Result<StepSummary, LibraryError> {
    let at_ms = conn.prepare_cached("SELECT at_ms FROM step WHERE id = ?1")?.query_row([step], |row| row.get(0))?;
    let sql = "SELECT count(DISTINCT photo) FROM step_change WHERE step = ?1 AND photo > 0";
    let photos: u32 = conn.prepare_cached(sql)?.query_row([step], |row| row.get(0))?;
    Ok(StepSummary { step, kind, at_ms, labels: names(conn, step)?, photos: photos as usize })
}

fn names(conn: &Connection, step: StepId) -> Result<Vec<String>, LibraryError> {
    let sql = "SELECT DISTINCT l.name FROM step_change c JOIN label l ON l.id = c.label WHERE c.step = ?1 ORDER BY 1";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([step], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn go(tx: &Connection, way: Way) -> Result<Option<StepDone>, LibraryError> {
    let Some((step, kind)) = next(tx, way)? else { return Ok(None) };
    let skipped_names = go_names(tx, step, way)?;
    let (photos, skipped) = go_decisions(tx, step, way)?;
    let undone = way == Way::Back;
    tx.prepare_cached("UPDATE step SET undone = ?2 WHERE id = ?1")?.execute(params![step, undone])?;
    let labels = names(tx, step)?;
    let [photos, skipped] = [photos, skipped].map(|photos| photos.into_iter().collect());
    Ok(Some(StepDone { step, kind, labels, photos, skipped, skipped_names }))
}

type Photos = BTreeSet<PhotoId>;

/// Takes every photo from one state to the other if it still is in the one; those that changed, and those that did not.
fn go_decisions(tx: &Connection, step: StepId, way: Way) -> Result<(Photos, Photos), LibraryError> {
    let sql = "SELECT photo, label, before, after FROM step_change WHERE step = ?1 AND photo > 0";
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query([step])?;
    let (mut changed, mut skipped) = (Photos::new(), Photos::new());
    while let Some(row) = rows.next()? {
        let (photo, label): (PhotoId, LabelId) = (row.get(0)?, row.get(1)?);
        let (before, after): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
        let (before, after) = states(before.as_deref(), after.as_deref())?;
        let (from, to) = if way == Way::Back { (after, before) } else { (before, after) };
        if State::read(tx, photo, label)?.decided == from.decided {
            to.write(tx, photo, label)?;
            changed.insert(photo);
        } else {
            skipped.insert(photo);
        }
    }
    Ok((changed, skipped))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ModelKey,
        labels::{self, tests::library},
        suggestions::{self, NewSuggestion},
        tags::{Decide, Origin, Verdict, decide, decide_together, rename_tag, tags_of},
    };

    fn person<'a>(photos: &'a [PhotoId], label: &'a str, verdict: Verdict, now_ms: i64) -> Decide<'a> {
        Decide { photos, label, verdict, origin: Origin::Person, now_ms }
    }

    fn accept(conn: &Connection, photos: &[PhotoId], label: &str, now_ms: i64) -> StepId {
        decide(conn, &person(photos, label, Verdict::Accept, now_ms)).unwrap().step.unwrap()
    }

    fn tags(conn: &Connection, photos: u32) -> Vec<String> {
        (1..=photos).map(|photo| tags_of(conn, photo).unwrap().join(",")).collect()
    }

    /// All rows of decisions and suggestions, to compare what a library holds.
    fn dump(conn: &Connection) -> Vec<String> {
        let rows = |sql: &str| -> Vec<String> {
            let mut statement = conn.prepare(sql).unwrap();
            let count = statement.column_count();
            let text = |row: &rusqlite::Row| {
                Ok((0..count).map(|at| format!("{:?}", row.get::<_, rusqlite::types::Value>(at).unwrap())).collect())
            };
            statement.query_map([], text).unwrap().collect::<Result<Vec<String>, _>>().unwrap()
        };
        [rows("SELECT * FROM decision"), rows("SELECT * FROM suggestion")].concat()
    }

    fn suggest(conn: &Connection, photos: &[PhotoId]) {
        let facts = |photo| NewSuggestion { photo, label: 0, prompt: "p", cosine: 0.5, score: 0.1, probability: 0.3 };
        let rows = photos.iter().map(|&photo| facts(photo));
        suggestions::replace(conn, &ModelKey::new("m", "1"), &["dog".to_owned()], rows, 1).unwrap();
    }

    #[test]
    fn undo_and_redo_walk_to_and_fro_over_all_that_was_decided() {
        let conn = library(3);
        suggest(&conn, &[1, 2, 3]);
        let mut states = vec![dump(&conn)];
        let mut step = |what: Decide| {
            decide(&conn, &what).unwrap().step.unwrap();
            states.push(dump(&conn));
        };
        step(person(&[1, 2], "dog", Verdict::Accept, 5));
        step(person(&[2, 3], "dog", Verdict::Reject, 6));
        step(person(&[1, 3], "dog", Verdict::Clear, 7));
        step(person(&[3], "cat", Verdict::Accept, 8));
        for _ in 0..2 {
            for state in states.iter().rev().skip(1) {
                undo(&conn).unwrap().unwrap();
                assert_eq!(dump(&conn), *state);
            }
            assert_eq!((undo(&conn).unwrap(), can_undo(&conn).unwrap()), (None, None));
            for state in &states[1..] {
                redo(&conn).unwrap().unwrap();
                assert_eq!(dump(&conn), *state);
            }
            assert_eq!((redo(&conn).unwrap(), can_redo(&conn).unwrap()), (None, None));
        }
    }

    #[test]
    fn a_new_step_forgets_those_that_were_undone() {
        let conn = library(2);
        accept(&conn, &[1], "dog", 1);
        accept(&conn, &[2], "dog", 2);
        undo(&conn).unwrap();
        // What changes nothing is no step.
        assert_eq!(decide(&conn, &person(&[1], "dog", Verdict::Accept, 3)).unwrap().step, None);
        assert!(can_redo(&conn).unwrap().is_some());
        accept(&conn, &[1], "cat", 3);
        assert_eq!((redo(&conn).unwrap(), tags(&conn, 2)), (None, vec!["cat,dog".into(), String::new()]));
        undo(&conn).unwrap();
        undo(&conn).unwrap();
        assert_eq!((undo(&conn).unwrap(), tags(&conn, 2)), (None, vec![String::new(), String::new()]));
    }

    #[test]
    fn what_was_decided_since_stays_and_is_named() {
        let conn = library(3);
        accept(&conn, &[1, 2, 3], "dog", 1);
        // As another program with an older version of this one would.
        conn.execute("UPDATE decision SET verdict = 0, decided_ms = 9 WHERE photo = 2", []).unwrap();
        let done = undo(&conn).unwrap().unwrap();
        assert_eq!((done.photos, done.skipped, done.kind), (vec![1, 3], vec![2], StepKind::Add));
        assert_eq!(
            conn.query_row("SELECT photo, verdict FROM decision", [], |row| Ok((row.get(0)?, row.get(1)?))),
            Ok((2, 0))
        );
        // Forth again: 2 is not as it was before the step, and so is left alone once more.
        let done = redo(&conn).unwrap().unwrap();
        assert_eq!(
            (done.photos, done.skipped, tags(&conn, 3)),
            (vec![1, 3], vec![2], vec!["dog".into(), String::new(), "dog".into()])
        );
    }

    #[test]
    fn several_decisions_can_be_one_step() {
        let conn = library(2);
        let sidecar = |label| Decide { origin: Origin::Sidecar, ..person(&[1, 2], label, Verdict::Accept, 4) };
        let outcome = decide_together(&conn, &[sidecar("a"), sidecar("b/c")]).unwrap();
        assert_eq!(outcome.changed, 4);
        let summary = can_undo(&conn).unwrap().unwrap();
        assert_eq!(summary.to_string(), "import 2 tags for 2 photos");
        assert_eq!(
            (summary.kind, summary.at_ms, summary.labels),
            (StepKind::Import, 4, vec!["a".into(), "b/c".into()])
        );
        undo(&conn).unwrap();
        assert_eq!(tags(&conn, 2), ["", ""]);
        assert_eq!(can_redo(&conn).unwrap().unwrap().step, summary.step);
    }

    #[test]
    fn a_step_says_what_it_was() {
        let conn = library(2);
        suggest(&conn, &[1]);
        let kind = |what: Decide| {
            decide(&conn, &what).unwrap();
            can_undo(&conn).unwrap().unwrap().to_string()
        };
        assert_eq!(kind(person(&[1, 2], "dog", Verdict::Accept, 1)), "accept \"dog\" for 2 photos");
        assert_eq!(kind(person(&[1], "cat", Verdict::Accept, 1)), "add \"cat\" for 1 photo");
        assert_eq!(kind(person(&[1], "cat", Verdict::Reject, 1)), "reject \"cat\" for 1 photo");
        assert_eq!(kind(person(&[1], "cat", Verdict::Clear, 1)), "clear \"cat\" for 1 photo");
        rename_tag(&conn, "dog", "hound", 2).unwrap();
        assert_eq!(can_undo(&conn).unwrap().unwrap().to_string(), "rename \"hound\"");
    }

    #[test]
    fn names_come_back_even_if_a_run_has_suggested_the_old_one_meanwhile() {
        let conn = library(2);
        accept(&conn, &[1], "dog", 1);
        accept(&conn, &[2], "dog/dog", 2);
        rename_tag(&conn, "dog", "dog/dog", 3).unwrap();
        assert_eq!(tags(&conn, 2), ["dog/dog", "dog/dog/dog"]);
        suggest(&conn, &[2]);
        let done = undo(&conn).unwrap().unwrap();
        assert_eq!((done.labels, done.skipped_names), (vec!["dog".into(), "dog/dog".into()], vec![]));
        assert_eq!(tags(&conn, 2), ["dog", "dog/dog"]);
        redo(&conn).unwrap();
        assert_eq!(tags(&conn, 2), ["dog/dog", "dog/dog/dog"]);
    }

    /// Seen in a property test: the name was held by a label whose only decision had been undone.
    #[test]
    fn a_name_that_only_an_undone_step_holds_comes_back() {
        let conn = library(1);
        accept(&conn, &[1], "a/a", 1);
        rename_tag(&conn, "a/a", "a", 2).unwrap();
        accept(&conn, &[1], "a/a", 3);
        undo(&conn).unwrap();
        assert_eq!((undo(&conn).unwrap().unwrap().skipped_names, tags(&conn, 1)), (vec![], vec!["a/a".into()]));
        redo(&conn).unwrap();
        redo(&conn).unwrap();
        assert_eq!(tags(&conn, 1), ["a,a/a"]);
    }

    #[test]
    fn a_name_that_was_taken_meanwhile_stays_taken() {
        let conn = library(2);
        accept(&conn, &[1], "dog", 1);
        accept(&conn, &[2], "dog/dog", 2);
        rename_tag(&conn, "dog", "dog/dog", 3).unwrap();
        let label = labels::label_id(&conn, "dog").unwrap();
        let sql = "INSERT INTO decision (photo, label, verdict, decided_ms, origin) VALUES (2, ?1, 1, 9, 'person')";
        conn.execute(sql, [label]).unwrap();
        let done = undo(&conn).unwrap().unwrap();
        assert_eq!(done.skipped_names, ["dog/dog", "dog/dog/dog"]);
        assert_eq!(tags(&conn, 2), ["dog/dog", "dog,dog/dog/dog"]);
    }

    #[test]
    fn old_steps_are_forgotten_and_what_they_decided_is_not() {
        let conn = library(1);
        let count =
            |table: &str| conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, u32>(0));
        for number in 0..KEPT + 20 {
            accept(&conn, &[1], &format!("label {number}"), i64::from(number));
        }
        assert_eq!(["step", "step_change", "decision"].map(|table| count(table).unwrap()), [KEPT, KEPT, KEPT + 20]);
        let undone = std::iter::from_fn(|| undo(&conn).unwrap()).count();
        assert_eq!((undone as u32, count("decision").unwrap()), (KEPT, 20));
    }
}
