//! Which file is a photo's sidecar.
//!
//! Two names are in use: `photo.jpg.xmp` (darktable, digiKam, ExifTool as an option) and `photo.xmp` (Lightroom, Bridge,
//! Capture One). The second is doubtful where a RAW file and a JPEG share the stem; programs that write it mean the RAW.

use crate::LibraryError;
use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

/// How a new sidecar is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// `photo.jpg.xmp`: every file has its own.
    #[default]
    NameExt,
    /// `photo.xmp`.
    Name,
}

/// What a person should know about the choice of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// `photo.xmp` was asked for, but other photos have the same stem, so it is `photo.jpg.xmp`.
    SharedStem {
        /// Their names.
        others: Vec<OsString>,
    },
    /// A sidecar `photo.xmp` lies there that was left alone, since it may be another photo's.
    NotOurs {
        /// The sidecar.
        path: PathBuf,
    },
    /// The photo has a second sidecar, under the other name; only one is written.
    SecondSidecar {
        /// The one that is not written.
        path: PathBuf,
    },
}

/// RAW files of cameras.
const RAW: &[&str] = &[
    "3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "gpr", "iiq", "kdc", "mef", "mos", "mrw", "nef",
    "nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f",
];
const PICTURES: &[&str] =
    &["avif", "bmp", "gif", "heic", "heif", "jpe", "jpeg", "jpg", "jxl", "png", "psd", "tif", "tiff", "webp"];

/// The names in a folder, read once for all of its photos.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Names by what stands before their last dot.
    by_stem: HashMap<OsString, Vec<OsString>>,
}

/// A photo's sidecars.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub name_ext: Option<PathBuf>,
    pub name: Option<PathBuf>,
    /// A `photo.xmp` that may be another's.
    pub not_ours: Option<PathBuf>,
    /// Photos with the same stem.
    pub others: Vec<OsString>,
}

/// Where to write.
#[derive(Debug)]
pub(super) struct Place {
    pub path: PathBuf,
    pub exists: bool,
    pub notes: Vec<Note>,
}

impl Folder {
    /// Lists a folder.
    pub fn read(path: &Path) -> Result<Self, LibraryError> {
        let failed = || LibraryError::file("list", path);
        let mut by_stem: HashMap<OsString, Vec<OsString>> = HashMap::new();
        for entry in fs::read_dir(path).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            by_stem.entry(stem(&name)).or_default().push(name);
        }
        Ok(Self { path: path.to_owned(), by_stem })
    }

    /// The sidecars of a photo of this folder.
    pub(super) fn find(&self, photo: &OsStr) -> Found {
        let stem = stem(photo);
        let name = self.sidecar(&stem);
        let others: Vec<OsString> =
            self.named(&stem).filter(|name| *name != photo && is_photo(name)).cloned().collect();
        // `a.jpg.xmp` is that of `a.jpg`, not of `a.jpg.png`.
        let is_a_photos = stem != photo && self.named(&self::stem(&stem)).any(|name| *name == stem);
        let is_ours =
            !is_a_photos && (others.is_empty() || (is_raw(photo) && !others.iter().any(|other| is_raw(other))));
        let (name, not_ours) = if is_ours { (name, None) } else { (None, name) };
        let name_ext = self.sidecar(photo).filter(|path| Some(path) != name.as_ref());
        Found { name_ext, name, not_ours, others }
    }

    /// The file to write for a photo: what is there, or else a new one by the chosen naming.
    pub(super) fn place(&self, photo: &OsStr, naming: Naming) -> Place {
        let found = self.find(photo);
        let (first, second, wanted) = match naming {
            Naming::NameExt => (found.name_ext, found.name, photo.to_owned()),
            Naming::Name if found.others.is_empty() && found.not_ours.is_none() => {
                (found.name, found.name_ext, stem(photo))
            }
            Naming::Name => (found.name, found.name_ext, photo.to_owned()),
        };
        let mut notes: Vec<Note> = found.not_ours.map(|path| Note::NotOurs { path }).into_iter().collect();
        let (path, exists) = match (first, second) {
            (Some(first), second) => {
                notes.extend(second.map(|path| Note::SecondSidecar { path }));
                (first, true)
            }
            (None, Some(second)) => (second, true),
            (None, None) => {
                if naming == Naming::Name && wanted == photo && !found.others.is_empty() {
                    notes.push(Note::SharedStem { others: found.others });
                }
                (self.path.join(with_xmp(&wanted)), false)
            }
        };
        Place { path, exists, notes }
    }

    fn named(&self, stem: &OsStr) -> impl Iterator<Item = &OsString> {
        self.by_stem.get(stem).into_iter().flatten()
    }

    /// The file of this stem that ends in `.xmp`, however that is written; lower case first.
    fn sidecar(&self, stem: &OsStr) -> Option<PathBuf> {
        let sidecars = self.named(stem).filter(|name| is_sidecar(Path::new(name)));
        sidecars.max().map(|name| self.path.join(name))
    }
}

