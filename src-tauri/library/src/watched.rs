//! Folders whose new photos come into the library by themselves: which they are. `watch.rs` does the watching.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use crate::{LibraryError, paths};

/// A watched folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Since when it is watched.
    pub added_ms: i64,
    /// When a scan of it last came to its end.
    pub scanned_ms: Option<i64>,
}

/// All of them, in the order they were added.
///
/// # Errors
/// What SQLite says.
pub fn list(conn: &Connection) -> Result<Vec<WatchedFolder>, LibraryError> {
    let mut statement = conn.prepare_cached("SELECT path, added_ms, scanned_ms FROM watched_folder ORDER BY id")?;
    let read = |row: &rusqlite::Row| {
        let path = paths::from_bytes(row.get_ref(0)?.as_blob()?);
        Ok(WatchedFolder { path, added_ms: row.get(1)?, scanned_ms: row.get(2)? })
    };
    Ok(statement.query_map([], read)?.collect::<rusqlite::Result<_>>()?)
}

/// Watches a folder, given by an absolute path ([`paths::absolute`]); `false` if it already was.
///
/// # Errors
/// What SQLite says.
pub fn add(conn: &Connection, folder: &Path, now_ms: i64) -> Result<bool, LibraryError> {
    let sql = "INSERT INTO watched_folder (path, added_ms) VALUES (?1, ?2) ON CONFLICT (path) DO NOTHING";
    Ok(conn.execute(sql, params![paths::to_bytes(folder), now_ms])? > 0)
}

/// Does not watch a folder any more; its photos stay. `false` if it was not watched.
///
/// # Errors
/// What SQLite says.
pub fn remove(conn: &Connection, folder: &Path) -> Result<bool, LibraryError> {
    Ok(conn.execute("DELETE FROM watched_folder WHERE path = ?1", [paths::to_bytes(folder)])? > 0)
}

/// Notes that a scan of a folder came to its end.
///
/// # Errors
/// What SQLite says.
pub fn scanned(conn: &Connection, folder: &Path, now_ms: i64) -> Result<(), LibraryError> {
    let sql = "UPDATE watched_folder SET scanned_ms = ?2 WHERE path = ?1";
    conn.execute(sql, params![paths::to_bytes(folder), now_ms])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_watched_once_and_remember_their_scans() {
        let conn = crate::database::in_memory();
        let (first, second) = (Path::new("/p/🦊\n"), Path::new("/p/b"));
        assert!(add(&conn, first, 1).unwrap() && add(&conn, second, 2).unwrap() && !add(&conn, first, 3).unwrap());
        scanned(&conn, second, 9).unwrap();
        let folder = |path: &Path, added_ms, scanned_ms| WatchedFolder { path: path.to_owned(), added_ms, scanned_ms };
        assert_eq!(list(&conn).unwrap(), [folder(first, 1, None), folder(second, 2, Some(9))]);
        assert!(remove(&conn, first).unwrap() && !remove(&conn, first).unwrap());
        assert_eq!(list(&conn).unwrap().len(), 1);
    }
}
