//! One picture and one text through a model on two devices, stage by stage.

use cliploupe_engine::{
    Checkpoint, Model, Tensor,
    clip::{TokenBatch, normalise},
    device::{self, DeviceChoice, DeviceKind},
    probe::{Probe, Stage},
};

use super::Finding;
use crate::messages::CheckOutcome;

/// How far two devices may differ, relative to the largest value of a stage: sums are made in another order.
const LIMIT: f32 = 1e-3;

/// What a model gave at each stage of a run.
pub struct Run {
    /// Those of the image tower first, in the order of the pass.
    stages: Vec<(String, Stage)>,
}

impl Run {
    /// Runs a picture with edges and slopes of every colour, and a text without meaning: any tokens will do.
    pub fn of(model: &Model) -> Self {
        let [height, width] = model.config.vision.image_size();
        let pixel = |i: usize| {
            let (y, x) = (i / width % height, i % width);
            (((x * 7 + y * 3 + i / (width * height) * 31) % 64) as f32 / 32.0) - 1.0
        };
        let pixels = (0..3 * height * width).map(pixel).collect();
        let mut probe = Probe::on();
        let pooled = model.clip.image_pooled(model.pixel_batch(pixels), &mut probe);
        see_joint(&mut probe, "image", model.clip.image_projection().forward(pooled));

        let (vocabulary, context) = (model.config.text.vocab_size() as u32, model.config.context_length);
        let ids = (0..context as u32).map(|i| (i * 97 + 1) % (vocabulary - 1)).collect();
        let pooled = model.clip.text_pooled(&TokenBatch::new(ids, context), &mut probe);
        see_joint(&mut probe, "text", model.clip.text_projection().forward(pooled));
        Self { stages: probe.into_order() }
    }

    /// The largest difference of each stage, relative to its largest value.
    fn differences(&self, other: &Self) -> Vec<(String, f32)> {
        let difference = |(name, stage): &(String, Stage)| {
            let theirs = other.stages.iter().find(|(other, _)| other == name);
            (name.clone(), theirs.map_or(f32::INFINITY, |(_, theirs)| apart(stage, theirs)))
        };
        self.stages.iter().map(difference).collect()
    }
}

fn see_joint(probe: &mut Probe, of: &str, projected: Tensor<2>) {
    probe.see(|| format!("{of}.projected"), &projected);
    probe.see(|| format!("{of}.embedding"), &normalise(projected));
}

fn apart(a: &Stage, b: &Stage) -> f32 {
    if a.values.len() != b.values.len() {
        return f32::INFINITY;
    }
    let size = a.values.iter().fold(1e-6, |most: f32, v| most.max(v.abs()));
    let most = a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs());
    // A difference that is no number is the largest of all.
    most.fold(0.0, |most, d| if d.is_nan() { f32::INFINITY } else { f32::max(most, d) }) / size
}

/// Runs the checkpoint on a GPU and compares it with what the CPU gave.
pub fn agreement(checkpoint: &Checkpoint, choice: &DeviceChoice, reference: &Run) -> Finding {
    let asked = match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => {
            let is_real = |kind| !matches!(kind, DeviceKind::Cpu | DeviceKind::Software);
            if !device::list().iter().any(|info| is_real(info.kind)) {
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

    #[test]
    fn what_is_no_number_is_far_away() {
        let stage = |values: &[f32]| Stage { shape: vec![values.len()], values: values.to_vec() };
        assert_eq!(apart(&stage(&[1.0, 2.0]), &stage(&[1.0, f32::NAN])), f32::INFINITY);
        assert_eq!(apart(&stage(&[1.0, 2.0]), &stage(&[1.0])), f32::INFINITY);
        assert_eq!(apart(&stage(&[1.0, -2.0]), &stage(&[1.0, -1.0])), 0.5);
    }
}
