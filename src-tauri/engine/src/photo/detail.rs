//! How much of a photo must be decoded: [`Detail`], and the share of a JPEG that gives it.
//!
//! A JPEG keeps 8 × 8 pixels as waves, and its decoder can stop at the slow ones: that makes 1, 2 or 4 eighths of the pixels
//! a side for a fraction of the work. Towers take a few hundred pixels a side, photos have thousands. How much is needed
//! is said by who uses the picture, in full pixels: here it becomes the number of eighths. Who decodes: `scaled.rs`.

use crate::preprocess::{PreprocessConfig, resized_size, scaled_down_size};

/// How much of a photo must be decoded.
#[derive(Debug, Clone, Copy, Default)]
pub enum Detail<'a> {
    /// Every pixel, by the decoder that the golden cases were made with.
    #[default]
    Exact,
    /// What its uses can tell from every pixel: where the format allows it, fewer are decoded.
    Enough {
        /// A tower that will look at the photo, as [`resize_and_crop`](crate::preprocess::resize_and_crop) shows it.
        /// It gets at least twice the pixels a side that the resize leaves of the whole picture.
        tower: Option<&'a PreprocessConfig>,
        /// Longest side of the small copies that will be made, in pixels; 0 if there will be none.
        longest: usize,
    },
}

/// Eighths for which libjpeg-turbo (3.1) has vector code. Without it 3 take longer than 4, and 5 nearly as long as all.
const FAST: [usize; 3] = [1, 2, 4];

impl Detail<'_> {
    /// Whether a picture of this many eighths of the full one's pixels a side is enough for all uses.
    ///
    /// # Shapes
    /// - `[height, width]` of the full picture in pixels, upright
    pub fn allows(&self, [height, width]: [usize; 2], eighths: usize) -> bool {
        let Self::Enough { tower, longest } = self else { return eighths >= 8 };
        let has = |needed: [usize; 2], times: usize| {
            // Multiplied out, since a division would have to be rounded.
            let side =
                |full: usize, needed: usize| full as u128 * eighths as u128 >= needed as u128 * 8 * times as u128;
            side(height, needed[0]) && side(width, needed[1])
        };
        eighths >= 8
            || tower.is_none_or(|tower| has(resized_size([height, width], tower), 2))
                && has(scaled_down_size([height, width], *longest), 1)
    }

    /// The smallest number of eighths a side that is enough, of those that are fast; 8 is all.
    pub(super) fn eighths(&self, full: [usize; 2]) -> usize {
        FAST.into_iter().find(|&eighths| self.allows(full, eighths)).unwrap_or(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::ResizeMode;

    fn eighths(full: [usize; 2], tower: &PreprocessConfig, longest: usize) -> usize {
        Detail::Enough { tower: Some(tower), longest }.eighths(full)
    }

    fn tower(side: usize, resize_mode: ResizeMode) -> PreprocessConfig {
        PreprocessConfig { size: [side, side], resize_mode, ..Default::default() }
    }

    #[test]
    fn a_camera_photo_gives_a_quarter_to_a_tower_and_a_thumbnail() {
        let clip = tower(224, ResizeMode::Shortest);
        assert_eq!(eighths([3000, 4000], &clip, 320), 2); // 750 rows; 375 would be too few for 448
        assert_eq!(eighths([6000, 8000], &clip, 320), 1);
        assert_eq!(eighths([3000, 4000], &clip, 2048), 8);
        assert_eq!(Detail::Enough { tower: None, longest: 320 }.eighths([3000, 4000]), 1);
        assert_eq!(Detail::Exact.eighths([3000, 4000]), 8);
    }

    #[test]
    fn exactly_twice_is_enough_and_a_row_less_is_not() {
        let clip = tower(224, ResizeMode::Shortest);
        assert_eq!(eighths([896, 896], &clip, 0), 4);
        assert_eq!(eighths([895, 896], &clip, 0), 8, "ceil(895 / 2) = 448, the last of which is half outside");
    }

    #[test]
    fn a_panorama_is_measured_by_the_side_that_is_resized() {
        let long = [1000, 30_000];
        assert_eq!(eighths(long, &tower(224, ResizeMode::Shortest), 0), 4);
        assert_eq!(eighths(long, &tower(224, ResizeMode::Longest), 0), 1);
        assert_eq!(eighths(long, &tower(224, ResizeMode::Squash), 0), 4);
    }

    #[test]
    fn what_would_be_enlarged_is_decoded_whole() {
        assert_eq!(eighths([100, 100], &tower(224, ResizeMode::Shortest), 320), 8);
        assert_eq!(eighths([1, 20_000], &tower(224, ResizeMode::Shortest), 0), 8);
    }
}
