//! Photos of which fewer pixels are decoded: the same facts and errors, enough pixels, and the same view of the picture.

use std::{fs, io::Cursor};

use cliploupe_engine::{
    Device, Model,
    photo::{self, Detail, FileBytes, Limits, Mode, Photo, PhotoError, Picture, jpeg_bytes},
    preprocess::{Pixels, PreprocessConfig, ResizeMode, normalise, resize_and_crop, resized_size},
};
use image::{
    DynamicImage, ExtendedColorType, ImageEncoder, Rgb, RgbImage,
    codecs::jpeg::JpegEncoder,
    imageops::{FilterType, resize},
};
use proptest::prelude::*;
use turbojpeg::{Colorspace, Compressor, Image, PixelFormat, Subsamp};

use crate::support::{asset, fixture, load};

const MODES: [ResizeMode; 3] = [ResizeMode::Shortest, ResizeMode::Longest, ResizeMode::Squash];

fn tower(size: [usize; 2], resize_mode: ResizeMode) -> PreprocessConfig {
    PreprocessConfig { size, resize_mode, ..Default::default() }
}

fn exact(bytes: &[u8]) -> Result<Photo, PhotoError> {
    photo::decode(bytes, &Limits::default())
}

fn enough(bytes: &[u8], tower: &PreprocessConfig, longest: usize) -> Result<Photo, PhotoError> {
    photo::decode_with(bytes, &Limits::default(), Detail::Enough { tower: Some(tower), longest })
}

/// Slopes: red says how far to the right, green how far down, so that every shift and every turn shows.
fn slopes(width: u32, height: u32) -> RgbImage {
    let level = |at: u32, length: u32| (20 + at * 215 / length) as u8;
    RgbImage::from_fn(width, height, |x, y| Rgb([level(x, width), level(y, height), level(x + y, width + height)]))
}

