//! Which photos a view is about: filters, orders, and what the menus of filters offer.
//!
//! A filter is answered with a set of numbers, each part of it from one index, so that a million photos take moments.

mod menus;
mod order;

use std::path::{Path, PathBuf};

use roaring::{RoaringBitmap, RoaringTreemap};
use rusqlite::{Connection, Params, params};
use serde::{Deserialize, Serialize};

use crate::{LibraryError, PhotoId, paths};

pub use menus::{Choice, cameras, folders, years};
pub use order::{Order, ordered, timed};

/// What photos must be like; every part that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    /// Words, each of which must be in the path of one of the photo's files; capital letters do not matter.
    pub text: String,
    /// A file lies in this folder, or below it.
    #[serde(with = "paths::text")]
    pub folder: Option<PathBuf>,
    /// Taken then or later.
    pub taken_from_ms: Option<i64>,
    /// Taken before.
    pub taken_to_ms: Option<i64>,
    /// Taken with this camera.
    pub camera: Option<String>,
    /// Has each of these tags, or one below it: `animal` is also `animal/dog`.
    pub tags: Vec<String>,
    /// Has none of these tags, nor one below them.
    pub without_tags: Vec<String>,
    /// Each of these labels, or one below it, was rejected for it.
    pub rejected: Vec<String>,
    /// Has no tag.
    pub untagged: bool,
    /// This label, or one below it, is suggested for it.
    pub suggested: Option<String>,
    /// Whether none of its files is there.
    pub missing: Option<bool>,
    /// As `JPEG`.
    pub format: Option<String>,
}

impl Filter {
    /// The photos it lets through; never those that were taken out of the library.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn photos(&self, conn: &Connection) -> Result<RoaringBitmap, LibraryError> {
        let mut wanted = self.wanted(conn)?;
        for tag in &self.without_tags {
            if wanted.as_ref().is_none_or(|wanted| !wanted.is_empty()) {
                let all = wanted.take().map_or_else(|| shown(conn), Ok)?;
                wanted = Some(all - decided(conn, tag, true)?);
            }
        }
        match wanted {
            Some(wanted) => Ok(wanted - removed(conn)?),
            None => shown(conn),
        }
    }

    /// What every part but `without_tags` lets through, photos that were taken out included; `None` for everything.
    fn wanted(&self, conn: &Connection) -> Result<Option<RoaringBitmap>, LibraryError> {
        type Part<'a> = Box<dyn Fn() -> Result<RoaringBitmap, LibraryError> + 'a>;
        let mut parts: Vec<Part> = vec![];
        // Those that are small, as a rule, come first: an empty set ends the search.
        for (tags, accepted) in [(&self.tags, true), (&self.rejected, false)] {
            parts.extend(tags.iter().map(|tag| -> Part { Box::new(move || decided(conn, tag, accepted)) }));
        }
        parts.extend(self.suggested.iter().map(|label| -> Part { Box::new(move || suggested(conn, label)) }));
        parts.extend(
            self.camera.iter().map(|camera| -> Part {
                Box::new(move || set(conn, "SELECT id FROM photo WHERE camera = ?1", [camera]))
            }),
        );
        if self.taken_from_ms.is_some() || self.taken_to_ms.is_some() {
            parts.push(Box::new(|| {
                let (from, to) = (self.taken_from_ms.unwrap_or(i64::MIN), self.taken_to_ms.unwrap_or(i64::MAX));
                set(conn, "SELECT id FROM photo WHERE taken_ms >= ?1 AND taken_ms < ?2", [from, to])
            }));
        }
        parts.extend(
            self.format.iter().map(|format| -> Part {
                Box::new(move || set(conn, "SELECT id FROM photo WHERE format = ?1", [format]))
            }),
        );
        parts.extend(self.folder.iter().map(|folder| -> Part { Box::new(move || in_folder(conn, folder)) }));
        parts.extend(self.missing.map(|is_missing| -> Part {
            Box::new(move || if is_missing { Ok(shown(conn)? - with_file(conn)?) } else { with_file(conn) })
        }));
        if self.untagged {
            parts.push(Box::new(|| {
                Ok(shown(conn)? - set(conn, "SELECT photo FROM decision WHERE verdict = 1 ORDER BY photo", [])?)
            }));
        }
        let words: Vec<String> = self.text.split_whitespace().map(str::to_lowercase).collect();
        if !words.is_empty() {
            parts.push(Box::new(move || containing(conn, &words)));
        }
        let mut wanted: Option<RoaringBitmap> = None;
        for part in parts {
            if wanted.as_ref().is_some_and(RoaringBitmap::is_empty) {
                break;
            }
            let next = part()?;
            wanted = Some(match wanted {
                Some(wanted) => wanted & next,
                None => next,
            });
        }
        Ok(wanted)
    }
}

