//! Where towers compute, how well that was found to work, and how fast photos are read.

use cliploupe_engine::{device, precision};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Problem;

/// What kind of hardware a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum DeviceKind {
    /// The processor.
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

/// What an adapter's driver allows at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DeviceLimits {
    /// Bytes of one buffer.
    #[ts(type = "number")]
    pub largest_buffer: u64,
    /// Bytes of a buffer that a kernel sees.
    #[ts(type = "number")]
    pub largest_binding: u64,
    /// Buffers that a kernel sees at once.
    pub bindings: u32,
    /// Bytes that a workgroup shares.
    pub workgroup_memory: u32,
    /// Threads of a workgroup.
    pub workgroup_size: u32,
}

/// A device that towers can be put on.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DeviceInfo {
    /// What `--device` takes.
    pub id: String,
    /// The adapter's own name.
    pub name: String,
    /// Who made it; empty where that is not known.
    pub vendor: String,
    /// What it is.
    pub kind: DeviceKind,
    /// `flex`, or the graphics API.
    pub backend: String,
    /// Driver and version; empty on the CPU.
    pub driver: String,
    /// Threads, on the CPU.
    pub threads: Option<u32>,
    /// Instructions for many numbers at once that the CPU has, as `avx2`.
    pub simd: Vec<String>,
    /// Bytes of memory of its own, where the system tells.
    #[ts(type = "number | null")]
    pub memory: Option<u64>,
    /// Whether it computes in f16.
    pub f16: bool,
    /// Whether the threads of a subgroup can exchange values.
    pub subgroups: bool,
    /// What its driver allows; not on the CPU.
    pub limits: Option<DeviceLimits>,
    /// How its self-tests ended, the newest of each model and precision, newest first.
    pub tests: Vec<SelfTest>,
}

impl From<device::DeviceInfo> for DeviceInfo {
    fn from(info: device::DeviceInfo) -> Self {
        let kind = match info.kind {
            device::DeviceKind::Cpu => DeviceKind::Cpu,
            device::DeviceKind::DiscreteGpu => DeviceKind::DiscreteGpu,
            device::DeviceKind::IntegratedGpu => DeviceKind::IntegratedGpu,
            device::DeviceKind::VirtualGpu => DeviceKind::VirtualGpu,
            device::DeviceKind::Software => DeviceKind::Software,
        };
        let limits = info.limits.map(|limits| DeviceLimits {
            largest_buffer: limits.largest_buffer,
            largest_binding: limits.largest_binding,
            bindings: limits.bindings,
            workgroup_memory: limits.workgroup_memory,
            workgroup_size: limits.workgroup_size,
        });
        Self {
            id: info.id,
            name: info.name,
            vendor: info.vendor,
            kind,
            backend: info.backend,
            driver: info.driver,
            threads: info.threads.map(|threads| threads as u32),
            simd: info.simd.into_iter().map(str::to_owned).collect(),
            memory: info.memory,
            f16: info.f16,
            subgroups: info.subgroups,
            limits,
            tests: Vec::new(),
        }
    }
}

/// In which numbers a model is kept and computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Precision {
    /// Everything in f32.
    F32,
    /// Weights in f16, computed in f32: half the memory.
    HalfAtRest,
    /// Weights and activations in f16; sums of norms and of attention in f32.
    F16,
}

impl From<Precision> for precision::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::HalfAtRest => Self::HalfAtRest,
            Precision::F16 => Self::F16,
        }
    }
}

impl From<precision::Precision> for Precision {
    fn from(precision: precision::Precision) -> Self {
        match precision {
            precision::Precision::F32 => Self::F32,
            precision::Precision::HalfAtRest => Self::HalfAtRest,
            precision::Precision::F16 => Self::F16,
        }
    }
}

/// A device compared with the CPU: one picture and one text through every stage of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SelfTest {
    /// The model's name.
    pub model: String,
    /// In which numbers the device computed; the CPU's were f32.
    pub precision: Precision,
    /// Whether the device is trusted with this model.
    pub passed: bool,
    /// Stages that were compared.
    pub stages: u32,
    /// The largest difference to the CPU, relative to the largest value of its stage; none where the device gave no
    /// numbers.
    pub difference: Option<f32>,
    /// The stage of it.
    pub worst_stage: String,
    /// Cosine to the CPU's embedding, the lower one of picture and text.
    pub cosine: Option<f32>,
    /// How many times faster than the CPU it encoded pictures; none where it was not trusted.
    pub speedup: Option<f32>,
    /// Pictures a second at the best batch.
    pub pictures_per_second: Option<f32>,
    /// Why it is not trusted.
    pub cause: Option<String>,
    /// When, in milliseconds since 1970.
    #[ts(type = "number")]
    pub taken_ms: i64,
}

/// What a GPU is being prepared with, once for each model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum PreparingStep {
    /// The model is put onto it.
    Loading,
    /// It is compared with the CPU.
    Testing,
    /// The fastest kernels for its batches are looked for.
    Tuning,
}

/// A GPU that is being prepared while the CPU computes.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Preparing {
    /// The GPU's name.
    pub name: String,
    /// What is done now.
    pub step: PreparingStep,
    /// Steps that are done.
    pub done: u32,
    /// Steps in all.
    pub total: u32,
}

/// What computes now.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DeviceStatus {
    /// What was asked for.
    pub chosen: String,
    /// What computes.
    pub active: DeviceInfo,
    /// In which numbers.
    pub precision: Precision,
    /// On a GPU: how its self-test with this model ended.
    pub self_test: Option<SelfTest>,
    /// The GPU that will take over.
    pub preparing: Option<Preparing>,
    /// Pictures that are encoded at once; less than at first after a GPU ran out of memory.
    pub batch: u32,
    /// Why it is not what was asked for.
    pub fell_back: Option<Problem>,
}

/// In which numbers a GPU computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum PrecisionChoice {
    /// f16 where the GPU has it and its self-test allows, else f32.
    #[default]
    Auto,
    /// f32.
    F32,
}

/// How photos are read and models are kept: speed and memory against the last digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct SpeedSettings {
    /// Whether JPEG files are decoded in full, as open_clip does, and not at the smallest scale that is enough.
    pub exact_decoding: bool,
    /// In which numbers a GPU computes.
    pub precision: PrecisionChoice,
    /// Whether the CPU keeps weights in f16: half the memory, a little slower.
    pub half_at_rest: bool,
    /// Mebibytes that decoded pictures may take at once.
    pub picture_memory_mib: u32,
}

impl SpeedSettings {
    /// What [`Self::picture_memory_mib`] may be: a picture of 12 megapixels takes 34, decoded in full.
    pub const PICTURE_MEMORY_MIB: std::ops::RangeInclusive<u32> = 64..=65536;
}

impl Default for SpeedSettings {
    fn default() -> Self {
        Self { exact_decoding: false, precision: PrecisionChoice::Auto, half_at_rest: false, picture_memory_mib: 512 }
    }
}
