//! The identity of photos whose metadata real programs edit, and of files that are damaged in any way.

use crate::exiftool::exiftool;
use cliploupe_library::{
    identity::identity,
    xmp::{embedded_keywords, embedded_packet},
};
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage, RgbaImage};
use proptest::prelude::*;
use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    sync::LazyLock,
};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/library").join(name)).unwrap()
}

fn encode(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn rgb(lift: u8) -> RgbImage {
    let mut picture = RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8 * 6, y as u8 * 8, (x * y) as u8]));
    picture.get_pixel_mut(20, 15).0[0] ^= lift;
    picture
}

/// A file of every format that is walked, with its name.
static FILES: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let grey = GrayImage::from_fn(40, 30, |x, y| image::Luma([(x * 6 + y) as u8]));
    let clear = RgbaImage::from_fn(40, 30, |x, y| image::Rgba([x as u8, y as u8, 9, (x * 6) as u8]));
    vec![
        ("colour.jpg", encode(rgb(0), ImageFormat::Jpeg)),
        ("grey.jpg", encode(grey.clone(), ImageFormat::Jpeg)),
        ("progressive.jpg", fixture("progressive.jpg")),
        ("colour.png", encode(rgb(0), ImageFormat::Png)),
        ("grey.png", encode(grey, ImageFormat::Png)),
        ("lossless.webp", encode(clear.clone(), ImageFormat::WebP)),
        ("lossy.webp", fixture("lossy.webp")),
        ("animated.webp", fixture("animated.webp")),
        ("colour.tif", encode(rgb(0), ImageFormat::Tiff)),
        ("tiles.tif", fixture("tiles.tif")),
        ("pages.tif", fixture("pages.tif")),
        ("clear.gif", encode(clear, ImageFormat::Gif)),
        ("animated.gif", fixture("animated.gif")),
    ]
});

/// The files in a folder.
fn on_disk(folder: &Path) -> Vec<PathBuf> {
    let write = |(name, bytes): &(&str, Vec<u8>)| {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    FILES.iter().map(write).collect()
}

fn assert_same(paths: &[PathBuf], after: &str) {
    for (path, (name, before)) in paths.iter().zip(FILES.iter()) {
        let now = fs::read(path).unwrap();
        assert_ne!(&now, before, "{name} was not edited by {after}");
        assert_eq!(identity(&now), identity(before), "{name} after {after}");
    }
}

#[test]
fn editing_metadata_keeps_the_identity_and_removing_all_of_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let paths = on_disk(folder.path());
    let paths_ref: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let words =
        ["-XMP-dc:Subject=dog", "-XMP-dc:Subject+=déjà vu", "-XMP-lr:HierarchicalSubject=animal|dog", "-XMP:Rating=4"];
    exiftool(&words, &paths_ref);
    assert_same(&paths, "keywords and rating");
    for path in &paths {
        let keywords = embedded_keywords(&fs::read(path).unwrap());
        // GIF's way of embedding is not read.
        if path.extension() != Some("gif".as_ref()) {
            let keywords = keywords.expect("a packet").unwrap();
            assert_eq!(
                (keywords.subject, keywords.hierarchical),
                (vec!["dog".into(), "déjà vu".into()], vec!["animal|dog".into()])
            );
        }
    }
    // GIF has a comment, but no EXIF.
    let (gifs, others): (Vec<&Path>, Vec<&Path>) =
        paths_ref.iter().partition(|path| path.extension() == Some("gif".as_ref()));
    exiftool(&["-Comment=hello"], &gifs);
    let place = [
        "-EXIF:GPSLatitude=48.8",
        "-EXIF:GPSLatitudeRef=N",
        "-EXIF:Orientation#=6",
        "-EXIF:Artist=me",
        "-EXIF:UserComment=long enough to move everything",
    ];
    exiftool(&place, &others);
    assert_same(&paths, "place, orientation and comment");
    exiftool(&["-IPTC:Keywords=dog", "-Comment=hi"], &[&paths[0], &paths[1], &paths[2]]);
    assert_same(&paths, "IPTC and a comment");
    exiftool(&["-all="], &paths_ref);
    let now = |path| identity(&fs::read(path).unwrap());
    for (path, (name, before)) in paths.iter().zip(FILES.iter()) {
        assert_eq!(now(path), identity(before), "{name} after removing everything");
    }
}

