//! The zip archives that `torch.save` and `torch.jit.save` write: where each member's bytes lie in the file.
//!
//! Stricter than zip readers in general: the end record must be the last thing in the file, every number must agree with
//! every other, nothing is searched for in the tensors' bytes, and nothing is decompressed. So the whole cost is bounded
//! by [`MAX_DIRECTORY_BYTES`], and no two readers can see two different archives in one file.
//!
//! Follows APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16 (end records) and
//! 4.5.3 (64-bit sizes).

use std::{collections::BTreeMap, io::SeekFrom};

use super::{Extent, error::PyTorchError};
use crate::files::ReadSeek;

/// An archive of three thousand tensors has a directory of 400 kB.
const MAX_DIRECTORY_BYTES: u64 = 16 << 20;
/// A comment is at most this long, so the end record starts no further from the end of the file.
const MAX_COMMENT_BYTES: u64 = 0xffff;

const LOCAL_HEADER: &[u8; 4] = b"PK\x03\x04";
const DIRECTORY_HEADER: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const END_64: &[u8; 4] = b"PK\x06\x06";
const END_64_LOCATOR: &[u8; 4] = b"PK\x06\x07";
const LOCAL_HEADER_BYTES: u64 = 30;
const DIRECTORY_HEADER_BYTES: u64 = 46;
const END_BYTES: u64 = 22;
const END_64_BYTES: u64 = 56;
const END_64_LOCATOR_BYTES: u64 = 20;

/// The extra field with 64-bit sizes.
const EXTRA_64: u16 = 1;
const ENCRYPTED: u16 = 1;
const STORED: u16 = 0;

/// One member, as the directory describes it.
#[derive(Debug, Clone, Copy)]
struct Member {
    flags: u16,
    method: u16,
    compressed: u64,
    size: u64,
    header: u64,
}

/// The directory of an archive.
#[derive(Debug)]
pub struct Archive {
    members: BTreeMap<String, Member>,
    /// Members end before this.
    directory: u64,
}

/// Where the directory is.
struct Directory {
    start: u64,
    bytes: u64,
    members: u64,
}

impl Archive {
    /// Reads the directory of an archive of `length` bytes.
    pub fn open(file: &mut dyn ReadSeek, length: u64) -> Result<Self, PyTorchError> {
        let found = find_directory(file, length)?;
        if found.bytes > MAX_DIRECTORY_BYTES {
            return Err(PyTorchError::Limit { what: "bytes of directory", limit: MAX_DIRECTORY_BYTES as usize });
        }
        let bytes = read_at(file, found.start, found.bytes)?;
        let mut fields = Fields { rest: &bytes };
        let mut members = BTreeMap::new();
        for _ in 0..found.members {
            let (name, member) = read_member(&mut fields)?;
            if members.insert(name.clone(), member).is_some() {
                return Err(damaged(format!("it has two members named {name:?}")));
            }
        }
        if !fields.rest.is_empty() {
            return Err(damaged("its directory is longer than its members"));
        }
        Ok(Self { members, directory: found.start })
    }

    /// Names of all members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// Where a member's bytes are; `None` if there is no such member.
    pub fn extent(&self, file: &mut dyn ReadSeek, name: &str) -> Result<Option<Extent>, PyTorchError> {
        let Some(member) = self.members.get(name) else { return Ok(None) };
        let refused = |what| PyTorchError::Member { name: name.to_owned(), what };
        if member.flags & ENCRYPTED != 0 {
            return Err(refused("encrypted"));
        }
        if member.method != STORED {
            return Err(refused("compressed, which torch.save never does"));
        }
        if member.compressed != member.size {
            return Err(refused("stored with two different sizes"));
        }
        let outside = || refused("outside of the file");
        let header_end = member.header.checked_add(LOCAL_HEADER_BYTES).filter(|end| *end <= self.directory);
        header_end.ok_or_else(outside)?;
        let header = read_at(file, member.header, LOCAL_HEADER_BYTES)?;
        let mut fields = Fields { rest: &header };
        if fields.array()? != *LOCAL_HEADER {
            return Err(refused("not where the directory says"));
        }
        fields.skip(22)?;
        let (name_bytes, extra_bytes) = (fields.u16()?, fields.u16()?);
        let start = member.header + LOCAL_HEADER_BYTES + u64::from(name_bytes) + u64::from(extra_bytes);
        start.checked_add(member.size).filter(|end| *end <= self.directory).ok_or_else(outside)?;
        Ok(Some(Extent { start, bytes: member.size }))
    }
}

