//! A file becomes a picture: bytes are recognised by content, checked against limits, decoded and turned upright.
//!
//! A [`Picture`] keeps the colour mode that Pillow would give the file, because Pillow resizes in that mode and
//! [`crate::preprocess`] must do the same. Whatever cannot be shown whole is an error that says what to do:
//! nothing is guessed, and a file cut short is never half a picture. Here is the order in which a file is read:
//! [`open`] (the file system), [`decode`] (bytes), `recognise` (which format), `Source` (what its header tells
//! beyond the `image` crate), `Picture` (levels), `Tags` (EXIF).

use crate::preprocess::{Pixels, scale_down};
use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, jpeg, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageResult};
use std::borrow::Cow;
use std::fs::{self, File, Metadata};
use std::io::{self, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What is refused before memory is taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest width × height.
    pub pixels: u64,
    /// Longest side, in pixels.
    pub side: u32,
    /// Largest file, in bytes.
    pub bytes: u64,
}

impl Default for Limits {
    /// 400 megapixels, which decode to 1.6 GB at most for 8-bit files; a million pixels a side; 2 GiB.
    fn default() -> Self {
        Self { pixels: 400_000_000, side: 1_000_000, bytes: 2 << 30 }
    }
}

/// An upright picture and what its file said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// The pixels.
    pub picture: Picture,
    /// The rest.
    pub facts: Facts,
}

/// What a file says about its picture.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Facts {
    /// Name of the format, found from content: "JPEG", "PNG", …
    pub format: &'static str,
    /// Columns after turning upright.
    pub width: usize,
    /// Rows after turning upright.
    pub height: usize,
    /// Size of the file.
    pub bytes: u64,
    /// Colours as stored: "RGB 8-bit", "CMYK 8-bit", "palette", …
    pub colour: &'static str,
    /// EXIF orientation as stored, 1 to 8; it has already been applied.
    pub orientation: u8,
    /// Maker and model.
    pub camera: Option<String>,
    /// When the shutter opened by the camera's own clock, in milliseconds since 1970 if that clock were UTC.
    pub taken_ms: Option<i64>,
    /// When the file was last written, in milliseconds since 1970; only [`open`] knows it.
    pub modified_ms: Option<i64>,
}

/// Pillow's colour modes, as far as pictures keep them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `L`
    Grey,
    /// `LA`
    GreyAlpha,
    /// `RGB`
    Rgb,
    /// `RGBA`
    Rgba,
}

/// 8-bit pixels in the mode Pillow would open them in.
/// Colour profiles are ignored, as CLIP's own preprocessing ignores them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    height: usize,
    width: usize,
    mode: Mode,
    is_indexed: bool,
    data: Vec<u8>,
}

