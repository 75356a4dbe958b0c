//! The SQLite file: how it is opened, and what its refusals mean.
//!
//! One connection writes, any number read (WAL). A commit is on the disk before it is acknowledged (`synchronous = FULL`),
//! because what a person decided must survive a power cut. No memory maps: a file that shrinks, or a drive that goes, would
//! kill the program.

mod migrations;

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, OptionalExtension, TransactionBehavior};

use crate::LibraryError;

pub use migrations::SCHEMA;

/// The file's name in the library's folder.
pub const FILE: &str = "library.sqlite";

/// How long to wait for another process that writes. Its transactions are short; a migration copies the whole file.
const PATIENCE: Duration = Duration::from_secs(60);

/// A disk with less room than this is full: SQLite does not say why it could not grow or make a file.
const NO_ROOM: u64 = 64 << 10;

/// How readers share the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// With writers, by the shared memory beside it.
    Shared,
    /// Without, because no file can be made beside it: the log of changes is read, its index is kept in memory.
    Alone,
    /// Without, and there is no log of changes.
    Unchanging,
}

/// The connection that writes; it makes the file if `create` says so, and brings an older schema up to date.
///
/// # Errors
/// `ReadOnly` if the file or its folder cannot be written, and as [`explain`].
pub fn writer(path: &Path, create: bool) -> Result<Connection, LibraryError> {
    let refused = |error: rusqlite::Error| match (error.sqlite_error_code(), why_read_only(path)) {
        (Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied), Some(reason)) => {
            LibraryError::ReadOnly { path: path.to_owned(), reason }
        }
        _ => explain(path, "open the library", error),
    };
    let may_make = if create { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | may_make;
    let mut conn = Connection::open_with_flags(path, flags).map_err(refused)?;
    conn.busy_timeout(PATIENCE).map_err(refused)?;
    // Reading needs more than the file while it is in WAL, so this may find out that nothing can be written.
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(refused)?;
    // SQLite opens what it may not write to be read, and says so only when asked.
    if conn.is_readonly(MAIN_DB).map_err(refused)? {
        let reason = why_read_only(path).unwrap_or_else(|| "its file cannot be written".into());
        return Err(LibraryError::ReadOnly { path: path.to_owned(), reason });
    }
    migrations::check(&conn, path, create)?;
    make_safe(&mut conn).map_err(refused)?;
    migrations::bring_up_to_date(&mut conn, path, create)?;
    Ok(conn)
}

/// The writer's settings; an error if it cannot write, which is known only by trying.
fn make_safe(conn: &mut Connection) -> rusqlite::Result<()> {
    write_ahead(conn)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    // A log that one large change made long is cut again.
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    both(conn)?;
    conn.transaction_with_behavior(TransactionBehavior::Immediate)?.rollback()
}

/// Changes to WAL, which is kept in the file. Two processes that make it at once get in each other's way for a moment, and
/// SQLite does not wait by itself here.
fn write_ahead(conn: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && begun.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(5));
            }
            other => return other.map(|_| ()),
        }
    }
}

/// What readers and the writer have in common.
fn both(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(PATIENCE)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "mmap_size", 0)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // KiB, negative by SQLite's convention.
    conn.pragma_update(None, "cache_size", -(32 << 10))?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// A connection that only reads.
pub fn reader(path: &Path, how: Reading) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = match how {
        Reading::Shared => Connection::open_with_flags(path, flags)?,
        Reading::Alone => {
            // As sqlite.org/wal.html, "Use of WAL Without Shared-Memory"; its lock is not to be had on a read-only disk.
            let vfs = if cfg!(windows) { c"win32-none" } else { c"unix-none" };
            let conn = Connection::open_with_flags_and_vfs(path, flags, vfs)?;
            conn.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
            conn
        }
        Reading::Unchanging => {
            let uri = format!("{}?immutable=1", file_uri(path));
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?
        }
    };
    both(&conn)?;
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(conn)
}

/// The best way to read a file that cannot be written, or shall not be.
pub fn how_to_read(path: &Path) -> rusqlite::Result<Reading> {
    let refused = match reader(path, Reading::Shared) {
        Ok(_) => return Ok(Reading::Shared),
        Err(error) => error,
    };
    let is_about_files = matches!(
        refused.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::SystemIoFailure | ErrorCode::PermissionDenied)
    );
    if !is_about_files {
        return Err(refused);
    }
    let log = path.with_file_name(format!("{FILE}-wal"));
    let has_log = fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let how = if has_log { Reading::Alone } else { Reading::Unchanging };
    reader(path, how).map(|_| how)
}

/// An absolute path as a `file:` URI.
fn file_uri(path: &Path) -> String {
    #[cfg(windows)]
    let bytes = format!("/{}", path.display()).replace('\\', "/").into_bytes();
    #[cfg(not(windows))]
    let bytes = crate::paths::to_bytes(path);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~:".contains(byte);
    let escaped = |byte: &u8| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    format!("file:{}", bytes.iter().map(escaped).collect::<String>())
}

/// Why a file that is there cannot be written; `None` if it can.
fn why_read_only(path: &Path) -> Option<String> {
    if !path.exists() {
        return None;
    }
    if let Err(error) = fs::OpenOptions::new().append(true).open(path) {
        return Some(format!("its file cannot be written ({error})"));
    }
    match tempfile::tempfile_in(path.parent()?) {
        Err(error) if !is_full(&error) => Some(format!("its folder cannot be written ({error})")),
        _ => None,
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

/// What an error of SQLite means for the library whose file is `path`.
pub fn explain(path: &Path, doing: &'static str, error: rusqlite::Error) -> LibraryError {
    let path = path.to_owned();
    let is_full = || fs4::available_space(path.parent().unwrap_or(&path)).is_ok_and(|room| room < NO_ROOM);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => LibraryError::DiskFull { doing, path },
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) if is_full() => LibraryError::DiskFull { doing, path },
        Some(ErrorCode::ReadOnly) => {
            let reason = why_read_only(&path).unwrap_or_else(|| error.to_string());
            LibraryError::ReadOnly { path, reason }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            LibraryError::Damaged { path, cause: error.to_string() }
        }
        _ => LibraryError::Database { doing, source: error },
    }
}

/// The schema of a file; `None` if it holds nothing of ours.
pub fn schema(conn: &Connection) -> rusqlite::Result<Option<u32>> {
    let version: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let is_ours = conn
        .query_row("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'photo'", [], |_| Ok(()))
        .optional()?;
    Ok(is_ours.filter(|()| version > 0).map(|()| version))
}

/// A database of the newest schema in memory, for tests of functions on tables.
#[cfg(test)]
pub fn in_memory() -> Connection {
    let mut conn = Connection::open_in_memory().expect("memory");
    both(&conn).expect("pragmas");
    migrations::bring_up_to_date(&mut conn, Path::new(""), true).expect("the schema");
    conn
}
