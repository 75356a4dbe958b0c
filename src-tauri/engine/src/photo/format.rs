//! Which format a file has, by content: the few that are decoded and the many that are only named.
//!
//! An extension decides two things alone: what a folder's listing offers ([`looks_like_photo`]), and whether a TIFF
//! is camera RAW. What happens to a recognised file: `source.rs`.

use super::error::PhotoError;
use super::tags::Tags;
use std::path::Path;

/// Whether a folder's listing should offer this file, by extension alone: photos that can be decoded, and photos
/// in formats that cannot, so that the reader learns why they are missing. Videos and documents are left out.
pub fn looks_like_photo(path: &Path) -> bool {
    lowercase_extension(path).is_some_and(|extension| {
        DECODED_EXTENSIONS.contains(&extension.as_str())
            || UNDECODED_EXTENSIONS.contains(&extension.as_str())
            || raw_by_extension(&extension).is_some()
    })
}

pub(super) fn lowercase_extension(path: &Path) -> Option<String> {
    path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase())
}

/// The formats that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Bmp,
    Gif,
    Jpeg,
    Png,
    Tiff,
    WebP,
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bmp => "BMP",
            Self::Gif => "GIF",
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Tiff => "TIFF",
            Self::WebP => "WebP",
        }
    }
}

