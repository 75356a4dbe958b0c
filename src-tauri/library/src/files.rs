//! Where photos lie, and what has become of their files.
//!
//! A file that is gone stays in the table, with the time since when: a drive that is not mounted must not cost a tag.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, params};

use crate::{LibraryError, PhotoId, paths};

/// A file of a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was changed, in nanoseconds since 1970 by the clock of its disk.
    pub modified_ns: i64,
    /// When it was first found to be gone; `None` while it is there.
    pub missing_since_ms: Option<i64>,
}

/// The files of a photo, those that are there first, in the order they came into the library.
///
/// # Errors
/// What SQLite says.
pub fn files(conn: &Connection, photo: PhotoId) -> Result<Vec<FileRow>, LibraryError> {
    let mut statement = conn.prepare_cached(
        "SELECT path, bytes, modified_ns, missing_since_ms FROM file WHERE photo = ?1 ORDER BY missing_since_ms, id",
    )?;
    let read = |row: &rusqlite::Row| {
        Ok(FileRow {
            path: paths::from_bytes(row.get_ref(0)?.as_blob()?),
            bytes: row.get::<_, i64>(1)?.max(0).unsigned_abs(),
            modified_ns: row.get(2)?,
            missing_since_ms: row.get(3)?,
        })
    };
    Ok(statement.query_map([photo], read)?.collect::<rusqlite::Result<_>>()?)
}

/// The first file of a photo, by which it is shown.
pub(crate) struct FirstFile<'a> {
    pub photo: PhotoId,
    pub path: &'a [u8],
    pub bytes: u64,
    pub is_missing: bool,
    /// How many the photo has.
    pub files: u32,
}

/// Where every file lies, by row: some 80 bytes for each, all in four pieces of memory.
#[derive(Default)]
struct Paths {
    /// Ascending.
    ids: Vec<i64>,
    /// Where in `bytes` each path ends.
    ends: Vec<usize>,
    bytes: Vec<u8>,
    sizes: Vec<i64>,
}

impl Paths {
    fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let mut all = Self::default();
        let mut statement = conn.prepare_cached("SELECT id, path, bytes FROM file ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            all.ids.push(row.get(0)?);
            all.bytes.extend_from_slice(row.get_ref(1)?.as_blob()?);
            all.ends.push(all.bytes.len());
            all.sizes.push(row.get(2)?);
        }
        Ok(all)
    }

    /// Path and size of a row; most are asked for in order, after the one at `at`.
    fn get(&self, id: i64, at: &mut usize) -> Option<(&[u8], u64)> {
        let is_at = |at: usize| self.ids.get(at) == Some(&id);
        // Where it would be if no row had ever been deleted.
        let guess = usize::try_from(id.saturating_sub(1)).unwrap_or(0);
        *at = match () {
            () if is_at(*at) => *at,
            () if is_at(guess) => guess,
            () => self.ids.binary_search(&id).ok()?,
        };
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let found = (&self.bytes[begin..self.ends[*at]], self.sizes[*at].max(0).unsigned_abs());
        *at += 1;
        Some(found)
    }
}

/// Hands over the first file of every photo that has one, in the order of photos: of those that are there, or else of those
/// that are missing, the one that came first into the library. In a transaction, so that all of it is of one moment.
///
/// Reads the table once from end to end beside its index; a million look-ups would take seconds.
pub(crate) fn each_first_file(
    conn: &Connection,
    mut with: impl FnMut(FirstFile) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let paths = Paths::read(conn)?;
    let mut at = 0;
    let mut tell = |(photo, id, is_missing, files): (PhotoId, i64, bool, u32)| {
        let (path, bytes) = paths.get(id, &mut at).ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        with(FirstFile { photo, path, bytes, is_missing, files })
    };
    // In the order of the index file_photo; NULL sorts first.
    let sql = "SELECT photo, id, missing_since_ms IS NOT NULL FROM file ORDER BY photo, missing_since_ms, id";
    let mut index = conn.prepare_cached(sql)?;
    let mut rows = index.query([])?;
    let mut first: Option<(PhotoId, i64, bool, u32)> = None;
    while let Some(row) = rows.next()? {
        let photo = row.get(0)?;
        match &mut first {
            Some((same, .., files)) if *same == photo => *files += 1,
            _ => {
                let before = first.replace((photo, row.get(1)?, row.get(2)?, 1));
                before.map(&mut tell).transpose()?;
            }
        }
    }
    first.map(tell).transpose()?;
    Ok(())
}

/// What a folder is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderState {
    /// It is there, and so what was not found in it is gone.
    There,
    /// It cannot be listed: it is gone, its drive is not mounted, or it is not allowed.
    Gone,
    /// It is there and holds nothing at all, though photos were in it: most likely its drive is not mounted.
    Empty,
}

/// What a comparison of a folder with the library came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconciled {
    /// What the folder is like.
    pub folder: FolderState,
    /// Files that are there, as they were before.
    pub there: u64,
    /// Files that are gone now.
    pub missing: u64,
    /// Files that had been gone before, and still are.
    pub still_missing: u64,
    /// Files that had been gone, and are back.
    pub back: u64,
    /// Files that are gone before they were ever read, and of which nothing is known; they are forgotten.
    pub forgotten: u64,
}

