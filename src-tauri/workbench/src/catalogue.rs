//! The pretrained models of open_clip: what there is, where it is, and what each of them is good for.
//!
//! The data is `assets/models/`, made by the script beside it from open_clip's own tables. A name is `MODEL/TAG`, as in
//! `ViT-B-32/laion2b_s34b_b79k`; [`Catalogue::find`] also takes the other ways of writing one.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[cfg(test)]
mod models_table;

macro_rules! asset {
    ($name:literal) => {
        include_str!(concat!("../../../assets/models/", $name))
    };
}

/// Every pretrained model that open_clip names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// The version of open_clip whose tables these are.
    pub open_clip: String,
    /// Kinds of architectures, the most frequent first.
    pub groups: Vec<Group>,
    /// The models, by name.
    pub models: Vec<Entry>,
    #[serde(skip)]
    configs: BTreeMap<String, Value>,
}

/// A kind of architecture: towers and projections of the same form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name in entries, such as `siglip2`.
    pub id: String,
    /// The image tower and what follows it, in a few words.
    pub vision: String,
    /// The text tower and what follows it, in a few words.
    pub text: String,
}

/// One pretrained model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// `MODEL/TAG`; no two entries have the same.
    pub name: String,
    /// open_clip's name of the architecture.
    pub model: String,
    /// open_clip's name of the weights.
    pub tag: String,
    /// The [`Group`] it belongs to.
    pub group: String,
    /// Where open_clip takes the weights from.
    pub source: Source,
    /// Other places of the same weights.
    pub alternates: Vec<Source>,
    /// The repository of the hub that has the `tokenizer.json`; none for CLIP's own byte pairs.
    pub tokenizer: Option<String>,
    /// The configuration's name, for [`Catalogue::model_config`].
    pub config: String,
    /// Whether the tag says that it was trained with QuickGELU. The configuration may say so on its own account.
    pub quick_gelu: bool,
    /// How a picture becomes pixels.
    pub preprocess: Preprocess,
    /// Height and width of the input in pixels.
    pub image_size: u32,
    /// Size of the joint space.
    pub embed_dim: u32,
    /// Number of trained values.
    pub parameters: u64,
    /// Bytes of all stored tensors at 32 bits; the published file may hold them at 16.
    pub bytes_f32: u64,
    /// Published zero-shot accuracy on ImageNet, 0…1, where there is a figure.
    pub imagenet_top1: Option<f32>,
    /// Who measured that.
    pub measured_by: Option<MeasuredBy>,
    /// The licence of the weights, where known: an SPDX identifier, or the hub's name for it.
    pub licence: Option<String>,
    /// Whether that forbids commercial use, where known.
    pub noncommercial: Option<bool>,
    /// Languages of its texts: `en` or `multilingual`.
    pub language: String,
    /// What it is recommended for.
    pub recommended: Option<Purpose>,
    /// Why it is, in English.
    pub why: Option<String>,
    /// Where the entry differs from open_clip's table, and why, in English.
    pub note: Option<String>,
}

/// A place that has a model's weights.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A repository of the Hugging Face hub.
    Hub(HubSource),
    /// A file on the web.
    Url(UrlSource),
}

/// A repository of the Hugging Face hub.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubSource {
    /// `organisation/name`.
    pub repo: String,
    /// Names that the weights file may have; the first that exists is meant.
    pub files: Vec<String>,
}

/// A file on the web.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrlSource {
    /// Its address.
    pub address: String,
    /// How its SHA-256 begins, in lower-case hexadecimal: 64 digits, or the 8 that open_clip knows.
    pub sha256_prefix: Option<String>,
}

/// open_clip's `preprocess_cfg`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// Subtracted from red, green and blue, which are 0…1.
    pub mean: [f64; 3],
    /// Then they are divided by this.
    pub std: [f64; 3],
    /// `bicubic` or `bilinear`.
    pub interpolation: String,
    /// `shortest` or `squash`.
    pub resize_mode: String,
}

/// Who measured an accuracy. The two are close, but prompts and code differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasuredBy {
    /// open_clip, for its table of results.
    OpenClip,
    /// Those who trained the model.
    Authors,
}

/// What a model is recommended for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A small download that is quick everywhere.
    Small,
    /// The first one to try.
    Default,
    /// Accuracy above all.
    Best,
    /// Labels in languages other than English.
    Multilingual,
}

