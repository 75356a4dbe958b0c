//! What JPEG's markers tell without decoding, of which decoders tell nothing. Who asks: `source.rs`.

/// What JPEG's markers tell without decoding.
#[derive(Default)]
pub(super) struct JpegOutline {
    /// Whether the end of the picture is there.
    pub(super) is_whole: bool,
    /// Numbers per pixel.
    pub(super) components: u8,
    /// Whether Adobe's mark says that three numbers are red, green and blue. Decoders believe it or JFIF's, if both
    /// are there.
    pub(super) is_rgb_by_adobe: bool,
}

impl JpegOutline {
    /// Walks from marker to marker. Compressed data has no bare 0xFF, so it is skipped like any filler.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut outline = Self::default();
        let mut rest = &bytes[bytes.len().min(2)..];
        while let Some(at) = rest.iter().position(|&byte| byte == 0xFF) {
            rest = &rest[at + 1..];
            let skipped = match *rest {
                [0xD9, ..] => {
                    return Self { is_whole: true, ..outline };
                }
                [0x00 | 0x01 | 0xD0..=0xD8, ..] => 1, // markers without a segment, and 0xFF as data
                [0xFF, ..] => 0,
                [marker, high, low, ..] => {
                    let is_frame = matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC);
                    if is_frame && let Some(&components) = rest.get(8) {
                        outline.components = components;
                    }
                    let is_adobe = marker == 0xEE && rest.get(3..8) == Some(b"Adobe");
                    outline.is_rgb_by_adobe |= is_adobe && rest.get(14) == Some(&0);
                    1 + usize::from(u16::from_be_bytes([high, low]))
                }
                _ => break,
            };
            rest = &rest[skipped.min(rest.len())..];
        }
        outline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adobes_mark_says_whether_colours_were_transformed() {
        let marked = |transform| {
            let mark = [&[0xFF, 0xD8, 0xFF, 0xEE, 0, 14][..], b"Adobe", &[0, 100, 0, 0, 0, 0, transform]].concat();
            JpegOutline::read(&mark).is_rgb_by_adobe
        };
        assert!(marked(0) && !marked(1));
    }

    #[test]
    fn a_jpeg_without_its_end_is_not_whole() {
        let whole = [
            0xFF, 0xD8, 0xFF, 0xC0, 0, 9, 8, 0, 1, 0, 1, 4, 0, 0xFF, 0xDA, 0, 2, 7, 0xFF, 0, 0xFF, 0xD0, 7, 0xFF, 0xD9,
        ];
        let outline = JpegOutline::read(&whole);
        assert!(outline.is_whole && outline.components == 4);
        assert!((0..whole.len()).all(|length| !JpegOutline::read(&whole[..length]).is_whole));
    }
}
