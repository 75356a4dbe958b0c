//! Preprocessing against Pillow 12.3.0 and torchvision: the golden cases of `fixtures/preprocess/`, level for level.

use crate::support::fixture;
use cliploupe_engine::photo::{self, Limits, Mode, Picture};
use cliploupe_engine::preprocess::{
    Convention, Interpolation, Pixels, PreprocessConfig, ResizeMode, normalise, resize_and_crop,
};
use safetensors::SafeTensors;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize, Clone)]
struct Case {
    image: String,
    key: String,
    size: usize,
    resize_mode: ResizeMode,
    #[serde(default)]
    interpolation: String,
    #[serde(default)]
    fill_color: u8,
}

impl Case {
    fn config(&self) -> PreprocessConfig {
        let interpolation =
            if self.interpolation == "bilinear" { Interpolation::Bilinear } else { Interpolation::Bicubic };
        let size = [self.size, self.size];
        PreprocessConfig {
            size,
            resize_mode: self.resize_mode,
            interpolation,
            fill_color: self.fill_color,
            ..Default::default()
        }
    }
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(fixture("preprocess/preprocess.json")).unwrap();
    serde_json::from_str::<Golden>(&text).unwrap().cases
}

fn case(key: &str) -> Case {
    cases().into_iter().find(|case| case.key == key).unwrap()
}

fn picture(name: &str) -> Picture {
    photo::open(&fixture("preprocess/images").join(name), &Limits::default()).unwrap().picture
}

/// A golden tensor's bytes.
fn golden(key: &str) -> Vec<u8> {
    let file = std::fs::read(fixture("preprocess/preprocess.safetensors")).unwrap();
    SafeTensors::deserialize(&file).unwrap().tensor(key).unwrap().data().to_vec()
}

fn golden_u8(case: &Case) -> Vec<u8> {
    golden(&format!("{}.u8", case.key))
}

fn golden_f32(key: &str) -> Vec<f32> {
    golden(&format!("{key}.f32")).as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[test]
fn every_golden_case_equals_pillow_level_for_level() {
    let cases = cases();
    assert_eq!(cases.len(), 55, "eleven images in five modes");
    for case in cases {
        let pixels = resize_and_crop(&picture(&case.image), &case.config());
        assert_eq!([pixels.height, pixels.width], [case.size; 2], "{}", case.key);
        let wrong = pixels.data.iter().zip(golden_u8(&case)).filter(|(ours, theirs)| **ours != *theirs).count();
        assert_eq!(wrong, 0, "{}: levels that differ from Pillow's", case.key);
    }
}

#[test]
fn normalised_input_equals_torchvision() {
    let half = ([0.5; 3], [0.5; 3]);
    let imagenet = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let (bicubic, bilinear) = (Interpolation::Bicubic, Interpolation::Bilinear);
    let openai = PreprocessConfig { size: [32, 32], ..Default::default() };
    let with = |(mean, std), interpolation, resize_mode| PreprocessConfig {
        mean,
        std,
        interpolation,
        resize_mode,
        ..openai.clone()
    };
    let settings = [
        ("openai", openai.clone()),
        ("siglip", with(half, bicubic, ResizeMode::Squash)),
        ("imagenet", with(imagenet, bilinear, ResizeMode::Squash)),
        ("zero", with(([0.0; 3], [1.0; 3]), bilinear, ResizeMode::Shortest)),
    ];
    for image in ["land_97x64", "port_61x90"] {
        for (name, config) in &settings {
            let ours = normalise(&resize_and_crop(&picture(&format!("{image}.png")), config), config);
            let theirs = golden_f32(&format!("{image}.{name}"));
            let worst = ours.iter().zip(&theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
            assert_eq!(ours.len(), theirs.len());
            assert!(worst <= 1e-6, "{image}.{name}: {worst}");
        }
    }
}

/// A golden test that passes on wrong answers is worth nothing: each usual mistake must show.
#[test]
fn usual_mistakes_fail_the_golden_cases() {
    let case = case("big_400x300.squash_bicubic");
    let (picture, golden) = (picture(&case.image), golden_u8(&case));
    let right = resize_and_crop(&picture, &case.config());
    assert_eq!(right.data, golden);
    let blue_first: Vec<u8> = right.data.as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*b, *g, *r]).collect();
    assert_ne!(blue_first, golden, "blue first");
    let bilinear = PreprocessConfig { interpolation: Interpolation::Bilinear, ..case.config() };
    assert_ne!(resize_and_crop(&picture, &bilinear).data, golden, "bilinear for bicubic");
    assert_ne!(without_antialias(&picture, case.size).data, golden, "no antialias");
    let shortest = PreprocessConfig { resize_mode: ResizeMode::Shortest, ..case.config() };
    assert_ne!(resize_and_crop(&picture, &shortest).data, golden, "cropped for squashed");
}

