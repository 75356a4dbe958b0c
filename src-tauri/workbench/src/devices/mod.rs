//! Devices: which there are, which of them were found to be right, and what it takes to trust one.
//!
//! Before a model computes on a GPU for the first time, one picture and one text go through every stage of it there and
//! on the CPU ([`self_test`]). How that ended is kept ([`remembered`]) for the device, its driver, the model and this
//! version of the program, and so are the kernels that were found to be the fastest. The second start goes straight to
//! the GPU.

mod remembered;
pub mod self_test;

use std::path::PathBuf;

use cliploupe_engine::{
    Model,
    device::{self, DeviceChoice, DeviceInfo as EngineDevice},
};

use crate::{
    messages::{DeviceInfo, Precision, PrecisionChoice, Problem, ProblemCode, SelfTest, SpeedSettings},
    model_source::ModelSource,
    problem::of_device,
    worker::loading::{self, Asked},
};

pub use remembered::Remembered;

/// Pictures that are encoded at once on a GPU: a small fixed set, so that few kernels are ever looked for. A batch is
/// filled up to the next of them.
pub const GPU_BATCHES: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Pictures that are encoded at once on the CPU. More does not make it faster, and makes the first results wait.
pub const CPU_BATCH: usize = 16;

/// The batches of a device, the smallest first. A software adapter takes a minute to look for the kernels of each.
pub fn batches(device: &EngineDevice) -> &'static [usize] {
    match device.kind {
        device::DeviceKind::Cpu => &[CPU_BATCH],
        device::DeviceKind::Software => &GPU_BATCHES[..1],
        _ => &GPU_BATCHES,
    }
}

/// The batch that `count` pictures are filled up to; on the CPU none is.
pub fn filled(device: &EngineDevice, count: usize) -> usize {
    match device.kind {
        device::DeviceKind::Cpu => count,
        _ => batches(device).iter().copied().find(|batch| *batch >= count).unwrap_or(count),
    }
}

/// Where self-tests and tuned kernels are kept on this platform.
pub fn default_folder() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "Cliploupe")?.data_local_dir().join("devices"))
}

/// Every device of this machine with its self-tests.
pub fn list(remembered: &Remembered) -> Vec<DeviceInfo> {
    let with_tests = |info: EngineDevice| {
        let tests = remembered.of_device(&info.key());
        DeviceInfo { tests, ..info.into() }
    };
    device::list().into_iter().map(with_tests).collect()
}

/// The precisions that a GPU is tried in, the best first.
pub fn precisions(device: &EngineDevice, choice: PrecisionChoice) -> Vec<Precision> {
    let wants_f16 = choice == PrecisionChoice::Auto && device.f16;
    [Precision::F16, Precision::F32].into_iter().filter(|precision| *precision == Precision::F32 || wants_f16).collect()
}

/// A model on a device that can be trusted with it.
pub struct TrustedModel {
    /// The model.
    pub model: std::sync::Arc<Model>,
    /// Where it is.
    pub device: DeviceInfo,
    /// In which numbers it computes.
    pub precision: Precision,
    /// How the device's self-test with it ended, if it is no CPU.
    pub self_test: Option<SelfTest>,
}

/// Loads a model for a program without a workbench, tested first on a GPU that was not tested with it before. A GPU that
/// cannot be used is an error if it was named, and gives way to the CPU if it was not.
pub fn trusted_model(
    source: &ModelSource,
    choice: &DeviceChoice,
    language: Option<&str>,
    image_size: Option<[usize; 2]>,
    speed: SpeedSettings,
    remembered: &Remembered,
) -> Result<TrustedModel, Problem> {
    keep_tuning(remembered);
    let asked = Asked { source, choice, language, image_size, speed, remembered, waits: true };
    let opened = loading::open_model(&asked, &mut |_| {})?;
    match opened.status.fell_back {
        Some(problem) if *choice != DeviceChoice::Auto => Err(problem),
        _ => Ok(TrustedModel {
            model: opened.model,
            device: opened.status.active,
            precision: opened.status.precision,
            self_test: opened.status.self_test,
        }),
    }
}

