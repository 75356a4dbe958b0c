//! Whose file a file is, by what its pixels are made of.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::{FoundFile, Known, bring_back, known, take_up};
use crate::{
    Identity, LibraryError, PhotoId,
    files::{delete_photo, has_decisions},
    paths, photos,
};

/// How many other files of a photo are looked for on disk, to find out which of them was moved. A picture with more copies
/// than that gets one more, and the one that was moved is found missing.
const COPIES_LOOKED_FOR: u32 = 32;

/// What was read from a file besides its pixels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// As `JPEG`.
    pub format: String,
    /// Upright.
    pub width: u32,
    /// Upright.
    pub height: u32,
    /// EXIF, 1 to 8.
    pub orientation: u8,
    /// By the camera's clock.
    pub taken_ms: Option<i64>,
    /// Maker and model.
    pub camera: Option<String>,
    /// JSON {model, bits, alpha}.
    pub colour: Option<String>,
}

/// How a file came to its photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Nothing in the library shows the same.
    New,
    /// It shows what it did; only its metadata were edited, if anything.
    SameContent,
    /// It shows what other files of the photo show that are there too.
    Duplicate,
    /// It lay elsewhere, or under another name. The photo keeps tags, features and thumbnail.
    Moved {
        /// Where.
        from: PathBuf,
    },
}

/// Whose file it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// The photo.
    pub photo: PhotoId,
    /// How the file came to it.
    pub how: How,
    /// The photo whose file it was before its pixels were edited. That one keeps its decisions, and is missing if it has no
    /// other file.
    pub left: Option<PhotoId>,
    /// The photo is to be turned another way now: its thumbnail and its features are not right any more.
    pub orientation_changed: bool,
}