/// The numbers that a query gives, in whatever order it gives them, once or more.
fn set(conn: &Connection, sql: &str, params: impl Params) -> Result<RoaringBitmap, LibraryError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut ids: Vec<PhotoId> = vec![];
    while let Some(row) = rows.next()? {
        ids.push(row.get(0)?);
    }
    Ok(bitmap(ids))
}

fn bitmap(mut ids: Vec<PhotoId>) -> RoaringBitmap {
    if !ids.is_sorted() {
        ids.sort_unstable();
    }
    ids.dedup();
    RoaringBitmap::from_sorted_iter(ids).expect("they were sorted, and none is there twice")
}

/// Photos that have not been taken out of the library.
fn shown(conn: &Connection) -> Result<RoaringBitmap, LibraryError> {
    set(conn, "SELECT id FROM photo WHERE removed_ms IS NULL ORDER BY id", [])
}

/// Photos that were taken out of the library.
pub(crate) fn removed(conn: &Connection) -> Result<RoaringBitmap, LibraryError> {
    set(conn, "SELECT id FROM photo WHERE removed_ms IS NOT NULL", [])
}

fn with_file(conn: &Connection) -> Result<RoaringBitmap, LibraryError> {
    set(conn, "SELECT photo FROM file WHERE missing_since_ms IS NULL ORDER BY photo", [])
}

/// Labels of a name and below it. `/` is followed by `0` in every encoding that SQLite compares.
const LABELS: &str = "SELECT id FROM label WHERE name = ?1 OR (name >= ?1 || '/' AND name < ?1 || '0')";

fn decided(conn: &Connection, label: &str, accepted: bool) -> Result<RoaringBitmap, LibraryError> {
    let sql = format!("SELECT photo FROM decision WHERE label IN ({LABELS}) AND verdict = ?2");
    set(conn, &sql, params![label, accepted])
}

fn suggested(conn: &Connection, label: &str) -> Result<RoaringBitmap, LibraryError> {
    set(conn, &format!("SELECT photo FROM suggestion WHERE label IN ({LABELS})"), [label])
}

fn in_folder(conn: &Connection, folder: &Path) -> Result<RoaringBitmap, LibraryError> {
    /// Up to so many files are looked up one by one; for more, all of an index is read, which takes as long.
    const FEW: u64 = 20_000;
    let (from, to) = paths::below(folder);
    let lost = set(conn, "SELECT id FROM photo WHERE last_path >= ?1 AND last_path < ?2", [&from, &to])?;
    let mut statement = conn.prepare_cached("SELECT id FROM file WHERE path >= ?1 AND path < ?2")?;
    let files = statement.query_map([&from, &to], |row| row.get(0).map(i64::cast_unsigned))?;
    let files: RoaringTreemap = files.collect::<rusqlite::Result<_>>()?;
    let mut photos: Vec<PhotoId> = vec![];
    if files.len() <= FEW {
        let mut one = conn.prepare_cached("SELECT photo FROM file WHERE id = ?1")?;
        for file in files {
            photos.push(one.query_row([file.cast_signed()], |row| row.get(0))?);
        }
    } else {
        let mut all = conn.prepare_cached("SELECT photo, id FROM file ORDER BY photo")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            if files.contains(row.get::<_, i64>(1)?.cast_unsigned()) {
                photos.push(row.get(0)?);
            }
        }
    }
    Ok(lost | bitmap(photos))
}

