//! What a person decided: a photo has a tag, or a label was rejected for it. Only a decision makes a tag.
//!
//! Every call that decides is one step that can be undone (`steps.rs`), however many photos it is about. A suggestion
//! that is decided stops waiting, and stays with the decision: which model, which sentence, which score, when. Photos
//! that are removed keep their decisions, which count again when they return.

mod rename;

use std::{collections::HashMap, fmt};

use roaring::RoaringBitmap;
use rusqlite::{
    Connection, ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use serde::{Deserialize, Serialize};

pub use self::rename::rename_tag;
use crate::{
    LibraryError, PhotoId,
    labels::{self, LabelId},
    state::{Decided, State, known_facts},
    steps::{Recorder, StepId, StepKind},
    suggestions::{self, SuggestedFacts},
};

/// Where a decision came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// A person, in this program.
    Person,
    /// A sidecar beside the photo.
    Sidecar,
    /// Metadata inside the photo's file.
    File,
}

impl Origin {
    /// As in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Sidecar => "sidecar",
            Self::File => "file",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ToSql for Origin {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Origin {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        let known = [Self::Person, Self::Sidecar, Self::File].into_iter().find(|origin| origin.as_str() == text);
        known.ok_or(FromSqlError::InvalidType)
    }
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// The photo has this tag.
    Accept,
    /// It has not, and is not asked about it again.
    Reject,
    /// Neither: as if nothing had been decided. What had been suggested waits again.
    Clear,
}

/// One decision about any number of photos.
#[derive(Debug, Clone, Copy)]
pub struct Decide<'a> {
    /// Which photos.
    pub photos: &'a [PhotoId],
    /// The label's name.
    pub label: &'a str,
    /// What is decided.
    pub verdict: Verdict,
    /// Who says so.
    pub origin: Origin,
    /// Now.
    pub now_ms: i64,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The step that can be undone; none if nothing changed.
    pub step: Option<StepId>,
    /// Pairs of photo and label that changed. What was so already is left as it was, with its date.
    pub changed: usize,
}

/// Decides, as one step.
///
/// # Errors
/// [`LibraryError::Refused`] for a name that is none or a photo that the library does not know; what SQLite says.
pub fn decide(tx: &Connection, what: &Decide) -> Result<Outcome, LibraryError> {
    decide_together(tx, std::slice::from_ref(what))
}

/// Several decisions as one step, such as all keywords of a sidecar.
///
/// # Errors
/// As [`decide`].
pub fn decide_together(tx: &Connection, all: &[Decide]) -> Result<Outcome, LibraryError> {
    let mut recorder = Recorder::new(tx, all.first().map_or(0, |what| what.now_ms));
    let mut kind = None;
    for what in all {
        let label = labels::label_id(tx, what.label)?;
        for &photo in what.photos {
            let before = State::read(tx, photo, label)?;
            let Some(after) = decided(&before, what) else { continue };
            if before == State::default() && !is_known(tx, photo)? {
                return Err(LibraryError::Refused(format!("there is no photo number {photo} in this library")));
            }
            kind = Some(kind_of(what, &before).max(kind.unwrap_or(StepKind::Add)));
            after.write(tx, photo, label)?;
            recorder.decision(photo, label, &before, &after)?;
        }
    }
    let changed = recorder.changes();
    Ok(Outcome { step: recorder.finish(kind.unwrap_or(StepKind::Add))?, changed })
}

/// The state that follows; none if the decision changes nothing. A person's word takes the place of a sidecar's.
fn decided(before: &State, what: &Decide) -> Option<State> {
    let accepted = match what.verdict {
        Verdict::Accept => true,
        Verdict::Reject => false,
        Verdict::Clear => return before.decided.map(|_| State { decided: None, ..before.clone() }),
    };
    let is_so = before.decided.is_some_and(|old| {
        let says_more = what.origin == Origin::Person && old.origin != Origin::Person;
        old.accepted == accepted && !says_more
    });
    let decided = Some(Decided { accepted, decided_ms: what.now_ms, origin: what.origin });
    (!is_so).then(|| State { decided, ..before.clone() })
}

fn is_known(conn: &Connection, photo: PhotoId) -> Result<bool, LibraryError> {
    Ok(conn.prepare_cached("SELECT 1 FROM photo WHERE id = ?1")?.exists([photo])?)
}

