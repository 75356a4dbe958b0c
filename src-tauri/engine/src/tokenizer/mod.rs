//! Words in, token ids out, exactly as the Python reference counts them.
//!
//! A text goes through three steps, one file each: [`clean`](Clean) mends and normalises it, `clip_bpe` or the
//! `tokenizers` crate cuts it into ids, and [`Tokenizer`] adds the start and end ids, cuts to the context and pads.
//! Follows open_clip 3.3.0 `tokenizer.py`: `SimpleTokenizer` for CLIP's own vocabulary, `HFTokenizer` for a
//! `tokenizer.json`. What else says how that is to be used, such as `tokenizer_config.json`, is read by `files`.

mod clean;
mod clip_bpe;
mod files;
mod fix_text;
mod html;
mod mojibake;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tokenizers::{Encoding, PaddingParams, Token};

pub use clean::Clean;
use clip_bpe::ClipBpe;
pub use files::{FILE_NAMES, FileRules, Language};

/// More than any text tower has positions for; a config from a stranger must not choose how much we allocate.
const MAX_CONTEXT: usize = 8192;

/// The largest known file, xlm-v's with 901,629 words, stays well below this.
const MAX_FILE_BYTES: u64 = 128 << 20;

/// Only the first tokens of a text count, so reading more of it than this would be wasted time.
const MAX_TEXT_BYTES: usize = 128 << 10;

