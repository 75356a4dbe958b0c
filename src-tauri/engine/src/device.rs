//! Where towers compute: the CPU (burn's flex) or a GPU (burn's wgpu), chosen at run time.
//!
//! `auto` is the CPU for now: a GPU is only used when it is asked for, until the app can prove on the spot that it is
//! right. A software adapter (llvmpipe, SwiftShader, WARP) is a CPU in disguise and many times slower than flex; it can
//! be asked for by its id, and is never chosen otherwise.

use std::{collections::BTreeMap, str::FromStr, sync::Mutex};

use burn::tensor::{
    Device, DeviceKind as BurnKind, Tensor,
    wgpu::{WgpuBackend, WgpuInitError, wgpu},
};

/// What kind of hardware a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor, through burn's flex.
    Cpu,
    /// A card of its own.
    DiscreteGpu,
    /// A GPU that shares the processor's memory.
    IntegratedGpu,
    /// A GPU handed to a virtual machine.
    VirtualGpu,
    /// A graphics driver that computes on the processor.
    Software,
}

/// A device that towers can be put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What `--device` takes: `cpu`, `gpu:0`, …
    pub id: String,
    /// The adapter's own name.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// `flex`, or the graphics API of a GPU.
    pub backend: String,
    /// Driver name and version; empty on the CPU.
    pub driver: String,
    /// Threads used, on the CPU.
    pub threads: Option<usize>,
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The app decides.
    Auto,
    /// The processor.
    Cpu,
    /// The first real GPU, never a software adapter.
    Gpu,
    /// The adapter with this number in the list.
    GpuIndex(usize),
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let wrong = || DeviceError::Unknown { id: text.to_owned() };
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            other => {
                let index = other.strip_prefix("gpu:").ok_or_else(wrong)?;
                index.parse().map(Self::GpuIndex).map_err(|_| wrong())
            }
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu => f.write_str("gpu"),
            Self::GpuIndex(index) => write!(f, "gpu:{index}"),
        }
    }
}

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Not a device in words that we know.
    #[error("{id:?} is not a device: use auto, cpu, gpu or gpu:N")]
    Unknown {
        /// What was given.
        id: String,
    },
    /// No adapter with that number, or no real GPU at all.
    #[error("there is no {id} on this machine; `devices` lists what there is")]
    Absent {
        /// What was asked for.
        id: String,
    },
    /// The driver refused.
    #[error("cannot use {name}")]
    Open {
        /// The adapter.
        name: String,
        /// What the driver said.
        source: WgpuInitError,
    },
}

/// An adapter and how burn finds it again.
struct Adapter {
    info: DeviceInfo,
    kind: BurnKind,
    api: WgpuBackend,
}

/// Every device of this machine, the CPU first.
pub fn list() -> Vec<DeviceInfo> {
    std::iter::once(cpu()).chain(adapters().into_iter().map(|adapter| adapter.info)).collect()
}

/// The processor.
pub fn cpu() -> DeviceInfo {
    DeviceInfo {
        id: "cpu".into(),
        name: "CPU".into(),
        kind: DeviceKind::Cpu,
        backend: "flex".into(),
        driver: String::new(),
        threads: std::thread::available_parallelism().ok().map(usize::from),
    }
}

/// Opens what was asked for. Nothing else is put in its place: falling back is the caller's decision, to be shown.
pub fn open(choice: &DeviceChoice) -> Result<(Device, DeviceInfo), DeviceError> {
    let found = match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => return Ok((Device::flex(), cpu())),
        DeviceChoice::Gpu => adapters().into_iter().find(|adapter| adapter.info.kind != DeviceKind::Software),
        DeviceChoice::GpuIndex(index) => adapters().into_iter().nth(*index),
    };
    let adapter = found.ok_or_else(|| DeviceError::Absent { id: choice.to_string() })?;
    Ok((open_adapter(&adapter)?, adapter.info))
}

