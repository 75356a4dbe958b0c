//! What crosses to the interface. Every type is exported to TypeScript by `cargo gen`.

mod devices;
mod explain;
mod lab;
mod models;
mod photos;
mod projection;
mod review;
mod shelf;

use std::collections::BTreeMap;

use cliploupe_engine::photo;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use devices::*;
pub use explain::*;
pub use lab::*;
pub use models::*;
pub use photos::*;
pub use projection::*;
pub use review::*;
pub use shelf::*;

/// A photo on the table, for as long as the program runs.
pub type PhotoId = u32;

/// Where a photo stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum PhotoState {
    /// Seen, not read yet.
    Waiting,
    /// Read: it has a thumbnail.
    Decoded,
    /// It has scores.
    Labelled,
    /// It has a problem instead.
    Failed,
}

/// A photo as first seen: a grey frame.
#[derive(Debug, Clone, Serialize, TS)]
pub struct PhotoStub {
    /// The photo.
    pub id: PhotoId,
    /// File name, as far as it is Unicode.
    pub name: String,
    /// Whole path, as far as it is Unicode.
    pub path: String,
}

/// A photo was read; its thumbnail can be fetched.
#[derive(Debug, Clone, Serialize, TS)]
pub struct PhotoDecoded {
    /// The photo.
    pub id: PhotoId,
    /// Pixels, after EXIF orientation.
    pub width: u32,
    /// Pixels, after EXIF orientation.
    pub height: u32,
}

/// A label by its index in the label list of the same version, and its probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
pub struct BestLabel {
    /// Index into the label list.
    pub label: u32,
    /// Probability in 0…1.
    pub score: f32,
}

/// The best labels of a photo, best first, at most [`BEST_PER_PHOTO`].
#[derive(Debug, Clone, Serialize, TS)]
pub struct PhotoBest {
    /// The photo.
    pub id: PhotoId,
    /// Best first.
    pub best: Vec<BestLabel>,
}

/// How many labels of a photo are sent unasked.
pub const BEST_PER_PHOTO: usize = 10;

/// Everything the interface shows of a photo in the grid.
#[derive(Debug, Clone, Serialize, TS)]
pub struct PhotoRecord {
    /// The photo.
    pub id: PhotoId,
    /// File name.
    pub name: String,
    /// Whole path.
    pub path: String,
    /// Where it stands.
    pub state: PhotoState,
    /// Pixels; 0 until it was read.
    pub width: u32,
    /// Pixels; 0 until it was read.
    pub height: u32,
    /// Best labels, as far as it has scores.
    pub best: Vec<BestLabel>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// Tags that a person confirmed.
    pub tags: Vec<String>,
    /// Whether no file of it is there.
    pub missing: bool,
    /// Files with this content.
    pub files: u32,
}

/// What kind of problem; the interface has words for each in its languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum ProblemCode {
    /// There is no such file.
    NotFound,
    /// The file may not be read.
    Permission,
    /// Reading failed.
    Unreadable,
    /// A link whose target is gone.
    BrokenLink,
    /// Links that lead back to themselves.
    LinkLoop,
    /// A file of zero bytes.
    EmptyFile,
    /// Not a picture as far as we can tell.
    UnknownFormat,
    /// A picture in a format that is not decoded.
    UnsupportedFormat,
    /// A picture that is damaged.
    Corrupt,
    /// More pixels than the limit.
    TooManyPixels,
    /// A folder without photos.
    NoPhotos,
    /// Nothing usable in the clipboard.
    ClipboardEmpty,
    /// The clipboard cannot be read.
    Clipboard,
    /// No checkpoint there.
    ModelFolder,
    /// The checkpoint's configuration cannot be used.
    ModelConfig,
    /// The checkpoint's tensors do not fit its configuration.
    ModelTensors,
    /// A checkpoint that is valid and not supported.
    ModelUnsupported,
    /// No model of that name, here or in the catalogue.
    ModelUnknown,
    /// A model of the catalogue that was not downloaded.
    ModelNotInstalled,
    /// There is a model of that name already.
    ModelExists,
    /// The model is being downloaded, copied or checked.
    ModelBusy,
    /// The model computes now, so it is not removed.
    ModelInUse,
    /// The models folder cannot be read or written.
    ModelStore,
    /// A file lacks or has bytes that it should not, or another content than its hash says.
    Checksum,
    /// There is not enough room on the disk.
    DiskSpace,
    /// The server cannot be reached, or falls silent.
    Network,
    /// The server wants an account that has accepted the model's licence.
    AccessDenied,
    /// The server has no such file.
    RemoteMissing,
    /// The server answers with something that cannot be used.
    Download,
    /// The address of the hub is none.
    Endpoint,
    /// A device cannot be used.
    Device,
    /// A label or template that means nothing.
    BadLabel,
    /// An edit of the projections cannot act on this model.
    Edit,
    /// There are no photos, labels or classes for what was asked.
    NothingAtHand,
    /// This architecture cannot be asked that.
    Architecture,
    /// Linear algebra failed.
    Analysis,
    /// A projection or checkpoint cannot be written.
    Export,
    /// A person stopped it.
    Cancelled,
    /// Settings cannot be read or written.
    Settings,
    /// A thumbnail cannot be made or kept.
    Thumbnail,
    /// The disk is full.
    DiskFull,
    /// The library can only be read.
    LibraryReadOnly,
    /// The library, or a file of it, is damaged or of a newer version.
    LibraryDamaged,
    /// Something else about the library.
    Library,
    /// A bug.
    Internal,
}

