//! Orders of photos.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{as_text, shown};
use crate::{LibraryError, PhotoId, files::each_first_file};

/// An order of photos.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// As they came into the library.
    #[default]
    Added,
    /// As they were taken; those of which that is not known are last either way.
    Taken,
    /// By name of the file, then by its folder.
    Name,
}

/// All photos that have not been taken out of the library, in an order. Photos that are alike in it are in the order they
/// came.
///
/// # Errors
/// What SQLite says.
pub fn ordered(conn: &Connection, order: Order, descending: bool) -> Result<Vec<PhotoId>, LibraryError> {
    match order {
        Order::Added => {
            let mut ids: Vec<PhotoId> = shown(conn)?.iter().collect();
            if descending {
                ids.reverse();
            }
            Ok(ids)
        }
        Order::Taken => taken_order(conn, descending),
        Order::Name => name_order(conn, descending),
    }
}

/// Photos that have a time by the camera's clock, those that were taken out of the library among them.
///
/// # Errors
/// What SQLite says.
pub fn timed(conn: &Connection, descending: bool) -> Result<Vec<PhotoId>, LibraryError> {
    let direction = if descending { "DESC" } else { "ASC" };
    let sql = format!("SELECT id FROM photo WHERE taken_ms IS NOT NULL ORDER BY taken_ms {direction}, id {direction}");
    numbers(conn, &sql)
}

fn numbers(conn: &Connection, sql: &str) -> Result<Vec<PhotoId>, LibraryError> {
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

fn taken_order(conn: &Connection, descending: bool) -> Result<Vec<PhotoId>, LibraryError> {
    let shown = shown(conn)?;
    let untimed = numbers(conn, "SELECT id FROM photo WHERE taken_ms IS NULL ORDER BY id")?;
    let all = timed(conn, descending)?.into_iter().chain(untimed);
    Ok(all.filter(|id| shown.contains(*id)).collect())
}

fn name_order(conn: &Connection, descending: bool) -> Result<Vec<PhotoId>, LibraryError> {
    let mut rest = shown(conn)?;
    let mut named: Vec<(String, PhotoId)> = vec![];
    each_first_file(conn, |file| {
        if rest.remove(file.photo) {
            named.push((sort_key(file.path), file.photo));
        }
        Ok(())
    })?;
    named.sort_unstable();
    if descending {
        named.reverse();
    }
    Ok(named.into_iter().map(|(_, id)| id).chain(rest).collect())
}

/// The name in small letters, NUL, the folder.
fn sort_key(path: &[u8]) -> String {
    let text = as_text(path);
    let (folder, name) = text.rsplit_once(std::path::MAIN_SEPARATOR).unwrap_or(("", &text));
    format!("{}\0{folder}", name.to_lowercase())
}
