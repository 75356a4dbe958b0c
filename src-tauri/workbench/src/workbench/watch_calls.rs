//! Watched folders: which they are, and what is done when something changes in them.
//!
//! The system's word is a hint to look again ([`cliploupe_library::watch`]); a scan of each folder at the start, and
//! whenever the system lost track, is what counts. A folder that is not there is left alone, and its photos are missing
//! until it is back.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use cliploupe_engine::photo::looks_like_photo;
use cliploupe_library::{
    LibraryError, clock, files,
    import::Finder,
    paths,
    watch::{Change, Pace, Watcher},
    watched,
};
use crossbeam_channel::Sender;
use rusqlite::Connection;

use super::{Shared, Workbench, lock, reading::Errand};
use crate::{
    messages::{Problem, ProblemCode},
    shelf::{self, of_library},
};

impl Workbench {
    /// Watches a folder from now on: what is in it, and what comes into it, comes into the library by itself.
    pub fn watch_folder(&self, folder: &Path) -> Result<(), Problem> {
        let shelf = self.shelf()?;
        let folder = shelf::absolute(folder);
        if !folder.is_dir() {
            let shown = folder.display().to_string();
            let message = format!("there is no folder {shown:?} to watch. Choose one that is there.");
            return Err(Problem::new(ProblemCode::NotFound, &[("path", &shown)], message));
        }
        if shelf.library.folder().starts_with(&folder) {
            let why = format!(
                "the library itself lies in {folder:?}, so its thumbnails would be taken for photos. Watch the folders of \
                 photos in it one by one"
            );
            return Err(of_library(&LibraryError::Refused(why)));
        }
        shelf.write(|tx| watched::add(tx, &folder, clock::now_ms()))?;
        self.start_watching()?;
        self.look_through(vec![folder], Finder::Scan);
        self.shared.tell_library();
        Ok(())
    }

    /// Does not watch a folder any more, named as the library tells of it; its photos stay.
    pub fn unwatch_folder(&self, folder: &Path) -> Result<(), Problem> {
        let shelf = self.shelf()?;
        // A name that is no Unicode was told of with other characters in it.
        let shown = folder.display().to_string();
        let folder = shelf::absolute(folder);
        let is_meant = |path: &PathBuf| *path == folder || path.display().to_string() == shown;
        let known = watched_paths(shelf)?.into_iter().find(is_meant).unwrap_or(folder);
        shelf.write(|tx| watched::remove(tx, &known))?;
        self.start_watching()?;
        self.shared.tell_library();
        Ok(())
    }

    /// Looks through all watched folders, and after every file that lies elsewhere: which are gone, and which are back.
    pub fn rescan(&self) -> Result<(), Problem> {
        let shelf = self.shelf()?;
        let folders = watched_paths(shelf)?;
        let elsewhere = shelf.read(|conn| elsewhere(conn, &folders))?;
        let (mut there, mut gone): (Vec<PathBuf>, Vec<PathBuf>) = folders.into_iter().partition(|path| path.is_dir());
        for (path, is_missing) in elsewhere {
            match (paths::may_exist(&path), is_missing) {
                (true, true) => there.push(path),
                (false, false) => gone.push(path),
                _ => {}
            }
        }
        self.shared.note_gone(&gone);
        self.look_through(there, Finder::Scan);
        Ok(())
    }

    /// Watches the folders of the library, if there is one that can be written, and looks through them once.
    pub(super) fn begin_watching(&self) -> Result<(), Problem> {
        let Some(shelf) = self.writable() else { return Ok(()) };
        let (there, gone): (Vec<PathBuf>, Vec<PathBuf>) =
            watched_paths(shelf)?.into_iter().partition(|path| path.is_dir());
        self.start_watching()?;
        if !gone.is_empty() {
            self.shared.note_gone(&gone);
        }
        if !there.is_empty() {
            self.look_through(there, Finder::Scan);
        }
        Ok(())
    }

    /// Watches the folders that the library now has.
    fn start_watching(&self) -> Result<(), Problem> {
        let Some(shelf) = self.writable() else { return Ok(()) };
        let (folders, scans) = (watched_paths(shelf)?, self.scans.clone());
        let mut watcher = lock(&self.watcher);
        // The one before ends first, so that nothing is told twice.
        *watcher = None;
        let Some(scans) = scans.filter(|_| !folders.is_empty()) else { return Ok(()) };
        // The watcher must not keep alive what ends it.
        let shared = Arc::downgrade(&self.shared);
        let heard = move |change| {
            if let Some(shared) = shared.upgrade() {
                shared.hear(&scans, change);
            }
        };
        *watcher = Some(Watcher::new(folders, Pace::default(), heard).map_err(|error| of_library(&error))?);
        Ok(())
    }