/// What `resize` of most drawing programs does: bilinear between four pixels, whatever lies in between.
fn without_antialias(picture: &Picture, size: usize) -> Pixels {
    let place = |at: usize, from: usize| ((at as f64 + 0.5) * from as f64 / size as f64 - 0.5).max(0.0);
    let level = |y: usize, x: usize, channel: usize| f64::from(picture.data()[(y * picture.width() + x) * 3 + channel]);
    let mut data = Vec::new();
    for (y, x, channel) in (0..size * size * 3).map(|at| (at / 3 / size, at / 3 % size, at % 3)) {
        let (y, x) = (place(y, picture.height()), place(x, picture.width()));
        let (top, left) = (y as usize, x as usize);
        let (bottom, right) = ((top + 1).min(picture.height() - 1), (left + 1).min(picture.width() - 1));
        let row = |row: usize| level(row, left, channel) * (1.0 - x.fract()) + level(row, right, channel) * x.fract();
        data.push((row(top) * (1.0 - y.fract()) + row(bottom) * y.fract()).round() as u8);
    }
    Pixels { height: size, width: size, data }
}

#[test]
fn a_crop_of_half_a_pixel_differs_between_conventions() {
    // 32 of 35 rows are kept: 1.5 go at the top, which Python rounds to 2 and `//` to 1.
    let data = (0..35 * 32).flat_map(|at| [(at / 32 * 7) as u8; 3]).collect();
    let picture = Picture::new(35, 32, Mode::Rgb, data);
    let open_clip = PreprocessConfig { size: [32, 32], ..Default::default() };
    let transformers = PreprocessConfig { convention: Convention::Transformers, ..open_clip.clone() };
    assert_eq!(resize_and_crop(&picture, &open_clip).data[0], 14);
    assert_eq!(resize_and_crop(&picture, &transformers).data[0], 7);
}

#[test]
fn transformers_puts_alpha_over_white_and_open_clip_drops_it() {
    let clear_red = Picture::new(32, 32, Mode::Rgba, [200, 0, 0, 0].repeat(32 * 32));
    let open_clip = PreprocessConfig { size: [32, 32], ..Default::default() };
    let transformers = PreprocessConfig { convention: Convention::Transformers, ..open_clip.clone() };
    assert_eq!(resize_and_crop(&clear_red, &open_clip).data[..3], [200, 0, 0]);
    assert_eq!(resize_and_crop(&clear_red, &transformers).data[..3], [255, 255, 255]);
}

#[test]
fn settings_of_the_reference_checkpoints_are_read() {
    let block = serde_json::json!({"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear", "resize_mode": "squash"});
    let config = PreprocessConfig::from_open_clip(&block, [336, 336]).unwrap();
    assert_eq!(
        (config.size, config.resize_mode, config.interpolation),
        ([336, 336], ResizeMode::Squash, Interpolation::Bilinear)
    );
    let clip = serde_json::json!({"crop_size": {"height": 80, "width": 80}, "do_center_crop": true, "do_convert_rgb": true,
        "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711], "image_processor_type": "CLIPImageProcessor", "resample": 3,
        "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 80}});
    let expected = PreprocessConfig { size: [80, 80], convention: Convention::Transformers, ..Default::default() };
    assert_eq!(PreprocessConfig::from_transformers(&clip).unwrap(), expected);
}

#[test]
fn an_extreme_strip_costs_no_more_than_a_photo() {
    // Resized whole, this strip would be 224 × 44 800 000 pixels.
    let strip = Picture::new(200_000, 1, Mode::Rgb, (0..600_000).map(|at| (at / 3 % 251) as u8).collect());
    for resize_mode in [ResizeMode::Shortest, ResizeMode::Longest, ResizeMode::Squash] {
        let config = PreprocessConfig { resize_mode, ..Default::default() };
        assert_eq!(resize_and_crop(&strip, &config).data.len(), 224 * 224 * 3);
    }
}