/// Whether a name ends in `.xmp`.
pub(super) fn is_sidecar(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xmp"))
}

fn stem(name: &OsStr) -> OsString {
    Path::new(name).file_stem().unwrap_or(name).to_owned()
}

fn with_xmp(name: &OsStr) -> OsString {
    let mut name = name.to_owned();
    name.push(".xmp");
    name
}

fn is_raw(name: &OsStr) -> bool {
    has_extension(name, RAW)
}

fn is_photo(name: &OsStr) -> bool {
    has_extension(name, RAW) || has_extension(name, PICTURES)
}

fn has_extension(name: &OsStr, list: &[&str]) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|extension| list.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> Folder {
        let mut by_stem: HashMap<OsString, Vec<OsString>> = HashMap::new();
        names.iter().for_each(|name| by_stem.entry(stem(name.as_ref())).or_default().push(name.into()));
        Folder { path: "/photos".into(), by_stem }
    }

    /// Name of the file to write, whether it exists, and the number of notes.
    fn place(names: &[&str], photo: &str, naming: Naming) -> (String, bool, usize) {
        let place = folder(names).place(photo.as_ref(), naming);
        (place.path.file_name().unwrap().to_string_lossy().into_owned(), place.exists, place.notes.len())
    }

    #[test]
    fn a_sidecar_that_is_there_is_followed_and_a_new_one_is_named_as_chosen() {
        use Naming::{Name, NameExt};
        let of = |name: &str, exists, notes| (name.to_owned(), exists, notes);
        assert_eq!(place(&["a.jpg"], "a.jpg", NameExt), of("a.jpg.xmp", false, 0));
        assert_eq!(place(&["a.jpg"], "a.jpg", Name), of("a.xmp", false, 0));
        assert_eq!(place(&["a.jpg", "a.XMP"], "a.jpg", NameExt), of("a.XMP", true, 0));
        assert_eq!(place(&["a.jpg", "a.jpg.xmp"], "a.jpg", Name), of("a.jpg.xmp", true, 0));
        assert_eq!(place(&["a.jpg", "a.XMP", "a.xmp"], "a.jpg", Name), of("a.xmp", true, 0));
        assert_eq!(place(&["a.jpg", "a.xmp", "a.jpg.xmp"], "a.jpg", Name), of("a.xmp", true, 1));
        assert_eq!(place(&["a.jpg", "a.xmp", "a.jpg.xmp"], "a.jpg", NameExt), of("a.jpg.xmp", true, 1));
    }

    #[test]
    fn a_shared_stem_is_the_raw_files() {
        use Naming::{Name, NameExt};
        let of = |name: &str, exists, notes| (name.to_owned(), exists, notes);
        let pair = ["a.CR2", "a.jpg"];
        assert_eq!(place(&pair, "a.jpg", Name), of("a.jpg.xmp", false, 1));
        assert_eq!(place(&pair, "a.CR2", Name), of("a.CR2.xmp", false, 1));
        let with_sidecar = ["a.CR2", "a.jpg", "a.xmp"];
        assert_eq!(place(&with_sidecar, "a.jpg", NameExt), of("a.jpg.xmp", false, 1));
        assert_eq!(place(&with_sidecar, "a.CR2", NameExt), of("a.xmp", true, 0));
        // Of two pictures neither is the one that is meant.
        assert_eq!(place(&["a.png", "a.jpg", "a.xmp"], "a.jpg", Name), of("a.jpg.xmp", false, 2));
        assert_eq!(place(&["a.jpg", "a.jpg.png", "a.jpg.xmp"], "a.jpg.png", NameExt), of("a.jpg.png.xmp", false, 1));
    }
}