/// Why a file is no picture here.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// Nothing has this name.
    #[error("cannot open a photo that does not exist: {path:?}")]
    NotFound {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A link whose target was moved or deleted.
    #[error("cannot follow a link whose target is gone: {path:?}")]
    BrokenLink {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Links that lead to one another.
    #[error("cannot follow links that lead round in a circle: {path:?}")]
    LinkLoop {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The user may not read it.
    #[error("not allowed to read {path:?}")]
    Permission {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk or the network failed.
    #[error("cannot read {path:?}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("expected a photo but found a folder or a device: {path:?}")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The file is beyond [`Limits::bytes`].
    #[error("cannot read a file of {bytes} bytes, the limit is {limit}: {path:?}")]
    TooManyBytes {
        /// Size of the file.
        bytes: u64,
        /// What would be accepted.
        limit: u64,
        /// The file.
        path: PathBuf,
    },
    /// Zero bytes.
    #[error("cannot decode an empty file")]
    EmptyFile,
    /// No known mark at the beginning, whatever the extension says.
    #[error("cannot tell what the file is: its content matches no picture format")]
    UnknownFormat,
    /// A format that is known but not decoded here.
    #[error("cannot decode {format}")]
    UnsupportedFormat {
        /// Its name.
        format: &'static str,
    },
    /// A rare variety of a format that is otherwise decoded.
    #[error("cannot decode this kind of {format}")]
    UnsupportedKind {
        /// Its name.
        format: &'static str,
        /// What the decoder said.
        source: Cause,
    },
    /// Cut short, or altered.
    #[error("cannot decode a damaged {format}")]
    Corrupt {
        /// Its name.
        format: &'static str,
        /// What the decoder said.
        source: Cause,
    },
    /// The picture is beyond [`Limits::pixels`].
    #[error("cannot decode a picture of {width} × {height} pixels, the limit is {limit} pixels")]
    TooManyPixels {
        /// Columns that the header claims.
        width: u32,
        /// Rows that the header claims.
        height: u32,
        /// What would be accepted.
        limit: u64,
    },
    /// The picture is beyond [`Limits::side`].
    #[error("cannot decode a picture of {width} × {height} pixels, the limit is {limit} pixels a side")]
    TooLong {
        /// Columns that the header claims.
        width: u32,
        /// Rows that the header claims.
        height: u32,
        /// What would be accepted.
        limit: u32,
    },
    /// Tables inside the file are larger than any honest picture's.
    #[error("cannot decode a {format} that asks for more memory than its size explains")]
    TooMuchMemory {
        /// Its name.
        format: &'static str,
        /// What the decoder said.
        source: Cause,
    },
}

/// Any error below [`PhotoError`]: the decoders have one type each.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl PhotoError {
    /// What the reader of the message can do now.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "Check the name, or scan the folder again if the photo was moved.",
            Self::BrokenLink { .. } | Self::LinkLoop { .. } => "Delete the link or point it at the photo.",
            Self::Permission { .. } => "Give your user the right to read this file and its folders.",
            Self::Unreadable { .. } => "Check that the disk or network share is connected, then try again.",
            Self::NotAFile { .. } => "Choose a photo; to take a whole folder, add it as a folder.",
            Self::EmptyFile => "Copy or download the photo again: nothing was written into this file.",
            Self::UnknownFormat => "Open it in another program to find out what it is; its extension may be wrong.",
            Self::UnsupportedFormat { .. } | Self::UnsupportedKind { .. } => {
                "Export it as JPEG, PNG, WebP or 8-bit or 16-bit TIFF in another program and add that file."
            }
            Self::Corrupt { .. } => "Copy or download the photo again, or restore it from a backup.",
            Self::TooManyBytes { .. }
            | Self::TooManyPixels { .. }
            | Self::TooLong { .. }
            | Self::TooMuchMemory { .. } => "Make a smaller copy in another program and add that file.",
        }
    }
}

/// Reads a photo from disk.
pub fn open(path: &Path, limits: &Limits) -> Result<Photo, PhotoError> {
    let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
    // Asked before opening: opening a named pipe would wait for ever.
    if !metadata.is_file() {
        return Err(PhotoError::NotAFile { path: path.into() });
    }
    if metadata.len() > limits.bytes {
        return Err(PhotoError::TooManyBytes { bytes: metadata.len(), limit: limits.bytes, path: path.into() });
    }
    let bytes = read(path, limits.bytes).map_err(|source| unreadable(path, source))?;
    let extension = path.extension().map(|text| text.to_string_lossy().to_ascii_lowercase());
    let mut photo = decode_named(&bytes, extension.as_deref(), limits)?;
    photo.facts.modified_ms = modified_ms(&metadata);
    Ok(photo)
}

/// Reads a photo from memory. Without a file name, camera RAW that poses as plain TIFF is known by its tags only.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Photo, PhotoError> {
    decode_named(bytes, None, limits)
}

/// Whether a folder's listing should offer this file, by extension alone: photos that can be decoded, and photos
/// in formats that cannot, so that the reader learns why they are missing. Videos and documents are left out.
pub fn looks_like_photo(path: &Path) -> bool {
    let Some(extension) = path.extension() else {
        return false;
    };
    let extension = extension.to_string_lossy().to_ascii_lowercase();
    DECODED_EXTENSIONS.contains(&extension.as_str())
        || UNDECODED_EXTENSIONS.contains(&extension.as_str())
        || raw_by_extension(&extension).is_some()
}

/// A picture as JPEG bytes; `quality` is 1 to 100. The error is a side beyond JPEG's 65535 pixels.
pub fn jpeg_bytes(pixels: &Pixels, quality: u8) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    let mut encoder = jpeg::JpegEncoder::new_with_quality(&mut bytes, quality);
    encoder.encode(&pixels.data, pixels.width as u32, pixels.height as u32, ExtendedColorType::Rgb8)?;
    Ok(bytes)
}

fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A file may grow between the question for its size and now.
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `ErrorKind::FilesystemLoop` is not stable yet: ELOOP, or Windows' ERROR_CANT_RESOLVE_FILENAME.
const LINK_LOOP: i32 = if cfg!(windows) {
    1921
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    40
} else {
    62
};

fn unreadable(path: &Path, source: io::Error) -> PhotoError {
    let path = path.to_path_buf();
    let is_link = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
    match source.kind() {
        _ if source.raw_os_error() == Some(LINK_LOOP) => PhotoError::LinkLoop { path, source },
        io::ErrorKind::NotFound if is_link => PhotoError::BrokenLink { path, source },
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => PhotoError::NotFound { path, source },
        io::ErrorKind::PermissionDenied => PhotoError::Permission { path, source },
        _ => PhotoError::Unreadable { path, source },
    }
}

fn modified_ms(metadata: &Metadata) -> Option<i64> {
    let since_1970 = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_1970.as_millis()).ok()
}

fn decode_named(bytes: &[u8], extension: Option<&str>, limits: &Limits) -> Result<Photo, PhotoError> {
    let format = recognise(bytes, extension)?;
    let source = Source { format, bytes };
    // Decoders are fed hostile bytes; a bug in one must cost one photo, not the app.
    catch_unwind(AssertUnwindSafe(|| source.decode(limits)))
        .unwrap_or_else(|_| Err(source.corrupt("the decoder gave up (panicked) on this file")))
}

/// The formats that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Bmp,
    Gif,
    Jpeg,
    Png,
    Tiff,
    WebP,
}

impl Format {
    fn name(self) -> &'static str {
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
fn recognise(bytes: &[u8], extension: Option<&str>) -> Result<Format, PhotoError> {
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

/// A recognised file.
struct Source<'a> {
    format: Format,
    bytes: &'a [u8],
}

impl Source<'_> {
    fn decode(&self, limits: &Limits) -> Result<Photo, PhotoError> {
        if let Some((width, height)) = self.png_size() {
            check_size(width, height, limits)?; // the decoder wants more than the header before it tells
        }
        let mut decoder = self.decoder().map_err(|source| self.failed(source))?;
        let (width, height) = decoder.dimensions();
        check_size(width, height, limits)?;
        self.check_whole()?;
        let mut memory = image::Limits::no_limits();
        memory.max_alloc = Some(decoder.total_bytes() * 2 + SPARE_MEMORY);
        decoder.set_limits(memory).map_err(|source| self.failed(source))?;
        let exif = decoder.exif_metadata().ok().flatten();
        let stored = decoder.original_color_type();
        let image = DynamicImage::from_decoder(decoder).map_err(|source| self.failed(source))?;
        self.upright(image, stored, exif.as_deref())
    }

    fn upright(
        &self,
        mut image: DynamicImage,
        stored: ExtendedColorType,
        exif: Option<&[u8]>,
    ) -> Result<Photo, PhotoError> {
        let exif = if self.format == Format::Tiff { Some(self.bytes) } else { exif };
        let exif = exif.map(ExifFacts::read).unwrap_or_default();
        image.apply_orientation(Orientation::from_exif(exif.orientation).unwrap_or(Orientation::NoTransforms));
        let picture = self.picture(image, stored)?;
        let facts = Facts {
            format: self.format.name(),
            width: picture.width,
            height: picture.height,
            bytes: self.bytes.len() as u64,
            colour: self.colour(stored),
            orientation: exif.orientation,
            camera: exif.camera,
            taken_ms: exif.taken_ms,
            modified_ms: None,
        };
        Ok(Photo { picture, facts })
    }

