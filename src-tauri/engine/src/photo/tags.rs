//! The tag lists of a TIFF file, which EXIF uses too: looks up one tag, keeps nothing, and takes no memory, so that
//! camera RAW can be told from TIFF before anything is decoded, in files of any size and however damaged.

/// The tag lists of a TIFF file, which EXIF uses too.
#[derive(Clone, Copy)]
pub(super) struct Tags<'a> {
    bytes: &'a [u8],
    is_big_endian: bool,
}

impl<'a> Tags<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        match bytes.get(..4)? {
            b"II*\0" => Some(Self { bytes, is_big_endian: false }),
            b"MM\0*" => Some(Self { bytes, is_big_endian: true }),
            _ => None,
        }
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// Where the list of the first picture stands.
    pub(super) fn first(&self) -> Option<usize> {
        self.u32(4).map(|at| at as usize)
    }

    /// Where a tag's entry stands: tag, type, count, value.
    pub(super) fn entry(&self, list: usize, tag: u16) -> Option<usize> {
        let count = usize::from(self.u16(list)?);
        (0..count).map(|entry| list + 2 + 12 * entry).find(|&at| self.u16(at) == Some(tag))
    }

    pub(super) fn number(&self, list: usize, tag: u16) -> Option<u32> {
        let at = self.entry(list, tag)?;
        match self.u16(at + 2)? {
            3 => self.u16(at + 8).map(u32::from),
            4 => self.u32(at + 8),
            _ => None,
        }
    }

    /// The bytes of a text before its first 0.
    pub(super) fn text(&self, list: usize, tag: u16) -> Option<&'a [u8]> {
        const TEXT: u16 = 2;
        let at = self.entry(list, tag).filter(|at| self.u16(at + 2) == Some(TEXT))?;
        let length = self.u32(at + 4)? as usize;
        let start = if length <= 4 { at + 8 } else { self.u32(at + 8)? as usize };
        self.bytes.get(start..)?.get(..length)?.split(|&byte| byte == 0).next()
    }
}

/// A TIFF whose first list has these tags, each a single u32.
#[cfg(test)]
pub(super) fn tiff(tags: &[(u16, u32)]) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((tags.len() as u16).to_le_bytes());
    for (tag, value) in tags {
        bytes.extend([tag.to_le_bytes(), 4_u16.to_le_bytes()].concat());
        bytes.extend([1_u32.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes
}