fn kind_of(what: &Decide, before: &State) -> StepKind {
    match (what.origin, what.verdict) {
        (Origin::Sidecar | Origin::File, _) => StepKind::Import,
        (Origin::Person, Verdict::Accept) if before.suggested.is_none() => StepKind::Add,
        (Origin::Person, Verdict::Accept) => StepKind::Accept,
        (Origin::Person, Verdict::Reject) => StepKind::Reject,
        (Origin::Person, Verdict::Clear) => StepKind::Clear,
    }
}

/// A decision about one photo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The label's name.
    pub label: String,
    /// Whether the photo has the tag; otherwise it was rejected.
    pub accepted: bool,
    /// When.
    pub decided_ms: i64,
    /// By whom.
    pub origin: Origin,
    /// What had been suggested, if it had been.
    pub suggested: Option<SuggestedFacts>,
}

/// The tags of a photo, by name.
///
/// # Errors
/// What SQLite says.
pub fn tags_of(conn: &Connection, photo: PhotoId) -> Result<Vec<String>, LibraryError> {
    let sql = "SELECT l.name FROM decision d JOIN label l ON l.id = d.label
               WHERE d.photo = ?1 AND d.verdict = 1 ORDER BY l.name";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([photo], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// All that was decided about a photo, by the labels' names.
///
/// # Errors
/// What SQLite says.
pub fn decisions_of(conn: &Connection, photo: PhotoId) -> Result<Vec<Decision>, LibraryError> {
    let sql = "SELECT l.name, d.verdict, d.decided_ms, d.origin,
                      d.model, d.prompt, d.cosine, d.score, d.probability, d.suggested_ms
               FROM decision d JOIN label l ON l.id = d.label WHERE d.photo = ?1 ORDER BY l.name";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([photo], |row| {
        Ok(Decision {
            label: row.get(0)?,
            accepted: row.get(1)?,
            decided_ms: row.get(2)?,
            origin: row.get(3)?,
            suggested: known_facts(row, 4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What was decided about one label (not those below it), as calibration and evaluation need it: photos and whether
/// they have the tag. Photos that were removed are left out.
///
/// # Errors
/// What SQLite says.
pub fn verdicts(conn: &Connection, label: LabelId) -> Result<Vec<(PhotoId, bool)>, LibraryError> {
    let removed = suggestions::removed(conn)?;
    let mut statement = conn.prepare_cached("SELECT photo, verdict FROM decision WHERE label = ?1 ORDER BY photo")?;
    let rows = statement.query_map([label], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut verdicts: Vec<(PhotoId, bool)> = rows.collect::<Result<_, _>>()?;
    verdicts.retain(|(photo, _)| !removed.contains(*photo));
    Ok(verdicts)
}

/// Photos with a tag or one below it; never those that were removed. The name is tidy.
///
/// # Errors
/// What SQLite says.
pub fn photos_with(conn: &Connection, tag: &str) -> Result<RoaringBitmap, LibraryError> {
    let mut photos = RoaringBitmap::new();
    for (label, _) in labels::within(conn, tag)? {
        photos |= accepted(conn, label)?;
    }
    Ok(photos - suggestions::removed(conn)?)
}

fn accepted(conn: &Connection, label: LabelId) -> Result<RoaringBitmap, LibraryError> {
    let mut statement = conn.prepare_cached("SELECT photo FROM decision WHERE label = ?1 AND verdict = 1")?;
    let rows = statement.query_map([label], |row| row.get::<_, PhotoId>(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A label, and how many photos it is about. Photos that were removed do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagCount {
    /// Its name. A name that only stands above others, as `animal` above `animal/dog`, is listed too.
    pub name: String,
    /// Photos with this very tag.
    pub confirmed: u64,
    /// Photos with this tag or one below it, each counted once.
    pub confirmed_within: u64,
    /// Photos that it was rejected for.
    pub rejected: u64,
    /// Photos that it is suggested for.
    pub suggested: u64,
}

/// Every label that was decided or is suggested, by name.
///
/// # Errors
/// What SQLite says.
pub fn tags_with_counts(conn: &Connection) -> Result<Vec<TagCount>, LibraryError> {
    let mut counts: HashMap<LabelId, TagCount> = HashMap::new();
    // A cross join begins at its left: few photos are removed, and nearly all have decisions.
    let sums = [
        (1, "SELECT label, verdict, count(*) FROM decision GROUP BY label, verdict"),
        (1, "SELECT label, 2, count(*) FROM suggestion GROUP BY label"),
        (
            -1,
            "SELECT d.label, d.verdict, count(*) FROM photo p CROSS JOIN decision d ON d.photo = p.id
             WHERE p.removed_ms IS NOT NULL GROUP BY d.label, d.verdict",
        ),
        (
            -1,
            "SELECT s.label, 2, count(*) FROM photo p CROSS JOIN suggestion s ON s.photo = p.id
             WHERE p.removed_ms IS NOT NULL GROUP BY s.label",
        ),
    ];
    for (sign, sql) in sums {
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let count = counts.entry(row.get(0)?).or_default();
            let sum = match row.get(1)? {
                0 => &mut count.rejected,
                1 => &mut count.confirmed,
                _ => &mut count.suggested,
            };
            *sum = sum.saturating_add_signed(sign * row.get::<_, i64>(2)?);
        }
    }
    named(conn, counts)
}

/// With names, those above them, and sums over what lies below.
fn named(conn: &Connection, counts: HashMap<LabelId, TagCount>) -> Result<Vec<TagCount>, LibraryError> {
    let mut tags: HashMap<String, TagCount> = HashMap::new();
    for (label, count) in counts {
        let count = TagCount { confirmed_within: count.confirmed, ..count };
        if (count.confirmed, count.rejected, count.suggested) != (0, 0, 0)
            && let Some(name) = labels::name(conn, label)?
        {
            tags.insert(name.clone(), TagCount { name, ..count });
        }
    }
    let above: Vec<String> = tags.keys().flat_map(|name| labels::ancestors(name)).map(str::to_owned).collect();
    for name in above {
        let tag = tags.entry(name.clone()).or_insert_with(|| TagCount { name: name.clone(), ..TagCount::default() });
        tag.confirmed_within = u64::MAX;
    }
    let mut tags: Vec<TagCount> = tags.into_values().collect();
    tags.sort_by(|a, b| a.name.cmp(&b.name));
    for tag in tags.iter_mut().filter(|tag| tag.confirmed_within == u64::MAX) {
        tag.confirmed_within = photos_with(conn, &tag.name)?.len();
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ModelKey,
        labels::tests::library,
        suggestions::{NewSuggestion, replace},
    };

    pub(super) fn person<'a>(photos: &'a [PhotoId], label: &'a str, verdict: Verdict) -> Decide<'a> {
        Decide { photos, label, verdict, origin: Origin::Person, now_ms: 10 }
    }

    pub(super) fn accept(conn: &Connection, photos: &[PhotoId], label: &str) -> Outcome {
        decide(conn, &person(photos, label, Verdict::Accept)).unwrap()
    }

    fn suggest(conn: &Connection, model: &str, photos: &[PhotoId], label: &str) {
        let rows = photos.iter().map(|&photo| NewSuggestion {
            photo,
            label: 0,
            prompt: "a dog",
            cosine: 0.25,
            score: 0.5,
            probability: 0.75,
        });
        replace(conn, &ModelKey::new(model, "1"), &[label.to_owned()], rows, 5).unwrap();
    }

    #[test]
    fn a_decision_keeps_what_had_been_suggested_and_ends_the_suggestion() {
        let conn = library(2);
        suggest(&conn, "m", &[1, 2], "dog");
        assert_eq!(accept(&conn, &[1], "dog").changed, 1);
        let decision = decisions_of(&conn, 1).unwrap().remove(0);
        let facts = decision.suggested.clone().unwrap();
        assert_eq!((facts.model.as_str(), facts.prompt.as_str(), facts.suggested_ms), ("m-1", "a dog", 5));
        assert_eq!((facts.cosine, facts.score, facts.probability), (0.25, 0.5, 0.75));
        assert_eq!((decision.accepted, decision.decided_ms, decision.origin), (true, 10, Origin::Person));
        assert_eq!((tags_of(&conn, 1).unwrap(), tags_of(&conn, 2).unwrap()), (vec!["dog".to_owned()], vec![]));
        assert_eq!(suggestions::count(&conn).unwrap(), 1);
        // Another model does not ask again, and does not change what was decided.
        suggest(&conn, "other", &[1, 2], "dog");
        assert_eq!(suggestions::count(&conn).unwrap(), 1);
        assert_eq!(decisions_of(&conn, 1).unwrap(), [decision]);
        // What the old model said does not wait again beside the new one's.
        decide(&conn, &person(&[1], "dog", Verdict::Clear)).unwrap();
        assert_eq!((decisions_of(&conn, 1).unwrap(), suggestions::count(&conn).unwrap()), (vec![], 1));
    }

    #[test]
    fn a_decision_taken_back_waits_again() {
        let conn = library(1);
        suggest(&conn, "m", &[1], "dog");
        let before = suggestions::of_photo(&conn, 1).unwrap();
        decide(&conn, &person(&[1], "dog", Verdict::Reject)).unwrap();
        assert!(suggestions::of_photo(&conn, 1).unwrap().is_empty() && tags_of(&conn, 1).unwrap().is_empty());
        decide(&conn, &person(&[1], "dog", Verdict::Clear)).unwrap();
        assert_eq!(suggestions::of_photo(&conn, 1).unwrap(), before);
    }

    #[test]
    fn what_is_so_already_changes_nothing_but_a_person_says_more_than_a_sidecar() {
        let conn = library(1);
        let sidecar = Decide { origin: Origin::Sidecar, ..person(&[1], "dog", Verdict::Accept) };
        assert_eq!(decide(&conn, &sidecar).unwrap().changed, 1);
        assert_eq!(decide(&conn, &sidecar).unwrap(), Outcome { step: None, changed: 0 });
        assert_eq!(accept(&conn, &[1], "dog").changed, 1);
        assert_eq!(decide(&conn, &sidecar).unwrap().changed, 0);
        assert_eq!(decisions_of(&conn, 1).unwrap()[0].origin, Origin::Person);
        let clear = person(&[1], "cat", Verdict::Clear);
        assert_eq!(decide(&conn, &clear).unwrap().changed, 0);
    }

    #[test]
    fn a_photo_that_is_unknown_is_refused() {
        let conn = library(1);
        let error = decide(&conn, &person(&[1, 7], "dog", Verdict::Accept)).unwrap_err();
        assert!(error.to_string().contains("photo number 7"), "{error}");
    }

    #[test]
    fn counts_roll_up_and_leave_out_photos_that_were_removed() {
        let conn = library(5);
        accept(&conn, &[1, 2, 5], "animal/dog");
        accept(&conn, &[2, 3], "animal/cat");
        accept(&conn, &[3], "animals");
        decide(&conn, &person(&[4], "animal/cat", Verdict::Reject)).unwrap();
        suggest(&conn, "m", &[4, 5], "animal/horse");
        conn.execute("UPDATE photo SET removed_ms = 1 WHERE id = 5", []).unwrap();
        let counts: Vec<_> = tags_with_counts(&conn)
            .unwrap()
            .into_iter()
            .map(|tag| (tag.name, tag.confirmed, tag.confirmed_within, tag.rejected, tag.suggested))
            .collect();
        let expected = [
            ("animal", 0, 3, 0, 0),
            ("animal/cat", 2, 2, 1, 0),
            ("animal/dog", 2, 2, 0, 0),
            ("animal/horse", 0, 0, 0, 1),
            ("animals", 1, 1, 0, 0),
        ];
        assert_eq!(counts, expected.map(|(name, a, b, c, d)| (name.to_owned(), a, b, c, d)));
        assert_eq!(photos_with(&conn, "animal").unwrap(), RoaringBitmap::from_iter([1, 2, 3]));
        let cat = labels::find(&conn, "animal/cat").unwrap().unwrap();
        assert_eq!(verdicts(&conn, cat).unwrap(), [(2, true), (3, true), (4, false)]);
        // It returns with what was decided.
        conn.execute("UPDATE photo SET removed_ms = NULL WHERE id = 5", []).unwrap();
        assert_eq!(photos_with(&conn, "animal/dog").unwrap(), RoaringBitmap::from_iter([1, 2, 5]));
    }
}
