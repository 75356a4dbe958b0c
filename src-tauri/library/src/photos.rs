//! Photos as they are shown: one row each, however many files a photo has.

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use crate::{
    Identity, LibraryError, PhotoId,
    files::{self, each_first_file},
    paths,
};

/// What is known of a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct PhotoRow {
    /// Its number.
    pub id: PhotoId,
    /// What its pixels are made of; `None` while no file of it has been read.
    pub identity: Option<Identity>,
    /// Its first file that is there; the first that is missing if none is; where it lay last if it has none any more.
    pub path: Option<PathBuf>,
    /// Size of that file.
    pub bytes: u64,
    /// How many files it has, those that are missing included.
    pub files: u32,
    /// Whether none of its files is there.
    pub missing: bool,
    /// When it came into the library.
    pub added_ms: i64,
    /// As `JPEG`.
    pub format: Option<String>,
    /// Upright.
    pub width: Option<u32>,
    /// Upright.
    pub height: Option<u32>,
    /// By the camera's clock.
    pub taken_ms: Option<i64>,
    /// Maker and model.
    pub camera: Option<String>,
    /// Why its file could not be read, as JSON.
    pub problem: Option<String>,
    /// CRC-32 of its thumbnail's file; `None` while there is none.
    pub thumbnail_crc: Option<u32>,
}

/// How much there is; photos that were taken out of the library are not counted, nor are their files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Photos.
    pub photos: u64,
    /// Files, those that are missing included.
    pub files: u64,
    /// Photos none of whose files is there.
    pub missing: u64,
    /// Photos that could not be read.
    pub failed: u64,
    /// Photos that wait to be read.
    pub pending: u64,
    /// Files that are there, and show a photo that another file shows too.
    pub duplicates: u64,
}

const COLUMNS: &str =
    "id, identity, added_ms, format, width, height, taken_ms, camera, problem, thumbnail_crc, last_path";

/// A photo as it is without any file.
fn read_row(row: &Row) -> rusqlite::Result<PhotoRow> {
    Ok(PhotoRow {
        id: row.get(0)?,
        identity: row.get_ref(1)?.as_blob_or_null()?.and_then(Identity::from_slice),
        path: row.get_ref(10)?.as_blob_or_null()?.map(paths::from_bytes),
        bytes: 0,
        files: 0,
        missing: true,
        added_ms: row.get(2)?,
        format: row.get(3)?,
        width: row.get(4)?,
        height: row.get(5)?,
        taken_ms: row.get(6)?,
        camera: row.get(7)?,
        problem: row.get(8)?,
        thumbnail_crc: row.get(9)?,
    })
}

/// Hands over every photo that has not been taken out of the library, in the order of numbers.
///
/// # Errors
/// What SQLite says.
pub fn rows(conn: &Connection, mut with: impl FnMut(PhotoRow)) -> Result<(), LibraryError> {
    // Without an index: to go from one to the table costs more than to pass by what was taken out.
    let sql = format!("SELECT {COLUMNS} FROM photo NOT INDEXED WHERE removed_ms IS NULL ORDER BY id");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut next = move || rows.next()?.map(read_row).transpose();
    let mut photo = next()?;
    each_first_file(conn, |file| {
        while let Some(before) = photo.take_if(|photo| photo.id < file.photo) {
            with(before);
            photo = next()?;
        }
        if let Some(mut shown) = photo.take_if(|photo| photo.id == file.photo) {
            shown.path = Some(paths::from_bytes(file.path));
            (shown.bytes, shown.files, shown.missing) = (file.bytes, file.files, file.is_missing);
            with(shown);
            photo = next()?;
        }
        Ok(())
    })?;
    while let Some(last) = photo.take() {
        with(last);
        photo = next()?;
    }
    Ok(())
}

