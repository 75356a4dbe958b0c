//! The grammar of commands about the library.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::Texts;

#[derive(Debug, clap::Args)]
pub struct Import {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Watch these folders from now on: what comes and goes in them is noticed while the window is open, and by `library rescan`
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("like").required(true).multiple(true))]
pub struct Search {
    #[command(flatten)]
    pub texts: Texts,
    /// Like these words
    #[arg(long, num_args = 1.., group = "like", value_name = "TEXT")]
    pub text: Vec<String>,
    /// Like these photos, which are in the library
    #[arg(long, num_args = 1.., group = "like", value_name = "PATH")]
    pub image: Vec<PathBuf>,
    /// Unlike these words: what they add to a score is taken away
    #[arg(long, num_args = 1.., value_name = "TEXT")]
    pub not: Vec<String>,
    /// How much each counts: one number for each text, then for each photo, then for each --not; 1 unless said
    #[arg(long, num_args = 1.., value_name = "W")]
    pub weight: Vec<f32>,
    /// Photos listed at most
    #[arg(long, default_value_t = 20, value_name = "K")]
    pub top: usize,
    /// Only photos with this: folder=DIR, tag=LABEL, without=LABEL, untagged=yes, camera=NAME, year=YYYY, from=YYYY-MM-DD,
    /// to=YYYY-MM-DD (that day too), missing=yes or no, name=PART; may be repeated, and then all must hold
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// Take away what all photos, and all labels, have in common before they are compared
    #[arg(long)]
    pub centred: bool,
    /// List photos below the cut-off too
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Subcommand)]
pub enum Tag {
    /// Tags of the library, or of photos
    List(TagList),
    /// Give photos a tag
    Add(TagPhotos),
    /// Take back what was said of a label on photos, be it that it is right or wrong
    Remove(TagPhotos),
    /// Say that a label is right: on photos, or wherever it is suggested
    Accept(TagVerdict),
    /// Say that a label is wrong: on photos, or wherever it is suggested
    Reject(TagVerdict),
    /// Suggest labels for all photos that nothing was decided about
    Suggest(TagSuggest),
    /// Suggestions that wait for a verdict
    Queue(TagQueue),
    /// Take back the last step of review
    Undo,
    /// Do again what was taken back
    Redo,
    /// Choose from which probability a label is suggested
    Threshold(TagThreshold),
    /// Rename a label, on all photos
    Rename(TagRename),
    /// Write tags into XMP sidecars beside the photos; the photos themselves are never changed
    Export(TagExport),
    /// Take over tags that XMP sidecars and photos have
    Import(TagImport),
    /// Write all tags, verdicts and suggestions as one table
    Table(TagTable),
}

