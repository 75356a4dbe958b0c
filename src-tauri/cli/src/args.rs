//! The command line's grammar.

mod bench;
mod library;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub use bench::*;
pub use library::*;

/// Labels photos with CLIP on your own machine, and opens CLIP's projection layers.
#[derive(Debug, Parser)]
#[command(name = "cliploupe-cli", version, max_term_width = 100)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// The model: `embedded`, the name of an installed one, a folder, or a .safetensors, .pt, .pth or .bin file
    #[arg(long, global = true, default_value = "embedded", value_name = "NAME_OR_DIR")]
    pub model: String,
    /// Configuration of a model given as a file, if it does not lie beside it: a file, or a name of `models list`
    #[arg(long, global = true, value_name = "FILE_OR_NAME")]
    pub config: Option<PathBuf>,
    /// Run the image tower at another input size, in pixels, with resampled positions
    #[arg(long, global = true, value_name = "PIXELS")]
    pub image_size: Option<usize>,
    /// Where to compute: auto, cpu, gpu or gpu:N
    #[arg(long, global = true, default_value = "auto", value_name = "DEVICE")]
    pub device: String,
    /// In which numbers a GPU computes: `auto` is f16 where the GPU has it and passes its self-test in it
    #[arg(long, global = true, value_enum, default_value_t = Precision::Auto)]
    pub precision: Precision,
    /// Keep weights in f16 on the CPU: half the memory, a little slower
    #[arg(long, global = true)]
    pub half_at_rest: bool,
    /// Decode JPEG files in full, as open_clip does, and not at the smallest scale that is enough
    #[arg(long, global = true)]
    pub exact: bool,
    /// The folder of the photo library; the person's own unless said
    #[arg(long, global = true, value_name = "DIR")]
    pub library: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress bar
    #[arg(long, global = true)]
    pub quiet: bool,
}

/// In which numbers a GPU computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// f16 where it is right, else f32.
    Auto,
    /// f32.
    F32,
}

#[derive(Debug, clap::Args)]
pub struct Devices {
    /// Compare the device of --device with the CPU now, with the model of --model
    #[arg(long)]
    pub test: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Zero-shot labels for files or folders
    Label(Label),
    /// Raw vectors of pictures or texts
    Embed(Embed),
    /// Token ids of texts, padded to the model's context
    Tokenize(Tokenize),
    /// What the image tower gets to see of a picture
    Preprocess(Preprocess),
    /// Add photos to the library; what is known already is only looked at, and what was stopped goes on
    Import(Import),
    /// Photos of the library that are like words or like other photos
    Search(Search),
    /// Tags of photos: what the machine suggests, what a person says of it, and XMP sidecars
    #[command(subcommand)]
    Tag(Tag),
    /// How good suggested tags are by confirmed ones, or by photos whose labels are known
    Eval(Eval),
    /// The library as a whole: what is in it, whether it is sound, near duplicates, watched folders
    #[command(subcommand)]
    Library(LibraryCommand),
    /// Checkpoints: find, download, import, check, remove
    #[command(subcommand)]
    Models(Models),
    /// What a model's projections do: bias, spectrum and geometry; change, fit and export them
    Inspect(Box<Inspect>),
    /// Where this machine can compute, and whether that is right
    Devices(Devices),
    /// How fast this machine is: decoding, encoding, imports, searches, starts
    Bench(Bench),
}

