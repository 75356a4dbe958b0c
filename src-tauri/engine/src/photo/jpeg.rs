//! Pixels become a JPEG file: small copies and large views. How photos are read: `source.rs`, `scaled.rs`.

use crate::preprocess::Pixels;
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

/// A picture cannot be a JPEG, because a side is beyond its 65500 pixels.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {width} × {height} pixels as JPEG")]
pub struct JpegError {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// What the encoder said.
    pub source: turbojpeg::Error,
}

/// A picture as JPEG bytes, colours at half the pixels a side; `quality` is 1 to 100.
pub fn jpeg_bytes(pixels: &Pixels, quality: u8) -> Result<Vec<u8>, JpegError> {
    let Pixels { height, width, ref data } = *pixels;
    let encode = || {
        let mut compressor = Compressor::new()?;
        compressor.set_quality(quality.into())?;
        compressor.set_subsamp(Subsamp::Sub2x2)?;
        compressor.compress_to_vec(Image { pixels: data, width, pitch: width * 3, height, format: PixelFormat::RGB })
    };
    encode().map_err(|source| JpegError { width, height, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::{Limits, decode};

    #[test]
    fn what_is_written_can_be_read_back() {
        let data = (0..48 * 64).flat_map(|at| [(at % 64 * 4) as u8, (at / 64 * 5) as u8, 90]).collect();
        let pixels = Pixels { height: 48, width: 64, data };
        let photo = decode(&jpeg_bytes(&pixels, 90).unwrap(), &Limits::default()).unwrap();
        assert_eq!((photo.picture.height(), photo.picture.width()), (48, 64));
        let difference = photo.picture.data().iter().zip(&pixels.data).map(|(a, b)| u32::from(a.abs_diff(*b)));
        assert!(difference.sum::<u32>() < 2 * 48 * 64 * 3, "more than two levels on average");
    }

    #[test]
    fn a_side_beyond_jpegs_is_an_error() {
        let pixels = Pixels { height: 1, width: 70_000, data: vec![0; 210_000] };
        assert_eq!(jpeg_bytes(&pixels, 85).unwrap_err().to_string(), "cannot write 70000 × 1 pixels as JPEG");
    }
}
