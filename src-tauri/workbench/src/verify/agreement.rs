//! A model on a GPU, compared with the CPU stage by stage.

use cliploupe_engine::{
    Checkpoint, Model,
    device::{self, DeviceChoice},
};

use super::Finding;
use crate::{messages::CheckOutcome, stages::Run};

/// How far two devices may differ, relative to the largest value of a stage: sums are made in another order.
const LIMIT: f32 = 1e-3;

/// Runs the checkpoint on a GPU and compares it with what the CPU gave.
pub fn check(checkpoint: &Checkpoint, choice: &DeviceChoice, reference: &Run) -> Finding {
    let asked = match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => {
            if !device::list().iter().any(device::DeviceInfo::is_real_gpu) {
                return Finding::skipped("noGpu", "not made: this machine has no GPU to compare with");
            }
            DeviceChoice::Gpu
        }
        other => other.clone(),
    };
    let (device, info) = match device::open(&asked) {
        Ok(opened) => opened,
        Err(error) => {
            let cause = cliploupe_engine::chain(&error);
            return Finding::new(CheckOutcome::Fail, format!("the device cannot be used: {cause}"))
                .with("cause", cause);
        }
    };
    let model = match Model::load(checkpoint.clone(), None, &device) {
        Ok(model) => model,
        Err(error) => {
            let cause = cliploupe_engine::chain(&error);
            let message = format!("the model cannot be put on {}: {cause}", info.name);
            return Finding::new(CheckOutcome::Fail, message).with("device", &info.name).with("cause", cause);
        }
    };
    judge(&reference.differences(&Run::of(&model)), &info.name)
}

fn judge(differences: &[(String, f32)], device: &str) -> Finding {
    let count = differences.len();
    let most = differences.iter().map(|(_, d)| *d).fold(0.0, f32::max);
    let finding = |outcome, message: String, stage: &str, difference: f32| {
        let finding = Finding::new(outcome, message).figure(difference.into()).with("device", device);
        let finding = finding.with("stage", stage).with("count", count).with("limit", format!("{LIMIT:.0e}"));
        finding.with("difference", format!("{difference:.1e}"))
    };
    // Later stages inherit what an earlier one did wrong.
    match differences.iter().find(|(_, difference)| *difference > LIMIT) {
        Some((stage, difference)) => {
            let message = format!("{device} leaves the CPU at the stage {stage}, by {difference:.1e} of its size");
            finding(CheckOutcome::Fail, message, stage, *difference)
        }
        None => {
            let message = format!("{device} agrees with the CPU at all {count} stages, to {most:.1e} of their size");
            finding(CheckOutcome::Pass, message, "", most)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stage_beyond_the_limit_is_named() {
        let stages = |second: f32| vec![("a".to_owned(), 1e-6), ("b".to_owned(), second), ("c".to_owned(), 1.0)];
        let finding = judge(&stages(0.01), "card");
        assert_eq!((finding.outcome, finding.params["stage"].as_str()), (CheckOutcome::Fail, "b"));
        assert_eq!(judge(&stages(0.0)[..2], "card").outcome, CheckOutcome::Pass);
    }
}