/// Options of commands that read texts.
#[derive(Debug, clap::Args)]
pub struct Texts {
    /// The language of the texts, such as fra_Latn, for a model that is told (NLLB-CLIP; English unless said)
    #[arg(long, value_name = "CODE")]
    pub language: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Label {
    #[command(flatten)]
    pub texts: Texts,
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Labels: a,b,c, or a text file with one a line, or a ready-made set (everyday, scenes, animals, objects, food, documents)
    #[arg(long, value_name = "LABELS")]
    pub labels: Option<String>,
    /// A sentence with {} for the label, or ready-made ones: three, one, simple7, openai80; may be repeated
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Vec<String>,
    /// Labels shown per photo
    #[arg(long, default_value_t = 5, value_name = "K")]
    pub top: usize,
    /// Leave out labels below this probability, 0 to 1
    #[arg(long, value_name = "P")]
    pub threshold: Option<f32>,
}

#[derive(Debug, clap::Args)]
pub struct Inspect {
    #[command(flatten)]
    pub texts: Texts,
    /// Photos and folders to look at through the projections
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Labels to look at them with, as in `label`
    #[arg(long, value_name = "LABELS")]
    pub labels: Option<String>,
    /// Sentences for the labels, as in `label`
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Vec<String>,
    /// Edits to put in force: a JSON list, such as [{"kind": "centre", "side": "image", "strength": 1}]
    #[arg(long, value_name = "FILE")]
    pub edits: Option<PathBuf>,
    /// Other projections in the place of the model's: linear, linear-bias, mlp or mlp-bias of the embedded model, or a file
    #[arg(long, value_name = "NAME_OR_FILE")]
    pub replace: Option<String>,
    /// What lies along a direction: image:K or text:K (singular), bias:image, bias:text, dimension:K, gap, label:NAME
    #[arg(long, value_name = "DIRECTION")]
    pub along: Option<String>,
    /// Compare with another model, with other projections (heads:NAME_OR_FILE), or with no edits (unedited)
    #[arg(long, value_name = "OTHER")]
    pub compare: Option<String>,
    /// List every tensor of the checkpoint
    #[arg(long)]
    pub tensors: bool,
    /// The figures of one tensor, by its key
    #[arg(long, value_name = "KEY")]
    pub tensor: Option<String>,
    /// Fit the image projection to a folder with one folder per class, and say what that is worth on photos held out
    #[arg(long, value_name = "DIR", conflicts_with = "ablation")]
    pub tune: Option<PathBuf>,
    /// Compare linear and MLP, with a bias and without, on a folder with one folder per class
    #[arg(long, value_name = "DIR")]
    pub ablation: Option<PathBuf>,
    /// Keep the ablation as a page, .md or .html
    #[arg(long, value_name = "FILE", requires = "ablation")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub fit: Fit,
    /// Write the model with the projections in force (edited, replaced or tuned) as a new folder in open_clip's layout
    #[arg(long, value_name = "FOLDER")]
    pub export: Option<PathBuf>,
    /// Write the projections in force alone
    #[arg(long, value_name = "FILE")]
    pub export_heads: Option<PathBuf>,
}

/// How projections are fitted.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fitting")]
pub struct Fit {
    /// What is fitted with --tune
    #[arg(long, value_enum, default_value = "both")]
    pub parts: Parts,
    /// The loss; that of the model unless said
    #[arg(long, value_enum)]
    pub loss: Option<Loss>,
    /// Pull of the matrix to the original
    #[arg(long, default_value_t = 0.1, value_name = "LAMBDA")]
    pub pull: f64,
    /// Step of Adam
    #[arg(long, default_value_t = 1e-3, value_name = "STEP")]
    pub rate: f64,
    /// Passes over the photos at most
    #[arg(long, default_value_t = 60, value_name = "N")]
    pub epochs: u32,
    /// Passes without a better held-out loss before it stops
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub patience: u32,
    /// Parts of the photos, each held out once
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub folds: u32,
    /// Repetitions of an ablation
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub seeds: u32,
    /// Decides the parts and the order with --tune
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Parts {
    /// The matrix
    Weights,
    /// A bias
    Bias,
    /// Matrix and bias
    Both,
    /// An MLP that begins as the same function
    Mlp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Loss {
    /// Classes compete
    Softmax,
    /// Each class on its own
    Sigmoid,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("input").required(true))]
pub struct Embed {
    #[command(flatten)]
    pub texts: Texts,
    /// Pictures
    #[arg(long, num_args = 1.., group = "input", value_name = "PATH")]
    pub image: Vec<PathBuf>,
    /// Texts
    #[arg(long, num_args = 1.., group = "input", value_name = "TEXT")]
    pub text: Vec<String>,
    /// A safetensors file with `input.pixels`, f32 [batch, 3, height, width]
    #[arg(long, group = "input", value_name = "FILE")]
    pub pixels: Option<PathBuf>,
    /// A safetensors file with `input.tokens`, i32 or i64 [batch, seq]
    #[arg(long, group = "input", value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// Where in the model the vectors are taken
    #[arg(long, default_value = "embedding", value_enum)]
    pub stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// The tower's feature, before the projection
    Pooled,
    /// After the projection, not normalised
    Projected,
    /// After the projection, of unit length
    Embedding,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pooled => "pooled",
            Self::Projected => "projected",
            Self::Embedding => "embedding",
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct Tokenize {
    #[command(flatten)]
    pub texts: Texts,
    /// Texts
    #[arg(required = true, value_name = "TEXT")]
    pub text: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct Preprocess {
    /// A picture
    pub path: PathBuf,
    /// Where to write `pixels_u8` [h, w, 3] and `pixels` [3, h, w]
    #[arg(long, value_name = "FILE.safetensors")]
    pub out: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Models {
    /// What is here and what can be had
    List(ModelsList),
    /// Download a model and install it; a download that was stopped goes on where it was
    Pull(ModelsPull),
    /// Install a checkpoint of this machine
    Import(ModelsImport),
    /// Check an installed model or a checkpoint: files, tensors, device, and whether it does what it should
    Verify(ModelsVerify),
    /// Remove an installed model
    Remove(ModelsRemove),
}

#[derive(Debug, clap::Args)]
pub struct ModelsList {
    /// Only models with all of these in their name, group, language, licence, repository or recommendation
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
    /// Only what is on this machine, whole or in part
    #[arg(long)]
    pub installed: bool,
}

#[derive(Debug, clap::Args)]
pub struct ModelsPull {
    /// A name from the list, such as ViT-B-32/laion2b_s34b_b79k, or hf-hub:OWNER/REPOSITORY
    pub name: String,
}

#[derive(Debug, clap::Args)]
pub struct ModelsImport {
    /// A folder in open_clip's or transformers' layout, or a weights file with its configuration beside it
    pub path: PathBuf,
    /// Leave the files where they are
    #[arg(long)]
    pub in_place: bool,
    /// What to call it; otherwise as the folder or file
    #[arg(long)]
    pub name: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct ModelsVerify {
    /// `embedded`, the name of an installed model, a folder, or a weights file
    pub model: String,
}

#[derive(Debug, clap::Args)]
pub struct ModelsRemove {
    /// The name of an installed model, or of a download that is not finished
    pub name: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}
