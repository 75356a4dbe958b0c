//! Mojibake: UTF-8 that was read as an older encoding, such as `cafÃ©` for `café`. Finds it and turns it back.
//!
//! A port of `fix_encoding` in ftfy 6.3.1 (`__init__.py`, `badness.py`, `chardata.py`, `bad_codecs/`) by Robyn Speer,
//! Apache-2.0. ftfy's source explains every rule; the tables here are its tables.

use std::sync::LazyLock;

use regex::{Regex, bytes};

/// Each pass undoes one misreading; nobody misreads a text more often than this.
const MAX_PASSES: usize = 8;

/// An encoding whose first 128 characters are ASCII.
struct Charmap {
    /// What bytes 0x80 to 0xff stand for. Holes are filled with the control character of the same number.
    high: &'static str,
    /// ftfy's "sloppy" encodings: byte 0x1a stands for U+FFFD, a character that somebody lost before us.
    sloppy: bool,
    /// In MacRoman the lead bytes of a lost no-break space are common punctuation, so it is not looked for.
    spaces: bool,
}

const fn sloppy(high: &'static str) -> Charmap {
    Charmap { high, sloppy: true, spaces: true }
}

const WINDOWS_1252: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼\
    ½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ";

/// `CHARMAP_ENCODINGS`, in the order in which they are tried.
static CHARMAPS: [Charmap; 10] = [
    // latin-1
    Charmap {
        high: "\u{80}\u{81}\u{82}\u{83}\u{84}\u{85}\u{86}\u{87}\u{88}\u{89}\u{8a}\u{8b}\u{8c}\u{8d}\u{8e}\u{8f}\
        \u{90}\u{91}\u{92}\u{93}\u{94}\u{95}\u{96}\u{97}\u{98}\u{99}\u{9a}\u{9b}\u{9c}\u{9d}\u{9e}\u{9f}\
        \u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõ\
        ö÷øùúûüýþÿ",
        sloppy: false,
        spaces: true,
    },
    sloppy(WINDOWS_1252),
    // windows-1251
    sloppy(
        "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\u{98}™љ›њќћџ\u{a0}ЎўЈ¤Ґ¦§Ё©Є«¬\u{ad}®Ї°±Ііґµ¶·ё№є»јЅѕїАБВГДЕЖЗИЙКЛМНОПР\
        СТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюя",
    ),
    // windows-1250
    sloppy(
        "€\u{81}‚\u{83}„…†‡\u{88}‰Š‹ŚŤŽŹ\u{90}‘’“”•–—\u{98}™š›śťžź\u{a0}ˇ˘Ł¤Ą¦§¨©Ş«¬\u{ad}®Ż°±˛ł´µ¶·¸ąş»Ľ\
        ˝ľżŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
    ),
    // windows-1253
    sloppy(
        "€\u{81}‚ƒ„…†‡\u{88}‰\u{8a}‹\u{8c}\u{8d}\u{8e}\u{8f}\u{90}‘’“”•–—\u{98}™\u{9a}›\u{9c}\u{9d}\u{9e}\
        \u{9f}\u{a0}΅Ά£¤¥¦§¨©ª«¬\u{ad}®―°±²³΄µ¶·ΈΉΊ»Ό½ΎΏΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡÒΣΤΥΦΧΨΩΪΫάέήίΰαβγδεζηθικλμνξο\
        πρςστυφχψωϊϋόύώÿ",
    ),
    // windows-1254
    sloppy(
        "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}\u{8e}\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}\u{9e}Ÿ\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²\
        ³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏĞÑÒÓÔÕÖ×ØÙÚÛÜİŞßàáâãäåæçèéêëìíîïğñòóôõö÷øùúûüışÿ",
    ),
    // windows-1257
    sloppy(
        "€\u{81}‚\u{83}„…†‡\u{88}‰\u{8a}‹\u{8c}¨ˇ¸\u{90}‘’“”•–—\u{98}™\u{9a}›\u{9c}¯˛\u{9f}\u{a0}¡¢£¤¥¦§Ø\
        ©Ŗ«¬\u{ad}®Æ°±²³´µ¶·ø¹ŗ»¼½¾æĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽßąįāćäåęēčéźėģķīļšńņóōõö÷ųłśūüżž˙",
    ),
    // iso-8859-2
    Charmap {
        high: "\u{80}\u{81}\u{82}\u{83}\u{84}\u{85}\u{86}\u{87}\u{88}\u{89}\u{8a}\u{8b}\u{8c}\u{8d}\u{8e}\u{8f}\
        \u{90}\u{91}\u{92}\u{93}\u{94}\u{95}\u{96}\u{97}\u{98}\u{99}\u{9a}\u{9b}\u{9c}\u{9d}\u{9e}\u{9f}\
        \u{a0}Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\u{ad}ŽŻ°ą˛ł´ľśˇ¸šşťź˝žżŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôő\
        ö÷řůúűüýţ˙",
        sloppy: false,
        spaces: true,
    },
    // macroman
    Charmap {
        high: "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\u{a0}ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄\
        €‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\u{f8ff}ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ",
        sloppy: false,
        spaces: false,
    },
    // cp437
    Charmap {
        high: "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
        αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
        sloppy: false,
        spaces: true,
    },
];

