//! Reading rows by their places, each checked against its checksum.

use half::{f16, slice::HalfFloatSliceExt, vec::HalfBitsVecExt};
use rayon::prelude::*;

use super::{FeatureStore, NOBODY};
use crate::{LibraryError, PhotoId, positional::read_exact_at};

/// Rows that [`FeatureStore::for_each_chunk`] reads at a time.
const CHUNK: usize = 2048;

/// Rows in the order of the file.
pub struct Chunk {
    /// The number of the first row.
    pub first_row: u32,
    /// Whose each row is; `None` if it is not to be used: given up, damaged, or not the newest of its photo.
    pub photos: Vec<Option<PhotoId>>,
    /// `[row, width]`
    pub values: Vec<f16>,
}

impl FeatureStore {
    /// Rows in the order asked for, each checked against its checksum; a row that is damaged is an error.
    ///
    /// # Shapes
    /// - output: `[rows.len(), width]`
    pub fn read_rows(&self, rows: &[u32]) -> Result<Vec<f32>, LibraryError> {
        let width = self.width();
        let mut values = vec![0.0; rows.len() * width];
        let mut at = 0;
        while at < rows.len() {
            // Rows that lie side by side are read at once.
            let is_next = |i: usize| rows[i] == rows[at].saturating_add((i - at) as u32);
            let end = (at + 1..rows.len().min(at + CHUNK)).find(|&i| !is_next(i)).unwrap_or(rows.len().min(at + CHUNK));
            let (numbers, damaged) = self.read_checked(rows[at], end - at)?;
            if let Some(row) = damaged.first() {
                return Err(self.damaged(*row));
            }
            numbers.convert_to_f32_slice(&mut values[at * width..end * width]);
            at = end;
        }
        Ok(values)
    }

    /// All rows in the order of the file, some thousand at a time; gives the numbers of those that are damaged.
    pub fn for_each_chunk(
        &self,
        mut take: impl FnMut(Chunk) -> Result<(), LibraryError>,
    ) -> Result<Vec<u32>, LibraryError> {
        let mut all_damaged = Vec::new();
        for first in (0..self.rows()).step_by(CHUNK) {
            let count = CHUNK.min(self.rows() - first);
            let (values, damaged) = self.read_checked(first as u32, count)?;
            let rows = first as u32..(first + count) as u32;
            let photo = |row: u32| self.photo_of(row).filter(|_| damaged.binary_search(&row).is_err());
            take(Chunk { first_row: first as u32, photos: rows.map(photo).collect(), values })?;
            all_damaged.extend(damaged);
        }
        Ok(all_damaged)
    }

    /// Some rows, and which of them do not match their checksums, in ascending order.
    fn read_checked(&self, first: u32, count: usize) -> Result<(Vec<f16>, Vec<u32>), LibraryError> {
        if first as usize + count > self.entries.len() {
            return Err(LibraryError::Refused(format!("row {first} of {}", self.entries.len())));
        }
        let mut values = vec![0_u16; count * self.width()];
        let bytes: &mut [u8] = pulp::bytemuck::cast_slice_mut(&mut values);
        read_exact_at(&self.values, bytes, u64::from(first) * self.row_bytes() as u64)
            .map_err(LibraryError::file("read", &self.paths.values))?;
        let entries = &self.entries[first as usize..][..count];
        let is_damaged = |(row, bytes): (usize, &[u8])| {
            let entry = &entries[row];
            (entry.photo != NOBODY && crc32fast::hash(bytes) != entry.crc).then_some(first + row as u32)
        };
        let damaged = bytes.par_chunks(self.row_bytes()).enumerate().with_min_len(64).filter_map(is_damaged).collect();
        values.iter_mut().for_each(|x| *x = u16::from_le(*x));
        Ok((values.reinterpret_into(), damaged))
    }

    fn damaged(&self, row: u32) -> LibraryError {
        let cause = format!("row {row} does not match its checksum; run a check with repair");
        LibraryError::Damaged { path: self.paths.values.clone(), cause }
    }
}
