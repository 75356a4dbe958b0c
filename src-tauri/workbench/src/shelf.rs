//! The library behind the photos: what was known at the start, what is noted of each photo, and where features are kept.
//!
//! Files are found by the scanner, read by the decoders, and noted by one recorder thread, many in a transaction:
//!
//! ```text
//! scanner ─ see ─► decoders (read, hash, decode, thumbnail) ─► recorder ─ identify ─► model worker ─► features
//! ```
//! All of it can be cut off anywhere: what was not noted is found again as something that waits.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use cliploupe_engine::{photo, preprocess::Pixels};
use cliploupe_library::{
    Identity, Library, LibraryError, ModelKey, Open, PhotoId, clock,
    features::FeatureStore,
    import::{self, FoundFile},
    index::VectorIndex,
    paths, photos,
    photos::PhotoRow,
    thumbnails::Thumbnails,
};

use rusqlite::OptionalExtension;

use crate::{
    messages::{ColourModel, ImportCounts, PhotoFacts, PhotoState, Problem, ProblemCode},
    photo_file::BeenRead,
    table::{Row, Table},
};

/// A library that is open.
pub struct Shelf {
    /// The library.
    pub library: Library,
    /// Its thumbnails.
    pub thumbnails: Thumbnails,
    /// Which features are wanted. Locked before the features and the index.
    wanted: Mutex<Wanted>,
    /// Pooled features of the loaded model.
    features: Mutex<Option<Features>>,
    /// Embeddings by the heads in force, for searches; made when one is asked for.
    pub index: RwLock<Option<VectorIndex>>,
    /// What became of files that were added.
    pub counts: Mutex<ImportCounts>,
    /// Photos that were encoded while an index was made.
    pub late: Mutex<Vec<PhotoId>>,
    /// Counts changes of embeddings that the index did not take up. Changed under the index's lock.
    pub generation: AtomicU64,
}

/// Which features are to be open.
#[derive(Default)]
struct Wanted {
    /// The loaded model and the width of its features.
    model: Option<(ModelKey, usize)>,
    /// Whether their files are left alone for now.
    is_let_go: bool,
}

/// Pooled features of one model.
pub struct Features {
    /// The model.
    pub key: ModelKey,
    store: FeatureStore,
}

impl Shelf {
    /// Opens the library in a folder, or makes one there.
    pub fn open(folder: &Path) -> Result<Self, Problem> {
        let library =
            Library::open(folder, Open { create: true, read_only: false }).map_err(|error| of_library(&error))?;
        let thumbnails = Thumbnails::new(library.thumbnails_folder());
        Ok(Self {
            library,
            thumbnails,
            wanted: Mutex::default(),
            features: Mutex::default(),
            index: RwLock::default(),
            late: Mutex::default(),
            generation: AtomicU64::new(0),
            counts: Mutex::default(),
        })
    }

    /// Where the person's own library lies on this platform.
    pub fn default_folder() -> Option<PathBuf> {
        Some(directories::ProjectDirs::from("", "", "Cliploupe")?.data_dir().join("library"))
    }

    /// Every photo, as it was left.
    pub fn rows(&self) -> Result<Table, Problem> {
        let mut table = Table::default();
        self.read(|conn| {
            photos::rows(conn, |photo| {
                table.insert(photo.id, row_of(photo));
            })
        })?;
        Ok(table)
    }

    /// One photo, unless it is gone or was taken out.
    pub fn row(&self, id: PhotoId) -> Result<Option<Row>, Problem> {
        Ok(self.read(|conn| shown(conn, id))?.map(row_of))
    }

    /// Reads from the database.
    pub fn read<T>(&self, work: impl FnOnce(&rusqlite::Connection) -> Result<T, LibraryError>) -> Result<T, Problem> {
        self.library.read(work).map_err(|error| of_library(&error))
    }

    /// Writes to the database, all of it or nothing.
    pub fn write<T>(&self, work: impl FnOnce(&rusqlite::Transaction) -> Result<T, LibraryError>) -> Result<T, Problem> {
        self.library.write(work).map_err(|error| of_library(&error))
    }

    /// Uses the features of this model from now on.
    pub fn use_model(&self, key: ModelKey, width: usize) -> Result<(), Problem> {
        let mut wanted = lock(&self.wanted);
        wanted.model = Some((key.clone(), width));
        if wanted.is_let_go { Ok(()) } else { self.open_features(key, width) }
    }

