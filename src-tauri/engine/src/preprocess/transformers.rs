//! transformers' `preprocessor_config.json` becomes a [`PreprocessConfig`].
//!
//! Its processors list steps and sizes that may contradict one another; only what is done here step for step is
//! accepted. open_clip's dialect, and what the settings mean: `config.rs`.

use super::config::{ConfigError, Convention, Interpolation, OPENAI_MEAN, OPENAI_STD, PreprocessConfig, ResizeMode};
use serde::Deserialize;
use serde_json::{Map, Value};

impl PreprocessConfig {
    /// Reads a transformers `preprocessor_config.json`.
    ///
    /// An absent or null key takes the default of `SiglipImageProcessor` if the file names it, else of
    /// `CLIPImageProcessor`, whose twin `ChineseCLIPImageProcessor` is. A step that is switched off, a key that is
    /// unknown, or another processor is refused by name.
    pub fn from_transformers(file: &Value) -> Result<Self, ConfigError> {
        let is_siglip = is_siglip(file)?;
        let keys = TransformersKeys::read(file)?;
        keys.check_steps()?;
        let (size, resize_mode) = keys.frame(is_siglip)?;
        let (mean, std) = keys.mean_and_std(is_siglip);
        Self {
            size,
            mean,
            std,
            interpolation: keys.kernel()?,
            resize_mode,
            fill_color: 0,
            convention: Convention::Transformers,
        }
        .checked()
    }
}

