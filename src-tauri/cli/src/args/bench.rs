//! The grammar of `bench`.

use std::path::PathBuf;

use clap::ValueEnum;
use cliploupe_workbench::bench;

#[derive(Debug, clap::Args)]
pub struct Bench {
    /// Only these sections; without it all but `fidelity`, `lab` and `library`
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',', value_name = "SECTION")]
    pub only: Vec<Section>,
    /// Also measure a checkpoint of this shape with random weights, made for the purpose
    #[arg(long, value_parser = bench::SHAPES.map(|shape| shape.name), value_name = "SHAPE")]
    pub shape: Option<String>,
    /// Keep the checkpoint that --shape makes in this folder
    #[arg(long, value_name = "FOLDER", requires = "shape")]
    pub keep: Option<PathBuf>,
    /// Pictures encoded at once, one figure each
    #[arg(long, num_args = 1.., value_delimiter = ',', default_value = "1,8,32", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub batch: Vec<u16>,
    /// Photos of 12 megapixels that are made and imported (5 to 10 MB of disk each)
    #[arg(long, default_value_t = 40, value_name = "PHOTOS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub import_of: u32,
    /// Photos to search among, one figure each (1 kB of disk each)
    #[arg(long, num_args = 1.., value_delimiter = ',', default_value = "10000,100000,1000000", value_name = "PHOTOS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub search_of: Vec<u32>,
    /// Also compare fast decoding with exact decoding on the JPEG photos of this folder
    #[arg(long, value_name = "FOLDER")]
    pub photos: Option<PathBuf>,
    /// Also measure reports and edits of projections, with a hundred thousand made-up photos (a gigabyte of memory)
    #[arg(long)]
    pub lab: bool,
    /// Also measure a made-up library of so many photos (2.5 kB of disk each)
    #[arg(long, value_name = "PHOTOS")]
    pub library_of: Option<u32>,
    /// Only this one of the parts that the other options ask for: how `bench` starts itself for each
    #[arg(long, hide = true, value_name = "INDEX")]
    pub part: Option<usize>,
    /// Where the checkpoint of --shape is, which the first process has made
    #[arg(long, hide = true, value_name = "FOLDER", requires = "part")]
    pub made: Option<PathBuf>,
}

/// What is measured in a process of its own, for each device and model that it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Section {
    /// Decoding and preprocessing
    Pictures,
    /// Both towers
    Encode,
    /// An import from files to features, and its stages alone
    Import,
    /// Exact search
    Search,
    /// From starting the program to the first labels, and its size
    Start,
    /// Fast decoding against exact decoding, with --photos
    Fidelity,
    /// Reports and edits of projections
    Lab,
    /// A made-up library, with --library-of
    Library,
}

impl Section {
    /// As it is called in options and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pictures => "pictures",
            Self::Encode => "encode",
            Self::Import => "import",
            Self::Search => "search",
            Self::Start => "start",
            Self::Fidelity => "fidelity",
            Self::Lab => "lab",
            Self::Library => "library",
        }
    }
}
