//! The library's own affairs: whether it is sound, tables that leave it, and which one is opened at the next start.

use std::path::Path;

use cliploupe_library::{
    Library, LibraryError, Open,
    check::{self, CheckOptions},
    export::{self, ExportRow, Form, Verdict},
    paths, photos,
};
use rusqlite::Connection;

use super::{Shared, Workbench};
use crate::{
    messages::{CheckReport, Finding, PhotoId, PhotoState, Problem, WorkbenchEvent},
    shelf::{Shelf, of_library},
};

/// Findings that are told of at most.
const LISTED: usize = 1000;

impl Workbench {
    /// Looks at the library's files and changes nothing; `deep` reads all of them and compares checksums.
    pub fn check_library(&self, deep: bool) -> Result<CheckReport, Problem> {
        let library = &self.shelf()?.library;
        let options = CheckOptions { deep, ..CheckOptions::default() };
        let report = check::check(library.folder(), options, || library.connection(false));
        Ok(told(report.map_err(|error| of_library(&error))?, false))
    }

    /// Looks at everything in the library's files, drops what is not sound, and begins to make it again. Nothing that a
    /// person decided is touched, nor is a damaged database.
    pub fn repair_library(&self) -> Result<CheckReport, Problem> {
        let shelf = self.shelf()?;
        // A library that cannot be written says so before anything is let go.
        shelf.write(|_| Ok(()))?;
        let library = &shelf.library;
        let options = CheckOptions { deep: true, ..CheckOptions::default() };
        shelf.let_go();
        let report = check::repair(library.folder(), options, || library.connection(true));
        // Whatever it came to, what is there is used again.
        let taken_up = shelf.reopen().and_then(|()| self.shared.take_up_repaired(shelf));
        let report = told(report.map_err(|error| of_library(&error))?, true);
        taken_up?;
        self.go_on()?;
        self.shared.tell_library();
        Ok(report)
    }

    /// Writes every decision and suggestion into a table, as `csv` or `json`: one row for each file that is there and each
    /// label. A photo without a file has its rows under the path where it lay last.
    pub fn export_tags(&self, path: &Path, format: &str) -> Result<(), Problem> {
        let form = match format {
            "csv" => Form::Csv,
            "json" => Form::Json,
            _ => {
                let why = format!("there is no form {format:?} of a table of tags; choose csv or json");
                return Err(of_library(&LibraryError::Refused(why)));
            }
        };
        self.shelf()?.read(|conn| write_tags(conn, path, form)).map(drop)
    }

    /// Opens the library in a folder from the next start on. It is opened, or made, now, to see that it works.
    pub fn choose_library(&self, folder: &Path) -> Result<(), Problem> {
        let library = Library::open(folder, Open { create: true, read_only: false });
        let folder = library.map_err(|error| of_library(&error))?.folder().to_owned();
        self.remember(|settings| settings.library = Some(paths::text::of(&folder)))
    }
}

impl Shared {
    /// After a repair: photos whose feature or thumbnail is gone wait to be read again.
    fn take_up_repaired(&self, shelf: &Shelf) -> Result<(), Problem> {
        let mut bare: Vec<PhotoId> = Vec::new();
        shelf.read(|conn| {
            photos::rows(conn, |photo| {
                if photo.thumbnail_crc.is_none() {
                    bare.push(photo.id);
                }
            })
        })?;
        let ids: Vec<PhotoId> = {
            let mut table = self.table();
            for id in bare {
                let Some(row) = table.get_mut(id).filter(|row| row.has_thumbnail) else { continue };
                row.has_thumbnail = false;
                if !row.missing {
                    row.forget_results();
                }
            }
            table.iter().filter(|(_, row)| row.identity.is_some()).map(|(id, _)| id).collect()
        };
        let lost: Vec<PhotoId> = {
            let mut table = self.table();
            let mut lost = Vec::new();
            for id in &ids {
                let Some(row) = table.get_mut(*id).filter(|row| row.state == PhotoState::Labelled) else { continue };
                if row.outdated.is_none() && !shelf.has_feature(*id, row.identity.as_ref()) {
                    row.forget_results();
                    lost.push(*id);
                }
            }
            lost
        };
        self.emit(WorkbenchEvent::PhotosWaiting { ids: lost });
        // The features that are left may be in other rows now.
        let has_results: Vec<PhotoId> = {
            let table = self.table();
            let has_results = |id: &PhotoId| table.get(*id).is_some_and(|row| row.pooled.is_some());
            ids.into_iter().filter(has_results).collect()
        };
        self.take_up_features(&has_results);
        self.forget_index();
        Ok(())
    }
}

/// A report as it crosses to the page.
fn told(report: check::CheckReport, repaired: bool) -> CheckReport {
    let figures = &report.figures;
    let checked = figures.photos + figures.thumbnails + figures.rows;
    let total = report.findings.len() as u32;
    let finding = |finding: check::Finding| Finding {
        // As in JSON: `thumbnailDamaged`.
        kind: serde_json::to_value(finding.kind)
            .ok()
            .and_then(|kind| Some(kind.as_str()?.to_owned()))
            .unwrap_or_default(),
        path: finding.path,
        what: finding.what,
        repairable: finding.repairable,
    };
    let findings = report.findings.into_iter().take(LISTED).map(finding).collect();
    CheckReport { findings, total, checked: u32::try_from(checked).unwrap_or(u32::MAX), repaired }
}

// A photo's files that are there; one that is gone only where all of them are.
const FILES: &str = "
    LEFT JOIN file f ON f.photo = p.id AND (f.missing_since_ms IS NULL OR NOT EXISTS
      (SELECT 1 FROM file g WHERE g.photo = p.id AND g.missing_since_ms IS NULL))
    WHERE p.removed_ms IS NULL AND coalesce(f.path, p.last_path) IS NOT NULL";

