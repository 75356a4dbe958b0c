//! CLIP's byte-pair encoding: words to bytes, bytes to symbols, and the best-ranked pair merged until none is left.
//!
//! Follows open_clip 3.3.0 `tokenizer.py`, `SimpleTokenizer`. The ids are 256 byte symbols, the same 256 at the end of
//! a word, one per merge in order of rank, then start and end of text: among merges, the lower id ranks higher.
//!
//! The `tokenizers` crate can do this too, but takes twice as long to set it up, at every start of the app.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::LazyLock;

use regex::Regex;

use super::TokenizerError;

const START_OF_TEXT: &str = "<start_of_text>";
const END_OF_TEXT: &str = "<end_of_text>";
const END_OF_WORD: &str = "</w>";

/// Byte symbols, within a word and at its end.
const BYTE_SYMBOLS: u32 = 512;

/// `SimpleTokenizer.pat`. Python ignores case in the classes too, whose one effect is that nothing matches U+0345.
static PIECES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i:<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}\x{345}]+")
        .expect("a constant pattern compiles")
});

#[derive(Debug)]
pub(super) struct ClipBpe {
    /// The id of each byte within a word; at the end of a word it is 256 more.
    byte_ids: Box<[u32; 256]>,
    /// The id that two neighbours become.
    merges: HashMap<(u32, u32), u32>,
}

impl ClipBpe {
    pub(super) fn new(merges: &str) -> Result<Self, TokenizerError> {
        let mut byte_ids = Box::new([0; 256]);
        let mut symbols = HashMap::with_capacity(1 << 16);
        for (id, (byte, symbol)) in (0..).zip(alphabet()) {
            byte_ids[usize::from(byte)] = id;
            symbols.insert(symbol.to_string(), id);
            symbols.insert(format!("{symbol}{END_OF_WORD}"), id + 256);
        }
        let mut pairs = HashMap::with_capacity(1 << 16);
        for (line, merge) in (1..).zip(merges.lines()) {
            let id = BYTE_SYMBOLS + line - 1;
            let (left, right) = merge.split_once(' ').ok_or(TokenizerError::Merge { line })?;
            let (Some(&left_id), Some(&right_id)) = (symbols.get(left), symbols.get(right)) else {
                return Err(TokenizerError::Merge { line });
            };
            pairs.insert((left_id, right_id), id);
            symbols.insert([left, right].concat(), id);
        }
        Ok(Self { byte_ids, merges: pairs })
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.end_of_text() as usize + 1
    }

    pub(super) fn start_of_text(&self) -> u32 {
        BYTE_SYMBOLS + self.merges.len() as u32
    }

    pub(super) fn end_of_text(&self) -> u32 {
        self.start_of_text() + 1
    }

    /// The ids of a cleaned text. Stops early, at the end of a word, when there are more than `room`.
    pub(super) fn ids(&self, cleaned: &str, room: usize, keep_specials: bool) -> Vec<u32> {
        let mut ids = Vec::new();
        for piece in PIECES.find_iter(cleaned) {
            match piece.as_str() {
                START_OF_TEXT => ids.extend(keep_specials.then_some(self.start_of_text())),
                END_OF_TEXT => ids.extend(keep_specials.then_some(self.end_of_text())),
                word => ids.extend(self.merged(word)),
            }
            if ids.len() > room {
                break;
            }
        }
        ids
    }

    /// The ids of one word. A merge's id is above those of its parts, so taking the lowest from a heap gives what the
    /// reference gets by searching the whole word for every merge, without its quadratic time.
    fn merged(&self, word: &str) -> Vec<u32> {
        let mut ids: Vec<u32> = word.bytes().map(|byte| self.byte_ids[usize::from(byte)]).collect();
        let count = ids.len();
        if let Some(last) = ids.last_mut() {
            *last += 256;
        }

        // Symbol `at` stands between `before[at]` and `after[at]`, indices that are out of range at the word's ends.
        // Merging keeps the left symbol.
        let mut before: Vec<usize> = (0..count).map(|at| at.wrapping_sub(1)).collect();
        let mut after: Vec<usize> = (1..=count).collect();
        let mut alive = vec![true; count];
        let pair = |ids: &[u32], left: usize, right: usize| {
            let merged = self.merges.get(&(*ids.get(left)?, *ids.get(right)?))?;
            Some(Reverse((*merged, left)))
        };
        let mut queue: BinaryHeap<_> = (1..count).filter_map(|at| pair(&ids, at - 1, at)).collect();
        while let Some(next) = queue.pop() {
            let Reverse((merged, at)) = next;
            // The neighbours may have changed since this was queued.
            if !alive[at] || pair(&ids, at, after[at]) != Some(next) {
                continue;
            }
            alive[after[at]] = false;
            ids[at] = merged;
            after[at] = after[after[at]];
            if let Some(left) = before.get_mut(after[at]) {
                *left = at;
            }
            queue.extend(pair(&ids, before[at], at));
            queue.extend(pair(&ids, at, after[at]));
        }
        ids.into_iter().zip(alive).filter_map(|(id, alive)| alive.then_some(id)).collect()
    }
}

/// Every byte with the printable character that stands for it, in the order of the ids (`bytes_to_unicode`).
fn alphabet() -> impl Iterator<Item = (u8, char)> {
    let prints = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let printable = (0..=255).filter(prints).map(|byte| (byte, char::from(byte)));
    printable.chain((0..=255).filter(move |byte| !prints(byte)).zip('\u{100}'..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(merges: &str, text: &str) -> Vec<u32> {
        ClipBpe::new(merges).unwrap().ids(text, usize::MAX, true)
    }

    #[test]
    fn the_better_ranked_pair_wins_over_the_left_one() {
        assert_eq!(ids("b c</w>\na b\n", "abc"), [64, 512]);
    }

    #[test]
    fn pairs_of_one_rank_merge_from_the_left() {
        assert_eq!(ids("a a\n", "aaaaa"), [512, 512, 64 + 256]);
    }

    #[test]
    fn merges_build_on_merges() {
        assert_eq!(ids("a a\naa aa\naaaa a</w>\n", "aaaaa a"), [514, 64 + 256]);
    }

    #[test]
    fn a_merge_of_an_unknown_symbol_is_refused_by_line() {
        for merges in ["a b\nab cd\n", "a b\nab\n"] {
            let refused = ClipBpe::new(merges).unwrap_err();
            assert!(matches!(refused, TokenizerError::Merge { line: 2 }), "{refused}");
        }
    }
}
