//! The GPUs of this machine as wgpu lists them, and how one is opened.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use burn::{
    cubecl::{
        config::{CubeClRuntimeConfig, RuntimeConfig},
        environment,
    },
    tensor::{
        Device,
        wgpu::{WgpuSetup, wgpu},
    },
};

use super::{DeviceError, DeviceInfo, DeviceKind, Limits};

/// An adapter, and what is known of it.
pub(super) struct Adapter {
    pub info: DeviceInfo,
    instance: wgpu::Instance,
    adapter: wgpu::Adapter,
}

/// All adapters, best API first. OpenGL only stands in where no other API has a real GPU: it shows the same cards again.
pub(super) fn adapters() -> Vec<Adapter> {
    let mut found: Vec<Adapter> =
        [wgpu::Backend::Vulkan, wgpu::Backend::Metal, wgpu::Backend::Dx12].into_iter().flat_map(adapters_of).collect();
    if found.iter().all(|adapter| adapter.info.kind == DeviceKind::Software) {
        found.extend(
            adapters_of(wgpu::Backend::Gl).into_iter().filter(|adapter| adapter.info.kind != DeviceKind::Software),
        );
    }
    for (index, adapter) in found.iter_mut().enumerate() {
        adapter.info.id = format!("gpu:{index}");
    }
    found
}

fn adapters_of(backend: wgpu::Backend) -> Vec<Adapter> {
    // The Vulkan loader crashes when instances come and go on several threads at once.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: backend.into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = pollster::block_on(instance.enumerate_adapters(backend.into()));
    let described = adapters
        .into_iter()
        .filter_map(|adapter| Some(Adapter { info: describe(&adapter)?, instance: instance.clone(), adapter }));
    described.collect()
}

fn describe(adapter: &wgpu::Adapter) -> Option<DeviceInfo> {
    let info = adapter.get_info();
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => DeviceKind::DiscreteGpu,
        wgpu::DeviceType::IntegratedGpu => DeviceKind::IntegratedGpu,
        wgpu::DeviceType::VirtualGpu => DeviceKind::VirtualGpu,
        wgpu::DeviceType::Cpu => DeviceKind::Software,
        wgpu::DeviceType::Other => return None,
    };
    let (limits, features) = (adapter.limits(), adapter.features());
    Some(DeviceInfo {
        id: String::new(),
        vendor: vendor(&info).to_owned(),
        memory: memory(Path::new("/sys/bus/pci/devices"), &info.device_pci_bus_id),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        name: info.name,
        kind,
        backend: format!("{:?}", info.backend),
        threads: None,
        simd: Vec::new(),
        f16: features.contains(wgpu::Features::SHADER_F16),
        subgroups: features.contains(wgpu::Features::SUBGROUP),
        limits: Some(Limits {
            largest_buffer: limits.max_buffer_size,
            largest_binding: limits.max_storage_buffer_binding_size,
            bindings: limits.max_storage_buffers_per_shader_stage,
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            workgroup_size: limits.max_compute_invocations_per_workgroup,
        }),
    })
}

/// Who made an adapter, by its PCI vendor, or by its name where the API has no such number.
fn vendor(info: &wgpu::AdapterInfo) -> &'static str {
    match info.vendor {
        0x10de => "NVIDIA",
        0x1002 | 0x1022 => "AMD",
        0x8086 => "Intel",
        0x106b => "Apple",
        0x13b5 => "Arm",
        0x5143 => "Qualcomm",
        0x1010 => "Imagination",
        0x1414 => "Microsoft",
        0x10005 => "Mesa",
        _ if info.name.starts_with("Apple") => "Apple",
        _ => "",
    }
}

/// Bytes of memory on the card. wgpu does not tell; Linux does for AMD's driver.
fn memory(devices: &Path, bus: &str) -> Option<u64> {
    // What a driver says becomes part of a path.
    let is_address = !bus.is_empty() && bus.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte));
    let text = is_address.then(|| fs::read_to_string(devices.join(bus).join("mem_info_vram_total")))?.ok()?;
    text.trim().parse().ok()
}

/// A device that was opened, and the driver's handle of it.
struct Open {
    device: Device,
    handle: wgpu::Device,
}

/// Those that were opened and not lost, by adapter: each has compiled kernels and memory of its own.
static OPEN: Mutex<BTreeMap<String, Open>> = Mutex::new(BTreeMap::new());

/// Opens an adapter with all that its driver allows, or gives it again.
pub(super) fn open(adapter: &Adapter) -> Result<Device, DeviceError> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = adapter.info.key();
    choose_tuning(&key);
    if let Some(open) = open.get(&key) {
        return Ok(open.device.clone());
    }
    let refused = |cause: String| DeviceError::Open { name: adapter.info.name.clone(), cause };
    let features = adapter.adapter.features();
    let request = adapter.adapter.request_device(&wgpu::DeviceDescriptor {
        // Mappable buffers everywhere would be slow ones; what is experimental could only be had by promising not to
        // mind undefined behaviour.
        required_features: features
            .difference(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS)
            .difference(wgpu::Features::all_experimental_mask()),
        required_limits: adapter.adapter.limits(),
        // burn keeps pools of its own.
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    });
    let (handle, queue) = pollster::block_on(request).map_err(|error| refused(error.to_string()))?;
    let setup = WgpuSetup {
        instance: adapter.instance.clone(),
        adapter: adapter.adapter.clone(),
        device: handle.clone(),
        queue,
        backend: adapter.adapter.get_info().backend,
    };
    let device = Device::wgpu_options().setup(setup).init().map_err(|error| refused(error.to_string()))?;
    open.insert(key, Open { device: device.clone(), handle });
    Ok(device)
}

/// Forgets a device that was lost, so that opening its adapter makes a new one.
pub(super) fn forget(info: &DeviceInfo) {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&info.key());
}

/// Takes a device away from its users, as a driver's reset does.
pub(super) fn lose(info: &DeviceInfo) {
    if let Some(open) = OPEN.lock().unwrap_or_else(PoisonError::into_inner).get(&info.key()) {
        open.handle.destroy();
    }
}

/// The folder where it is kept which kernels are the fastest.
static TUNING: OnceLock<PathBuf> = OnceLock::new();

/// Says where it is kept which kernels are the fastest, for this run of the program. The first call counts.
pub(super) fn keep_tuning_in(folder: PathBuf) {
    TUNING.get_or_init(|| folder);
}

/// Results of one device and driver mean nothing for another, so each has a file of its own.
fn choose_tuning(key: &str) {
    let folder = TUNING.get();
    let mut config = CubeClRuntimeConfig::default().override_from_env();
    config.autotune.disable_cache = folder.is_none();
    // Set before burn's first use, so that no file that lies in the working folder decides. Later calls change nothing.
    CubeClRuntimeConfig::try_set(config);
    if let Some(folder) = folder {
        environment::set_root(folder);
        environment::activate(format!("{key} {}", env!("CARGO_PKG_VERSION")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_where_the_driver_tells_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let card = folder.path().join("0000:03:00.0");
        fs::create_dir(&card).unwrap();
        assert_eq!(memory(folder.path(), "0000:03:00.0"), None);
        fs::write(card.join("mem_info_vram_total"), "8589934592\n").unwrap();
        assert_eq!(memory(folder.path(), "0000:03:00.0"), Some(8 << 30));
        assert_eq!(memory(&folder.path().join("x"), "../0000:03:00.0"), None);
        assert_eq!(memory(folder.path(), ""), None);
    }
}
