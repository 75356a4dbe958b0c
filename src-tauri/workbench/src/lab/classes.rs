//! Classes that are known without a label being confirmed: photos in folders named after what they show.

use std::{collections::BTreeMap, path::Path};

use super::at_hand::Photos;
use crate::messages::ClassInfo;

/// Photos of a class below which it says nothing.
const FEWEST: usize = 2;

/// Classes, and the class of each photo that has one.
pub struct Classes {
    /// Names, in alphabetical order.
    pub names: Vec<String>,
    /// Index of the photo at hand, and of its class.
    pub members: Vec<(usize, usize)>,
}

impl Classes {
    /// The folders that the photos lie in; none unless there are two with two photos each.
    pub fn of(photos: &Photos) -> Option<Self> {
        let mut folders: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, path) in photos.paths.iter().enumerate() {
            if let Some(name) = path.parent().and_then(Path::file_name) {
                folders.entry(readable(&name.to_string_lossy())).or_default().push(index);
            }
        }
        folders.retain(|name, members| members.len() >= FEWEST && !name.is_empty());
        if folders.len() < 2 {
            return None;
        }
        let names = folders.keys().cloned().collect();
        let numbered = folders.into_values().enumerate();
        let mut members: Vec<_> =
            numbered.flat_map(|(class, photos)| photos.into_iter().map(move |photo| (photo, class))).collect();
        members.sort_unstable();
        Some(Self { names, members })
    }

    /// Names and counts.
    pub fn infos(&self) -> Vec<ClassInfo> {
        let count = |class: usize| self.members.iter().filter(|(_, own)| *own == class).count() as u32;
        self.names
            .iter()
            .enumerate()
            .map(|(class, name)| ClassInfo { name: name.clone(), photos: count(class) })
            .collect()
    }
}

/// A folder's name as a label: `golden_retriever` means two words.
fn readable(name: &str) -> String {
    name.replace(['_', '-'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cliploupe_engine::lab::{Pooled, Table};

    use super::*;

    fn photos(paths: &[&str]) -> Photos {
        let count = paths.len();
        let ids = (0..count as u32).collect();
        let pooled = Arc::new(Pooled::new(Table::new(1, vec![0.0; count])));
        Photos { ids, paths: paths.iter().map(Into::into).collect(), pooled, places: Vec::new() }
    }

    #[test]
    fn folders_are_classes() {
        let found = Classes::of(&photos(&["/a/red_fox/1.jpg", "/a/cat/2.jpg", "/b/cat/3.jpg", "/a/red_fox/4.jpg"]));
        let classes = found.unwrap();
        assert_eq!(classes.names, ["cat", "red fox"]);
        assert_eq!(classes.members, [(0, 1), (1, 0), (2, 0), (3, 1)]);
        assert_eq!(classes.infos()[0].photos, 2);
    }

    #[test]
    fn one_folder_or_single_photos_are_no_classes() {
        assert!(Classes::of(&photos(&["/a/cat/1.jpg", "/a/cat/2.jpg"])).is_none());
        assert!(Classes::of(&photos(&["/a/cat/1.jpg", "/a/cat/2.jpg", "/a/dog/3.jpg"])).is_none());
        assert!(Classes::of(&photos(&[])).is_none());
    }
}