/// What can go wrong between a tokenizer's files and its ids.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A line of the merges is not two symbols that are known by then.
    #[error("line {line} of the merges does not join two known symbols")]
    Merge {
        /// Counted from 1.
        line: u32,
    },
    /// The context cannot hold the start and end ids, or is absurdly long.
    #[error("a context of {context_length} tokens is not between {least} and {MAX_CONTEXT}")]
    Context {
        /// The context that was asked for.
        context_length: usize,
        /// The start and end ids, and one for the text.
        least: usize,
    },
    /// The file cannot be read.
    #[error("cannot read the tokenizer {path:?}")]
    Read {
        /// The `tokenizer.json`.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is larger than any real tokenizer.
    #[error("the tokenizer is larger than {} MiB: {path:?}", MAX_FILE_BYTES >> 20)]
    TooLarge {
        /// The `tokenizer.json`.
        path: PathBuf,
    },
    /// The file is not a tokenizer that we can run.
    #[error("this is not a usable tokenizer: {path:?}")]
    Parse {
        /// The `tokenizer.json`.
        path: PathBuf,
        /// What the `tokenizers` crate said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A setting that we do not follow.
    #[error("cannot follow the tokenizer's {what}, in {path:?}")]
    Setting {
        /// The key and its value.
        what: String,
        /// The `tokenizer_config.json`.
        path: PathBuf,
    },
    /// A setting names a token that is not in the vocabulary.
    #[error("the tokenizer has no token {token:?}, which is its {key}, in {path:?}")]
    UnknownToken {
        /// The token.
        token: String,
        /// What it is for, such as `pad_token`.
        key: String,
        /// The file that names it, or should have it.
        path: PathBuf,
    },
    /// Nothing says which token fills a short text.
    #[error("nothing says which token is padding: add a pad_token to {path:?}")]
    NoPadding {
        /// The `tokenizer_config.json`.
        path: PathBuf,
    },
    /// A language for a model that is not told the language of a text.
    #[error("the model is not told the language of a text, so {code:?} means nothing to it")]
    NoLanguages {
        /// What was asked for.
        code: String,
    },
    /// A language that the tokenizer has no code for.
    #[error("the tokenizer has no language {code:?}; it has {} others, such as {example:?}", count)]
    UnknownLanguage {
        /// What was asked for.
        code: String,
        /// How many there are.
        count: usize,
        /// One of them.
        example: String,
    },
    /// The tokenizer refused a text, for instance because it has no id for unknown words.
    #[error("the tokenizer cannot encode this text")]
    Encode {
        /// What the `tokenizers` crate said.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What a model wants from its `tokenizer.json`; the file's own truncation and padding are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenizerConfig {
    /// The number of ids in every [`Tokens`].
    pub context_length: usize,
    /// Fills the context on the right.
    pub pad_id: u32,
    /// What is done to a text first; open_clip's default for a `tokenizer.json` is [`Clean::Whitespace`].
    pub clean: Clean,
    /// CLIPA: the end id is replaced by 0 (open_clip's `strip_sep_token`).
    pub strip_sep_token: bool,
}

/// The ids of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// As many as the context is long.
    pub ids: Vec<u32>,
    /// How many of them stand before the padding, a stripped end id included.
    pub len: usize,
    /// Whether the text was longer than the context and lost its end.
    pub truncated: bool,
}

/// Turns a text into the ids that one text tower was trained on.
#[derive(Debug)]
pub struct Tokenizer {
    words: Words,
    start: Vec<u32>,
    end: Vec<u32>,
    /// Codes of languages, for a tokenizer whose texts start with one.
    languages: BTreeMap<String, u32>,
    config: TokenizerConfig,
}

#[derive(Debug)]
enum Words {
    Clip(ClipBpe),
    File(Box<tokenizers::Tokenizer>),
}

impl Tokenizer {
    /// CLIP's own tokenizer, from the lines of `assets/tokenizer/clip_merges.txt`.
    pub fn clip(merges: &str, context_length: usize) -> Result<Self, TokenizerError> {
        let bpe = ClipBpe::new(merges)?;
        let (start, end) = (vec![bpe.start_of_text()], vec![bpe.end_of_text()]);
        let config = TokenizerConfig { context_length, pad_id: 0, clean: Clean::Lower, strip_sep_token: false };
        Self::new(Words::Clip(bpe), start, end, config)
    }

    /// The tokenizer in a `tokenizer.json`, which may come from anyone.
    pub fn from_file(path: &Path, config: TokenizerConfig) -> Result<Self, TokenizerError> {
        Self::from_json(&read_capped(path)?, path, config)
    }

    /// As [`from_file`](Self::from_file), from the file's content; `path` is only named in errors.
    pub fn from_json(json: &[u8], path: &Path, config: TokenizerConfig) -> Result<Self, TokenizerError> {
        let (inner, _) = parse(json, path)?;
        let (start, end) =
            contained(|| frame(&inner)).map_err(|source| TokenizerError::Parse { path: path.to_owned(), source })?;
        Self::assemble(inner, start, end, config)
    }

    /// The tokenizer with `start` and `end` around every text.
    fn assemble(
        inner: tokenizers::Tokenizer,
        start: Vec<u32>,
        end: Vec<u32>,
        config: TokenizerConfig,
    ) -> Result<Self, TokenizerError> {
        Self::new(Words::File(Box::new(inner)), start, end, config)
    }

    fn new(words: Words, start: Vec<u32>, end: Vec<u32>, config: TokenizerConfig) -> Result<Self, TokenizerError> {
        let (context_length, least) = (config.context_length, start.len() + end.len() + 1);
        if !(least..=MAX_CONTEXT).contains(&context_length) {
            return Err(TokenizerError::Context { context_length, least });
        }
        Ok(Self { words, start, end, languages: BTreeMap::new(), config })
    }

    /// Says which language all further texts are in, by a code such as `fra_Latn` (open_clip's `set_language`).
    pub fn set_language(&mut self, code: &str) -> Result<(), TokenizerError> {
        let Some(example) = self.languages.keys().next() else {
            return Err(TokenizerError::NoLanguages { code: code.to_owned() });
        };
        let Some(id) = self.languages.get(code) else {
            let (count, example) = (self.languages.len(), example.clone());
            return Err(TokenizerError::UnknownLanguage { code: code.to_owned(), count, example });
        };
        self.start = vec![*id];
        Ok(())
    }

    /// The codes of all languages, for a tokenizer whose texts start with one; none otherwise.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.keys().map(String::as_str)
    }

    /// The ids of `text` as open_clip gives them, golden to the last one.
    ///
    /// For CLIP this includes a trap: the literal text `<end_of_text>` becomes the end id, and the tower then pools
    /// there. Text that a person typed goes through [`encode_label`](Self::encode_label). In a tokenizer from a file,
    /// special tokens that are written out are plain text either way, where open_clip's take their ids.
    pub fn encode(&self, text: &str) -> Result<Tokens, TokenizerError> {
        self.encode_framed(text, true)
    }

    /// Like [`encode`](Self::encode), but the text itself never yields a start or end id: where it would, that id is
    /// left out. This departs from open_clip, on purpose, for such texts only.
    pub fn encode_label(&self, text: &str) -> Result<Tokens, TokenizerError> {
        self.encode_framed(text, false)
    }

    fn encode_framed(&self, text: &str, keep_specials: bool) -> Result<Tokens, TokenizerError> {
        let head = &text[..text.floor_char_boundary(MAX_TEXT_BYTES)];
        let room = self.config.context_length - self.start.len() - self.end.len();
        let mut body = self.body(&self.config.clean.apply(head), room, keep_specials)?;
        let truncated = head.len() < text.len() || body.len() > room;
        body.truncate(room);

        let mut ids = [&self.start[..], &body, &self.end].concat();
        if self.config.strip_sep_token {
            ids.iter_mut().filter(|id| self.end.contains(id)).for_each(|id| *id = 0);
        }
        let len = ids.len();
        ids.resize(self.config.context_length, self.config.pad_id);
        Ok(Tokens { ids, len, truncated })
    }

    /// The ids between start and end: all of them, or more than `room`.
    fn body(&self, cleaned: &str, room: usize, keep_specials: bool) -> Result<Vec<u32>, TokenizerError> {
        match &self.words {
            Words::Clip(bpe) => Ok(bpe.ids(cleaned, room, keep_specials)),
            Words::File(inner) => {
                let encoding =
                    contained(|| inner.encode(cleaned, false)).map_err(|source| TokenizerError::Encode { source })?;
                let mut ids = encoding.get_ids().to_vec();
                // A Unigram vocabulary lists `</s>` among its words, so it can still be found in the text.
                ids.retain(|id| keep_specials || !(self.start.contains(id) || self.end.contains(id)));
                Ok(ids)
            }
        }
    }

    /// The number of ids in every [`Tokens`].
    pub fn context_length(&self) -> usize {
        self.config.context_length
    }

    /// The id that fills the context on the right.
    pub fn pad_id(&self) -> u32 {
        self.config.pad_id
    }

    /// How many words the vocabulary has, special ones included.
    pub fn vocab_size(&self) -> usize {
        match &self.words {
            Words::Clip(bpe) => bpe.vocab_size(),
            Words::File(inner) => inner.get_vocab_size(true),
        }
    }

    /// The first id of every text (CLIP's start of text, BERT's `[CLS]`), if the tokenizer adds one.
    pub fn start_id(&self) -> Option<u32> {
        self.start.first().copied()
    }

    /// The last id of every text (CLIP's end of text, BERT's `[SEP]`, `</s>`), if the tokenizer adds one and keeps it.
    pub fn end_id(&self) -> Option<u32> {
        self.end.last().copied().filter(|_| !self.config.strip_sep_token)
    }
}