/// Marks files below a folder that were not found in it as missing, and those that were found as back.
///
/// `present` are the photos that a walk through the whole folder found, in any order. Call it after what was found has been
/// through [`see`](crate::import::see) and [`identify`](crate::import::identify), so that a file that was moved is known by
/// where it is now. No photo and no decision is lost by this, whatever the folder is like; `folder` of the result says
/// whether a person should be told that a drive is not there.
///
/// # Errors
/// What SQLite says.
pub fn reconcile(
    conn: &Connection,
    folder: &Path,
    present: impl IntoIterator<Item = PathBuf>,
    now_ms: i64,
) -> Result<Reconciled, LibraryError> {
    let mut present: Vec<Vec<u8>> = present.into_iter().map(|path| paths::to_bytes(&path)).collect();
    present.sort_unstable();
    let mut present = present.into_iter().peekable();
    let known = below(conn, folder)?;
    let folder = match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Err(_) => FolderState::Gone,
        Ok(is_empty) if is_empty && !known.is_empty() => FolderState::Empty,
        Ok(_) => FolderState::There,
    };
    let mut counts = Reconciled { folder, there: 0, missing: 0, still_missing: 0, back: 0, forgotten: 0 };
    for file in known {
        // Both are in the order of bytes.
        while present.next_if(|path| *path < file.path).is_some() {}
        let is_there = present.peek() == Some(&file.path);
        match (is_there, file.is_missing) {
            (true, false) => counts.there += 1,
            (true, true) => {
                set_missing(conn, file.id, None)?;
                counts.back += 1;
            }
            (false, _) if folder == FolderState::There && forget(conn, &file)? => {
                counts.forgotten += 1;
            }
            (false, false) => {
                set_missing(conn, file.id, Some(now_ms))?;
                counts.missing += 1;
            }
            (false, true) => counts.still_missing += 1,
        }
    }
    Ok(counts)
}

/// Marks as missing what the system said is gone: files, and everything below a path that was a folder. What is there is
/// left as it is. Returns how many files are marked now that were not before.
///
/// # Errors
/// What SQLite says.
pub fn mark_missing(conn: &Connection, gone: &[PathBuf], now_ms: i64) -> Result<u64, LibraryError> {
    let sql = "UPDATE file SET missing_since_ms = ?2 WHERE path = ?1 AND missing_since_ms IS NULL";
    let mut exactly = conn.prepare_cached(sql)?;
    let mut marked = 0;
    for path in gone.iter().filter(|path| !paths::may_exist(path)) {
        marked += exactly.execute(params![paths::to_bytes(path), now_ms])? as u64;
        for file in below(conn, path)?.iter().filter(|file| !file.is_missing) {
            set_missing(conn, file.id, Some(now_ms))?;
            marked += 1;
        }
    }
    Ok(marked)
}

struct Known {
    id: i64,
    path: Vec<u8>,
    is_missing: bool,
    /// Its photo, if no file of that has ever been read.
    unread: Option<PhotoId>,
}

/// What is below a folder, in the order of paths. All of it is in indexes: to look up a million rows would take seconds.
fn below(conn: &Connection, folder: &Path) -> Result<Vec<Known>, LibraryError> {
    let mut missing = conn.prepare_cached("SELECT id FROM file WHERE missing_since_ms IS NOT NULL")?;
    let missing: HashSet<i64> = missing.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let sql = "SELECT f.id, p.id FROM photo p JOIN file f ON f.photo = p.id WHERE p.identity IS NULL";
    let mut unread = conn.prepare_cached(sql)?;
    let unread: HashMap<i64, PhotoId> =
        unread.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let (from, to) = paths::below(folder);
    let mut statement =
        conn.prepare_cached("SELECT id, path FROM file WHERE path >= ?1 AND path < ?2 ORDER BY path")?;
    let read = |row: &rusqlite::Row| {
        let id = row.get(0)?;
        let (is_missing, unread) = (missing.contains(&id), unread.get(&id).copied());
        Ok(Known { id, path: row.get(1)?, is_missing, unread })
    };
    Ok(statement.query_map([from, to], read)?.collect::<rusqlite::Result<_>>()?)
}

fn set_missing(conn: &Connection, file: i64, since_ms: Option<i64>) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE file SET missing_since_ms = ?2 WHERE id = ?1")?.execute(params![file, since_ms])?;
    Ok(())
}

/// Forgets a file that was never read, if its own folder is there with something in it and no decision is about it: it was
/// some program's passing file, or has another name now. `false` if it has to stay.
fn forget(conn: &Connection, file: &Known) -> rusqlite::Result<bool> {
    let Some(photo) = file.unread else { return Ok(false) };
    let path = paths::from_bytes(&file.path);
    let is_mounted = path.parent().is_some_and(|folder| fs::read_dir(folder).is_ok_and(|mut all| all.next().is_some()));
    if !is_mounted || has_decisions(conn, photo)? {
        return Ok(false);
    }
    conn.prepare_cached("DELETE FROM file WHERE id = ?1")?.execute([file.id])?;
    delete_photo(conn, photo)?;
    Ok(true)
}

/// Whether a person decided anything about a photo.
pub(crate) fn has_decisions(conn: &Connection, photo: PhotoId) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM decision WHERE photo = ?1)")?.query_row([photo], |row| row.get(0))
}

/// Deletes a photo that has neither files nor decisions.
pub(crate) fn delete_photo(conn: &Connection, photo: PhotoId) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM suggestion WHERE photo = ?1")?.execute([photo])?;
    conn.prepare_cached("DELETE FROM photo WHERE id = ?1")?.execute([photo])?;
    Ok(())
}