fn find_directory(file: &mut dyn ReadSeek, length: u64) -> Result<Directory, PyTorchError> {
    let tail_bytes = length.min(END_BYTES + MAX_COMMENT_BYTES);
    let tail = read_at(file, length - tail_bytes, tail_bytes)?;
    let at = (0..=tail.len().saturating_sub(END_BYTES as usize))
        .rev()
        .find(|at| is_end(&tail[*at..]))
        .ok_or_else(|| damaged("it has no end record; perhaps the file was cut off"))?;
    let mut fields = Fields { rest: &tail[at + 4..] };
    let disks = [fields.u16()?, fields.u16()?];
    let members = [fields.u16()?, fields.u16()?];
    let (bytes, start) = (fields.u32()?, fields.u32()?);
    if disks != [0, 0] || members[0] != members[1] {
        return Err(damaged("it is a part of a larger one"));
    }
    let small = Directory { start: start.into(), bytes: bytes.into(), members: members[0].into() };
    let end = length - tail_bytes + at as u64;
    let (found, limit) = match find_end_64(file, end)? {
        Some((large, limit)) => {
            // A number that fits into the small record must be the same in both.
            let agrees = |small: u64, large: u64, most: u64| small == large.min(most);
            if !agrees(small.start, large.start, u32::MAX.into())
                || !agrees(small.bytes, large.bytes, u32::MAX.into())
                || !agrees(small.members, large.members, u16::MAX.into())
            {
                return Err(damaged("its two end records do not agree"));
            }
            (large, limit)
        }
        None => (small, end),
    };
    if found.start.checked_add(found.bytes) != Some(limit) {
        return Err(damaged("its directory does not end where its end record starts"));
    }
    if found.members > found.bytes / DIRECTORY_HEADER_BYTES {
        return Err(damaged("its directory is too short for its members"));
    }
    Ok(found)
}

/// Whether this is an end record whose comment reaches exactly to the end of the file.
fn is_end(bytes: &[u8]) -> bool {
    let comment = bytes.get(20..22).map(|length| u64::from(u16::from_le_bytes([length[0], length[1]])));
    bytes.starts_with(END) && comment == Some(bytes.len() as u64 - END_BYTES)
}

/// The end record with 64-bit numbers, and where it starts.
fn find_end_64(file: &mut dyn ReadSeek, end: u64) -> Result<Option<(Directory, u64)>, PyTorchError> {
    let Some(locator_at) = end.checked_sub(END_64_LOCATOR_BYTES) else { return Ok(None) };
    let locator = read_at(file, locator_at, END_64_LOCATOR_BYTES)?;
    let mut fields = Fields { rest: &locator };
    if fields.array()? != *END_64_LOCATOR {
        return Ok(None);
    }
    let (_disk, at, _disks) = (fields.u32()?, fields.u64()?, fields.u32()?);
    if at.checked_add(END_64_BYTES) != Some(locator_at) {
        return Err(damaged("its 64-bit end record is not where its locator says"));
    }
    let record = read_at(file, at, END_64_BYTES)?;
    let mut fields = Fields { rest: &record };
    if fields.array()? != *END_64 {
        return Err(damaged("its 64-bit end record is missing"));
    }
    // The record's own size, two versions and two disk numbers.
    fields.skip(20)?;
    let members = [fields.u64()?, fields.u64()?];
    if members[0] != members[1] {
        return Err(damaged("it is a part of a larger one"));
    }
    let (bytes, start) = (fields.u64()?, fields.u64()?);
    Ok(Some((Directory { start, bytes, members: members[0] }, at)))
}

fn read_member(fields: &mut Fields) -> Result<(String, Member), PyTorchError> {
    if fields.array()? != *DIRECTORY_HEADER {
        return Err(damaged("its directory has an entry that is none"));
    }
    fields.skip(4)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.skip(8)?;
    let (compressed, size) = (fields.u32()?, fields.u32()?);
    let [name, extra, comment] = [fields.u16()?, fields.u16()?, fields.u16()?];
    fields.skip(8)?;
    let header = fields.u32()?;
    let name = std::str::from_utf8(fields.take(name.into())?).map_err(|_| damaged("a member's name is not UTF-8"))?;
    let mut large = find_extra_64(fields.take(extra.into())?)?;
    fields.skip(comment.into())?;
    // The 64-bit field has only those numbers that do not fit, in this order.
    let size = large.widen(size)?;
    let compressed = large.widen(compressed)?;
    let header = large.widen(header)?;
    Ok((name.to_owned(), Member { flags, method, compressed, size, header }))
}

/// The content of the 64-bit extra field, empty if there is none.
fn find_extra_64(extra: &[u8]) -> Result<Fields<'_>, PyTorchError> {
    let mut fields = Fields { rest: extra };
    while fields.rest.len() >= 4 {
        let (kind, length) = (fields.u16()?, fields.u16()?);
        let content = fields.take(length.into())?;
        if kind == EXTRA_64 {
            return Ok(Fields { rest: content });
        }
    }
    Ok(Fields { rest: &[] })
}

/// Little-endian numbers, one after the other.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], PyTorchError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| damaged("a record of it is cut off"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PyTorchError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn skip(&mut self, length: usize) -> Result<(), PyTorchError> {
        self.take(length).map(drop)
    }

    fn u16(&mut self) -> Result<u16, PyTorchError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, PyTorchError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, PyTorchError> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next of the 64-bit numbers, if `small` says that it did not fit.
    fn widen(&mut self, small: u32) -> Result<u64, PyTorchError> {
        if small == u32::MAX { self.u64() } else { Ok(small.into()) }
    }
}

/// The caller has checked `bytes` against the file's length or a bound of its own.
pub fn read_at(file: &mut dyn ReadSeek, start: u64, bytes: u64) -> Result<Vec<u8>, PyTorchError> {
    let mut buffer = vec![0; bytes as usize];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut buffer)?;
    Ok(buffer)
}

fn damaged(what: impl Into<String>) -> PyTorchError {
    PyTorchError::Archive { what: what.into() }
}
