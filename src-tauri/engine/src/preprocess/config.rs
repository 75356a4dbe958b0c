//! What a checkpoint says about the pictures it takes: [`PreprocessConfig`], and how open_clip writes it down.
//!
//! A setting is followed or refused by name, never guessed: one of them can change every answer. Another dialect of
//! the same settings: `transformers.rs`. What follows them: `mod.rs` (shape, crop, levels), `resample.rs` (kernel).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a checkpoint says about the pictures it takes. `Default` is OpenAI's CLIP at 224 pixels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PreprocessConfig {
    /// Height and width of the tower's input, in pixels.
    pub size: [usize; 2],
    /// Subtracted from each channel (red, green, blue) on the scale 0 to 1.
    pub mean: [f32; 3],
    /// Divides each channel after the mean is gone.
    pub std: [f32; 3],
    /// The resize kernel.
    pub interpolation: Interpolation,
    /// How a picture of another shape is fitted.
    pub resize_mode: ResizeMode,
    /// Level of the bars that [`ResizeMode::Longest`] leaves, 0 (black) to 255.
    pub fill_color: u8,
    /// Whose order of steps and whose rounding.
    pub convention: Convention,
}

/// The resize kernel, always widened when a picture shrinks (antialiased), as in Pillow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Keys' cubic with a = −0.5.
    Bicubic,
    /// The triangle.
    Bilinear,
}

/// How a picture whose shape is not the tower's is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeMode {
    /// The shorter side fits, the longer one is cropped at the centre.
    Shortest,
    /// The longer side fits, the shorter one gets bars of `fill_color`.
    Longest,
    /// Both sides fit and the picture is distorted.
    Squash,
}

/// Whose preprocessing is followed where the two families differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Convention {
    /// open_clip: resize in the file's own colour mode, drop alpha, round half a pixel of crop to even.
    OpenClip,
    /// transformers: alpha goes over white first, half a pixel of crop is rounded down.
    Transformers,
}

/// Why a checkpoint's preprocessing settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not the JSON it should be: an unknown key or a value of the wrong type, named by `source`.
    #[error("cannot understand the settings in {file}")]
    Json {
        /// Which block or file was read.
        file: &'static str,
        /// serde's complaint, which names the key.
        source: serde_json::Error,
    },
    /// A setting has a value that this app cannot follow.
    #[error("cannot follow preprocessing setting {key:?}: it is {value}, and must be {must}")]
    Value {
        /// The setting.
        key: &'static str,
        /// What it was set to.
        value: String,
        /// What would be accepted.
        must: &'static str,
    },
}

// open_clip constants.py: OPENAI_DATASET_MEAN, OPENAI_DATASET_STD.
pub(super) const OPENAI_MEAN: [f32; 3] = [0.48145466, 0.4578275, 0.40821073];
#[expect(clippy::excessive_precision, reason = "the digits every checkpoint has")]
pub(super) const OPENAI_STD: [f32; 3] = [0.26862954, 0.26130258, 0.27577711];

/// Towers take at most a few hundred pixels; beyond this a config is a mistake that would eat the memory.
const LARGEST_SIZE: usize = 8192;

impl Default for PreprocessConfig {
    fn default() -> Self {
        Self {
            size: [224, 224],
            mean: OPENAI_MEAN,
            std: OPENAI_STD,
            interpolation: Interpolation::Bicubic,
            resize_mode: ResizeMode::Shortest,
            fill_color: 0,
            convention: Convention::OpenClip,
        }
    }
}

impl PreprocessConfig {
    /// Reads the `preprocess_cfg` block of an `open_clip_config.json`.
    ///
    /// `image_size` (height, width) is the tower's own and counts unless the block says otherwise.
    /// A block or key that is absent or null takes OpenAI's value; an unknown key is refused by name.
    pub fn from_open_clip(block: &Value, image_size: [usize; 2]) -> Result<Self, ConfigError> {
        let keys = Option::<OpenClipKeys>::deserialize(block);
        let keys = keys.map_err(|source| ConfigError::Json { file: "preprocess_cfg", source })?.unwrap_or_default();
        let OpenClipKeys { size, _mode: _, mean, std, interpolation, resize_mode, fill_color } = keys;
        Self {
            size: size.map_or(image_size, OpenClipSize::sides),
            mean: mean.unwrap_or(OPENAI_MEAN),
            std: std.unwrap_or(OPENAI_STD),
            interpolation: interpolation.map_or(Interpolation::Bicubic, OpenClipInterpolation::kernel),
            resize_mode: resize_mode.unwrap_or(ResizeMode::Shortest),
            fill_color: fill_color.unwrap_or(0),
            convention: Convention::OpenClip,
        }
        .checked()
    }