/// Says whose file a file is, now that it has been read. `file` is what was found before it was read, so that a change while
/// it was read is seen the next time. `exists` tells whether a path may still be there ([`paths::may_exist`]).
///
/// `None` if the file is neither known any more nor there: another process found that it was moved.
///
/// # Errors
/// What SQLite says.
pub fn identify(
    conn: &Connection,
    file: &FoundFile,
    identity: &Identity,
    facts: &Facts,
    now_ms: i64,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<Option<Identified>, LibraryError> {
    let path = paths::to_bytes(&file.path);
    let mut before = known(conn, file, &path)?;
    if before.is_none() && exists(&file.path) {
        take_up(conn, file, &path, false, now_ms)?;
        before = known(conn, file, &path)?;
    }
    let Some(before) = before else { return Ok(None) };
    let owner = photos::with_identity(conn, identity)?;
    let (photo, row, how) = match owner {
        Some(owner) if owner == before.photo => (owner, before.file, How::SameContent),
        Some(owner) => adopt(conn, &before, owner, file, exists)?,
        None if before.is_read => (insert(conn, identity, now_ms)?, before.file, How::New),
        None => {
            let sql = "UPDATE photo SET identity = ?2 WHERE id = ?1";
            conn.prepare_cached(sql)?.execute(params![before.photo, identity.0])?;
            (before.photo, before.file, How::New)
        }
    };
    let sql =
        "UPDATE file SET photo = ?2, path = ?3, bytes = ?4, modified_ns = ?5, missing_since_ms = NULL WHERE id = ?1";
    conn.prepare_cached(sql)?.execute(params![row, photo, path, file.size(), file.modified_ns])?;
    let orientation_changed = write_facts(conn, photo, row, facts)?;
    fulfil_wish(conn, before.photo, photo)?;
    if before.photo != photo {
        leave(conn, before.photo, photo, &path)?;
    }
    let left = (before.is_read && before.photo != photo).then_some(before.photo);
    Ok(Some(Identified { photo, how, left, orientation_changed }))
}

fn insert(conn: &Connection, identity: &Identity, now_ms: i64) -> rusqlite::Result<PhotoId> {
    let sql = "INSERT INTO photo (identity, added_ms) VALUES (?1, ?2) RETURNING id";
    conn.prepare_cached(sql)?.query_row(params![identity.0, now_ms], |row| row.get(0))
}

/// Finds the row that a file takes among those of the photo it shows: the row of a file that is gone, for then it was moved,
/// or else its own.
fn adopt(
    conn: &Connection,
    before: &Known,
    owner: PhotoId,
    file: &FoundFile,
    exists: &dyn Fn(&Path) -> bool,
) -> rusqlite::Result<(PhotoId, i64, How)> {
    let mut others =
        conn.prepare_cached("SELECT id, path FROM file WHERE photo = ?1 ORDER BY missing_since_ms DESC, id LIMIT ?2")?;
    let mut rows = others.query(params![owner, COPIES_LOOKED_FOR])?;
    let mut has_files = false;
    while let Some(row) = rows.next()? {
        has_files = true;
        let from = paths::from_bytes(row.get_ref(1)?.as_blob()?);
        if !exists(&from) {
            conn.prepare_cached("DELETE FROM file WHERE id = ?1")?.execute([before.file])?;
            return Ok((owner, row.get(0)?, How::Moved { from }));
        }
    }
    if has_files {
        return Ok((owner, before.file, How::Duplicate));
    }
    let sql = "SELECT last_path FROM photo WHERE id = ?1";
    let last: Option<Vec<u8>> = conn.prepare_cached(sql)?.query_row([owner], |row| row.get(0))?;
    let from = last.map_or_else(|| file.path.clone(), |path| paths::from_bytes(&path));
    Ok((owner, before.file, How::Moved { from }))
}

/// A photo's facts are those of its first file. Returns whether it is to be turned another way than before.
fn write_facts(conn: &Connection, photo: PhotoId, file: i64, facts: &Facts) -> rusqlite::Result<bool> {
    conn.prepare_cached("UPDATE photo SET problem = NULL, last_path = NULL WHERE id = ?1")?.execute([photo])?;
    let sql = "SELECT id FROM file WHERE photo = ?1 ORDER BY missing_since_ms, id LIMIT 1";
    let first: i64 = conn.prepare_cached(sql)?.query_row([photo], |row| row.get(0))?;
    if first != file {
        return Ok(false);
    }
    let sql = "SELECT orientation FROM photo WHERE id = ?1";
    let orientation: Option<u8> = conn.prepare_cached(sql)?.query_row([photo], |row| row.get(0))?;
    let sql = "UPDATE photo SET format = ?2, width = ?3, height = ?4, orientation = ?5, taken_ms = ?6, camera = ?7,
                      colour = ?8 WHERE id = ?1";
    conn.prepare_cached(sql)?.execute(params![
        photo,
        facts.format,
        facts.width,
        facts.height,
        facts.orientation,
        facts.taken_ms,
        facts.camera,
        facts.colour
    ])?;
    Ok(orientation.is_some_and(|before| before != facts.orientation))
}

/// Brings back the photo that a file turned out to be, if a person added the file by hand.
fn fulfil_wish(conn: &Connection, asked: PhotoId, photo: PhotoId) -> rusqlite::Result<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM photo WHERE id IN (?1, ?2) AND wanted = 1)";
    if conn.prepare_cached(sql)?.query_row([asked, photo], |row| row.get(0))? {
        bring_back(conn, photo)?;
        conn.prepare_cached("UPDATE photo SET wanted = 0 WHERE id IN (?1, ?2)")?.execute([asked, photo])?;
    }
    Ok(())
}

/// What becomes of a photo whose file turned out to show another one. One that was read keeps everything, and where it lay
/// if that was its last file. One that never was gives way, with what a person decided about it meanwhile.
fn leave(conn: &Connection, photo: PhotoId, to: PhotoId, path: &[u8]) -> rusqlite::Result<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM file WHERE photo = ?1)";
    if conn.prepare_cached(sql)?.query_row([photo], |row| row.get(0))? {
        return Ok(());
    }
    let sql = "SELECT identity IS NOT NULL FROM photo WHERE id = ?1";
    let is_read: bool = conn.prepare_cached(sql)?.query_row([photo], |row| row.get(0))?;
    if is_read || !give_way(conn, photo, to)? {
        let sql = "UPDATE photo SET last_path = ?2, problem = NULL WHERE id = ?1";
        conn.prepare_cached(sql)?.execute(params![photo, path])?;
    }
    Ok(())
}