    fn decoder(&self) -> ImageResult<Box<dyn ImageDecoder + '_>> {
        let bytes = Cursor::new(self.bytes);
        let mut spare = image::Limits::no_limits();
        spare.max_alloc = Some(SPARE_MEMORY);
        Ok(match self.format {
            Format::Bmp => Box::new(BmpDecoder::new(bytes)?),
            Format::Gif => Box::new(GifDecoder::new(bytes)?),
            Format::Jpeg => Box::new(jpeg::JpegDecoder::new(bytes)?),
            Format::Png => Box::new(PngDecoder::with_limits(bytes, spare)?), // bounds its compressed texts
            Format::Tiff => Box::new(TiffDecoder::new(bytes)?),
            Format::WebP => Box::new(WebPDecoder::new(bytes)?),
        })
    }

    /// These decoders make up what is missing at the end of a file and say nothing, so the end must be there.
    fn check_whole(&self) -> Result<(), PhotoError> {
        let is_whole = match self.format {
            Format::Jpeg => JpegOutline::read(self.bytes).is_whole,
            // RIFF's own length, of which the last byte may be padding that was not written.
            Format::WebP => number(self.bytes, 4, u32::from_le_bytes)
                .is_some_and(|length| self.bytes.len() + 1 >= 8 + length as usize),
            _ => true,
        };
        if is_whole { Ok(()) } else { Err(self.corrupt("the file ends before the picture does")) }
    }

    fn corrupt(&self, why: &str) -> PhotoError {
        PhotoError::Corrupt { format: self.format.name(), source: why.into() }
    }

    fn failed(&self, source: ImageError) -> PhotoError {
        let format = self.format.name();
        match source {
            ImageError::Unsupported(_) => PhotoError::UnsupportedKind { format, source: source.into() },
            ImageError::Limits(_) => PhotoError::TooMuchMemory { format, source: source.into() },
            _ => PhotoError::Corrupt { format, source: source.into() },
        }
    }

    /// Width and height from the first chunk, which must be IHDR.
    fn png_size(&self) -> Option<(u32, u32)> {
        let number = |at| number(self.bytes, at, u32::from_be_bytes);
        (self.format == Format::Png).then_some((number(16)?, number(20)?))
    }

    /// Bit depth and colour type of a PNG, from IHDR.
    fn png_colours(&self) -> Option<(u8, u8)> {
        (self.format == Format::Png).then_some((*self.bytes.get(24)?, *self.bytes.get(25)?))
    }

    /// Whether Pillow opens the file in mode `P` or `1`, which it resizes by picking the nearest pixel.
    fn is_indexed(&self, stored: ExtendedColorType) -> bool {
        match self.format {
            Format::Png => matches!(self.png_colours(), Some((_, 3) | (1, 0))),
            Format::Gif => !self.gif_palette().is_some_and(is_grey_ramp::<3>),
            Format::Bmp => {
                self.bmp_palette().is_some_and(|palette| palette.len() <= 2 * 4 || !is_grey_ramp::<4>(palette))
            }
            Format::Tiff => stored == ExtendedColorType::L1,
            Format::Jpeg | Format::WebP => false,
        }
    }

    fn gif_palette(&self) -> Option<&[u8]> {
        let flags = *self.bytes.get(10)?;
        let length = 3 << ((flags & 7) + 1);
        (flags & 128 != 0).then(|| self.bytes.get(13..13 + length)).flatten()
    }

    /// Blue, green, red and a spare byte per colour.
    fn bmp_palette(&self) -> Option<&[u8]> {
        let number = |at| number(self.bytes, at, u32::from_le_bytes).map(|number| number as usize);
        let (header, bits) = (number(14)?, *self.bytes.get(28)?);
        let colours = number(46).filter(|&used| used != 0).unwrap_or(1 << bits.min(8)).min(256);
        (bits <= 8).then(|| self.bytes.get(14 + header..)?.get(..4 * colours)).flatten()
    }

    fn colour(&self, stored: ExtendedColorType) -> &'static str {
        match (self.png_colours(), stored) {
            (Some((1, 0)), _) | (_, ExtendedColorType::L1) => "black and white 1-bit",
            (Some((2, 0)), _) => "grey 2-bit",
            (Some((4, 0)), _) => "grey 4-bit",
            _ if self.is_indexed(stored) => "palette",
            _ if self.format == Format::Gif || self.format == Format::Bmp && self.bmp_palette().is_some() => {
                "grey 8-bit"
            }
            _ if self.format == Format::Jpeg && JpegOutline::read(self.bytes).components == 4 => "CMYK 8-bit",
            (_, ExtendedColorType::L8) => "grey 8-bit",
            (_, ExtendedColorType::La8) => "grey 8-bit with alpha",
            (_, ExtendedColorType::Rgb8) => "RGB 8-bit",
            (_, ExtendedColorType::Rgba8) => "RGB 8-bit with alpha",
            (_, ExtendedColorType::L16) => "grey 16-bit",
            (_, ExtendedColorType::La16) => "grey 16-bit with alpha",
            (_, ExtendedColorType::Rgb16) => "RGB 16-bit",
            (_, ExtendedColorType::Rgba16) => "RGB 16-bit with alpha",
            (_, ExtendedColorType::Cmyk8) => "CMYK 8-bit",
            (_, ExtendedColorType::Cmyk16) => "CMYK 16-bit",
            _ => "other",
        }
    }

    /// 16-bit levels keep their high byte, as Pillow keeps it for RGB. For 16-bit grey Pillow clips at 255 instead,
    /// which turns a photo white: there we leave it and scale too.
    fn picture(&self, image: DynamicImage, stored: ExtendedColorType) -> Result<Picture, PhotoError> {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let high = |levels: Vec<u16>| levels.into_iter().map(|level| (level >> 8) as u8).collect();
        let (mode, data): (Mode, Vec<u8>) = match image {
            DynamicImage::ImageLuma8(image) => (Mode::Grey, image.into_raw()),
            DynamicImage::ImageLumaA8(image) => (Mode::GreyAlpha, image.into_raw()),
            DynamicImage::ImageRgb8(image) => (Mode::Rgb, image.into_raw()),
            DynamicImage::ImageRgba8(image) => (Mode::Rgba, image.into_raw()),
            DynamicImage::ImageLuma16(image) => (Mode::Grey, high(image.into_raw())),
            DynamicImage::ImageLumaA16(image) => (Mode::GreyAlpha, high(image.into_raw())),
            DynamicImage::ImageRgb16(image) => (Mode::Rgb, high(image.into_raw())),
            DynamicImage::ImageRgba16(image) => (Mode::Rgba, high(image.into_raw())),
            // Nothing in the file says which number is white.
            _ => {
                return Err(PhotoError::UnsupportedKind {
                    format: self.format.name(),
                    source: "its levels are floating-point numbers".into(),
                });
            }
        };
        let picture = Picture { height, width, mode, is_indexed: self.is_indexed(stored), data };
        // One colour that stands for "transparent" is no alpha channel to Pillow.
        Ok(if matches!(self.png_colours(), Some((_, 0 | 2))) { picture.opaque() } else { picture })
    }
}

