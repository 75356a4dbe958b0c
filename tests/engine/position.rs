use cliploupe_engine::clip::position::{Rule, resample_grid, resample_text};

use crate::support::{Golden, Tolerance, compare, fixture, goldens};

/// The references compute in f32.
const TOLERANCE: Tolerance = Tolerance { absolute: 2e-6, relative: 1e-6 };

#[test]
fn every_rule_gives_the_positions_of_its_code_base() {
    let golden = goldens(&fixture("clip/pos_interp.safetensors"));
    let vision = &golden["vision.in"];
    for (code, rule) in [("open_clip", Rule::BicubicAntialias), ("timm", Rule::BicubicAntialias), ("hf", Rule::Bicubic)]
    {
        for [height, width] in [[6, 6], [3, 3], [7, 5]] {
            let name = format!("vision.{code}.{height}x{width}");
            let values = resample_grid(&vision.values, vision.shape[1], 1, [height, width], rule);
            let found = Golden { shape: vec![1 + height * width, vision.shape[1]], values };
            compare(&name, &found, &golden[&name], TOLERANCE).unwrap();
        }
    }
    let text = &golden["text.in"];
    for rows in [9, 20] {
        let name = format!("text.open_clip.{rows}");
        let found =
            Golden { shape: vec![rows, text.shape[1]], values: resample_text(&text.values, text.shape[1], rows) };
        compare(&name, &found, &golden[&name], TOLERANCE).unwrap();
    }
}

#[test]
fn the_rules_are_not_the_same() {
    let golden = goldens(&fixture("clip/pos_interp.safetensors"));
    let vision = &golden["vision.in"];
    let values = resample_grid(&vision.values, vision.shape[1], 1, [3, 3], Rule::Bicubic);
    let found = Golden { shape: vec![10, vision.shape[1]], values };
    assert!(compare("swapped", &found, &golden["vision.open_clip.3x3"], TOLERANCE).is_err());
}
