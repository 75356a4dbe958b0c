//! GIF (87a and 89a): blocks.
//!
//! Counted: the screen, palettes, pictures, their graphic controls, drawn text and the loop. Not counted: comments, other
//! application extensions (XMP, ICC), the version, which a comment lifts to 89a, and what lies behind the trailer.

use super::{Parts, take};
use crate::Identity;

/// `None` if the file cannot be walked to its trailer.
pub(super) fn identity(bytes: &[u8]) -> Option<Identity> {
    let mut rest = bytes.get(6..)?;
    let mut parts = Parts::new("cliploupe 2026 identity: GIF");
    let screen = take(&mut rest, 7)?;
    parts.add(b"scrn", screen);
    parts.add(b"pale", take(&mut rest, palette_bytes(screen[4]))?);
    let mut has_picture = false;
    loop {
        match take(&mut rest, 1)?[0] {
            b';' => return has_picture.then(|| parts.identity()),
            b',' => {
                has_picture = true;
                let descriptor = take(&mut rest, 9)?;
                parts.add(b"pict", descriptor);
                parts.add(b"pale", take(&mut rest, palette_bytes(descriptor[8]))?);
                parts.add(b"code", take(&mut rest, 1)?);
                parts.add(b"data", sub_blocks(&mut rest)?);
            }
            b'!' => {
                let label = take(&mut rest, 1)?[0];
                let blocks = sub_blocks(&mut rest)?;
                let is_loop = blocks.starts_with(b"\x0bNETSCAPE2.0") || blocks.starts_with(b"\x0bANIMEXTS1.0");
                if label != 0xfe && (label != 0xff || is_loop) {
                    parts.add(&[b'e', b'x', b't', label], blocks);
                }
            }
            _ => return None,
        }
    }
}

/// Size of the palette that a packed field announces.
fn palette_bytes(packed: u8) -> usize {
    if packed & 0x80 == 0 { 0 } else { 3 << ((packed & 7) + 1) }
}

/// Blocks of up to 255 bytes with their lengths, up to and with the empty one.
fn sub_blocks<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut length = 0;
    loop {
        let block = usize::from(*rest.get(length)?);
        length += block + 1;
        if block == 0 {
            return take(rest, length);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::identity::identity;

    const PICTURE: &[u8] = b",xxyywwhh\0\x02\x03abc\0";

    fn gif(version: &[u8], blocks: &[&[u8]]) -> Vec<u8> {
        [&[version, b"wwhh\x80ba", b"rgbRGB"], blocks, &[b";"]].concat().concat()
    }

    #[test]
    fn comments_and_metadata_do_not_count_but_the_loop_does() {
        let bare = identity(&gif(b"GIF87a", &[PICTURE]));
        let tagged = gif(b"GIF89a", &[b"!\xfe\x02hi\0", b"!\xff\x0bXMP DataXMP\x03abc\0", PICTURE]);
        assert_eq!(identity(&tagged), bare);
        assert_eq!(identity(&[&tagged[..], b"behind"].concat()), bare);
        assert_ne!(identity(&gif(b"GIF89a", &[b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0", PICTURE])), bare);
        assert_ne!(identity(&gif(b"GIF89a", &[b"!\xf9\x04tdlx\0", PICTURE])), bare);
    }

    #[test]
    fn every_byte_of_a_picture_counts_and_a_file_cut_short_counts_as_a_whole() {
        let whole = gif(b"GIF89a", &[PICTURE]);
        let bare = super::identity(&whole);
        assert!(bare.is_some());
        for place in 6..whole.len() {
            let mut other = whole.clone();
            other[place] ^= 1;
            assert_ne!(super::identity(&other), bare, "byte {place}");
            assert_eq!(super::identity(&whole[..place]), None);
        }
    }
}