/// Room for a decoder's own tables, rows and tags, in bytes.
const SPARE_MEMORY: u64 = 512 << 20;

fn check_size(width: u32, height: u32, limits: &Limits) -> Result<(), PhotoError> {
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(PhotoError::TooManyPixels { width, height, limit: limits.pixels });
    }
    if width.max(height) > limits.side {
        return Err(PhotoError::TooLong { width, height, limit: limits.side });
    }
    Ok(())
}

/// Pillow's GifImagePlugin.py, `_is_palette_needed`: a palette that maps each number to itself is plain grey.
fn is_grey_ramp<const STEP: usize>(palette: &[u8]) -> bool {
    let is_grey = |(level, colour): (usize, &[u8])| colour[..3].iter().all(|&part| usize::from(part) == level);
    palette.chunks_exact(STEP).enumerate().all(is_grey)
}

/// Four bytes of a header.
fn number(bytes: &[u8], at: usize, order: fn([u8; 4]) -> u32) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(order)
}

/// What JPEG's markers tell without decoding.
struct JpegOutline {
    is_whole: bool,
    components: u8,
}

impl JpegOutline {
    /// Walks from marker to marker. Compressed data has no bare 0xFF, so it is skipped like any filler.
    fn read(bytes: &[u8]) -> Self {
        let mut outline = Self { is_whole: false, components: 0 };
        let mut rest = &bytes[bytes.len().min(2)..];
        while let Some(at) = rest.iter().position(|&byte| byte == 0xFF) {
            rest = &rest[at + 1..];
            let skipped = match *rest {
                [0xD9, ..] => {
                    return Self { is_whole: true, ..outline };
                }
                [0x00 | 0x01 | 0xD0..=0xD8, ..] => 1, // markers without a segment, and 0xFF as data
                [0xFF, ..] => 0,
                [marker, high, low, ..] => {
                    let is_frame = matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC);
                    if is_frame && let Some(&components) = rest.get(8) {
                        outline.components = components;
                    }
                    1 + usize::from(u16::from_be_bytes([high, low]))
                }
                _ => break,
            };
            rest = &rest[skipped.min(rest.len())..];
        }
        outline
    }
}

