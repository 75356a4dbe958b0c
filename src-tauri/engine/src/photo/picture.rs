//! The levels of a decoded picture, in the colour mode that Pillow would open its file in.
//! Where they come from: `source.rs`. What a tower makes of them: [`crate::preprocess`].

use super::side::Side;
use crate::preprocess::{Pixels, scale_down};
use std::borrow::Cow;

/// Pillow's colour modes, as far as pictures keep them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `L`
    Grey,
    /// `LA`
    GreyAlpha,
    /// `RGB`
    Rgb,
    /// `RGBA`
    Rgba,
}

/// 8-bit pixels in the mode Pillow would open them in: all of the file's, or as many as were asked for.
/// Colour profiles are ignored, as CLIP's own preprocessing ignores them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub(super) rows: Side,
    pub(super) columns: Side,
    pub(super) mode: Mode,
    pub(super) is_indexed: bool,
    pub(super) data: Vec<u8>,
}

impl Mode {
    /// Bytes per pixel.
    pub fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// Whether the last channel is alpha.
    pub fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }
}

impl Picture {
    /// A picture from levels that are already here, rows from the top.
    ///
    /// # Panics
    /// If `data` is not `[height, width, channel]`, or a side is 0.
    pub fn new(height: usize, width: usize, mode: Mode, data: Vec<u8>) -> Self {
        assert!(
            height > 0 && width > 0 && data.len() == height * width * mode.channels(),
            "levels do not fill the picture"
        );
        Self { rows: Side::whole(height), columns: Side::whole(width), mode, is_indexed: false, data }
    }

    /// Rows that are here.
    pub fn height(&self) -> usize {
        self.rows.length
    }

    /// Columns that are here.
    pub fn width(&self) -> usize {
        self.columns.length
    }

    /// Height and width of the full picture, of which fewer pixels are here if it was decoded with
    /// [`Detail::Enough`](super::Detail::Enough).
    pub fn full_size(&self) -> [usize; 2] {
        [self.rows.full, self.columns.full]
    }

    /// Rows, and how they lie on the full picture.
    pub(crate) fn rows(&self) -> Side {
        self.rows
    }

    /// Columns, and how they lie on the full picture.
    pub(crate) fn columns(&self) -> Side {
        self.columns
    }

    /// Colour mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether Pillow would hold palette numbers or single bits here, which it never mixes.
    pub fn is_indexed(&self) -> bool {
        self.is_indexed
    }

    /// `[height, width, channel]`.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// `[width, channel]`.
    pub(crate) fn row(&self, y: usize) -> &[u8] {
        let length = self.width() * self.mode.channels();
        &self.data[y * length..(y + 1) * length]
    }

    /// A copy with at most `longest` pixels a side, alpha over white. Never enlarges.
    pub fn thumbnail(&self, longest: usize) -> Pixels {
        scale_down(self, longest.max(1))
    }

    /// The picture on white paper, without alpha.
    pub(crate) fn over_white(&self) -> Cow<'_, Self> {
        if self.mode.has_alpha() { Cow::Owned(self.without_alpha(over_white)) } else { Cow::Borrowed(self) }
    }

    /// The picture without alpha, its colours as they are.
    pub(super) fn opaque(self) -> Self {
        if self.mode.has_alpha() { self.without_alpha(|colour, _| colour) } else { self }
    }

    /// What `level` makes of each colour and its alpha.
    fn without_alpha(&self, level: fn(u8, u8) -> u8) -> Self {
        let mode = if self.mode == Mode::GreyAlpha { Mode::Grey } else { Mode::Rgb };
        let mut data = Vec::with_capacity(self.height() * self.width() * mode.channels());
        for pixel in self.data.chunks_exact(mode.channels() + 1) {
            let (colours, alpha) = pixel.split_at(mode.channels());
            data.extend(colours.iter().map(|&colour| level(colour, alpha[0])));
        }
        Self { mode, data, ..*self }
    }
}

/// Pillow's AlphaComposite.c for an opaque white below, in its own fixed point of 7 bits.
fn over_white(colour: u8, alpha: u8) -> u8 {
    const PRECISION_BITS: u32 = 7;
    let above = u32::from(alpha) << PRECISION_BITS;
    let below = (255 << PRECISION_BITS) - above;
    let mixed = u32::from(colour) * above + 255 * below + (0x80 << PRECISION_BITS);
    ((((mixed >> 8) + mixed) >> 8) >> PRECISION_BITS) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_keep_the_shape_and_never_enlarge() {
        let size = |picture: &Picture, longest| {
            Some(picture.thumbnail(longest)).map(|pixels| [pixels.height, pixels.width]).unwrap()
        };
        let photo = Picture::new(30, 40, Mode::Rgb, vec![9; 3600]);
        assert_eq!((size(&photo, 20), size(&photo, 500)), ([15, 20], [30, 40]));
        assert_eq!(size(&Picture::new(20_000, 1, Mode::Grey, vec![9; 20_000]), 256), [256, 1]);
    }

    #[test]
    fn thumbnails_show_clear_places_white() {
        let clear = Picture::new(1, 2, Mode::GreyAlpha, vec![0, 0, 0, 255]);
        assert_eq!(clear.thumbnail(2).data, [255, 255, 255, 0, 0, 0]);
    }
}
