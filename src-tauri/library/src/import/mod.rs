//! How files become photos: found, read, recognised by what their pixels are made of.
//!
//! ```text
//! see       what a walk found: new, changed, or known by path, size and time and so not read again
//! (read)    the caller reads a file and hashes what its pixels are made of
//! identify  whose file it is: a new photo's, or that of one which was moved, copied or edited
//! fail      or why it could not be read
//! ```
//! Every call may be made again: a crash between any two of them, and all of it once more, ends in the same tables. A
//! file's size and time are written down only together with what was read from it. No photo about which a person decided
//! something is ever deleted.

mod identify;
#[cfg(test)]
mod sequences;

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, params};

use crate::{LibraryError, PhotoId, paths};

pub use identify::{Facts, How, Identified, identify};

/// A file as a walk found it, before it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Where; absolute ([`paths::absolute`]).
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was changed ([`clock::modified_ns`](crate::clock::modified_ns)). Only ever compared for being the same.
    pub modified_ns: i64,
}

impl FoundFile {
    fn size(&self) -> i64 {
        i64::try_from(self.bytes).unwrap_or(i64::MAX)
    }
}

/// Who found a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finder {
    /// A person added it, or its folder, by hand; so what was taken out of the library before comes back.
    Person,
    /// A scan of a watched folder, which leaves out what was taken out.
    Scan,
}

/// What a found file is to the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It has to be read: it is not known, or had been found before and not been read.
    New,
    /// It is as it was when it was read, or could not be read.
    Unchanged,
    /// It has to be read again: its size or its time is another.
    Changed,
    /// It is as it was when it was read, and had been missing, or had been taken out and is wanted back.
    Returned,
    /// It was taken out of the library, and nobody wants it back.
    Removed,
}

/// A found file, as [`see`] knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whose file it is, or was.
    pub photo: PhotoId,
    /// What it is.
    pub what: What,
}

struct Known {
    file: i64,
    photo: PhotoId,
    is_same: bool,
    is_missing: bool,
    is_read: bool,
    is_failed: bool,
    is_removed: bool,
}

fn known(conn: &Connection, found: &FoundFile, path: &[u8]) -> rusqlite::Result<Option<Known>> {
    let mut statement = conn.prepare_cached(
        "SELECT f.id, f.photo, f.bytes = ?2 AND f.modified_ns = ?3, f.missing_since_ms IS NOT NULL,
                p.identity IS NOT NULL, p.problem IS NOT NULL, p.removed_ms IS NOT NULL
         FROM file f JOIN photo p ON p.id = f.photo WHERE f.path = ?1",
    )?;
    let read = |row: &rusqlite::Row| {
        Ok(Known {
            file: row.get(0)?,
            photo: row.get(1)?,
            is_same: row.get(2)?,
            is_missing: row.get(3)?,
            is_read: row.get(4)?,
            is_failed: row.get(5)?,
            is_removed: row.get(6)?,
        })
    };
    statement.query_row(params![path, found.size(), found.modified_ns], read).optional()
}

/// Says of found files what they are, and takes up those that are new, as photos that wait to be read.
///
/// # Errors
/// What SQLite says.
pub fn see(conn: &Connection, found: &[FoundFile], finder: Finder, now_ms: i64) -> Result<Vec<Seen>, LibraryError> {
    Ok(found.iter().map(|found| see_one(conn, found, finder, now_ms)).collect::<rusqlite::Result<_>>()?)
}

fn see_one(conn: &Connection, found: &FoundFile, finder: Finder, now_ms: i64) -> rusqlite::Result<Seen> {
    let is_wanted = finder == Finder::Person;
    let path = paths::to_bytes(&found.path);
    let Some(known) = known(conn, found, &path)? else {
        let photo = take_up(conn, found, &path, is_wanted, now_ms)?;
        return Ok(Seen { photo, what: What::New });
    };
    let must_be_read = !(known.is_same && (known.is_read || known.is_failed));
    // A photo that was taken out and is edited shows something new, which nobody took out.
    let may_be_new = known.is_read && must_be_read;
    let what = match () {
        () if known.is_removed && !is_wanted && !may_be_new => What::Removed,
        () if must_be_read && (known.is_read || known.is_failed) => What::Changed,
        () if must_be_read => What::New,
        () if known.is_removed || known.is_missing => What::Returned,
        () => What::Unchanged,
    };
    if known.is_missing && !may_be_new {
        conn.prepare_cached("UPDATE file SET missing_since_ms = NULL WHERE id = ?1")?.execute([known.file])?;
    }
    if is_wanted && must_be_read {
        // Which photo it is that comes back is known once the file has been read.
        conn.prepare_cached("UPDATE photo SET wanted = 1 WHERE id = ?1")?.execute([known.photo])?;
    }
    if is_wanted && known.is_removed && !may_be_new {
        bring_back(conn, known.photo)?;
    }
    Ok(Seen { photo: known.photo, what })
}

