//! A recognised file becomes an upright picture and its facts.
//!
//! The `image` crate decodes, or `scaled.rs` where fewer pixels are enough. Added here is what they do not tell: whether
//! the end of the file is there (`outline.rs`), and what Pillow makes of palettes, single bits and CMYK. Levels go to
//! `picture.rs`; EXIF is read by `exif.rs`.

use super::error::PhotoError;
use super::exif::ExifFacts;
use super::format::Format;
use super::outline::JpegOutline;
use super::picture::{Mode, Picture};
use super::scaled;
use super::side::{Side, turned};
use super::{Colour, ColourModel, Detail, Facts, Limits, Photo};
use image::codecs::{
    bmp::BmpDecoder, gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder,
};
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageResult};
use std::io::Cursor;

/// A recognised file.
pub(super) struct Source<'a> {
    format: Format,
    bytes: &'a [u8],
    outline: JpegOutline,
}

impl<'a> Source<'a> {
    pub(super) fn new(format: Format, bytes: &'a [u8]) -> Self {
        let outline = if format == Format::Jpeg { JpegOutline::read(bytes) } else { JpegOutline::default() };
        Self { format, bytes, outline }
    }

    pub(super) fn decode(&self, limits: &Limits, detail: Detail) -> Result<Photo, PhotoError> {
        if let Some((width, height)) = self.png_size() {
            check_size(width, height, limits)?; // the decoder wants more than the header before it tells
        }
        let mut decoder = self.decoder().map_err(|source| self.failed(source))?;
        let (width, height) = decoder.dimensions();
        check_size(width, height, limits)?;
        self.check_whole()?;
        let memory = decoder.total_bytes() * 2 + SPARE_MEMORY;
        decoder.set_limits(memory_limit(memory)).map_err(|source| self.failed(source))?;
        let exif = decoder.exif_metadata().ok().flatten();
        let exif = match self.format {
            Format::Tiff => ExifFacts::read(self.bytes),
            _ => exif.as_deref().map(ExifFacts::read).unwrap_or_default(),
        };
        let stored = decoder.original_color_type();
        let full = [height as usize, width as usize];
        let (mut image, eighths) = match self.scaled(full, exif.orientation, detail) {
            Some(scaled) => scaled,
            None => (DynamicImage::from_decoder(decoder).map_err(|source| self.failed(source))?, 8),
        };
        let [rows, columns] = full.map(|side| Side::scaled(side, eighths));
        image.apply_orientation(Orientation::from_exif(exif.orientation).unwrap_or(Orientation::NoTransforms));
        let picture = self.picture(image, stored, turned(rows, columns, exif.orientation))?;
        Ok(Photo { facts: self.facts(&picture, stored, exif), picture })
    }

    /// Bytes that [`Self::decode`] takes at most while it decodes, by the header; 0 where it will refuse the file.
    pub(super) fn decoded_bytes(&self, limits: &Limits, detail: Detail) -> u64 {
        if self.png_size().is_some_and(|(width, height)| check_size(width, height, limits).is_err()) {
            return 0;
        }
        let Ok(decoder) = self.decoder() else { return 0 };
        let (width, height) = decoder.dimensions();
        if check_size(width, height, limits).is_err() {
            return 0;
        }
        // Turning a picture upright takes a second copy. An orientation is not asked for: it may swap the sides, and which
        // share of a picture is enough hardly depends on that.
        let both = 2 * decoder.total_bytes();
        match self.format {
            Format::Jpeg => both * (detail.eighths([height as usize, width as usize]) as u64).pow(2) / 64,
            _ => both,
        }
    }

    /// The stored picture at fewer pixels, if that is enough and can be done, and how many eighths a side they are.
    fn scaled(&self, full: [usize; 2], orientation: u8, detail: Detail) -> Option<(DynamicImage, usize)> {
        let upright = turned(Side::whole(full[0]), Side::whole(full[1]), orientation).map(|side| side.full);
        let eighths = detail.eighths(upright);
        // At all eighths there is nothing to gain that would be worth another decoder's roundings.
        let may = self.format == Format::Jpeg && eighths < 8 && !self.outline.is_rgb_by_adobe;
        may.then(|| scaled::decode(self.bytes, full, eighths)).flatten().map(|image| (image, eighths))
    }

