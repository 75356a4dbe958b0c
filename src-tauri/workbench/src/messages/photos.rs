//! Which photos the grid shows: filters, orders, searches.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{LabelSettings, PhotoId, Problem};

/// What photos must have to be shown; what is empty or absent asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct PhotoFilter {
    /// Words, each of which is part of the file's path, of a tag or of a given label, in any case of letters.
    pub text: String,
    /// Labels that must be given: among the best, at the threshold of the label set.
    pub labels: Vec<String>,
    /// Tags that a person confirmed; `animal` is met by `animal/dog`.
    pub tags: Vec<String>,
    /// Tags that the photo must not have.
    pub without_tags: Vec<String>,
    /// Without any confirmed tag.
    pub untagged: bool,
    /// In this folder or below.
    pub folder: Option<String>,
    /// Maker and model.
    pub camera: Option<String>,
    /// Taken at this time or later, milliseconds since 1970 by the camera's clock.
    #[ts(type = "number | null")]
    pub taken_from_ms: Option<i64>,
    /// Taken before this time.
    #[ts(type = "number | null")]
    pub taken_to_ms: Option<i64>,
    /// Whether the file is gone.
    pub missing: Option<bool>,
}

/// The order of photos.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "by", rename_all = "camelCase")]
pub enum PhotoOrder {
    /// As they came.
    #[default]
    Added,
    /// By file name, numbers by their value.
    Name,
    /// By the camera's clock; those without a time last.
    Taken,
    /// By the score of a label, highest first.
    Score {
        /// The label.
        label: String,
    },
}

/// A part of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum SearchTerm {
    /// Like these words.
    Text {
        /// The words; templates are not applied.
        text: String,
        /// How much it counts; negative takes away.
        weight: f32,
    },
    /// Like this photo.
    Photo {
        /// The photo.
        id: PhotoId,
        /// How much it counts; negative takes away.
        weight: f32,
    },
}

/// Which photos, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct PhotoQuery {
    /// What photos must have.
    pub filter: PhotoFilter,
    /// The order, where nothing is searched for.
    pub order: PhotoOrder,
    /// The other way round.
    pub descending: bool,
    /// What to search for; the photos come best first.
    pub search: Vec<SearchTerm>,
    /// Whether the mean of the pictures, and that of texts, is taken away before cosines are.
    pub centred: bool,
    /// Whether photos below the cut-off are listed too.
    pub past_cut: bool,
}

/// Where a search stops to be about what was asked.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CutOff {
    /// The score there.
    pub score: f32,
    /// Photos that reach it.
    pub kept: u32,
    /// Marks of a person, on this search, that it was learnt from.
    pub marks: u32,
}

/// What comes before the numbers of a list of photos.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PhotoListHead {
    /// Photos in the list.
    pub count: u32,
    /// Photos that meet the filter, searched for or not.
    pub filtered: u32,
    /// All photos.
    pub total: u32,
    /// Whether the list has scores.
    pub scored: bool,
    /// The cut-off of a search.
    pub cut: Option<CutOff>,
    /// Milliseconds that it took.
    pub took_ms: f32,
}

/// How one term of a search counts for one photo.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TermScore {
    /// The cosine of photo and term.
    pub cosine: f32,
    /// What it adds to the score.
    pub adds: f32,
}

/// A photo found, explained.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct HitExplained {
    /// In the order of the search.
    pub terms: Vec<TermScore>,
    /// Their sum.
    pub score: f32,
    /// What a person said of this photo and this search.
    pub mark: Option<bool>,
}

/// A label over some photos.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct LabelSummary {
    /// The label.
    pub label: String,
    /// Photos that were given it.
    pub count: u32,
    /// Mean score over those; 0 when there is none.
    pub mean: f32,
}

/// Some photos, or all of them, in figures.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PhotoSummary {
    /// Photos.
    pub photos: u32,
    /// Those with scores.
    pub labelled: u32,
    /// Those with scores, none of which reaches the threshold.
    pub bare: u32,
    /// Every label of the set, in its order.
    pub labels: Vec<LabelSummary>,
    /// Confirmed tags on these photos, most first.
    pub tags: Vec<TagCount>,
}

/// A tag and how many photos have it.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct TagCount {
    /// The tag, as `animal/dog`.
    pub name: String,
    /// Photos.
    pub count: u32,
}

/// Something to filter by, and how many photos it is met by.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Choice {
    /// A camera, folder or tag.
    pub name: String,
    /// Photos.
    pub count: u32,
}

/// A year that photos were taken in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
pub struct YearCount {
    /// The year.
    pub year: i32,
    /// Photos.
    pub count: u32,
}

/// What the filters can be set to.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct FilterMenu {
    /// Cameras, most first.
    pub cameras: Vec<Choice>,
    /// Folders that photos lie in, by name.
    pub folders: Vec<Choice>,
    /// Years, newest first.
    pub years: Vec<YearCount>,
    /// Confirmed tags, by name.
    pub tags: Vec<Choice>,
    /// Photos without a file.
    pub missing: u32,
    /// Photos without a confirmed tag.
    pub untagged: u32,
}

/// A file of a photo.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PhotoFile {
    /// Whole path, as far as it is Unicode.
    pub path: String,
    /// Since when it is gone, milliseconds since 1970.
    #[ts(type = "number | null")]
    pub missing_since_ms: Option<i64>,
}

/// A saved label set.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SavedLabelSet {
    /// Stays with a set that is shared.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// The newest version.
    pub version: u32,
    /// Labels in it.
    pub labels: u32,
    /// When that version was saved, milliseconds since 1970.
    #[ts(type = "number")]
    pub saved_ms: i64,
}

/// A version of a saved label set.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LabelSetVersion {
    /// 1, 2, …
    pub version: u32,
    /// When it was saved, milliseconds since 1970.
    #[ts(type = "number")]
    pub saved_ms: i64,
    /// What it holds.
    pub settings: LabelSettings,
}

/// A photo that could not be brought back, or the like: the photo and why.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct PathProblem {
    /// The file.
    pub path: String,
    /// Why.
    pub problem: Problem,
}