/// `MOJIBAKE_CATEGORIES`: names and the insides of the character classes they stand for in [`BADNESS`].
const CATEGORIES: [(&str, &str); 14] = [
    ("c1", r"\x80-\x9f"),
    ("common", "\u{a0}\u{ad}´·–-―’…"),
    ("bad", "¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\u{fffd}"),
    ("law", "§¶"),
    ("currency", "¢£¥₧€"),
    ("start_punctuation", "¡©«¿΄΅‘‚“„•‹\u{f8ff}"),
    ("end_punctuation", "®»˝”›™"),
    ("numeric", "±-³µ¹¼-¾×÷⁄№∂∆∏∑√∞∩∫≈≠≡≤≥"),
    ("kaomoji", "°Ò-ÖÙ-Üò-öø-üŌŐŪŲ"),
    ("upper_accented", "À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ"),
    ("lower_accented", "ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґﬁﬂ"),
    ("upper_common", "ÞΆΈ-ΊΌΎΏΑ-ΫЁ-Я"),
    ("lower_common", "ά-ωа-џ"),
    ("box", "│┌┐┘├┤┬┼═-╬▀▄█▌▐-▓"),
];

/// `BADNESS_RE`: sequences that are far more likely misread than meant.
const BADNESS: &str = r"(?x)
    [{c1}]
    | [{bad}{lower_accented}{upper_accented}{box}{start_punctuation}{end_punctuation}{currency}{numeric}{law}] [{bad}]
    | [a-zA-Z] [{lower_common}{upper_common}] [{bad}]
    | [{bad}] [{lower_accented}{upper_accented}{box}{start_punctuation}{end_punctuation}{currency}{numeric}{law}]
    | [{lower_accented}{lower_common}{box}{end_punctuation}{currency}{numeric}] [{upper_accented}]
    | [{box}{end_punctuation}{currency}{numeric}] [{lower_accented}]
    | [{lower_accented}{box}{end_punctuation}] [{currency}]
    | [\s\x1c-\x1f] [{upper_accented}] [{currency}]
    | [{upper_accented}{box}] [{numeric}{law}]
    | [{lower_accented}{upper_accented}{box}{currency}{end_punctuation}] [{start_punctuation}] [{numeric}]
    | [{lower_accented}{upper_accented}{currency}{numeric}{box}{law}] [{end_punctuation}] [{start_punctuation}]
    | [{currency}{numeric}{box}] [{start_punctuation}]
    | [a-z] [{upper_accented}] [{start_punctuation}{currency}]
    | [{box}] [{kaomoji}]
    | [{lower_accented}{upper_accented}{currency}{numeric}{start_punctuation}{end_punctuation}{law}] [{box}]
    | [{box}] [{end_punctuation}]
    | [{lower_accented}{upper_accented}] [{start_punctuation}{end_punctuation}] [\p{L}\p{N}_]
    # The ligature œ when not followed by an unaccented Latin letter
    | [Œœ][^A-Za-z]
    # Degree signs after capital letters
    | [{upper_accented}]°
    # Common Windows-1252 2-character mojibake that isn't covered by the cases above
    | [ÂÃÎÐ][€œŠš¢£Ÿž\xa0\xad®©°·»{start_punctuation}{end_punctuation}–—´]
    | × [²³]
    # Windows-1252 mojibake of Arabic words needs to include the 'common' characters.
    # To compensate, we require four characters to be matched.
    | [ØÙ] [{common}{currency}{bad}{numeric}{start_punctuation}ŸŠ®°µ»] [ØÙ] [{common}{currency}{bad}{numeric}{start_punctuation}ŸŠ®°µ»]
    # Windows-1252 mojibake that starts 3-character sequences for some South Asian
    # alphabets
    | à[²µ¹¼½¾]
    # MacRoman mojibake that isn't covered by the cases above
    | √[±∂†≠®™´≤≥¥µø]
    | ≈[°¢]
    | ‚Ä[ìîïòôúùû†°¢π]
    | ‚[âó][àä°ê]
    # Windows-1251 mojibake of characters in the U+2000 range
    | вЂ
    # Windows-1251 mojibake of Latin-1 characters and/or the Cyrillic alphabet.
    # Because the 2-character sequences involved here may be common, we require
    # seeing a 3-character sequence.
    | [ВГРС][{c1}{bad}{start_punctuation}{end_punctuation}{currency}°µ][ВГРС]
    # A distinctive five-character sequence of Cyrillic letters, which can be
    # Windows-1251 mojibake on top of Latin-1 mojibake of Windows-1252 characters.
    # Require a Latin letter nearby.
    | ГўВЂВ.[A-Za-z ]
    # Windows-1252 encodings of 'à' and 'á', as well as \xa0 itself
    | Ã[\xa0¡]
    | [a-z][\s\x1c-\x1f]?[ÃÂ]\x20
    | ^[ÃÂ]\x20
    # Cases where Â precedes a character as an encoding of exactly the same
    # character, and the character is common enough
    | [a-z.,?!{end_punctuation}] Â [\x20{start_punctuation}{end_punctuation}]
    # Windows-1253 mojibake of characters in the U+2000 range
    | β€[™\xa0Ά\xad®°]
    # Windows-1253 mojibake of Latin-1 characters and/or the Greek alphabet
    | [ΒΓΞΟ][{c1}{bad}{start_punctuation}{end_punctuation}{currency}°][ΒΓΞΟ]
    # Windows-1257 mojibake of characters in the U+2000 range
    | ā€";