#[derive(Debug, clap::Args)]
pub struct TagList {
    /// Photos and folders of the library
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct TagPhotos {
    /// The label, as dog or animal/dog
    pub label: String,
    /// Photos and folders of the library
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct TagVerdict {
    /// The label, as dog or animal/dog
    pub label: String,
    /// Photos and folders of the library
    #[arg(required_unless_present = "at_least", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// All photos where it is suggested with this probability or more, 0 to 1
    #[arg(long, conflicts_with = "paths", value_name = "P")]
    pub at_least: Option<f32>,
}

#[derive(Debug, clap::Args)]
pub struct TagSuggest {
    #[command(flatten)]
    pub texts: Texts,
    /// Labels, as in `label`; the window's label set unless said
    #[arg(long, value_name = "LABELS")]
    pub labels: Option<String>,
    /// Sentences for the labels, as in `label`
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct TagQueue {
    /// Of this label only
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
    /// What comes first
    #[arg(long, value_enum, default_value = "useful", value_name = "ORDER")]
    pub order: Order,
    /// Suggestions listed at most
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub top: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Where a verdict teaches most: near the threshold
    Useful,
    /// The most probable
    Likely,
    /// The least probable
    Doubtful,
}

#[derive(Debug, clap::Args)]
pub struct TagThreshold {
    /// The label
    pub label: String,
    /// A probability, 0 to 1, or `default`
    #[arg(value_name = "P|default")]
    pub at: String,
}

#[derive(Debug, clap::Args)]
pub struct TagRename {
    /// The label
    pub old: String,
    /// What it is to be called
    pub new: String,
}

#[derive(Debug, clap::Args)]
pub struct TagExport {
    /// Photos and folders of the library; all photos unless said
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write nothing, and show what would change
    #[arg(long)]
    pub dry_run: bool,
    /// What new sidecars are called; one that is there keeps its name
    #[arg(long, value_enum, default_value = "name-ext", value_name = "NAMING")]
    pub naming: Naming,
    /// Write MicrosoftPhoto:LastKeywordXMP too
    #[arg(long)]
    pub microsoft: bool,
    /// Write mediapro:CatalogSets too
    #[arg(long)]
    pub mediapro: bool,
    /// Write suggestions too, under a root of their own
    #[arg(long)]
    pub suggestions: bool,
    /// The root of suggestions
    #[arg(long, default_value = "Cliploupe", value_name = "NAME")]
    pub root: String,
    /// What wins where library and sidecar have both changed
    #[arg(long, value_enum, default_value = "ask", value_name = "WINNER")]
    pub on_conflict: Winner,
    /// Take suggestions out of the sidecars, and do nothing else
    #[arg(long, conflicts_with_all = ["dry_run", "suggestions"])]
    pub remove_suggestions: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Naming {
    /// photo.jpg.xmp, as darktable and digiKam have it
    NameExt,
    /// photo.xmp, as Lightroom has it
    Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Winner {
    /// Nobody: the sidecar keeps what it has, the conflict is shown, and the exit code is 1
    Ask,
    /// The library
    Library,
    /// The sidecar
    Sidecar,
    /// Both: tags of either
    Union,
}

#[derive(Debug, clap::Args)]
pub struct TagImport {
    /// Photos and folders of the library; all photos unless said
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Take nothing over, and show what there is
    #[arg(long)]
    pub dry_run: bool,
    /// Take over tags too that were rejected here
    #[arg(long)]
    pub even_rejected: bool,
}

#[derive(Debug, clap::Args)]
pub struct TagTable {
    /// Where to write it
    #[arg(value_name = "FILE.csv|FILE.json")]
    pub file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct Eval {
    #[command(flatten)]
    pub texts: Texts,
    /// Photos whose labels are known, in the place of the library's decisions: a folder with one folder per label, or a table
    /// with the columns path and labels. They are read for this only, unless --library names a library that has them
    #[arg(long, value_name = "DIR|FILE.csv|FILE.json")]
    pub truth: Option<PathBuf>,
    /// Labels, as in `label`; those of the truth, or the window's label set, unless said
    #[arg(long, value_name = "LABELS")]
    pub labels: Option<String>,
    /// Sentences for the labels, as in `label`
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Vec<String>,
    /// What the best threshold maximises
    #[arg(long, default_value = "f1", value_parser = ["f1", "f0.5", "f2"], value_name = "MEASURE")]
    pub measure: String,
    /// Put another model beside it, or other projections (heads:NAME_OR_FILE), or no edits (unedited)
    #[arg(long, value_name = "OTHER")]
    pub compare: Option<String>,
    /// Keep the tables as Markdown
    #[arg(long, value_name = "FILE.md")]
    pub report: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum LibraryCommand {
    /// What is in it
    Info,
    /// Whether its files are sound
    Check(LibraryCheck),
    /// Photos that are nearly the same
    Near(LibraryNear),
    /// Photos that are unlike all others
    Outliers(LibraryOutliers),
    /// Watch a folder: add its photos now, and notice what comes and goes
    Watch(LibraryFolder),
    /// Watch a folder no longer; its photos stay
    Unwatch(LibraryFolder),
    /// Look through all watched folders now
    Rescan,
}

#[derive(Debug, clap::Args)]
pub struct LibraryCheck {
    /// Read every file from beginning to end
    #[arg(long)]
    pub deep: bool,
    /// Make again what is damaged or missing and can be made again
    #[arg(long)]
    pub repair: bool,
}

#[derive(Debug, clap::Args)]
pub struct LibraryNear {
    /// Cosine from which photos are similar
    #[arg(long, default_value_t = 0.95, value_name = "C")]
    pub min_cosine: f32,
}

#[derive(Debug, clap::Args)]
pub struct LibraryOutliers {
    /// Photos listed at most
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub top: usize,
}

#[derive(Debug, clap::Args)]
pub struct LibraryFolder {
    /// The folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}
