//! The library as a whole: folders, health, near duplicates, outliers, sidecars.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{PathProblem, PhotoId};

/// A folder that is watched for photos.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WatchedFolder {
    /// Whole path, as far as it is Unicode.
    pub path: String,
    /// Whether it is there; a drive may be unplugged.
    pub present: bool,
    /// Photos in it and below.
    pub photos: u32,
    /// Its last whole scan, milliseconds since 1970.
    #[ts(type = "number | null")]
    pub scanned_ms: Option<i64>,
}

/// The library.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LibraryState {
    /// Its folder.
    pub path: String,
    /// Why nothing can be written, if that is so.
    pub read_only: Option<String>,
    /// Photos.
    pub photos: u32,
    /// Files; more than photos where one photo lies in several places.
    pub files: u32,
    /// Photos of which no file is there.
    pub missing: u32,
    /// Photos that could not be read.
    pub failed: u32,
    /// Confirmed tags on photos.
    pub tags: u32,
    /// Photos marked to be set aside.
    pub marked: u32,
    /// Watched folders.
    pub watched: Vec<WatchedFolder>,
    /// Size of the library's own files in bytes.
    #[ts(type = "number")]
    pub bytes: u64,
}

/// What became of files that were added, since the library was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ImportCounts {
    /// Photos that are new.
    pub added: u32,
    /// Files that were known by path, size and time.
    pub unchanged: u32,
    /// Files that lay elsewhere, or had another name.
    pub moved: u32,
    /// Files that show what another file shows.
    pub duplicates: u32,
    /// Files that are as they were but for their metadata.
    pub changed: u32,
    /// Photos that were missing or taken out, and are back.
    pub returned: u32,
}

/// Why photos stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum NearKind {
    /// One content in several files.
    SameContent,
    /// They look the same: copies in another size or format.
    NearDuplicate,
    /// They show the same: a burst.
    Similar,
}

/// A photo of a group.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NearPhoto {
    /// The photo.
    pub id: PhotoId,
    /// File name.
    pub name: String,
    /// Whole path.
    pub path: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Size of the file in bytes.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Cosine to the one that is suggested to keep.
    pub cosine: f32,
    /// Bits of 64 in which the look differs from that one.
    pub look_distance: u32,
    /// Whether it is the one that is suggested to keep.
    pub keep: bool,
    /// Whether a person marked it to be set aside.
    pub marked: bool,
}

/// Photos that are nearly the same.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct NearGroup {
    /// Why they stand together.
    pub kind: NearKind,
    /// The one to keep first.
    pub photos: Vec<NearPhoto>,
}

/// Near duplicates of the library.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NearReport {
    /// Groups, the most certain first, at most a thousand.
    pub groups: Vec<NearGroup>,
    /// All groups.
    pub total: u32,
    /// Photos that were compared.
    pub compared: u32,
}

/// A photo unlike the others.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Outlier {
    /// The photo.
    pub id: PhotoId,
    /// File name.
    pub name: String,
    /// Mean cosine to its ten nearest photos.
    pub similarity: f32,
    /// That, in standard deviations below the mean of all photos.
    pub deviations: f32,
    /// The nearest photo.
    pub nearest: PhotoId,
    /// Cosine to it.
    pub nearest_cosine: f32,
    /// Whether a person marked it to be set aside.
    pub marked: bool,
}

/// Something about the library's files.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Finding {
    /// What kind, as `thumbnailDamaged`.
    pub kind: String,
    /// The file or folder.
    pub path: String,
    /// In words.
    pub what: String,
    /// Whether repair helps.
    pub repairable: bool,
}

/// The result of checking the library.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// What was found, at most a thousand.
    pub findings: Vec<Finding>,
    /// All findings.
    pub total: u32,
    /// Things that were looked at.
    pub checked: u32,
    /// Whether they were repaired.
    pub repaired: bool,
}

/// How sidecars are called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum SidecarNaming {
    /// `photo.jpg.xmp`, as darktable and digiKam have it.
    #[default]
    NameExt,
    /// `photo.xmp`, as Lightroom has it.
    Name,
}

/// What wins where library and sidecar disagree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum OnConflict {
    /// Nothing: the sidecar keeps what it has there, and the conflict is shown.
    #[default]
    Ask,
    /// The library.
    Library,
    /// The sidecar.
    Sidecar,
    /// Both: tags of either.
    Union,
}

/// How sidecars are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct SidecarOptions {
    /// The name of a new one; one that is there keeps its name.
    pub naming: SidecarNaming,
    /// Whether `MicrosoftPhoto:LastKeywordXMP` is written too.
    pub microsoft: bool,
    /// Whether `mediapro:CatalogSets` is written too.
    pub mediapro: bool,
    /// Whether suggestions are written too, under their root.
    pub suggestions: bool,
    /// The root that suggestions stand under.
    pub root: String,
    /// What wins.
    pub on_conflict: OnConflict,
}

impl Default for SidecarOptions {
    fn default() -> Self {
        Self {
            naming: SidecarNaming::default(),
            microsoft: false,
            mediapro: false,
            suggestions: false,
            root: "Cliploupe".into(),
            on_conflict: OnConflict::default(),
        }
    }
}

/// A tag that library and sidecar disagree about.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SidecarConflict {
    /// The tag.
    pub tag: String,
    /// Whether the library has it; the sidecar then does not.
    pub in_library: bool,
}

/// What would be written beside one photo.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SidecarPlan {
    /// The photo.
    pub photo: PhotoId,
    /// The sidecar.
    pub path: String,
    /// Whether it is there.
    pub exists: bool,
    /// Tags that it would get.
    pub adds: Vec<String>,
    /// Tags that it would lose.
    pub removes: Vec<String>,
    /// Where both have changed.
    pub conflicts: Vec<SidecarConflict>,
    /// The change of the text, as a unified diff.
    pub diff: String,
}

/// What writing sidecars would do, or did.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SidecarReport {
    /// Those that change, at most two hundred.
    pub plans: Vec<SidecarPlan>,
    /// All that change.
    pub changed: u32,
    /// Those that are as they should be.
    pub unchanged: u32,
    /// Those with conflicts.
    pub conflicts: u32,
    /// Those that could not be read or written.
    pub failed: Vec<PathProblem>,
    /// Whether it was done.
    pub written: bool,
}

/// Tags that sidecars and photos have and the library does not.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SidecarFound {
    /// The photo.
    pub photo: PhotoId,
    /// Where it was read.
    pub path: String,
    /// Tags that are new.
    pub adds: Vec<String>,
    /// Tags that the person rejected here; they are left out unless asked for.
    pub rejected: Vec<String>,
}

/// What reading sidecars would bring, or brought.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SidecarReading {
    /// Photos with news, at most two hundred.
    pub found: Vec<SidecarFound>,
    /// All photos with news.
    pub photos: u32,
    /// Tags that are new.
    pub tags: u32,
    /// Sidecars that were read.
    pub sidecars: u32,
    /// Those that could not be read.
    pub failed: Vec<PathProblem>,
    /// Whether the tags were taken over.
    pub taken: bool,
}
