//! Whether a GPU computes a model right, and how fast.

use std::time::{Duration, Instant};

use cliploupe_engine::{
    Model,
    device::{self, ComputeError, DeviceInfo as EngineDevice, attempt},
    photo::{Mode, Picture},
    preprocess::{Pixels, PreprocessConfig, normalise, resize_and_crop},
    probe::Probe,
};
use cliploupe_library::clock;

use super::{batches, filled};
use crate::{
    messages::{Precision, SelfTest},
    stages::{Run, cosine},
};

/// How far an f32 device may leave the CPU at any stage, relative to the stage's largest value: sums are made in another
/// order.
const LARGEST_DIFFERENCE: f32 = 1e-3;
/// Least cosine of an embedding to the CPU's, in f32 and in f16.
const LEAST_COSINE: [f32; 2] = [0.9999, 0.999];
/// The CPU's speed is measured with a larger batch only if one picture takes less than this.
const LONG: Duration = Duration::from_millis(300);

/// What the CPU makes of the test's picture and text, in f32, and how fast it is.
pub struct Reference {
    run: Run,
    /// Pictures a second.
    pub speed: f32,
}

impl Reference {
    /// Computes it; a few passes of a model on the CPU.
    pub fn of(model: &Model) -> Self {
        let run = Run::of(model);
        let one = timed(model, 1);
        let speed = if one < LONG { rate(8, timed(model, 8)).max(rate(1, one)) } else { rate(1, one) };
        Self { run, speed }
    }
}

/// Compares a model on a device with the CPU, and if they agree, looks for the fastest kernels of each of its batches and
/// measures the largest one. `tell` hears of each batch that is done.
pub fn test(
    model: &Model,
    name: &str,
    device: &EngineDevice,
    reference: &Reference,
    mut tell: impl FnMut(usize),
) -> SelfTest {
    let mut test = SelfTest {
        model: name.to_owned(),
        precision: model.precision().into(),
        passed: false,
        stages: 0,
        difference: None,
        worst_stage: String::new(),
        cosine: None,
        speedup: None,
        pictures_per_second: None,
        cause: None,
        taken_ms: clock::now_ms(),
    };
    let run = match attempt(|| Run::of(model)) {
        Ok(run) => run,
        Err(error) => return SelfTest { cause: Some(error.to_string()), ..test },
    };
    judge(&mut test, &reference.run, &run);
    if test.passed {
        match attempt(|| measure(model, device, &mut tell)) {
            Ok(speed) => {
                test.speedup = Some(speed / reference.speed);
                test.pictures_per_second = Some(speed);
            }
            // Larger batches may still fit less memory than there is; a smaller one is then found while it works.
            Err(ComputeError::OutOfMemory(_)) => {}
            Err(error) => return SelfTest { passed: false, cause: Some(error.to_string()), ..test },
        }
    }
    test
}

/// Fills in how far two runs are apart, and whether that is near enough.
fn judge(test: &mut SelfTest, reference: &Run, run: &Run) {
    let differences = reference.differences(run);
    let worst = differences.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let (stage, difference) = worst.cloned().unwrap_or((String::new(), f32::INFINITY));
    let cosine = cosine(reference, run);
    test.stages = differences.len() as u32;
    test.difference = Some(difference).filter(|difference| difference.is_finite());
    test.cosine = Some(cosine).filter(|cosine| cosine.is_finite());
    let is_f16 = test.precision == Precision::F16;
    let least = LEAST_COSINE[usize::from(is_f16)];
    test.cause = if !difference.is_finite() || !cosine.is_finite() {
        Some(format!("it gave no numbers at the stage {stage}"))
    } else if cosine < least {
        Some(format!("the cosine of its test embedding to the CPU's is {cosine:.5}, less than {least}"))
    } else if !is_f16 && difference > LARGEST_DIFFERENCE {
        Some(format!("it leaves the CPU at the stage {stage} by {difference:.1e} of its size"))
    } else {
        None
    };
    test.worst_stage = stage;
    test.passed = test.cause.is_none();
}

/// Encodes with every batch of a device; gives pictures a second with the largest.
fn measure(model: &Model, device: &EngineDevice, tell: &mut impl FnMut(usize)) -> f32 {
    let mut speed = 0.0_f32;
    for (done, batch) in batches(device).iter().enumerate() {
        // The first time looks for kernels.
        timed(model, *batch);
        speed = (0..3).map(|_| rate(*batch, timed(model, *batch))).fold(speed, f32::max);
        tell(done + 1);
    }
    speed
}

fn rate(pictures: usize, time: Duration) -> f32 {
    pictures as f32 / time.as_secs_f32().max(1e-6)
}

/// How long it takes until the features of `batch` pictures are there.
fn timed(model: &Model, batch: usize) -> Duration {
    let pixels = normalise(&test_pixels(&model.preprocess), &model.preprocess).repeat(batch);
    let begin = Instant::now();
    device::read(model.clip.image_pooled(model.pixel_batch(pixels), &mut Probe::off()));
    begin.elapsed()
}

/// Pooled features of pictures, `[picture, width]`, computed in one of the device's batches.
pub fn pooled(model: &Model, device: &EngineDevice, pictures: &[&Pixels]) -> Vec<f32> {
    let width = model.clip.image_projection().config().input_dim;
    let mut values: Vec<f32> = pictures.iter().flat_map(|pixels| normalise(pixels, &model.preprocess)).collect();
    let one = values.len() / pictures.len().max(1);
    values.resize(one * filled(device, pictures.len()), 0.0);
    let mut pooled = device::read(model.clip.image_pooled(model.pixel_batch(values), &mut Probe::off()));
    pooled.truncate(pictures.len() * width);
    pooled
}

/// A picture with edges and slopes of every colour.
pub fn test_pixels(config: &PreprocessConfig) -> Pixels {
    const SIDE: usize = 64;
    let pixel = |i: usize| {
        let (x, y) = (i % SIDE, i / SIDE);
        [(x * 4) as u8, (y * 4) as u8, if (x / 8 + y / 8).is_multiple_of(2) { 230 } else { 20 }]
    };
    let data = (0..SIDE * SIDE).flat_map(pixel).collect();
    resize_and_crop(&Picture::new(SIDE, SIDE, Mode::Rgb, data), config)
}