/// One photo, even if it has been taken out of the library; `None` if there never was one of that number.
///
/// # Errors
/// What SQLite says.
pub fn row(conn: &Connection, id: PhotoId) -> Result<Option<PhotoRow>, LibraryError> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM photo WHERE id = ?1"))?;
    let Some(mut photo) = statement.query_row([id], read_row).optional()? else { return Ok(None) };
    let files = files::files(conn, id)?;
    photo.files = u32::try_from(files.len()).unwrap_or(u32::MAX);
    if let Some(first) = files.into_iter().next() {
        photo.missing = first.missing_since_ms.is_some();
        (photo.path, photo.bytes) = (Some(first.path), first.bytes);
    }
    Ok(Some(photo))
}

/// How much there is.
///
/// # Errors
/// What SQLite says.
pub fn counts(conn: &Connection) -> Result<Counts, LibraryError> {
    let one = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let photos = one("SELECT count(*) FROM photo WHERE removed_ms IS NULL")?;
    let failed = one("SELECT count(*) FROM photo WHERE problem IS NOT NULL AND removed_ms IS NULL")?;
    let pending = one("SELECT count(*) FROM photo p JOIN file f ON f.photo = p.id
         WHERE p.identity IS NULL AND p.problem IS NULL AND p.removed_ms IS NULL AND f.missing_since_ms IS NULL")?;
    let removed = crate::filter::removed(conn)?;
    let mut counts = Counts { photos, failed, pending, ..Counts::default() };
    let mut with_file = 0;
    let mut last = None;
    let mut files = conn.prepare_cached("SELECT photo, missing_since_ms IS NULL FROM file ORDER BY photo")?;
    let mut rows = files.query([])?;
    while let Some(row) = rows.next()? {
        let (photo, is_there): (PhotoId, bool) = (row.get(0)?, row.get(1)?);
        if !removed.is_empty() && removed.contains(photo) {
            continue;
        }
        counts.files += 1;
        if is_there && last == Some(photo) {
            counts.duplicates += 1;
        } else if is_there {
            with_file += 1;
            last = Some(photo);
        }
    }
    counts.missing = photos - with_file;
    Ok(counts)
}

/// Notes that a photo has a thumbnail, and what the thumbnail looks like.
///
/// # Errors
/// What SQLite says.
pub fn set_thumbnail(conn: &Connection, photo: PhotoId, crc: u32, look: Option<[u8; 8]>) -> Result<(), LibraryError> {
    conn.prepare_cached("UPDATE photo SET thumbnail_crc = ?2, look = ?3 WHERE id = ?1")?.execute(params![
        photo,
        crc,
        look.as_ref().map(<[u8; 8]>::as_slice)
    ])?;
    Ok(())
}

/// Takes photos out of the library; their files stay where they are, their decisions count again if they come back.
/// Returns how many were taken out. Nothing is deleted: a watched folder would bring back what is not known any more.
///
/// # Errors
/// What SQLite says.
pub fn remove(conn: &Connection, ids: &[PhotoId], now_ms: i64) -> Result<usize, LibraryError> {
    let mut statement =
        conn.prepare_cached("UPDATE photo SET removed_ms = ?2, wanted = 0 WHERE id = ?1 AND removed_ms IS NULL")?;
    Ok(ids.iter().map(|id| statement.execute(params![id, now_ms])).sum::<rusqlite::Result<usize>>()?)
}

/// Puts photos back that were taken out. Returns how many were put back.
///
/// # Errors
/// What SQLite says.
pub fn restore(conn: &Connection, ids: &[PhotoId]) -> Result<usize, LibraryError> {
    let mut statement =
        conn.prepare_cached("UPDATE photo SET removed_ms = NULL WHERE id = ?1 AND removed_ms IS NOT NULL")?;
    Ok(ids.iter().map(|id| statement.execute([id])).sum::<rusqlite::Result<usize>>()?)
}

/// The photo with an identity, even if it has been taken out of the library.
///
/// # Errors
/// What SQLite says.
pub fn with_identity(conn: &Connection, identity: &Identity) -> Result<Option<PhotoId>, LibraryError> {
    let mut statement = conn.prepare_cached("SELECT id FROM photo WHERE identity = ?1")?;
    Ok(statement.query_row([&identity.0[..]], |row| row.get(0)).optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database;

    fn library() -> Connection {
        let conn = database::in_memory();
        let sql = "INSERT INTO photo (id, identity, added_ms, problem, last_path) VALUES (?1, ?2, 1, ?3, ?4)";
        let last = paths::to_bytes("lost.jpg".as_ref());
        let photos = [
            (1, Some(1), None, None),
            (2, None, None, None),
            (3, None, Some("{}"), None),
            (4, Some(4), None, Some(last)),
        ];
        for (id, identity, problem, last_path) in photos {
            conn.execute(sql, params![id, identity.map(|byte: u8| [byte; 32]), problem, last_path]).unwrap();
        }
        let sql = "INSERT INTO file (photo, path, bytes, modified_ns, missing_since_ms) VALUES (?1, ?2, ?3, 0, ?4)";
        let files = [
            (1, "gone.jpg", 10, Some(5)),
            (1, "b.jpg", 20, None),
            (1, "c.jpg", 30, None),
            (2, "d.jpg", 40, None),
            (3, "e.jpg", 50, Some(6)),
        ];
        for (photo, path, bytes, missing) in files {
            conn.execute(sql, params![photo, paths::to_bytes(path.as_ref()), bytes, missing]).unwrap();
        }
        conn
    }

    fn all(conn: &Connection) -> Vec<PhotoRow> {
        let mut all = vec![];
        rows(conn, |row| all.push(row)).unwrap();
        all
    }

    #[test]
    fn a_photo_is_shown_with_its_first_file_that_is_there() {
        let conn = library();
        let shown: Vec<_> =
            all(&conn).into_iter().map(|row| (row.id, row.path.unwrap(), row.bytes, row.files, row.missing)).collect();
        let expected = [
            (1, "b.jpg", 20, 3, false),
            (2, "d.jpg", 40, 1, false),
            (3, "e.jpg", 50, 1, true),
            (4, "lost.jpg", 0, 0, true),
        ];
        assert_eq!(shown, expected.map(|(id, path, bytes, files, missing)| (id, path.into(), bytes, files, missing)));
        for shown in all(&conn) {
            assert_eq!(row(&conn, shown.id).unwrap(), Some(shown));
        }
        assert_eq!(row(&conn, 9).unwrap(), None);
    }

    #[test]
    fn everything_is_counted_once_and_what_was_taken_out_is_not() {
        let conn = library();
        let counted = Counts { photos: 4, files: 5, missing: 2, failed: 1, pending: 1, duplicates: 1 };
        assert_eq!(counts(&conn).unwrap(), counted);
        assert_eq!((remove(&conn, &[1, 3, 9], 7).unwrap(), remove(&conn, &[1], 8).unwrap()), (2, 0));
        let left = Counts { photos: 2, files: 1, missing: 1, failed: 0, pending: 1, duplicates: 0 };
        assert_eq!(counts(&conn).unwrap(), left);
        assert_eq!(all(&conn).iter().map(|row| row.id).collect::<Vec<_>>(), [2, 4]);
        assert_eq!((restore(&conn, &[1, 3]).unwrap(), counts(&conn).unwrap()), (2, counted));
    }

    #[test]
    fn a_thumbnail_is_noted_with_its_look() {
        let conn = library();
        set_thumbnail(&conn, 1, u32::MAX, Some([7; 8])).unwrap();
        assert_eq!(row(&conn, 1).unwrap().unwrap().thumbnail_crc, Some(u32::MAX));
        let look: Vec<u8> = conn.query_row("SELECT look FROM photo WHERE id = 1", [], |row| row.get(0)).unwrap();
        assert_eq!(look, [7; 8]);
    }

    #[test]
    fn a_photo_is_found_by_its_identity() {
        let conn = library();
        assert_eq!(with_identity(&conn, &Identity([4; 32])).unwrap(), Some(4));
        assert_eq!(with_identity(&conn, &Identity([5; 32])).unwrap(), None);
    }
}
