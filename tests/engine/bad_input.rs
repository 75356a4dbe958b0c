//! What a photo folder throws at the app: every bad file is a clear error, every odd one a right picture.
//! Expected pictures in `fixtures/bad/` come from Pillow through the `make.py` beside them.

use crate::support::fixture;
use cliploupe_engine::photo::{Colour, ColourModel, Limits, Mode, Photo, PhotoError, decode, jpeg_bytes, open};
use cliploupe_engine::preprocess::{PreprocessConfig, resize_and_crop};
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

fn read(bytes: &[u8]) -> Result<Photo, PhotoError> {
    decode(bytes, &Limits::default())
}

/// The error and its causes, as a log would show them.
fn complaint(bytes: &[u8]) -> String {
    chain(&read(bytes).unwrap_err())
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

/// A colour without opacity.
fn colour(model: ColourModel, bits: u8) -> Colour {
    Colour { model, bits, alpha: false }
}

/// A colourful picture that compresses badly.
fn pattern(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 37 + y * 11) as u8, (x * y * 7) as u8, (x ^ (y * 5)) as u8]))
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The largest difference between a photo and a PNG that Pillow wrote.
fn distance(photo: &Photo, expected: &str) -> u8 {
    let expected = open(&fixture(expected), &Limits::default()).unwrap().picture;
    let size = |picture: &cliploupe_engine::photo::Picture| (picture.height(), picture.width(), picture.mode());
    assert_eq!(size(&photo.picture), size(&expected));
    photo.picture.data().iter().zip(expected.data()).map(|(ours, theirs)| ours.abs_diff(*theirs)).max().unwrap()
}

#[test]
fn an_empty_file_and_text_named_jpg_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("note.jpg");
    fs::write(&path, "").unwrap();
    assert!(matches!(open(&path, &Limits::default()), Err(PhotoError::EmptyFile)));
    fs::write(&path, "Dear diary, this is not a photo.").unwrap();
    assert!(matches!(open(&path, &Limits::default()), Err(PhotoError::UnknownFormat)));
}

#[test]
fn a_file_cut_short_is_never_half_a_picture() {
    for format in
        [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::Gif]
    {
        let whole = encoded(pattern(64, 48), format);
        read(&whole).unwrap();
        for length in [whole.len() / 3, whole.len() / 2, whole.len() * 9 / 10] {
            let result = read(&whole[..length]);
            assert!(
                matches!(result, Err(PhotoError::Corrupt { .. })),
                "{format:?} cut to {length}: {:?}",
                result.map(|photo| photo.facts)
            );
        }
    }
}

#[test]
fn a_jpeg_that_lacks_only_its_last_bytes_is_corrupt() {
    // The image crate decodes this one without a word.
    let whole = encoded(pattern(64, 48), ImageFormat::Jpeg);
    assert!(complaint(&whole[..whole.len() - 2]).contains("JPEG: the file ends before the picture does"));
    assert!(image::load_from_memory(&whole[..whole.len() - 2]).is_ok(), "then the check is no longer needed");
}

