//! What a model suggests: never a tag, and never where a person decided.
//!
//! Suggestions are of one model at a time. Those of another model take their place, and what had been suggested to a
//! person who then decided stays with the decision (`tags.rs`).

use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::{
    LibraryError, ModelKey, PhotoId,
    labels::{self, LabelId},
};

/// What a model said of one photo and one label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SuggestedFacts {
    /// Which model, as [`ModelKey`] writes it.
    pub model: String,
    /// The sentence that fitted best, or what stands for several.
    pub prompt: String,
    /// Cosine between the photo and the label.
    pub cosine: f64,
    /// The margin that the probability was made from (`calibrate`).
    pub score: f64,
    /// The probability at that time; later decisions may have changed the calibration.
    pub probability: f64,
    /// When.
    pub suggested_ms: i64,
}

/// A suggestion to be kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewSuggestion<'a> {
    /// Which photo; one that is no longer in the library is passed over.
    pub photo: PhotoId,
    /// Which of the labels given, by its place.
    pub label: usize,
    /// As in [`SuggestedFacts`].
    pub prompt: &'a str,
    /// As in [`SuggestedFacts`].
    pub cosine: f32,
    /// As in [`SuggestedFacts`].
    pub score: f32,
    /// As in [`SuggestedFacts`].
    pub probability: f64,
}

/// Replaces what is suggested for `labels` by `rows`, and all that another model suggested; how many were kept.
///
/// Rows for photos with a decision on that label are passed over, so that nothing decided is asked again.
///
/// # Errors
/// As [`make_room`] and [`add`].
pub fn replace<'a>(
    tx: &Connection,
    model: &ModelKey,
    names: &[String],
    rows: impl IntoIterator<Item = NewSuggestion<'a>>,
    now_ms: i64,
) -> Result<usize, LibraryError> {
    let ids = make_room(tx, model, names)?;
    add(tx, model, &ids, rows, now_ms)
}

/// Removes what is suggested for these labels, and all of other models; the numbers of the labels, in their order.
///
/// # Errors
/// [`LibraryError::Refused`] for a name that is none; what SQLite says.
pub fn make_room(tx: &Connection, model: &ModelKey, names: &[String]) -> Result<Vec<LabelId>, LibraryError> {
    let ids = names.iter().map(|name| labels::label_id(tx, name)).collect::<Result<Vec<_>, _>>()?;
    if self::model(tx)?.is_some_and(|old| old != *model) {
        clear(tx)?;
    }
    let mut statement = tx.prepare_cached("DELETE FROM suggestion WHERE label = ?1")?;
    ids.iter().try_for_each(|id| statement.execute([id]).map(drop))?;
    Ok(ids)
}

/// Adds suggestions, as after [`make_room`], so that a million of them can be written in several transactions; how many
/// were kept.
///
/// # Errors
/// [`LibraryError::Refused`] for a number that is none, or a label that was not given; what SQLite says.
pub fn add<'a>(
    tx: &Connection,
    model: &ModelKey,
    ids: &[LabelId],
    rows: impl IntoIterator<Item = NewSuggestion<'a>>,
    now_ms: i64,
) -> Result<usize, LibraryError> {
    let sql =
        "INSERT OR REPLACE INTO suggestion (photo, label, model, prompt, cosine, score, probability, suggested_ms)
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
               WHERE EXISTS (SELECT 1 FROM photo WHERE id = ?1 AND removed_ms IS NULL)
                 AND NOT EXISTS (SELECT 1 FROM decision WHERE photo = ?1 AND label = ?2)";
    let mut statement = tx.prepare_cached(sql)?;
    let mut kept = 0;
    for row in rows {
        let NewSuggestion { photo, label, prompt, cosine, score, probability } = row;
        let is_sound = cosine.is_finite() && score.is_finite() && (0.0..=1.0).contains(&probability);
        let label = ids.get(label).filter(|_| is_sound);
        let label = label.ok_or_else(|| LibraryError::Refused(format!("{row:?} is no suggestion for these labels")))?;
        kept += statement.execute(params![photo, label, model.as_str(), prompt, cosine, score, probability, now_ms])?;
    }
    Ok(kept)
}

/// Removes all suggestions; how many there were.
///
/// # Errors
/// What SQLite says.
pub fn clear(tx: &Connection) -> Result<usize, LibraryError> {
    Ok(tx.execute("DELETE FROM suggestion", [])?)
}

