//! Pooled features of photos, one store per model: `MODEL.f16` and `MODEL.rows`.
//!
//! `MODEL.f16` has no header: rows of little-endian f16, `[row, width]`, which numpy opens as
//! `numpy.fromfile(path, '<f2').reshape(-1, width)`. `MODEL.rows` says whose each row is (`format.rs`). Rows are only
//! added; of several rows of one photo the newest counts.
//!
//! Nothing here is precious, and everything is checked: data is written before the entry that tells of it, every entry
//! and every row has a checksum, and what does not fit counts as not there, so that the photo is encoded again. Several
//! programs may add rows at the same time; a lock on `MODEL.lock` puts them in a row. It is a file of its own because a
//! lock on Windows keeps others from reading, and because the other two are replaced by [`FeatureStore::compact`].

mod compact;
mod files;
mod format;
mod header;
mod read;

use std::{collections::HashSet, fs::File, io, path::Path};

use half::{f16, slice::HalfFloatSliceExt};

pub(crate) use self::header::StoreHeader;
pub use self::read::Chunk;
use self::{
    files::{Paths, a_generation, begin, cut, lock, open_file, read_header, remove_if_there},
    format::{ENTRY_BYTES, Entry, HEADER_BYTES, Header, WIDEST, short},
};
pub(crate) use crate::index::NOBODY;
use crate::{
    Identity, LibraryError, ModelKey, PhotoId,
    index::wrong_width,
    photo_rows::PhotoRows,
    positional::{read_exact_at, write_all_at},
};

/// The features of one model.
pub struct FeatureStore {
    paths: Paths,
    header: Header,
    values: File,
    index: File,
    /// By row; [`NOBODY`]'s where a row does not count.
    entries: Vec<Entry>,
    newest: PhotoRows,
    photos: usize,
    /// Rows whose entries were not sound.
    dropped: Vec<u32>,
    /// Entries beyond the end of the data.
    without_row: usize,
    is_read_only: bool,
}

impl FeatureStore {
    /// Opens the store of a model, or begins it. Read-only: nothing is written but, where that is allowed, an
    /// empty lock file, and a store that is not there is an error. A row index whose header cannot be believed is [`LibraryError::Damaged`]; see [`FeatureStore::salvage`].
    pub fn open(folder: &Path, model: &ModelKey, width: usize, read_only: bool) -> Result<Self, LibraryError> {
        Self::open_named(folder, model.as_str(), width, [0; 8], read_only)
    }

    /// Writes a new header before entries that have checksums of their own; what they say is believed as far as those
    /// fit. For a row index that [`FeatureStore::open`] calls damaged.
    pub fn salvage(folder: &Path, model: &ModelKey, width: usize) -> Result<Self, LibraryError> {
        Self::salvage_named(folder, model.as_str(), width, [0; 8])
    }

    pub(crate) fn salvage_named(
        folder: &Path,
        name: &str,
        width: usize,
        fingerprint: [u8; 8],
    ) -> Result<Self, LibraryError> {
        let paths = Paths::new(folder, name);
        {
            let _locked = lock(&paths, false)?;
            let index = open_file(&paths.index, false)?;
            let header = Header { width, fingerprint, generation: a_generation() };
            write_all_at(&index, &header.to_bytes(), 0).map_err(LibraryError::file("write", &paths.index))?;
        }
        Self::open_named(folder, name, width, fingerprint, false)
    }

    /// Removes a store, so that the next [`FeatureStore::open`] begins it anew.
    pub(crate) fn remove_named(folder: &Path, name: &str) -> Result<(), LibraryError> {
        let paths = Paths::new(folder, name);
        let _locked = lock(&paths, false)?;
        for path in [&paths.new_index, &paths.new_values, &paths.index, &paths.values] {
            remove_if_there(path)?;
        }
        Ok(())
    }

    pub(crate) fn open_named(
        folder: &Path,
        name: &str,
        width: usize,
        fingerprint: [u8; 8],
        is_read_only: bool,
    ) -> Result<Self, LibraryError> {
        if !(1..=WIDEST).contains(&width) {
            return Err(LibraryError::Refused(format!("rows of {width} numbers")));
        }
        let paths = Paths::new(folder, name);
        let _locked = lock(&paths, is_read_only)?;
        if !is_read_only {
            compact::finish(&paths)?;
            begin(&paths, Header { width, fingerprint, generation: a_generation() })?;
        }
        let (values, index) = compact::files_in_force(&paths, is_read_only)?;
        let header = read_header(&index, &paths.index)?;
        if (header.width, header.fingerprint) != (width, fingerprint) {
            let cause = match header.width == width {
                true => "its rows were made with other weights".into(),
                false => format!("its rows have {} numbers, and {width} are expected", header.width),
            };
            return Err(LibraryError::Damaged { path: paths.index, cause });
        }
        let newest = PhotoRows::default();
        let (entries, photos, dropped, without_row) = (Vec::new(), 0, Vec::new(), 0);
        let mut store =
            Self { paths, header, values, index, entries, newest, photos, dropped, without_row, is_read_only };
        store.take_up_entries()?;
        Ok(store)
    }

