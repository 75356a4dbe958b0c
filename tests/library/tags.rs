//! Decisions in a real file: they and their steps outlive the program, and two programs share one library.

use std::{collections::BTreeMap, path::Path, time::Instant};

use cliploupe_library::{
    ModelKey, PhotoId, steps,
    suggestions::{self, NewSuggestion},
    tags::{self, Decide, Origin, Verdict},
};
use proptest::prelude::*;
use rusqlite::Connection;

const SCHEMA: &str = include_str!("../../src-tauri/library/src/database/0001.sql");

/// Opens a library's file; a new one has photos 1 to `photos`.
fn open(path: &Path, photos: u32) -> Connection {
    let is_new = !path.exists();
    let conn = Connection::open(path).unwrap();
    conn.pragma_update(None, "journal_mode", "wal").unwrap();
    conn.pragma_update(None, "foreign_keys", true).unwrap();
    conn.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    if is_new {
        conn.execute_batch(SCHEMA).unwrap();
        conn.execute_batch("BEGIN").unwrap();
        for photo in 1..=photos {
            conn.execute("INSERT INTO photo (id, added_ms) VALUES (?1, 0)", [photo]).unwrap();
        }
        conn.execute_batch("COMMIT").unwrap();
    }
    conn
}

fn decide(conn: &mut Connection, photos: &[PhotoId], label: &str, verdict: Verdict, now_ms: i64) {
    let tx = conn.transaction().unwrap();
    tags::decide(&tx, &Decide { photos, label, verdict, origin: Origin::Person, now_ms }).unwrap();
    tx.commit().unwrap();
}

fn undo(conn: &mut Connection) -> steps::StepDone {
    let tx = conn.transaction().unwrap();
    let done = steps::undo(&tx).unwrap().unwrap();
    tx.commit().unwrap();
    done
}

#[test]
fn steps_outlive_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("library.sqlite");
    let mut conn = open(&path, 3);
    decide(&mut conn, &[1, 2], "animal/dog", Verdict::Accept, 5);
    decide(&mut conn, &[1], "animal/dog", Verdict::Reject, 6);
    undo(&mut conn);
    drop(conn);
    let mut conn = open(&path, 3);
    assert_eq!(steps::can_redo(&conn).unwrap().unwrap().to_string(), "reject \"animal/dog\" for 1 photo");
    assert_eq!(steps::can_undo(&conn).unwrap().unwrap().to_string(), "add \"animal/dog\" for 2 photos");
    assert_eq!(undo(&mut conn).photos, [1, 2]);
    assert!(tags::tags_with_counts(&conn).unwrap().is_empty());
}

#[test]
fn a_transaction_that_fails_leaves_neither_decision_nor_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut conn = open(&folder.path().join("library.sqlite"), 2);
    decide(&mut conn, &[1], "dog", Verdict::Accept, 1);
    let tx = conn.transaction().unwrap();
    let what = Decide { photos: &[2, 77], label: "cat", verdict: Verdict::Accept, origin: Origin::Person, now_ms: 2 };
    assert!(tags::decide(&tx, &what).is_err());
    drop(tx);
    assert_eq!(steps::can_undo(&conn).unwrap().unwrap().labels, ["dog"]);
    assert!(tags::tags_of(&conn, 2).unwrap().is_empty());
}

#[test]
fn two_programs_undo_what_the_other_decided_but_never_what_was_decided_since() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("library.sqlite");
    let (mut one, mut other) = (open(&path, 3), open(&path, 3));
    decide(&mut one, &[1, 2, 3], "dog", Verdict::Accept, 5);
    decide(&mut other, &[2], "dog", Verdict::Reject, 6);
    // The newest step is the other's; then it is the turn of the first.
    assert_eq!(undo(&mut one).photos, [2]);
    assert_eq!(tags::tags_of(&one, 2).unwrap(), ["dog"]);
    // A sidecar's word that never was a step of this library.
    other.execute("UPDATE decision SET verdict = 0, origin = 'sidecar', decided_ms = 9 WHERE photo = 3", []).unwrap();
    let done = undo(&mut one);
    assert_eq!((done.photos, done.skipped), (vec![1, 2], vec![3]));
    assert!(!tags::decisions_of(&one, 3).unwrap()[0].accepted);
}