impl Mode {
    /// Bytes per pixel.
    pub fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// Whether the last channel is alpha.
    pub fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }
}

impl Picture {
    /// A picture from levels that are already here, rows from the top.
    ///
    /// # Panics
    /// If `data` is not `[height, width, channel]`, or a side is 0.
    pub fn new(height: usize, width: usize, mode: Mode, data: Vec<u8>) -> Self {
        assert!(
            height > 0 && width > 0 && data.len() == height * width * mode.channels(),
            "levels do not fill the picture"
        );
        Self { height, width, mode, is_indexed: false, data }
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Colour mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether Pillow would hold palette numbers or single bits here, which it never mixes.
    pub fn is_indexed(&self) -> bool {
        self.is_indexed
    }

    /// `[height, width, channel]`.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// `[width, channel]`.
    pub(crate) fn row(&self, y: usize) -> &[u8] {
        let length = self.width * self.mode.channels();
        &self.data[y * length..(y + 1) * length]
    }

    /// A copy with at most `longest` pixels a side, alpha over white. Never enlarges.
    pub fn thumbnail(&self, longest: usize) -> Pixels {
        scale_down(self, longest.max(1))
    }

    /// The picture on white paper, without alpha.
    pub(crate) fn over_white(&self) -> Cow<'_, Self> {
        if self.mode.has_alpha() { Cow::Owned(self.without_alpha(over_white)) } else { Cow::Borrowed(self) }
    }

    fn opaque(self) -> Self {
        if self.mode.has_alpha() { self.without_alpha(|colour, _| colour) } else { self }
    }

    /// What `level` makes of each colour and its alpha.
    fn without_alpha(&self, level: fn(u8, u8) -> u8) -> Self {
        let mode = if self.mode == Mode::GreyAlpha { Mode::Grey } else { Mode::Rgb };
        let mut data = Vec::with_capacity(self.height * self.width * mode.channels());
        for pixel in self.data.chunks_exact(mode.channels() + 1) {
            let (colours, alpha) = pixel.split_at(mode.channels());
            data.extend(colours.iter().map(|&colour| level(colour, alpha[0])));
        }
        Self { mode, data, ..*self }
    }
}

/// Pillow's AlphaComposite.c for an opaque white below, in its own fixed point of 7 bits.
fn over_white(colour: u8, alpha: u8) -> u8 {
    const PRECISION_BITS: u32 = 7;
    let above = u32::from(alpha) << PRECISION_BITS;
    let below = (255 << PRECISION_BITS) - above;
    let mixed = u32::from(colour) * above + 255 * below + (0x80 << PRECISION_BITS);
    ((((mixed >> 8) + mixed) >> 8) >> PRECISION_BITS) as u8
}

/// What EXIF tells; whatever is malformed counts as absent.
#[derive(Debug, PartialEq, Eq)]
struct ExifFacts {
    orientation: u8,
    camera: Option<String>,
    taken_ms: Option<i64>,
}

impl Default for ExifFacts {
    fn default() -> Self {
        Self { orientation: 1, camera: None, taken_ms: None }
    }
}

impl ExifFacts {
    /// Reads an EXIF block, which is a TIFF file without a picture.
    fn read(bytes: &[u8]) -> Self {
        const MAKE: u16 = 0x010F;
        const MODEL: u16 = 0x0110;
        const ORIENTATION: u16 = 0x0112;
        const EXIF_LIST: u16 = 0x8769;
        const DATE_TIME_ORIGINAL: u16 = 0x9003;
        let Some((tags, first)) = Tags::new(bytes).and_then(|tags| Some((tags, tags.first()?))) else {
            return Self::default();
        };
        let orientation = tags.number(first, ORIENTATION).filter(|value| (1..=8).contains(value));
        let exif = tags.number(first, EXIF_LIST).map(|at| at as usize);
        Self {
            orientation: orientation.map_or(1, |value| value as u8),
            camera: camera(tags.text(first, MAKE), tags.text(first, MODEL)),
            taken_ms: exif.and_then(|list| camera_clock_ms(&tags.text(list, DATE_TIME_ORIGINAL)?)),
        }
    }
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

/// The tag lists of a TIFF file, which EXIF uses too.
#[derive(Clone, Copy)]
struct Tags<'a> {
    bytes: &'a [u8],
    is_big_endian: bool,
}