/// Whose suggestions there are, if there are any.
///
/// # Errors
/// What SQLite says.
pub fn model(conn: &Connection) -> Result<Option<ModelKey>, LibraryError> {
    let mut statement = conn.prepare_cached("SELECT model FROM suggestion LIMIT 1")?;
    let text: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(text.as_deref().and_then(ModelKey::parse))
}

/// How many suggestions wait for a decision, of photos that were removed too.
///
/// # Errors
/// What SQLite says.
pub fn count(conn: &Connection) -> Result<u64, LibraryError> {
    let mut statement = conn.prepare_cached("SELECT count(*) FROM suggestion")?;
    Ok(statement.query_row([], |row| row.get::<_, u32>(0))?.into())
}

/// Which suggestions are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Of this label, or one below it; of all if none is given.
    pub label: Option<&'a str>,
    /// Of these photos.
    pub photos: Option<&'a RoaringBitmap>,
    /// With at least this probability.
    pub at_least: f64,
    /// With at most this probability.
    pub at_most: f64,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self { label: None, photos: None, at_least: 0.0, at_most: 1.0 }
    }
}

/// A suggestion in short, as lists of a million of them need it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pending {
    /// Which photo.
    pub photo: PhotoId,
    /// Which label.
    pub label: LabelId,
    /// From 0 to 1.
    pub probability: f64,
}

/// Suggestions that wait for a decision, by the names of their labels and then the likeliest first; never of photos that were removed.
///
/// # Errors
/// What SQLite says.
pub fn pending(conn: &Connection, wanted: &Wanted) -> Result<Vec<Pending>, LibraryError> {
    let removed = removed(conn)?;
    let labels: Vec<LabelId> = match wanted.label {
        Some(name) => labels::within(conn, name)?.into_iter().map(|(id, _)| id).collect(),
        None => {
            let mut statement = conn.prepare_cached("SELECT id FROM label ORDER BY name")?;
            statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
        }
    };
    let sql = "SELECT photo, label, probability FROM suggestion
               WHERE label = ?1 AND probability BETWEEN ?2 AND ?3 ORDER BY probability DESC, photo";
    let mut statement = conn.prepare_cached(sql)?;
    let is_wanted = |photo| wanted.photos.is_none_or(|photos| photos.contains(photo)) && !removed.contains(photo);
    let mut found = vec![];
    for label in labels {
        let mut rows = statement.query(params![label, wanted.at_least, wanted.at_most])?;
        while let Some(row) = rows.next()? {
            let photo = row.get(0)?;
            if is_wanted(photo) {
                found.push(Pending { photo, label: row.get(1)?, probability: row.get(2)? });
            }
        }
    }
    Ok(found)
}

