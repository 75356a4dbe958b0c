//! The files beside which sidecars lie, in the order of their folders, and what the library says about their photos.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use cliploupe_library::{
    LibraryError, files,
    filter::Filter,
    labels,
    sidecars::{self, Fields, Folder, Naming, Settle},
    suggestions::{self, SuggestedFacts},
    tags,
    xmp::MachineTag,
};
use roaring::RoaringBitmap;
use rusqlite::Connection;

use crate::{
    messages::{OnConflict, PathProblem, PhotoId, Problem, SidecarNaming, SidecarOptions},
    shelf::of_library,
};

/// A file that is there, of a photo.
pub(super) struct Job {
    pub path: PathBuf,
    pub photo: PhotoId,
}

/// The files of photos, folder by folder.
pub(super) fn jobs(conn: &Connection, photos: &RoaringBitmap) -> Result<Vec<Job>, LibraryError> {
    let mut jobs = Vec::new();
    for photo in photos {
        let there = files::files(conn, photo)?.into_iter().filter(|file| file.missing_since_ms.is_none());
        jobs.extend(there.map(|file| Job { path: file.path, photo }));
    }
    jobs.sort_by(|a, b| (a.path.parent(), &a.path).cmp(&(b.path.parent(), &b.path)));
    Ok(jobs)
}

/// These photos, or all; never those that were taken out of the library.
pub(super) fn photos_of(conn: &Connection, ids: Option<&[PhotoId]>) -> Result<RoaringBitmap, LibraryError> {
    let shown = Filter::default().photos(conn)?;
    Ok(match ids {
        Some(ids) => ids.iter().copied().collect::<RoaringBitmap>() & shown,
        None => shown,
    })
}

/// Those of them that have something to say in a sidecar: tags, something that was written once and may have to be taken
/// away, and suggestions if they are asked for.
pub(super) fn in_need(
    conn: &Connection,
    ids: Option<&[PhotoId]>,
    with_suggestions: bool,
) -> Result<RoaringBitmap, LibraryError> {
    let mut queries = vec!["SELECT photo FROM decision WHERE verdict = 1", "SELECT photo FROM sidecar"];
    queries.extend(with_suggestions.then_some("SELECT photo FROM suggestion"));
    let mut photos = RoaringBitmap::new();
    for query in queries {
        let mut statement = conn.prepare_cached(query)?;
        let found = statement.query_map([], |row| row.get::<_, PhotoId>(0))?;
        photos |= found.collect::<rusqlite::Result<RoaringBitmap>>()?;
    }
    Ok(photos & photos_of(conn, ids)?)
}

/// What the library says about a photo.
pub(super) struct Said {
    pub tags: Vec<String>,
    pub rejected: Vec<String>,
    /// Suggestions, if they are asked for.
    pub machine: Option<Vec<MachineTag>>,
    /// What was agreed with each of its sidecars the last time, by the bytes of their paths.
    pub agreed: HashMap<Vec<u8>, Vec<String>>,
}

impl Said {
    pub fn of(conn: &Connection, photo: PhotoId, with_suggestions: bool) -> Result<Self, LibraryError> {
        let (accepted, rejected): (Vec<_>, Vec<_>) =
            tags::decisions_of(conn, photo)?.into_iter().partition(|decision| decision.accepted);
        let names = |decisions: Vec<tags::Decision>| decisions.into_iter().map(|decision| decision.label).collect();
        let machine = match with_suggestions {
            true => Some(suggestions::of_photo(conn, photo)?.into_iter().map(machine_tag).collect()),
            false => None,
        };
        let mut statement = conn.prepare_cached("SELECT path FROM sidecar WHERE photo = ?1")?;
        let paths = statement.query_map([photo], |row| row.get(0))?.collect::<rusqlite::Result<Vec<Vec<u8>>>>()?;
        let mut agreed = HashMap::new();
        for path in paths {
            if let Some(tags) = sidecars::last_written(conn, photo, &path)? {
                agreed.insert(path, tags);
            }
        }
        Ok(Self { tags: names(accepted), rejected: names(rejected), machine, agreed })
    }
}