    fn facts(&self, picture: &Picture, stored: ExtendedColorType, exif: ExifFacts) -> Facts {
        let [height, width] = picture.full_size();
        Facts {
            format: self.format.name(),
            width,
            height,
            bytes: self.bytes.len() as u64,
            colour: self.colour(stored),
            orientation: exif.orientation,
            camera: exif.camera,
            taken_ms: exif.taken_ms,
            modified_ms: None,
        }
    }

    fn decoder(&self) -> ImageResult<Box<dyn ImageDecoder + '_>> {
        let bytes = Cursor::new(self.bytes);
        Ok(match self.format {
            Format::Bmp => Box::new(BmpDecoder::new(bytes)?),
            Format::Gif => Box::new(GifDecoder::new(bytes)?),
            Format::Jpeg => Box::new(JpegDecoder::new(bytes)?),
            Format::Png => Box::new(PngDecoder::with_limits(bytes, memory_limit(SPARE_MEMORY))?), // bounds its texts
            Format::Tiff => Box::new(TiffDecoder::new(bytes)?),
            Format::WebP => Box::new(WebPDecoder::new(bytes)?),
        })
    }

    /// These decoders make up what is missing at the end of a file and say nothing, so the end must be there.
    fn check_whole(&self) -> Result<(), PhotoError> {
        let is_whole = match self.format {
            Format::Jpeg => self.outline.is_whole,
            // RIFF's own length, of which the last byte may be padding that was not written.
            Format::WebP => number(self.bytes, 4, u32::from_le_bytes)
                .is_some_and(|length| self.bytes.len() + 1 >= 8 + length as usize),
            _ => true,
        };
        if is_whole { Ok(()) } else { Err(self.corrupt("the file ends before the picture does")) }
    }

    pub(super) fn corrupt(&self, why: &str) -> PhotoError {
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

    fn colour(&self, stored: ExtendedColorType) -> Colour {
        use ColourModel::{BlackAndWhite, Cmyk, Grey, Other, Palette, Rgb};
        let colour = |model, bits, alpha| Colour { model, bits, alpha };
        match (self.png_colours(), stored) {
            (Some((1, 0)), _) | (_, ExtendedColorType::L1) => colour(BlackAndWhite, 1, false),
            (Some((2, 0)), _) => colour(Grey, 2, false),
            (Some((4, 0)), _) => colour(Grey, 4, false),
            _ if self.is_indexed(stored) => colour(Palette, 8, false),
            _ if self.format == Format::Gif || self.format == Format::Bmp && self.bmp_palette().is_some() => {
                colour(Grey, 8, false)
            }
            _ if self.format == Format::Jpeg && self.outline.components == 4 => colour(Cmyk, 8, false),
            (_, ExtendedColorType::L8) => colour(Grey, 8, false),
            (_, ExtendedColorType::La8) => colour(Grey, 8, true),
            (_, ExtendedColorType::Rgb8) => colour(Rgb, 8, false),
            (_, ExtendedColorType::Rgba8) => colour(Rgb, 8, true),
            (_, ExtendedColorType::L16) => colour(Grey, 16, false),
            (_, ExtendedColorType::La16) => colour(Grey, 16, true),
            (_, ExtendedColorType::Rgb16) => colour(Rgb, 16, false),
            (_, ExtendedColorType::Rgba16) => colour(Rgb, 16, true),
            (_, ExtendedColorType::Cmyk8) => colour(Cmyk, 8, false),
            (_, ExtendedColorType::Cmyk16) => colour(Cmyk, 16, false),
            (_, other) => colour(Other, (other.bits_per_pixel() / u16::from(other.channel_count())) as u8, false),
        }
    }

    /// 16-bit levels keep their high byte, as Pillow keeps it for RGB. For 16-bit grey Pillow clips at 255 instead,
    /// which turns a photo white: there we leave it and scale too.
    fn picture(
        &self,
        image: DynamicImage,
        stored: ExtendedColorType,
        [rows, columns]: [Side; 2],
    ) -> Result<Picture, PhotoError> {
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
        let picture = Picture { rows, columns, mode, is_indexed: self.is_indexed(stored), data };
        // One colour that stands for "transparent" is no alpha channel to Pillow.
        Ok(if matches!(self.png_colours(), Some((_, 0 | 2))) { picture.opaque() } else { picture })
    }
}

/// Room for a decoder's own tables, rows and tags, in bytes.
const SPARE_MEMORY: u64 = 512 << 20;

fn memory_limit(bytes: u64) -> image::Limits {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(bytes);
    limits
}

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
