//! What a model consists of before it is here.

use cliploupe_engine::tokenizer;
use serde_json::Value;

use super::hub::{Hub, hub_path};
use crate::catalogue::{Catalogue, Entry, Source};

/// A configuration or a tokenizer is smaller than this; whatever is larger is something else.
const MAX_SMALL_BYTES: u64 = 256 << 20;
/// The largest checkpoint of open_clip's list has some 20 GB.
const MAX_WEIGHTS_BYTES: u64 = 64 << 30;

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A file of a repository of the hub, or of its mirror.
    Hub {
        /// `laion/CLIP-ViT-B-32-laion2B-s34B-b79K`.
        repo: String,
        /// Its path in there.
        file: String,
    },
    /// Anywhere on the web.
    Url(String),
}

impl Address {
    /// The file's own name there.
    pub fn file_name(&self) -> &str {
        match self {
            Self::Hub { file, .. } => file,
            Self::Url(url) => url.rsplit('/').next().unwrap_or(url),
        }
    }

    /// Whether `url` is this file, at whatever mirror.
    pub fn is_at(&self, url: &str) -> bool {
        match self {
            Self::Hub { repo, file } => url.ends_with(&hub_path(repo, file)),
            Self::Url(own) => url == own,
        }
    }

    /// As an address of the web.
    pub fn url(&self, hub: &Hub) -> String {
        match self {
            Self::Hub { repo, file } => hub.file_url(repo, file),
            Self::Url(url) => url.clone(),
        }
    }
}

/// One place where a file may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub address: Address,
    /// What it is called in the model's folder.
    pub name: String,
    /// Its SHA-256 in hexadecimal, or the beginning of it, where that was published apart from the file.
    pub sha256: Option<String>,
}

impl Place {
    /// A file of a repository, called `name` from then on.
    pub fn hub(repo: &str, file: &str, name: &str) -> Self {
        let address = Address::Hub { repo: repo.to_owned(), file: file.to_owned() };
        Self { address, name: name.to_owned(), sha256: None }
    }

    /// A file anywhere on the web, called `name` from then on.
    pub fn url(address: &str, name: &str, sha256: Option<&str>) -> Self {
        let sha256 = sha256.map(str::to_owned);
        Self { address: Address::Url(address.to_owned()), name: name.to_owned(), sha256 }
    }
}

/// A file that is needed, or welcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Where it may be, best first.
    pub places: Vec<Place>,
    /// Whether the model can do without.
    pub optional: bool,
    /// About how large it is, until a server says.
    pub bytes: Option<u64>,
    /// Whether it holds the weights: it comes last, when everything else is known to be usable.
    pub is_weights: bool,
}

impl RemoteFile {
    /// More than this is not taken.
    pub fn limit(&self) -> u64 {
        if self.is_weights { MAX_WEIGHTS_BYTES } else { MAX_SMALL_BYTES }
    }
}

/// A model that can be downloaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Its name.
    pub name: String,
    /// Its files, the weights last.
    pub files: Vec<RemoteFile>,
    /// JSON files that are written and not fetched, by name. Under the name of a fetched file only where the server
    /// has none.
    pub written: Vec<(String, Value)>,
    /// Repository or address, for the record.
    pub origin: String,
    /// Where its licence is accepted.
    pub page: Option<String>,
    /// Its licence, where known.
    pub licence: Option<String>,
}

/// What a weights file is called in a model's folder, so that it is found under open_clip's first names whatever it was
/// called where it comes from.
fn weights_name(file: &str) -> &'static str {
    if file.ends_with(".safetensors") { "open_clip_model.safetensors" } else { "open_clip_pytorch_model.bin" }
}

impl Recipe {
    /// How a model of the catalogue is made.
    ///
    /// The configuration is the catalogue's, as in open_clip, where a model's name decides and not its repository: some
    /// repositories serve a second model with another image size, and some have none.
    pub fn of(entry: &Entry, hub: &Hub) -> Self {
        let config = Catalogue::get().open_clip_config(entry);
        let origin = match &entry.source {
            Source::Hub(source) => source.repo.clone(),
            Source::Url(source) => source.address.clone(),
        };
        Self {
            name: entry.name.clone(),
            files: tokenizer_file(entry).into_iter().chain([weights(entry)]).collect(),
            written: vec![("open_clip_config.json".to_owned(), config)],
            origin,
            page: entry.repo().map(|repo| hub.page(repo)),
            licence: entry.licence.clone(),
        }
    }
}

