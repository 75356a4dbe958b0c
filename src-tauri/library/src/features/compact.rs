//! Rewriting a store without rows that count no more, whole or not at all.
//!
//! Two files have to change at once, which no file system can do. So both are written beside the old ones first;
//! then `MODEL.rows.new` gets its name, and from that moment on the new store is the one in force, even if the program
//! stops before the last two renames: whoever opens the store next makes them, or, if it can only read, reads the new
//! files where they are.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use half::slice::HalfFloatSliceExt;

use super::{
    FeatureStore,
    files::{Paths, a_generation, lock, open_file, remove_if_there},
    format::Header,
};
use crate::{LibraryError, PhotoId};

impl FeatureStore {
    /// Leaves out rows that are not the newest of their photo, were given up, are damaged, or whose photo is not to be
    /// kept. Gives how many rows are gone; row numbers from before are void. Needs room for the rows that stay.
    pub fn compact(&mut self, is_kept: impl Fn(PhotoId) -> bool) -> Result<usize, LibraryError> {
        self.check_writable()?;
        let _locked = lock(&self.paths, false)?;
        self.take_up()?;
        let before = self.rows();
        if let Err(error) = self.write_new(&is_kept) {
            // The old store is in force; what was begun is in nobody's way.
            let _ = fs::remove_file(&self.paths.new_values);
            return Err(error);
        }
        finish(&self.paths)?;
        self.take_up()?;
        Ok(before - self.rows())
    }

    pub(super) fn write_new(&self, is_kept: &impl Fn(PhotoId) -> bool) -> Result<(), LibraryError> {
        let paths = &self.paths;
        let file = File::create(&paths.new_values).map_err(LibraryError::file("make", &paths.new_values))?;
        let mut values = BufWriter::with_capacity(1 << 20, file);
        let header = Header { generation: a_generation(), ..self.header };
        let mut index = header.to_bytes().to_vec();
        self.for_each_chunk(|chunk| {
            for (row, photo) in chunk.photos.iter().enumerate() {
                if photo.is_some_and(is_kept) {
                    let row_values = &chunk.values[row * self.width()..][..self.width()];
                    let bytes: Vec<u8> = row_values.reinterpret_cast().iter().flat_map(|x| x.to_le_bytes()).collect();
                    values.write_all(&bytes).map_err(LibraryError::file("write", &paths.new_values))?;
                    index.extend(self.entries[chunk.first_row as usize + row].to_bytes());
                }
            }
            Ok(())
        })?;
        let file = values.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).map_err(LibraryError::file("write", &paths.new_values))?;
        crate::whole_file::write(&paths.new_index, &index).map_err(LibraryError::file("write", &paths.new_index))?;
        sync_folder(&paths.new_index);
        Ok(())
    }
}

/// Makes the renames that a compaction has left, or removes what one has not come to the end of. Under the lock.
pub(super) fn finish(paths: &Paths) -> Result<(), LibraryError> {
    if !paths.new_index.exists() {
        return remove_if_there(&paths.new_values);
    }
    if paths.new_values.exists() {
        fs::rename(&paths.new_values, &paths.values).map_err(LibraryError::file("replace", &paths.values))?;
        sync_folder(&paths.values);
    }
    fs::rename(&paths.new_index, &paths.index).map_err(LibraryError::file("replace", &paths.index))
}

/// The data and the row index that belong together.
pub(super) fn files_in_force(paths: &Paths, is_read_only: bool) -> Result<(File, File), LibraryError> {
    let is_new = paths.new_index.exists();
    let values = if is_new && paths.new_values.exists() { &paths.new_values } else { &paths.values };
    let index = if is_new { &paths.new_index } else { &paths.index };
    Ok((open_file(values, is_read_only)?, open_file(index, is_read_only)?))
}

/// Makes a rename last through a power cut; where folders cannot be opened, the file system sees to it.
fn sync_folder(file: &Path) {
    if let Some(Ok(folder)) = file.parent().map(File::open) {
        let _ = folder.sync_all();
    }
}
