//! Checkpoints: those one can get, those that are here, those on their way, and how well they do.

use std::collections::BTreeMap;

use serde::Serialize;
use ts_rs::TS;

use super::Problem;

/// Where a model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum ModelState {
    /// It can be downloaded.
    Available,
    /// It is being downloaded or copied.
    Downloading,
    /// A part of it is here; going on asks only for the rest.
    Paused,
    /// It is here.
    Installed,
    /// It is inside the program.
    Embedded,
    /// Getting it failed; the problem says why. What has arrived is kept.
    Failed,
}

/// A model that is known: from the catalogue, from the models folder, or from inside the program.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueModel {
    /// What `--model` and every command take: `ViT-B-32/laion2b_s34b_b79k`, `embedded`, or an imported model's name.
    pub name: String,
    /// open_clip's name of the architecture; none for a model that is not in the catalogue.
    pub model: Option<String>,
    /// open_clip's name of the weights.
    pub tag: Option<String>,
    /// Its kind of architecture, such as `vit` or `siglip2`.
    pub group: Option<String>,
    /// Where it stands.
    pub state: ModelState,
    /// Whether it computes now.
    pub active: bool,
    /// Height and width of its input in pixels.
    pub image_size: Option<[u32; 2]>,
    /// Size of the joint space.
    pub embed_dim: Option<u32>,
    /// Number of values in its tensors.
    #[ts(type = "number | null")]
    pub parameters: Option<u64>,
    /// Bytes on disk, or those that a download will take; an estimate until the server or the disk has been asked.
    #[ts(type = "number | null")]
    pub bytes: Option<u64>,
    /// Published zero-shot accuracy on ImageNet, 0…1.
    pub imagenet_top1: Option<f32>,
    /// Licence, where known.
    pub licence: Option<String>,
    /// Whether the licence forbids commercial use, where known.
    pub noncommercial: Option<bool>,
    /// Languages of its texts: `en` or `multilingual`, where known.
    pub language: Option<String>,
    /// What it is recommended for.
    #[ts(type = r#""small" | "default" | "best" | "multilingual" | null"#)]
    pub recommended: Option<&'static str>,
    /// Why, in English.
    pub why: Option<String>,
    /// What else is to be known of it, in English.
    pub note: Option<String>,
    /// Where it comes from: a repository of the hub, or an address.
    pub source: Option<String>,
    /// Its page on the web, where a licence is accepted.
    pub page: Option<String>,
    /// Why Cliploupe cannot compute it, in English; none if it can.
    pub unsupported: Option<String>,
    /// What is here of it.
    pub installed: Option<InstalledModel>,
    /// The download that is under way, paused or failed.
    pub transfer: Option<Transfer>,
}

/// What a transfer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum TransferState {
    /// Another transfer comes first.
    Waiting,
    /// The server is asked what there is.
    Connecting,
    /// Bytes arrive.
    Receiving,
    /// The connection failed; it is tried again in a moment.
    Retrying,
    /// Everything is here and is being checked: hashes, and a strict load.
    Checking,
    /// A person paused it, or the program ended; it can be resumed.
    Paused,
    /// It is installed.
    Done,
    /// It was cancelled; nothing of it is left.
    Cancelled,
    /// It failed; the problem says why. What has arrived is kept.
    Failed,
}

/// A download or a copy in figures.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// The model.
    pub name: String,
    /// What it is doing.
    pub state: TransferState,
    /// The file it is at.
    pub file: Option<String>,
    /// Bytes that are here, over all files.
    #[ts(type = "number")]
    pub received: u64,
    /// Bytes of all files, once known.
    #[ts(type = "number | null")]
    pub total: Option<u64>,
    /// Bytes a second over the last seconds, once known.
    pub rate_per_sec: Option<f64>,
    /// Seconds that remain, once known.
    pub secs_left: Option<f64>,
    /// Why it failed, or why it is being tried again.
    pub problem: Option<Problem>,
}

/// A file of an installed model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct InstalledFile {
    /// Its name in the model's folder.
    pub name: String,
    /// Its size.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// A model that is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct InstalledModel {
    /// Its name.
    pub name: String,
    /// Its folder, or its weights file where a file was imported in place.
    pub path: String,
    /// Whether it stays where a person put it; removing it then leaves the files alone.
    pub in_place: bool,
    /// Where it was taken from: an address or a path.
    pub origin: String,
    /// Bytes of all files.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Milliseconds since 1970.
    #[ts(type = "number")]
    pub installed_ms: i64,
    /// Hash of the weights file.
    pub sha256: String,
    /// Its files.
    pub files: Vec<InstalledFile>,
    /// Licence, where known.
    pub licence: Option<String>,
    /// Why it cannot be used any more, such as a folder that is gone.
    pub problem: Option<Problem>,
}

