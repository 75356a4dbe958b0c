//! Devices, and speed against the last digit.

use cliploupe_engine::device::{self, DeviceChoice};
use crossbeam_channel::bounded;

use super::{Workbench, lock};
use crate::{
    devices,
    messages::{DeviceInfo, Problem, ProblemCode, SelfTest, SpeedSettings},
    problem::of_device,
    worker::Control,
};

impl Workbench {
    /// Every device of this machine, with how its self-tests ended.
    pub fn devices(&self) -> Vec<DeviceInfo> {
        devices::list(&self.shared.remembered)
    }

    /// Computes on another device. Returns when the model is there; on a GPU that was never tested with it, the CPU
    /// computes until that is done.
    pub fn choose_device(&self, id: &str) -> Result<(), Problem> {
        let choice: DeviceChoice = id.parse().map_err(|error| of_device(&error, id))?;
        let adapter = match &choice {
            DeviceChoice::GpuIndex(_) => device::find(&choice).ok().as_ref().map(devices::adapter_name),
            _ => None,
        };
        self.load(self.shared.current().0, choice)?;
        self.remember(|settings| {
            settings.device = id.to_owned();
            settings.adapter = adapter;
        })
    }

    /// Compares a device with the CPU, with the model in use. Returns when that is done.
    pub fn test_device(&self, id: &str) -> Result<SelfTest, Problem> {
        let device: DeviceChoice = id.parse().map_err(|error| of_device(&error, id))?;
        let (reply, answer) = bounded(1);
        let _ = self.control.send(Control::Test { device, reply });
        answer.recv().unwrap_or_else(|_| Err(Problem::internal("the model worker has ended")))
    }

    /// How photos are read and models are kept.
    pub fn speed(&self) -> SpeedSettings {
        self.shared.speed()
    }

    /// Changes that. Another precision loads the model again; the rest acts on photos read from now on.
    pub fn set_speed(&self, speed: SpeedSettings) -> Result<(), Problem> {
        if !SpeedSettings::PICTURE_MEMORY_MIB.contains(&speed.picture_memory_mib) {
            let (least, most) = SpeedSettings::PICTURE_MEMORY_MIB.into_inner();
            let cause = format!("pictures can be given from {least} to {most} MiB of memory");
            return Err(Problem::new(ProblemCode::Settings, &[("path", ""), ("cause", &cause)], cause.clone()));
        }
        let before = std::mem::replace(&mut *lock(&self.shared.speed), speed);
        self.shared.room.set(speed.picture_memory_mib);
        let is_other_model = (before.precision, before.half_at_rest) != (speed.precision, speed.half_at_rest);
        if is_other_model {
            let (source, choice) = self.shared.current();
            if let Err(problem) = self.load(source, choice) {
                *lock(&self.shared.speed) = before;
                return Err(problem);
            }
        }
        self.remember(|settings| settings.speed = speed)
    }
}
