//! Decoding files, and what a tower sees of them.

use std::hint::black_box;

use cliploupe_engine::{
    photo::{self, Detail, Limits, Mode, Picture},
    preprocess::{Pixels, PreprocessConfig, normalise, resize_and_crop},
};
use image::{ExtendedColorType, codecs::png::PngEncoder};

use super::{Figure, figure, median, millis, scene};
use crate::thumbnails::THUMBNAIL_PX;

/// Megapixels in words, height and width.
const SIZES: [(&str, usize, usize); 2] = [("12 MP", 3000, 4000), ("2 MP", 1200, 1600)];

/// Decoding from memory, exactly and as far as the model and a thumbnail can tell, and preprocessing by the model's
/// configuration. One picture at a time, on one thread.
pub fn pictures(preprocess: &PreprocessConfig) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (name, height, width) in SIZES {
        let pixels = scene(height, width, 0);
        let jpeg = photo::jpeg_bytes(&pixels, 90).expect("a picture fits into a JPEG");
        let png = png_bytes(&pixels);
        let enough = Detail::Enough { tower: Some(preprocess), longest: THUMBNAIL_PX };
        for (format, bytes, detail) in
            [("JPEG", &jpeg, Detail::Exact), ("JPEG, fast", &jpeg, enough), ("PNG", &png, Detail::Exact)]
        {
            let time = median(|| drop(black_box(decode(bytes, detail))));
            figures.push(figure(format!("decode {name} {format}"), millis(time), "ms"));
        }
        let prepare = |picture: &Picture| drop(black_box(normalise(&resize_and_crop(picture, preprocess), preprocess)));
        let picture = Picture::new(height, width, Mode::Rgb, pixels.data);
        figures.push(figure(format!("preprocess {name}"), millis(median(|| prepare(&picture))), "ms"));
        for (format, detail) in [("JPEG", Detail::Exact), ("JPEG, fast", enough)] {
            let time = median(|| prepare(&decode(&jpeg, detail)));
            figures.push(figure(format!("{name} {format}, to what the tower sees"), millis(time), "ms"));
        }
    }
    figures
}

fn decode(bytes: &[u8], detail: Detail) -> Picture {
    photo::decode_with(bytes, &Limits::default(), detail).expect("a picture that was made a moment ago").picture
}

fn png_bytes(pixels: &Pixels) -> Vec<u8> {
    use image::ImageEncoder;
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(&pixels.data, pixels.width as u32, pixels.height as u32, ExtendedColorType::Rgb8)
        .expect("memory takes all that is written");
    bytes
}
