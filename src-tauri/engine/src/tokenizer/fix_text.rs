//! ftfy's `fix_text`: mends text that was broken on its way here, and straightens typographic variants.
//!
//! A port of ftfy 6.3.1 (`__init__.py`, `fixes.py`, `chardata.py`) by Robyn Speer, Apache-2.0, with its default
//! settings. CLIP was trained on captions that went through it, so a curly quote must become the same id here.

use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::{html, mojibake};

/// ftfy repeats until nothing changes; `&amp;amp;amp;…` must not make that take forever.
const MAX_PASSES: usize = 32;

/// `ANSI_RE`: what a terminal takes for a colour.
static TERMINAL_ESCAPE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\x1b\[[\d;]*[a-zA-Z]").expect("a constant pattern compiles"));

pub(super) fn fix_text(text: &str) -> String {
    let mut decode_entities = true;
    let fix = |line: &str| {
        // From the first `<` on, the text may be HTML source, whose entities are meant.
        decode_entities &= !line.contains('<');
        fix_line(line, decode_entities)
    };
    text.split_inclusive('\n').map(fix).collect()
}

fn fix_line(line: &str, decode_entities: bool) -> String {
    let mut text = line.to_owned();
    for _ in 0..MAX_PASSES {
        let decoded = if decode_entities { html::unescape_complete(&text) } else { text.clone() };
        let fixed = fix_characters(&mojibake::fix_encoding(decoded));
        if fixed == text {
            break;
        }
        text = fixed;
    }
    text
}

fn fix_characters(text: &str) -> String {
    let mut fixed = String::with_capacity(text.len());
    text.chars().map(mojibake::windows_1252).for_each(|c| match ligature(c) {
        Some(letters) => fixed.push_str(letters),
        None if is_odd_width(c) => fixed.extend([c].into_iter().nfkc()),
        None => fixed.push(straight(c)),
    });
    fixed = fixed.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    if fixed.contains('\x1b') {
        fixed = TERMINAL_ESCAPE.replace_all(&fixed, "").into_owned();
    }
    fixed.retain(|c| !is_control(c));
    if is_nfc(&fixed) { fixed } else { fixed.nfc().collect() }
}

/// `LIGATURES`. The apostrophe of `ŉ` is already straight, because quotes are straightened after ligatures.
fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        'Ĳ' => "IJ",
        'ĳ' => "ij",
        'ŉ' => "'n",
        'Ǳ' => "DZ",
        'ǲ' => "Dz",
        'ǳ' => "dz",
        'Ǆ' => "DŽ",
        'ǅ' => "Dž",
        'ǆ' => "dž",
        'Ǉ' => "LJ",
        'ǈ' => "Lj",
        'ǉ' => "lj",
        'Ǌ' => "NJ",
        'ǋ' => "Nj",
        'ǌ' => "nj",
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' => "ſt",
        'ﬆ' => "st",
        _ => return None,
    })
}

/// `WIDTH_MAP`: full-width Latin and half-width kana and hangul, and the ideographic space.
fn is_odd_width(c: char) -> bool {
    matches!(c, '\u{3000}' | '\u{ff01}'..='\u{ffef}')
}

/// `SINGLE_QUOTE_RE` and `DOUBLE_QUOTE_RE`.
fn straight(c: char) -> char {
    match c {
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' => '"',
        _ => c,
    }
}

/// `CONTROL_CHARS`: those without a shape; whitespace stays, and so do joiners and direction marks.
fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\x08' | '\x0b' | '\x0e'..='\x1f' | '\x7f' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typography_is_straightened() {
        assert_eq!(
            fix_text("“ﬁne” l’été ＬＯＵＤ ﾊﾝｶｸ ŉ \u{1b}[1mbold\u{1b}[0m"),
            "\"fine\" l'été LOUD ハンカク 'n bold"
        );
    }

    #[test]
    fn entities_are_left_alone_in_what_may_be_html() {
        assert_eq!(fix_text("&eacute;\n<b>&eacute;\n&eacute;"), "é\n<b>&eacute;\n&eacute;");
    }

    #[test]
    fn characters_without_a_shape_go_before_accents_are_joined() {
        assert_eq!(fix_text("cafe\0\u{301}\r\n\u{feff}"), "café\n");
    }
}
