//! Photos that are nearly the same and photos unlike all others, and the marks that a person puts on them. Nothing is ever
//! deleted or moved: marks leave as a list.

use std::path::Path;

use cliploupe_library::{
    LibraryError, clock, files,
    look::Look,
    near::{self, Evidence, Group, Likeness, NearOptions},
    photos,
};
use roaring::RoaringBitmap;
use rusqlite::Connection;

use super::Workbench;
use crate::{
    messages::{NearGroup, NearKind, NearPhoto, NearReport, Outlier, PhotoId, Problem, WorkbenchEvent},
    shelf::of_library,
    table::file_name,
};

/// Groups, and outliers, that are told of at most.
const LISTED: usize = 1000;
/// Photos among which pairs are looked for by embeddings; with more, which takes time with the square of them, by looks.
const BY_EMBEDDINGS: u64 = 50_000;
/// Nearest photos whose mean cosine says how alone a photo is.
const NEIGHBOURS: usize = 10;

impl Workbench {
    /// Photos that are nearly the same, in groups, of which the first photo is suggested to be kept. Similar ones have at
    /// least this cosine, 0.5 to 1. Photos of which no file is there are left out: what is kept must be there.
    ///
    /// With more than 50,000 photos only those that look alike are found, and no bursts.
    pub fn near_duplicates(&self, min_cosine: f32) -> Result<NearReport, Problem> {
        if !(0.5..=1.0).contains(&min_cosine) {
            let why = format!("a cosine of {min_cosine} says nothing of likeness; give one between 0.5 and 1");
            return Err(of_library(&LibraryError::Refused(why)));
        }
        let shelf = self.shelf()?;
        let (known, copied) = shelf.read(|conn| Ok((known_photos(conn)?, with_copies(conn)?)))?;
        let defaults = NearOptions::default();
        let (near_cosine, similar_cosine) = (defaults.near_cosine.max(min_cosine), min_cosine);
        let (mut groups, compared) = self.with_own_index(|index| {
            let known: Vec<near::NearPhoto> = known.into_iter().filter(|photo| index.contains(photo.photo)).collect();
            let is_small = known.len() as u64 <= BY_EMBEDDINGS;
            let evidence = if is_small { Evidence::Embeddings } else { Evidence::Looks };
            let options = NearOptions { evidence, near_cosine, similar_cosine, ..defaults };
            let groups = near::groups(index, &known, &options, &|_| true).map_err(|error| of_library(&error))?;
            Ok((groups.unwrap_or_default(), known.len()))
        })?;
        // The sort is stable: within a kind the largest groups stay first.
        groups.sort_by_key(|group| group.likeness);
        let total = groups.len() + copied.len();
        let marked = shelf.marked()?;
        let groups = shelf.read(|conn| {
            let mut told = Vec::new();
            for photo in copied.iter().take(LISTED) {
                told.extend(copies(conn, *photo, &marked)?);
            }
            for group in groups.iter().take(LISTED.saturating_sub(told.len())) {
                told.extend(told_group(conn, group, &marked)?);
            }
            Ok(told)
        })?;
        Ok(NearReport { groups, total: total as u32, compared: compared as u32 })
    }

    /// The photos that are least like their neighbours, the loneliest first, a thousand at most.
    pub fn outliers(&self, top: usize) -> Result<Vec<Outlier>, Problem> {
        let found = self.with_own_index(|index| {
            let found = index.outliers(top.min(LISTED), NEIGHBOURS, &|_| true).map_err(|error| of_library(&error))?;
            Ok(found.unwrap_or_default())
        })?;
        let marked = self.shelf()?.marked()?;
        let table = self.shared.table();
        let told = found.into_iter().filter_map(|outlier| {
            let row = table.get(outlier.photo)?;
            Some(Outlier {
                id: outlier.photo,
                name: file_name(&row.path),
                similarity: outlier.mean_cosine,
                deviations: -outlier.z,
                nearest: outlier.nearest,
                nearest_cosine: outlier.nearest_cosine,
                marked: marked.contains(outlier.photo),
            })
        });
        Ok(told.collect())
    }

    /// Marks photos to be set aside, or takes the mark away. A mark is a note and nothing else.
    pub fn mark(&self, ids: &[PhotoId], marked: bool) -> Result<(), Problem> {
        self.shelf()?.mark(ids, marked, clock::now_ms())?;
        if !ids.is_empty() {
            self.shared.emit(WorkbenchEvent::PhotosChanged { ids: ids.to_vec() });
        }
        self.shared.tell_library();
        Ok(())
    }

    /// The files of marked photos that are there, sorted, one path a line, each line ended by a line feed.
    ///
    /// A path with a control character in it, as a line break, or with bytes that are no Unicode, is spelled as the shells
    /// Bash and Zsh take it: `$'/photos/a\nb.jpg'`. No other path begins so, since paths here are absolute.
    pub fn marked_paths(&self) -> Result<String, Problem> {
        let shelf = self.shelf()?;
        let marked = shelf.marked()?;
        let mut paths = Vec::new();
        shelf.read(|conn| {
            for id in &marked {
                let there = files::files(conn, id)?.into_iter().filter(|file| file.missing_since_ms.is_none());
                paths.extend(there.map(|file| file.path));
            }
            Ok(())
        })?;
        paths.sort();
        Ok(paths.iter().map(|path| line_of(path) + "\n").collect())
    }
}