/// `UTF8_CLUES`: what the bytes of UTF-8 look like in those encodings.
const FIRST_OF_2: &str = "Â-ßĀĂĆČĎĐĒĖĘĚĞĢĪİĶĹĻŁŃŅŇŌŐŘŚŞŠŢŪŮŰŲŹŻŽΒ-ΡΣ-ίВ-Я";
const FIRST_OF_3: &str = "à-ïāăąćčďēėęěģīįķĺļŕźΰ-οа-п";
const FIRST_OF_4: &str = "ðóđğšπσру";
const CONTINUATION: &str = "\u{20}\u{80}-¿ÆØæøĄąĽľŁłŒœŖŗŚśŞ-šŤťŸ-žƒˆˇ˘˛-˝΄-ΆΈ-ΊΌΎΏЁ-ЌЎЏё-ќўџҐґ–-―‘-‚“-„†-•…‰‹›€№™";
const STRICT_CONTINUATION: &str = "\u{80}-¿ÆØæøĄąĽľŁłŒœŖŗŚśŞ-šŤťŸ-žƒˆˇ˘˛-˝΄-ΆΈ-ΊΌΎΏЁ-ЌЎЏё-ќўџҐґ†‡‰‹›€№™";

static IS_BAD: LazyLock<Regex> = LazyLock::new(|| {
    let fill = |pattern: String, (name, class): &(&str, &str)| pattern.replace(&format!("{{{name}}}"), class);
    pattern(&CATEGORIES.iter().fold(BADNESS.to_owned(), fill))
});

/// One character of `UTF8_DETECTOR_RE`.
static UTF8_LIKE: LazyLock<Regex> = LazyLock::new(|| {
    let c = CONTINUATION;
    pattern(&format!("[{FIRST_OF_2}][{c}]|[{FIRST_OF_3}][{c}]{{2}}|[{FIRST_OF_4}][{c}]{{3}}"))
});

