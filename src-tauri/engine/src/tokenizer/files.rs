//! The tokenizer whose files lie beside a checkpoint, read as transformers 5.23 reads them (`AutoTokenizer`).
//!
//! `tokenizer.json` has the words and how a text is cut into them; `vocab.txt` has BERT's words alone. What surrounds and
//! fills a text is said by `tokenizer_config.json` or, in older folders, by `special_tokens_map.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tokenizers::{PaddingDirection, PaddingParams};

use super::{Clean, MAX_FILE_BYTES, Tokenizer, TokenizerConfig, TokenizerError, contained, frame, parse};
use crate::files::Files;

/// `tokenizer_config.json` with an entry for every added token stays below this, and so do BERT's words.
const MAX_SMALL_FILE_BYTES: u64 = 16 << 20;

/// The language of NLLB's tokenizer unless its files name another one (`tokenization_nllb.py`).
const NLLB_LANGUAGE: &str = "eng_Latn";

/// Files that make a tokenizer and say how it is used; not all of them lie beside every checkpoint.
pub const FILE_NAMES: [&str; 4] = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"];

/// What a checkpoint's configuration says about its tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRules {
    /// How a text is cleaned; `None` as the tokenizer's class in transformers does it.
    pub clean: Option<Clean>,
    /// The class where the files name none.
    pub class: &'static str,
    /// CLIPA: the end id is replaced by 0 (open_clip's `strip_sep_token`).
    pub strip_sep_token: bool,
    /// The language of the texts, for a tower that wants to be told.
    pub language: Language,
    /// The padding, where the files do not say.
    pub pad_id: Option<u32>,
}

/// Whether a text starts with the code of its language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Language {
    /// It does not.
    Untold,
    /// With that of the files, or English.
    Default,
    /// With this one.
    Code(String),
}

impl Tokenizer {
    /// The tokenizer of the checkpoint whose configuration is `config`; `None` if its folder has no tokenizer.
    pub fn beside(
        config: &Path,
        files: Files,
        rules: &FileRules,
        context_length: usize,
    ) -> Result<Option<Self>, TokenizerError> {
        let settings = Settings::read(files, config)?;
        let (json, vocab) = (config.with_file_name("tokenizer.json"), config.with_file_name("vocab.txt"));
        let read = |path: &Path, limit| {
            let read = files.read(path, limit);
            read.map_err(|source| TokenizerError::Read { path: path.to_owned(), source })
        };
        if files.has(&json) {
            let parsed = parse(&read(&json, MAX_FILE_BYTES)?, &json)?;
            return settings.tokenizer(parsed, &json, rules, context_length).map(Some);
        }
        if files.has(&vocab) {
            let parsed =
                parse(settings.bert(&read(&vocab, MAX_SMALL_FILE_BYTES)?, &vocab)?.to_string().as_bytes(), &vocab)?;
            return settings.tokenizer(parsed, &vocab, rules, context_length).map(Some);
        }
        Ok(None)
    }
}

/// What surrounds and fills a text.
struct Settings {
    map: Map<String, Value>,
    /// `tokenizer_config.json`, for messages.
    path: PathBuf,
}

impl Settings {
    fn read(files: Files, config: &Path) -> Result<Self, TokenizerError> {
        let path = config.with_file_name("tokenizer_config.json");
        let mut map = Map::new();
        // The first file to name a token counts.
        for path in [&path, &config.with_file_name("special_tokens_map.json")] {
            if files.has(path) {
                let bytes = files
                    .read(path, MAX_SMALL_FILE_BYTES)
                    .map_err(|source| TokenizerError::Read { path: path.clone(), source })?;
                let found: Map<String, Value> = serde_json::from_slice(&bytes)
                    .map_err(|source| TokenizerError::Parse { path: path.clone(), source: source.into() })?;
                for (key, value) in found.into_iter().filter(|(_, value)| !value.is_null()) {
                    map.entry(key).or_insert(value);
                }
            }
        }
        Ok(Self { map, path })
    }

    /// A special token's text: a string, or the `content` of an object.
    fn token(&self, key: &str) -> Option<&str> {
        let value = self.map.get(key)?;
        value.as_str().or_else(|| value.get("content")?.as_str())
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.map.get(key).and_then(Value::as_bool)
    }

    fn refuse(&self, is_used: bool, what: impl Into<String>) -> Result<(), TokenizerError> {
        if is_used { Err(TokenizerError::Setting { what: what.into(), path: self.path.clone() }) } else { Ok(()) }
    }

    /// The id of a special token that `key` names, or that is called `default`.
    fn id(&self, inner: &tokenizers::Tokenizer, key: &str, default: &str) -> Result<u32, TokenizerError> {
        let token = self.token(key).unwrap_or(default);
        inner.token_to_id(token).ok_or_else(|| TokenizerError::UnknownToken {
            token: token.to_owned(),
            key: key.to_owned(),
            path: self.path.clone(),
        })
    }