impl<'a> Tags<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(b"Exif\0\0").unwrap_or(bytes); // some programs leave JPEG's prefix in WebP
        match bytes.get(..4)? {
            b"II*\0" => Some(Self { bytes, is_big_endian: false }),
            b"MM\0*" => Some(Self { bytes, is_big_endian: true }),
            _ => None,
        }
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// Where the list of the first picture stands.
    fn first(&self) -> Option<usize> {
        self.u32(4).map(|at| at as usize)
    }

    /// Where a tag's entry stands: tag, type, count, value.
    fn entry(&self, list: usize, tag: u16) -> Option<usize> {
        let count = usize::from(self.u16(list)?);
        (0..count).map(|entry| list + 2 + 12 * entry).find(|&at| self.u16(at) == Some(tag))
    }

    fn number(&self, list: usize, tag: u16) -> Option<u32> {
        let at = self.entry(list, tag)?;
        match self.u16(at + 2)? {
            3 => self.u16(at + 8).map(u32::from),
            4 => self.u32(at + 8),
            _ => None,
        }
    }

    fn text(&self, list: usize, tag: u16) -> Option<String> {
        let at = self.entry(list, tag)?;
        let length = self.u32(at + 4)? as usize;
        let start = if length <= 4 { at + 8 } else { self.u32(at + 8)? as usize };
        let text = self.bytes.get(start..)?.get(..length)?.split(|&byte| byte == 0).next()?;
        Some(String::from_utf8_lossy(text).trim().to_owned())
            .filter(|text| self.u16(at + 2) == Some(2) && !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8], extension: Option<&str>) -> &'static str {
        match recognise(bytes, extension) {
            Err(PhotoError::UnsupportedFormat { format }) => format,
            other => panic!("{other:?}"),
        }
    }

    /// A TIFF whose first list has these tags, each a single u32.
    fn tiff(tags: &[(u16, u32)]) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        bytes.extend((tags.len() as u16).to_le_bytes());
        for (tag, value) in tags {
            bytes.extend([tag.to_le_bytes(), 4_u16.to_le_bytes()].concat());
            bytes.extend([1_u32.to_le_bytes(), value.to_le_bytes()].concat());
        }
        bytes
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

    #[test]
    fn a_jpeg_without_its_end_is_not_whole() {
        let whole = [
            0xFF, 0xD8, 0xFF, 0xC0, 0, 9, 8, 0, 1, 0, 1, 4, 0, 0xFF, 0xDA, 0, 2, 7, 0xFF, 0, 0xFF, 0xD0, 7, 0xFF, 0xD9,
        ];
        let outline = JpegOutline::read(&whole);
        assert!(outline.is_whole && outline.components == 4);
        assert!((0..whole.len()).all(|length| !JpegOutline::read(&whole[..length]).is_whole));
    }

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

    #[test]
    fn thumbnails_keep_the_shape_and_never_enlarge() {
        let size = |picture: &Picture, longest| {
            Some(picture.thumbnail(longest)).map(|pixels| [pixels.height, pixels.width]).unwrap()
        };
        let photo = Picture::new(30, 40, Mode::Rgb, vec![9; 3600]);
        assert_eq!((size(&photo, 20), size(&photo, 500)), ([15, 20], [30, 40]));
        assert_eq!(size(&Picture::new(20_000, 1, Mode::Grey, vec![9; 20_000]), 256), [256, 1]);
    }

    #[test]
    fn thumbnails_show_clear_places_white() {
        let clear = Picture::new(1, 2, Mode::GreyAlpha, vec![0, 0, 0, 255]);
        assert_eq!(clear.thumbnail(2).data, [255, 255, 255, 0, 0, 0]);
    }
}