/// What is known of the photos of which a file is there.
///
/// Their copies are told of by themselves ([`with_copies`]), so every photo counts as one file here.
fn known_photos(conn: &Connection) -> Result<Vec<near::NearPhoto>, LibraryError> {
    let sql = "SELECT id, look, coalesce(width, 0), coalesce(height, 0), coalesce(taken_ms, added_ms) FROM photo p
               WHERE removed_ms IS NULL AND identity IS NOT NULL
                 AND EXISTS (SELECT 1 FROM file WHERE photo = p.id AND missing_since_ms IS NULL)";
    let mut statement = conn.prepare_cached(sql)?;
    let photos = statement.query_map([], |row| {
        Ok(near::NearPhoto {
            photo: row.get(0)?,
            look: row.get::<_, Option<Vec<u8>>>(1)?.and_then(|look| Look::from_slice(&look)),
            size: (row.get(2)?, row.get(3)?),
            time_ms: row.get(4)?,
            files: 1,
        })
    })?;
    Ok(photos.collect::<rusqlite::Result<_>>()?)
}

/// Photos that lie in several places, those in most first.
fn with_copies(conn: &Connection) -> Result<Vec<PhotoId>, LibraryError> {
    let sql = "SELECT f.photo FROM file f JOIN photo p ON p.id = f.photo
               WHERE f.missing_since_ms IS NULL AND p.removed_ms IS NULL AND p.identity IS NOT NULL
               GROUP BY f.photo HAVING count(*) > 1 ORDER BY count(*) DESC, f.photo";
    let mut statement = conn.prepare_cached(sql)?;
    let photos = statement.query_map([], |row| row.get(0))?;
    Ok(photos.collect::<rusqlite::Result<_>>()?)
}

/// The files of one photo as a group, the one that came first to be kept.
fn copies(conn: &Connection, id: PhotoId, marked: &RoaringBitmap) -> Result<Option<NearGroup>, LibraryError> {
    let Some(photo) = photos::row(conn, id)? else { return Ok(None) };
    let there = files::files(conn, id)?.into_iter().filter(|file| file.missing_since_ms.is_none());
    let copy = |(at, file): (usize, files::FileRow)| NearPhoto {
        id,
        name: file_name(&file.path),
        path: file.path.display().to_string(),
        width: photo.width.unwrap_or(0),
        height: photo.height.unwrap_or(0),
        bytes: file.bytes,
        cosine: 1.0,
        look_distance: 0,
        keep: at == 0,
        marked: marked.contains(id),
    };
    Ok(Some(NearGroup { kind: NearKind::SameContent, photos: there.enumerate().map(copy).collect() }))
}

/// A group as it crosses to the page; `None` if nothing is left of it.
fn told_group(conn: &Connection, group: &Group, marked: &RoaringBitmap) -> Result<Option<NearGroup>, LibraryError> {
    let mut told = Vec::with_capacity(group.photos.len());
    for (at, member) in group.photos.iter().enumerate() {
        let Some(photo) = photos::row(conn, member.photo)? else { continue };
        let path = photo.path.unwrap_or_default();
        told.push(NearPhoto {
            id: member.photo,
            name: file_name(&path),
            path: path.display().to_string(),
            width: photo.width.unwrap_or(0),
            height: photo.height.unwrap_or(0),
            bytes: photo.bytes,
            cosine: member.cosine_to_best,
            // Without a thumbnail nothing is known of the looks, which is as far apart as can be.
            look_distance: member.look_distance.unwrap_or(if at == 0 { 0 } else { u64::BITS }),
            keep: at == 0,
            marked: marked.contains(member.photo),
        });
    }
    let kind = match group.likeness {
        Likeness::SamePixelsOtherFile | Likeness::NearDuplicate => NearKind::NearDuplicate,
        Likeness::Similar => NearKind::Similar,
    };
    Ok((told.len() > 1).then_some(NearGroup { kind, photos: told }))
}

/// A path as one line; see [`Workbench::marked_paths`].
fn line_of(path: &Path) -> String {
    if let Some(plain) = path.to_str().filter(|text| !text.chars().any(char::is_control)) {
        return plain.to_owned();
    }
    let mut line = String::from("$'");
    let hex = |line: &mut String, bytes: &[u8]| bytes.iter().for_each(|byte| *line += &format!("\\x{byte:02x}"));
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => line += "\\n",
                '\r' => line += "\\r",
                '\t' => line += "\\t",
                '\\' => line += "\\\\",
                '\'' => line += "\\'",
                _ if character.is_control() => hex(&mut line, character.encode_utf8(&mut [0; 4]).as_bytes()),
                _ => line.push(character),
            }
        }
        hex(&mut line, chunk.invalid());
    }
    line + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_line_whatever_is_in_it() {
        assert_eq!(line_of(Path::new("/a b/it's \\ 🦊.jpg")), "/a b/it's \\ 🦊.jpg");
        assert_eq!(line_of(Path::new("/a\nb\t'\\🦊\u{7}.jpg")), "$'/a\\nb\\t\\'\\\\🦊\\x07.jpg'");
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_spelled_one_by_one() {
        let path = cliploupe_library::paths::from_bytes(b"/caf\xe9 \xff.jpg");
        assert_eq!(line_of(&path), "$'/caf\\xe9 \\xff.jpg'");
    }

    // Bash itself reads it back, where there is one.
    #[cfg(target_os = "linux")]
    #[test]
    fn bash_reads_the_path_that_was_meant() {
        use std::{os::unix::ffi::OsStrExt, process::Command};

        let bytes = b"/it's\n\r\t\\ \xff\xc3\xa9\xc2\x85.jpg";
        let path = cliploupe_library::paths::from_bytes(bytes);
        let script = format!("printf %s {}", line_of(&path));
        let Ok(output) = Command::new("bash").arg("-c").arg(script).output() else { return };
        assert_eq!(output.stdout, path.as_os_str().as_bytes());
    }
}
