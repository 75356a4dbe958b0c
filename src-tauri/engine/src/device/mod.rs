//! Where towers compute: the CPU (burn's flex) or a GPU (burn's wgpu), chosen at run time.
//!
//! `auto` is the best real GPU if there is one; whether it is right is for the caller to prove before it is trusted. A
//! software adapter (llvmpipe, SwiftShader, WARP) is a CPU in disguise and many times slower than flex; it can be asked
//! for by its id, and is never chosen otherwise.

mod adapters;
mod failure;

use std::{cmp::Reverse, path::Path, str::FromStr};

use burn::tensor::{Device, Tensor};

pub use failure::{ComputeError, attempt, panic_text};

use adapters::{Adapter, adapters};

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

/// What an adapter's driver allows at most. All of it is asked for when a device is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one buffer.
    pub largest_buffer: u64,
    /// Bytes of a buffer that a kernel sees.
    pub largest_binding: u64,
    /// Buffers that a kernel sees at once.
    pub bindings: u32,
    /// Bytes that a workgroup shares.
    pub workgroup_memory: u32,
    /// Threads of a workgroup.
    pub workgroup_size: u32,
}

/// A device that towers can be put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What `--device` takes: `cpu`, `gpu:0`, …
    pub id: String,
    /// The adapter's own name.
    pub name: String,
    /// Who made it; empty where that is not known.
    pub vendor: String,
    /// What it is.
    pub kind: DeviceKind,
    /// `flex`, or the graphics API of a GPU.
    pub backend: String,
    /// Driver name and version; empty on the CPU.
    pub driver: String,
    /// Threads used, on the CPU.
    pub threads: Option<usize>,
    /// Instructions for many numbers at once that the CPU has and flex uses.
    pub simd: Vec<&'static str>,
    /// Bytes of memory of its own, where the system tells.
    pub memory: Option<u64>,
    /// Whether it computes in f16.
    pub f16: bool,
    /// Whether the threads of a subgroup can exchange values.
    pub subgroups: bool,
    /// What the driver allows; not on the CPU.
    pub limits: Option<Limits>,
}

impl DeviceInfo {
    /// What tells a device from others, and from itself with another driver.
    pub fn key(&self) -> String {
        [&self.backend, &self.name, &self.driver].map(|part| part.trim().to_owned()).join(" / ")
    }

    /// Whether it is a GPU and no processor in disguise.
    pub fn is_real_gpu(&self) -> bool {
        !matches!(self.kind, DeviceKind::Cpu | DeviceKind::Software)
    }
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The best real GPU, or the processor where there is none.
    Auto,
    /// The processor.
    Cpu,
    /// The best real GPU, never a software adapter.
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
    #[error("cannot use {name}: {cause}")]
    Open {
        /// The adapter.
        name: String,
        /// What the driver said.
        cause: String,
    },
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
        vendor: String::new(),
        kind: DeviceKind::Cpu,
        backend: "flex".into(),
        driver: String::new(),
        threads: std::thread::available_parallelism().ok().map(usize::from),
        simd: simd(),
        memory: None,
        f16: false,
        subgroups: false,
        limits: None,
    }
}

#[cfg(target_arch = "x86_64")]
fn simd() -> Vec<&'static str> {
    let found = [
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("f16c", std::is_x86_feature_detected!("f16c")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
    ];
    found.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
}

#[cfg(target_arch = "aarch64")]
fn simd() -> Vec<&'static str> {
    vec!["neon"]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn simd() -> Vec<&'static str> {
    Vec::new()
}

/// The device that a choice means on this machine; nothing is opened yet.
pub fn find(choice: &DeviceChoice) -> Result<DeviceInfo, DeviceError> {
    Ok(meant(choice)?.map_or_else(cpu, |adapter| adapter.info))
}

