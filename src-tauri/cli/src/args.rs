//! The command line's grammar.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

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
    /// The model: `embedded`, a folder, or a .safetensors file
    #[arg(long, global = true, default_value = "embedded", value_name = "NAME_OR_DIR")]
    pub model: String,
    /// Configuration of a model given as a file, if it does not lie beside it
    #[arg(long, global = true, value_name = "FILE")]
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
    #[arg(long, value_enum, value_name = "SHAPE")]
    pub shape: Option<Shape>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// ViT-B/32 with CLIP's text tower, 151 million parameters
    #[value(name = "vit-b-32")]
    VitB32,
}
