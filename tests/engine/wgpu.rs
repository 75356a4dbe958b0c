//! The towers on wgpu. On a machine without a GPU this is Mesa's llvmpipe, slow and good enough to find a wrong kernel.

use cliploupe_engine::{
    Device,
    device::{self, DeviceChoice, DeviceKind},
};

use crate::support::{Copy, WGPU, check};

/// The first adapter, if the machine has one.
fn adapter() -> Option<Device> {
    let adapters = device::list().into_iter().filter(|info| info.kind != DeviceKind::Cpu).count();
    // `cargo xtask test` installs llvmpipe on Linux; elsewhere a machine may have no adapter at all.
    assert!(adapters > 0 || !cfg!(target_os = "linux"), "no adapter: is mesa-vulkan-drivers installed?");
    (adapters > 0).then(|| device::open(&DeviceChoice::GpuIndex(0)).unwrap().0)
}

/// One golden model of each family of towers.
#[test]
fn every_family_passes_on_the_first_adapter() {
    let Some(device) = adapter() else { return };
    let failed: Vec<String> = [
        "clip-vit",
        "clip-rn",
        "coca",
        "convnext-mlp",
        "eva02",
        "eva02-postnorm",
        "mobileclip-b",
        "mobileclip-s",
        "nllb-linear",
        "pe-core",
        "siglip2",
        "vitamin",
        "xlmr-mlp",
    ]
    .into_iter()
    .filter_map(|name| {
        let copy = Copy::of(name);
        let model = copy.load_on(&device).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(&model, &copy.golden(), WGPU).err().map(|error| format!("{name}: {error}"))
    })
    .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
