//! Where an index finds the embeddings themselves, to answer exactly what whole numbers of one byte only bound.

use half::{f16, slice::HalfFloatSliceExt};

use crate::{Identity, LibraryError, PhotoId};

/// Rows of f16, one per photo; a later row of a photo takes the place of an earlier one.
pub trait Embeddings: Send + Sync {
    /// Numbers per row.
    fn width(&self) -> usize;

    /// How many rows there are, those that count no more among them.
    fn rows(&self) -> usize;

    /// Whose a row is; `None` if it is not to be used.
    fn photo(&self, row: u32) -> Option<PhotoId>;

    /// Rows in the order asked for, `[row, width]`. A damaged one is an error that says so.
    fn read(&self, rows: &[u32]) -> Result<Vec<f32>, LibraryError>;

    /// Rows that lie one after the other, `[count, width]`.
    fn read_from(&self, first: u32, count: usize) -> Result<Vec<f32>, LibraryError>;

    /// Adds rows at the end; with a file, other programs' rows may come before them.
    fn append(&mut self, rows: &[(PhotoId, Identity, &[f32])]) -> Result<(), LibraryError>;

    /// Takes up rows that other programs have added; `true` if row numbers from before are void.
    fn refresh(&mut self) -> Result<bool, LibraryError> {
        Ok(false)
    }
}

/// Embeddings in memory: two bytes a number.
#[derive(Default)]
pub struct InMemory {
    width: usize,
    photos: Vec<PhotoId>,
    /// `[row, width]`
    values: Vec<f16>,
}

impl InMemory {
    /// None yet.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }
}

impl Embeddings for InMemory {
    fn width(&self) -> usize {
        self.width
    }

    fn rows(&self) -> usize {
        self.photos.len()
    }

    fn photo(&self, row: u32) -> Option<PhotoId> {
        self.photos.get(row as usize).copied()
    }

    fn read(&self, rows: &[u32]) -> Result<Vec<f32>, LibraryError> {
        let mut values = vec![0.0; rows.len() * self.width];
        for (&row, values) in rows.iter().zip(values.chunks_exact_mut(self.width)) {
            self.values[row as usize * self.width..][..self.width].convert_to_f32_slice(values);
        }
        Ok(values)
    }

    fn read_from(&self, first: u32, count: usize) -> Result<Vec<f32>, LibraryError> {
        let mut values = vec![0.0; count * self.width];
        self.values[first as usize * self.width..][..count * self.width].convert_to_f32_slice(&mut values);
        Ok(values)
    }

    fn append(&mut self, rows: &[(PhotoId, Identity, &[f32])]) -> Result<(), LibraryError> {
        if let Some((photo, _, row)) = rows.iter().find(|(_, _, row)| row.len() != self.width) {
            return Err(wrong_width(*photo, row.len(), self.width));
        }
        for (photo, _, row) in rows {
            self.photos.push(*photo);
            let first = self.values.len();
            self.values.resize(first + self.width, f16::ZERO);
            self.values[first..].convert_from_f32_slice(row);
        }
        Ok(())
    }
}

/// A row that does not fit the others.
pub(crate) fn wrong_width(photo: PhotoId, found: usize, width: usize) -> LibraryError {
    LibraryError::Refused(format!("photo {photo} came with {found} numbers, where a row has {width}"))
}