const DECODED_EXTENSIONS: [&str; 13] =
    ["bmp", "dib", "gif", "jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "tif", "tiff", "webp"];

/// Photo formats that are named in an error. Camera RAW has its own table.
const UNDECODED_EXTENSIONS: [&str; 14] =
    ["avif", "avifs", "exr", "hdr", "heic", "heics", "heif", "hif", "jp2", "j2k", "jxl", "psb", "psd", "qoi"];

/// Camera RAW by extension: many of these are TIFF files whose first picture is a tiny preview.
const RAW_EXTENSIONS: [(&str, &[&str]); 14] = [
    ("Adobe or phone RAW (DNG)", &["dng"]),
    ("Canon RAW (CR2, CR3, CRW)", &["cr2", "cr3", "crw"]),
    ("Epson RAW (ERF)", &["erf"]),
    ("Fujifilm RAW (RAF)", &["raf"]),
    ("Hasselblad RAW (3FR, FFF)", &["3fr", "fff"]),
    ("Kodak RAW (DCR, KDC, K25)", &["dcr", "kdc", "k25"]),
    ("Leica RAW (RWL)", &["rwl"]),
    ("Mamiya, Leaf or Phase One RAW (MEF, MOS, IIQ)", &["mef", "mos", "iiq"]),
    ("Nikon RAW (NEF, NRW)", &["nef", "nrw"]),
    ("Olympus or OM System RAW (ORF)", &["orf", "ori"]),
    ("Panasonic RAW (RW2)", &["rw2", "raw"]),
    ("Pentax RAW (PEF)", &["pef", "ptx"]),
    ("Samsung RAW (SRW)", &["srw"]),
    ("Sony RAW (ARW, SR2, SRF)", &["arw", "sr2", "srf"]),
];

/// Formats that are only named: where their mark stands, the mark, the name. First match counts.
const NAMED: [(usize, &[u8], &str); 33] = [
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypheix", "HEIC"),
    (4, b"ftypheim", "HEIC"),
    (4, b"ftypheis", "HEIC"),
    (4, b"ftyphevc", "HEIC"),
    (4, b"ftyphevx", "HEIC"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypmsf1", "HEIF"),
    (4, b"ftypcrx ", "Canon RAW (CR3)"),
    (4, b"ftypqt  ", "QuickTime video (MOV)"),
    (4, b"ftypM4A ", "MPEG-4 audio"),
    (4, b"ftyp", "MPEG-4 video (MP4)"),
    (4, b"moov", "QuickTime video (MOV)"),
    (4, b"mdat", "QuickTime video (MOV)"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"8BPS", "Photoshop (PSD)"),
    (0, b"%PDF", "PDF"),
    (8, b"CR\x02", "Canon RAW (CR2)"),
    (0, b"FUJIFILMCCD-RAW", "Fujifilm RAW (RAF)"),
    (0, b"IIRO", "Olympus RAW (ORF)"),
    (0, b"IIRS", "Olympus RAW (ORF)"),
    (0, b"MMOR", "Olympus RAW (ORF)"),
    (0, b"IIU\0", "Panasonic RAW (RW2)"),
    (0, b"FOVb", "Sigma RAW (X3F)"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM video"),
    (8, b"AVI LIST", "AVI video"),
    (0, b"qoif", "QOI"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
];

/// What the content is; the extension only tells camera RAW from the TIFF it is built on.
pub(super) fn recognise(bytes: &[u8], extension: Option<&str>) -> Result<Format, PhotoError> {
    if bytes.is_empty() {
        return Err(PhotoError::EmptyFile);
    }
    if let Some(format) = named(bytes) {
        return Err(PhotoError::UnsupportedFormat { format });
    }
    match decoded_format(bytes).ok_or(PhotoError::UnknownFormat)? {
        Format::Tiff => match extension.and_then(raw_by_extension).or_else(|| raw_by_tags(bytes)) {
            Some(format) => Err(PhotoError::UnsupportedFormat { format }),
            None => Ok(Format::Tiff),
        },
        format => Ok(format),
    }
}

fn decoded_format(bytes: &[u8]) -> Option<Format> {
    let starts = |mark: &[u8]| bytes.starts_with(mark);
    // Two letters are a weak mark: plain text may begin with BM. The length of the next header is not text.
    let is_bmp = || starts(b"BM") && matches!(bytes.get(14..18), Some([12..=124, 0, 0, 0]));
    match () {
        _ if starts(b"\xff\xd8\xff") => Some(Format::Jpeg),
        _ if starts(b"\x89PNG\r\n\x1a\n") => Some(Format::Png),
        _ if starts(b"GIF87a") || starts(b"GIF89a") => Some(Format::Gif),
        _ if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => Some(Format::WebP),
        _ if starts(b"II*\0") || starts(b"MM\0*") || starts(b"II+\0") || starts(b"MM\0+") => Some(Format::Tiff),
        _ if is_bmp() => Some(Format::Bmp),
        _ => None,
    }
}

fn named(bytes: &[u8]) -> Option<&'static str> {
    let marked = NAMED.iter().find(|(at, mark, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(mark)));
    match marked {
        // AVIF and HEIC may both call themselves the general mif1 first; the list of brands that follows decides.
        Some((.., "HEIF")) if bytes[..bytes.len().min(64)].windows(4).any(|brand| brand == b"avif") => Some("AVIF"),
        Some((.., name)) => Some(name),
        None => is_svg(bytes).then_some("SVG"),
    }
}

fn is_svg(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    let head = head.trim_start_matches('\u{feff}').trim_start();
    head.starts_with("<svg") || (head.starts_with("<?xml") || head.starts_with("<!")) && head.contains("<svg")
}

fn raw_by_extension(extension: &str) -> Option<&'static str> {
    RAW_EXTENSIONS.iter().find(|(_, extensions)| extensions.contains(&extension)).map(|(name, _)| *name)
}

/// RAW under another name: the DNG version tag, or a first picture that says it is a reduced copy.
fn raw_by_tags(bytes: &[u8]) -> Option<&'static str> {
    const DNG_VERSION: u16 = 0xC612;
    const NEW_SUBFILE_TYPE: u16 = 0x00FE;
    let tags = Tags::new(bytes)?;
    if tags.entry(tags.first()?, DNG_VERSION).is_some() {
        return Some("Adobe or phone RAW (DNG)");
    }
    let is_reduced = tags.number(tags.first()?, NEW_SUBFILE_TYPE)? & 1 == 1;
    is_reduced.then_some("camera RAW built on TIFF, or another TIFF that begins with a preview")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::tags::tiff;

    fn refused(bytes: &[u8], extension: Option<&str>) -> &'static str {
        match recognise(bytes, extension) {
            Err(PhotoError::UnsupportedFormat { format }) => format,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn content_counts_and_not_the_extension() {
        assert_eq!(recognise(b"\x89PNG\r\n\x1a\n", Some("jpg")).unwrap(), Format::Png);
        assert!(matches!(recognise(b"BMW is a car, not a picture.", Some("bmp")), Err(PhotoError::UnknownFormat)));
        assert!(matches!(recognise(b"", Some("jpg")), Err(PhotoError::EmptyFile)));
    }

    #[test]
    fn formats_that_cannot_be_decoded_are_named() {
        assert_eq!(refused(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", None), "HEIC");
        assert_eq!(refused(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", None), "AVIF");
        assert_eq!(refused(b"II*\0\x10\0\0\0CR\x02\0", None), "Canon RAW (CR2)");
        assert_eq!(refused("\u{feff} <?xml version='1.0'?><svg/>".as_bytes(), None), "SVG");
    }

    #[test]
    fn raw_built_on_tiff_is_not_taken_for_its_preview() {
        assert_eq!(refused(&tiff(&[]), Some("nef")), "Nikon RAW (NEF, NRW)");
        assert_eq!(refused(&tiff(&[(0xC612, 1)]), Some("tif")), "Adobe or phone RAW (DNG)");
        assert!(refused(&tiff(&[(0x00FE, 1)]), None).starts_with("camera RAW"));
        assert_eq!(recognise(&tiff(&[(0x00FE, 0)]), Some("tif")).unwrap(), Format::Tiff);
    }

    #[test]
    fn folders_offer_photos_and_no_videos() {
        let offered = ["a.JPG", "b.heic", "c.dng", "d.mpo"].map(|name| looks_like_photo(Path::new(name)));
        let left_out = ["a.mp4", "b.pdf", "jpg", "d.txt", ".jpg"].map(|name| looks_like_photo(Path::new(name)));
        assert_eq!((offered, left_out), ([true; 4], [false; 5]));
    }
}