/// Hands the decisions about a photo to another one, and deletes it. `false`, and nothing done, if they contradict those
/// about the other: which holds is for a person to say.
fn give_way(conn: &Connection, photo: PhotoId, to: PhotoId) -> rusqlite::Result<bool> {
    if has_decisions(conn, photo)? {
        let sql = "SELECT EXISTS (SELECT 1 FROM decision a JOIN decision b USING (label)
                   WHERE a.photo = ?1 AND b.photo = ?2 AND a.verdict <> b.verdict)";
        if conn.prepare_cached(sql)?.query_row([photo, to], |row| row.get(0))? {
            return Ok(false);
        }
        for table in ["decision", "step_change"] {
            conn.execute(&format!("UPDATE OR IGNORE {table} SET photo = ?2 WHERE photo = ?1"), [photo, to])?;
            // What is left is said of the other photo already.
            conn.execute(&format!("DELETE FROM {table} WHERE photo = ?1"), [photo])?;
        }
    }
    delete_photo(conn, photo)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Finder, What, fail, pending, retry, see},
        *,
    };
    use crate::database;

    struct Library {
        conn: Connection,
        disk: Vec<PathBuf>,
    }

    impl Library {
        fn new() -> Self {
            Self { conn: database::in_memory(), disk: vec![] }
        }

        fn found(&self, name: &str, modified_ns: i64) -> FoundFile {
            FoundFile { path: PathBuf::from(name), bytes: 1, modified_ns }
        }

        /// A file is found, read, and shows the picture of a number, turned some way.
        fn read(&mut self, name: &str, modified_ns: i64, shows: u8, orientation: u8) -> Identified {
            let file = self.found(name, modified_ns);
            self.disk.push(file.path.clone());
            see(&self.conn, std::slice::from_ref(&file), Finder::Scan, 1).unwrap();
            let facts = Facts { format: "JPEG".into(), orientation, ..Facts::default() };
            let exists = |path: &Path| self.disk.iter().any(|there| there == path);
            identify(&self.conn, &file, &Identity([shows; 32]), &facts, 2, &exists).unwrap().unwrap()
        }

        fn delete(&mut self, name: &str) {
            self.disk.retain(|path| path != Path::new(name));
        }

        fn decide(&self, photo: PhotoId, label: u32, verdict: u32) {
            self.conn.execute("INSERT OR IGNORE INTO label VALUES (?1, ?1)", [label]).unwrap();
            let sql =
                "INSERT INTO decision (photo, label, verdict, decided_ms, origin) VALUES (?1, ?2, ?3, 0, 'person')";
            self.conn.execute(sql, [photo, label, verdict]).unwrap();
        }

        fn decisions(&self, photo: PhotoId) -> Vec<(u32, u32)> {
            let sql = "SELECT label, verdict FROM decision WHERE photo = ?1";
            let mut statement = self.conn.prepare(sql).unwrap();
            let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?));
            statement.query_map([photo], read).unwrap().collect::<rusqlite::Result<_>>().unwrap()
        }
    }

    #[test]
    fn a_file_that_was_moved_takes_its_photo_along() {
        let mut library = Library::new();
        let first = library.read("a", 1, 7, 1);
        assert_eq!(first, Identified { photo: 1, how: How::New, left: None, orientation_changed: false });
        library.delete("a");
        let moved = library.read("b", 2, 7, 6);
        let how = How::Moved { from: "a".into() };
        assert_eq!(moved, Identified { photo: 1, how, left: None, orientation_changed: true });
        let copy = library.read("c", 3, 7, 1);
        // It is shown as its first file is turned.
        assert_eq!(copy, Identified { photo: 1, how: How::Duplicate, left: None, orientation_changed: false });
        assert_eq!(photos::counts(&library.conn).unwrap().photos, 1);
    }

    #[test]
    fn other_metadata_are_the_same_photo_and_other_pixels_another() {
        let mut library = Library::new();
        library.read("a", 1, 7, 1);
        let edited = library.read("a", 2, 7, 8);
        assert_eq!(edited, Identified { photo: 1, how: How::SameContent, left: None, orientation_changed: true });
        let other = library.read("a", 3, 8, 1);
        assert_eq!(other, Identified { photo: 2, how: How::New, left: Some(1), orientation_changed: false });
        let lost = photos::row(&library.conn, 1).unwrap().unwrap();
        assert_eq!((lost.missing, lost.path, lost.files), (true, Some("a".into()), 0));
        // Undone in the editor, the first photo is back.
        let back = library.read("a", 4, 7, 1);
        assert_eq!((back.photo, back.how, back.left), (1, How::Moved { from: "a".into() }, Some(2)));
        assert!(!photos::row(&library.conn, 1).unwrap().unwrap().missing);
    }

    #[test]
    fn what_was_decided_about_a_file_before_it_could_be_read_goes_to_its_photo() {
        let mut library = Library::new();
        library.read("a", 1, 7, 1);
        library.decide(1, 10, 1);
        let broken = library.found("b", 1);
        let seen = see(&library.conn, std::slice::from_ref(&broken), Finder::Scan, 1).unwrap();
        assert_eq!(fail(&library.conn, &broken, "{}", 1).unwrap(), Some(seen[0].photo));
        [(10, 1), (11, 0)].iter().for_each(|(label, verdict)| library.decide(seen[0].photo, *label, *verdict));
        let repaired = library.read("b", 2, 7, 1);
        assert_eq!((repaired.photo, repaired.how), (1, How::Duplicate));
        assert_eq!(library.decisions(1), [(10, 1), (11, 0)]);
        assert_eq!(photos::row(&library.conn, seen[0].photo).unwrap(), None);
    }

    #[test]
    fn decisions_that_contradict_each_other_are_both_kept() {
        let mut library = Library::new();
        library.read("a", 1, 7, 1);
        library.decide(1, 10, 1);
        let seen = see(&library.conn, &[library.found("b", 1)], Finder::Scan, 1).unwrap();
        library.decide(seen[0].photo, 10, 0);
        assert_eq!(library.read("b", 1, 7, 1).photo, 1);
        assert_eq!((library.decisions(1), library.decisions(seen[0].photo)), (vec![(10, 1)], vec![(10, 0)]));
        assert!(pending(&library.conn).unwrap().is_empty());
        assert_eq!(photos::counts(&library.conn).unwrap().pending, 0, "it is missing, and waits for nothing");
    }

    #[test]
    fn a_broken_file_is_tried_again_when_it_changes_or_a_person_asks() {
        let library = Library::new();
        let what = |modified_ns| {
            let found = [library.found("a", modified_ns)];
            see(&library.conn, &found, Finder::Scan, 1).unwrap()[0].what
        };
        assert_eq!(what(1), What::New);
        assert_eq!(pending(&library.conn).unwrap(), [(1, "a".into())]);
        fail(&library.conn, &library.found("a", 1), "{}", 1).unwrap();
        assert_eq!((what(1), what(2), pending(&library.conn).unwrap().len()), (What::Unchanged, What::Changed, 0));
        assert_eq!(retry(&library.conn, &[1]).unwrap(), [(1, "a".into())]);
        assert_eq!((what(1), pending(&library.conn).unwrap().len()), (What::New, 1));
    }

    #[test]
    fn a_photo_keeps_everything_when_its_file_cannot_be_read_any_more() {
        let mut library = Library::new();
        library.read("a", 1, 7, 1);
        assert_eq!(fail(&library.conn, &library.found("a", 1), "{}", 1).unwrap(), None, "it was read as it is");
        assert_eq!(fail(&library.conn, &library.found("a", 2), "{}", 1).unwrap(), Some(1));
        let row = photos::row(&library.conn, 1).unwrap().unwrap();
        assert_eq!((row.identity, row.problem.as_deref()), (Some(Identity([7; 32])), Some("{}")));
        assert_eq!(library.read("a", 3, 7, 1).how, How::SameContent);
        assert_eq!(photos::row(&library.conn, 1).unwrap().unwrap().problem, None);
    }

    #[test]
    fn a_file_that_another_process_found_moved_is_none_of_ours() {
        let library = Library::new();
        let file = library.found("a", 1);
        let done = identify(&library.conn, &file, &Identity([7; 32]), &Facts::default(), 1, &|_| false).unwrap();
        assert_eq!((done, photos::counts(&library.conn).unwrap().photos), (None, 0));
    }
}