    fn writable(&self) -> Option<&shelf::Shelf> {
        self.shared.shelf.as_ref().filter(|shelf| shelf.library.is_read_only().is_none())
    }
}

impl Shared {
    /// Walks files and folders for photos, on behalf of a person or of a watched folder.
    pub(super) fn look_through(&self, scans: &Sender<Errand>, paths: Vec<PathBuf>, finder: Finder) {
        let walk = {
            let mut activity = lock(&self.activity);
            activity.begin();
            activity.scanning += 1;
            activity.walk
        };
        let _ = scans.send(Errand { paths, walk, finder });
        self.tell_progress(true);
    }

    /// Something changed in a watched folder.
    fn hear(&self, scans: &Sender<Errand>, change: Change) {
        let (changed, may_be_folders) = match change {
            Change::Paths(paths) => (paths, false),
            Change::Rescan(folder) => (vec![folder], true),
            Change::Unwatched { folder, cause } => {
                let message = format!("the system does not tell of changes in {folder:?}: {cause}. Scan it by hand.");
                let shown = folder.display().to_string();
                let params = [("path", shown.as_str()), ("cause", cause.as_str())];
                return self.emit_problem(Problem::new(ProblemCode::Library, &params, message));
            }
        };
        let (there, gone): (Vec<PathBuf>, Vec<PathBuf>) = changed.into_iter().partition(|path| paths::may_exist(path));
        let is_to_scan =
            |path: &PathBuf| (may_be_folders && path.is_dir()) || (path.is_file() && looks_like_photo(path));
        let there: Vec<PathBuf> = there.into_iter().filter(is_to_scan).collect();
        if !gone.is_empty() {
            self.note_gone(&gone);
        }
        if !there.is_empty() {
            self.look_through(scans, there, Finder::Scan);
        }
    }

    /// Files, or folders with all that was in them, are gone: their photos are missing now, and nothing else is lost.
    pub(super) fn note_gone(&self, gone: &[PathBuf]) {
        let Some(shelf) = &self.shelf else { return };
        match shelf.write(|tx| files::mark_missing(tx, gone, clock::now_ms())) {
            Ok(0) => {}
            Ok(_) => {
                let folders: HashSet<&Path> = gone.iter().map(PathBuf::as_path).collect();
                folders.into_iter().for_each(|path| self.refresh_below(shelf, path));
            }
            Err(problem) => self.emit_problem(problem),
        }
        // A watched folder may have come or gone without a photo in it.
        self.tell_library();
    }
}

fn watched_paths(shelf: &shelf::Shelf) -> Result<Vec<PathBuf>, Problem> {
    Ok(shelf.read(watched::list)?.into_iter().map(|folder| folder.path).collect())
}

/// Files that lie in none of these folders, and whether they were gone.
fn elsewhere(conn: &Connection, folders: &[PathBuf]) -> Result<Vec<(PathBuf, bool)>, LibraryError> {
    let sql = "SELECT f.path, f.missing_since_ms IS NOT NULL FROM file f JOIN photo p ON p.id = f.photo
               WHERE p.removed_ms IS NULL ORDER BY f.path";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut files = Vec::new();
    while let Some(row) = rows.next()? {
        let path = paths::from_bytes(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
        if !folders.iter().any(|folder| path.starts_with(folder)) {
            files.push((path, row.get(1)?));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use cliploupe_library::{Library, Open};

    use super::*;

    #[test]
    fn files_outside_of_watched_folders_are_looked_after() {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::open(folder.path(), Open { create: true, read_only: false }).unwrap();
        let add = |photo: u32, path: &str, missing: Option<i64>, removed: Option<i64>| {
            library.write(|tx| {
                let sql = "INSERT INTO photo (id, added_ms, removed_ms) VALUES (?1, 0, ?2)";
                tx.execute(sql, rusqlite::params![photo, removed])?;
                let sql =
                    "INSERT INTO file (photo, path, bytes, modified_ns, missing_since_ms) VALUES (?1, ?2, 1, 0, ?3)";
                tx.execute(sql, rusqlite::params![photo, paths::to_bytes(Path::new(path)), missing])?;
                Ok(())
            })
        };
        add(1, "/watched/a.jpg", None, None).unwrap();
        add(2, "/watched two/a.jpg", None, None).unwrap();
        add(3, "/other/b.jpg", Some(5), None).unwrap();
        add(4, "/other/out.jpg", None, Some(5)).unwrap();
        let found = library.read(|conn| elsewhere(conn, &[PathBuf::from("/watched")])).unwrap();
        let expected = [("/other/b.jpg", true), ("/watched two/a.jpg", false)];
        assert_eq!(found, expected.map(|(path, is_missing)| (PathBuf::from(path), is_missing)));
    }
}