impl Purpose {
    /// Its name in the catalogue.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Default => "default",
            Self::Best => "best",
            Self::Multilingual => "multilingual",
        }
    }
}

impl Entry {
    /// The hub repository of the weights, if they are on the hub.
    pub fn repo(&self) -> Option<&str> {
        self.sources().find_map(|source| match source {
            Source::Hub(hub) => Some(hub.repo.as_str()),
            Source::Url(_) => None,
        })
    }

    /// Every place that has the weights, the preferred one first.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.source).chain(&self.alternates)
    }

    /// What a person may search for, folded, a line for each part so that no word is found across two.
    fn words(&self) -> String {
        let parts = [&self.name, &self.group, &self.language].map(String::as_str).into_iter();
        let optional = [
            self.repo(),
            self.tokenizer.as_deref(),
            self.licence.as_deref(),
            (self.noncommercial == Some(true)).then_some("noncommercial"),
            self.recommended.map(Purpose::name),
        ];
        parts.chain(optional.into_iter().flatten()).map(fold).collect::<Vec<_>>().join("\n")
    }

    /// Whether `word`, folded, is in `text`, which is [`Self::words`].
    fn has_word(&self, text: &str, word: &str) -> bool {
        // The one word that is part of its opposite.
        if word == "commercial" { self.noncommercial == Some(false) } else { text.contains(word) }
    }
}

/// A name without its spelling: lower case, and one dash for whatever separates letters, digits, dots and plus signs.
fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    for c in name.trim().chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() || c == '.' || c == '+' {
            folded.push(c);
        } else if !folded.ends_with('-') {
            folded.push('-');
        }
    }
    folded
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    // The files are part of the program and a test reads them, so they cannot fail to parse.
    let mut catalogue: Catalogue = serde_json::from_str(asset!("catalogue.json")).expect("catalogue.json");
    catalogue.configs = serde_json::from_str(asset!("configs.json")).expect("configs.json");
    catalogue
});