    /// Refuses what would eat the memory or divide by 0.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        let refuse = |key, value, must| Err(ConfigError::Value { key, value, must });
        if self.size.iter().any(|side| !(1..=LARGEST_SIZE).contains(side)) {
            return refuse("size", format!("{:?}", self.size), "between 1 and 8192 pixels a side");
        }
        if self.mean.iter().any(|mean| !mean.is_finite()) {
            return refuse("mean", format!("{:?}", self.mean), "three finite numbers");
        }
        if self.std.iter().any(|std| !std.is_finite() || *std == 0.0) {
            return refuse("std", format!("{:?}", self.std), "three finite numbers other than 0");
        }
        Ok(self)
    }

    /// What each of the 256 levels becomes, per channel.
    pub(super) fn levels(&self) -> [[f32; 256]; 3] {
        let unit = |level: usize| match self.convention {
            Convention::OpenClip => level as f32 / 255.0, // torchvision's to_tensor
            Convention::Transformers => (level as f64 * (1.0 / 255.0)) as f32, // image_transforms.py, rescale
        };
        std::array::from_fn(|channel| {
            std::array::from_fn(|level| (unit(level) - self.mean[channel]) / self.std[channel])
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct OpenClipKeys {
    size: Option<OpenClipSize>,
    #[serde(rename = "mode")]
    _mode: Option<OpenClipMode>,
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    interpolation: Option<OpenClipInterpolation>,
    resize_mode: Option<ResizeMode>,
    fill_color: Option<u8>,
}

#[derive(Deserialize)]
enum OpenClipMode {
    #[serde(rename = "RGB")]
    Rgb,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "size is neither a number nor [height, width]")]
enum OpenClipSize {
    Side(usize),
    Sides([usize; 2]),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum OpenClipInterpolation {
    Bicubic,
    Bilinear,
    Random,
}

impl OpenClipSize {
    fn sides(self) -> [usize; 2] {
        match self {
            Self::Side(side) => [side, side],
            Self::Sides(sides) => sides,
        }
    }
}

impl OpenClipInterpolation {
    fn kernel(self) -> Interpolation {
        match self {
            Self::Bilinear => Interpolation::Bilinear,
            Self::Bicubic | Self::Random => Interpolation::Bicubic, // random is for training only
        }
    }
}

/// An error and its cause in one line.
#[cfg(test)]
pub(super) fn complaint(result: Result<PreprocessConfig, ConfigError>) -> String {
    let error = result.unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn open_clip(block: Value) -> Result<PreprocessConfig, ConfigError> {
        PreprocessConfig::from_open_clip(&block, [224, 224])
    }

    #[test]
    fn absent_and_null_keys_take_openai_values() {
        assert_eq!(open_clip(json!({})).unwrap(), PreprocessConfig::default());
        assert_eq!(open_clip(Value::Null).unwrap(), PreprocessConfig::default());
        assert_eq!(
            open_clip(json!({"mean": null, "mode": "RGB", "interpolation": "random"})).unwrap(),
            PreprocessConfig::default()
        );
        assert_eq!(open_clip(json!({"size": 336})).unwrap().size, [336, 336]);
        assert_eq!(open_clip(json!({"size": [224, 112]})).unwrap().size, [224, 112]);
    }

    #[test]
    fn settings_that_cannot_be_followed_are_refused_by_name() {
        assert!(complaint(open_clip(json!({"gamma": 2.2}))).contains("gamma"));
        assert!(complaint(open_clip(json!({"mode": "BGR"}))).contains("BGR"));
        assert!(complaint(open_clip(json!({"std": [1.0, 0.0, 1.0]}))).contains("std"));
        assert!(complaint(open_clip(json!({"mean": [1e39, 0.0, 0.0]}))).contains("mean"));
        assert!(complaint(open_clip(json!({"size": 0}))).contains("size"));
        assert!(complaint(open_clip(json!({"size": 8193}))).contains("8192"));
        assert!(complaint(open_clip(json!({"size": "big"}))).contains("size"));
        assert!(complaint(open_clip(json!([]))).contains("preprocess_cfg"));
    }
}
