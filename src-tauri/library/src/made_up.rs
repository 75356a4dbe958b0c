//! A made-up library of any size, to measure with: rows in the database, features, embeddings, and thumbnails if asked.
//!
//! Nothing is random but everything looks it: the same seed makes the same library. Photos come in events of some dozen,
//! as cameras make them: one folder, one camera, one day, vectors that lie near each other. One photo in 50 is nearly a
//! copy of the one before it, one in 100 is missing, one in 100 has a second file, one in 20 has confirmed tags.

use std::{fs, ops::RangeInclusive, path::Path};

use rayon::prelude::*;
use rusqlite::{Connection, params};

use crate::{
    Identity, LibraryError, ModelKey, PhotoId,
    features::FeatureStore,
    index::{EmbeddingFile, Embeddings},
    look::Look,
    thumbnails::Thumbnails,
};

/// What to make.
#[derive(Debug, Clone)]
pub struct MadeUp {
    /// How many photos.
    pub photos: u32,
    /// Numbers per vector, of features and embeddings alike.
    pub width: usize,
    /// Which library.
    pub seed: u64,
    /// Whose features they are said to be.
    pub model: ModelKey,
    /// Under which head embeddings are written, and its fingerprint; `None` for none.
    pub head: Option<(ModelKey, [u8; 8])>,
    /// Whether thumbnails are written, of a few hundred bytes each.
    pub has_thumbnails: bool,
}

/// Photos that go to the disk at a time.
const BATCH: u32 = 8192;
/// Photos of one event.
const EVENT: u32 = 24;
/// Subjects that events are about.
const TOPICS: u64 = 400;
const CAMERAS: [&str; 8] = [
    "Canon EOS R6",
    "NIKON Z 6_2",
    "SONY ILCE-7M4",
    "FUJIFILM X-T5",
    "Apple iPhone 15 Pro",
    "samsung SM-S918B",
    "Google Pixel 8",
    "Panasonic DMC-GX9",
];
/// 2005-01-01 in milliseconds since 1970, and twenty years.
const BEGIN_MS: i64 = 1_104_537_600_000;
const SPAN_MS: i64 = 20 * 365 * 24 * 3600 * 1000;

/// Makes a library in a folder that has none. `progress` hears how many photos are made.
pub fn make(folder: &Path, made: &MadeUp, mut progress: impl FnMut(u32)) -> Result<(), LibraryError> {
    if folder.join("library.sqlite").exists() {
        return Err(LibraryError::Refused(format!("there is a library in {folder:?} already")));
    }
    let (features, thumbnails) = (folder.join("features"), folder.join("thumbnails"));
    for folder in [&features, &thumbnails] {
        fs::create_dir_all(folder).map_err(LibraryError::file("make", folder))?;
    }
    let mut connection = create_database(folder)?;
    let database = |source| LibraryError::Database { doing: "add made-up photos", source };
    let labels = insert_labels(&connection).map_err(database)?;
    let mut store = FeatureStore::open(&features, &made.model, made.width, false)?;
    let mut embeddings = match &made.head {
        Some((head, of)) => Some(EmbeddingFile::open(&features, &made.model, head, *of, made.width, false)?),
        None => None,
    };
    let thumbnails = Thumbnails::new(thumbnails);
    for first in (1..=made.photos).step_by(BATCH as usize) {
        let photos: Vec<PhotoId> = (first..=made.photos.min(first.saturating_add(BATCH - 1))).collect();
        let vectors: Vec<Vec<f32>> = photos.par_iter().map(|&photo| made.vector(photo)).collect();
        let rows: Vec<(PhotoId, Identity, &[f32])> =
            photos.iter().zip(&vectors).map(|(&photo, row)| (photo, made.identity(photo), row.as_slice())).collect();
        store.append(&rows)?;
        if let Some(embeddings) = &mut embeddings {
            embeddings.append(&rows)?;
        }
        let crcs = if made.has_thumbnails { made.keep_thumbnails(&thumbnails, &photos)? } else { Vec::new() };
        let transaction = connection.transaction().map_err(database)?;
        made.insert(&transaction, &photos, &crcs, labels).map_err(database)?;
        transaction.commit().map_err(database)?;
        progress(photos.len() as u32 + first - 1);
    }
    store.sync()
}

/// Adds the embeddings of these photos to a file and nothing else: enough to search in, and quick.
pub fn add_embeddings(
    file: &mut EmbeddingFile,
    made: &MadeUp,
    photos: RangeInclusive<PhotoId>,
) -> Result<(), LibraryError> {
    let photos: Vec<PhotoId> = photos.collect();
    for photos in photos.chunks(BATCH as usize) {
        let vectors: Vec<Vec<f32>> = photos.par_iter().map(|&photo| made.vector(photo)).collect();
        let rows: Vec<(PhotoId, Identity, &[f32])> =
            photos.iter().zip(&vectors).map(|(&photo, row)| (photo, made.identity(photo), row.as_slice())).collect();
        file.append(&rows)?;
    }
    Ok(())
}

