//! Where the photos of a library lie: from paths that a person types to photos.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use cliploupe_workbench::{
    Workbench,
    library::paths,
    messages::{PhotoFilter, PhotoId, PhotoQuery},
};

use crate::failure::Failed;

/// The photos of a library by their paths.
pub struct Places<'a> {
    bench: &'a Workbench,
    by_path: HashMap<PathBuf, PhotoId>,
}

impl<'a> Places<'a> {
    /// All photos, missing ones included.
    pub fn of(bench: &'a Workbench) -> Result<Self, Failed> {
        let ids = bench.photo_list(&PhotoQuery::default())?.ids;
        let by_path = ids.into_iter().filter_map(|id| Some((bench.path(id)?, id))).collect();
        Ok(Self { bench, by_path })
    }

    /// The photo of a file, if the library has it.
    pub fn file(&self, path: &Path) -> Result<Option<PhotoId>, Failed> {
        let path = absolute(path);
        if let Some(id) = self.by_path.get(&path) {
            return Ok(Some(*id));
        }
        // It may be a further file of a photo that is listed under another path.
        let beside = path.parent().map(|folder| self.listed_in(folder)).transpose()?.unwrap_or_default();
        let shown = path.display().to_string();
        let has_more = self.bench.photo_records(&beside)?.into_iter().filter(|photo| photo.files > 1);
        let is_of = |id: &PhotoId| {
            self.bench.details(*id).is_some_and(|details| details.files.iter().any(|file| file.path == shown))
        };
        Ok(has_more.map(|photo| photo.id).find(is_of))
    }

    /// The photos in a folder and below.
    pub fn folder(&self, folder: &Path) -> Result<BTreeSet<PhotoId>, Failed> {
        let folder = absolute(folder);
        let inside = self.by_path.iter().filter(|(path, _)| path.starts_with(&folder));
        let mut ids: BTreeSet<PhotoId> = inside.map(|(_, id)| *id).collect();
        ids.extend(self.listed_in(&folder)?);
        Ok(ids)
    }

    /// The photos of files and folders, each once; a path without any is an error.
    pub fn all(&self, paths: &[PathBuf]) -> Result<Vec<PhotoId>, Failed> {
        let mut chosen = BTreeSet::new();
        for path in paths {
            match self.file(path)? {
                Some(id) => chosen.extend([id]),
                None => {
                    let inside = self.folder(path)?;
                    if inside.is_empty() {
                        return Err(unknown(path));
                    }
                    chosen.extend(inside);
                }
            }
        }
        Ok(chosen.into_iter().collect())
    }

    /// Photos that the library lists in a folder, by whichever of their files; for a folder whose name is no Unicode those
    /// of `by_path` must do.
    fn listed_in(&self, folder: &Path) -> Result<Vec<PhotoId>, Failed> {
        let Some(folder) = folder.to_str().filter(|folder| !folder.is_empty()) else { return Ok(Vec::new()) };
        let filter = PhotoFilter { folder: Some(folder.to_owned()), ..PhotoFilter::default() };
        Ok(self.bench.photo_list(&PhotoQuery { filter, ..PhotoQuery::default() })?.ids)
    }
}

/// The photos of files and folders; `None` for no path, which stands for all photos.
pub fn chosen(bench: &Workbench, paths: &[PathBuf]) -> Result<Option<Vec<PhotoId>>, Failed> {
    if paths.is_empty() {
        return Ok(None);
    }
    Places::of(bench)?.all(paths).map(Some)
}

/// The library has no photo there.
pub fn unknown(path: &Path) -> Failed {
    Failed::work(format!("the library has no photo there. Import it first with `cliploupe-cli import`: {path:?}"))
}

/// The one spelling of a path that the library has.
pub fn absolute(path: &Path) -> PathBuf {
    paths::absolute(path).unwrap_or_else(|_| path.to_owned())
}