fn machine_tag((tag, facts): (String, SuggestedFacts)) -> MachineTag {
    let SuggestedFacts { model, prompt, score, probability, suggested_ms, .. } = facts;
    MachineTag { tag, model, prompt, score, probability, suggested_ms }
}

/// What both sides of a sidecar agree on, to be remembered.
pub(super) struct Agreed {
    pub photo: PhotoId,
    /// The bytes of the sidecar's path.
    pub path: Vec<u8>,
    pub tags: Vec<String>,
}

impl Agreed {
    /// Remembers several.
    pub fn note(conn: &Connection, all: &[Self], now_ms: i64) -> Result<(), LibraryError> {
        all.iter().try_for_each(|one| sidecars::note_written(conn, one.photo, &one.path, &one.tags, now_ms))
    }
}

/// The folder that is being gone through; its names are read once.
#[derive(Default)]
pub(super) struct Current {
    path: Option<PathBuf>,
    folder: Option<Folder>,
}

impl Current {
    /// The folder of a file; `None` if it cannot be read, which is noted when it is first met.
    pub fn of(&mut self, file: &Path, failed: &mut Vec<PathProblem>) -> Option<&Folder> {
        let parent = file.parent().unwrap_or(Path::new(""));
        if self.path.as_deref() != Some(parent) {
            self.path = Some(parent.to_owned());
            self.folder = Folder::read(parent).map_err(|error| failed.push(problem_at(parent, &error))).ok();
        }
        self.folder.as_ref()
    }
}

/// Why something could not be done with a file.
pub(super) fn problem_at(path: &Path, error: &LibraryError) -> PathProblem {
    PathProblem { path: path.display().to_string(), problem: of_library(error) }
}

/// How sidecars are written, as the library takes it.
pub(super) fn library_options(options: &SidecarOptions) -> Result<sidecars::Options, Problem> {
    let root = labels::tidy(&options.root).ok().filter(|root| *root == options.root);
    let root = root.ok_or_else(|| {
        let why = format!("{:?} cannot be the root of suggestions; choose a word, as Cliploupe", options.root);
        of_library(&LibraryError::Refused(why))
    })?;
    Ok(sidecars::Options {
        naming: match options.naming {
            SidecarNaming::NameExt => Naming::NameExt,
            SidecarNaming::Name => Naming::Name,
        },
        settle: match options.on_conflict {
            OnConflict::Ask => Settle::Leave,
            OnConflict::Library => Settle::KeepLibrary,
            OnConflict::Sidecar => Settle::KeepSidecar,
            OnConflict::Union => Settle::Union,
        },
        fields: Fields { microsoft: options.microsoft, mediapro: options.mediapro, ..Fields::default() },
        root,
        machine_in_subject: false,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_conflict_is_left_to_be_shown_unless_a_person_says_otherwise() {
        let options = library_options(&SidecarOptions::default()).unwrap();
        assert_eq!(options, sidecars::Options::default());
        let chosen = SidecarOptions { on_conflict: OnConflict::Library, mediapro: true, ..SidecarOptions::default() };
        let options = library_options(&chosen).unwrap();
        assert!(options.settle == Settle::KeepLibrary && options.fields.mediapro && !options.fields.microsoft);
    }

    #[test]
    fn a_root_that_no_list_would_give_back_is_refused() {
        for root in ["", " ", "a//b", " a"] {
            let options = SidecarOptions { root: root.into(), ..SidecarOptions::default() };
            assert!(library_options(&options).is_err(), "{root:?}");
        }
    }

    #[test]
    fn a_folder_that_is_gone_is_told_of_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("there")).unwrap();
        let (mut current, mut failed) = (Current::default(), Vec::new());
        let mut is_there = |name: &str| current.of(&folder.path().join(name), &mut failed).is_some();
        assert!(is_there("there/a.jpg") && is_there("there/b.jpg"));
        assert!(!is_there("gone/a.jpg") && !is_there("gone/b.jpg") && is_there("there/c.jpg"));
        assert_eq!(failed.len(), 1);
    }
}
