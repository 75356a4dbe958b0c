//! Whether a library is consistent, and how it becomes so again.
//!
//! Only the database is precious; it is read, never repaired, and a damaged one is reported together with its newest
//! backup. Everything else is judged by it: what is damaged, or cannot be verified, or belongs to no photo, is dropped,
//! and the workbench makes it again. Files that are younger than [`CheckOptions::settled`] may belong to a program at
//! work and are left alone.

mod database;
mod features;
mod thumbnails;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rusqlite::Connection;
use serde::Serialize;

use self::database::Photo;
use crate::LibraryError;

/// How thorough a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckOptions {
    /// Reads every thumbnail and every feature and compares checksums; otherwise only what is there is compared.
    pub deep: bool,
    /// How old a file must be that nobody knows before it counts as left over.
    pub settled: Duration,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { deep: false, settled: Duration::from_secs(3600) }
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    /// The database is damaged, or its rows contradict each other.
    Database,
    /// A folder is missing.
    Folder,
    /// The database tells of thumbnails that are not there.
    ThumbnailMissing,
    /// Thumbnails do not match their checksums.
    ThumbnailDamaged,
    /// Thumbnails that the database does not tell of.
    ThumbnailUnknown,
    /// A row index cannot be believed as a whole.
    FeatureIndexDamaged,
    /// Rows of features do not match their checksums, or are cut off.
    FeatureRowsDamaged,
    /// Rows of features belong to photos that are not there, or that are others now.
    FeatureRowsUnknown,
    /// What a program that was stopped has left.
    Leftover,
}

/// Something that is wrong, however many times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// Where: a file, or the folder of many.
    pub path: String,
    /// The same as a sentence.
    pub what: String,
    /// How many things.
    pub count: usize,
    /// Whether [`repair`] can do something about it.
    pub repairable: bool,
    /// Whether it did.
    pub repaired: bool,
}

/// What was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Photos in the database.
    pub photos: usize,
    /// Photos that have been read and have an identity.
    pub identified: usize,
    /// Files of thumbnails.
    pub thumbnails: usize,
    /// Stores of features and embeddings.
    pub stores: usize,
    /// Rows in them.
    pub rows: usize,
    /// Rows in them that are some photo's newest.
    pub rows_in_use: usize,
    /// Whether checksums were compared.
    pub deep: bool,
}

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// All that is wrong; nothing if the library is consistent.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub figures: Figures,
}

impl CheckReport {
    /// Whether nothing is wrong, or nothing is any more.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.repaired)
    }
}

/// Looks at everything and changes nothing. `open` gives the database; one that is damaged is a finding, not an error.
pub fn check(
    folder: &Path,
    options: CheckOptions,
    open: impl FnOnce() -> Result<Connection, LibraryError>,
) -> Result<CheckReport, LibraryError> {
    run(folder, options, false, open)
}

/// Looks at everything, and drops what is not sound, so that it is made again. What is damaged in the database stays
/// as it is, and nothing else is touched then, since there is nothing to judge it by.
pub fn repair(
    folder: &Path,
    options: CheckOptions,
    open: impl FnOnce() -> Result<Connection, LibraryError>,
) -> Result<CheckReport, LibraryError> {
    run(folder, options, true, open)
}

fn run(
    folder: &Path,
    options: CheckOptions,
    is_repair: bool,
    open: impl FnOnce() -> Result<Connection, LibraryError>,
) -> Result<CheckReport, LibraryError> {
    let mut pass = Pass { folder, options, is_repair, report: CheckReport::default() };
    pass.report.figures.deep = options.deep;
    if let Some((connection, photos)) = pass.database(open)? {
        pass.folders()?;
        pass.thumbnails(&connection, &photos)?;
        pass.features(&photos)?;
        pass.leftovers()?;
    }
    Ok(pass.report)
}

/// One walk through a library.
struct Pass<'a> {
    folder: &'a Path,
    options: CheckOptions,
    is_repair: bool,
    report: CheckReport,
}

impl Pass<'_> {
    /// Notes what is wrong, unless it is wrong no times.
    fn note(&mut self, kind: FindingKind, path: &Path, count: usize, what: String) {
        if count > 0 {
            let path = path.display().to_string();
            let (repairable, repaired) = (kind != FindingKind::Database, self.is_repair);
            self.report.findings.push(Finding {
                kind,
                path,
                what,
                count,
                repairable,
                repaired: repairable && repaired,
            });
        }
    }

    fn folders(&mut self) -> Result<(), LibraryError> {
        for name in ["features", "thumbnails"] {
            let path = self.folder.join(name);
            if !path.is_dir() {
                if self.is_repair {
                    fs::create_dir_all(&path).map_err(LibraryError::file("make", &path))?;
                }
                self.note(FindingKind::Folder, &path, 1, format!("the folder {name} is missing"));
            }
        }
        Ok(())
    }

    /// Files with the names that files have while they are written.
    fn leftovers(&mut self) -> Result<(), LibraryError> {
        let mut folders = vec![self.folder.to_owned(), self.folder.join("features"), self.folder.join("thumbnails")];
        folders.extend(entries(&folders[2])?.into_iter().filter(|path| path.is_dir()));
        let is_leftover = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let has_prefix = [".tmp", crate::thumbnails::UNFINISHED, ".backup-"].iter().any(|of| name.starts_with(of));
            has_prefix && path.is_file() && self.is_settled(path)
        };
        let mut found = Vec::new();
        for folder in folders {
            found.extend(entries(&folder)?.into_iter().filter(is_leftover));
        }
        self.remove(&found)?;
        self.note(FindingKind::Leftover, self.folder, found.len(), "files that were never finished".into());
        Ok(())
    }

    fn is_settled(&self, path: &Path) -> bool {
        let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
        // A clock that went backwards makes a file look young, and it stays for now.
        modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age >= self.options.settled))
    }

    /// Removes files if this is a repair; one that is gone already is as good.
    fn remove(&self, paths: &[PathBuf]) -> Result<(), LibraryError> {
        if !self.is_repair {
            return Ok(());
        }
        for path in paths {
            match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(LibraryError::file("remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a folder holds, in order; nothing if it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, LibraryError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(LibraryError::file("read", folder))?,
    };
    let paths: Result<Vec<_>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(LibraryError::file("read", folder))?;
    paths.sort();
    Ok(paths)
}
