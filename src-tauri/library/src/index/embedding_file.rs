//! Embeddings on disk, so that a large library opens without projecting all its features again.

use std::{fs, path::Path};

use super::Embeddings;
use crate::{Identity, LibraryError, ModelKey, PhotoId, features::FeatureStore};

/// What tells a file of embeddings from one of features.
const SUFFIX: &str = ".embedding";

/// The embeddings that one head makes of the features of one model: `MODEL.HEAD.embedding.f16` and `.rows` beside the
/// features, in their format (`features/mod.rs`). It is derived from them, so a file that is damaged, or that weights
/// of another fingerprint made, is begun anew and never believed.
pub struct EmbeddingFile {
    store: FeatureStore,
}

impl EmbeddingFile {
    /// Opens the file, or begins it anew if it is not there or cannot be believed; then photos are without embeddings
    /// until their features are projected again. Read-only, such a file is an error.
    ///
    /// `fingerprint` is of everything that decides an embedding beside the model: the head's weights and its edits.
    pub fn open(
        folder: &Path,
        model: &ModelKey,
        head: &ModelKey,
        fingerprint: [u8; 8],
        width: usize,
        read_only: bool,
    ) -> Result<Self, LibraryError> {
        let name = file_name(model, head);
        let open = || FeatureStore::open_named(folder, &name, width, fingerprint, read_only);
        match open() {
            Err(LibraryError::Damaged { .. }) if !read_only => {
                FeatureStore::remove_named(folder, &name)?;
                open()
            }
            result => result,
        }
        .map(|store| Self { store })
    }

    /// Begins anew: after a row turned out to be damaged while it was read.
    pub fn discard(folder: &Path, model: &ModelKey, head: &ModelKey) -> Result<(), LibraryError> {
        FeatureStore::remove_named(folder, &file_name(model, head))
    }

    /// Removes the files of all other heads of the model, which are as large as this one; gives how many heads.
    pub fn discard_others(folder: &Path, model: &ModelKey, head: &ModelKey) -> Result<usize, LibraryError> {
        let read = LibraryError::file("read", folder);
        let (kept, mut count) = (file_name(model, head), 0);
        let names = fs::read_dir(folder).and_then(|entries| {
            entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<Vec<_>, _>>()
        });
        for name in names.map_err(read)? {
            let Some(name) = name.strip_suffix(".rows").filter(|name| name.ends_with(SUFFIX) && **name != kept) else {
                continue;
            };
            if name.strip_prefix(model.as_str()).is_some_and(|rest| rest.starts_with('.')) {
                FeatureStore::remove_named(folder, name)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// The rows, to see which photos have one, or to force them to the disk.
    pub fn store(&self) -> &FeatureStore {
        &self.store
    }
}

fn file_name(model: &ModelKey, head: &ModelKey) -> String {
    format!("{model}.{head}{SUFFIX}")
}

impl Embeddings for EmbeddingFile {
    fn width(&self) -> usize {
        self.store.width()
    }

    fn rows(&self) -> usize {
        self.store.rows()
    }

    fn photo(&self, row: u32) -> Option<PhotoId> {
        self.store.photo_of(row)
    }

    fn read(&self, rows: &[u32]) -> Result<Vec<f32>, LibraryError> {
        self.store.read_rows(rows)
    }

    fn read_from(&self, first: u32, count: usize) -> Result<Vec<f32>, LibraryError> {
        self.store.read_rows(&(first..first + count as u32).collect::<Vec<_>>())
    }

    fn append(&mut self, rows: &[(PhotoId, Identity, &[f32])]) -> Result<(), LibraryError> {
        self.store.append(rows)
    }

    fn refresh(&mut self) -> Result<bool, LibraryError> {
        self.store.refresh()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::VectorIndex;

    fn open(folder: &Path, fingerprint: u8) -> EmbeddingFile {
        let (model, head) = (ModelKey::new("tiny", "0"), ModelKey::new("own", "1"));
        EmbeddingFile::open(folder, &model, &head, [fingerprint; 8], 4, false).unwrap()
    }

    fn filled(folder: &Path) -> EmbeddingFile {
        let mut file = open(folder, 7);
        let rows: Vec<[f32; 4]> = (0..100_u8).map(|i| [1.0, f32::from(i), 2.0, -1.0]).collect();
        let rows: Vec<_> = (1..).zip(&rows).map(|(photo, row)| (photo, Identity([1; 32]), row.as_slice())).collect();
        file.append(&rows).unwrap();
        file
    }

    #[test]
    fn an_index_opens_from_the_file_and_takes_up_what_another_program_adds() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path());
        let mut index = VectorIndex::build(Box::new(open(folder.path(), 7))).unwrap();
        assert_eq!((index.len(), index.search(&[0.0, 1.0, 0.0, 0.0], 1, None).unwrap()[0].0), (100, 100));
        open(folder.path(), 7).append(&[(500, Identity([2; 32]), &[0.0, 1.0, 0.0, 0.0])]).unwrap();
        index.push(&[(501, Identity([2; 32]), &[0.0, -1.0, 0.0, 0.0])]).unwrap();
        assert_eq!((index.len(), index.search(&[0.0, 1.0, 0.0, 0.0], 1, None).unwrap()[0].0), (102, 500));
        assert_eq!(index.search(&[0.0, -1.0, 0.0, 0.0], 1, None).unwrap()[0].0, 501);
    }

    #[test]
    fn embeddings_of_other_weights_and_damaged_ones_are_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path());
        assert_eq!(open(folder.path(), 7).rows(), 100);
        assert_eq!(open(folder.path(), 8).rows(), 0);
        filled(folder.path());
        let path = folder.path().join("tiny-0.own-1.embedding.rows");
        let mut bytes = fs::read(&path).unwrap();
        bytes[9] = 9;
        fs::write(&path, bytes).unwrap();
        assert_eq!(open(folder.path(), 7).rows(), 0);
    }

    #[test]
    fn a_damaged_row_keeps_an_index_from_being_built() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path());
        let path = folder.path().join("tiny-0.own-1.embedding.f16");
        let mut bytes = fs::read(&path).unwrap();
        bytes[99] ^= 1;
        fs::write(&path, bytes).unwrap();
        let built = VectorIndex::build(Box::new(open(folder.path(), 7)));
        assert!(matches!(built, Err(LibraryError::Damaged { .. })));
        EmbeddingFile::discard(folder.path(), &ModelKey::new("tiny", "0"), &ModelKey::new("own", "1")).unwrap();
        assert_eq!(open(folder.path(), 7).rows(), 0);
    }

    #[test]
    fn files_of_other_heads_make_room() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path());
        let model = ModelKey::new("tiny", "0");
        fs::write(folder.path().join("tiny-0-other.own-1.embedding.rows"), "another model's").unwrap();
        assert_eq!(EmbeddingFile::discard_others(folder.path(), &model, &ModelKey::new("own", "1")).unwrap(), 0);
        assert_eq!(EmbeddingFile::discard_others(folder.path(), &model, &ModelKey::new("own", "2")).unwrap(), 1);
        assert!(!folder.path().join("tiny-0.own-1.embedding.f16").exists());
        assert!(folder.path().join("tiny-0-other.own-1.embedding.rows").exists());
    }
}