/// Photos that were taken out of the library on purpose.
pub(crate) fn removed(conn: &Connection) -> Result<RoaringBitmap, LibraryError> {
    let mut statement = conn.prepare_cached("SELECT id FROM photo WHERE removed_ms IS NOT NULL")?;
    let rows = statement.query_map([], |row| row.get::<_, PhotoId>(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What is suggested for one photo, the likeliest first, with the names of the labels.
///
/// # Errors
/// What SQLite says.
pub fn of_photo(conn: &Connection, photo: PhotoId) -> Result<Vec<(String, SuggestedFacts)>, LibraryError> {
    let sql = "SELECT s.model, s.prompt, s.cosine, s.score, s.probability, s.suggested_ms, l.name
               FROM suggestion s JOIN label l ON l.id = s.label WHERE s.photo = ?1 ORDER BY s.probability DESC, l.name";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([photo], |row| Ok((row.get(6)?, facts(row, 0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What is suggested for one photo and label.
///
/// # Errors
/// What SQLite says.
pub fn get(conn: &Connection, photo: PhotoId, label: LabelId) -> Result<Option<SuggestedFacts>, LibraryError> {
    let sql = "SELECT model, prompt, cosine, score, probability, suggested_ms FROM suggestion
               WHERE photo = ?1 AND label = ?2";
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_row(params![photo, label], |row| facts(row, 0)).optional()?)
}

/// The six columns from `first` on.
pub(crate) fn facts(row: &Row, first: usize) -> rusqlite::Result<SuggestedFacts> {
    Ok(SuggestedFacts {
        model: row.get(first)?,
        prompt: row.get(first + 1)?,
        cosine: row.get(first + 2)?,
        score: row.get(first + 3)?,
        probability: row.get(first + 4)?,
        suggested_ms: row.get(first + 5)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::labels::tests::library;

    fn key(name: &str) -> ModelKey {
        ModelKey::new(name, "1")
    }

    fn row(photo: PhotoId, label: usize, probability: f64) -> NewSuggestion<'static> {
        NewSuggestion { photo, label, prompt: "a photo of a dog", cosine: 0.25, score: 0.5, probability }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn another_models_suggestions_take_the_place_of_all() {
        let conn = library(3);
        let labels = names(&["dog", "cat"]);
        replace(&conn, &key("old"), &labels, [row(1, 0, 0.9), row(2, 1, 0.8)], 5).unwrap();
        // The same model for one label: the other's stay.
        replace(&conn, &key("old"), &labels[..1], [row(3, 0, 0.7)], 6).unwrap();
        assert_eq!(count(&conn).unwrap(), 2);
        replace(&conn, &key("new"), &labels[..1], [row(1, 0, 0.6)], 7).unwrap();
        assert_eq!((count(&conn).unwrap(), model(&conn).unwrap()), (1, Some(key("new"))));
        let known = of_photo(&conn, 1).unwrap();
        let expected = SuggestedFacts {
            model: key("new").to_string(),
            prompt: "a photo of a dog".into(),
            cosine: 0.25,
            score: 0.5,
            probability: 0.6,
            suggested_ms: 7,
        };
        assert_eq!(known, [("dog".to_owned(), expected.clone())]);
        assert_eq!(get(&conn, 1, labels::find(&conn, "dog").unwrap().unwrap()).unwrap(), Some(expected));
    }

    #[test]
    fn nothing_is_suggested_for_photos_that_are_gone_nor_with_numbers_that_are_none() {
        let conn = library(2);
        conn.execute("UPDATE photo SET removed_ms = 1 WHERE id = 2", []).unwrap();
        let labels = names(&["dog"]);
        assert_eq!(replace(&conn, &key("m"), &labels, [1, 2, 99].map(|id| row(id, 0, 0.5)), 0).unwrap(), 1);
        for bad in [row(1, 1, 0.5), row(1, 0, f64::NAN), NewSuggestion { cosine: f32::NAN, ..row(1, 0, 0.5) }] {
            assert!(matches!(replace(&conn, &key("m"), &labels, [bad], 0), Err(LibraryError::Refused(_))));
        }
    }

    #[test]
    fn pending_ones_are_found_by_label_photos_and_probability() {
        let conn = library(4);
        let labels = names(&["animal/dog", "animal", "car"]);
        let rows = [row(1, 0, 0.9), row(2, 0, 0.4), row(3, 1, 0.6), row(4, 2, 0.7)];
        replace(&conn, &key("m"), &labels, rows, 0).unwrap();
        let photos = |wanted: Wanted| -> Vec<PhotoId> {
            pending(&conn, &wanted).unwrap().iter().map(|pending| pending.photo).collect()
        };
        assert_eq!(photos(Wanted::default()), [3, 1, 2, 4]);
        assert_eq!(photos(Wanted { label: Some("animal"), at_least: 0.5, ..Wanted::default() }), [3, 1]);
        assert_eq!(photos(Wanted { at_most: 0.6, ..Wanted::default() }), [3, 2]);
        let some = RoaringBitmap::from_iter([2, 4]);
        assert_eq!(photos(Wanted { photos: Some(&some), ..Wanted::default() }), [2, 4]);
        conn.execute("UPDATE photo SET removed_ms = 1 WHERE id = 3", []).unwrap();
        assert_eq!(photos(Wanted { label: Some("animal"), ..Wanted::default() }), [1, 2]);
    }

    #[test]
    fn a_hundred_thousand_are_written_in_moments() {
        let conn = library(10_000);
        let labels: Vec<String> = (0..10).map(|i| format!("label {i}")).collect();
        let rows = (1..=10_000).flat_map(|photo| (0..10).map(move |label| row(photo, label, f64::from(photo) / 1e4)));
        let start = Instant::now();
        let kept = replace(&conn, &key("m"), &labels, rows, 0).unwrap();
        // A second on an idle machine of 2026; this only tells work that grows with the square.
        assert!(kept == 100_000 && start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }
}
