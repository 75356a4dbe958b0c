//! Files that are there as a whole or not at all.

use std::{
    io::{self, Write},
    path::Path,
};

/// Writes a file into a folder that exists; a crash leaves what was there before.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
