//! PNG (third edition, 2025): chunks.
//!
//! Counted: IHDR, PLTE, tRNS, the data of IDAT however it is cut into chunks, and the frames of animations (acTL, fcTL,
//! fdAT). Not counted: texts, EXIF, times, colour profiles, gamma, and what lies behind IEND.

use super::{Parts, take};
use crate::Identity;

/// The first bytes of every PNG.
pub(crate) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// `None` if the file cannot be walked to its IEND.
pub(super) fn identity(bytes: &[u8]) -> Option<Identity> {
    let mut parts = Parts::new("cliploupe 2026 identity: PNG");
    let mut pixels = blake3::Hasher::new();
    let mut has_pixels = false;
    walk(bytes, &mut |name, data| match name {
        b"IDAT" => {
            has_pixels = true;
            pixels.update(data);
        }
        b"IHDR" | b"PLTE" | b"tRNS" | b"acTL" | b"fcTL" | b"fdAT" => parts.add(name, data),
        _ => {}
    })?;
    parts.add(b"IDAT", pixels.finalize().as_bytes());
    has_pixels.then(|| parts.identity())
}

/// Shows every chunk as name and data. Checksums are left to decoders.
pub(crate) fn walk<'a>(bytes: &'a [u8], visit: &mut dyn FnMut(&'a [u8; 4], &'a [u8])) -> Option<()> {
    let mut rest = bytes.strip_prefix(SIGNATURE)?;
    loop {
        let length = u32::from_be_bytes(*take(&mut rest, 4)?.first_chunk()?);
        let name = take(&mut rest, 4)?.first_chunk()?;
        let data = take(&mut rest, usize::try_from(length).ok()?)?;
        take(&mut rest, 4)?;
        if name == b"IEND" {
            return Some(());
        }
        visit(name, data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::identity;

    fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        for (name, data) in [chunks, &[(b"IEND", b"")]].concat() {
            bytes.extend((data.len() as u32).to_be_bytes());
            bytes.extend([&name[..], data, b"crc!"].concat());
        }
        bytes
    }

    #[test]
    fn how_data_is_cut_and_what_stands_around_it_does_not_count() {
        let bare = identity(&png(&[(b"IHDR", b"size"), (b"PLTE", b"rgb"), (b"IDAT", b"pixels")]));
        let cut = png(&[
            (b"IHDR", b"size"),
            (b"tEXt", b"hello"),
            (b"PLTE", b"rgb"),
            (b"IDAT", b"pix"),
            (b"IDAT", b""),
            (b"IDAT", b"els"),
            (b"eXIf", b"MM"),
        ]);
        assert_eq!(identity(&cut), bare);
        assert_eq!(identity(&[&cut[..], b"behind"].concat()), bare);
    }

    #[test]
    fn header_palette_transparency_pixels_and_frames_count() {
        let base: [(&[u8; 4], &[u8]); 3] = [(b"IHDR", b"size"), (b"PLTE", b"rgb"), (b"IDAT", b"pixels")];
        let bare = identity(&png(&base));
        for place in 0..3 {
            let mut other = base;
            other[place].1 = b"other";
            assert_ne!(identity(&png(&other)), bare);
        }
        for name in [b"tRNS", b"fdAT"] {
            assert_ne!(identity(&png(&[base[0], base[1], (name, b"x"), base[2]])), bare);
        }
    }

    #[test]
    fn a_file_cut_short_counts_as_a_whole() {
        let whole = png(&[(b"IHDR", b"size"), (b"IDAT", b"pixels")]);
        assert!((0..whole.len()).all(|length| super::identity(&whole[..length]).is_none()));
        assert_eq!(super::identity(&png(&[(b"IHDR", b"size")])), None, "no picture in it");
    }
}
