//! Models in f16, kept and computed: how far their embeddings are from the goldens, which are f32.

use cliploupe_engine::{
    Device, Model, Precision,
    device::{self, DeviceChoice},
};

use crate::support::{Copy, FAMILIES, Golden, Goldens, run};

/// Of an embedding in f16 to the golden one.
const LEAST_COSINE: f64 = 0.999;

/// The smallest cosine between rows of a golden and what was found; no number where one has none.
fn least_cosine(found: &Golden, expected: &Golden) -> f64 {
    assert_eq!(found.shape, expected.shape);
    let width = expected.shape[1];
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let rows = found.values.chunks_exact(width).zip(expected.values.chunks_exact(width));
    let cosines = rows.map(|(a, b)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt());
    cosines.fold(1.0, |least, cosine| if cosine.is_nan() { f64::NAN } else { f64::min(least, cosine) })
}

/// What is too far away in a model, if anything is.
fn too_far(name: &str, model: &Model, golden: &Goldens) -> Option<String> {
    let stages = run(model, golden);
    let cosines = ["image_features", "text_features"].map(|stage| least_cosine(&stages[stage], &golden[stage]));
    let is_near = cosines.iter().all(|cosine| *cosine >= LEAST_COSINE);
    (!is_near).then(|| format!("{name} in {:?}: {cosines:?}", model.precision()))
}

#[test]
fn every_family_keeps_its_embeddings_in_f16() {
    let device = Device::flex();
    let failed: Vec<String> = FAMILIES
        .into_iter()
        .flat_map(|name| [Precision::HalfAtRest, Precision::F16].map(|precision| (name, precision)))
        .filter_map(|(name, precision)| {
            let copy = Copy::of(name);
            let model = copy.load_as(&device, precision).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(model.precision(), precision);
            too_far(name, &model, &copy.golden())
        })
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn half_at_rest_computes_in_f32() {
    let copy = Copy::of("clip-vit");
    let golden = copy.golden();
    let stages = |precision| run(&copy.load_as(&Device::flex(), precision).unwrap(), &golden);
    let [whole, at_rest, half] = [Precision::F32, Precision::HalfAtRest, Precision::F16].map(stages);
    let away = |stages: &Goldens| 1.0 - least_cosine(&stages["image_features"], &whole["image_features"]);
    assert!(away(&at_rest) > 0.0, "the weights were rounded");
    assert!(away(&at_rest) < away(&half) && away(&half) < 1e-3, "{:e} {:e}", away(&at_rest), away(&half));
}

/// On a machine without a GPU this is llvmpipe, if it has f16.
#[test]
fn an_adapter_with_f16_keeps_embeddings_in_it() {
    let Ok(info) = device::find(&DeviceChoice::GpuIndex(0)) else { return };
    if !info.f16 {
        return;
    }
    let _turn = crate::wgpu::turn();
    let (device, _) = device::open(&DeviceChoice::GpuIndex(0)).unwrap();
    let failed: Vec<String> = ["clip-vit", "siglip2"]
        .into_iter()
        .filter_map(|name| {
            let copy = Copy::of(name);
            too_far(name, &copy.load_as(&device, Precision::F16).unwrap(), &copy.golden())
        })
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