/// Opens what was asked for. Nothing else is put in its place: falling back is the caller's decision, to be shown.
pub fn open(choice: &DeviceChoice) -> Result<(Device, DeviceInfo), DeviceError> {
    match meant(choice)? {
        None => Ok((Device::flex(), cpu())),
        Some(adapter) => Ok((adapters::open(&adapter)?, adapter.info)),
    }
}

/// Opens an adapter anew after its device was lost; whatever was on that one is gone.
pub fn open_again(lost: &DeviceInfo) -> Result<(Device, DeviceInfo), DeviceError> {
    adapters::forget(lost);
    let is_it = |adapter: &Adapter| adapter.info.key() == lost.key();
    let adapter = adapters().into_iter().find(is_it).ok_or_else(|| DeviceError::Absent { id: lost.name.clone() })?;
    Ok((adapters::open(&adapter)?, adapter.info))
}

/// Takes a GPU away from all that use it, as a reset of its driver does: the tests' way to see what comes of that.
#[doc(hidden)]
pub fn lose(info: &DeviceInfo) {
    adapters::lose(info);
}

/// Says where it is kept which kernels are the fastest on a GPU; without it, that is found out in every run anew. To be
/// called before a GPU is first opened; the first call counts.
pub fn keep_tuning_in(folder: &Path) {
    adapters::keep_tuning_in(folder.to_owned());
}

/// The adapter that a choice means; none for the CPU.
fn meant(choice: &DeviceChoice) -> Result<Option<Adapter>, DeviceError> {
    let absent = || DeviceError::Absent { id: choice.to_string() };
    match choice {
        DeviceChoice::Cpu => Ok(None),
        DeviceChoice::Auto => Ok(best(adapters())),
        DeviceChoice::Gpu => best(adapters()).map(Some).ok_or_else(absent),
        DeviceChoice::GpuIndex(index) => adapters().into_iter().nth(*index).map(Some).ok_or_else(absent),
    }
}

/// The best real GPU: a card of its own before one that shares the processor's memory, then the larger buffer, then the
/// first.
fn best(adapters: Vec<Adapter>) -> Option<Adapter> {
    let real = adapters.into_iter().filter(|adapter| adapter.info.is_real_gpu());
    real.min_by_key(|adapter| rank(&adapter.info))
}

fn rank(info: &DeviceInfo) -> (u8, Reverse<u64>) {
    let kind = match info.kind {
        DeviceKind::DiscreteGpu => 0,
        DeviceKind::IntegratedGpu => 1,
        DeviceKind::VirtualGpu => 2,
        DeviceKind::Software => 3,
        DeviceKind::Cpu => 4,
    };
    (kind, Reverse(info.limits.map_or(0, |limits| limits.largest_buffer)))
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
        assert_ne!(find(&DeviceChoice::Auto).unwrap().kind, DeviceKind::Software);
        if let Ok(info) = find(&DeviceChoice::Gpu) {
            assert!(info.is_real_gpu());
        }
    }

    #[test]
    fn a_card_of_its_own_comes_first_and_a_software_adapter_last() {
        let device = |kind, largest_buffer| {
            let limits =
                Limits { largest_buffer, largest_binding: 0, bindings: 8, workgroup_memory: 0, workgroup_size: 256 };
            DeviceInfo { kind, limits: Some(limits), ..cpu() }
        };
        use DeviceKind::{DiscreteGpu, IntegratedGpu, Software, VirtualGpu};
        let mut devices = [
            device(Software, 1 << 40),
            device(IntegratedGpu, 1 << 32),
            device(DiscreteGpu, 1 << 30),
            device(VirtualGpu, 1 << 34),
            device(DiscreteGpu, 1 << 31),
        ];
        devices.sort_by_key(rank);
        assert_eq!(devices.each_ref().map(|d| d.kind), [DiscreteGpu, DiscreteGpu, IntegratedGpu, VirtualGpu, Software]);
        assert_eq!(devices[0].limits.unwrap().largest_buffer, 1 << 31);
    }
}