    fn tokenizer(
        &self,
        (inner, padding): (tokenizers::Tokenizer, Option<PaddingParams>),
        path: &Path,
        rules: &FileRules,
        context_length: usize,
    ) -> Result<Tokenizer, TokenizerError> {
        let pad_id = self.pad_id(&inner, padding, rules)?;
        let class = self.token("tokenizer_class").unwrap_or(rules.class);
        let clean = rules.clean.unwrap_or_else(|| Clean::of_class(class));
        let keeps_case = self.flag("do_lower_case") == Some(false);
        self.refuse(keeps_case && clean == Clean::SiglipAsIs, format!("do_lower_case = false of {class}"))?;
        let config = TokenizerConfig { context_length, pad_id, clean, strip_sep_token: rules.strip_sep_token };
        let code = match &rules.language {
            Language::Untold => {
                let (start, end) = contained(|| frame(&inner))
                    .map_err(|source| TokenizerError::Parse { path: path.to_owned(), source })?;
                return Tokenizer::assemble(inner, start, end, config);
            }
            Language::Default => self.token("src_lang").unwrap_or(NLLB_LANGUAGE),
            Language::Code(code) => code,
        };
        // The language in front and the end behind, whatever tokenizer.json puts around a text: NLLB's has both behind,
        // which is from before `legacy_behaviour` had a name.
        self.refuse(self.flag("legacy_behaviour") == Some(true), "legacy_behaviour = true")?;
        let end = vec![self.id(&inner, "eos_token", "</s>")?];
        let added = inner.get_added_tokens_decoder().into_iter();
        let languages: BTreeMap<_, _> =
            added.map(|(id, token)| (token.content, id)).filter(|(code, _)| is_language(code)).collect();
        self.refuse(languages.is_empty(), "vocabulary, which has no codes of languages")?;
        let mut tokenizer = Tokenizer::assemble(inner, Vec::new(), end, config)?;
        tokenizer.languages = languages;
        tokenizer.set_language(code)?;
        Ok(tokenizer)
    }

    /// What fills a short text on the right.
    fn pad_id(
        &self,
        inner: &tokenizers::Tokenizer,
        padding: Option<PaddingParams>,
        rules: &FileRules,
    ) -> Result<u32, TokenizerError> {
        for key in ["padding_side", "truncation_side"] {
            self.refuse(self.token(key) == Some("left"), format!("{key} = \"left\""))?;
        }
        let fills_left = padding.as_ref().is_some_and(|padding| matches!(padding.direction, PaddingDirection::Left));
        self.refuse(fills_left && self.token("padding_side").is_none(), "padding on the left in tokenizer.json")?;
        match (self.token("pad_token"), padding) {
            (Some(_), _) => self.id(inner, "pad_token", ""),
            (None, Some(padding)) => Ok(padding.pad_id),
            (None, None) => rules.pad_id.ok_or_else(|| TokenizerError::NoPadding { path: self.path.clone() }),
        }
    }

    /// The `tokenizer.json` that says the same as BERT's `vocab.txt`, one word a line (`tokenization_bert.py`).
    fn bert(&self, vocab: &[u8], path: &Path) -> Result<Value, TokenizerError> {
        let text = std::str::from_utf8(vocab)
            .map_err(|source| TokenizerError::Parse { path: path.to_owned(), source: source.into() })?;
        self.refuse(self.flag("do_basic_tokenize") == Some(false), "do_basic_tokenize = false")?;
        // A word that stands twice has its later number.
        let vocab: BTreeMap<&str, usize> = text.lines().enumerate().map(|(id, word)| (word, id)).collect();
        let special = |key: &str, default: &str| {
            let token = self.token(key).unwrap_or(default).to_owned();
            match vocab.get(token.as_str()) {
                Some(id) => Ok((token, *id)),
                None => Err(TokenizerError::UnknownToken { token, key: key.to_owned(), path: path.to_owned() }),
            }
        };
        let (unknown, unknown_id) = special("unk_token", "[UNK]")?;
        let (start, start_id) = special("cls_token", "[CLS]")?;
        let (end, end_id) = special("sep_token", "[SEP]")?;
        let added = [(&unknown, unknown_id), (&start, start_id), (&end, end_id)].map(|(content, id)| {
            json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
        });
        let template = |token: &str| json!({ "SpecialToken": { "id": token, "type_id": 0 } });
        let special = |token: &str, id: usize| json!({ "id": token, "ids": [id], "tokens": [token] });
        let sequence = json!({ "Sequence": { "id": "A", "type_id": 0 } });
        Ok(json!({
            "version": "1.0",
            "added_tokens": added,
            "normalizer": {
                "type": "BertNormalizer",
                "clean_text": true,
                "handle_chinese_chars": self.flag("tokenize_chinese_chars").unwrap_or(true),
                "strip_accents": self.flag("strip_accents"),
                "lowercase": self.flag("do_lower_case").unwrap_or(true),
            },
            "pre_tokenizer": { "type": "BertPreTokenizer" },
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [template(&start), sequence, template(&end)],
                "pair": [],
                "special_tokens": { start.as_str(): special(&start, start_id), end.as_str(): special(&end, end_id) },
            },
            "decoder": null,
            "model": {
                "type": "WordPiece",
                "unk_token": unknown,
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": vocab,
            },
        }))
    }
}

/// Whether a token is a code as NLLB writes them: `fra_Latn`, `zho_Hans`.
fn is_language(token: &str) -> bool {
    let bytes = token.as_bytes();
    bytes.len() == 8
        && bytes[..3].iter().all(u8::is_ascii_lowercase)
        && bytes[3] == b'_'
        && bytes[4].is_ascii_uppercase()
        && bytes[5..].iter().all(u8::is_ascii_lowercase)
}
