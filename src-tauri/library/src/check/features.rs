//! Features and embeddings: whether row indexes can be believed, rows are sound, and belong to photos of the library.

use std::path::{Path, PathBuf};

use super::{FindingKind, Pass, Photo, entries};
use crate::{
    LibraryError, ModelKey, PhotoId,
    features::{FeatureStore, StoreHeader},
};

impl Pass<'_> {
    /// Photos are in the order of their identities.
    pub fn features(&mut self, photos: &[Photo]) -> Result<(), LibraryError> {
        let mut by_number: Vec<&Photo> = photos.iter().collect();
        by_number.sort_unstable_by_key(|photo| photo.photo);
        let folder = self.folder.join("features");
        let names = |suffix: &str| -> Result<Vec<String>, LibraryError> {
            let files = entries(&folder)?;
            let name = |path: &PathBuf| Some(path.file_name()?.to_str()?.strip_suffix(suffix)?.to_owned());
            Ok(files.iter().filter(|path| path.is_file()).filter_map(name).collect())
        };
        let (indexes, values) = (names(".rows")?, names(".f16")?);
        for name in &indexes {
            self.report.figures.stores += 1;
            self.store(&folder, name, &by_number)?;
        }
        let is_alone = |name: &&String| !indexes.contains(name) && self.is_settled(&folder.join(format!("{name}.f16")));
        let alone: Vec<PathBuf> =
            values.iter().filter(is_alone).map(|name| folder.join(format!("{name}.f16"))).collect();
        for path in alone {
            self.remove(std::slice::from_ref(&path))?;
            self.note(FindingKind::FeatureIndexDamaged, &path, 1, "features without the index of their rows".into());
        }
        Ok(())
    }

    fn store(&mut self, folder: &Path, name: &str, photos: &[&Photo]) -> Result<(), LibraryError> {
        let path = folder.join(format!("{name}.rows"));
        match StoreHeader::read(folder, name) {
            Ok(header) => {
                if header.is_compaction_left {
                    self.note(FindingKind::Leftover, &path, 1, "a compaction that came to no end".into());
                }
                if !header.has_values {
                    if self.is_repair {
                        header.open(folder, name, false)?.append(&[])?; // Cuts the index to nothing.
                    }
                    let what = "the file of features beside this index is missing".into();
                    self.note(FindingKind::FeatureRowsDamaged, &path, header.entries.max(1), what);
                    return Ok(());
                }
                self.rows(header.open(folder, name, !self.is_repair)?, &path, photos)
            }
            Err(LibraryError::Damaged { cause, .. }) => {
                if self.is_repair {
                    self.save(folder, name, &path, photos)?;
                }
                self.note(
                    FindingKind::FeatureIndexDamaged,
                    &path,
                    1,
                    format!("the index of features is damaged: {cause}"),
                );
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes what can be verified of a store whose header is damaged; embeddings are cheap and go.
    fn save(&mut self, folder: &Path, name: &str, path: &Path, photos: &[&Photo]) -> Result<(), LibraryError> {
        match (ModelKey::parse(name), FeatureStore::width_by_checksums(folder, name)?) {
            (Some(model), Some(width)) if !name.ends_with(".embedding") => {
                self.rows(FeatureStore::salvage(folder, &model, width)?, path, photos)
            }
            _ => FeatureStore::remove_named(folder, name),
        }
    }

    fn rows(&mut self, mut store: FeatureStore, path: &Path, photos: &[&Photo]) -> Result<(), LibraryError> {
        let identity = |photo: PhotoId| {
            let place = photos.binary_search_by_key(&photo, |known| known.photo);
            place.ok().map(|at| photos[at].identity)
        };
        let unknown: Vec<u32> = (0..store.rows() as u32).filter(|&row| !store.is_known(row, identity)).collect();
        let damaged = if self.options.deep { store.for_each_chunk(|_| Ok(()))? } else { Vec::new() };
        let dropped = store.dropped();
        self.report.figures.rows += store.rows();
        if self.is_repair && !(unknown.is_empty() && damaged.is_empty() && dropped == 0) {
            store.give_up(&[unknown.as_slice(), &damaged, &store.dropped_rows()].concat())?;
            store.append(&[])?; // Cuts what is torn.
            store.sync()?;
        }
        self.report.figures.rows_in_use += store.photos();
        let count = damaged.len() + dropped;
        let what = match count {
            1 => "1 row of features is damaged".into(),
            _ => format!("{count} rows of features are damaged"),
        };
        self.note(FindingKind::FeatureRowsDamaged, path, count, what);
        let what = format!("rows of features of photos that the library does not know: {}", unknown.len());
        self.note(FindingKind::FeatureRowsUnknown, path, unknown.len(), what);
        Ok(())
    }
}
