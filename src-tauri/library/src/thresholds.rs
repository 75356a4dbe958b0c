//! Where a label's tags begin, where somebody set it: by hand, or by a measure that it maximises.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::{LibraryError, ModelKey, labels};

/// The probability at which a label is suggested while nobody set another.
pub const DEFAULT_PROBABILITY: f64 = 0.5;

/// A threshold that was set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Threshold {
    /// From this probability on the label is suggested.
    pub probability: f64,
    /// `person`, or the measure that it maximises, such as `f1`.
    pub chosen_by: String,
    /// When.
    pub set_ms: i64,
}

/// Sets the threshold of a label with one model.
///
/// # Errors
/// [`LibraryError::Refused`] if it is no probability; what SQLite says.
pub fn set(tx: &Connection, label: &str, model: &ModelKey, threshold: &Threshold) -> Result<(), LibraryError> {
    let Threshold { probability, chosen_by, set_ms } = threshold;
    if !(0.0..=1.0).contains(probability) {
        return Err(LibraryError::Refused(format!("a threshold lies between 0 and 1, and {probability} does not")));
    }
    let label = labels::label_id(tx, label)?;
    let sql =
        "INSERT OR REPLACE INTO threshold (label, model, probability, chosen_by, set_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.prepare_cached(sql)?.execute(params![label, model.as_str(), probability, chosen_by, set_ms])?;
    Ok(())
}

/// The threshold of a label with one model, if somebody set it; the name is tidy.
///
/// # Errors
/// What SQLite says.
pub fn get(conn: &Connection, label: &str, model: &ModelKey) -> Result<Option<Threshold>, LibraryError> {
    let sql = "SELECT t.probability, t.chosen_by, t.set_ms FROM threshold t JOIN label l ON l.id = t.label
               WHERE l.name = ?1 AND t.model = ?2";
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_row([label, model.as_str()], read).optional()?)
}

/// All thresholds that were set with one model, by the names of their labels.
///
/// # Errors
/// What SQLite says.
pub fn all(conn: &Connection, model: &ModelKey) -> Result<Vec<(String, Threshold)>, LibraryError> {
    let sql = "SELECT t.probability, t.chosen_by, t.set_ms, l.name FROM threshold t JOIN label l ON l.id = t.label
               WHERE t.model = ?1 ORDER BY l.name";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([model.as_str()], |row| Ok((row.get(3)?, read(row)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Back to [`DEFAULT_PROBABILITY`]; whether there was another. The name is tidy.
///
/// # Errors
/// What SQLite says.
pub fn clear(tx: &Connection, label: &str, model: &ModelKey) -> Result<bool, LibraryError> {
    let sql = "DELETE FROM threshold WHERE model = ?2 AND label = (SELECT id FROM label WHERE name = ?1)";
    Ok(tx.prepare_cached(sql)?.execute([label, model.as_str()])? > 0)
}

fn read(row: &Row) -> rusqlite::Result<Threshold> {
    Ok(Threshold { probability: row.get(0)?, chosen_by: row.get(1)?, set_ms: row.get(2)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::tests::library;

    #[test]
    fn a_threshold_is_of_one_label_and_one_model() {
        let conn = library(0);
        let [small, large] = ["small", "large"].map(|name| ModelKey::new(name, "1"));
        let threshold = |probability| Threshold { probability, chosen_by: "person".into(), set_ms: 7 };
        set(&conn, "dog", &small, &threshold(0.8)).unwrap();
        set(&conn, "dog", &small, &threshold(0.7)).unwrap();
        set(&conn, "cat", &small, &threshold(1.0)).unwrap();
        assert_eq!(get(&conn, "dog", &small).unwrap(), Some(threshold(0.7)));
        assert_eq!(get(&conn, "dog", &large).unwrap(), None);
        let names: Vec<String> = all(&conn, &small).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["cat", "dog"]);
        assert!(clear(&conn, "dog", &small).unwrap() && !clear(&conn, "dog", &small).unwrap());
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        let conn = library(0);
        for probability in [-0.1, 1.1, f64::NAN] {
            let threshold = Threshold { probability, chosen_by: "person".into(), set_ms: 0 };
            assert!(matches!(set(&conn, "dog", &ModelKey::new("m", "1"), &threshold), Err(LibraryError::Refused(_))));
        }
    }
}
