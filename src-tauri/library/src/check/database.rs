//! The database: SQLite's own checks, and the photos that everything else is judged by.

use std::{fs, path::PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::{FindingKind, Pass, entries};
use crate::{Identity, LibraryError, PhotoId};

/// What the rest of the check needs to know of a photo.
#[derive(Debug, Clone, Copy)]
pub(super) struct Photo {
    pub identity: Identity,
    pub photo: PhotoId,
    pub thumbnail_crc: Option<u32>,
}

/// Messages that are shown of SQLite's check; a damaged file has thousands.
const MOST_MESSAGES: usize = 5;

impl Pass<'_> {
    /// The database and its photos in the order of their identities; `None` if they cannot be believed.
    pub fn database(
        &mut self,
        open: impl FnOnce() -> Result<Connection, LibraryError>,
    ) -> Result<Option<(Connection, Vec<Photo>)>, LibraryError> {
        let result = open().and_then(|connection| {
            let messages = self.messages(&connection)?;
            let photos = if messages.is_empty() { self.photos(&connection)? } else { Vec::new() };
            Ok((connection, photos, messages))
        });
        let messages = match result {
            Ok((connection, photos, messages)) if messages.is_empty() => return Ok(Some((connection, photos))),
            Ok((_, _, messages)) => messages,
            Err(error) => vec![what_is_damaged(error)?],
        };
        let backup = match self.newest_backup()? {
            Some(backup) => format!("the newest backup is {backup:?}; put a copy of it in the place of the database"),
            None => "there is no backup beside it".into(),
        };
        let what = format!("the database is damaged: {}; {backup}", messages.join("; "));
        self.note(FindingKind::Database, &self.folder.join("library.sqlite"), messages.len(), what);
        Ok(None)
    }

    fn messages(&self, connection: &Connection) -> Result<Vec<String>, LibraryError> {
        let check = || {
            let pragma = if self.options.deep { "integrity_check" } else { "quick_check" };
            let mut statement = connection.prepare(&format!("PRAGMA {pragma}({MOST_MESSAGES})"))?;
            let mut messages = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
            messages.retain(|message| message != "ok");
            let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
            let lost = statement.query_map([], |row| {
                let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
                Ok(format!("a row of {table} belongs to a {parent} that is not there"))
            })?;
            for message in lost.take(MOST_MESSAGES) {
                messages.push(message?);
            }
            Ok(messages)
        };
        check().map_err(|source| LibraryError::Database { doing: "check the database", source })
    }

    fn photos(&mut self, connection: &Connection) -> Result<Vec<Photo>, LibraryError> {
        let read = || {
            let all: u32 = connection.query_row("SELECT count(*) FROM photo", [], |row| row.get(0))?;
            let mut statement =
                connection.prepare("SELECT identity, id, thumbnail_crc FROM photo WHERE identity IS NOT NULL")?;
            let photos = statement.query_map([], |row| {
                Ok(Photo { identity: Identity(row.get(0)?), photo: row.get(1)?, thumbnail_crc: row.get(2)? })
            })?;
            Ok((all, photos.collect::<Result<Vec<_>, _>>()?))
        };
        let (all, mut photos) = read().map_err(|source| LibraryError::Database { doing: "read photos", source })?;
        photos.sort_unstable_by_key(|photo| photo.identity);
        (self.report.figures.photos, self.report.figures.identified) = (all as usize, photos.len());
        Ok(photos)
    }

    fn newest_backup(&self) -> Result<Option<PathBuf>, LibraryError> {
        let is_backup = |path: &PathBuf| {
            path.file_name().unwrap_or_default().to_string_lossy().starts_with("library.sqlite.backup")
        };
        let time = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        Ok(entries(self.folder)?.into_iter().filter(is_backup).max_by_key(time))
    }
}

/// A damaged database as a sentence; every other error stays one.
fn what_is_damaged(error: LibraryError) -> Result<String, LibraryError> {
    match error {
        LibraryError::Damaged { cause, .. } => Ok(cause),
        LibraryError::Database { source, .. }
            if matches!(source.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
                || matches!(
                    source,
                    rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::IntegralValueOutOfRange(..)
                ) =>
        {
            Ok(source.to_string())
        }
        error => Err(error),
    }
}