/// Compares a device with the CPU, from the start.
pub fn test(
    source: &ModelSource,
    choice: &DeviceChoice,
    speed: SpeedSettings,
    remembered: &Remembered,
) -> Result<SelfTest, Problem> {
    keep_tuning(remembered);
    let gpu = device::find(choice).map_err(|error| of_device(&error, &choice.to_string()))?;
    loading::test(&Asked { source, choice, language: None, image_size: None, speed, remembered, waits: true }, &gpu)
}

/// Keeps the fastest kernels beside the self-tests.
pub(crate) fn keep_tuning(remembered: &Remembered) {
    if let Some(folder) = remembered.folder() {
        device::keep_tuning_in(&folder.join("kernels"));
    }
}

/// The adapter that a person chose, by the number that it has now. Numbers change when cards come and go.
///
/// # Errors
/// A problem to show if it is gone; then the choice is the app's.
pub fn choice_of_settings(id: &str, adapter: Option<&str>) -> (DeviceChoice, Option<Problem>) {
    let choice = id.parse().unwrap_or(DeviceChoice::Auto);
    let (DeviceChoice::GpuIndex(index), Some(adapter)) = (&choice, adapter) else { return (choice, None) };
    let names: Vec<String> = device::list().iter().skip(1).map(adapter_name).collect();
    match find_again(&names, *index, adapter) {
        Some(index) => (DeviceChoice::GpuIndex(index), None),
        None => {
            let message = format!(
                "{adapter} was chosen to compute and is not there any more. The app chooses now; Settings has the devices \
                 that there are."
            );
            let problem = Problem::new(ProblemCode::Device, &[("device", adapter), ("cause", "gone")], message);
            (DeviceChoice::Auto, Some(problem))
        }
    }
}

/// What an adapter is remembered by: its driver may be a newer one at the next start.
pub fn adapter_name(device: &EngineDevice) -> String {
    format!("{} ({})", device.name, device.backend)
}

/// Where an adapter is now; the number that it had wins among several of one name.
fn find_again(names: &[String], index: usize, adapter: &str) -> Option<usize> {
    let has_stayed = names.get(index).is_some_and(|name| name == adapter);
    if has_stayed { Some(index) } else { names.iter().position(|name| name == adapter) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(f16: bool) -> EngineDevice {
        EngineDevice { kind: device::DeviceKind::DiscreteGpu, f16, ..device::cpu() }
    }

    #[test]
    fn batches_are_filled_up_on_gpus_alone() {
        assert_eq!(filled(&device::cpu(), 7), 7);
        assert_eq!([1, 3, 8, 20, 32].map(|count| filled(&gpu(true), count)), [1, 4, 8, 32, 32]);
    }

    #[test]
    fn f16_is_tried_where_the_gpu_has_it_and_nobody_forbids_it() {
        assert_eq!(precisions(&gpu(true), PrecisionChoice::Auto), [Precision::F16, Precision::F32]);
        assert_eq!(precisions(&gpu(true), PrecisionChoice::F32), [Precision::F32]);
        assert_eq!(precisions(&gpu(false), PrecisionChoice::Auto), [Precision::F32]);
    }

    #[test]
    fn a_chosen_adapter_is_found_by_its_name() {
        let names = ["a", "b", "b"].map(String::from);
        assert_eq!(find_again(&names, 0, "a"), Some(0));
        assert_eq!(find_again(&names, 2, "b"), Some(2));
        assert_eq!(find_again(&names, 0, "b"), Some(1));
        assert_eq!(find_again(&names, 1, "c"), None);
    }

    #[test]
    fn a_chosen_adapter_that_is_gone_is_said_to_be() {
        let (choice, gone) = choice_of_settings("gpu:0", Some("a card that nobody has"));
        assert_eq!(choice, DeviceChoice::Auto);
        assert!(gone.unwrap().message.starts_with("a card that nobody has was chosen"));
        assert_eq!(choice_of_settings("cpu", None), (DeviceChoice::Cpu, None));
    }
}
