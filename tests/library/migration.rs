//! Libraries of other versions: an older one is brought up to date after it was copied, a newer one is left alone.

use std::{fs, path::Path, process::Stdio};

use cliploupe_library::{Library, LibraryError, Open, SCHEMA, photos};
use rusqlite::{Connection, params};

use crate::importer;

/// A library as the first version made it, with so many photos, each with a file and a decision.
pub fn make_old(folder: &Path, photos: u32) {
    fs::create_dir_all(folder).unwrap();
    let mut conn = Connection::open(folder.join("library.sqlite")).unwrap();
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
    conn.execute_batch(include_str!("../../src-tauri/library/src/database/0001.sql")).unwrap();
    conn.pragma_update(None, "user_version", 1).unwrap();
    let tx = conn.transaction().unwrap();
    tx.execute("INSERT INTO meta VALUES ('library_id', 'of old'), ('created_ms', '1')", []).unwrap();
    tx.execute("INSERT INTO label VALUES (1, 'animal/dog')", []).unwrap();
    for photo in 1..=photos {
        let identity = importer::identity(&photo.to_le_bytes());
        tx.execute("INSERT INTO photo (identity, added_ms) VALUES (?1, 1)", [identity.0]).unwrap();
        let sql = "INSERT INTO file (photo, path, bytes, modified_ns) VALUES (?1, ?2, 1, 1)";
        tx.execute(sql, params![photo, format!("/p/{photo}.jpg").into_bytes()]).unwrap();
        let sql = "INSERT INTO decision (photo, label, verdict, decided_ms, origin) VALUES (?1, 1, 1, ?1, 'person')";
        tx.execute(sql, [photo]).unwrap();
    }
    tx.commit().unwrap();
}

/// All that is in the tables that the first version had, by the columns that it had.
fn content(conn: &Connection) -> Vec<String> {
    let queries = [
        "SELECT * FROM meta",
        "SELECT id, identity, added_ms, format, taken_ms, removed_ms FROM photo",
        "SELECT * FROM file",
        "SELECT * FROM label",
        "SELECT * FROM decision",
    ];
    let mut all = vec![];
    for sql in queries {
        let mut statement = conn.prepare(sql).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            all.push((0..columns).map(|at| format!("{:?} ", row.get_ref(at).unwrap())).collect());
        }
    }
    all
}

fn connect(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

fn schema(conn: &Connection) -> u32 {
    conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn an_older_library_is_copied_and_brought_up_to_date() {
    let temp = tempfile::tempdir().unwrap();
    make_old(temp.path(), 300);
    let before = content(&connect(&temp.path().join("library.sqlite")));
    // As a crash leaves it while a copy is made.
    fs::write(temp.path().join(".backup-half"), "SQLite").unwrap();
    let library = importer::open(temp.path()).unwrap();
    assert_eq!(library.id(), "of old");
    assert!(importer::is_whole(&library));
    let now = library.read(|conn| Ok((content(conn), schema(conn)))).unwrap();
    assert_eq!(now, (before.clone(), SCHEMA));
    // What is new works on what is old.
    let row = library.read(|conn| photos::row(conn, 7)).unwrap().unwrap();
    assert_eq!((row.path.as_deref(), row.missing), (Some(Path::new("/p/7.jpg")), false));
    let copy = connect(&temp.path().join("library.sqlite.backup-1"));
    assert_eq!((content(&copy), schema(&copy)), (before, 1));
    assert_eq!(copy.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
    // The copy is itself a library of old, and nothing else was left behind.
    drop((library, copy));
    let mut names: Vec<_> = fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["features", "library.sqlite", "library.sqlite.backup-1", "thumbnails"]);
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    make_old(temp.path(), 10);
    let path = temp.path().join("library.sqlite");
    // One of the last statements of the migration meets something of this name.
    connect(&path).execute_batch("CREATE TABLE photo_format (x)").unwrap();
    let before = content(&connect(&path));
    assert!(matches!(importer::open(temp.path()), Err(LibraryError::Database { .. })));
    let conn = connect(&path);
    assert_eq!((content(&conn), schema(&conn)), (before.clone(), 1));
    assert!(conn.prepare("SELECT last_path FROM photo").is_err());
    assert_eq!(content(&connect(&temp.path().join("library.sqlite.backup-1"))), before);
    conn.execute_batch("DROP TABLE photo_format").unwrap();
    drop(conn);
    assert_eq!(importer::number(&importer::open(temp.path()).unwrap(), "SELECT count(*) FROM decision"), 10);
}

#[test]
fn a_newer_library_is_refused_and_left_as_it_is() {
    let temp = tempfile::tempdir().unwrap();
    make_old(temp.path(), 1);
    let path = temp.path().join("library.sqlite");
    connect(&path).pragma_update(None, "user_version", SCHEMA + 1).unwrap();
    let before = fs::read(&path).unwrap();
    for read_only in [false, true] {
        let error = Library::open(temp.path(), Open { create: false, read_only }).unwrap_err();
        assert!(matches!(error, LibraryError::TooNew { found, known: SCHEMA, .. } if found == SCHEMA + 1), "{error}");
        assert!(error.to_string().contains("update Cliploupe"));
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn an_older_library_that_shall_only_be_read_is_not_changed() {
    let temp = tempfile::tempdir().unwrap();
    make_old(temp.path(), 1);
    let error = Library::open(temp.path(), Open { create: false, read_only: true }).unwrap_err();
    assert!(matches!(error, LibraryError::ReadOnly { .. }), "{error}");
    assert_eq!(schema(&connect(&temp.path().join("library.sqlite"))), 1);
}

#[test]
fn a_process_that_opens_an_old_library() {
    let Some(work) = importer::work() else { return };
    assert_eq!(importer::number(&importer::open(&work).unwrap(), "SELECT count(*) FROM decision"), 2000);
}

#[test]
fn two_processes_migrate_an_old_library_once() {
    let temp = tempfile::tempdir().unwrap();
    make_old(temp.path(), 2000);
    let start = || {
        importer::again(&[], "migration::a_process_that_opens_an_old_library", temp.path())
            .stdout(Stdio::null())
            .spawn()
    };
    for mut child in [start(), start(), start()].map(Result::unwrap) {
        assert!(child.wait().unwrap().success());
    }
    let library = importer::open(temp.path()).unwrap();
    assert!(importer::is_whole(&library));
    assert_eq!(schema(&connect(&temp.path().join("library.sqlite.backup-1"))), 1);
}