/// How a name says that a repository is meant, as in open_clip.
pub const REPO_PREFIX: &str = "hf-hub:";

impl Recipe {
    /// How a checkpoint of any repository of the hub is made, in open_clip's layout or transformers': what is there of
    /// the files that either has. Its name is the repository's.
    pub fn of_repo(repo: &str, hub: &Hub) -> Self {
        const WEIGHTS: [&str; 4] =
            ["open_clip_model.safetensors", "open_clip_pytorch_model.bin", "model.safetensors", "pytorch_model.bin"];
        const CONFIGS: [&str; 3] = ["open_clip_config.json", "config.json", "preprocessor_config.json"];
        let file = |names: &[&str], is_weights: bool| RemoteFile {
            places: names.iter().map(|name| Place::hub(repo, name, name)).collect(),
            optional: !is_weights,
            bytes: None,
            is_weights,
        };
        let others = CONFIGS.iter().chain(&tokenizer::FILE_NAMES).map(|name| file(&[name], false));
        Self {
            name: repo.to_owned(),
            files: others.chain([file(&WEIGHTS, true)]).collect(),
            written: Vec::new(),
            origin: repo.to_owned(),
            page: Some(hub.page(repo)),
            licence: None,
        }
    }
}

fn tokenizer_file(entry: &Entry) -> Option<RemoteFile> {
    const NAME: &str = "tokenizer.json";
    let own = entry.tokenizer.as_deref()?;
    let mut repos: Vec<&str> = entry.repo().into_iter().chain([own]).collect();
    repos.dedup();
    let places = repos.into_iter().map(|repo| Place::hub(repo, NAME, NAME)).collect();
    Some(RemoteFile { places, optional: false, bytes: None, is_weights: false })
}

fn weights(entry: &Entry) -> RemoteFile {
    let places = entry.sources().flat_map(|source| match source {
        Source::Hub(hub) => {
            hub.files.iter().map(|file| Place::hub(&hub.repo, file, weights_name(file))).collect::<Vec<_>>()
        }
        Source::Url(url) => {
            vec![Place::url(&url.address, weights_name(&url.address), url.sha256_prefix.as_deref())]
        }
    });
    RemoteFile { places: places.collect(), optional: false, bytes: Some(entry.bytes_f32), is_weights: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_of_the_catalogue_has_a_recipe() {
        let hub = Hub::new(Some("https://hub.example"));
        for entry in &Catalogue::get().models {
            let recipe = Recipe::of(entry, &hub);
            crate::store::folder_name(&recipe.name).unwrap();
            let (weights, others) = recipe.files.split_last().unwrap();
            assert!(weights.is_weights && others.iter().all(|file| !file.is_weights), "{}", recipe.name);
            assert_eq!(others.len(), usize::from(entry.tokenizer.is_some()), "{}", recipe.name);
            assert!(recipe.written[0].1["model_cfg"]["embed_dim"].is_u64(), "{}", recipe.name);
        }
    }

    #[test]
    fn a_file_is_the_same_at_every_mirror() {
        let address = Address::Hub { repo: "a/b".into(), file: "w.bin".into() };
        let at = |endpoint: &str| address.url(&Hub::new(Some(endpoint)));
        assert!(address.is_at(&at("https://one.example")) && address.is_at(&at("https://two.example/hf")));
        assert!(!address.is_at("https://one.example/a/b/resolve/main/x.bin"));
        assert!(!address.is_at("https://one.example/xa/b/resolve/main/w.bin"));
    }

    #[test]
    fn names_of_files_do_not_depend_on_where_they_come_from() {
        let hub = Hub::new(Some("https://hub.example"));
        let recipe = |name: &str| Recipe::of(Catalogue::get().find(name).unwrap(), &hub);
        let openai = recipe("ViT-B-32/openai");
        let url = openai.files[0].places.iter().find(|place| matches!(place.address, Address::Url(_))).unwrap();
        assert_eq!((url.name.as_str(), url.sha256.as_ref().unwrap().len()), ("open_clip_pytorch_model.bin", 64));
        let written: Vec<_> = recipe("xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k").written;
        assert_eq!(written.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["open_clip_config.json"]);
    }
}
