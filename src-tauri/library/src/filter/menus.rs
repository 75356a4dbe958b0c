//! What the menus of filters offer.

use std::{
    collections::HashMap,
    path::{MAIN_SEPARATOR_STR, Path, PathBuf},
};

use roaring::RoaringBitmap;
use rusqlite::Connection;

use super::{each_path, removed};
use crate::{LibraryError, PhotoId, clock, paths};

/// A value that a filter can ask for, and how many photos have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<T> {
    /// The value.
    pub value: T,
    /// Photos that have it and were not taken out of the library.
    pub photos: u64,
}

/// Cameras, most photos first.
///
/// # Errors
/// What SQLite says.
pub fn cameras(conn: &Connection) -> Result<Vec<Choice<String>>, LibraryError> {
    let sql = "SELECT camera, count(*) FROM photo WHERE camera IS NOT NULL GROUP BY camera";
    // `+` keeps SQLite from the index of cameras, which does not know what was taken out.
    let gone =
        "SELECT camera, count(*) FROM photo WHERE removed_ms IS NOT NULL AND +camera IS NOT NULL GROUP BY +camera";
    let read = |sql: &str| -> Result<HashMap<String, i64>, LibraryError> {
        let mut statement = conn.prepare_cached(sql)?;
        Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?)
    };
    let gone = read(gone)?;
    let without_gone = |(value, all): (String, i64)| {
        let photos = (all - gone.get(&value).unwrap_or(&0)).max(0).unsigned_abs();
        Choice { value, photos }
    };
    Ok(most_first(read(sql)?.into_iter().map(without_gone)))
}

/// Years in which photos were taken, latest first.
///
/// # Errors
/// What SQLite says.
pub fn years(conn: &Connection) -> Result<Vec<Choice<i64>>, LibraryError> {
    let removed = removed(conn)?;
    let mut statement =
        conn.prepare_cached("SELECT id, taken_ms FROM photo WHERE taken_ms IS NOT NULL ORDER BY taken_ms")?;
    let mut rows = statement.query([])?;
    let mut years: Vec<Choice<i64>> = vec![];
    let mut ends_ms = i64::MIN;
    while let Some(row) = rows.next()? {
        let (id, taken_ms): (PhotoId, i64) = (row.get(0)?, row.get(1)?);
        if !removed.is_empty() && removed.contains(id) {
            continue;
        }
        if taken_ms >= ends_ms || years.is_empty() {
            let value = clock::year_of(taken_ms);
            ends_ms = clock::year_begins_ms(value + 1);
            years.push(Choice { value, photos: 0 });
        }
        years.last_mut().expect("one was pushed").photos += 1;
    }
    years.reverse();
    Ok(years)
}

/// Folders in which photos lie, themselves and not below them, by name. A photo counts in every folder that has a file of it.
///
/// # Errors
/// What SQLite says.
pub fn folders(conn: &Connection) -> Result<Vec<Choice<PathBuf>>, LibraryError> {
    let removed = removed(conn)?;
    let mut folders: HashMap<Vec<u8>, RoaringBitmap> = HashMap::new();
    let separator = paths::to_bytes(Path::new(MAIN_SEPARATOR_STR));
    each_path(conn, |photo, path| {
        // In steps of one character of the system, lest halves of two look like a separator.
        let ends = path.chunks(separator.len()).rposition(|one| one == separator).unwrap_or(0) * separator.len();
        if removed.is_empty() || !removed.contains(photo) {
            match folders.get_mut(&path[..ends]) {
                Some(photos) => photos.insert(photo),
                None => folders.entry(path[..ends].to_vec()).or_default().insert(photo),
            };
        }
    })?;
    let name = |bytes: Vec<u8>| if bytes.is_empty() { separator.clone() } else { bytes };
    let choice = |(bytes, photos): (Vec<u8>, RoaringBitmap)| Choice {
        value: paths::from_bytes(&name(bytes)),
        photos: photos.len(),
    };
    let mut folders: Vec<Choice<PathBuf>> = folders.into_iter().map(choice).collect();
    folders.sort_unstable_by(|a, b| a.value.cmp(&b.value));
    Ok(folders)
}

fn most_first(choices: impl Iterator<Item = Choice<String>>) -> Vec<Choice<String>> {
    let mut choices: Vec<Choice<String>> = choices.filter(|choice| choice.photos > 0).collect();
    choices.sort_unstable_by(|a, b| b.photos.cmp(&a.photos).then_with(|| a.value.cmp(&b.value)));
    choices
}