/// Which of the two families of processors the file names; CLIP's if it names none.
fn is_siglip(file: &Value) -> Result<bool, ConfigError> {
    // Files that were converted still carry the older key, and the newer one counts.
    let named = ["image_processor_type", "feature_extractor_type"].into_iter().find_map(|key| {
        let name = file[key].as_str()?;
        Some((key, name))
    });
    let Some((key, name)) = named else { return Ok(false) };
    // The endings say who resizes: torchvision or Pillow. They differ by one level at most.
    let family = ["Fast", "Pil"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    match family {
        "SiglipImageProcessor" | "SiglipFeatureExtractor" => Ok(true),
        "CLIPImageProcessor" | "CLIPFeatureExtractor" | "ChineseCLIPImageProcessor" | "ChineseCLIPFeatureExtractor" => {
            Ok(false)
        }
        _ => Err(ConfigError::Value {
            key,
            value: name.to_owned(),
            must: "an image processor of CLIP, Chinese-CLIP or SigLIP",
        }),
    }
}

/// Keys that transformers writes beside the settings and that change no pixel.
const HARMLESS_KEYS: [&str; 12] = [
    "_processor_class",
    "_valid_processor_keys",
    "data_format",
    "default_to_square",
    "device",
    "disable_grouping",
    "do_convert_rgb", // our pictures always end as RGB
    "feature_extractor_type",
    "image_processor_type",
    "input_data_format",
    "processor_class",
    "return_tensors",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransformersKeys {
    do_resize: Option<bool>,
    size: Option<TransformersSize>,
    resample: Option<u8>,
    do_center_crop: Option<bool>,
    crop_size: Option<TransformersSize>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    do_normalize: Option<bool>,
    image_mean: Option<[f32; 3]>,
    image_std: Option<[f32; 3]>,
    do_pad: Option<bool>,
}

#[derive(Deserialize, Debug, Clone, Copy)]
#[serde(untagged, deny_unknown_fields, expecting = "size is neither a number, {shortest_edge} nor {height, width}")]
enum TransformersSize {
    Side(usize),
    Edge { shortest_edge: usize },
    Sides { height: usize, width: usize },
}

impl TransformersSize {
    fn sides(self) -> [usize; 2] {
        match self {
            Self::Sides { height, width } => [height, width],
            Self::Side(side) | Self::Edge { shortest_edge: side } => [side, side],
        }
    }
}

impl TransformersKeys {
    fn read(file: &Value) -> Result<Self, ConfigError> {
        let mut keys = Map::<String, Value>::deserialize(file).map_err(Self::unreadable)?;
        keys.retain(|key, value| !value.is_null() && !HARMLESS_KEYS.contains(&key.as_str()));
        Self::deserialize(Value::Object(keys)).map_err(Self::unreadable)
    }

    fn unreadable(source: serde_json::Error) -> ConfigError {
        ConfigError::Json { file: "preprocessor_config.json", source }
    }

    fn check_steps(&self) -> Result<(), ConfigError> {
        let step = |key, value: Option<bool>, must: bool, said: &'static str| match value {
            Some(value) if value != must => Err(ConfigError::Value { key, value: value.to_string(), must: said }),
            _ => Ok(()),
        };
        step("do_resize", self.do_resize, true, "true")?;
        step("do_rescale", self.do_rescale, true, "true")?;
        step("do_pad", self.do_pad, false, "false")?;
        match self.rescale_factor {
            Some(factor) if (factor * 255.0 - 1.0).abs() > 1e-9 => {
                Err(ConfigError::Value { key: "rescale_factor", value: factor.to_string(), must: "1/255" })
            }
            _ => Ok(()),
        }
    }

    fn frame(&self, is_siglip: bool) -> Result<([usize; 2], ResizeMode), ConfigError> {
        use TransformersSize::{Edge, Side, Sides};
        let crops = self.do_center_crop.unwrap_or(!is_siglip);
        let default = if is_siglip { Sides { height: 224, width: 224 } } else { Edge { shortest_edge: 224 } };
        let size = self.size.unwrap_or(default);
        let mode = match size {
            Sides { .. } => ResizeMode::Squash,
            Side(_) if !crops => ResizeMode::Squash,
            Side(_) | Edge { .. } => ResizeMode::Shortest,
        };
        if mode == ResizeMode::Shortest && !crops {
            return Err(ConfigError::Value {
                key: "do_center_crop",
                value: "false".into(),
                must: "true where size is a shortest_edge",
            });
        }
        let (size, crop) = (size.sides(), self.crop_size.unwrap_or(Side(224)).sides());
        if crops && crop != size {
            return Err(ConfigError::Value { key: "crop_size", value: format!("{crop:?}"), must: "the same as size" });
        }
        Ok((size, mode))
    }

    /// `resample` is Pillow's number of a filter.
    fn kernel(&self) -> Result<Interpolation, ConfigError> {
        match self.resample {
            None | Some(3) => Ok(Interpolation::Bicubic),
            Some(2) => Ok(Interpolation::Bilinear),
            Some(other) => Err(ConfigError::Value {
                key: "resample",
                value: other.to_string(),
                must: "2 (bilinear) or 3 (bicubic)",
            }),
        }
    }

    fn mean_and_std(&self, is_siglip: bool) -> ([f32; 3], [f32; 3]) {
        let (mean, std) = if is_siglip { ([0.5; 3], [0.5; 3]) } else { (OPENAI_MEAN, OPENAI_STD) };
        match self.do_normalize {
            Some(false) => ([0.0; 3], [1.0; 3]),
            _ => (self.image_mean.unwrap_or(mean), self.image_std.unwrap_or(std)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::config::complaint;
    use serde_json::json;

    fn transformers(file: Value) -> Result<PreprocessConfig, ConfigError> {
        PreprocessConfig::from_transformers(&file)
    }

    #[test]
    fn old_and_new_transformers_files_mean_the_same() {
        let expected = PreprocessConfig { convention: Convention::Transformers, ..Default::default() };
        let old = json!({"crop_size": 224, "do_center_crop": true, "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "size": 224});
        let new = json!({"image_processor_type": "CLIPImageProcessorFast", "size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224},
            "do_pad": null, "data_format": "channels_first", "device": null, "rescale_factor": 0.00392156862745098});
        assert_eq!(transformers(old).unwrap(), expected);
        assert_eq!(transformers(new).unwrap(), expected);
        assert_eq!(transformers(json!({})).unwrap(), expected);
    }

    #[test]
    fn siglip_squashes() {
        let config = transformers(
            json!({"image_processor_type": "SiglipImageProcessor", "resample": 2, "size": {"height": 64, "width": 64}}),
        )
        .unwrap();
        assert_eq!((config.resize_mode, config.interpolation), (ResizeMode::Squash, Interpolation::Bilinear));
        assert_eq!((config.size, config.mean, config.std), ([64, 64], [0.5; 3], [0.5; 3]));
    }

    #[test]
    fn twins_of_a_processor_are_the_same_and_others_are_refused() {
        for name in ["CLIPImageProcessor", "CLIPImageProcessorPil", "ChineseCLIPImageProcessorFast"] {
            let expected = PreprocessConfig { convention: Convention::Transformers, ..Default::default() };
            assert_eq!(transformers(json!({ "image_processor_type": name })).unwrap(), expected, "{name}");
        }
        let fast = json!({ "image_processor_type": "SiglipImageProcessorFast", "feature_extractor_type": "CLIPFeatureExtractor" });
        assert_eq!(transformers(fast).unwrap().resize_mode, ResizeMode::Squash);
        for name in ["Siglip2ImageProcessor", "ViTImageProcessor", "BlipImageProcessor"] {
            let complaint = complaint(transformers(json!({ "image_processor_type": name })));
            assert!(complaint.contains(name), "{complaint}");
        }
    }

    #[test]
    fn chinese_clip_squashes_where_its_file_says_so() {
        let file = json!({"feature_extractor_type": "ChineseCLIPFeatureExtractor", "do_center_crop": false,
            "crop_size": {"height": 224, "width": 224}, "size": {"height": 224, "width": 224}});
        assert_eq!(transformers(file).unwrap().resize_mode, ResizeMode::Squash);
    }

    #[test]
    fn transformers_steps_that_are_missing_here_are_refused_by_name() {
        for (key, value) in [
            ("do_resize", json!(false)),
            ("do_pad", json!(true)),
            ("rescale_factor", json!(1.0)),
            ("resample", json!(1)),
            ("crop_size", json!(200)),
            ("do_center_crop", json!(false)),
            ("crop_pct", json!(0.9)),
            ("size", json!({"longest_edge": 224})),
        ] {
            let mut file = json!({"size": {"shortest_edge": 224}});
            file[key] = value;
            assert!(complaint(transformers(file)).contains(key), "{key}");
        }
    }
}