/// The database with its schema, and quick rather than safe: what breaks off here is made again.
fn create_database(folder: &Path) -> Result<Connection, LibraryError> {
    let create = || {
        let connection = Connection::open(folder.join("library.sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.execute_batch(include_str!("database/0001.sql"))?;
        connection.pragma_update(None, "user_version", 1)?;
        connection
            .execute_batch("INSERT INTO meta VALUES ('library_id', 'made-up'), ('created_ms', '1104537600000')")?;
        Ok(connection)
    };
    create().map_err(|source| LibraryError::Database { doing: "make a library", source })
}

fn insert_labels(connection: &Connection) -> rusqlite::Result<u32> {
    let mut insert = connection.prepare("INSERT INTO label (name) VALUES (?1)")?;
    for group in 0..12 {
        for label in 0..10 {
            insert.execute([format!("group {group}/label {label}")])?;
        }
    }
    Ok(120)
}

impl MadeUp {
    fn identity(&self, photo: PhotoId) -> Identity {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes()).update(&photo.to_le_bytes());
        Identity(*hasher.finalize().as_bytes())
    }

    /// A source of numbers that belongs to one thing of one kind.
    fn random(&self, kind: u64, of: u64) -> Random {
        Random(self.seed ^ kind.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ of.wrapping_mul(0xA076_1D64_78BD_642F))
    }

    fn event(photo: PhotoId) -> u64 {
        u64::from(photo / EVENT)
    }

    /// Whether a photo is nearly the one before it, which then is not.
    fn is_copy(photo: PhotoId) -> bool {
        photo % 50 == 1 && photo > 1
    }

    /// The feature of a photo, and its embedding: what all photos share, their topic, their event, and what is their own; of
    /// length 1. Photos beyond those that are made have one too, which makes a query.
    pub fn vector(&self, photo: PhotoId) -> Vec<f32> {
        let topic = self.random(1, Self::event(photo)).below(TOPICS);
        let original = if Self::is_copy(photo) { photo - 1 } else { photo };
        let mut parts = [
            (1.1, self.random(2, 0)),
            (0.8, self.random(3, topic)),
            (0.7, self.random(4, Self::event(original))),
            (0.9, self.random(5, original.into())),
            (0.04, self.random(6, photo.into())),
        ];
        let mut row: Vec<f32> =
            (0..self.width).map(|_| parts.iter_mut().map(|(weight, random)| *weight * random.normal()).sum()).collect();
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row.iter_mut().for_each(|x| *x /= norm);
        row
    }

    fn look(&self, photo: PhotoId) -> Look {
        let flipped = if Self::is_copy(photo) { 1 << (photo % 64) } else { 0 };
        let original = if Self::is_copy(photo) { photo - 1 } else { photo };
        Look(self.random(7, original.into()).next() ^ flipped)
    }

    fn insert(&self, connection: &Connection, photos: &[PhotoId], crcs: &[u32], labels: u32) -> rusqlite::Result<()> {
        let mut photo_row = connection.prepare_cached(
            "INSERT INTO photo (id, identity, added_ms, format, width, height, orientation, taken_ms, camera, look,
             thumbnail_crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?8, ?9, ?10)",
        )?;
        let mut file_row = connection.prepare_cached(
            "INSERT INTO file (photo, path, bytes, modified_ns, missing_since_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let mut decision_row = connection.prepare_cached(
            "INSERT OR IGNORE INTO decision (photo, label, verdict, decided_ms, origin) VALUES (?1, ?2, ?3, ?4, 'person')",
        )?;
        for (at, &photo) in photos.iter().enumerate() {
            let event = Self::event(photo);
            let mut of_event = self.random(8, event);
            let camera = CAMERAS[(of_event.below(64).min(of_event.below(64)) / 8) as usize];
            let taken_ms = BEGIN_MS + (of_event.next() >> 1) as i64 % SPAN_MS + i64::from(photo % EVENT) * 40_000;
            let year = 2005 + (taken_ms - BEGIN_MS) / (365 * 24 * 3600 * 1000);
            let mut own = self.random(9, photo.into());
            let (width, height) = [(6000, 4000), (4032, 3024), (3024, 4032), (2048, 1365)][own.below(4) as usize];
            let format = if own.below(10) == 0 { "png" } else { "jpeg" };
            let (identity, look) = (self.identity(photo), self.look(photo).to_bytes());
            let crc = crcs.get(at);
            photo_row.execute(params![
                photo,
                identity.0,
                taken_ms + 1000,
                format,
                width,
                height,
                taken_ms,
                camera,
                look,
                crc
            ])?;
            for copy in 0..1 + u32::from(own.below(100) == 0) {
                let path =
                    format!("/made-up/{year}/event {event}/IMG_{photo:07}{}.{format}", ["", " copy"][copy as usize]);
                let missing = (own.below(100) == 0).then_some(taken_ms + 2000);
                let bytes = 1_000_000 + own.below(8_000_000) as i64;
                file_row.execute(params![photo, path.as_bytes(), bytes, taken_ms * 1_000_000, missing])?;
            }
            if own.below(20) == 0 {
                for _ in 0..1 + own.below(3) {
                    let verdict = u32::from(own.below(4) != 0);
                    decision_row.execute(params![
                        photo,
                        1 + own.below(labels.into()) as u32,
                        verdict,
                        taken_ms + 3000
                    ])?;
                }
            }
        }
        Ok(())
    }

    /// One of a few pictures for each, since encoding a million would take longer than all the rest.
    fn keep_thumbnails(&self, thumbnails: &Thumbnails, photos: &[PhotoId]) -> Result<Vec<u32>, LibraryError> {
        let pictures: Vec<Vec<u8>> = (0..16).map(picture).collect();
        let keep =
            |&photo: &PhotoId| thumbnails.keep(&self.identity(photo), &pictures[photo as usize % pictures.len()]);
        photos.par_iter().map(keep).collect()
    }
}

