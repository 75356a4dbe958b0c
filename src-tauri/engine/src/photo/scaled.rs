//! A JPEG decoded at a few eighths of its pixels a side, by libjpeg-turbo.
//!
//! It is not asked whether a file is a photo, nor what it says about itself: `source.rs` has done that. Whatever it
//! complains about, were it only a warning, is left to the decoder of every pixel, so that the same files are refused
//! for the same reasons whatever [`Detail`](super::Detail) is asked for.

use image::{DynamicImage, GrayImage, RgbImage};
use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

/// Scans of a progressive file; encoders make about ten, and an attack on the decoder's time makes thousands.
const MOST_SCANS: u32 = 100;

/// The stored picture at `eighths` of its pixels a side, grey or RGB; `None` if only the other decoder can tell.
///
/// `full` is the `[height, width]` that the other decoder read in the header.
pub(super) fn decode(bytes: &[u8], full: [usize; 2], eighths: usize) -> Option<DynamicImage> {
    let mut decompressor = Decompressor::new().ok()?;
    let header = decompressor.read_header(bytes).ok()?;
    // Scaling is for waves, and the other decoder does not know arithmetic coding.
    if [header.height, header.width] != full || header.is_lossless || header.is_arithmetic {
        return None;
    }
    let (format, channels) = match header.colorspace {
        Colorspace::YCbCr => (PixelFormat::RGB, 3),
        Colorspace::Gray => (PixelFormat::GRAY, 1),
        _ => return None, // inks, whose mixture is a matter of opinion, and RGB, which some programs only claim
    };
    let scaling = ScalingFactor::new(eighths, 8);
    decompressor.set_scaling_factor(scaling).ok()?;
    decompressor.set_scan_limit(MOST_SCANS).ok()?;
    let (height, width) = (scaling.scale(header.height), scaling.scale(header.width));
    let mut pixels = vec![0; height * width * channels];
    let image = Image { pixels: &mut pixels[..], width, pitch: width * channels, height, format };
    decompressor.decompress(bytes, image).ok()?;
    let (width, height) = (width as u32, height as u32);
    Some(match format {
        PixelFormat::GRAY => DynamicImage::ImageLuma8(GrayImage::from_raw(width, height, pixels)?),
        _ => DynamicImage::ImageRgb8(RgbImage::from_raw(width, height, pixels)?),
    })
}