fn take_up(
    conn: &Connection,
    found: &FoundFile,
    path: &[u8],
    is_wanted: bool,
    now_ms: i64,
) -> rusqlite::Result<PhotoId> {
    let sql = "INSERT INTO photo (added_ms, wanted) VALUES (?1, ?2) RETURNING id";
    let photo: PhotoId = conn.prepare_cached(sql)?.query_row(params![now_ms, is_wanted], |row| row.get(0))?;
    conn.prepare_cached("INSERT INTO file (photo, path, bytes, modified_ns) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![photo, path, found.size(), found.modified_ns])?;
    Ok(photo)
}

fn bring_back(conn: &Connection, photo: PhotoId) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE photo SET removed_ms = NULL WHERE id = ?1")?.execute([photo])?;
    Ok(())
}

/// Notes why a file could not be read; `problem` is JSON. A photo that was read before keeps everything, and its file, for
/// what the file shows now is not known. If it has another file that is there, the problem is that of the file alone: then it
/// becomes a photo of its own until it can be read. Returns the photo that has the problem; `None` if the file was read
/// meanwhile as it is, or is not known.
///
/// # Errors
/// What SQLite says.
pub fn fail(conn: &Connection, file: &FoundFile, problem: &str, now_ms: i64) -> Result<Option<PhotoId>, LibraryError> {
    let Some(known) = known(conn, file, &paths::to_bytes(&file.path))? else { return Ok(None) };
    if known.is_read && known.is_same {
        return Ok(None);
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM file WHERE photo = ?1 AND id <> ?2 AND missing_since_ms IS NULL)";
    let photo = if !known.is_read {
        known.photo
    } else if conn.prepare_cached(sql)?.query_row([i64::from(known.photo), known.file], |row| row.get(0))? {
        conn.prepare_cached("INSERT INTO photo (added_ms) VALUES (?1) RETURNING id")?
            .query_row([now_ms], |row| row.get(0))?
    } else {
        set_problem(conn, known.photo, problem)?;
        return Ok(Some(known.photo));
    };
    set_problem(conn, photo, problem)?;
    // With its size and time, so that it is not tried again before it changes.
    let sql = "UPDATE file SET photo = ?2, bytes = ?3, modified_ns = ?4, missing_since_ms = NULL WHERE id = ?1";
    conn.prepare_cached(sql)?.execute(params![known.file, photo, file.size(), file.modified_ns])?;
    Ok(Some(photo))
}

fn set_problem(conn: &Connection, photo: PhotoId, problem: &str) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE photo SET problem = ?2 WHERE id = ?1")?.execute(params![photo, problem])?;
    Ok(())
}

/// Files that wait to be read, oldest first: what an import that was cut off goes on with.
///
/// # Errors
/// What SQLite says.
pub fn pending(conn: &Connection) -> Result<Vec<(PhotoId, PathBuf)>, LibraryError> {
    let mut statement = conn.prepare_cached(
        "SELECT p.id, f.path FROM photo p JOIN file f ON f.photo = p.id
         WHERE p.identity IS NULL AND p.problem IS NULL AND p.removed_ms IS NULL AND f.missing_since_ms IS NULL
         ORDER BY p.id",
    )?;
    let read = |row: &rusqlite::Row| Ok((row.get(0)?, paths::from_bytes(row.get_ref(1)?.as_blob()?)));
    Ok(statement.query_map([], read)?.collect::<rusqlite::Result<_>>()?)
}

/// Forgets why photos could not be read. Returns which files are to be read again.
///
/// # Errors
/// What SQLite says.
pub fn retry(conn: &Connection, ids: &[PhotoId]) -> Result<Vec<(PhotoId, PathBuf)>, LibraryError> {
    let mut forget = conn.prepare_cached("UPDATE photo SET problem = NULL WHERE id = ?1 AND problem IS NOT NULL")?;
    let mut again = vec![];
    for id in ids {
        if forget.execute([id])? > 0 {
            let files = crate::files::files(conn, *id)?;
            again.extend(files.into_iter().filter(|file| file.missing_since_ms.is_none()).map(|file| (*id, file.path)));
        }
    }
    Ok(again)
}