/// What `UTF8_DETECTOR_RE` does not want to see before the first of them.
static STRICT: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("[{STRICT_CONTINUATION}]")));

/// `ALTERED_UTF8_RE`: would be UTF-8, had a program not turned a no-break space into a space.
static LOST_SPACE: LazyLock<bytes::Regex> = LazyLock::new(|| {
    byte_pattern(
        r"[\xc2\xc3\xc5\xce\xd0\xd9]\x20
        | [\xe2\xe3]\x20[\x80-\x84\x86-\x9f\xa1-\xbf]
        | [\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf]\x20
        | \xf0\x20[\x80-\xbf][\x80-\xbf]
        | \xf0[\x80-\xbf]\x20[\x80-\xbf]
        | \xf0[\x80-\xbf][\x80-\xbf]\x20",
    )
});

/// `LOSSY_UTF8_RE`: UTF-8 of which a byte was replaced by U+FFFD, here 0x1a, or by a question mark.
static LOST_BYTE: LazyLock<bytes::Regex> = LazyLock::new(|| {
    byte_pattern(
        r"[\xc2-\xdf]\x1a
        | [\xc2-\xc3][?]
        | \xed[\xa0-\xaf][\x1a?]\xed[\xb0-\xbf][\x1a?\x80-\xbf]
        | \xed[\xa0-\xaf][\x1a?\x80-\xbf]\xed[\xb0-\xbf][\x1a?]
        | [\xe0-\xef][\x1a?][\x1a\x80-\xbf]
        | [\xe0-\xef][\x1a\x80-\xbf][\x1a?]
        | [\xf0-\xf4][\x1a?][\x1a\x80-\xbf][\x1a\x80-\xbf]
        | [\xf0-\xf4][\x1a\x80-\xbf][\x1a?][\x1a\x80-\xbf]
        | [\xf0-\xf4][\x1a\x80-\xbf][\x1a\x80-\xbf][\x1a?]
        | \x1a",
    )
});

/// A surrogate pair in UTF-8 (CESU-8), or Java's two-byte zero.
static UTF8_VARIANT: LazyLock<bytes::Regex> =
    LazyLock::new(|| byte_pattern(r"\xed([\xa0-\xaf])([\x80-\xbf])\xed([\xb0-\xbf])([\x80-\xbf]) | \xc0\x80"));

fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("a constant pattern compiles")
}

fn byte_pattern(source: &str) -> bytes::Regex {
    bytes::Regex::new(&format!("(?x-u){source}")).expect("a constant pattern compiles")
}

/// A C1 control character is a Windows-1252 byte that went astray; every other character is left as it is.
pub(super) fn windows_1252(c: char) -> char {
    match c {
        '\u{80}'..='\u{9f}' => WINDOWS_1252.chars().nth(c as usize - 0x80).unwrap_or(c),
        _ => c,
    }
}

/// `fix_encoding`: the text as it was before somebody read its bytes in the wrong encoding.
pub(super) fn fix_encoding(mut text: String) -> String {
    for _ in 0..MAX_PASSES {
        if text.is_ascii() || !IS_BAD.is_match(&text) {
            break;
        }
        let fixed = fix_once(&text);
        if fixed == text {
            break;
        }
        text = fixed;
    }
    text
}

/// `_fix_encoding_one_step_and_explain`. Its Latin-1 to Windows-1252 step does what the last line does, so it is not here.
fn fix_once(text: &str) -> String {
    if let Some(fixed) = CHARMAPS.iter().find_map(|charmap| charmap.reread(text)) {
        return fixed;
    }
    let fixed = fix_parts(text);
    if fixed != text { fixed } else { text.chars().map(windows_1252).collect() }
}

impl Charmap {
    /// The text as UTF-8, if its bytes in this encoding are.
    fn reread(&self, text: &str) -> Option<String> {
        let mut bytes = text.chars().map(|c| self.byte(c)).collect::<Option<Vec<u8>>>()?;
        if self.spaces && LOST_SPACE.is_match(&bytes) {
            bytes = restore_spaces(&bytes);
        }
        if self.sloppy {
            bytes = LOST_BYTE.replace_all(&bytes, "\u{fffd}".as_bytes()).into_owned();
        }
        decode_variants(bytes)
    }