#[test]
fn one_pixel_and_one_format_make_another_photo() {
    let mut identities: Vec<_> = FILES.iter().map(|(_, bytes)| identity(bytes)).collect();
    for format in
        [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Gif, ImageFormat::Bmp]
    {
        identities.push(identity(&encode(rgb(128), format)));
    }
    identities.push(identity(&encode(rgb(0), ImageFormat::Bmp)));
    let count = identities.len();
    identities.sort();
    identities.dedup();
    assert_eq!(identities.len(), count);
}

#[test]
fn every_byte_that_pixels_come_from_counts() {
    // Once, a scan header's length did not: with a longer header the same bytes followed.
    for name in ["colour.jpg", "progressive.jpg"] {
        let bytes = &FILES.iter().find(|(file, _)| file == &name).unwrap().1;
        assert_eq!(&bytes[6..10], b"JFIF");
        let before = identity(bytes);
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 0x01;
            // JFIF's content, and its marker, which becomes EXIF's.
            let is_metadata = place == 3 || (6..20).contains(&place);
            assert_eq!(identity(&other) == before, is_metadata, "{name}, byte {place}");
        }
    }
}

/// Where something may be put between the segments of a JPEG, or the chunks of a PNG.
fn seams(bytes: &[u8]) -> Vec<usize> {
    let mut seams = Vec::new();
    if bytes[0] == 0xff {
        let mut at = 2;
        while bytes[at + 1] != 0xda {
            seams.push(at);
            at += 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        }
        seams.push(at);
    } else {
        let mut at = 33;
        while at < bytes.len() {
            seams.push(at);
            at += 12 + u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        }
    }
    seams
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn metadata_at_any_seam_keeps_the_identity(
        file in prop::sample::select(vec![0_usize, 2, 3]), marker in 0_u8..16, data in prop::collection::vec(any::<u8>(), 0..300), seam: prop::sample::Index,
    ) {
        let mut bytes = FILES[file].1.clone();
        let before = identity(&bytes);
        let seams = seams(&bytes);
        let at = seams[seam.index(seams.len())];
        let length = data.len();
        let part = if bytes[0] == 0xff {
            // Adobe's APP14 is not metadata.
            prop_assume!(marker != 14 || !data.starts_with(b"Adobe"));
            [&[0xff, 0xe0 + marker][..], &(length as u16 + 2).to_be_bytes(), &data].concat()
        } else {
            [&(length as u32).to_be_bytes()[..], b"teXt", &data, b"crc!"].concat()
        };
        bytes.splice(at..at, part);
        prop_assert_eq!(identity(&bytes), before);
    }

    #[test]
    fn damaged_files_have_some_identity_and_no_panic(
        file: prop::sample::Index, hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12), cut: prop::sample::Index, twice: bool,
    ) {
        let mut bytes = FILES[file.index(FILES.len())].1.clone();
        for (place, value) in hits {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        // Heads are where sizes and places stand.
        bytes.truncate(if twice { bytes.len() } else { cut.index(bytes.len()) });
        identity(&bytes);
        let _ = embedded_packet(&bytes);
        let _ = embedded_keywords(&bytes);
    }

    #[test]
    fn damaged_heads_have_some_identity_and_no_panic(
        file: prop::sample::Index, hits in prop::collection::vec((0_usize..120, prop::sample::select(vec![0_u8, 1, 2, 4, 8, 127, 128, 255])), 1..6),
    ) {
        let mut bytes = FILES[file.index(FILES.len())].1.clone();
        for (place, value) in hits {
            let place = place.min(bytes.len() - 1);
            bytes[place] = value;
        }
        identity(&bytes);
        let _ = embedded_packet(&bytes);
    }
}
