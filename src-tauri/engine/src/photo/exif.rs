//! What EXIF tells of a photo: which way is up, which camera, and when. Whatever is malformed counts as absent.
//!
//! An EXIF block is a TIFF file without a picture, so both are read by `tags.rs`. The `exif` crate is not used: it
//! remembers every entry of every list that a pointer reaches, and lists may overlap, so that a JPEG of 64 KiB took
//! 700 MB of memory and a TIFF of 64 MiB 1.6 GB.

use super::tags::Tags;

const MAKE: u16 = 0x010f;
const MODEL: u16 = 0x0110;
const ORIENTATION: u16 = 0x0112;
const EXIF_LIST: u16 = 0x8769;
const DATE_TIME_ORIGINAL: u16 = 0x9003;

/// Which way is up, which camera, and when.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExifFacts {
    pub(super) orientation: u8,
    pub(super) camera: Option<String>,
    pub(super) taken_ms: Option<i64>,
}

impl Default for ExifFacts {
    fn default() -> Self {
        Self { orientation: 1, camera: None, taken_ms: None }
    }
}

impl ExifFacts {
    /// Reads an EXIF block or a whole TIFF file.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"Exif\0\0").unwrap_or(bytes); // some programs leave JPEG's prefix in WebP
        Self::read_tags(bytes).unwrap_or_default()
    }

    fn read_tags(bytes: &[u8]) -> Option<Self> {
        let tags = Tags::new(bytes)?;
        let first = tags.first()?;
        let exif = tags.number(first, EXIF_LIST).map(|at| at as usize);
        let text = |list, tag| trimmed(tags.text(list, tag)?);
        let orientation = tags.number(first, ORIENTATION).filter(|value| (1..=8).contains(value));
        Some(Self {
            orientation: orientation.map_or(1, |value| value as u8),
            camera: camera(text(first, MAKE), text(first, MODEL)),
            taken_ms: exif.and_then(|list| camera_clock_ms(&text(list, DATE_TIME_ORIGINAL)?)),
        })
    }
}

fn trimmed(text: &[u8]) -> Option<String> {
    Some(String::from_utf8_lossy(text).trim().to_owned()).filter(|text| !text.is_empty())
}

/// "Canon" and "Canon EOS R5" are one "Canon EOS R5".
fn camera(make: Option<String>, model: Option<String>) -> Option<String> {
    match (make, model) {
        (Some(make), Some(model)) if model.starts_with(make.split(' ').next()?) => Some(model),
        (Some(make), Some(model)) => Some(format!("{make} {model}")),
        (make, model) => make.or(model),
    }
}

/// "2024:05:17 10:11:12" as milliseconds since 1970, if that were UTC.
fn camera_clock_ms(text: &str) -> Option<i64> {
    let mut parts = text.split([':', ' ']).map(|part| part.parse::<i64>().ok());
    let mut next = |range: std::ops::RangeInclusive<i64>| parts.next().flatten().filter(|part| range.contains(part));
    let (year, month, day) = (next(1800..=9999)?, next(1..=12)?, next(1..=31)?);
    let (hour, minute, second) = (next(0..=23)?, next(0..=59)?, next(0..=60)?);
    Some((((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`, for years after 0.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year }; // years begin in March, so the leap day is their last
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::tags::tiff;

    #[test]
    fn malformed_exif_counts_as_absent() {
        assert_eq!(ExifFacts::read(&tiff(&[(0x0112, 6)])).orientation, 6);
        assert_eq!(ExifFacts::read(&tiff(&[(0x0112, 9)])), ExifFacts::default());
        for list in [7, 8, 0x7FFF_FFFF, u32::MAX] {
            let mut bytes = tiff(&[(0x010F, u32::MAX), (0x8769, list)]);
            bytes[4..8].copy_from_slice(&list.to_le_bytes());
            assert_eq!(ExifFacts::read(&bytes), ExifFacts::default());
        }
    }

    /// A list of texts in the order of `tags`, and after it a list that holds the time.
    fn texts(make: &[u8], taken: &[u8; 20]) -> Vec<u8> {
        let entry = |tag: u16, kind: u16, count: usize, value: usize| {
            let [count, value] = [count, value].map(|number| (number as u32).to_le_bytes());
            [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count, &value].concat()
        };
        let first = [&[2, 0][..], &entry(0x010F, 2, make.len(), 56), &entry(0x8769, 4, 1, 38), &[0; 4]].concat();
        let second = [&[1, 0][..], &entry(0x9003, 2, 20, 56 + make.len()), &[0; 4]].concat();
        [b"II*\0\x08\0\0\0", &first[..], &second, make, taken].concat()
    }

    #[test]
    fn camera_and_time_are_read_with_and_without_jpegs_prefix() {
        let expected = ExifFacts { orientation: 1, camera: Some("Kamera".into()), taken_ms: Some(1000) };
        let bytes = texts(b" Kamera \0not this", b"1970:01:01 00:00:01\0");
        assert_eq!(ExifFacts::read(&bytes), expected);
        assert_eq!(ExifFacts::read(&[b"Exif\0\0", &bytes[..]].concat()), expected);
        let lost = ExifFacts::read(&bytes[..bytes.len() - 1]);
        assert_eq!((lost.camera, lost.taken_ms), (Some("Kamera".into()), None), "one bad entry spoils no other");
    }

    #[test]
    fn the_cameras_clock_is_read_as_if_it_were_utc() {
        assert_eq!(camera_clock_ms("1970:01:01 00:00:01"), Some(1000));
        assert_eq!(camera_clock_ms("2024:02:29 23:59:58"), Some(1_709_251_198_000));
        assert_eq!(camera_clock_ms("0000:00:00 00:00:00"), None);
        assert_eq!(camera_clock_ms("    :  :     :  :  "), None);
    }

    #[test]
    fn a_maker_named_twice_is_named_once() {
        let camera = |make: &str, model: &str| camera(Some(make.into()), Some(model.into())).unwrap();
        assert_eq!(camera("Canon", "Canon EOS R5"), "Canon EOS R5");
        assert_eq!(camera("NIKON CORPORATION", "NIKON Z 6"), "NIKON Z 6");
        assert_eq!(camera("Apple", "iPhone 15"), "Apple iPhone 15");
    }
}
