//! HTML character references, with the reach that Python and ftfy give them.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::mojibake;

/// `HTML_ENTITY_RE` of ftfy 6.3.1 `chardata.py`.
static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("&#?[0-9A-Za-z]{1,24};").expect("a constant pattern compiles"));

/// Python's `html.unescape`: every reference that HTML knows, with or without its semicolon.
///
/// `htmlize` agrees with it on names, but numbers are ours: Python drops the ones that HTML calls errors.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("&#") {
        out.push_str(&htmlize::unescape(&rest[..at]));
        rest = &rest[at + 2..];
        match split_number(rest) {
            Some((code, after)) => {
                out.extend(referenced(code));
                rest = after;
            }
            None => out.push_str("&#"),
        }
    }
    out.push_str(&htmlize::unescape(rest));
    out
}

/// ftfy's milder version: only complete references, and names in capitals such as `&EACUTE;` too.
pub(super) fn unescape_complete(text: &str) -> String {
    REFERENCE.replace_all(text, |found: &Captures| complete(&found[0]).unwrap_or_else(|| found[0].to_owned())).into()
}

fn complete(reference: &str) -> Option<String> {
    if reference.starts_with("&#") {
        return Some(unescape(reference)).filter(|decoded| !decoded.contains(';'));
    }
    named(reference).or_else(|| {
        let untouched = htmlize::unescape(reference) == reference;
        let capitals = !reference.contains(|c: char| c.is_ascii_lowercase());
        let in_capitals = named(&reference.to_ascii_lowercase()).filter(|_| untouched && capitals)?;
        Some(in_capitals.to_uppercase())
    })
}

fn named(reference: &str) -> Option<String> {
    let decoded = htmlize::unescape(reference);
    // `&notit;` decodes to `¬it;`: the semicolon that is left over says that the name was not the whole.
    let whole = decoded == ";" || !decoded.ends_with(';');
    whole.then(|| decoded.into_owned())
}

/// The number after `&#` and the text after it, the optional semicolon taken.
fn split_number(text: &str) -> Option<(u32, &str)> {
    let (digits, radix) = match text.strip_prefix(['x', 'X']) {
        Some(hex) => (hex, 16),
        None => (text, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let (number, after) = digits.split_at(end);
    let code = if number.is_empty() { return None } else { u32::from_str_radix(number, radix).unwrap_or(u32::MAX) };
    Some((code, after.strip_prefix(';').unwrap_or(after)))
}

/// CPython `Lib/html/__init__.py`, `_replace_charref` with `_invalid_charrefs` and `_invalid_codepoints`.
fn referenced(code: u32) -> Option<char> {
    match code {
        0 => Some('\u{fffd}'),
        0x0d => Some('\r'),
        0x80..=0x9f => char::from_u32(code).map(mojibake::windows_1252),
        0x01..=0x08 | 0x0b | 0x0e..=0x1f | 0x7f | 0xfdd0..=0xfdef => None,
        0..=0x10ffff if code & 0xfffe == 0xfffe => None,
        _ => Some(char::from_u32(code).unwrap_or('\u{fffd}')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_python() {
        assert_eq!(
            unescape("&#0;&#1;&#128;&#x2019;&#xD800;&#99999999999;&#39&#x;&#;"),
            "\u{fffd}€’\u{fffd}\u{fffd}'&#x;&#;"
        );
    }

    #[test]
    fn names_need_no_semicolon_in_html_but_do_in_ftfy() {
        assert_eq!(unescape("&copy &notit; &amp;lt;"), "© ¬it; &lt;");
        assert_eq!(unescape_complete("&copy &notit; &semi; &amp;lt;"), "&copy &notit; ; &lt;");
    }

    #[test]
    fn ftfy_reads_names_in_capitals() {
        assert_eq!(unescape_complete("P&EACUTE;REZ &SZLIG; &nTILDE;"), "PÉREZ SS &nTILDE;");
    }
}