/// An error that the interface can say in the person's language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Problem {
    /// What kind.
    pub code: ProblemCode,
    /// What the words are filled with.
    pub params: BTreeMap<String, String>,
    /// The whole in English, with remedy, for copying and for the command line.
    pub message: String,
}

/// A photo that failed.
#[derive(Debug, Clone, Serialize, TS)]
pub struct Failure {
    /// The photo.
    pub id: PhotoId,
    /// File name.
    pub name: String,
    /// Whole path.
    pub path: String,
    /// Why.
    pub problem: Problem,
}

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Nothing.
    Idle,
    /// Folders are being walked; the total still grows.
    Scanning,
    /// Photos are read and encoded.
    Working,
    /// Labels are encoded.
    Labels,
    /// A person stopped it.
    Cancelled,
}

/// Progress of all running work together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What is going on.
    pub phase: Phase,
    /// Photos (or labels, in that phase) that are through, failed ones included.
    pub done: u32,
    /// All of them.
    pub total: u32,
    /// Those that failed.
    pub failed: u32,
    /// Photos a second, once known.
    pub rate_per_sec: Option<f32>,
    /// Seconds that remain, once known.
    pub secs_left: Option<f32>,
}

/// How cosines become scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum ScoreKind {
    /// Labels compete; scores sum to 1 over the set.
    Softmax,
    /// Each label on its own.
    Sigmoid,
}

/// A projection in a few facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionInfo {
    /// `linear`, `mlp` or `identity`.
    #[ts(type = r#""linear" | "mlp" | "identity""#)]
    pub kind: &'static str,
    /// Key in the checkpoint.
    pub key: String,
    /// Size of the pooled feature.
    pub input_dim: u32,
    /// Size of the joint space.
    pub output_dim: u32,
    /// Whether the checkpoint has a bias there.
    pub bias: bool,
    /// Key of the LayerNorm in front, whose shift acts as a bias.
    pub affine_before: Option<String>,
}

/// What one threshold was measured to give, from the model's card.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ThresholdRow {
    /// The threshold.
    pub threshold: f32,
    /// Share of the suggested labels that were right.
    pub precision: f32,
    /// Share of the right labels that were suggested.
    pub recall: f32,
    /// Labels suggested for a photo, on average.
    pub tags_per_photo: f32,
    /// Share of photos without any.
    pub without_tag: f32,
}

/// The loaded model.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Whether it is the one inside the program.
    pub embedded: bool,
    /// Where it was loaded from.
    pub path: String,
    /// Number of values in its tensors.
    #[ts(type = "number")]
    pub parameters: u64,
    /// Size of the weights file.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Height and width of its input in pixels.
    pub image_size: [u32; 2],
    /// Size of the joint space.
    pub embed_dim: u32,
    /// Tokens of a text.
    pub context_length: u32,
    /// The image tower in words.
    pub image_tower: String,
    /// The text tower in words.
    pub text_tower: String,
    /// From pictures to the joint space.
    pub image_projection: ProjectionInfo,
    /// From texts to the joint space.
    pub text_projection: ProjectionInfo,
    /// How cosines become scores.
    pub score_kind: ScoreKind,
    /// Multiplies a cosine.
    pub logit_scale: f32,
    /// Added to it, in sigmoid models.
    pub logit_bias: Option<f32>,
    /// Where suggestions begin unless the person moves it.
    pub default_threshold: f32,
    /// Measured thresholds, for the embedded model.
    pub thresholds: Vec<ThresholdRow>,
    /// Licence, where known.
    pub licence: Option<String>,
}

