//! The command line's grammar.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use cliploupe_workbench::bench;

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
    /// Print one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress bar
    #[arg(long, global = true)]
    pub quiet: bool,
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
    /// Checkpoints: find, download, import, check, remove
    #[command(subcommand)]
    Models(Models),
    /// Where this machine can compute
    Devices,
    /// How fast decoding, preprocessing, encoding and starting are here
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

#[derive(Debug, clap::Args)]
pub struct Bench {
    /// Also measure a checkpoint of this shape with random weights, made for the purpose
    #[arg(long, value_parser = bench::SHAPES.map(|shape| shape.name), value_name = "SHAPE")]
    pub shape: Option<String>,
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