/// Photos whose path, as it is shown, has all of the words, which are in small letters.
fn containing(conn: &Connection, words: &[String]) -> Result<RoaringBitmap, LibraryError> {
    let mut ids = vec![];
    let mut small = String::new();
    each_path(conn, |photo, path| {
        let shown = as_text(path);
        small.clear();
        if shown.is_ascii() {
            small.push_str(&shown);
            small.make_ascii_lowercase();
        } else {
            small.push_str(&shown.to_lowercase());
        }
        if words.iter().all(|word| small.contains(word)) {
            ids.push(photo);
        }
    })?;
    Ok(bitmap(ids))
}

/// Every path there is: those of files, and those where photos lay that have none any more.
fn each_path(conn: &Connection, mut with: impl FnMut(PhotoId, &[u8])) -> Result<(), LibraryError> {
    for sql in ["SELECT photo, path FROM file", "SELECT id, last_path FROM photo WHERE last_path IS NOT NULL"] {
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            with(row.get(0)?, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?);
        }
    }
    Ok(())
}

#[cfg(not(windows))]
fn as_text(path: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(path)
}

#[cfg(windows)]
fn as_text(path: &[u8]) -> std::borrow::Cow<'_, str> {
    paths::display(&paths::from_bytes(path)).into()
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;
    use crate::{database, photos};

    fn path(path: &str) -> Vec<u8> {
        paths::to_bytes(&path.split('/').collect::<PathBuf>())
    }

    /// Photos 1 to 6; 6 was taken out, and has everything.
    fn library() -> Connection {
        let conn = database::in_memory();
        let photo = |id: u32, taken_ms: Option<i64>, camera: &str, format: &str| {
            let sql =
                "INSERT INTO photo (id, added_ms, taken_ms, camera, format) VALUES (?1, 1, ?2, nullif(?3, ''), ?4)";
            conn.execute(sql, params![id, taken_ms, camera, format]).unwrap();
        };
        // The first moments of 1970, 2023 and 2024, and the last of 2023.
        photo(1, Some(1_704_067_200_000), "Canon", "JPEG");
        photo(2, Some(1_672_531_200_000), "Nikon", "JPEG");
        photo(3, None, "Canon", "PNG");
        photo(4, Some(0), "", "JPEG");
        photo(5, Some(1_704_067_199_999), "Canon", "JPEG");
        photo(6, Some(1_704_067_200_000), "Canon", "JPEG");
        let file = |photo: u32, at: &str, missing_since_ms: Option<i64>| {
            let sql = "INSERT INTO file (photo, path, bytes, modified_ns, missing_since_ms) VALUES (?1, ?2, 0, 0, ?3)";
            conn.execute(sql, params![photo, path(at), missing_since_ms]).unwrap();
        };
        file(1, "p/b/Zebra.jpg", None);
        file(1, "p/copy/other.jpg", None);
        file(2, "p/b/ÉTÉ 狐.jpg", Some(5));
        file(2, "p/a/kept.jpg", None);
        file(3, "p/b2/apple.png", Some(5));
        file(4, "p/b/below/apple.jpg", None);
        file(6, "p/b/zebra.jpg", None);
        // 5 has lost its file to an edit.
        conn.execute("UPDATE photo SET last_path = ?1 WHERE id = 5", [path("p/b/mango.jpg")]).unwrap();
        for (label, name) in ["animal", "animal/dog", "animals", "sea"].iter().zip(1..).map(|(name, id)| (id, name)) {
            conn.execute("INSERT INTO label VALUES (?1, ?2)", params![label, name]).unwrap();
        }
        for (photo, label, verdict) in [(1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 2, 0), (1, 4, 1), (6, 1, 1)] {
            let sql =
                "INSERT INTO decision (photo, label, verdict, decided_ms, origin) VALUES (?1, ?2, ?3, 0, 'person')";
            conn.execute(sql, [photo, label, verdict]).unwrap();
        }
        for photo in [5, 6] {
            let sql = "INSERT INTO suggestion VALUES (?1, 2, 'model', 'a dog', 0.1, 0.1, 0.9, 0)";
            conn.execute(sql, [photo]).unwrap();
        }
        photos::remove(&conn, &[6], 9).unwrap();
        conn
    }

    fn photos_of(filter: Filter) -> Vec<PhotoId> {
        filter.photos(&library()).unwrap().iter().collect()
    }

    #[test]
    fn each_part_lets_through_what_it_says() {
        let text = |text: &str| Filter { text: text.into(), ..Filter::default() };
        let tags = |tags: &[&str]| tags.iter().map(|tag| tag.to_string()).collect::<Vec<_>>();
        let all = Filter::default;
        let cases = [
            (all(), &[1, 2, 3, 4, 5][..]),
            (text("zebra"), &[1]),
            (text("JPG copy"), &[1]),
            (text("été"), &[2]),
            (text("狐"), &[2]),
            (text("mango"), &[5]),
            (text("zebra apple"), &[]),
            (Filter { folder: Some("p/b".split('/').collect()), ..all() }, &[1, 2, 4, 5]),
            (Filter { taken_from_ms: Some(1_704_067_200_000), ..all() }, &[1]),
            (Filter { taken_from_ms: Some(0), taken_to_ms: Some(1_704_067_200_000), ..all() }, &[2, 4, 5]),
            (Filter { camera: Some("Canon".into()), ..all() }, &[1, 3, 5]),
            (Filter { format: Some("PNG".into()), ..all() }, &[3]),
            (Filter { tags: tags(&["animal"]), ..all() }, &[1, 2]),
            (Filter { tags: tags(&["animal", "sea"]), ..all() }, &[1]),
            (Filter { tags: tags(&["nothing"]), ..all() }, &[]),
            (Filter { without_tags: tags(&["animal"]), ..all() }, &[3, 4, 5]),
            (Filter { without_tags: tags(&["animal", "animals"]), tags: tags(&["sea"]), ..all() }, &[]),
            (Filter { rejected: tags(&["animal"]), ..all() }, &[4]),
            (Filter { untagged: true, ..all() }, &[4, 5]),
            (Filter { suggested: Some("animal".into()), ..all() }, &[5]),
            (Filter { missing: Some(true), ..all() }, &[3, 5]),
            (Filter { missing: Some(false), ..all() }, &[1, 2, 4]),
            (
                Filter { missing: Some(true), camera: Some("Canon".into()), without_tags: tags(&["animals"]), ..all() },
                &[5],
            ),
        ];
        for (filter, photos) in cases {
            assert_eq!(photos_of(filter.clone()), photos, "{filter:?}");
        }
    }

    #[test]
    fn orders_put_what_is_unknown_last() {
        let order = |order, descending| ordered(&library(), order, descending).unwrap();
        assert_eq!(order(Order::Added, true), [5, 4, 3, 2, 1]);
        assert_eq!(order(Order::Taken, false), [4, 2, 5, 1, 3]);
        assert_eq!(order(Order::Taken, true), [1, 5, 2, 4, 3]);
        // apple.jpg, apple.png, kept.jpg, Zebra.jpg; 5 has no file.
        assert_eq!(order(Order::Name, false), [4, 3, 2, 1, 5]);
        assert_eq!(order(Order::Name, true), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn menus_count_photos_and_leave_out_what_was_taken_out() {
        let conn = library();
        let counts =
            |choices: Vec<Choice<String>>| choices.into_iter().map(|one| (one.value, one.photos)).collect::<Vec<_>>();
        assert_eq!(counts(cameras(&conn).unwrap()), [("Canon".into(), 3), ("Nikon".into(), 1)]);
        let years: Vec<_> = years(&conn).unwrap().into_iter().map(|one| (one.value, one.photos)).collect();
        assert_eq!(years, [(2024, 1), (2023, 2), (1970, 1)]);
        let folders: Vec<_> = folders(&conn).unwrap().into_iter().map(|one| (one.value, one.photos)).collect();
        let expected = [("p/a", 1), ("p/b", 3), ("p/b/below", 1), ("p/b2", 1), ("p/copy", 1)];
        assert_eq!(folders, expected.map(|(folder, photos)| (folder.split('/').collect(), photos)));
    }

    #[test]
    fn a_filter_is_json_that_may_leave_things_out() {
        let filter: Filter = serde_json::from_str(r#"{"takenFromMs":5,"withoutTags":["a"],"folder":"/p"}"#).unwrap();
        let expected = Filter {
            taken_from_ms: Some(5),
            without_tags: vec!["a".into()],
            folder: Some("/p".into()),
            ..Filter::default()
        };
        assert_eq!(filter, expected);
        assert_eq!(serde_json::from_value::<Filter>(serde_json::to_value(&filter).unwrap()).unwrap(), filter);
    }
}