    /// Closes the features, so that their files can be put in order, until [`Shelf::reopen`]. Meanwhile nothing is kept.
    pub fn let_go(&self) {
        let mut wanted = lock(&self.wanted);
        wanted.is_let_go = true;
        *write_lock(&self.index) = None;
        *lock(&self.features) = None;
    }

    /// Opens the features of the loaded model again.
    pub fn reopen(&self) -> Result<(), Problem> {
        let mut wanted = lock(&self.wanted);
        wanted.is_let_go = false;
        match wanted.model.clone() {
            Some((key, width)) => self.open_features(key, width),
            None => Ok(()),
        }
    }

    fn open_features(&self, key: ModelKey, width: usize) -> Result<(), Problem> {
        self.forget_index();
        let mut features = lock(&self.features);
        *features = None;
        let (folder, read_only) = (self.library.features_folder(), self.library.is_read_only().is_some());
        let store = match FeatureStore::open(&folder, &key, width, read_only) {
            // What can be told by its checksum is kept, and the rest is computed again.
            Err(LibraryError::Damaged { .. }) if !read_only => FeatureStore::salvage(&folder, &key, width),
            opened => opened,
        };
        let store = store.map_err(|error| of_library(&error))?;
        *features = Some(Features { key, store });
        Ok(())
    }

    /// Embeddings are others: the index is made anew when it is asked next.
    pub fn forget_index(&self) {
        let mut index = write_lock(&self.index);
        self.generation.fetch_add(1, SeqCst);
        *index = None;
    }

    /// The model whose features are in use.
    pub fn model(&self) -> Option<ModelKey> {
        lock(&self.features).as_ref().map(|features| features.key.clone())
    }

    /// In which row the feature of a photo is. By what the photo is made of too: numbers come again after a backup of the
    /// database was put back.
    pub fn row_of(&self, id: PhotoId, identity: &Identity) -> Option<u32> {
        lock(&self.features).as_ref()?.store.row_with(id, identity)
    }

    /// Whether the loaded model has seen a photo.
    pub fn has_feature(&self, id: PhotoId, identity: Option<&Identity>) -> bool {
        identity.is_some_and(|identity| self.row_of(id, identity).is_some())
    }

    /// Features by their rows, `[row, width]`; one that is damaged makes all of them an error.
    pub fn read_features(&self, rows: &[u32]) -> Result<Vec<f32>, LibraryError> {
        match &*lock(&self.features) {
            Some(features) => features.store.read_rows(rows),
            None => Err(LibraryError::Refused("there are no features of a model".into())),
        }
    }

    /// Keeps features.
    pub fn keep_features(&self, photos: &[(PhotoId, Identity, &[f32])]) -> Result<(), Problem> {
        match &mut *lock(&self.features) {
            Some(features) => features.store.append(photos).map(drop).map_err(|error| of_library(&error)),
            None => Ok(()),
        }
    }

    /// Size of the library's own files, thumbnails left out: counting them takes long, and they are small.
    pub fn bytes(&self) -> u64 {
        let size = |folder: PathBuf| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries
                .filter_map(|entry| entry.metadata().ok())
                .filter(std::fs::Metadata::is_file)
                .map(|m| m.len())
                .sum::<u64>()
        };
        let folders = [self.library.folder().to_owned(), self.library.features_folder()];
        folders.into_iter().map(size).sum::<u64>()
    }

    /// Makes sure that what was kept is on the disk.
    pub fn sync(&self) -> Result<(), Problem> {
        let features = lock(&self.features);
        features.as_ref().map_or(Ok(()), |features| features.store.sync()).map_err(|error| of_library(&error))
    }
}

/// What is to be noted of a photo that was read.
pub struct Noted {
    pub id: PhotoId,
    pub run: u64,
    pub read: BeenRead,
    /// What the model sees of it, and which model.
    pub prepared: Option<(u32, Pixels)>,
}

/// What the library remembers of a photo's file.
pub fn facts(facts: &photo::Facts) -> import::Facts {
    let colour = &facts.colour;
    let colour = Colour { model: colour.model.into(), bits: colour.bits, alpha: colour.alpha };
    import::Facts {
        format: facts.format.to_owned(),
        width: facts.width as u32,
        height: facts.height as u32,
        orientation: facts.orientation,
        taken_ms: facts.taken_ms,
        camera: facts.camera.clone(),
        colour: serde_json::to_string(&colour).ok(),
    }
}

