//! From an older schema to the newest: one transaction, after a copy of the whole file was put aside.

use std::{fs, path::Path, thread, time::Duration};

use rusqlite::{
    Connection, Transaction, TransactionBehavior,
    backup::{Backup, StepResult},
};

use super::{FILE, explain, reader};
use crate::{LibraryError, clock};

/// The statements that lead to each schema from the one before it.
const MIGRATIONS: [(u32, &str); 2] = [(1, include_str!("0001.sql")), (2, include_str!("0002.sql"))];

/// The newest schema.
pub const SCHEMA: u32 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// How the name of a copy begins that is not whole yet.
const HALF: &str = ".backup-";

/// How many pages of 4 KiB a step of a copy takes.
const PAGES: i32 = 4096;

/// What is to be done with a file.
enum Work {
    Nothing,
    Make,
    Migrate { from: u32 },
}

fn work(conn: &Connection, path: &Path, create: bool) -> Result<Work, LibraryError> {
    let refused = |error| explain(path, "open the library", error);
    let tables: u32 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(refused)?;
    match super::schema(conn).map_err(refused)? {
        Some(SCHEMA) => Ok(Work::Nothing),
        Some(found) if found > SCHEMA => Err(LibraryError::TooNew { path: path.to_owned(), found, known: SCHEMA }),
        Some(from) => Ok(Work::Migrate { from }),
        None if tables == 0 && create => Ok(Work::Make),
        None => Err(LibraryError::NotALibrary { path: path.parent().unwrap_or(path).to_owned() }),
    }
}

/// Refuses a file that is none of ours, or is of a newer program, before anything in it is touched.
///
/// # Errors
/// As [`bring_up_to_date`].
pub fn check(conn: &Connection, path: &Path, create: bool) -> Result<(), LibraryError> {
    work(conn, path, create).map(|_| ())
}

/// Makes the tables of an empty file if `create` says so, or migrates those of an older schema. A copy of what was there
/// before is kept as `library.sqlite.backup-N`, N its schema; it is there as a whole or not at all.
///
/// # Errors
/// `TooNew`, `NotALibrary` if the file has other tables or none, and what SQLite or the disk says; then nothing changed.
pub fn bring_up_to_date(conn: &mut Connection, path: &Path, create: bool) -> Result<(), LibraryError> {
    let failed = |error| explain(path, "bring up to date", error);
    // The lock to write is held from here, so that no other process migrates at the same time or adds to what is copied.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let from = match work(&tx, path, create)? {
        Work::Nothing => return Ok(()),
        Work::Make => 0,
        Work::Migrate { from } => {
            back_up(path, from)?;
            from
        }
    };
    migrate(&tx, from).and_then(|()| tx.commit()).map_err(failed)
}

fn migrate(tx: &Transaction, from: u32) -> rusqlite::Result<()> {
    MIGRATIONS.iter().filter(|(version, _)| *version > from).try_for_each(|(version, statements)| {
        tx.execute_batch(statements)?;
        tx.pragma_update(None, "user_version", version)
    })?;
    if from == 0 {
        tx.execute("INSERT INTO meta VALUES ('library_id', lower(hex(randomblob(16))))", [])?;
        tx.execute("INSERT INTO meta VALUES ('created_ms', ?1)", [clock::now_ms().to_string()])?;
    }
    Ok(())
}

/// Copies the file beside itself. The caller holds the lock to write, so the copy is of one moment.
fn back_up(path: &Path, schema: u32) -> Result<(), LibraryError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let kept = folder.join(format!("{FILE}.backup-{schema}"));
    let failed = |error| explain(path, "copy, before it is brought up to date,", error);
    remove_halves(folder);
    let file = tempfile::Builder::new().prefix(HALF).tempfile_in(folder);
    let file = file.map_err(LibraryError::file("write", &kept))?;
    let source = reader(path, super::Reading::Shared).map_err(failed)?;
    copy(&source, file.path()).map_err(failed)?;
    // Windows flushes only what is open to be written.
    file.as_file().sync_all().map_err(LibraryError::file("write", &kept))?;
    file.persist(&kept).map_err(|error| LibraryError::file("write", &kept)(error.error))?;
    Ok(())
}

/// Removes copies that a crash left unfinished. Nobody else is at one: that takes the lock to write.
fn remove_halves(folder: &Path) {
    let is_half = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(HALF);
    for half in fs::read_dir(folder).into_iter().flatten().flatten().filter(is_half) {
        // One that stays costs room, nothing else; that there is too little is said by the copy.
        let _ = fs::remove_file(half.path());
    }
}

fn copy(source: &Connection, to: &Path) -> rusqlite::Result<()> {
    let mut target = Connection::open(to)?;
    // The copy becomes visible by its name; until then a journal would only cost time.
    target.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
    target.pragma_update(None, "synchronous", "OFF")?;
    let backup = Backup::new(source, &mut target)?;
    loop {
        match backup.step(PAGES)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => thread::sleep(Duration::from_millis(10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_follow_each_other() {
        assert!(MIGRATIONS.iter().zip(1..).all(|((version, _), expected)| *version == expected));
    }

    #[test]
    fn tables_of_something_else_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipe (name TEXT)").unwrap();
        let error = super::super::writer(&path, true).unwrap_err();
        assert!(matches!(error, LibraryError::NotALibrary { .. }), "{error}");
    }
}
