//! JPEG (ITU-T T.81, annex B): segments, and entropy-coded data between them.
//!
//! Counted: everything a decoder needs, which is frames, tables, restart intervals, scans with their data, and Adobe's
//! APP14, which says how colours are coded. Not counted: the other APPn (JFIF, EXIF, XMP, ICC profiles, IPTC) and
//! comments. The walk ends at the first EOI; what lies behind it (the second picture of a multi-picture file, the film
//! of a motion photo) does not count. A file without EOI was cut short and counts as a whole.

use super::{Parts, take};
use crate::Identity;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// `None` if the file cannot be walked to its EOI.
pub(super) fn identity(bytes: &[u8]) -> Option<Identity> {
    let mut parts = Parts::new("cliploupe 2026 identity: JPEG");
    let mut has_scan = false;
    walk(bytes, &mut |marker, data, coded| {
        let is_adobe = marker == 0xee && data.starts_with(b"Adobe");
        let is_metadata = matches!(marker, 0xe0..=0xef | 0xfe) && !is_adobe;
        has_scan |= marker == SOS;
        if !is_metadata {
            parts.add(&[0xff, marker, 0, 0], data);
            parts.add(b"scan", coded);
        }
    })?;
    has_scan.then(|| parts.identity())
}

/// Shows every segment as marker, content without its length, and the coded data behind it, which only scans have.
pub(crate) fn walk<'a>(bytes: &'a [u8], visit: &mut dyn FnMut(u8, &'a [u8], &'a [u8])) -> Option<()> {
    let mut rest = bytes.strip_prefix(&[0xff, SOI])?;
    loop {
        match next_marker(&mut rest)? {
            EOI => return Some(()),
            // Markers without content; a second SOI or a restart outside a scan is not a picture's.
            0x01 => visit(0x01, &[], &[]),
            0x00 | SOI | 0xd0..=0xd7 => return None,
            marker => {
                let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
                let content = take(&mut rest, length)?.get(2..)?;
                let coded = if marker == SOS { entropy_coded(rest)? } else { 0 };
                visit(marker, content, take(&mut rest, coded)?);
            }
        }
    }
}

/// The byte after one or more 0xff.
fn next_marker(rest: &mut &[u8]) -> Option<u8> {
    let fill = rest.iter().take_while(|&&byte| byte == 0xff).count();
    take(rest, fill)?.first()?;
    take(rest, 1).map(|marker| marker[0])
}

/// How many bytes of coded data there are before the next marker that is neither stuffing nor a restart.
fn entropy_coded(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += data.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        match data.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            // Fill bytes may stand before any marker.
            0xff => at += 1,
            _ => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::identity::identity;

    const SCAN: &[u8] = b"\xff\xda\0\x03\x01pixels\xff\0\xff\xd0more";

    fn jpeg(parts: &[&[u8]]) -> Vec<u8> {
        [&[&b"\xff\xd8"[..]], parts, &[b"\xff\xd9"]].concat().concat()
    }

    #[test]
    fn metadata_and_what_follows_the_end_do_not_count() {
        let bare = identity(&jpeg(&[b"\xff\xdb\0\x03q", SCAN]));
        let exif = jpeg(&[b"\xff\xe1\0\x06Exif", b"\xff\xdb\0\x03q", b"\xff\xfe\0\x04hi", SCAN]);
        assert_eq!(identity(&exif), bare);
        assert_eq!(identity(&[&exif[..], b"film"].concat()), bare);
        // Fill bytes are allowed before a marker.
        assert_eq!(identity(&jpeg(&[b"\xff\xff\xff\xdb\0\x03q", SCAN])), bare);
    }

    #[test]
    fn tables_colour_transform_and_scans_count() {
        let bare = identity(&jpeg(&[b"\xff\xdb\0\x03q", SCAN]));
        let adobe = b"\xff\xee\0\x07Adobe";
        let others = [
            jpeg(&[b"\xff\xdb\0\x03r", SCAN]),
            jpeg(&[b"\xff\xdb\0\x03q", adobe, SCAN]),
            jpeg(&[b"\xff\xdb\0\x03q", SCAN, SCAN]),
            jpeg(&[SCAN, b"\xff\xdb\0\x03q"]),
        ];
        assert!(others.iter().all(|other| identity(other) != bare));
    }

    #[test]
    fn a_file_cut_short_counts_as_a_whole() {
        let whole = jpeg(&[b"\xff\xe1\0\x06Exif", b"\xff\xdb\0\x03q", SCAN]);
        for length in 0..whole.len() {
            assert_eq!(super::identity(&whole[..length]), None);
        }
        assert!(super::identity(&whole).is_some());
        assert_eq!(super::identity(&jpeg(&[b"\xff\xdb\0\x03q"])), None, "no picture in it");
        assert_eq!(super::identity(&jpeg(&[b"\xff\xdb\0\x01", SCAN])), None, "a length that covers not even itself");
    }
}