    /// Numbers per row.
    pub fn width(&self) -> usize {
        self.header.width
    }

    /// How many rows there are, those that count no more among them.
    pub fn rows(&self) -> usize {
        self.entries.len()
    }

    /// How many photos have a row.
    pub fn photos(&self) -> usize {
        self.photos
    }

    /// Entries that were not taken, because their checksum does not fit or their row is beyond the end of the data.
    pub fn dropped(&self) -> usize {
        self.dropped.len() + self.without_row
    }

    pub(crate) fn dropped_rows(&self) -> Vec<u32> {
        self.dropped.clone()
    }

    /// The newest row of a photo.
    pub fn row_of(&self, photo: PhotoId) -> Option<u32> {
        self.newest.get(photo)
    }

    /// The newest row of a photo, if it was made of a photo with this identity. After a backup of the database was put
    /// back, numbers of photos can come a second time.
    pub fn row_with(&self, photo: PhotoId, identity: &Identity) -> Option<u32> {
        self.row_of(photo).filter(|&row| self.entries[row as usize].identity == short(identity))
    }

    /// Whose a row is; `None` if it does not count.
    pub fn photo_of(&self, row: u32) -> Option<PhotoId> {
        let photo = self.entries.get(row as usize)?.photo;
        (self.row_of(photo) == Some(row)).then_some(photo)
    }

    /// Adds rows and takes up those that other programs have added. What fails leaves the store as it was, and the same
    /// call can be made again. Nothing is forced to the disk: that is [`FeatureStore::sync`].
    ///
    /// # Shapes
    /// - rows: photo, identity, `[width]`
    pub fn append(&mut self, rows: &[(PhotoId, Identity, &[f32])]) -> Result<(), LibraryError> {
        if let Some((photo, _, row)) = rows.iter().find(|(photo, _, row)| row.len() != self.width() || *photo == NOBODY)
        {
            return Err(wrong_width(*photo, row.len(), self.width()));
        }
        self.check_writable()?;
        let _locked = lock(&self.paths, false)?;
        self.take_up()?;
        let mut bytes = Vec::with_capacity(rows.len() * self.row_bytes());
        let mut entries = Vec::with_capacity(rows.len());
        let mut halves = vec![f16::ZERO; self.width()];
        for (photo, identity, row) in rows {
            let first = bytes.len();
            halves.convert_from_f32_slice(row);
            bytes.extend(halves.reinterpret_cast().iter().flat_map(|bits| bits.to_le_bytes()));
            entries.push(Entry { photo: *photo, identity: short(identity), crc: crc32fast::hash(&bytes[first..]) });
        }
        self.write(&bytes, &entries)?;
        self.without_row = 0;
        self.take_entries(entries.into_iter().map(Some));
        Ok(())
    }

    /// Data first, so that no entry ever tells of what is not there.
    fn write(&self, bytes: &[u8], entries: &[Entry]) -> Result<(), LibraryError> {
        let rows = self.entries.len() as u64;
        let (end, index_end) = (rows * self.row_bytes() as u64, HEADER_BYTES + rows * ENTRY_BYTES);
        let cut = || -> io::Result<()> {
            cut(&self.values, end)?;
            cut(&self.index, index_end)
        };
        // What a program that was stopped has left behind the last whole row.
        cut().map_err(LibraryError::file("shorten", &self.paths.values))?;
        let entries: Vec<u8> = entries.iter().flat_map(|entry| entry.to_bytes()).collect();
        let written = write_all_at(&self.values, bytes, end)
            .map_err(LibraryError::file("write features to", &self.paths.values))
            .and_then(|()| {
                write_all_at(&self.index, &entries, index_end)
                    .map_err(LibraryError::file("write row numbers to", &self.paths.index))
            });
        if written.is_err() {
            // Gives the room back; if even that fails, the next append cuts.
            let _ = cut();
        }
        written
    }

    /// Forces everything to the disk, data first.
    pub fn sync(&self) -> Result<(), LibraryError> {
        self.values.sync_data().map_err(LibraryError::file("write to the disk", &self.paths.values))?;
        self.index.sync_data().map_err(LibraryError::file("write to the disk", &self.paths.index))
    }

    /// Takes up rows that other programs have added. `true` if rows have moved or gone, so that row numbers from before
    /// are void.
    pub fn refresh(&mut self) -> Result<bool, LibraryError> {
        let _locked = lock(&self.paths, true)?;
        self.take_up()
    }

