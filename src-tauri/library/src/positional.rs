//! Reading and writing at a place of a file, so that threads share one without a common position.

use std::{fs::File, io};

#[cfg(unix)]
mod system {
    use std::os::unix::fs::FileExt;

    pub(super) fn read_at(file: &std::fs::File, bytes: &mut [u8], at: u64) -> std::io::Result<usize> {
        file.read_at(bytes, at)
    }

    pub(super) fn write_at(file: &std::fs::File, bytes: &[u8], at: u64) -> std::io::Result<usize> {
        file.write_at(bytes, at)
    }
}

#[cfg(windows)]
mod system {
    use std::os::windows::fs::FileExt;

    pub(super) fn read_at(file: &std::fs::File, bytes: &mut [u8], at: u64) -> std::io::Result<usize> {
        file.seek_read(bytes, at)
    }

    pub(super) fn write_at(file: &std::fs::File, bytes: &[u8], at: u64) -> std::io::Result<usize> {
        file.seek_write(bytes, at)
    }
}

/// Fills `bytes` from a place of the file.
pub(crate) fn read_exact_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match system::read_at(file, bytes, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                bytes = &mut bytes[count..];
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all of `bytes` at a place of the file.
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match system::write_at(file, bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = &bytes[count..];
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