#[test]
fn a_header_that_claims_too_much_is_refused_before_memory_is_taken() {
    let mut png = encoded(pattern(4, 4), ImageFormat::Png);
    png[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    for bytes in [&png[..], &png[..33]] {
        let Err(PhotoError::TooManyPixels { width, height, limit }) = read(bytes) else { panic!("not refused") };
        assert_eq!((width, height, limit), (60_000, 60_000, 400_000_000));
    }
}

#[test]
fn limits_are_the_callers() {
    let png = encoded(pattern(40, 10), ImageFormat::Png);
    let limits = Limits { pixels: 399, ..Limits::default() };
    assert!(matches!(decode(&png, &limits), Err(PhotoError::TooManyPixels { width: 40, height: 10, limit: 399 })));
    let limits = Limits { side: 39, ..Limits::default() };
    assert!(matches!(decode(&png, &limits), Err(PhotoError::TooLong { limit: 39, .. })));
    let limits = Limits { bytes: 10, ..Limits::default() };
    let path = fixture("preprocess/images/tiny_9x7.png");
    assert!(matches!(open(&path, &limits), Err(PhotoError::TooManyBytes { limit: 10, .. })));
}

#[test]
fn an_adobe_cmyk_jpeg_has_pillows_colours() {
    let photo = open(&fixture("bad/cmyk.jpg"), &Limits::default()).unwrap();
    assert_eq!(photo.facts.colour, colour(ColourModel::Cmyk, 8));
    assert!(distance(&photo, "bad/cmyk.png") <= 2, "an inverted picture would be 100 and more away");
}

#[test]
fn every_orientation_is_shown_upright() {
    for orientation in 1..=8 {
        let photo = open(&fixture(&format!("bad/orientation_{orientation}.jpg")), &Limits::default()).unwrap();
        assert_eq!((photo.facts.orientation, photo.facts.width, photo.facts.height), (orientation, 24, 16));
        assert!(distance(&photo, "bad/upright.png") <= 2, "orientation {orientation}");
    }
}

#[test]
fn camera_and_time_come_from_exif() {
    let facts = open(&fixture("bad/orientation_6.jpg"), &Limits::default()).unwrap().facts;
    assert_eq!(facts.camera.as_deref(), Some("Kamera Eins"));
    assert_eq!(facts.taken_ms, Some(1_709_251_198_000)); // 2024-02-29 23:59:58
    assert!(facts.modified_ms.is_some());
}

#[test]
fn malformed_exif_spoils_no_photo() {
    let jpeg = encoded(pattern(16, 16), ImageFormat::Jpeg);
    for exif in [&b"Exif\0\0"[..], b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12"] {
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let photo = read(&[&jpeg[..2], &[0xFF, 0xE1], &length, exif, &jpeg[2..]].concat()).unwrap();
        assert_eq!((photo.facts.orientation, photo.facts.camera), (1, None));
    }
}

#[test]
fn grey_stays_one_channel() {
    let photo = read(&encoded(DynamicImage::ImageRgb8(pattern(9, 9)).into_luma8(), ImageFormat::Jpeg)).unwrap();
    assert_eq!((photo.picture.mode(), photo.facts.colour), (Mode::Grey, colour(ColourModel::Grey, 8)));
}

#[test]
fn sixteen_bits_keep_their_high_byte() {
    let grey = image::ImageBuffer::<image::Luma<u16>, _>::from_fn(8, 1, |x, _| image::Luma([x as u16 * 0x2000 + 0xFF]));
    let photo = read(&encoded(DynamicImage::ImageLuma16(grey), ImageFormat::Png)).unwrap();
    assert_eq!(
        (photo.picture.data(), photo.facts.colour),
        (&[0, 0x20, 0x40, 0x60, 0x80, 0xA0, 0xC0, 0xE0][..], colour(ColourModel::Grey, 16))
    );
    let rgb = image::ImageBuffer::<Rgb<u16>, _>::from_pixel(2, 2, Rgb([0x1234, 0xFFFF, 0x00FF]));
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let photo = read(&encoded(DynamicImage::ImageRgb16(rgb.clone()), format)).unwrap();
        assert_eq!(
            (&photo.picture.data()[..3], photo.facts.colour),
            (&[0x12, 0xFF, 0][..], colour(ColourModel::Rgb, 16))
        );
    }
}

#[test]
fn floating_point_levels_are_refused() {
    let float = image::ImageBuffer::<Rgb<f32>, _>::from_pixel(2, 2, Rgb([0.5, 1.5, -1.0]));
    let tiff = encoded(DynamicImage::ImageRgb32F(float), ImageFormat::Tiff);
    assert!(matches!(read(&tiff), Err(PhotoError::UnsupportedKind { format: "TIFF", .. })));
}

#[test]
fn palettes_are_never_mixed() {
    let photo = open(&fixture("preprocess/images/palette_45.png"), &Limits::default()).unwrap();
    assert!(photo.picture.is_indexed() && photo.facts.colour == colour(ColourModel::Palette, 8));
}

#[test]
fn an_animation_is_its_first_frame() {
    let frame = |level: u8| image::Frame::new(image::RgbaImage::from_pixel(6, 4, image::Rgba([level, 0, 0, 255])));
    let mut gif = Vec::new();
    image::codecs::gif::GifEncoder::new(&mut gif).encode_frames([frame(200), frame(10)]).unwrap();
    let photo = read(&gif).unwrap();
    assert_eq!((photo.facts.format, photo.facts.width, photo.facts.height), ("GIF", 6, 4));
    assert_eq!(photo.picture.thumbnail(6).data[..3], [200, 0, 0]);
}

#[test]
fn a_single_pixel_and_a_long_strip_become_tower_input() {
    let config = PreprocessConfig::default();
    for (width, height) in [(1, 1), (1, 20_000), (20_000, 1)] {
        let photo = read(&encoded(RgbImage::from_pixel(width, height, Rgb([10, 20, 30])), ImageFormat::Png)).unwrap();
        let pixels = resize_and_crop(&photo.picture, &config);
        assert!(pixels.data.as_chunks::<3>().0.iter().all(|pixel| *pixel == [10, 20, 30]), "{width} × {height}");
        assert!(!jpeg_bytes(&photo.picture.thumbnail(256), 85).unwrap().is_empty());
    }
}

