//! What a check finds out about a store before it knows the width of its rows.

use std::{collections::HashMap, fs::File, path::Path};

use super::{
    FeatureStore, compact,
    files::{Paths, lock, open_file, read_header},
    format::{ENTRY_BYTES, Entry, HEADER_BYTES, Header, WIDEST},
};
use crate::{LibraryError, features::NOBODY, positional::read_exact_at};

/// What a row index says of itself.
pub(crate) struct StoreHeader {
    header: Header,
    /// Entries, whole ones.
    pub entries: usize,
    /// Whether the data is there.
    pub has_values: bool,
    /// Whether a compaction was stopped.
    pub is_compaction_left: bool,
}

impl StoreHeader {
    pub fn read(folder: &Path, name: &str) -> Result<Self, LibraryError> {
        let paths = Paths::new(folder, name);
        let _locked = lock(&paths, true)?;
        let index = if paths.new_index.exists() { &paths.new_index } else { &paths.index };
        let file = open_file(index, true)?;
        let is_compaction_left = paths.new_index.exists() || paths.new_values.exists();
        let has_values = paths.values.exists() || paths.new_index.exists() && paths.new_values.exists();
        let bytes = file.metadata().map_err(LibraryError::file("read", index))?.len();
        let entries = (bytes.saturating_sub(HEADER_BYTES) / ENTRY_BYTES) as usize;
        Ok(Self { header: read_header(&file, index)?, entries, has_values, is_compaction_left })
    }

    pub fn open(&self, folder: &Path, name: &str, is_read_only: bool) -> Result<FeatureStore, LibraryError> {
        FeatureStore::open_named(folder, name, self.header.width, self.header.fingerprint, is_read_only)
    }
}

/// Rows that are tried to find a width.
const TRIED: u64 = 64;

impl FeatureStore {
    /// The width with which rows match their checksums, for a store whose header is lost: the data's length divided by
    /// the number of rows, or somewhat more where rows are torn. `None` if no width fits.
    pub(crate) fn width_by_checksums(folder: &Path, name: &str) -> Result<Option<usize>, LibraryError> {
        let paths = Paths::new(folder, name);
        let _locked = lock(&paths, true)?;
        let Ok((values, index)) = compact::files_in_force(&paths, true) else { return Ok(None) };
        let length =
            |file: &File, path| Ok::<_, LibraryError>(file.metadata().map_err(LibraryError::file("read", path))?.len());
        let rows = length(&index, &paths.index)?.saturating_sub(HEADER_BYTES) / ENTRY_BYTES;
        let bytes = length(&values, &paths.values)?;
        let mut start = vec![0; bytes.min(TRIED * 2 * WIDEST as u64) as usize];
        read_exact_at(&values, &mut start, 0).map_err(LibraryError::file("read", &paths.values))?;
        let mut entries = vec![0; (rows.min(TRIED) * ENTRY_BYTES) as usize];
        read_exact_at(&index, &mut entries, HEADER_BYTES).map_err(LibraryError::file("read", &paths.index))?;
        let entries: Vec<Option<Entry>> = entries.chunks_exact(ENTRY_BYTES as usize).map(Entry::from_bytes).collect();
        let fits = |width: usize| {
            let rows = entries.iter().zip(start.chunks_exact(width * 2));
            let sound = rows.filter(|(entry, row)| {
                entry.is_some_and(|entry| entry.photo != NOBODY && entry.crc == crc32fast::hash(row))
            });
            sound.count()
        };
        // Data that is longer or shorter than its index is so by few rows, so the quotient comes first.
        let quotient = (bytes / 2).checked_div(rows).unwrap_or(0) as usize;
        let common = [256, 384, 512, 640, 768, 896, 1024, 1152, 1280, 1408, 1536, 1664, 1792, 2048, 3072, 4096];
        let widths = std::iter::once(quotient).chain(common).filter(|width| (1..=WIDEST).contains(width));
        let by_fit: HashMap<usize, usize> =
            widths.map(|width| (width, fits(width))).filter(|(_, fit)| *fit > 0).collect();
        Ok(by_fit.into_iter().max_by_key(|&(width, fit)| (fit, width)).map(|(width, _)| width))
    }
}
