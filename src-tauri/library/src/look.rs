//! How a picture looks, in 64 bits: near duplicates differ in a few of them.
//!
//! This is the difference hash, dHash, of N. Krawetz, "Kind of Like That" (hackerfactor.com, 2013-01-21): the picture
//! shrunk to 9 × 8 grey levels, and of each level whether its right neighbour is brighter. Scaling, compression and
//! brightness hardly change it; cropping and turning do, and embeddings see those. Shrinking takes means of areas, so
//! nothing depends on the size of the picture.

use image::ImageFormat;

use crate::LibraryError;

const COLUMNS: usize = 9;
const ROWS: usize = 8;

/// The hash of a picture; two looks are as far apart as bits differ, 0 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Look(pub u64);

impl Look {
    /// From grey levels; `None` if there are none, or not as many as the sides say.
    ///
    /// # Shapes
    /// - levels: `[height, width]`
    pub fn of_levels(levels: &[u8], width: usize, height: usize) -> Option<Self> {
        if width == 0 || height == 0 || width.checked_mul(height) != Some(levels.len()) {
            return None;
        }
        let small = shrink(levels, width, height);
        let pairs = small.chunks_exact(COLUMNS).flat_map(|row| row.windows(2));
        Some(Self(pairs.fold(0, |bits, pair| bits << 1 | u64::from(pair[1] > pair[0] + NOISE))))
    }

    /// From a thumbnail; pictures larger than any thumbnail are refused before they are decoded.
    pub fn of_jpeg(jpeg: &[u8]) -> Result<Self, LibraryError> {
        const LARGEST: u32 = 4096;
        let refused = |error: image::ImageError| LibraryError::Refused(format!("the thumbnail is no JPEG: {error}"));
        let mut reader = image::ImageReader::with_format(std::io::Cursor::new(jpeg), ImageFormat::Jpeg);
        let mut limits = image::Limits::default();
        (limits.max_image_width, limits.max_image_height) = (Some(LARGEST), Some(LARGEST));
        reader.limits(limits);
        let levels = reader.decode().map_err(refused)?.into_luma8();
        let (width, height) = levels.dimensions();
        Self::of_levels(levels.as_raw(), width as usize, height as usize)
            .ok_or_else(|| LibraryError::Refused("the thumbnail has no pixels".into()))
    }

    /// As the database keeps it.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// From a database column; `None` unless it has 8 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(u64::from_be_bytes(bytes)))
    }

    /// How many bits differ, 0 to 64.
    pub fn distance(self, other: Self) -> u32 {
        (self.0 ^ other.0).count_ones()
    }
}

/// Brighter by less than this, of 255, is not brighter: else noise would decide the bits of an even sky.
const NOISE: f32 = 0.5;

/// Means of the areas that the new pixels cover, `[ROWS, COLUMNS]`; pixels on a border count in part.
fn shrink(levels: &[u8], width: usize, height: usize) -> [f32; ROWS * COLUMNS] {
    let mut rows = vec![[0.0_f32; COLUMNS]; height];
    for (row, levels) in rows.iter_mut().zip(levels.chunks_exact(width)) {
        for (column, mean) in row.iter_mut().enumerate() {
            *mean = area(width, COLUMNS, column, |at| f32::from(levels[at]));
        }
    }
    std::array::from_fn(|at| area(height, ROWS, at / COLUMNS, |row| rows[row][at % COLUMNS]))
}

/// The mean over the `at`-th of `parts` equal stretches of `length` samples.
fn area(length: usize, parts: usize, at: usize, level: impl Fn(usize) -> f32) -> f32 {
    let edge = |at: usize| at as f32 * length as f32 / parts as f32;
    let (begin, end) = (edge(at), edge(at + 1).min(length as f32));
    let samples = begin as usize..(end.ceil() as usize).min(length);
    let weight = |at: usize| (end.min(at as f32 + 1.0) - begin.max(at as f32)).max(0.0);
    samples.map(|at| weight(at) * level(at)).sum::<f32>() / (end - begin)
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GrayImage, Luma, codecs::jpeg::JpegEncoder, imageops};

    use super::*;

    /// Blobs of light, another picture for every seed.
    fn picture(seed: u32, width: u32, height: u32) -> GrayImage {
        GrayImage::from_fn(width, height, |x, y| {
            let (x, y, s) = (x as f32 / width as f32, y as f32 / height as f32, seed as f32);
            let level = (x * (3.0 + s * 1.7) + s).sin() + (y * (4.0 + s * 0.9) - s).cos() + (x * y * 9.0 * s).sin();
            Luma([(127.0 + 42.0 * level) as u8])
        })
    }

    fn look(picture: &GrayImage) -> Look {
        Look::of_levels(picture.as_raw(), picture.width() as usize, picture.height() as usize).unwrap()
    }

    fn jpeg(picture: &GrayImage, quality: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
        DynamicImage::from(picture.clone()).write_with_encoder(encoder).unwrap();
        bytes
    }

    #[test]
    fn bits_say_whether_the_right_neighbour_is_brighter() {
        let rising: Vec<u8> = (0..8).flat_map(|_| (0..9).map(|x| x * 20)).collect();
        let falling: Vec<u8> = rising.iter().map(|level| 200 - level).collect();
        assert_eq!(Look::of_levels(&rising, 9, 8), Some(Look(u64::MAX)));
        assert_eq!(Look::of_levels(&falling, 9, 8), Some(Look(0)));
        let mut one = vec![100; 72];
        one[1] = 200;
        assert_eq!(Look::of_levels(&one, 9, 8), Some(Look(1 << 63)));
    }

    #[test]
    fn size_quality_and_brightness_change_a_look_little() {
        for seed in 1..6 {
            let original = picture(seed, 640, 480);
            let small = imageops::resize(&original, 200, 150, imageops::FilterType::Triangle);
            let dim = GrayImage::from_fn(640, 480, |x, y| Luma([original.get_pixel(x, y).0[0] / 2 + 20]));
            assert!(look(&original).distance(look(&small)) <= 3);
            assert!(look(&original).distance(look(&dim)) <= 3);
            assert!(look(&original).distance(Look::of_jpeg(&jpeg(&small, 40)).unwrap()) <= 5);
        }
    }

    #[test]
    fn other_pictures_look_otherwise() {
        let looks: Vec<Look> = (1..8).map(|seed| look(&picture(seed, 300, 200))).collect();
        for (at, one) in looks.iter().enumerate() {
            assert!(looks[..at].iter().all(|other| one.distance(*other) > 10), "{at}");
        }
    }

    #[test]
    fn what_is_no_picture_has_no_look() {
        assert_eq!(Look::of_levels(&[], 0, 5), None);
        assert_eq!(Look::of_levels(&[1, 2, 3], 2, 2), None);
        assert!(Look::of_levels(&[9], 1, 1).is_some());
        assert!(Look::of_jpeg(b"\xFF\xD8\xFF\xFF\xD9").is_err());
        assert_eq!(Look::from_slice(&Look(77).to_bytes()), Some(Look(77)));
        assert_eq!(Look::from_slice(&[1; 7]), None);
    }
}
