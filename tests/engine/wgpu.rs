//! The towers on wgpu. On a machine without a GPU this is Mesa's llvmpipe, slow and good enough to find a wrong kernel.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cliploupe_engine::{
    Device, Tensor,
    device::{self, ComputeError, DeviceChoice, DeviceKind, attempt, read},
};

use crate::support::{Copy, FAMILIES, WGPU, check};

/// A device is one for the whole process, so a test that loses it needs it alone.
static TURN: Mutex<()> = Mutex::new(());

/// The turn of a test.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first adapter, if the machine has one.
fn adapter() -> Option<(Device, MutexGuard<'static, ()>)> {
    let turn = turn();
    let adapters = device::list().into_iter().filter(|info| info.kind != DeviceKind::Cpu).count();
    // `cargo xtask test` installs llvmpipe on Linux; elsewhere a machine may have no adapter at all.
    assert!(adapters > 0 || !cfg!(target_os = "linux"), "no adapter: is mesa-vulkan-drivers installed?");
    (adapters > 0).then(|| (device::open(&DeviceChoice::GpuIndex(0)).unwrap().0, turn))
}

/// One golden model of each family of towers.
#[test]
fn every_family_passes_on_the_first_adapter() {
    let Some((device, _turn)) = adapter() else { return };
    let failed: Vec<String> = FAMILIES
        .into_iter()
        .filter_map(|name| {
            let copy = Copy::of(name);
            let model = copy.load_on(&device).unwrap_or_else(|error| panic!("{name}: {error}"));
            check(&model, &copy.golden(), WGPU).err().map(|error| format!("{name}: {error}"))
        })
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn adapters_say_what_they_are_and_what_they_allow() {
    let Some((_, _turn)) = adapter() else { return };
    for info in device::list().into_iter().skip(1) {
        let limits = info.limits.unwrap_or_else(|| panic!("{} has limits", info.name));
        assert!(limits.largest_buffer >= limits.largest_binding && limits.bindings >= 4, "{info:?}");
        assert!(!info.name.is_empty() && !info.driver.is_empty() && !info.key().is_empty(), "{info:?}");
    }
    let cpu = &device::list()[0];
    assert!(cpu.limits.is_none() && !cpu.is_real_gpu());
}

#[test]
fn a_lost_device_says_so_and_its_adapter_can_be_opened_again() {
    let Some((device, _turn)) = adapter() else { return };
    let (_, info) = device::open(&DeviceChoice::GpuIndex(0)).unwrap();
    let sum = |device: &Device| attempt(|| read(Tensor::<1>::ones([64], device) + 1.0));
    assert_eq!(sum(&device).unwrap(), [2.0; 64]);
    device::lose(&info);
    let error = sum(&device).unwrap_err();
    assert!(matches!(error, ComputeError::Lost(_)), "{error:?}");
    let (again, _) = device::open_again(&info).unwrap();
    assert_eq!(sum(&again).unwrap(), [2.0; 64]);
    // Whoever asks for the adapter from now on gets the new device.
    let (opened, _) = device::open(&DeviceChoice::GpuIndex(0)).unwrap();
    assert_eq!(sum(&opened).unwrap(), [2.0; 64]);
}
