//! A recognised file becomes an upright picture and its facts.
//!
//! The `image` crate decodes. Added here is what it does not tell: whether the end of the file is there, and what
//! Pillow makes of palettes, single bits and CMYK. Levels go to `picture.rs`; EXIF is read by `exif.rs`.

use super::error::PhotoError;
use super::exif::ExifFacts;
use super::format::Format;
use super::picture::{Mode, Picture};
use super::{Colour, ColourModel, Facts, Limits, Photo};
use image::codecs::{
    bmp::BmpDecoder, gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder,
};
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageResult};
use std::io::Cursor;

/// A recognised file.
pub(super) struct Source<'a> {
    pub(super) format: Format,
    pub(super) bytes: &'a [u8],
}

impl Source<'_> {
    pub(super) fn decode(&self, limits: &Limits) -> Result<Photo, PhotoError> {
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
        let exif = match self.format {
            Format::Tiff => ExifFacts::read(self.bytes),
            _ => exif.map(ExifFacts::read).unwrap_or_default(),
        };
        image.apply_orientation(Orientation::from_exif(exif.orientation).unwrap_or(Orientation::NoTransforms));
        let picture = self.picture(image, stored)?;
        let facts = Facts {
            format: self.format.name(),
            width: picture.width(),
            height: picture.height(),
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
            Format::Jpeg => JpegOutline::read(self.bytes).is_whole,
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
            _ if self.format == Format::Jpeg && JpegOutline::read(self.bytes).components == 4 => colour(Cmyk, 8, false),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jpeg_without_its_end_is_not_whole() {
        let whole = [
            0xFF, 0xD8, 0xFF, 0xC0, 0, 9, 8, 0, 1, 0, 1, 4, 0, 0xFF, 0xDA, 0, 2, 7, 0xFF, 0, 0xFF, 0xD0, 7, 0xFF, 0xD9,
        ];
        let outline = JpegOutline::read(&whole);
        assert!(outline.is_whole && outline.components == 4);
        assert!((0..whole.len()).all(|length| !JpegOutline::read(&whole[..length]).is_whole));
    }
}