fn open_adapter(adapter: &Adapter) -> Result<Device, DeviceError> {
    // burn registers a runtime per adapter for the life of the process and refuses to do it twice.
    static OPEN: Mutex<BTreeMap<String, Device>> = Mutex::new(BTreeMap::new());
    let mut open = OPEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(device) = open.get(&adapter.info.id) {
        return Ok(device.clone());
    }
    let device = Device::wgpu_options()
        .device_kind(adapter.kind.clone())
        .graphics_api(adapter.api)
        .init()
        .map_err(|source| DeviceError::Open { name: adapter.info.name.clone(), source })?;
    open.insert(adapter.info.id.clone(), device.clone());
    Ok(device)
}

/// All adapters, best API first. OpenGL only stands in where no other API has a real GPU: it shows the same cards again.
fn adapters() -> Vec<Adapter> {
    let mut found: Vec<Adapter> = [
        (wgpu::Backend::Vulkan, WgpuBackend::Vulkan),
        (wgpu::Backend::Metal, WgpuBackend::Metal),
        (wgpu::Backend::Dx12, WgpuBackend::Dx12),
    ]
    .into_iter()
    .flat_map(|(backend, api)| adapters_of(backend, api))
    .collect();
    if found.iter().all(|adapter| adapter.info.kind == DeviceKind::Software) {
        found.extend(
            adapters_of(wgpu::Backend::Gl, WgpuBackend::Gl).into_iter().filter(|a| a.info.kind != DeviceKind::Software),
        );
    }
    for (index, adapter) in found.iter_mut().enumerate() {
        adapter.info.id = format!("gpu:{index}");
    }
    found
}

fn adapters_of(backend: wgpu::Backend, api: WgpuBackend) -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: backend.into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let infos = pollster::block_on(instance.enumerate_adapters(backend.into()));
    let mut seen = BTreeMap::<&str, usize>::new();
    infos.iter().filter_map(|adapter| describe(&adapter.get_info(), api, &mut seen)).collect()
}

/// `seen` counts the adapters of each kind, because that is how burn addresses them.
fn describe(info: &wgpu::AdapterInfo, api: WgpuBackend, seen: &mut BTreeMap<&'static str, usize>) -> Option<Adapter> {
    let mut next = |kind| {
        let count = seen.entry(kind).or_default();
        *count += 1;
        *count - 1
    };
    let (kind, burn_kind) = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => (DeviceKind::DiscreteGpu, BurnKind::DiscreteGpu(next("discrete"))),
        wgpu::DeviceType::IntegratedGpu => (DeviceKind::IntegratedGpu, BurnKind::IntegratedGpu(next("integrated"))),
        wgpu::DeviceType::VirtualGpu => (DeviceKind::VirtualGpu, BurnKind::VirtualGpu(next("virtual"))),
        // burn can only address the first software adapter of an API.
        wgpu::DeviceType::Cpu if next("software") == 0 => (DeviceKind::Software, BurnKind::Cpu),
        wgpu::DeviceType::Cpu | wgpu::DeviceType::Other => return None,
    };
    let info = DeviceInfo {
        id: String::new(),
        name: info.name.clone(),
        kind,
        backend: format!("{:?}", info.backend),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        threads: None,
    };
    Some(Adapter { info, kind: burn_kind, api })
}

/// The values of a tensor, row-major.
///
/// # Panics
/// If the device was lost; the model worker turns that into an error of the photos at hand.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().expect("the device gives its values back")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_words_are_read_back_as_written() {
        for id in ["auto", "cpu", "gpu", "gpu:3"] {
            assert_eq!(id.parse::<DeviceChoice>().unwrap().to_string(), id);
        }
        assert!("gpu:x".parse::<DeviceChoice>().is_err());
        assert!("cuda".parse::<DeviceChoice>().is_err());
    }

    #[test]
    fn auto_never_takes_a_software_adapter() {
        let (_, info) = open(&DeviceChoice::Auto).unwrap();
        assert_ne!(info.kind, DeviceKind::Software);
        if let Ok((_, info)) = open(&DeviceChoice::Gpu) {
            assert_ne!(info.kind, DeviceKind::Software);
        }
    }
}