#[test]
fn another_models_run_keeps_ten_thousand_decisions() {
    let folder = tempfile::tempdir().unwrap();
    let mut conn = open(&folder.path().join("library.sqlite"), 20_000);
    let labels = ["dog".to_owned()];
    let run = |conn: &mut Connection, model: &str| {
        let tx = conn.transaction().unwrap();
        let row = |photo| NewSuggestion { photo, label: 0, prompt: "a dog", cosine: 0.2, score: 0.1, probability: 0.7 };
        let kept = suggestions::replace(&tx, &ModelKey::new(model, "1"), &labels, (1..=20_000).map(row), 3).unwrap();
        tx.commit().unwrap();
        kept
    };
    assert_eq!(run(&mut conn, "old"), 20_000);
    let photos: Vec<PhotoId> = (1..=10_000).collect();
    let start = Instant::now();
    decide(&mut conn, &photos, "dog", Verdict::Accept, 5);
    println!("ten thousand decisions in {:?}", start.elapsed());
    assert_eq!(run(&mut conn, "new"), 10_000);
    assert_eq!(tags::photos_with(&conn, "dog").unwrap().len(), 10_000);
    let facts = tags::decisions_of(&conn, 10_000).unwrap().remove(0).suggested.unwrap();
    assert_eq!((facts.model.as_str(), facts.suggested_ms), ("old-1", 3));
    // Undone, those photos have no suggestion of the old model beside those of the new one.
    let start = Instant::now();
    assert_eq!(undo(&mut conn).photos.len(), 10_000);
    println!("undone in {:?}", start.elapsed());
    assert_eq!(suggestions::count(&conn).unwrap(), 10_000);
    assert_eq!(suggestions::model(&conn).unwrap(), Some(ModelKey::new("new", "1")));
}

#[derive(Debug, Clone)]
enum Deed {
    Decide(Vec<PhotoId>, usize, Verdict),
    Rename(usize, usize),
    Undo,
    Redo,
}

const NAMES: [&str; 5] = ["a", "a/b", "a/b/c", "b", "a/a"];

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let verdict = prop_oneof![Just(Verdict::Accept), Just(Verdict::Reject), Just(Verdict::Clear)];
    let decide = (prop::collection::vec(1u32..6, 1..5), 0..NAMES.len(), verdict);
    let deed = prop_oneof![
        4 => decide.prop_map(|(photos, label, verdict)| Deed::Decide(photos, label, verdict)),
        1 => (0..NAMES.len(), 0..NAMES.len()).prop_map(|(old, new)| Deed::Rename(old, new)),
        2 => Just(Deed::Undo),
        1 => Just(Deed::Redo),
    ];
    prop::collection::vec(deed, 1..25)
}

/// All that was decided, by photo and name.
fn decided(conn: &Connection) -> BTreeMap<(PhotoId, String), (bool, i64)> {
    let of = |photo| tags::decisions_of(conn, photo).unwrap().into_iter().map(move |decision| (photo, decision));
    (1..6)
        .flat_map(of)
        .map(|(photo, decision)| ((photo, decision.label), (decision.accepted, decision.decided_ms)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// As long as nobody else writes, undo and redo walk over exactly the states that there were.
    #[test]
    fn undo_and_redo_walk_over_the_states_that_there_were(deeds in deeds()) {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(SCHEMA).unwrap();
        conn.execute_batch("INSERT INTO photo (id, added_ms) VALUES (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)").unwrap();
        let (mut past, mut future) = (vec![], vec![]);
        let mut now = decided(&conn);
        for (at, deed) in (1..).zip(deeds) {
            let outcome = match deed {
                Deed::Decide(photos, label, verdict) => {
                    let what = Decide { photos: &photos, label: NAMES[label], verdict, origin: Origin::Person, now_ms: at };
                    tags::decide(&conn, &what).unwrap().step
                }
                Deed::Rename(old, new) => tags::rename_tag(&conn, NAMES[old], NAMES[new], at).ok().and_then(|outcome| outcome.step),
                Deed::Undo => {
                    let done = steps::undo(&conn).unwrap();
                    prop_assert_eq!(done.is_some(), !past.is_empty());
                    if let (Some(done), Some(before)) = (done, past.pop()) {
                        prop_assert!(done.skipped.is_empty() && done.skipped_names.is_empty(), "{:?}", done);
                        future.push(std::mem::replace(&mut now, before));
                        prop_assert_eq!(&decided(&conn), &now);
                    }
                    continue;
                }
                Deed::Redo => {
                    let done = steps::redo(&conn).unwrap();
                    prop_assert_eq!(done.is_some(), !future.is_empty());
                    if let (Some(done), Some(after)) = (done, future.pop()) {
                        prop_assert!(done.skipped.is_empty() && done.skipped_names.is_empty(), "{:?}", done);
                        past.push(std::mem::replace(&mut now, after));
                        prop_assert_eq!(&decided(&conn), &now);
                    }
                    continue;
                }
            };
            let after = decided(&conn);
            match outcome {
                Some(_) => {
                    past.push(std::mem::replace(&mut now, after));
                    future.clear();
                }
                None => prop_assert_eq!(&after, &now),
            }
        }
    }
}