    /// Gives rows up, as damaged ones; their photos are to be encoded again, unless there is an older row of them.
    pub fn give_up(&mut self, rows: &[u32]) -> Result<(), LibraryError> {
        self.check_writable()?;
        let _locked = lock(&self.paths, false)?;
        if self.take_up()? {
            return Err(LibraryError::Refused("rows have moved since they were looked at; look again".into()));
        }
        let count = self.entries.len();
        for &row in rows.iter().filter(|&&row| (row as usize) < count) {
            let at = HEADER_BYTES + u64::from(row) * ENTRY_BYTES;
            write_all_at(&self.index, &Entry::GIVEN_UP.to_bytes(), at)
                .map_err(LibraryError::file("write row numbers to", &self.paths.index))?;
            self.entries[row as usize] = Entry::GIVEN_UP;
        }
        self.count_photos();
        let given: HashSet<u32> = rows.iter().copied().collect();
        self.dropped.retain(|row| !given.contains(row));
        Ok(())
    }

    /// Finds the newest row of each photo anew.
    fn count_photos(&mut self) {
        (self.newest, self.photos) = (PhotoRows::default(), 0);
        for (row, entry) in (0..).zip(&self.entries).filter(|(_, entry)| entry.photo != NOBODY) {
            self.photos += usize::from(self.newest.set(entry.photo, Some(row)).is_none());
        }
    }

    /// Whether a row was given up, or belongs to a photo whose identity `known` gives.
    pub(crate) fn is_known(&self, row: u32, known: impl Fn(PhotoId) -> Option<Identity>) -> bool {
        let entry = &self.entries[row as usize];
        entry.photo == NOBODY || known(entry.photo).is_some_and(|identity| short(&identity) == entry.identity)
    }

    fn row_bytes(&self) -> usize {
        self.header.width * 2
    }

    fn check_writable(&self) -> Result<(), LibraryError> {
        if self.is_read_only {
            let reason = "it was opened for reading".into();
            return Err(LibraryError::ReadOnly { path: self.paths.index.clone(), reason });
        }
        Ok(())
    }

    /// `true` if all rows were read anew.
    fn take_up(&mut self) -> Result<bool, LibraryError> {
        let has_moved = {
            let (_, index) = compact::files_in_force(&self.paths, true)?;
            read_header(&index, &self.paths.index)? != self.header
        };
        if has_moved {
            let (values, index) = compact::files_in_force(&self.paths, self.is_read_only)?;
            let header = read_header(&index, &self.paths.index)?;
            if (header.width, header.fingerprint) != (self.header.width, self.header.fingerprint) {
                let cause = "another program has begun it anew with other rows".into();
                return Err(LibraryError::Damaged { path: self.paths.index.clone(), cause });
            }
            (self.values, self.index, self.header) = (values, index, header);
        }
        let has_shrunk = self.rows_on_disk()?.0 < self.entries.len();
        if has_moved || has_shrunk {
            self.entries.clear();
            self.newest = PhotoRows::default();
            self.photos = 0;
            self.dropped.clear();
        }
        self.take_up_entries()?;
        Ok(has_moved || has_shrunk)
    }

    /// Whole rows with whole entries, and entries that have no row.
    fn rows_on_disk(&self) -> Result<(usize, usize), LibraryError> {
        let length = |file: &File, path: &Path| {
            Ok::<_, LibraryError>(file.metadata().map_err(LibraryError::file("read", path))?.len())
        };
        let entries = length(&self.index, &self.paths.index)?.saturating_sub(HEADER_BYTES) / ENTRY_BYTES;
        let rows = length(&self.values, &self.paths.values)? / self.row_bytes() as u64;
        let sound = entries.min(rows).min(u64::from(u32::MAX));
        Ok((sound as usize, (entries - sound) as usize))
    }

    /// Reads the entries of rows that are not known yet.
    fn take_up_entries(&mut self) -> Result<(), LibraryError> {
        let (rows, without_row) = self.rows_on_disk()?;
        let known = self.entries.len();
        if rows > known {
            let mut bytes = vec![0; (rows - known) * ENTRY_BYTES as usize];
            read_exact_at(&self.index, &mut bytes, HEADER_BYTES + known as u64 * ENTRY_BYTES)
                .map_err(LibraryError::file("read", &self.paths.index))?;
            self.take_entries(bytes.chunks_exact(ENTRY_BYTES as usize).map(Entry::from_bytes));
        }
        self.without_row = without_row;
        Ok(())
    }

    fn take_entries(&mut self, entries: impl Iterator<Item = Option<Entry>>) {
        for entry in entries {
            let row = self.entries.len() as u32;
            if entry.is_none() {
                self.dropped.push(row);
            }
            let entry = entry.unwrap_or(Entry::GIVEN_UP);
            self.entries.push(entry);
            if entry.photo != NOBODY && self.newest.set(entry.photo, Some(row)).is_none() {
                self.photos += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
