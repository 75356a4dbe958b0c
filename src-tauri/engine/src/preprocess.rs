//! A picture becomes the numbers a vision tower takes: resize, centre crop, RGB, 0..1, normalise.
//!
//! Towers were trained on what Pillow makes of a photo, so this is Pillow's 8-bit resampler bit for bit
//! (`src/libImaging/Resample.c` and `Geometry.c` of Pillow 12.3.0) and the steps of open_clip's evaluation
//! transform (`src/open_clip/transform.py`, `image_transform`, at commit 02191216) or of transformers'
//! `CLIPImageProcessor`. Only rows and columns that survive the crop are computed, so a 1×20000 strip costs
//! no more than a photo. Settings come from a checkpoint and are never guessed: see [`PreprocessConfig`].
//! Where pictures come from: [`crate::photo`].

use crate::photo::{Mode, Picture};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::ops::Range;

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

/// 8-bit RGB, ready to be shown or normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[height, width, 3]`.
    pub data: Vec<u8>,
}

// open_clip constants.py: OPENAI_DATASET_MEAN, OPENAI_DATASET_STD.
const OPENAI_MEAN: [f32; 3] = [0.48145466, 0.4578275, 0.40821073];
#[expect(clippy::excessive_precision, reason = "the digits every checkpoint has")]
const OPENAI_STD: [f32; 3] = [0.26862954, 0.26130258, 0.27577711];

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

    /// Reads a transformers `preprocessor_config.json`.
    ///
    /// An absent or null key takes the default of `SiglipImageProcessor` if the file names it, else of
    /// `CLIPImageProcessor`. A step that is switched off, or a key that is unknown, is refused by name.
    pub fn from_transformers(file: &Value) -> Result<Self, ConfigError> {
        let is_siglip = ["image_processor_type", "feature_extractor_type"]
            .iter()
            .any(|key| file[key].as_str().is_some_and(|name| name.starts_with("Siglip")));
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

    fn checked(self) -> Result<Self, ConfigError> {
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
    fn levels(&self) -> [[f32; 256]; 3] {
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
        let (size, mode) = match self.size.unwrap_or(default) {
            Sides { height, width } => ([height, width], ResizeMode::Squash),
            Side(side) if !crops => ([side, side], ResizeMode::Squash),
            Side(side) | Edge { shortest_edge: side } => ([side, side], ResizeMode::Shortest),
        };
        if mode == ResizeMode::Shortest && !crops {
            return Err(ConfigError::Value {
                key: "do_center_crop",
                value: "false".into(),
                must: "true where size is a shortest_edge",
            });
        }
        let crop = match self.crop_size.unwrap_or(Side(224)) {
            Sides { height, width } => [height, width],
            Side(side) | Edge { shortest_edge: side } => [side, side],
        };
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

/// The part of a picture that a tower sees, at the tower's size.
pub fn resize_and_crop(picture: &Picture, config: &PreprocessConfig) -> Pixels {
    let [height, width] = config.size;
    let resized = resized_size(picture.height(), picture.width(), config);
    let rows = Axis::centred(picture.height(), resized[0], height, config.convention);
    let columns = Axis::centred(picture.width(), resized[1], width, config.convention);
    let kernel = kernel(config);
    let (mode, kept) = match config.convention {
        Convention::OpenClip if picture.is_indexed() => (picture.mode(), nearest(picture, &rows, &columns)),
        Convention::OpenClip => (picture.mode(), resample(picture, &rows, &columns, kernel)),
        Convention::Transformers => {
            let picture = picture.over_white();
            (picture.mode(), resample(&picture, &rows, &columns, kernel))
        }
    };
    let fill = if config.resize_mode == ResizeMode::Longest { config.fill_color } else { 0 };
    let mut pixels = Pixels { height, width, data: vec![fill; height * width * 3] };
    pixels.paste(&kept, mode, &rows, &columns);
    pixels
}

/// What the tower takes.
///
/// # Shapes
/// - pixels: `[height, width, 3]`, 0 to 255
/// - output: `[3, height, width]`, `(level / 255 - mean) / std`
pub fn normalise(pixels: &Pixels, config: &PreprocessConfig) -> Vec<f32> {
    let (pixels, _) = pixels.data.as_chunks::<3>();
    let mut output = Vec::with_capacity(pixels.len() * 3);
    for (channel, levels) in config.levels().iter().enumerate() {
        output.extend(pixels.iter().map(|pixel| levels[usize::from(pixel[channel])]));
    }
    output
}

/// Scales a picture to at most `longest` pixels a side, alpha over white; never enlarges.
pub(crate) fn scale_down(picture: &Picture, longest: usize) -> Pixels {
    let side = picture.width().max(picture.height());
    let scaled = |length: usize| {
        if side <= longest { length } else { ((length * longest + side / 2) / side).max(1) }
    };
    let rows = Axis::whole(picture.height(), scaled(picture.height()));
    let columns = Axis::whole(picture.width(), scaled(picture.width()));
    let picture = picture.over_white();
    let kept = resample(&picture, &rows, &columns, Interpolation::Bicubic);
    let mut pixels = Pixels { height: rows.to, width: columns.to, data: vec![0; rows.to * columns.to * 3] };
    pixels.paste(&kept, picture.mode(), &rows, &columns);
    pixels
}

impl Pixels {
    /// Pillow's `convert("RGB")` of the kept part, between the bars: alpha is dropped, grey is tripled.
    /// For indexed pictures Pillow's bars are the palette's entry number `fill`, ours are that grey level.
    fn paste(&mut self, kept: &[u8], mode: Mode, rows: &Axis, columns: &Axis) {
        let channels = mode.channels();
        for (y, row) in kept.chunks_exact(columns.kept * channels).enumerate() {
            let start = ((rows.bar + y) * self.width + columns.bar) * 3;
            let (canvas, _) = self.data[start..start + columns.kept * 3].as_chunks_mut::<3>();
            for (to, from) in canvas.iter_mut().zip(row.chunks_exact(channels)) {
                *to = if channels < 3 { [from[0]; 3] } else { [from[0], from[1], from[2]] };
            }
        }
    }
}

/// One side of the resize: how long it was, how long it would be, and which part of that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Axis {
    /// Length of the picture, in pixels.
    from: usize,
    /// Length after the resize, before crop and bars.
    to: usize,
    /// The first resized pixel that is kept.
    start: usize,
    /// How many are kept.
    kept: usize,
    /// Canvas pixels before the first kept one.
    bar: usize,
}

impl Axis {
    fn whole(from: usize, to: usize) -> Self {
        Self { from, to, start: 0, kept: to, bar: 0 }
    }

    /// A resized side on a canvas: what is too long is cropped, what is too short gets bars.
    fn centred(from: usize, to: usize, canvas: usize, convention: Convention) -> Self {
        let excess = to.saturating_sub(canvas);
        let start = match convention {
            Convention::OpenClip => half_to_even(excess), // torchvision's center_crop: int(round(excess / 2.0))
            Convention::Transformers => excess / 2,       // image_transforms.py, center_crop
        };
        Self { from, to, start, kept: to.min(canvas), bar: canvas.saturating_sub(to) / 2 }
    }

    fn kept(&self) -> Range<usize> {
        self.start..self.start + self.kept
    }

    /// Source pixels per resized pixel.
    fn scale(&self) -> f64 {
        self.from as f64 / self.to as f64
    }
}

/// Half of a length as Python's `round` has it: 0.5 becomes 0, 1.5 and 2.5 become 2.
fn half_to_even(length: usize) -> usize {
    let half = length / 2;
    if length.is_multiple_of(2) { half } else { half + half % 2 }
}

/// The whole picture's height and width after the resize.
fn resized_size(height: usize, width: usize, config: &PreprocessConfig) -> [usize; 2] {
    let [tower_height, tower_width] = config.size;
    let ratios = [height as f64 / tower_height as f64, width as f64 / tower_width as f64];
    // open_clip's ResizeKeepRatio; Pillow refuses the side of 0 that a thin strip gets, we draw a line.
    let by_ratio = |ratio: f64| [height, width].map(|side| ((side as f64 / ratio).round_ties_even() as usize).max(1));
    match config.resize_mode {
        ResizeMode::Squash => config.size,
        ResizeMode::Longest => by_ratio(ratios[0].max(ratios[1])),
        ResizeMode::Shortest if tower_height == tower_width => by_shortest(height, width, tower_height),
        ResizeMode::Shortest => by_ratio(ratios[0].min(ratios[1])),
    }
}

/// torchvision's `Resize(int)` and transformers' `shortest_edge`: the longer side is truncated.
fn by_shortest(height: usize, width: usize, edge: usize) -> [usize; 2] {
    let longer = |long: usize, short: usize| (edge as u128 * long as u128 / short as u128) as usize;
    if width <= height { [longer(height, width), edge] } else { [edge, longer(width, height)] }
}

/// open_clip 3.3 gives `ResizeKeepRatio` no interpolation where a `shortest` target is not square: bicubic.
fn kernel(config: &PreprocessConfig) -> Interpolation {
    let is_square = config.size[0] == config.size[1];
    match config.resize_mode {
        ResizeMode::Shortest if !is_square => Interpolation::Bicubic,
        _ => config.interpolation,
    }
}

/// Pillow's `NEAREST`, which it uses for palettes and single bits whatever filter is asked for.
fn nearest(picture: &Picture, rows: &Axis, columns: &Axis) -> Vec<u8> {
    let channels = picture.mode().channels();
    let (rows, columns) = (nearest_sources(rows), nearest_sources(columns));
    let mut output = Vec::with_capacity(rows.len() * columns.len() * channels);
    for row in rows {
        let row = picture.row(row);
        output.extend(columns.iter().flat_map(|&x| &row[x * channels..(x + 1) * channels]));
    }
    output
}

/// The source pixel of each kept one. Summed step by step, as Geometry.c's `ImagingScaleAffine` does: a
/// product would round differently and pick another pixel now and then.
fn nearest_sources(axis: &Axis) -> Vec<usize> {
    let steps = std::iter::successors(Some(axis.scale() * 0.5), |at| Some(at + axis.scale()));
    steps.skip(axis.start).take(axis.kept).map(|at| (at as usize).min(axis.from - 1)).collect()
}

/// Pillow's `Image.resize`, of which only the kept part is computed: `[rows.kept, columns.kept, channel]`.
fn resample(picture: &Picture, rows: &Axis, columns: &Axis, kernel: Interpolation) -> Vec<u8> {
    match picture.mode() {
        Mode::Grey => resample_channels::<1>(picture, rows, columns, kernel),
        Mode::GreyAlpha => resample_channels::<2>(picture, rows, columns, kernel),
        Mode::Rgb => resample_channels::<3>(picture, rows, columns, kernel),
        Mode::Rgba => resample_channels::<4>(picture, rows, columns, kernel),
    }
}

fn resample_channels<const CHANNELS: usize>(
    picture: &Picture,
    rows: &Axis,
    columns: &Axis,
    kernel: Interpolation,
) -> Vec<u8> {
    // Pillow returns a picture that already has the size untouched, without the loss of premultiplying.
    let is_premultiplied = picture.mode().has_alpha() && (rows.from, columns.from) != (rows.to, columns.to);
    let down = Taps::new(rows, kernel);
    let across = Taps::new(columns, kernel);
    let needed = down.sources();
    let mut narrow = Vec::with_capacity(needed.len() * columns.kept * CHANNELS);
    let mut scratch = Vec::new();
    for y in needed.clone() {
        let mut row = picture.row(y).as_chunks::<CHANNELS>().0;
        if is_premultiplied {
            scratch.clear();
            scratch.extend(row.iter().map(|&pixel| premultiplied(pixel)));
            row = &scratch;
        }
        across.mix_pixels(row, &mut narrow);
    }
    let mut output = down.mix_rows(&narrow, columns.kept * CHANNELS, needed.start);
    if is_premultiplied {
        output.as_chunks_mut::<CHANNELS>().0.iter_mut().for_each(unpremultiply);
    }
    output
}

/// Pillow's Convert.c, `rgba2rgbA`: the last channel is alpha.
fn premultiplied<const CHANNELS: usize>(mut pixel: [u8; CHANNELS]) -> [u8; CHANNELS] {
    let alpha = u32::from(pixel[CHANNELS - 1]);
    for level in &mut pixel[..CHANNELS - 1] {
        let product = u32::from(*level) * alpha + 128;
        *level = ((product + (product >> 8)) >> 8) as u8; // MULDIV255
    }
    pixel
}

/// Pillow's Convert.c, `rgbA2rgba`.
fn unpremultiply<const CHANNELS: usize>(pixel: &mut [u8; CHANNELS]) {
    let alpha = u32::from(pixel[CHANNELS - 1]);
    if alpha != 0 && alpha != 255 {
        for level in &mut pixel[..CHANNELS - 1] {
            *level = (u32::from(*level) * 255 / alpha).min(255) as u8;
        }
    }
}

/// Weights are fixed point with this many bits: Resample.c, `PRECISION_BITS` = 32 − 8 − 2.
const PRECISION_BITS: u32 = 22;
const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// For each kept pixel of one axis, the source pixels it is mixed from.
struct Taps(Vec<Tap>);

struct Tap {
    first: usize,
    weights: Vec<i32>,
}

impl Taps {
    /// Resample.c, `precompute_coeffs` and `normalize_coeffs_8bpc`.
    fn new(axis: &Axis, kernel: Interpolation) -> Self {
        let widening = axis.scale().max(1.0);
        let (support, weigh): (f64, fn(f64) -> f64) = match kernel {
            Interpolation::Bicubic => (2.0 * widening, bicubic),
            Interpolation::Bilinear => (widening, bilinear),
        };
        let tap = |at: usize| {
            let centre = (at as f64 + 0.5) * axis.scale();
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(axis.from);
            let weigh = |source: usize| weigh((source as f64 - centre + 0.5) * (1.0 / widening));
            Tap { first, weights: fixed_point((first..end).map(weigh).collect()) }
        };
        Self(axis.kept().map(tap).collect())
    }

    /// The source pixels that any kept pixel needs.
    fn sources(&self) -> Range<usize> {
        let start = self.0.iter().map(|tap| tap.first).min().unwrap_or(0);
        let end = self.0.iter().map(|tap| tap.first + tap.weights.len()).max().unwrap_or(0);
        start..end
    }

    /// Horizontal pass: appends one output row.
    fn mix_pixels<const CHANNELS: usize>(&self, row: &[[u8; CHANNELS]], output: &mut Vec<u8>) {
        for Tap { first, weights } in &self.0 {
            let mut sums = [HALF; CHANNELS];
            for (pixel, weight) in row[*first..].iter().zip(weights) {
                for (sum, &level) in sums.iter_mut().zip(pixel) {
                    *sum += weight * i32::from(level);
                }
            }
            output.extend(sums.map(clip));
        }
    }

    /// Vertical pass over whole rows of `length` bytes, the first of which is source row `origin`.
    fn mix_rows(&self, rows: &[u8], length: usize, origin: usize) -> Vec<u8> {
        let mut output = Vec::with_capacity(self.0.len() * length);
        let mut sums = vec![HALF; length];
        for Tap { first, weights } in &self.0 {
            sums.fill(HALF);
            for (row, weight) in rows[(first - origin) * length..].chunks_exact(length).zip(weights) {
                for (sum, &level) in sums.iter_mut().zip(row) {
                    *sum += weight * i32::from(level);
                }
            }
            output.extend(sums.iter().copied().map(clip));
        }
        output
    }
}

fn fixed_point(weights: Vec<f64>) -> Vec<i32> {
    let sum: f64 = weights.iter().sum();
    let one = f64::from(1 << PRECISION_BITS);
    // `as` truncates towards 0, so half a unit away from 0 rounds, as in C.
    weights.iter().map(|weight| weight / sum * one).map(|weight| (weight + 0.5_f64.copysign(weight)) as i32).collect()
}

fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// Resample.c, `bicubic_filter`, with a = −0.5.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// Resample.c, `bilinear_filter`.
fn bilinear(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn open_clip(block: Value) -> Result<PreprocessConfig, ConfigError> {
        PreprocessConfig::from_open_clip(&block, [224, 224])
    }

    fn transformers(file: Value) -> Result<PreprocessConfig, ConfigError> {
        PreprocessConfig::from_transformers(&file)
    }

    /// An error and its cause in one line.
    fn complaint(result: Result<PreprocessConfig, ConfigError>) -> String {
        let error = result.unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
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

    #[test]
    fn half_a_pixel_goes_to_the_even_side() {
        assert_eq!([0, 1, 2, 3, 5, 7].map(half_to_even), [0, 0, 1, 2, 2, 4]);
    }

    #[test]
    fn only_source_rows_that_survive_the_crop_are_needed() {
        let axis = Axis::centred(20_000, 4_480_000, 224, Convention::OpenClip);
        assert_eq!((axis.start, axis.kept), (2_239_888, 224));
        assert_eq!(Taps::new(&axis, Interpolation::Bicubic).sources(), 9_998..10_002);
    }

    #[test]
    fn a_side_of_the_right_length_is_left_as_it_is() {
        let taps = Taps::new(&Axis::whole(3, 3), Interpolation::Bicubic);
        let mut row = Vec::new();
        taps.mix_pixels(&[[1, 255], [0, 128], [77, 3]], &mut row);
        assert_eq!(row, [1, 255, 0, 128, 77, 3]);
    }

    #[test]
    fn weights_add_up_to_one() {
        for (from, to) in [(4000, 224), (224, 224), (7, 32), (1, 224), (1_000_000, 3)] {
            for kernel in [Interpolation::Bicubic, Interpolation::Bilinear] {
                for tap in Taps::new(&Axis::whole(from, to), kernel).0 {
                    let error = tap.weights.iter().sum::<i32>() - (1 << PRECISION_BITS);
                    assert!(error.unsigned_abs() as usize <= tap.weights.len(), "{from} to {to}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_longer_side_is_truncated() {
        assert_eq!(by_shortest(3000, 4000, 224), [224, 298]); // 298.67
        assert_eq!(by_shortest(20_000, 1, 224), [4_480_000, 224]);
    }

    #[test]
    fn a_thin_strip_keeps_at_least_a_line() {
        let config = PreprocessConfig { resize_mode: ResizeMode::Longest, ..Default::default() };
        assert_eq!(resized_size(20_000, 1, &config), [224, 1]);
    }

    #[test]
    fn premultiplying_rounds_as_pillow_does() {
        assert_eq!(premultiplied([255, 100, 1, 128]), [128, 50, 1, 128]);
        let mut pixel = [128, 50, 1, 128];
        unpremultiply(&mut pixel);
        assert_eq!(pixel, [255, 99, 1, 128]);
    }
}