fn picture(number: u8) -> Vec<u8> {
    let picture =
        image::GrayImage::from_fn(48, 32, |x, y| image::Luma([(number * 15) ^ (x * 5) as u8 ^ (y * 3) as u8]));
    let mut bytes = Vec::new();
    image::DynamicImage::from(picture)
        .write_with_encoder(image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 50))
        .expect("memory takes all that is written");
    bytes
}

/// SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195): any start will do, so each thing has its own.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Nearly normal: the sum of four even numbers, with mean 0 and variance 1.
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum = (0..4).map(|part| (bits >> (16 * part)) & 0xFFFF).sum::<u64>();
        (sum as f32 - 2.0 * 65_535.0) / (65_535.0 / 3.0_f32.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::VectorIndex;

    fn options(seed: u64) -> MadeUp {
        let head = Some((ModelKey::new("made-up", "head"), [1; 8]));
        let model = ModelKey::new("made-up", "0");
        MadeUp { photos: 600, width: 64, seed, model, head, has_thumbnails: true }
    }

    #[test]
    fn the_same_seed_makes_the_same_library_and_another_seed_another() {
        let folders = [1, 1, 2].map(|seed| {
            let folder = tempfile::tempdir().unwrap();
            let mut heard = 0;
            make(folder.path(), &options(seed), |photos| heard = photos).unwrap();
            assert_eq!(heard, 600);
            folder
        });
        let read = |at: usize| fs::read(folders[at].path().join("features/made-up-0.f16")).unwrap();
        assert!(read(0) == read(1) && read(0) != read(2));
        let rows = |at: usize| {
            let connection = Connection::open(folders[at].path().join("library.sqlite")).unwrap();
            let mut rows =
                connection.prepare("SELECT photo, path, camera FROM file JOIN photo ON photo = photo.id").unwrap();
            let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            rows.query_map([], row).unwrap().collect::<Result<Vec<(u32, Vec<u8>, String)>, _>>().unwrap()
        };
        assert!(rows(0).len() >= 600 && rows(0) == rows(1) && rows(0) != rows(2));
        assert!(make(folders[0].path(), &options(1), |_| ()).is_err());
    }

    #[test]
    fn photos_of_an_event_lie_together_and_copies_lie_closest() {
        let folder = tempfile::tempdir().unwrap();
        let made = options(3);
        make(folder.path(), &made, |_| ()).unwrap();
        let (head, of) = made.head.clone().unwrap();
        let file = EmbeddingFile::open(&folder.path().join("features"), &made.model, &head, of, 64, true).unwrap();
        let index = VectorIndex::build(Box::new(file)).unwrap();
        let near = index.search(&made.vector(251), 10, None).unwrap();
        assert_eq!((near[0].0, near[1].0), (251, 250));
        assert!(near[1].1 > 0.98, "{near:?}");
        let in_event = near.iter().filter(|hit| MadeUp::event(hit.0) == MadeUp::event(251)).count();
        assert!(in_event >= 8, "{near:?}");
        assert!(made.look(251).distance(made.look(250)) == 1 && made.look(249).distance(made.look(250)) > 8);
    }
}
