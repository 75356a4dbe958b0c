//! TIFF (revision 6.0, and BigTIFF) in both byte orders: directories of tags, and strips or tiles of pixels.
//!
//! Counted: the tags that decoding needs, and the data of strips and tiles, wherever in the file they lie. Not counted:
//! every other tag (EXIF, GPS, XMP, IPTC, profiles, orientation, names) and directories that only metadata points at.
//! Camera RAW files that look like TIFF keep their pixels where this walk does not look (sub-directories, makers' own
//! schemes), so a file with a sign of that is left to be counted as a whole.
//!
//! Time is bounded by a budget: directories and data together may not be longer than the file, so that a file whose
//! directories all point at the same data is not read a million times.

use super::Parts;
use crate::Identity;
use std::collections::HashSet;

/// Tags that change what is decoded: size, bits, compression, colours, layout, predictor, tables.
const DECODING: &[u16] = &[
    254, 255, 256, 257, 258, 259, 262, 266, 277, 278, 284, 292, 293, 301, 317, 320, 322, 323, 332, 333, 334, 336, 338,
    339, 340, 341, 342, 347, 529, 530, 531, 532,
];
/// SubIFDs, where RAW files keep their pixels; DNGVersion; the old JPEG's pieces outside strips.
const SIGNS_OF_MORE: &[u16] = &[330, 50706, 512, 513, 519, 520, 521];
/// Compressions whose data lies wholly in strips or tiles: none, CCITT (3), LZW, JPEG, Deflate (2), PackBits, Zstandard,
/// WebP, LZMA, JPEG 2000.
const COMPRESSIONS: &[u64] = &[1, 2, 3, 4, 5, 7, 8, 32773, 32946, 50000, 50001, 34925, 34712];
const STRIP_OFFSETS: u16 = 273;
const STRIP_BYTES: u16 = 279;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTES: u16 = 325;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
/// Colour filter array, linear raw.
const RAW_PHOTOMETRICS: [u64; 2] = [32803, 34892];
const XMP: u16 = 700;

/// `None` if the file cannot be walked, or may have pixels elsewhere.
pub(super) fn identity(bytes: &[u8]) -> Option<Identity> {
    let mut file = File::open(bytes)?;
    // Canon's RAW says so behind the header.
    if !file.is_big && bytes.get(8..10) == Some(b"CR") {
        return None;
    }
    let mut parts = Parts::new("cliploupe 2026 identity: TIFF");
    // Samples of more than eight bits follow the byte order.
    parts.add(b"ordr", &[u8::from(file.is_little)]);
    let mut seen = HashSet::new();
    let mut at = file.first_directory()?;
    while at != 0 {
        if !seen.insert(at) {
            return None;
        }
        let (entries, next) = file.directory(at)?;
        parts.add(b"page", &[]);
        page(&mut file, &entries, &mut parts)?;
        at = next;
    }
    (!seen.is_empty()).then(|| parts.identity())
}

/// The XMP packet of the first directory.
pub(crate) fn xmp(bytes: &[u8]) -> Option<&[u8]> {
    let mut file = File::open(bytes)?;
    let at = file.first_directory()?;
    let (entries, _) = file.directory(at)?;
    entries.iter().find(|entry| entry.tag == XMP).map(|entry| entry.value)
}

/// One directory's tags and pixels.
fn page(file: &mut File, entries: &[Entry], parts: &mut Parts) -> Option<()> {
    let find = |tag| entries.iter().find(|entry| entry.tag == tag);
    let has_more = entries.iter().any(|entry| SIGNS_OF_MORE.contains(&entry.tag));
    let number = |tag, default| find(tag).map_or(Some(default), |entry| file.numbers(entry)?.next());
    if has_more
        || !COMPRESSIONS.contains(&number(COMPRESSION, 1)?)
        || RAW_PHOTOMETRICS.contains(&number(PHOTOMETRIC, 0)?)
    {
        return None;
    }
    for entry in entries.iter().filter(|entry| DECODING.contains(&entry.tag)) {
        let [high, low] = entry.tag.to_be_bytes();
        let [kind, _] = entry.kind.to_le_bytes();
        parts.add(&[b't', high, low, kind], entry.value);
    }
    let (offsets, lengths) = match (find(STRIP_OFFSETS), find(TILE_OFFSETS)) {
        (Some(strips), None) => (strips, find(STRIP_BYTES)?),
        (None, Some(tiles)) => (tiles, find(TILE_BYTES)?),
        _ => return None,
    };
    let places = file.numbers(offsets)?.zip(file.numbers(lengths)?);
    if offsets.count == 0 || offsets.count != lengths.count {
        return None;
    }
    for (offset, length) in places {
        parts.add(b"data", file.data(offset, length)?);
    }
    Some(())
}

