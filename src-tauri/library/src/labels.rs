//! Names of labels: `dog`, or hierarchical as `animal/dog`. Whoever has the tag `animal/dog` also counts as `animal`.

use rusqlite::{Connection, OptionalExtension};

use crate::LibraryError;

/// A label's number in one library. It stays when the label is renamed.
pub type LabelId = i64;

/// Longest name, in bytes.
const LONGEST: usize = 500;

/// The name as it is kept: parts without space around them, one space between words, no empty part, no line break.
///
/// # Errors
/// [`LibraryError::Refused`] if nothing is left of it, or it is longer than 500 bytes.
pub fn tidy(name: &str) -> Result<String, LibraryError> {
    let parts: Vec<String> = name.split('/').map(tidy_part).filter(|part| !part.is_empty()).collect();
    let tidy = parts.join("/");
    if tidy.is_empty() {
        return Err(LibraryError::Refused(format!("a label needs a name, and {name:?} is none")));
    }
    if tidy.len() > LONGEST {
        let begin: String = tidy.chars().take(40).collect();
        return Err(LibraryError::Refused(format!("a label's name has at most {LONGEST} bytes, unlike {begin:?}…")));
    }
    Ok(tidy)
}

fn tidy_part(part: &str) -> String {
    let words = part.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// The last part: `dog` of `animal/dog`.
pub fn leaf(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// What a name lies below, the outermost first: `a` and `a/b` of `a/b/c`.
pub fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(|(at, _)| &name[..at])
}

/// Whether a name is `other` or lies below it.
pub fn is_within(name: &str, other: &str) -> bool {
    name.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The number of a label; a new one if it had none.
///
/// # Errors
/// What [`tidy`] and SQLite say.
pub fn label_id(tx: &Connection, name: &str) -> Result<LabelId, LibraryError> {
    let name = tidy(name)?;
    if let Some(id) = find(tx, &name)? {
        return Ok(id);
    }
    tx.prepare_cached("INSERT INTO label (name) VALUES (?1)")?.execute([&name])?;
    Ok(tx.last_insert_rowid())
}

/// The number of a label, if this library ever met it; `name` is tidy.
///
/// # Errors
/// What SQLite says.
pub fn find(conn: &Connection, name: &str) -> Result<Option<LabelId>, LibraryError> {
    let mut statement = conn.prepare_cached("SELECT id FROM label WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

/// The name of a label; `None` if there is no such number.
///
/// # Errors
/// What SQLite says.
pub fn name(conn: &Connection, label: LabelId) -> Result<Option<String>, LibraryError> {
    let mut statement = conn.prepare_cached("SELECT name FROM label WHERE id = ?1")?;
    Ok(statement.query_row([label], |row| row.get(0)).optional()?)
}

/// A label and all below it, in the order of their names; `name` is tidy.
///
/// # Errors
/// What SQLite says.
pub fn within(conn: &Connection, name: &str) -> Result<Vec<(LabelId, String)>, LibraryError> {
    // '0' is what follows '/', so this is what begins with "name/", by the index of names.
    let sql = "SELECT id, name FROM label WHERE name = ?1 OR (name > ?1 || '/' AND name < ?1 || '0') ORDER BY name";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An empty library with photos 1 to `photos`.
    pub(crate) fn library(photos: u32) -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(include_str!("database/0001.sql")).unwrap();
        conn.pragma_update(None, "foreign_keys", true).unwrap();
        for photo in 1..=photos {
            conn.execute("INSERT INTO photo (id, added_ms) VALUES (?1, 0)", [photo]).unwrap();
        }
        conn
    }

    #[test]
    fn names_are_tidied() {
        let known = [
            ("dog", "dog"),
            (" a / b ", "a/b"),
            ("//a//b/", "a/b"),
            ("two\n words", "two words"),
            ("犬/秋田", "犬/秋田"),
        ];
        assert!(known.iter().all(|(name, is)| tidy(name).unwrap() == *is));
        assert!(["", " / ", "\u{0}", &"x".repeat(501)].iter().all(|name| tidy(name).is_err()));
    }

    #[test]
    fn a_name_knows_its_place() {
        assert_eq!((leaf("animal/dog"), leaf("dog")), ("dog", "dog"));
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert!(is_within("a/b", "a") && is_within("a", "a") && !is_within("ab", "a") && !is_within("a", "a/b"));
    }

    #[test]
    fn a_label_has_one_number_and_knows_what_is_below_it() {
        let conn = library(0);
        let [animal, dog] = ["animal", "animal/dog"].map(|name| label_id(&conn, name).unwrap());
        ["animals", "animal-like", "animal0"].iter().for_each(|name| assert!(label_id(&conn, name).is_ok()));
        assert_eq!(label_id(&conn, " animal / dog").unwrap(), dog);
        assert_eq!(name(&conn, dog).unwrap().as_deref(), Some("animal/dog"));
        let below = within(&conn, "animal").unwrap();
        assert_eq!(below.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [animal, dog]);
        assert_eq!(find(&conn, "cat").unwrap(), None);
    }
}