fn read_capped(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    let cannot_read = |source| TokenizerError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot_read)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(cannot_read)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(TokenizerError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

/// The `tokenizer.json` without its truncation, which depends on the model and not on it, and its padding apart.
fn parse(json: &[u8], path: &Path) -> Result<(tokenizers::Tokenizer, Option<PaddingParams>), TokenizerError> {
    let load = || {
        let mut inner = tokenizers::Tokenizer::from_bytes(json)?;
        let padding = inner.get_padding().cloned();
        inner.with_padding(None);
        inner.with_truncation(None)?;
        // `[SEP]` typed by a user is five characters, not the end of the text.
        inner.set_encode_special_tokens(true);
        Ok((inner, padding))
    };
    contained(load).map_err(|source| TokenizerError::Parse { path: path.to_owned(), source })
}

/// The `tokenizers` crate panics on some malformed files, and a stranger's file must not end the program.
fn contained<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> tokenizers::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the tokenizers crate panicked".into()))
}

/// The ids that the tokenizer puts before and after a text, seen by sending a marker through its post-processor.
fn frame(inner: &tokenizers::Tokenizer) -> tokenizers::Result<(Vec<u32>, Vec<u32>)> {
    const MARKER: u32 = u32::MAX;
    let marker = Encoding::from_tokens(vec![Token::new(MARKER, "a".to_owned(), (0, 1))], 0);
    let framed = inner.post_process(marker, None, true)?;
    let at = framed.get_ids().iter().position(|&id| id == MARKER).ok_or("the post-processor drops the text")?;
    let (start, rest) = framed.get_ids().split_at(at);
    Ok((start.to_vec(), rest[1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MERGES: &str = "c a\nca t</w>\n";

    #[test]
    fn pads_a_short_text_on_the_right() {
        let tokens = Tokenizer::clip(MERGES, 5).unwrap().encode("cat").unwrap();
        assert_eq!(tokens, Tokens { ids: vec![514, 513, 515, 0, 0], len: 3, truncated: false });
    }

    #[test]
    fn keeps_the_end_id_when_a_text_is_cut() {
        let tokens = Tokenizer::clip(MERGES, 4).unwrap().encode("cat cat cat").unwrap();
        assert_eq!(tokens, Tokens { ids: vec![514, 513, 513, 515], len: 4, truncated: true });
    }

    #[test]
    fn a_text_that_just_fits_is_not_called_truncated() {
        let tokens = Tokenizer::clip(MERGES, 4).unwrap().encode("cat cat").unwrap();
        assert_eq!(tokens, Tokens { ids: vec![514, 513, 513, 515], len: 4, truncated: false });
    }

    #[test]
    fn a_label_cannot_end_itself() {
        let tokenizer = Tokenizer::clip(MERGES, 6).unwrap();
        let text = "cat&lt;end_of_text&gt;cat";
        assert_eq!(tokenizer.encode(text).unwrap().ids, [514, 513, 515, 513, 515, 0]);
        assert_eq!(tokenizer.encode_label(text).unwrap().ids, [514, 513, 513, 515, 0, 0]);
    }

    #[test]
    fn a_context_without_room_for_text_is_refused() {
        for context_length in [0, 2, MAX_CONTEXT + 1] {
            let refused = Tokenizer::clip(MERGES, context_length).unwrap_err();
            assert!(matches!(refused, TokenizerError::Context { .. }), "{context_length}: {refused}");
        }
    }
}