/// The bytes with their byte order, and how many more of them may be walked.
struct File<'a> {
    bytes: &'a [u8],
    is_little: bool,
    is_big: bool,
    budget: u64,
}

/// A tag with its value's bytes as they lie in the file.
struct Entry<'a> {
    tag: u16,
    kind: u16,
    count: u64,
    value: &'a [u8],
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let is_little = bytes.starts_with(b"II");
        let is_big = bytes.get(if is_little { 2 } else { 3 }) == Some(&43);
        Some(Self { bytes, is_little, is_big, budget: bytes.len() as u64 })
    }

    fn first_directory(&self) -> Option<u64> {
        if !self.is_big {
            return self.number(4, 4);
        }
        // Offsets have eight bytes, and then comes a zero.
        (self.number(4, 2)? == 8 && self.number(6, 2)? == 0).then(|| self.number(8, 8))?
    }

    /// Its entries, and where the next one is; 0 after the last.
    fn directory(&mut self, at: u64) -> Option<(Vec<Entry<'a>>, u64)> {
        let (count_size, entry_size, offset_size) = if self.is_big { (8, 20, 8) } else { (2, 12, 4) };
        let count = self.number(at, count_size)?;
        let first = at.checked_add(count_size)?;
        let length = count.checked_mul(entry_size)?;
        // Checks that so many entries are there before memory is taken for them.
        self.data(first, length)?;
        let entries = (0..count).map(|n| self.entry(first + n * entry_size)).collect::<Option<_>>()?;
        Some((entries, self.number(first.checked_add(length)?, offset_size)?))
    }

    fn entry(&mut self, at: u64) -> Option<Entry<'a>> {
        let word = if self.is_big { 8 } else { 4 };
        let (tag, kind, count) =
            (self.number(at, 2)? as u16, self.number(at + 2, 2)? as u16, self.number(at + 4, word)?);
        // Values of metadata are not walked, and their kinds and places may be anything.
        let matters =
            DECODING.contains(&tag) || [STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES, XMP].contains(&tag);
        if !matters {
            return Some(Entry { tag, kind, count, value: &[] });
        }
        let length = count.checked_mul(size_of_kind(kind)?)?;
        let place = at + 4 + word;
        // A short value lies in the entry itself, which has been counted.
        let value =
            if length <= word { self.slice(place, length)? } else { self.data(self.number(place, word)?, length)? };
        Some(Entry { tag, kind, count, value })
    }

    /// The numbers of a value; `None` if it is not one of whole numbers.
    fn numbers<'e>(&self, entry: &'e Entry<'a>) -> Option<impl Iterator<Item = u64> + use<'e, 'a>> {
        let size = match entry.kind {
            1 => 1,
            3 => 2,
            4 | 13 => 4,
            16 | 18 => 8,
            _ => return None,
        };
        let is_little = self.is_little;
        Some(entry.value.chunks_exact(size).map(move |bytes| number(bytes, is_little)))
    }

    fn number(&self, at: u64, size: u64) -> Option<u64> {
        self.slice(at, size).map(|bytes| number(bytes, self.is_little))
    }

    /// Bytes of the file, which count against the budget.
    fn data(&mut self, at: u64, length: u64) -> Option<&'a [u8]> {
        self.budget = self.budget.checked_sub(length)?;
        self.slice(at, length)
    }

    fn slice(&self, at: u64, length: u64) -> Option<&'a [u8]> {
        let at = usize::try_from(at).ok()?;
        self.bytes.get(at..at.checked_add(usize::try_from(length).ok()?)?)
    }
}

