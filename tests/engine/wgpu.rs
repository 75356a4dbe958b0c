//! The towers on wgpu. On a machine without a GPU this is Mesa's llvmpipe, slow and good enough to find a wrong kernel.

use cliploupe_engine::device::{self, DeviceChoice, DeviceKind};

use crate::support::{WGPU, check, fixture, goldens, load};

#[test]
fn a_golden_model_passes_on_the_first_adapter() {
    let adapters = device::list().into_iter().filter(|info| info.kind != DeviceKind::Cpu).count();
    // `cargo xtask test` installs llvmpipe on Linux; elsewhere a machine may have no adapter at all.
    assert!(adapters > 0 || !cfg!(target_os = "linux"), "no adapter: is mesa-vulkan-drivers installed?");
    if adapters == 0 {
        return;
    }
    let (device, info) = device::open(&DeviceChoice::GpuIndex(0)).unwrap();
    let folder = fixture("clip/clip-vit");
    let model = load(&folder, &device).unwrap();
    check(&model, &goldens(&folder.join("golden.safetensors")), WGPU)
        .unwrap_or_else(|error| panic!("{info:?}: {error}"));
}