/// Whether a model is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum EngineState {
    /// On its way.
    Loading,
    /// Ready.
    Ready,
    /// Not usable; the problem says why.
    Failed,
}

/// Model and device.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct EngineStatus {
    /// Whether a model is there.
    pub state: EngineState,
    /// The model.
    pub model: Option<ModelInfo>,
    /// The device.
    pub device: Option<DeviceStatus>,
    /// What went wrong last.
    pub problem: Option<Problem>,
}

/// The label set and how its scores are shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LabelSettings {
    /// Labels in the order of the person.
    pub labels: Vec<String>,
    /// Prompt templates, each with a `{}`.
    pub templates: Vec<String>,
    /// How many labels a photo shows at most.
    pub top_k: u32,
    /// Labels below this probability are not suggested.
    pub threshold: f32,
    /// Sentences of labels that are not to be made from the templates alone, by label.
    #[serde(default)]
    pub prompts: BTreeMap<String, LabelPrompts>,
    /// The saved set that these labels come from.
    #[serde(default)]
    pub set: Option<LabelSetRef>,
}

/// What stands for a label.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct LabelPrompts {
    /// Words or whole sentences; without any, the last part of the label's name.
    pub prompts: Vec<String>,
    /// Templates for them in the place of the set's; `["{}"]` for sentences.
    pub templates: Option<Vec<String>>,
}

/// A version of a saved label set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct LabelSetRef {
    /// Which set.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
}

/// A ready-made label set; its name is in the catalogue.
#[derive(Debug, Clone, Serialize, TS)]
pub struct LabelSet {
    /// Its id.
    pub id: String,
    /// Its labels.
    pub labels: Vec<String>,
}

/// Ready-made templates; their name is in the catalogue.
#[derive(Debug, Clone, Serialize, TS)]
pub struct TemplateSet {
    /// Their id.
    pub id: String,
    /// The templates.
    pub templates: Vec<String>,
}

/// One label of one photo.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// In −1…1.
    pub cosine: f32,
    /// `scale · cosine + bias`.
    pub logit: f32,
    /// In 0…1.
    pub probability: f32,
}

/// What the numbers of a pixel mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum ColourModel {
    /// One of two.
    BlackAndWhite,
    /// Lightness alone.
    Grey,
    /// Red, green and blue.
    Rgb,
    /// Printing inks.
    Cmyk,
    /// Places in a table of colours.
    Palette,
    /// Something rarer.
    Other,
}

impl From<photo::ColourModel> for ColourModel {
    fn from(model: photo::ColourModel) -> Self {
        match model {
            photo::ColourModel::BlackAndWhite => Self::BlackAndWhite,
            photo::ColourModel::Grey => Self::Grey,
            photo::ColourModel::Rgb => Self::Rgb,
            photo::ColourModel::Cmyk => Self::Cmyk,
            photo::ColourModel::Palette => Self::Palette,
            photo::ColourModel::Other => Self::Other,
        }
    }
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PhotoFacts {
    /// `JPEG`, `PNG`, …
    pub format: String,
    /// Pixels, after EXIF orientation.
    pub width: u32,
    /// Pixels, after EXIF orientation.
    pub height: u32,
    /// Size of the file.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Milliseconds since 1970.
    #[ts(type = "number | null")]
    pub modified_ms: Option<i64>,
    /// Milliseconds since 1970 on the camera's clock.
    #[ts(type = "number | null")]
    pub taken_ms: Option<i64>,
    /// Maker and model.
    pub camera: Option<String>,
    /// What the numbers of a pixel mean.
    pub colour: ColourModel,
    /// Bits of one number.
    pub bits: u8,
    /// Whether pixels have an opacity.
    pub alpha: bool,
    /// EXIF orientation, 1 to 8.
    pub orientation: u8,
}

impl From<photo::Facts> for PhotoFacts {
    fn from(facts: photo::Facts) -> Self {
        Self {
            format: facts.format.into(),
            width: facts.width as u32,
            height: facts.height as u32,
            bytes: facts.bytes,
            modified_ms: facts.modified_ms,
            taken_ms: facts.taken_ms,
            camera: facts.camera,
            colour: facts.colour.model.into(),
            bits: facts.colour.bits,
            alpha: facts.colour.alpha,
            orientation: facts.orientation,
        }
    }
}

/// All about one photo.
#[derive(Debug, Clone, Serialize, TS)]
pub struct PhotoDetails {
    /// The photo.
    pub id: PhotoId,
    /// File name.
    pub name: String,
    /// Whole path.
    pub path: String,
    /// Facts, once it was read.
    pub facts: Option<PhotoFacts>,
    /// Every label, in the order of the set.
    pub scores: Vec<LabelScore>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// Every file with this content.
    pub files: Vec<PhotoFile>,
    /// What was decided about labels on it.
    pub decisions: Vec<Decided>,
    /// What waits for a verdict.
    pub suggestions: Vec<Suggested>,
}

/// A label that is left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct LabelProblem {
    /// Its index in the label list.
    pub index: u32,
    /// The label.
    pub label: String,
    /// Why.
    pub problem: Problem,
}

