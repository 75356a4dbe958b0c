//! What happens to a text before it is cut into tokens.
//! Follows open_clip 3.3.0 `tokenizer.py`, `get_clean_fn` and the functions above it.

use super::fix_text::fix_text;
use super::html;

/// open_clip's three ways to clean a text. All mend mojibake, decode HTML entities and collapse whitespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clean {
    /// Lower case: CLIP's own tokenizer.
    Lower,
    /// Nothing more: a `tokenizer.json` normalises by itself.
    Whitespace,
    /// Lower case without ASCII punctuation: SigLIP.
    Canonicalize,
}

impl Clean {
    /// What the tokenizer reads when a person writes `text`.
    pub fn apply(self, text: &str) -> String {
        let mended = html::unescape(&html::unescape(&fix_text(text)));
        match self {
            Self::Lower => collapse_whitespace(&mended).to_lowercase(),
            Self::Whitespace => collapse_whitespace(&mended),
            Self::Canonicalize => {
                let bare = mended.replace('_', " ").replace(|c: char| c.is_ascii_punctuation(), "");
                collapse_whitespace(&bare.to_lowercase())
            }
        }
    }
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
    fn lower_case_is_python_lower_case() {
        assert_eq!(Clean::Lower.apply("ΣΊΣΥΦΟΣ İ ẞ"), "σίσυφος i\u{307} ß");
    }
}
