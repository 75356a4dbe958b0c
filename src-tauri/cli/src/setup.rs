//! What the common options mean: the model, where it computes, and how photos are read.

use cliploupe_workbench::{
    Options,
    devices::{self, Remembered, TrustedModel},
    engine::{Device, Model},
    messages::{PrecisionChoice, SpeedSettings},
    model_source::ModelSource,
    store::Store,
};

use crate::{
    args::{Common, Precision},
    failure::Failed,
};

/// The model that the options name. Without a models folder, the embedded one and paths can still be named.
pub fn source(common: &Common) -> Result<ModelSource, Failed> {
    let store = Store::of_user().ok();
    Ok(ModelSource::find(&common.model, common.config.as_deref(), store.as_ref())?)
}

/// A workbench with the model and device of the options. Whoever names a GPU waits until it is known to be right.
pub fn options(common: &Common) -> Result<Options, Failed> {
    if common.image_size.is_some() {
        return Err(Failed::usage("--image-size is for embed and preprocess"));
    }
    Ok(Options {
        model: Some(source(common)?),
        device: Some(common.device.parse()?),
        devices: devices::default_folder(),
        waits_for_gpu: common.device.starts_with("gpu"),
        speed: Some(speed(common)),
        ..Options::default()
    })
}

/// How photos are read and models are kept.
pub fn speed(common: &Common) -> SpeedSettings {
    SpeedSettings {
        exact_decoding: common.exact,
        precision: match common.precision {
            Precision::Auto => PrecisionChoice::Auto,
            Precision::F32 => PrecisionChoice::F32,
        },
        half_at_rest: common.half_at_rest,
        ..SpeedSettings::default()
    }
}

/// The model of the options on a device that can be trusted with it.
pub fn load(common: &Common, language: Option<&str>) -> Result<(TrustedModel, String), Failed> {
    let source = source(common)?;
    let remembered = Remembered::load(devices::default_folder().as_deref());
    let size = common.image_size.map(|side| [side, side]);
    let model = devices::trusted_model(&source, &common.device.parse()?, language, size, speed(common), &remembered)?;
    Ok((model, source.name()))
}

/// The model of the options for what its towers are not needed for.
pub fn load_for_reading(common: &Common, language: Option<&str>) -> Result<Model, Failed> {
    let size = common.image_size.map(|side| [side, side]);
    let mut model = Model::load(source(common)?.checkpoint()?, size, &Device::flex())?;
    language.map_or(Ok(()), |code| model.set_language(code))?;
    Ok(model)
}
