//! A picture becomes the numbers a vision tower takes: resize, centre crop, RGB, 0..1, normalise.
//!
//! Towers were trained on what Pillow makes of a photo, so this is Pillow's 8-bit resampler bit for bit
//! (`resample.rs`) and the steps of open_clip's evaluation transform (`src/open_clip/transform.py`,
//! `image_transform`, at commit 02191216) or of transformers' `CLIPImageProcessor`. Only rows and columns that
//! survive the crop are computed, so a 1×20000 strip costs no more than a photo. Settings come from a checkpoint and
//! are never guessed: see [`PreprocessConfig`]. Where pictures come from: [`crate::photo`].

mod config;
mod mix;
mod resample;
mod transformers;

pub use config::{ConfigError, Convention, Interpolation, PreprocessConfig, ResizeMode};

use crate::photo::{Mode, Picture, Side};
use resample::{nearest, resample};
use std::ops::Range;

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

/// The part of a picture that a tower sees, at the tower's size.
pub fn resize_and_crop(picture: &Picture, config: &PreprocessConfig) -> Pixels {
    let [height, width] = config.size;
    let resized = resized_size(picture.full_size(), config);
    let rows = Axis::centred(picture.rows(), resized[0], height, config.convention);
    let columns = Axis::centred(picture.columns(), resized[1], width, config.convention);
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

/// Where the tower's input lies on a picture: left, top, right and bottom as shares of the picture's width and height.
///
/// What a crop cuts off is outside of it, so that `[0, 0.25, 1, 0.75]` is the middle half. Bars reach beyond the picture,
/// to below 0 and above 1, because the tower sees them as well: a grid of its places is to be drawn over all of this.
///
/// # Shapes
/// - `[height, width]` of the picture in pixels, upright, as a photo is decoded
pub fn seen_part([height, width]: [usize; 2], config: &PreprocessConfig) -> [f64; 4] {
    let resized = resized_size([height, width], config);
    let axis = |from, to, canvas| Axis::centred(Side::whole(from), to, canvas, config.convention).seen(canvas);
    let [top, bottom] = axis(height, resized[0], config.size[0]);
    let [left, right] = axis(width, resized[1], config.size[1]);
    [left, top, right, bottom]
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
    let here = picture.height().max(picture.width());
    let [height, width] = scaled_down_size(picture.full_size(), longest.min(here));
    let rows = Axis::whole(picture.rows(), height);
    let columns = Axis::whole(picture.columns(), width);
    let picture = picture.over_white();
    let kept = resample(&picture, &rows, &columns, Interpolation::Bicubic);
    let mut pixels = Pixels { height: rows.to, width: columns.to, data: vec![0; rows.to * columns.to * 3] };
    pixels.paste(&kept, picture.mode(), &rows, &columns);
    pixels
}

/// Height and width of a picture scaled to at most `longest` pixels a side.
pub(crate) fn scaled_down_size([height, width]: [usize; 2], longest: usize) -> [usize; 2] {
    let side = width.max(height);
    let scaled = |length: usize| {
        if side <= longest { length } else { ((length * longest + side / 2) / side).max(1) }
    };
    [scaled(height), scaled(width)]
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
    /// The picture's side.
    from: Side,
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
    fn whole(from: Side, to: usize) -> Self {
        Self { from, to, start: 0, kept: to, bar: 0 }
    }

    /// A resized side on a canvas: what is too long is cropped, what is too short gets bars.
    fn centred(from: Side, to: usize, canvas: usize, convention: Convention) -> Self {
        let excess = to.saturating_sub(canvas);
        let start = match convention {
            Convention::OpenClip => half_to_even(excess), // torchvision's center_crop: int(round(excess / 2.0))
            Convention::Transformers => excess / 2,       // image_transforms.py, center_crop
        };
        Self { from, to, start, kept: to.min(canvas), bar: canvas.saturating_sub(to) / 2 }
    }

    /// Where a canvas of this length begins and ends, as shares of the picture.
    fn seen(&self, canvas: usize) -> [f64; 2] {
        let start = self.start as f64 - self.bar as f64;
        [start, start + canvas as f64].map(|at| at / self.to as f64)
    }

    fn kept(&self) -> Range<usize> {
        self.start..self.start + self.kept
    }

    /// Source pixels per resized pixel.
    fn scale(&self) -> f64 {
        self.from.extent() / self.to as f64
    }
}

/// Half of a length as Python's `round` has it: 0.5 becomes 0, 1.5 and 2.5 become 2.
fn half_to_even(length: usize) -> usize {
    let half = length / 2;
    if length.is_multiple_of(2) { half } else { half + half % 2 }
}

/// The whole picture's height and width after the resize, before crop and bars.
///
/// # Shapes
/// - `[height, width]` of the full picture in pixels, upright
pub fn resized_size([height, width]: [usize; 2], config: &PreprocessConfig) -> [usize; 2] {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pixel_goes_to_the_even_side() {
        assert_eq!([0, 1, 2, 3, 5, 7].map(half_to_even), [0, 0, 1, 2, 2, 4]);
    }

    #[test]
    fn the_longer_side_is_truncated() {
        assert_eq!(by_shortest(3000, 4000, 224), [224, 298]); // 298.67
        assert_eq!(by_shortest(20_000, 1, 224), [4_480_000, 224]);
    }

    #[test]
    fn the_tower_sees_the_middle_the_whole_or_more_than_the_picture() {
        let with = |resize_mode| PreprocessConfig { size: [100, 100], resize_mode, ..Default::default() };
        assert_eq!(seen_part([300, 400], &with(ResizeMode::Squash)), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(seen_part([200, 400], &with(ResizeMode::Shortest)), [0.25, 0.0, 0.75, 1.0]);
        assert_eq!(seen_part([400, 200], &with(ResizeMode::Shortest)), [0.0, 0.25, 1.0, 0.75]);
        // The picture is 100 × 50 on a canvas of 100 × 100.
        assert_eq!(seen_part([200, 400], &with(ResizeMode::Longest)), [0.0, -0.5, 1.0, 1.5]);
    }

    #[test]
    fn a_thin_strip_keeps_at_least_a_line() {
        let config = PreprocessConfig { resize_mode: ResizeMode::Longest, ..Default::default() };
        assert_eq!(resized_size([20_000, 1], &config), [224, 1]);
    }
}
