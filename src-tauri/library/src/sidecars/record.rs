//! What the library and each sidecar agreed on the last time: the base of the next merge.

use crate::{LibraryError, PhotoId};
use rusqlite::{Connection, OptionalExtension, params};

/// The tags that a photo's sidecar and the library agreed on; `None` if it was never written or read.
///
/// `sidecar` is the path as the database spells paths.
pub fn last_written(db: &Connection, photo: PhotoId, sidecar: &[u8]) -> Result<Option<Vec<String>>, LibraryError> {
    let failed = |source| LibraryError::Database { doing: "read what was written to a sidecar", source };
    let query = "SELECT tags FROM sidecar WHERE photo = ? AND path = ?";
    let tags: Option<String> = db
        .prepare_cached(query)
        .and_then(|mut query| query.query_row(params![photo, sidecar], |row| row.get(0)).optional())
        .map_err(failed)?;
    // Only what `note_written` wrote is there; anything else counts as never written, which takes nothing away.
    Ok(tags.and_then(|tags| serde_json::from_str(&tags).ok()))
}

/// Remembers that a sidecar and the library agree on `tags`: after writing it, and after taking over what it says.
pub fn note_written(
    db: &Connection,
    photo: PhotoId,
    sidecar: &[u8],
    tags: &[String],
    now_ms: i64,
) -> Result<(), LibraryError> {
    let statement = "INSERT INTO sidecar (photo, path, written_ms, tags) VALUES (?, ?, ?, ?)
        ON CONFLICT (photo, path) DO UPDATE SET written_ms = excluded.written_ms, tags = excluded.tags";
    let tags = serde_json::Value::from(tags).to_string();
    let run = db.prepare_cached(statement).and_then(|mut run| run.execute(params![photo, sidecar, now_ms, tags]));
    run.map(|_| ()).map_err(|source| LibraryError::Database { doing: "remember what was written to a sidecar", source })
}

/// Follows a sidecar that was moved together with its photo.
pub fn note_moved(db: &Connection, photo: PhotoId, from: &[u8], to: &[u8]) -> Result<(), LibraryError> {
    let statement = "UPDATE OR REPLACE sidecar SET path = ? WHERE photo = ? AND path = ?";
    let run = db.prepare_cached(statement).and_then(|mut run| run.execute(params![to, photo, from]));
    run.map(|_| ()).map_err(|source| LibraryError::Database { doing: "follow a moved sidecar", source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_agreement_comes_back_for_its_photo_and_path() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../database/0001.sql")).unwrap();
        db.execute("INSERT INTO photo (id, added_ms) VALUES (1, 0), (2, 0)", []).unwrap();
        let tags = |tags: &[&str]| tags.iter().map(|&tag| tag.to_owned()).collect::<Vec<_>>();
        assert_eq!(last_written(&db, 1, b"\xff.xmp").unwrap(), None);
        note_written(&db, 1, b"\xff.xmp", &tags(&["a"]), 5).unwrap();
        note_written(&db, 1, b"\xff.xmp", &tags(&["a/\"b\"", "c"]), 6).unwrap();
        assert_eq!(last_written(&db, 1, b"\xff.xmp").unwrap(), Some(tags(&["a/\"b\"", "c"])));
        assert_eq!(last_written(&db, 2, b"\xff.xmp").unwrap(), None);
        note_moved(&db, 1, b"\xff.xmp", b"b.xmp").unwrap();
        assert_eq!(last_written(&db, 1, b"\xff.xmp").unwrap(), None);
        assert_eq!(last_written(&db, 1, b"b.xmp").unwrap().map(|tags| tags.len()), Some(2));
    }
}
