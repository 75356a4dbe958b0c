//! WebP (RFC 9649): chunks in a RIFF.
//!
//! Counted: VP8, VP8L and ALPH, and of animations the canvas, ANIM and ANMF. Not counted: EXIF, XMP, ICC profiles, and
//! the VP8X header of a still picture, which comes and goes with them. What lies behind the RIFF does not count.

use super::{Parts, take};
use crate::Identity;

/// `None` if the file cannot be walked to the end of its RIFF.
pub(super) fn identity(bytes: &[u8]) -> Option<Identity> {
    let mut parts = Parts::new("cliploupe 2026 identity: WebP");
    let mut canvas: &[u8] = &[];
    let mut has_pixels = false;
    walk(bytes, &mut |name, data| match name {
        b"VP8X" => canvas = data.get(4..10).unwrap_or_default(),
        b"VP8 " | b"VP8L" | b"ALPH" | b"ANMF" => {
            has_pixels |= name != b"ALPH";
            parts.add(name, data);
        }
        b"ANIM" => {
            parts.add(b"VP8X", canvas);
            parts.add(name, data);
        }
        _ => {}
    })?;
    has_pixels.then(|| parts.identity())
}

/// Shows every chunk as name and data.
pub(crate) fn walk<'a>(bytes: &'a [u8], visit: &mut dyn FnMut(&'a [u8; 4], &'a [u8])) -> Option<()> {
    let mut rest = bytes.strip_prefix(b"RIFF")?;
    let length = u32::from_le_bytes(*take(&mut rest, 4)?.first_chunk()?);
    let mut chunks = take(&mut rest, usize::try_from(length).ok()?)?.strip_prefix(b"WEBP")?;
    while !chunks.is_empty() {
        let name = take(&mut chunks, 4)?.first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*take(&mut chunks, 4)?.first_chunk()?)).ok()?;
        visit(name, take(&mut chunks, length)?);
        // Writers forget the padding of a last chunk.
        chunks = chunks.get(length % 2..).unwrap_or_default();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::identity::identity;

    fn webp(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut body = b"WEBP".to_vec();
        for (name, data) in chunks {
            body.extend([&name[..], &(data.len() as u32).to_le_bytes(), data, &b"\0"[..data.len() % 2]].concat());
        }
        [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
    }

    #[test]
    fn a_still_picture_that_gets_metadata_stays_the_same() {
        let bare = identity(&webp(&[(b"VP8 ", b"pixels!")]));
        let tagged = webp(&[
            (b"VP8X", b"\x0c\0\0\0aaabbb"),
            (b"ICCP", b"icc"),
            (b"VP8 ", b"pixels!"),
            (b"EXIF", b"MM"),
            (b"XMP ", b"<x/>"),
        ]);
        assert_eq!(identity(&tagged), bare);
        assert_eq!(identity(&[&tagged[..], b"behind"].concat()), bare);
        assert_ne!(identity(&webp(&[(b"VP8L", b"pixels!")])), bare);
        assert_ne!(identity(&webp(&[(b"ALPH", b"a"), (b"VP8 ", b"pixels!")])), bare);
    }

    #[test]
    fn canvas_and_frames_of_an_animation_count() {
        let animation = |canvas: &[u8], anim: &[u8], frame: &[u8]| {
            identity(&webp(&[(b"VP8X", canvas), (b"ANIM", anim), (b"ANMF", frame)]))
        };
        let one = animation(b"\x02\0\0\0aaabbb", b"loop", b"frame");
        assert_eq!(animation(b"\x0e\0\0\0aaabbb", b"loop", b"frame"), one, "flags tell of metadata");
        assert_ne!(animation(b"\x02\0\0\0aaabbc", b"loop", b"frame"), one);
        assert_ne!(animation(b"\x02\0\0\0aaabbb", b"lOop", b"frame"), one);
        assert_ne!(animation(b"\x02\0\0\0aaabbb", b"loop", b"frAme"), one);
    }

    #[test]
    fn a_file_cut_short_counts_as_a_whole() {
        let whole = webp(&[(b"VP8 ", b"pixels")]);
        assert!((0..whole.len()).all(|length| super::identity(&whole[..length]).is_none()));
        assert_eq!(super::identity(&webp(&[(b"EXIF", b"MM")])), None, "no picture in it");
    }
}