#[test]
fn formats_that_cannot_be_decoded_are_named_with_a_remedy() {
    let files: [(&[u8], &str); 8] = [
        (b"\0\0\0\x1cftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx ", "Canon RAW (CR3)"),
        (b"II*\0\x10\0\0\0CR\x02\0", "Canon RAW (CR2)"),
        (b"FUJIFILMCCD-RAW 0201", "Fujifilm RAW (RAF)"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0", "MPEG-4 video (MP4)"),
        (b"8BPS\0\x01", "Photoshop (PSD)"),
        (b"%PDF-1.7", "PDF"),
    ];
    for (bytes, name) in files {
        let error = read(bytes).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot decode {name}"));
        assert!(error.remedy().starts_with("Export it as JPEG"));
    }
}

#[test]
fn a_dng_is_not_its_preview() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo.DNG");
    fs::write(&path, encoded(pattern(8, 8), ImageFormat::Tiff)).unwrap();
    let error = open(&path, &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "cannot decode Adobe or phone RAW (DNG)");
}

#[test]
fn a_folder_and_a_missing_file_are_no_photos() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(open(folder.path(), &Limits::default()), Err(PhotoError::NotAFile { .. })));
    let missing = folder.path().join("gone.jpg");
    let error = open(&missing, &Limits::default()).unwrap_err();
    assert!(matches!(error, PhotoError::NotFound { .. }));
    assert!(error.to_string().ends_with(&format!("{missing:?}")), "{error}");
}

#[test]
fn noise_in_place_of_a_picture_is_an_error_and_no_panic() {
    // Deterministic noise behind each real header: decoders must fail, or give some picture, but return.
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for format in
        [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::Gif]
    {
        let whole = encoded(pattern(40, 30), format);
        for _ in 0..200 {
            let mut bytes = whole.clone();
            for _ in 0..4 {
                let at = (usize::from(noise()) << 8 | usize::from(noise())) % bytes.len().min(2000);
                bytes[at] = noise();
            }
            let _ = read(&bytes);
        }
    }
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn photo_at(path: &Path) {
        fs::write(path, encoded(pattern(5, 5), ImageFormat::Png)).unwrap();
    }

    #[test]
    fn broken_and_circular_links_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let [broken, one, two] = ["broken.jpg", "one.jpg", "two.jpg"].map(|name| folder.path().join(name));
        symlink(folder.path().join("gone.jpg"), &broken).unwrap();
        symlink(&one, &two).unwrap();
        symlink(&two, &one).unwrap();
        assert!(matches!(open(&broken, &Limits::default()), Err(PhotoError::BrokenLink { .. })));
        assert!(matches!(open(&one, &Limits::default()), Err(PhotoError::LinkLoop { .. })));
    }

    #[test]
    fn a_link_to_a_photo_is_that_photo() {
        let folder = tempfile::tempdir().unwrap();
        let [target, link] = ["a.png", "b.png"].map(|name| folder.path().join(name));
        photo_at(&target);
        symlink(&target, &link).unwrap();
        assert_eq!(open(&link, &Limits::default()).unwrap(), open(&target, &Limits::default()).unwrap());
    }

    #[test]
    fn a_file_without_permission_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.png");
        photo_at(&path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::read(&path).is_ok() {
            return; // root may read everything
        }
        let error = open(&path, &Limits::default()).unwrap_err();
        assert!(matches!(error, PhotoError::Permission { .. }), "{error}");
    }

    #[test]
    fn a_name_that_is_not_utf8_is_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join(std::ffi::OsString::from_vec(b"caf\xe9.png".to_vec()));
        if fs::write(&path, b"").is_err() {
            return; // some file systems, such as Apple's, take UTF-8 only
        }
        photo_at(&path);
        assert_eq!(open(&path, &Limits::default()).unwrap().facts.format, "PNG");
    }
}

#[test]
fn an_oriented_png_and_webp_turn_too() {
    // EXIF with one tag: orientation 6, which is shown turned right.
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    let stored = pattern(6, 4);
    let mut png = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
    encoder.set_exif_metadata(exif.clone()).unwrap();
    encoder.write_image(&stored, 6, 4, ExtendedColorType::Rgb8).unwrap();
    let mut webp = Vec::new();
    let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.write_image(&stored, 6, 4, ExtendedColorType::Rgb8).unwrap();
    for bytes in [png, webp] {
        let photo = read(&bytes).unwrap();
        assert_eq!((photo.facts.orientation, photo.facts.width, photo.facts.height), (6, 4, 6));
        assert_eq!(
            photo.picture.data()[..3],
            stored.get_pixel(0, 3).0,
            "the last row is on the left, so its start is on top"
        );
    }
}