/// A JPEG with EXIF's orientation, colours at full size.
fn oriented(stored: &RgbImage, orientation: u8) -> Vec<u8> {
    let exif = [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat();
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 97);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.write_image(stored, stored.width(), stored.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

fn compressed(stored: &RgbImage, change: impl FnOnce(&mut Compressor) -> turbojpeg::Result<()>) -> Vec<u8> {
    let (width, height) = (stored.width() as usize, stored.height() as usize);
    let mut compressor = Compressor::new().unwrap();
    change(&mut compressor).unwrap();
    let image = Image { pixels: stored.as_raw().as_slice(), width, pitch: width * 3, height, format: PixelFormat::RGB };
    compressor.compress_to_vec(image).unwrap()
}

fn mean_difference(ours: &Pixels, theirs: &Pixels) -> f64 {
    assert_eq!((ours.height, ours.width), (theirs.height, theirs.width));
    let sum: f64 = ours.data.iter().zip(&theirs.data).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / ours.data.len() as f64
}

/// How much brighter each channel is on average.
fn mean_gain(ours: &Pixels, theirs: &Pixels) -> [f64; 3] {
    let pixels = |pixels: &Pixels| pixels.data.as_chunks::<3>().0.to_vec();
    let (ours, theirs) = (pixels(ours), pixels(theirs));
    std::array::from_fn(|channel| {
        let gain = |(a, b): (&[u8; 3], &[u8; 3])| f64::from(a[channel]) - f64::from(b[channel]);
        ours.iter().zip(&theirs).map(gain).sum::<f64>() / ours.len() as f64
    })
}

fn is_scaled(picture: &Picture) -> bool {
    picture.full_size() != [picture.height(), picture.width()]
}

#[test]
fn facts_and_view_do_not_depend_on_the_detail_whichever_way_is_up() {
    // Sides that no number of eighths divides: at an eighth, the last row and column lie almost wholly outside.
    let stored = slopes(401, 297);
    for (orientation, resize_mode) in (1..=8).flat_map(|orientation| MODES.map(|mode| (orientation, mode))) {
        let bytes = oriented(&stored, orientation);
        let exact = exact(&bytes).unwrap();
        for size in [[12, 12], [16, 10], [40, 40]] {
            let tower = tower(size, resize_mode);
            let enough = enough(&bytes, &tower, 0).unwrap();
            let name = format!("orientation {orientation}, {size:?} {resize_mode:?}");
            assert!(is_scaled(&enough.picture), "{name}");
            assert_eq!(enough.facts, exact.facts, "{name}");
            assert_eq!(enough.picture.full_size(), [exact.picture.height(), exact.picture.width()], "{name}");
            let [ours, theirs] = [&enough, &exact].map(|photo| resize_and_crop(&photo.picture, &tower));
            let difference = mean_difference(&ours, &theirs);
            assert!(difference < 1.0, "{name}: {difference} levels");
            // A pixel of the tower is at least 5 levels wide here, so half a level is a tenth of a pixel.
            let gain = mean_gain(&ours, &theirs);
            assert!(gain.iter().all(|gain| gain.abs() < 0.5), "{name}: moved by {gain:?} levels");
        }
        let [ours, theirs] =
            [enough(&bytes, &tower([8, 8], resize_mode), 50).unwrap(), exact].map(|photo| photo.picture.thumbnail(50));
        assert!(mean_difference(&ours, &theirs) < 1.0, "orientation {orientation}: the thumbnail");
    }
}

#[test]
fn every_kind_of_jpeg_looks_as_with_every_pixel() {
    let stored = slopes(401, 297);
    let clip = tower([32, 32], ResizeMode::Shortest);
    let sampled = [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Sub1x2, Subsamp::Sub4x1];
    let mut kinds: Vec<(String, Vec<u8>)> = sampled
        .map(|subsamp| (format!("{subsamp:?}"), compressed(&stored, |compressor| compressor.set_subsamp(subsamp))))
        .into();
    kinds.push(("progressive".into(), compressed(&stored, |compressor| compressor.set_progressive(true))));
    kinds.push(("grey".into(), compressed(&stored, |compressor| compressor.set_subsamp(Subsamp::Gray))));
    for (name, bytes) in kinds {
        let (exact, enough) = (exact(&bytes).unwrap(), enough(&bytes, &clip, 0).unwrap());
        assert!(is_scaled(&enough.picture), "{name}");
        assert_eq!((&enough.facts, enough.picture.mode()), (&exact.facts, exact.picture.mode()), "{name}");
        assert_eq!(enough.picture.mode() == Mode::Grey, name == "grey");
        let [ours, theirs] = [enough, exact].map(|photo| resize_and_crop(&photo.picture, &clip));
        let difference = mean_difference(&ours, &theirs);
        assert!(difference < 1.0, "{name}: {difference} levels");
    }
}

/// What the scaling decoder does not know, or would understand in its own way, is left to the other.
#[test]
fn rare_kinds_of_jpeg_are_decoded_whole_or_refused_as_ever() {
    let stored = slopes(401, 297);
    let clip = tower([8, 8], ResizeMode::Shortest);
    let rgb = compressed(&stored, |compressor| compressor.set_colorspace(Colorspace::RGB));
    let cmyk = fs::read(fixture("bad/cmyk.jpg")).unwrap();
    // Two marks that contradict each other: JFIF's, which says YCbCr, and Adobe's, which says RGB.
    let adobe = [&b"\xFF\xEE\0\x0EAdobe"[..], &[0, 100, 0, 0, 0, 0, 0]].concat();
    let plain = compressed(&stored, |_| Ok(()));
    let torn = [&plain[..2], &adobe, &plain[2..]].concat();
    for (name, bytes) in [("RGB", rgb), ("CMYK", cmyk), ("JFIF and Adobe", torn)] {
        assert_eq!(enough(&bytes, &tower([1, 1], ResizeMode::Squash), 0).unwrap(), exact(&bytes).unwrap(), "{name}");
    }
    for change in [Compressor::set_arithmetic, Compressor::set_lossless] {
        let bytes = compressed(&stored, |compressor| change(compressor, true));
        let [ours, theirs] = [enough(&bytes, &clip, 0), exact(&bytes)].map(|photo| photo.unwrap_err().to_string());
        assert_eq!(ours, theirs);
    }
    for format in [image::ImageFormat::Png, image::ImageFormat::WebP] {
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(stored.clone()).write_to(&mut bytes, format).unwrap();
        let bytes = bytes.into_inner();
        assert_eq!(enough(&bytes, &clip, 0).unwrap(), exact(&bytes).unwrap());
    }
}

#[test]
fn limits_are_checked_before_pixels_are_decoded() {
    let bytes = compressed(&slopes(401, 297), |_| Ok(()));
    let clip = tower([8, 8], ResizeMode::Shortest);
    let detail = Detail::Enough { tower: Some(&clip), longest: 0 };
    let limits = Limits { pixels: 401 * 297 - 1, ..Limits::default() };
    let refused = photo::decode_with(&bytes, &limits, detail);
    assert!(matches!(refused, Err(PhotoError::TooManyPixels { width: 401, height: 297, .. })));
}

#[test]
fn a_file_tells_when_it_was_written_whatever_the_detail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo.jpg");
    fs::write(&path, compressed(&slopes(401, 297), |_| Ok(()))).unwrap();
    let limits = Limits::default();
    let small = photo::open_with(&path, &limits, Detail::Enough { tower: None, longest: 40 }).unwrap();
    assert!(is_scaled(&small.picture) && small.facts.modified_ms.is_some());
    assert_eq!(small.facts, FileBytes::read(&path, &limits).unwrap().decode(&limits).unwrap().facts);
}

/// A file that was damaged anywhere is refused or taken alike: what the scaling decoder only warns of, it does not decide.
#[test]
fn damaged_files_are_refused_alike() {
    let stored = slopes(120, 90);
    let clip = tower([8, 8], ResizeMode::Shortest);
    let kinds = [
        compressed(&stored, |compressor| compressor.set_subsamp(Subsamp::Sub2x2)),
        compressed(&stored, |compressor| compressor.set_progressive(true)),
    ];
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    let mut refused = 0;
    for (kind, whole) in kinds.iter().enumerate() {
        for case in 0..1500 {
            let mut bytes = whole.clone();
            match case % 3 {
                0 => bytes.truncate(noise() % whole.len()),
                _ => bytes[2 + noise() % (whole.len() - 2)] = noise() as u8,
            }
            let (ours, theirs) = (enough(&bytes, &clip, 0), exact(&bytes));
            refused += usize::from(theirs.is_err());
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => assert_eq!(ours.facts, theirs.facts, "kind {kind}, case {case}"),
                (Err(ours), Err(theirs)) => assert_eq!(ours.to_string(), theirs.to_string()),
                (ours, theirs) => panic!("kind {kind}, case {case}: {:?} but {:?}", ours.err(), theirs.err()),
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// Never below twice what the tower's resize leaves, nor below a thumbnail.
    #[test]
    fn there_are_enough_pixels_at_a_share_that_is_fast(
        width in 1_u32..260, height in 1_u32..260, orientation in 1_u8..=8,
        size in (1_usize..50, 1_usize..50), mode in 0_usize..3, is_square: bool, longest in 0_usize..120,
    ) {
        let bytes = oriented(&slopes(width, height), orientation);
        let tower = tower(if is_square { [size.0; 2] } else { [size.0, size.1] }, MODES[mode]);
        let photo = enough(&bytes, &tower, longest).unwrap();
        let full = photo.picture.full_size();
        let resized = resized_size(full, &tower);
        let share = |side: usize| side.min(longest * side / full[0].max(full[1]));
        let suffices = |eighths: usize| {
            let here = full.map(|side| side as f64 * eighths as f64 / 8.0);
            (0..2).all(|side| here[side] >= 2.0 * resized[side] as f64 && here[side] > share(full[side]) as f64 - 1.0)
        };
        let here = [photo.picture.height(), photo.picture.width()];
        // Small pictures have the same size at several shares.
        let mut shares = [1, 2, 4, 8].into_iter().filter(|share| full.map(|side| (side * share).div_ceil(8)) == here);
        prop_assert!(shares.any(|share| share == 8 || suffices(share)), "{here:?} of {full:?} for {resized:?}");
        let thumbnail = photo.picture.thumbnail(longest.max(1));
        let whole = exact(&bytes).unwrap().picture.thumbnail(longest.max(1));
        prop_assert_eq!([thumbnail.height, thumbnail.width], [whole.height, whole.width]);
        prop_assert_eq!(resize_and_crop(&photo.picture, &tower).data.len(), tower.size[0] * tower.size[1] * 3);
    }
}

/// A photo as a camera would have taken it: larger than its file, with grain.
fn enlarged(path: &std::path::Path) -> Vec<u8> {
    let small = image::open(path).unwrap().into_rgb8();
    let mut large = resize(&small, small.width() * 7 / 2, small.height() * 7 / 2, FilterType::CatmullRom);
    let mut state = 7_u32;
    for level in large.iter_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *level = level.saturating_add((state >> 28) as u8).saturating_sub(8);
    }
    let (height, width) = (large.height() as usize, large.width() as usize);
    jpeg_bytes(&Pixels { height, width, data: large.into_raw() }, 90).unwrap()
}

#[test]
fn the_embedded_model_sees_the_same_photo() {
    let model: Model = load(&asset("model"), &Device::flex()).unwrap();
    let samples = ["astronaut.png", "chelsea.png", "coffee.png", "grass.png", "hubble_deep_field.jpg", "rocket.jpg"];
    let photos = ["china.jpg", "flower.jpg", "motorcycle_left.png"];
    let paths = samples.iter().map(|name| asset(&format!("samples/{name}")));
    let paths = paths.chain(photos.iter().map(|name| fixture(&format!("embedded/photos/{name}"))));
    let mut cosines: Vec<f32> = paths
        .map(|path| {
            let bytes = enlarged(&path);
            let [ours, theirs] = [enough(&bytes, &model.preprocess, 320), exact(&bytes)].map(|photo| {
                let pixels = resize_and_crop(&photo.as_ref().unwrap().picture, &model.preprocess);
                (is_scaled(&photo.unwrap().picture), model.image_embeddings(normalise(&pixels, &model.preprocess)))
            });
            assert!(ours.0 && !theirs.0, "{path:?}");
            ours.1.iter().zip(&theirs.1).map(|(a, b)| a * b).sum()
        })
        .collect();
    cosines.sort_by(f32::total_cmp);
    assert!(cosines[0] >= 0.99, "{cosines:?}");
    assert!(cosines[cosines.len() / 2] >= 0.999, "{cosines:?}");
}
