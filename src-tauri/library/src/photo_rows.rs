//! Which row belongs to a photo: a table in pages, so that one absurd number in a damaged file costs one page.

use crate::PhotoId;

const PAGE: usize = 4096;
const NONE: u32 = u32::MAX;

/// Row numbers by photo. A look-up is two steps through memory, whatever the number of photos.
#[derive(Default)]
pub(crate) struct PhotoRows {
    pages: Vec<Option<Box<[u32]>>>,
}

impl PhotoRows {
    pub(crate) fn get(&self, photo: PhotoId) -> Option<u32> {
        let page = self.pages.get(photo as usize / PAGE)?.as_ref()?;
        Some(page[photo as usize % PAGE]).filter(|&row| row != NONE)
    }

    /// Sets the row of a photo and gives the one it had.
    pub(crate) fn set(&mut self, photo: PhotoId, row: Option<u32>) -> Option<u32> {
        let at = photo as usize / PAGE;
        if self.pages.len() <= at {
            self.pages.resize_with(at + 1, || None);
        }
        let page = self.pages[at].get_or_insert_with(|| vec![NONE; PAGE].into());
        let before = std::mem::replace(&mut page[photo as usize % PAGE], row.unwrap_or(NONE));
        Some(before).filter(|&row| row != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_replaced_and_forgotten() {
        let mut rows = PhotoRows::default();
        assert_eq!(rows.set(7, Some(0)), None);
        assert_eq!(rows.set(u32::MAX, Some(1)), None);
        assert_eq!(rows.set(7, Some(2)), Some(0));
        assert_eq!((rows.get(7), rows.get(u32::MAX), rows.get(8), rows.get(5000)), (Some(2), Some(1), None, None));
        assert_eq!(rows.set(7, None), Some(2));
        assert_eq!(rows.get(7), None);
    }
}
