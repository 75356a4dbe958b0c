//! Tags that get another name, or become one with another.

use roaring::RoaringBitmap;
use rusqlite::{Connection, params};

use super::Outcome;
use crate::{
    LibraryError, PhotoId,
    labels::{self, LabelId},
    state::State,
    steps::{Recorder, StepKind},
};

/// Gives a tag, and all below it, another name, as one step. Where the new name exists the two become one: a photo that
/// has either tag has it then, and a rejection counts only where nothing was accepted.
///
/// Label sets keep the old name until they are changed too (`label_sets::rename_label`).
///
/// # Errors
/// [`LibraryError::Refused`] for a name that is none, or a tag that is not there; what SQLite says.
pub fn rename_tag(tx: &Connection, old: &str, new: &str, now_ms: i64) -> Result<Outcome, LibraryError> {
    let (old, new) = (labels::tidy(old)?, labels::tidy(new)?);
    let mut sources = labels::within(tx, &old)?;
    if sources.is_empty() {
        return Err(LibraryError::Refused(format!("there is no tag {old:?} to rename")));
    }
    let mut recorder = Recorder::new(tx, now_ms);
    if old != new {
        // A name must be free before another takes it: `a` to `a/b` begins at the longest, `a/b` to `a` at the shortest.
        sources.sort_by_key(|(_, name)| name.len());
        if labels::is_within(&new, &old) {
            sources.reverse();
        }
        for (label, name) in sources {
            let target = labels::tidy(&format!("{new}{}", &name[old.len()..]))?;
            match labels::find(tx, &target)? {
                Some(other) => merge(tx, &mut recorder, label, other)?,
                None => {
                    tx.prepare_cached("UPDATE label SET name = ?2 WHERE id = ?1")?.execute(params![label, target])?;
                    recorder.name(label, &name, &target)?;
                }
            }
        }
    }
    let changed = recorder.changes();
    Ok(Outcome { step: recorder.finish(StepKind::Rename)?, changed })
}

/// Moves all decisions from one label to another.
fn merge(tx: &Connection, recorder: &mut Recorder, from: LabelId, to: LabelId) -> Result<(), LibraryError> {
    let mut statement = tx.prepare_cached("SELECT photo FROM decision WHERE label = ?1")?;
    let photos = statement.query_map([from], |row| row.get::<_, PhotoId>(0))?.collect::<Result<RoaringBitmap, _>>()?;
    for photo in photos {
        let (source, target) = (State::read(tx, photo, from)?, State::read(tx, photo, to)?);
        let is_accepted = |state: &State| state.decided.is_some_and(|decided| decided.accepted);
        let source_counts = target.decided.is_none() || (is_accepted(&source) && !is_accepted(&target));
        if source_counts {
            source.write(tx, photo, to)?;
            recorder.decision(photo, to, &target, &source)?;
        }
        State::default().write(tx, photo, from)?;
        recorder.decision(photo, from, &source, &State::default())?;
    }
    tx.prepare_cached(
        "UPDATE OR IGNORE suggestion SET label = ?2 WHERE label = ?1
         AND NOT EXISTS (SELECT 1 FROM decision d WHERE d.photo = suggestion.photo AND d.label = ?2)",
    )?
    .execute([from, to])?;
    tx.prepare_cached("DELETE FROM suggestion WHERE label = ?1")?.execute([from])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        labels::tests::library,
        steps,
        tags::{
            Verdict, decide, decisions_of, tags_of, tags_with_counts,
            tests::{accept, person},
            verdicts,
        },
    };

    #[test]
    fn a_renamed_tag_takes_those_below_it_along() {
        let conn = library(2);
        accept(&conn, &[1], "dog");
        accept(&conn, &[2], "dog/poodle");
        accept(&conn, &[2], "dogs");
        let outcome = rename_tag(&conn, "dog", "dog/hound", 20).unwrap();
        assert_eq!(outcome.changed, 2);
        assert_eq!(tags_of(&conn, 1).unwrap(), ["dog/hound"]);
        assert_eq!(tags_of(&conn, 2).unwrap(), ["dog/hound/poodle", "dogs"]);
        rename_tag(&conn, "dog/hound", "dog", 21).unwrap();
        assert_eq!(tags_of(&conn, 2).unwrap(), ["dog/poodle", "dogs"]);
        assert_eq!(rename_tag(&conn, "dog", "dog", 22).unwrap().step, None);
        assert!(rename_tag(&conn, "cat", "dog", 22).is_err());
    }

    #[test]
    fn two_tags_become_one_and_no_acceptance_is_lost() {
        let conn = library(4);
        accept(&conn, &[1, 2], "hound");
        decide(&conn, &person(&[3, 4], "hound", Verdict::Reject)).unwrap();
        accept(&conn, &[3], "dog");
        decide(&conn, &person(&[2], "dog", Verdict::Reject)).unwrap();
        let before: Vec<_> = (1..=4).map(|photo| decisions_of(&conn, photo).unwrap()).collect();
        rename_tag(&conn, "hound", "dog", 20).unwrap();
        let dogs = labels::find(&conn, "dog").unwrap().unwrap();
        assert_eq!(verdicts(&conn, dogs).unwrap(), [(1, true), (2, true), (3, true), (4, false)]);
        assert!(tags_with_counts(&conn).unwrap().iter().all(|tag| tag.name == "dog"));
        steps::undo(&conn).unwrap();
        assert_eq!((1..=4).map(|photo| decisions_of(&conn, photo).unwrap()).collect::<Vec<_>>(), before);
    }
}