/// Up to eight bytes as a number.
fn number(bytes: &[u8], is_little: bool) -> u64 {
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    if is_little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
}

/// Bytes of one number of a TIFF type.
fn size_of_kind(kind: u16) -> Option<u64> {
    Some(match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::identity::identity;

    /// A file of one page: entries of one LONG each, then the pixels.
    fn tiff(little: bool, gap: usize, extra: &[(u16, u32)], pixels: &[u8]) -> Vec<u8> {
        let directory = 8 + gap;
        let data = directory + 2 + 12 * (5 + extra.len()) + 4;
        let length = pixels.len() as u32;
        let mut entries = vec![(256, 2), (257, 3), (259, 1), (273, data as u32), (279, length)];
        entries.extend(extra);
        entries.sort();
        let u16 = |n: u16| if little { n.to_le_bytes() } else { n.to_be_bytes() };
        let u32 = |n: u32| if little { n.to_le_bytes() } else { n.to_be_bytes() };
        let mut bytes = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        bytes.extend(u32(directory as u32));
        bytes.extend(vec![7; gap]);
        bytes.extend(u16(entries.len() as u16));
        for (tag, value) in entries {
            bytes.extend([&u16(tag)[..], &u16(4), &u32(1), &u32(value)].concat());
        }
        bytes.extend([&u32(0)[..], pixels].concat());
        bytes
    }

    #[test]
    fn places_and_metadata_do_not_count_in_either_byte_order() {
        for little in [false, true] {
            let bare = super::identity(&tiff(little, 0, &[], b"pixels"));
            assert!(bare.is_some());
            // 274: orientation; 34665: EXIF; 700: XMP, of one LONG here.
            let tagged = tiff(little, 40, &[(274, 6), (34665, 99999), (700, 1)], b"pixels");
            assert_eq!(super::identity(&tagged), bare);
            assert_ne!(super::identity(&tiff(little, 0, &[], b"pixelS")), bare);
            assert_ne!(super::identity(&tiff(little, 0, &[(258, 8)], b"pixels")), bare);
        }
        assert_ne!(identity(&tiff(true, 0, &[], b"pixels")), identity(&tiff(false, 0, &[], b"pixels")));
    }

    #[test]
    fn files_that_may_hide_pixels_count_as_a_whole() {
        assert_eq!(super::identity(&tiff(true, 0, &[(330, 8)], b"pixels")), None, "sub-directories");
        assert_eq!(super::identity(&tiff(true, 0, &[(262, 32803)], b"pixels")), None, "colour filter array");
        assert_eq!(super::identity(&tiff(true, 0, &[(324, 8)], b"pixels")), None, "strips and tiles");
        let mut round = tiff(true, 0, &[], b"pixels");
        let next = 8 + 2 + 12 * 5;
        round[next..next + 4].copy_from_slice(&8_u32.to_le_bytes());
        assert_eq!(super::identity(&round), None, "a chain of directories that bites its tail");
    }

    #[test]
    fn data_that_many_directories_share_is_not_read_again_and_again() {
        // A thousand copies of the directory, each with its strip in the first one's pixels.
        let shared = |pixels: usize| {
            let whole = tiff(true, 0, &[], &vec![1; pixels]);
            let mut bytes = whole.clone();
            for page in 0..1000 {
                let next = bytes.len() as u32;
                let link = bytes.len() - if page == 0 { pixels + 4 } else { 4 };
                bytes[link..link + 4].copy_from_slice(&next.to_le_bytes());
                bytes.extend_from_slice(&whole[8..8 + 2 + 12 * 5 + 4]);
            }
            bytes
        };
        assert!(super::identity(&shared(1)).is_some(), "the chain itself is sound");
        assert_eq!(super::identity(&shared(4096)), None);
    }

    #[test]
    fn a_file_cut_short_counts_as_a_whole() {
        let whole = tiff(false, 0, &[], b"pixels");
        assert!((0..whole.len()).all(|length| super::identity(&whole[..length]).is_none()));
    }
}