/// All that a window needs to draw itself after a start or a reload.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Photos there are; which, a list says that is asked for.
    pub photos: u32,
    /// Those that failed.
    pub failures: Vec<Failure>,
    /// Photos whose results are those of the model before.
    pub outdated: u32,
    /// The library; absent where photos are only on the table.
    pub library: Option<LibraryState>,
    /// Progress.
    pub progress: Progress,
    /// Model and device.
    pub engine: EngineStatus,
    /// The label set.
    pub labels: LabelSettings,
    /// Its version.
    pub labels_version: u32,
    /// Ready-made label sets.
    pub label_sets: Vec<LabelSet>,
    /// Ready-made templates.
    pub template_sets: Vec<TemplateSet>,
    /// Whether there are sample photos.
    pub samples_available: bool,
}

/// What happened.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum WorkbenchEvent {
    /// Photos came onto the table.
    PhotosAdded {
        /// In order.
        photos: Vec<PhotoStub>,
    },
    /// Photos were read.
    PhotosDecoded {
        /// Which.
        photos: Vec<PhotoDecoded>,
    },
    /// Photos have scores for this version of the label set.
    PhotosScored {
        /// The version that the indices belong to.
        labels_version: u32,
        /// Which, with their best labels.
        photos: Vec<PhotoBest>,
    },
    /// Photos failed.
    PhotosFailed {
        /// Which and why.
        failures: Vec<Failure>,
    },
    /// Photos left the table.
    PhotosRemoved {
        /// Which.
        ids: Vec<PhotoId>,
    },
    /// All photos have new scores: other labels, another projection. Records are to be asked for again.
    PhotosRescored {
        /// The version that their indices belong to.
        labels_version: u32,
    },
    /// Tags, files or the standing of photos changed. Their records are to be asked for again.
    PhotosChanged {
        /// Which; empty for any.
        ids: Vec<PhotoId>,
    },
    /// The library changed as a whole.
    LibraryChanged {
        /// Now.
        library: Box<LibraryState>,
    },
    /// Suggestions or decisions changed.
    ReviewChanged {
        /// Now.
        review: Box<ReviewState>,
    },
    /// Photos are being read again after a failure or a change of the model.
    PhotosWaiting {
        /// Which.
        ids: Vec<PhotoId>,
    },
    /// Progress.
    Progress {
        /// Now.
        progress: Progress,
    },
    /// Model or device changed.
    Engine {
        /// Now.
        engine: Box<EngineStatus>,
    },
    /// The label set changed.
    Labels {
        /// Now.
        labels: LabelSettings,
        /// Its version.
        labels_version: u32,
        /// Labels that are left out.
        problems: Vec<LabelProblem>,
    },
    /// Models came or went, or one changed its state.
    ModelsChanged {
        /// Now.
        list: Box<ModelList>,
    },
    /// A download or copy went on.
    TransferProgress {
        /// Now.
        transfer: Transfer,
    },
    /// The checks of a model went on.
    VerifyProgress {
        /// Now.
        progress: VerifyProgress,
    },
    /// The projections in force have changed.
    LabChanged {
        /// The edits.
        lab: Box<LabState>,
    },
    /// Tuning or an ablation went on.
    TuneProgress {
        /// Now.
        progress: TuneProgress,
    },
    /// Something went wrong that belongs to no photo.
    Problem {
        /// What.
        problem: Problem,
    },
}
