//! One side of a picture, of which fewer pixels may be here than its file has.
//!
//! 4001 columns at an eighth are 501: the last is a column of which 7 parts of 8 lie beyond the picture. Whoever resizes
//! must know that, or everything moves: where the full picture lies on the pixels that are here is kept to the eighth.

/// One side of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Side {
    /// Pixels that are here.
    pub(crate) length: usize,
    /// Pixels of the full picture.
    pub(crate) full: usize,
    /// Pixels that are here per 8 of the full picture.
    eighths: usize,
    /// Whether the pixel that lies partly beyond the picture is the first, since the picture was turned.
    is_mirrored: bool,
}

impl Side {
    /// All of a side.
    pub(crate) fn whole(length: usize) -> Self {
        Self::scaled(length, 8)
    }

    /// As a JPEG decoder scales it: what is begun is a pixel.
    pub(super) fn scaled(full: usize, eighths: usize) -> Self {
        Self { length: (full * eighths).div_ceil(8), full, eighths, is_mirrored: false }
    }

    pub(super) fn mirrored(self) -> Self {
        Self { is_mirrored: !self.is_mirrored, ..self }
    }

    /// Where the full picture begins, in pixels that are here: 0, or a part of one.
    pub(crate) fn start(&self) -> f64 {
        if self.is_mirrored { self.length as f64 - self.extent() } else { 0.0 }
    }

    /// How long the full picture is, in pixels that are here.
    pub(crate) fn extent(&self) -> f64 {
        (self.full * self.eighths) as f64 / 8.0
    }
}

/// Rows and columns of a stored picture after its EXIF orientation, 1 to 8, is applied.
pub(super) fn turned(rows: Side, columns: Side, orientation: u8) -> [Side; 2] {
    match orientation {
        2 => [rows, columns.mirrored()],
        3 => [rows.mirrored(), columns.mirrored()],
        4 => [rows.mirrored(), columns],
        5 => [columns, rows],
        6 => [columns, rows.mirrored()],
        7 => [columns.mirrored(), rows.mirrored()],
        8 => [columns.mirrored(), rows],
        _ => [rows, columns],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_side_begins_at_0_and_has_its_length() {
        let side = Side::whole(4001);
        assert_eq!((side.length, side.start(), side.extent()), (4001, 0.0, 4001.0));
        assert_eq!((side.mirrored().start(), side.mirrored().extent()), (0.0, 4001.0));
    }

    #[test]
    fn the_pixel_that_lies_partly_outside_counts_in_part() {
        let side = Side::scaled(4001, 1);
        assert_eq!((side.length, side.start(), side.extent()), (501, 0.0, 500.125));
        assert_eq!(side.mirrored().start(), 0.875);
    }
}