/// Writes all decisions, then all suggestions, row by row as they are read.
fn write_tags(conn: &Connection, path: &Path, form: Form) -> Result<u64, LibraryError> {
    let sql = format!(
        "SELECT coalesce(f.path, p.last_path), l.name, d.verdict, d.origin, d.decided_ms,
                d.model, d.prompt, d.cosine, d.score, d.probability, d.suggested_ms
         FROM decision d JOIN photo p ON p.id = d.photo JOIN label l ON l.id = d.label {FILES}
         ORDER BY d.photo, d.label"
    );
    let mut decided = conn.prepare(&sql)?;
    let sql = format!(
        "SELECT coalesce(f.path, p.last_path), l.name, NULL, NULL, NULL,
                s.model, s.prompt, s.cosine, s.score, s.probability, s.suggested_ms
         FROM suggestion s JOIN photo p ON p.id = s.photo JOIN label l ON l.id = s.label {FILES}
         ORDER BY s.photo, s.label"
    );
    let mut suggested = conn.prepare(&sql)?;
    let rows = decided.query_map([], export_row)?.chain(suggested.query_map([], export_row)?);
    export::write(path, form, rows.map(|row| row.map_err(LibraryError::from)))
}

fn export_row(row: &rusqlite::Row) -> rusqlite::Result<ExportRow> {
    Ok(ExportRow {
        path: paths::from_bytes(row.get_ref(0)?.as_blob()?),
        tag: row.get(1)?,
        verdict: match row.get::<_, Option<bool>>(2)? {
            Some(true) => Verdict::Accepted,
            Some(false) => Verdict::Rejected,
            None => Verdict::Suggested,
        },
        origin: row.get(3)?,
        decided_ms: row.get(4)?,
        model: row.get(5)?,
        prompt: row.get(6)?,
        cosine: row.get(7)?,
        score: row.get(8)?,
        probability: row.get(9)?,
        suggested_ms: row.get(10)?,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    const SQL: &str = "
        INSERT INTO photo (id, identity, added_ms, removed_ms) VALUES
          (1, randomblob(32), 0, NULL), (2, randomblob(32), 0, NULL), (3, randomblob(32), 0, 5);
        INSERT INTO file (photo, path, bytes, modified_ns, missing_since_ms) VALUES
          (1, ?1, 1, 0, NULL), (1, ?2, 1, 0, 7), (2, ?3, 1, 0, 7), (3, ?4, 1, 0, NULL);
        INSERT INTO label (id, name) VALUES (1, 'animal/dog'), (2, 'sea');
        INSERT INTO decision (photo, label, verdict, decided_ms, origin) VALUES
          (1, 1, 1, 3, 'person'), (2, 2, 0, 3, 'sidecar'), (3, 1, 1, 3, 'person');
        INSERT INTO suggestion VALUES (1, 2, 'm-1', 'the sea', 0.25, 0.5, 0.75, 4);";

    /// A library with a photo that is there and once more was, one that is gone, and one that was taken out.
    fn library(folder: &Path) -> Library {
        let library = Library::open(folder, Open { create: true, read_only: false }).unwrap();
        let filled = library.write(|tx| {
            let mut paths = ["/there.jpg", "/copy that is gone.jpg", "/gone.jpg", "/out.jpg"].into_iter();
            for sql in SQL.split_inclusive(';').map(str::trim).filter(|sql| !sql.is_empty()) {
                let paths: Vec<&str> = if sql.contains("?1") { paths.by_ref().collect() } else { Vec::new() };
                let bytes = paths.iter().map(|path| paths_bytes(path));
                tx.execute(sql, rusqlite::params_from_iter(bytes))?;
            }
            Ok(())
        });
        filled.unwrap();
        library
    }

    fn paths_bytes(path: &str) -> Vec<u8> {
        paths::to_bytes(Path::new(path))
    }

    #[test]
    fn tables_have_decisions_and_suggestions_and_nothing_of_what_was_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let library = library(&folder.path().join("library"));
        let table = folder.path().join("tags.csv");
        let written = library.read(|conn| write_tags(conn, &table, Form::Csv)).unwrap();
        let text = fs::read_to_string(&table).unwrap();
        assert_eq!(written, 3, "{text}");
        let begins = |start: &str| text.lines().any(|line| line.starts_with(start));
        assert!(begins("/there.jpg,,animal/dog,accepted,person,"), "{text}");
        assert!(begins("/gone.jpg,,sea,rejected,sidecar,"), "{text}");
        assert!(begins("/there.jpg,,sea,suggested,,,m-1,the sea,0.25,0.5,0.75,"), "{text}");
        let truth = export::read_truth(&table).unwrap();
        let known = [("/there.jpg", vec!["animal/dog".to_owned()]), ("/gone.jpg", Vec::new())];
        assert_eq!(truth, known.map(|(path, labels)| (PathBuf::from(path), labels)));
    }

    #[test]
    fn kinds_of_findings_are_told_by_name() {
        let finding = check::Finding {
            kind: check::FindingKind::ThumbnailDamaged,
            path: "/a".into(),
            what: "1 thumbnail is damaged".into(),
            count: 1,
            repairable: true,
            repaired: false,
        };
        let report = check::CheckReport { findings: vec![finding; LISTED + 1], ..check::CheckReport::default() };
        let report = told(report, false);
        assert_eq!((report.total as usize, report.findings.len()), (LISTED + 1, LISTED));
        assert_eq!(report.findings[0].kind, "thumbnailDamaged");
    }
}