impl Catalogue {
    /// The catalogue inside the program, read once.
    pub fn get() -> &'static Self {
        &CATALOGUE
    }

    /// The model of that name, in any of these spellings, upper or lower case:
    ///
    /// - `ViT-B-32/laion2b_s34b_b79k`, `ViT-B-32:laion2b_s34b_b79k`, `ViT-B-32 laion2b_s34b_b79k`, `ViT-B/32 …`
    /// - `ViT-B-32-quickgelu/openai`: open_clip's alias for a tag that was trained with QuickGELU
    /// - `MobileCLIP2-S0`, if a model has only one tag
    /// - `hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K`: what open_clip takes from that repository
    pub fn find(&self, name: &str) -> Option<&Entry> {
        if let Some(repo) = name.trim().strip_prefix("hf-hub:") {
            return self.find_repo(repo.trim_end_matches('/'));
        }
        let name = fold(name);
        let alias = name.replacen("-quickgelu-", "-", 1);
        let is_alias = alias != name;
        let mut named = self.models.iter().filter(|entry| fold(&entry.name) == alias);
        let by_name = named.find(|entry| entry.quick_gelu || !is_alias);
        by_name.or_else(|| {
            let mut tags = self.models.iter().filter(|entry| fold(&entry.model) == name);
            tags.next().filter(|_| tags.next().is_none())
        })
    }

    /// A repository may serve a second model with another image size; the one that is named like it is meant.
    fn find_repo(&self, repo: &str) -> Option<&Entry> {
        let is_repo = |entry: &&Entry| entry.repo().is_some_and(|r| r.eq_ignore_ascii_case(repo));
        let last = repo.rsplit('/').next().unwrap_or(repo);
        let is_namesake = |entry: &&Entry| entry.model.eq_ignore_ascii_case(last);
        let found = || self.models.iter().filter(is_repo);
        found().find(is_namesake).or_else(|| found().next())
    }

    /// The models that have every word of `query` in their name, group, language, licence, repository or recommendation,
    /// in the catalogue's order; all of them for no words. `commercial` and `noncommercial` are words too.
    pub fn search(&self, query: &str) -> Vec<&Entry> {
        let words: Vec<String> = query.split_whitespace().map(fold).collect();
        let has_all = |entry: &&Entry| {
            let text = entry.words();
            words.iter().all(|word| entry.has_word(&text, word))
        };
        self.models.iter().filter(has_all).collect()
    }

    /// open_clip's configuration of an entry, without what its tag adds.
    pub fn model_config(&self, entry: &Entry) -> &Value {
        // A test looks up every entry's.
        &self.configs[&entry.config]
    }

    /// The content of `open_clip_config.json` for an entry: `model_cfg` as the tag was trained, and `preprocess_cfg`.
    pub fn open_clip_config(&self, entry: &Entry) -> Value {
        let mut model_cfg = self.model_config(entry).clone();
        if entry.quick_gelu {
            model_cfg["quick_gelu"] = true.into();
        }
        json!({ "model_cfg": model_cfg, "preprocess_cfg": entry.preprocess })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// How many tags each group has in open_clip 3.3.0.
    const CENSUS: [(&str, usize); 20] = [
        ("vit", 62),
        ("siglip2", 15),
        ("vitamin", 15),
        ("siglip", 10),
        ("convnext", 9),
        ("resnet", 8),
        ("clipa", 7),
        ("mobileclip-s", 6),
        ("pe-core", 5),
        ("eva02", 5),
        ("metaclip2", 4),
        ("coca", 4),
        ("nllb-siglip", 4),
        ("mobileclip-b", 3),
        ("convnext-mlp", 3),
        ("hf-text", 3),
        ("eva01", 2),
        ("nllb", 2),
        ("mobileclip2-l", 1),
        ("siglip-i18n", 1),
    ];

    fn find(name: &str) -> &'static Entry {
        Catalogue::get().find(name).unwrap_or_else(|| panic!("{name} is not in the catalogue"))
    }

    #[test]
    fn every_group_has_as_many_tags_as_open_clip() {
        let catalogue = Catalogue::get();
        assert_eq!(catalogue.models.len(), 169);
        let known: BTreeSet<_> = catalogue.groups.iter().map(|group| group.id.as_str()).collect();
        assert_eq!(known, CENSUS.iter().map(|(id, _)| *id).collect());
        for (id, tags) in CENSUS {
            assert_eq!(catalogue.models.iter().filter(|entry| entry.group == id).count(), tags, "tags of {id}");
        }
    }

    #[test]
    fn every_entry_is_whole() {
        let catalogue = Catalogue::get();
        let names: BTreeSet<_> = catalogue.models.iter().map(|entry| fold(&entry.name)).collect();
        assert_eq!(names.len(), catalogue.models.len(), "no two names differ in spelling alone");
        for entry in &catalogue.models {
            let name = &entry.name;
            assert_eq!(*name, format!("{}/{}", entry.model, entry.tag));
            let config = catalogue.model_config(entry);
            assert_eq!(config["embed_dim"], entry.embed_dim, "{name}");
            assert_eq!(config["vision_cfg"]["image_size"], entry.image_size, "{name}");
            assert_eq!(config["text_cfg"]["hf_tokenizer_name"].as_str(), entry.tokenizer.as_deref(), "{name}");
            assert!(entry.bytes_f32 >= 4 * entry.parameters, "{name}");
            assert_eq!(entry.imagenet_top1.is_some(), entry.measured_by.is_some(), "{name}");
            assert!(entry.imagenet_top1.is_none_or(|top1| (0.0..=1.0).contains(&top1)), "{name}");
            assert_eq!(entry.recommended.is_some(), entry.why.is_some(), "{name}");
            assert_eq!(entry.licence.is_some(), entry.noncommercial.is_some(), "{name}");
            assert!(entry.preprocess.std.iter().all(|std| *std > 0.0), "{name}");
        }
    }

    #[test]
    fn every_source_can_be_asked_for() {
        for entry in &Catalogue::get().models {
            for source in entry.sources() {
                match source {
                    Source::Hub(HubSource { repo, files }) => {
                        assert_eq!(repo.split('/').filter(|part| !part.is_empty()).count(), 2, "{repo}");
                        assert!(files.len() == 2 && files[0].ends_with(".safetensors"), "{files:?}");
                    }
                    Source::Url(UrlSource { address, sha256_prefix }) => {
                        assert!(address.starts_with("https://"), "{address}");
                        let Some(hash) = sha256_prefix else { continue };
                        assert!(matches!(hash.len(), 8 | 64), "{hash}");
                        assert!(hash.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), "{hash}");
                    }
                }
            }
        }
    }

    #[test]
    fn openai_s_files_have_their_whole_hash() {
        let Source::Url(UrlSource { sha256_prefix: Some(hash), .. }) = &find("ViT-B-32/openai").alternates[0] else {
            panic!("no address of ViT-B-32/openai")
        };
        assert_eq!(hash, "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af");
    }

    #[test]
    fn a_name_has_many_spellings() {
        let expected = "ViT-B-32/laion2b_s34b_b79k";
        for name in [
            "ViT-B-32/laion2b_s34b_b79k",
            "ViT-B-32:laion2b_s34b_b79k",
            "ViT-B-32 laion2b_s34b_b79k",
            " vit-b/32 LAION2B-S34B-B79K ",
            "hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
            "hf-hub:laion/clip-vit-b-32-laion2b-s34b-b79k/",
        ] {
            assert_eq!(find(name).name, expected, "{name:?}");
        }
        assert_eq!(find("MobileCLIP2-S0").name, "MobileCLIP2-S0/dfndr2b");
    }

    #[test]
    fn an_alias_needs_a_tag_with_quick_gelu() {
        assert_eq!(find("ViT-B-32-quickgelu/openai").name, "ViT-B-32/openai");
        assert_eq!(Catalogue::get().find("ViT-B-32-quickgelu/laion2b_s34b_b79k"), None);
    }

    #[test]
    fn what_is_not_one_model_is_not_found() {
        // Several tags, an unknown tag, a repository of something else, nothing.
        for name in ["ViT-B-32", "ViT-B-32/laion", "hf-hub:openai/whisper-tiny", "hf-hub:", ""] {
            assert_eq!(Catalogue::get().find(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_shared_repository_means_its_namesake() {
        let repo = "timm/ViT-SO400M-14-SigLIP-384";
        assert_eq!(find("ViT-SO400M-14-SigLIP-378/webli").repo(), Some(repo));
        assert_eq!(find(&format!("hf-hub:{repo}")).model, "ViT-SO400M-14-SigLIP-384");
    }

    #[test]
    fn a_tag_without_its_own_repository_says_so() {
        let entry = find("ViT-B-16-plus-240/laion400m_e32");
        assert_eq!(entry.repo(), None);
        assert!(entry.note.as_ref().is_some_and(|note| note.contains("laion400m_e31")));
    }

    #[test]
    fn every_word_of_a_search_must_match() {
        let search = |query| -> Vec<&str> {
            Catalogue::get().search(query).into_iter().map(|entry| entry.name.as_str()).collect()
        };
        assert_eq!(search("").len(), 169);
        assert_eq!(search("ViT-B/32 laion2b").len(), 5);
        assert_eq!(search("multilingual nllb mrl"), ["nllb-clip-base-siglip/mrl", "nllb-clip-large-siglip/mrl"]);
        assert_eq!(search("default"), ["ViT-B-32-256/datacomp_s34b_b86k"]);
        assert_eq!(search("nothing like this"), [""; 0]);
        assert_eq!(search("commercial").len() + search("noncommercial").len(), 169);
        assert!(search("mobileclip2 commercial").is_empty());
    }

    #[test]
    fn the_tag_s_activation_is_in_its_configuration() {
        let catalogue = Catalogue::get();
        let quick = |name: &str| catalogue.open_clip_config(find(name))["model_cfg"]["quick_gelu"] == true;
        assert!(quick("ViT-B-32/openai"));
        assert!(!quick("ViT-B-32/laion2b_s34b_b79k"));
        // The configuration says so, although the tag does not: the configuration decides what open_clip computes.
        assert!(quick("roberta-ViT-B-32/laion2b_s12b_b32k"));
        assert_eq!(catalogue.models.iter().filter(|entry| entry.quick_gelu).count(), 27);
        assert_eq!(catalogue.models.iter().filter(|entry| quick(&entry.name)).count(), 28);
    }

    #[test]
    fn preprocessing_is_what_open_clip_writes() {
        let config = Catalogue::get().open_clip_config(find("ViT-H-14-378/dfn5b"));
        let expected = json!({
            "mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711],
            "interpolation": "bicubic", "resize_mode": "squash",
        });
        assert_eq!(config["preprocess_cfg"], expected);
    }

    #[test]
    fn there_is_a_recommendation_for_every_purpose() {
        let catalogue = Catalogue::get();
        for purpose in [Purpose::Small, Purpose::Default, Purpose::Best, Purpose::Multilingual] {
            assert!(catalogue.models.iter().any(|entry| entry.recommended == Some(purpose)), "{purpose:?}");
        }
        let first = catalogue.models.iter().find(|entry| entry.recommended == Some(Purpose::Default)).unwrap();
        assert_eq!(first.noncommercial, Some(false));
    }
}