/// Where downloads come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Hub {
    /// The person's own setting; none for the default.
    pub setting: Option<String>,
    /// What is used: the setting, else `HF_ENDPOINT`, else `https://huggingface.co`.
    pub endpoint: String,
    /// Whether that comes from `HF_ENDPOINT`.
    pub from_environment: bool,
    /// Whether there is a token in `HF_TOKEN`.
    pub has_token: bool,
}

/// The models screen in one piece.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ModelList {
    /// The embedded one first, then those that are here, then the catalogue's in its own order.
    pub models: Vec<CatalogueModel>,
    /// The models folder.
    pub folder: String,
    /// Free bytes on its disk, where the system tells.
    #[ts(type = "number | null")]
    pub free_bytes: Option<u64>,
    /// Where downloads come from.
    pub hub: Hub,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum CheckOutcome {
    /// It could not be made; the parameter `reason` says why.
    Skipped,
    /// As it should be.
    Pass,
    /// Unusual, and worth a look.
    Warn,
    /// Wrong.
    Fail,
}

/// What is checked. Each has parameters of its own, which the words are filled with; a skipped one has `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum CheckId {
    /// Every file has the size and the hash of the record. `count`; where one has not: `file`, `expected`, `found`,
    /// `cause`.
    Files,
    /// Every tensor is used, none is missing, all shapes fit, all values are numbers. `parameters`, or `cause`.
    Load,
    /// There is a tokenizer, and its ids fit the tower. `vocabulary`, `largest`, `start`, `end`, or `cause`.
    Tokenizer,
    /// The feature of a text is taken where the whole text was seen. `pooling` (`argmax`, `eos`, `last`, `first`,
    /// `mean`, …), `causal` (`yes`, `no`, `unknown`), `context`.
    Pooling,
    /// Mean and deviation are those of a known family. `family` (`openai`, `half`, `imagenet`, `zeroOne`, `unknown`),
    /// `mean`, `std`, `resize`, `interpolation`.
    Preprocessing,
    /// Scale and bias of logits are plausible. Figure: the scale. `scale`, `bias`, `kind` (`softmax`, `sigmoid`).
    LogitScale,
    /// Different pictures have different vectors. Figure: their mean cosine. `mean`, `count`, or `cause`.
    Spread,
    /// Photos find their own label. Figure: mean cosine with the own label less that with others. `margin`, `right`,
    /// `count`.
    Samples,
    /// The languages of its texts. `language`.
    Language,
    /// Square projections are not transposed. Figure: what is gained by leaving them as they are. `projection`,
    /// `margin`, `swapped`.
    Orientation,
    /// The projections use their directions. Figure: the smallest share of them, by effective rank. `projection`,
    /// `rank`, `of`, or `cause`.
    Rank,
    /// What the projections add to every vector is small beside what they say of it. Figure: the larger share.
    /// `image`, `text`, in percent or `none`.
    EffectiveBias,
    /// The activation is the trained one. Figure: what is gained by leaving it. `configured`, `other`, `margin`,
    /// `swapped`.
    Activation,
    /// The epsilon of LayerNorms is the trained one. As for the activation.
    NormEpsilon,
    /// A GPU gives the CPU's numbers at every stage. Figure: the largest difference relative to its stage. `device`,
    /// `stage`, `difference`, `limit`, `count`, or `cause`.
    Agreement,
}

/// One check of a model.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Check {
    /// What was checked.
    pub id: CheckId,
    /// How it came out.
    pub outcome: CheckOutcome,
    /// The one number that decides, where there is one.
    pub figure: Option<f64>,
    /// What the words are filled with.
    pub params: BTreeMap<String, String>,
    /// The whole in English.
    pub message: String,
}

/// How a model does.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct VerifyReport {
    /// The model.
    pub name: String,
    /// The worst of the outcomes.
    pub outcome: CheckOutcome,
    /// Every check, in their order.
    pub checks: Vec<Check>,
}

/// How far the checks of a model are.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VerifyProgress {
    /// The model.
    pub name: String,
    /// What is being checked.
    pub id: CheckId,
    /// How much of all checks is done, 0…1.
    pub fraction: f32,
    /// Those that are done.
    pub checks: Vec<Check>,
}