/// What the library remembers of a photo; size and time of its file are not part of it.
pub fn photo_facts(conn: &rusqlite::Connection, id: PhotoId) -> Result<Option<PhotoFacts>, LibraryError> {
    let sql = "SELECT format, width, height, taken_ms, camera, colour, orientation FROM photo
               WHERE id = ?1 AND format IS NOT NULL AND width IS NOT NULL AND height IS NOT NULL";
    let mut statement = conn.prepare_cached(sql)?;
    let read = |row: &rusqlite::Row| {
        let colour: Option<String> = row.get(5)?;
        let colour = colour.and_then(|text| serde_json::from_str::<Colour>(&text).ok()).unwrap_or_default();
        Ok(PhotoFacts {
            format: row.get(0)?,
            width: row.get(1)?,
            height: row.get(2)?,
            bytes: 0,
            modified_ms: None,
            taken_ms: row.get(3)?,
            camera: row.get(4)?,
            colour: colour.model,
            bits: colour.bits,
            alpha: colour.alpha,
            orientation: row.get::<_, Option<u8>>(6)?.unwrap_or(1),
        })
    };
    Ok(statement.query_row([id], read).optional()?)
}

/// How a photo stores colour, as the library keeps it.
#[derive(serde::Serialize, serde::Deserialize)]
struct Colour {
    model: ColourModel,
    bits: u8,
    alpha: bool,
}

impl Default for Colour {
    /// What most files are, for a record that an older version wrote without.
    fn default() -> Self {
        Self { model: ColourModel::Rgb, bits: 8, alpha: false }
    }
}

/// Whether a person took a photo out of the library.
pub fn is_taken_out(conn: &rusqlite::Connection, id: PhotoId) -> Result<bool, LibraryError> {
    let mut statement = conn.prepare_cached("SELECT 1 FROM photo WHERE id = ?1 AND removed_ms IS NOT NULL")?;
    Ok(statement.exists([id])?)
}

/// A photo, unless it is gone or was taken out.
pub fn shown(conn: &rusqlite::Connection, id: PhotoId) -> Result<Option<PhotoRow>, LibraryError> {
    if is_taken_out(conn, id)? { Ok(None) } else { photos::row(conn, id) }
}

/// A file before it is read.
pub fn found_file(path: &Path) -> std::io::Result<FoundFile> {
    let metadata = std::fs::metadata(path)?;
    let modified_ns = clock::modified_ns(metadata.modified()?);
    Ok(FoundFile { path: path.to_owned(), bytes: metadata.len(), modified_ns })
}

/// The same file by any spelling of its path is one file; links stay themselves.
pub fn absolute(path: &Path) -> PathBuf {
    paths::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn row_of(photo: PhotoRow) -> Row {
    let mut row = Row::new(photo.path.unwrap_or_default());
    row.size = [photo.width.unwrap_or(0), photo.height.unwrap_or(0)];
    row.missing = photo.missing;
    row.files = photo.files;
    row.identity = photo.identity;
    row.has_thumbnail = photo.thumbnail_crc.is_some();
    if photo.identity.is_some() {
        row.state = PhotoState::Decoded;
    }
    if let Some(problem) = photo.problem {
        row.state = PhotoState::Failed;
        row.problem = Some(Box::new(serde_json::from_str(&problem).unwrap_or_else(|_| Problem::internal(&problem))));
    }
    row
}

/// An error of the library, with the causes behind it.
pub fn of_library(error: &LibraryError) -> Problem {
    let message = cliploupe_engine::chain(error);
    let code = match error {
        LibraryError::DiskFull { .. } => ProblemCode::DiskFull,
        LibraryError::ReadOnly { .. } => ProblemCode::LibraryReadOnly,
        LibraryError::Damaged { .. } | LibraryError::TooNew { .. } => ProblemCode::LibraryDamaged,
        _ => ProblemCode::Library,
    };
    let path = match error {
        LibraryError::File { path, .. }
        | LibraryError::DiskFull { path, .. }
        | LibraryError::TooNew { path, .. }
        | LibraryError::NotALibrary { path }
        | LibraryError::ReadOnly { path, .. }
        | LibraryError::Damaged { path, .. } => path.display().to_string(),
        _ => String::new(),
    };
    Problem::new(code, &[("path", &path), ("cause", &message)], message.clone())
}

/// A poisoned lock means a thread panicked; every change under these locks is whole at any moment, so work goes on.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn write_lock<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
