//! What makes two files the same photo: a hash of the bytes that decoded pixels are made of.
//!
//! Keywords, ratings, places, colour profiles, comments and the orientation are left out, and so is everything behind
//! the end of the picture (a motion photo's film, a second picture): writing or removing them keeps the identity. Each
//! format has a file that walks its parts with every size checked: [`jpeg`], [`png`], [`webp`], [`gif`], [`tiff`]. A
//! file of another format (camera RAW, HEIF, BMP), or one that cannot be walked to its end, is hashed as it is.
//!
//! Hashes are BLAKE3 with a context per format, over parts that carry their names and lengths, so that no two lists of
//! parts spell the same bytes.

pub(crate) mod gif;
pub(crate) mod jpeg;
pub(crate) mod png;
pub(crate) mod tiff;
pub(crate) mod webp;

use crate::Identity;

/// The identity of a file, from all its bytes. Never fails; takes time proportional to their number.
pub fn identity(bytes: &[u8]) -> Identity {
    let by_format = match Format::of(bytes) {
        Some(Format::Jpeg) => jpeg::identity(bytes),
        Some(Format::Png) => png::identity(bytes),
        Some(Format::WebP) => webp::identity(bytes),
        Some(Format::Gif) => gif::identity(bytes),
        Some(Format::Tiff) => tiff::identity(bytes),
        None => None,
    };
    by_format.unwrap_or_else(|| {
        let mut parts = Parts::new("cliploupe 2026 identity: whole file");
        parts.add(b"file", bytes);
        parts.identity()
    })
}

/// Formats that can be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
    Tiff,
}

impl Format {
    /// By the first bytes.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            return Some(Self::Jpeg);
        }
        if bytes.starts_with(png::SIGNATURE) {
            return Some(Self::Png);
        }
        if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            return Some(Self::WebP);
        }
        if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
            return Some(Self::Gif);
        }
        let tiff = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
        tiff.iter().any(|magic| bytes.starts_with(*magic)).then_some(Self::Tiff)
    }
}

/// Parts on their way into a hash, each with its name and length.
pub(crate) struct Parts(blake3::Hasher);

impl Parts {
    /// `context` tells formats apart, and versions of these rules.
    pub(crate) fn new(context: &str) -> Self {
        Self(blake3::Hasher::new_derive_key(context))
    }

    pub(crate) fn add(&mut self, name: &[u8; 4], bytes: &[u8]) {
        self.0.update(name);
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity(*self.0.finalize().as_bytes())
    }
}

/// Takes `count` bytes off the front of `bytes`; `None` if there are not so many.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (front, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(front)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_no_known_format_differ_by_every_byte_and_by_length() {
        let some =
            [&b""[..], b"\0", b"\0\0", b"BM", b"\xff\xd8", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"II*\0"];
        for (place, one) in some.iter().enumerate() {
            for other in &some[..place] {
                assert_ne!(identity(one), identity(other), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn parts_that_run_together_spell_different_hashes() {
        let of = |parts: &[&[u8]]| {
            let mut all = Parts::new("test");
            parts.iter().for_each(|part| all.add(b"part", part));
            all.identity()
        };
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"ab"]), of(&[b"ab", b""]));
    }
}