    fn byte(&self, c: char) -> Option<u8> {
        match c {
            '\x1a' if self.sloppy => None,
            '\u{fffd}' if self.sloppy => Some(0x1a),
            '\0'..='\x7f' => Some(c as u8),
            _ => self.high.chars().zip(0x80..=0xff).find(|&(high, _)| high == c).map(|(_, byte)| byte),
        }
    }
}

/// `restore_byte_a0`.
fn restore_spaces(bytes: &[u8]) -> Vec<u8> {
    let mut restored = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        restored.push(byte);
        rest = after;
        // `Ã la mode` was `à la mode`: a word of its own, unless Portuguese writes it together.
        let joined = [&b" "[..], b"quele", b"quela", b"quilo", b"s "];
        let alone = rest.strip_prefix(b" ").is_some_and(|word| !joined.iter().any(|&start| word.starts_with(start)));
        if byte == 0xc3 && alone {
            restored.push(0xa0);
        }
    }
    let restore =
        |found: &bytes::Captures| found[0].iter().map(|&b| if b == b' ' { 0xa0 } else { b }).collect::<Vec<_>>();
    LOST_SPACE.replace_all(&restored, restore).into_owned()
}

/// ftfy's `utf-8-variants` codec.
fn decode_variants(bytes: Vec<u8>) -> Option<String> {
    let decode = |found: &bytes::Captures| {
        let bits = |group: usize, mask: u8| found.get(group).map_or(0, |byte| u32::from(byte.as_bytes()[0] & mask));
        let pair = 0x10000 + (bits(1, 0x0f) << 16) + (bits(2, 0x3f) << 10) + (bits(3, 0x0f) << 6) + bits(4, 0x3f);
        let decoded = if found[0].len() == 2 { Some('\0') } else { char::from_u32(pair) };
        decoded.unwrap_or('\u{fffd}').to_string().into_bytes()
    };
    let plain = if bytes.contains(&0xed) || bytes.contains(&0xc0) {
        UTF8_VARIANT.replace_all(&bytes, decode).into_owned()
    } else {
        bytes
    };
    String::from_utf8(plain).ok()
}

/// `decode_inconsistent_utf8`: mends the parts that look like UTF-8 when the whole cannot be mended.
fn fix_parts(text: &str) -> String {
    let mut fixed = String::with_capacity(text.len());
    let (mut copied, mut from) = (0, 0);
    while let Some(first) = UTF8_LIKE.find_at(text, from) {
        let before = text[..first.start()].chars().next_back();
        if before.is_some_and(|c| STRICT.is_match(c.encode_utf8(&mut [0; 4]))) {
            // Amid garble; look again one character on.
            from = first.start() + first.as_str().chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let mut end = first.end();
        while let Some(next) = UTF8_LIKE.find_at(text, end).filter(|next| next.start() == end) {
            end = next.end();
        }
        let part = &text[first.start()..end];
        fixed.push_str(&text[copied..first.start()]);
        let whole = part.len() == text.len(); // mending it here as well would never end
        fixed.push_str(&if whole { part.to_owned() } else { fix_encoding(part.to_owned()) });
        (copied, from) = (end, end);
    }
    fixed.push_str(&text[copied..]);
    fixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str) -> String {
        fix_encoding(text.to_owned())
    }

    #[test]
    fn misread_utf8_is_read_again() {
        assert_eq!(fixed("âœ” cafÃ©"), "✔ café");
        assert_eq!(fixed("voilÃ  le travail"), "voilà le travail");
        assert_eq!(fixed("Ã la mode"), "à la mode");
        assert_eq!(fixed("РїСЂРёРІРµС‚"), "привет");
    }

    #[test]
    fn a_misread_part_of_a_sound_text_is_mended() {
        assert_eq!(fixed("日本 â€œcafÃ©â€\u{9d}"), "日本 “café”");
    }

    #[test]
    fn sound_text_is_left_alone() {
        for text in ["Ångström", "naïve façade", "Ελλάδα", "20 °C ± ½ €", "IL Y MARQUÉ…"] {
            assert_eq!(fixed(text), text);
        }
    }

    #[test]
    fn every_charmap_has_a_character_for_each_byte() {
        for charmap in &CHARMAPS {
            assert_eq!(charmap.high.chars().count(), 128, "{}", charmap.high);
        }
    }
}
