//! One picture and one text through a model, stage by stage, so that two devices can be compared.

use cliploupe_engine::{
    Model, Tensor,
    clip::{TokenBatch, normalise},
    probe::{Probe, Stage},
};

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
    pub fn differences(&self, other: &Self) -> Vec<(String, f32)> {
        let difference = |(name, stage): &(String, Stage)| {
            let theirs = other.stages.iter().find(|(other, _)| other == name);
            (name.clone(), theirs.map_or(f32::INFINITY, |(_, theirs)| apart(stage, theirs)))
        };
        self.stages.iter().map(difference).collect()
    }
}

/// The lower cosine of the two embeddings of a run to those of another; no number where one has none.
pub fn cosine(a: &Run, b: &Run) -> f32 {
    let of = |run: &Run, name: &str| run.stages.iter().find(|(stage, _)| stage == name).map(|(_, s)| s.values.clone());
    ["image.embedding", "text.embedding"].into_iter().fold(1.0, |least: f32, name| {
        let (Some(a), Some(b)) = (of(a, name), of(b, name)) else { return f32::NAN };
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let cosine = (dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()) as f32;
        if cosine.is_nan() || least.is_nan() { f32::NAN } else { least.min(cosine) }
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_far_away() {
        let stage = |values: &[f32]| Stage { shape: vec![values.len()], values: values.to_vec() };
        assert_eq!(apart(&stage(&[1.0, 2.0]), &stage(&[1.0, f32::NAN])), f32::INFINITY);
        assert_eq!(apart(&stage(&[1.0, 2.0]), &stage(&[1.0])), f32::INFINITY);
        assert_eq!(apart(&stage(&[1.0, -2.0]), &stage(&[1.0, -1.0])), 0.5);
    }
}
