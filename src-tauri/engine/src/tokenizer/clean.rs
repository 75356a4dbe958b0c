//! What happens to a text before it is cut into tokens.
//! Follows open_clip 3.3.0 `tokenizer.py`, `get_clean_fn` and the functions above it, and the tokenizer classes of
//! transformers 5.23.

use super::fix_text::fix_text;
use super::html;

/// Ways to clean a text. Those of open_clip mend mojibake, decode HTML entities and collapse whitespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clean {
    /// Lower case: CLIP's own tokenizer.
    Lower,
    /// Nothing more: a `tokenizer.json` normalises by itself.
    Whitespace,
    /// Lower case without ASCII punctuation: SigLIP.
    Canonicalize,
    /// Not at all: transformers, for most models.
    #[serde(skip)]
    AsIs,
    /// Lower case and nothing more: transformers, for SigLIP 2.
    #[serde(skip)]
    LowerAsIs,
    /// Lower case, without ASCII punctuation, with single spaces: transformers, for SigLIP.
    #[serde(skip)]
    SiglipAsIs,
}

impl Clean {
    /// What the tokenizer reads when a person writes `text`.
    pub fn apply(self, text: &str) -> String {
        let mended = || html::unescape(&html::unescape(&fix_text(text)));
        match self {
            Self::Lower => collapse_whitespace(&mended()).to_lowercase(),
            Self::Whitespace => collapse_whitespace(&mended()),
            Self::Canonicalize => collapse_whitespace(&without_punctuation(&mended().replace('_', " ")).to_lowercase()),
            Self::AsIs => text.to_owned(),
            Self::LowerAsIs => text.to_lowercase(),
            Self::SiglipAsIs => collapse_whitespace(&without_punctuation(&text.to_lowercase())),
        }
    }

    /// How a tokenizer class of transformers cleans a text before its own normaliser does.
    pub fn of_class(class: &str) -> Self {
        match class.strip_suffix("Fast").unwrap_or(class) {
            "SiglipTokenizer" => Self::SiglipAsIs,
            "Siglip2Tokenizer" => Self::LowerAsIs,
            _ => Self::AsIs,
        }
    }
}

/// Without the characters of Python's `string.punctuation`.
fn without_punctuation(text: &str) -> String {
    text.replace(|c: char| c.is_ascii_punctuation(), "")
}

/// Python's `" ".join(text.split())`.
fn collapse_whitespace(text: &str) -> String {
    // Python counts the four ASCII separators as whitespace, Unicode and Rust do not.
    let is_space = |c: char| c.is_whitespace() || matches!(c, '\x1c'..='\x1f');
    text.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_of_every_kind_becomes_one_space() {
        assert_eq!(Clean::Whitespace.apply(" a\u{3000}\t b\u{a0}\u{2028}\u{85}C "), "a b …C");
    }

    #[test]
    fn canonical_text_has_no_punctuation() {
        assert_eq!(Clean::Canonicalize.apply("A snow_covered Mountain -- (really)!"), "a snow covered mountain really");
    }

    #[test]
    fn transformers_mends_nothing() {
        assert_eq!(
            Clean::SiglipAsIs.apply(" A snow_covered &amp; (Caf\u{c3}\u{a9})!"),
            "a snowcovered amp caf\u{e3}\u{a9}"
        );
        assert_eq!(Clean::LowerAsIs.apply(" A  Cat!"), " a  cat!");
        assert_eq!(Clean::of_class("BertTokenizerFast").apply(" A  Cat!"), " A  Cat!");
    }

    #[test]
    fn lower_case_is_python_lower_case() {
        assert_eq!(Clean::Lower.apply("ΣΊΣΥΦΟΣ İ ẞ"), "σίσυφος i\u{307} ß");
    }
}
