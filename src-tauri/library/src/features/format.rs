//! The bytes of a row index: a header, then one entry of fixed size per row of the feature file beside it.
//!
//! ```text
//! header, 40 bytes: "cliprows", version u32, width u32, fingerprint [u8; 8], generation u64, CRC-32 of these, 0 u32
//! entry,  20 bytes: photo u32, first 8 bytes of its identity, CRC-32 of its row, CRC-32 of these
//! ```
//! All numbers are little-endian. The generation is another one whenever rows have moved, so that a program that has
//! the file open notices.

use super::NOBODY;
use crate::{Identity, PhotoId};

pub(super) const HEADER_BYTES: u64 = 40;
pub(super) const ENTRY_BYTES: u64 = 20;
const MAGIC: &[u8; 8] = b"cliprows";
const VERSION: u32 = 1;
/// Wider rows than any tower has.
pub(super) const WIDEST: usize = 1 << 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub width: usize,
    /// Of what the rows were made with, beyond what the file's name says.
    pub fingerprint: [u8; 8],
    pub generation: u64,
}

impl Header {
    pub fn to_bytes(self) -> [u8; HEADER_BYTES as usize] {
        let mut bytes = [0; HEADER_BYTES as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(self.width as u32).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.fingerprint);
        bytes[24..32].copy_from_slice(&self.generation.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..32]);
        bytes[32..36].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// What is wrong with the bytes, if something is.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let Some(bytes) = bytes.first_chunk::<{ HEADER_BYTES as usize }>() else {
            return Err("it is shorter than its header".into());
        };
        if &bytes[..8] != MAGIC {
            return Err("it is not a row index".into());
        }
        if crc32fast::hash(&bytes[..32]) != u32_at(bytes, 32) {
            return Err("its header does not match its checksum".into());
        }
        let (version, width) = (u32_at(bytes, 8), u32_at(bytes, 12) as usize);
        if version != VERSION {
            return Err(format!("it has version {version}, and version {VERSION} is known"));
        }
        if !(1..=WIDEST).contains(&width) {
            return Err(format!("it says that rows have {width} numbers"));
        }
        let part = |at: usize| bytes[at..at + 8].try_into().expect("eight bytes");
        Ok(Self { width, fingerprint: part(16), generation: u64::from_le_bytes(part(24)) })
    }
}

/// Whose a row is, and how to tell whether it is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// [`NOBODY`] for a row that was given up.
    pub photo: PhotoId,
    pub identity: [u8; 8],
    pub crc: u32,
}

impl Entry {
    pub const GIVEN_UP: Self = Self { photo: NOBODY, identity: [0; 8], crc: 0 };

    pub fn to_bytes(self) -> [u8; ENTRY_BYTES as usize] {
        let mut bytes = [0; ENTRY_BYTES as usize];
        bytes[..4].copy_from_slice(&self.photo.to_le_bytes());
        bytes[4..12].copy_from_slice(&self.identity);
        bytes[12..16].copy_from_slice(&self.crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` if the checksum does not fit.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<{ ENTRY_BYTES as usize }>()?;
        let is_sound = crc32fast::hash(&bytes[..16]) == u32_at(bytes, 16);
        let identity = bytes[4..12].try_into().expect("eight bytes");
        is_sound.then(|| Self { photo: u32_at(bytes, 0), identity, crc: u32_at(bytes, 12) })
    }
}

/// The part of an identity that a row keeps.
pub(super) fn short(identity: &Identity) -> [u8; 8] {
    *identity.0.first_chunk().expect("an identity has 32 bytes")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_of_a_header_or_an_entry_is_noticed() {
        let header = Header { width: 768, fingerprint: [7; 8], generation: 5 };
        let entry = Entry { photo: 9, identity: [3; 8], crc: 77 };
        assert_eq!(Header::from_bytes(&header.to_bytes()), Ok(header));
        assert_eq!(Entry::from_bytes(&entry.to_bytes()), Some(entry));
        for at in 0..36 {
            let mut bytes = header.to_bytes();
            bytes[at] ^= 0x10;
            assert!(Header::from_bytes(&bytes).is_err(), "byte {at}");
        }
        for at in 0..ENTRY_BYTES as usize {
            let mut bytes = entry.to_bytes();
            bytes[at] ^= 0x10;
            assert_eq!(Entry::from_bytes(&bytes), None, "byte {at}");
        }
        assert!(Header::from_bytes(&[]).is_err() && Entry::from_bytes(&[0; 19]).is_none());
        assert_eq!(Entry::from_bytes(&[0; 20]), None, "a hole in a file is no entry");
    }
}
