//! Names of tags as keywords of each list, and back.
//!
//! A tag is a path with `/`: `animal/dog`. Lists separate with `|` or `/`, so a separator inside a name needs a stand-in:
//! the keyword `AC/DC` is the tag `AC∕DC` (U+2215), and a tag's own `|` is `∣` (U+2223) where `|` separates. Both ways are
//! each other's inverse.

use crate::xmp::{Keywords, is_under};
use std::collections::HashSet;

/// Stands for `/` inside a name.
const SLASH: char = '\u{2215}';
/// Stands for `|` inside a name.
const BAR: char = '\u{2223}';

/// The tag of a keyword; `None` if nothing but separators and white space is in it.
pub(super) fn tag_of(keyword: &str, separator: char) -> Option<String> {
    let plain = |part: &str| match separator {
        '|' => part.replace('/', "\u{2215}").replace(BAR, "|"),
        _ => part.to_owned(),
    };
    let parts: Vec<String> =
        keyword.split(separator).map(str::trim).filter(|part| !part.is_empty()).map(plain).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The keyword of a tag.
pub(super) fn keyword_of(tag: &str, separator: char) -> String {
    match separator {
        '|' => tag.replace('|', "\u{2223}").replace('/', "|").replace(SLASH, "/"),
        _ => tag.to_owned(),
    }
}

/// The last name of a tag's path.
pub(super) fn leaf(tag: &str) -> &str {
    tag.rsplit('/').next().unwrap_or(tag)
}

/// All names in paths.
pub(super) fn components<'t>(tags: impl IntoIterator<Item = &'t String>) -> HashSet<&'t str> {
    tags.into_iter().flat_map(|tag| tag.split('/')).collect()
}

/// What a document's lists say together: tags of a person, and machine tags without their root.
pub(super) struct Said {
    pub tags: Vec<String>,
    pub machine: Vec<String>,
}

impl Said {
    /// Paths come first. A word of `dc:subject` is a tag of its own unless it is a name in one of the paths, since
    /// programs write leaves, and some also ancestors, there.
    pub(super) fn of(mut keywords: Keywords, root: &str) -> Self {
        let mut said = Self { tags: Vec::new(), machine: Vec::new() };
        let mut seen = HashSet::new();
        let [subject, paths @ ..] = keywords.lists_mut();
        for (list, separator) in paths {
            for keyword in list {
                said.add(keyword, separator, root, &mut seen);
            }
        }
        let (paths, machine) = (said.tags.clone(), said.machine.clone());
        let mut covered = components(paths.iter().chain(&machine));
        if !machine.is_empty() {
            covered.insert(root);
        }
        for word in subject.0.iter() {
            let is_covered = tag_of(word, '|').is_some_and(|tag| covered.contains(tag.as_str()));
            if !is_covered {
                said.add(word, '|', root, &mut seen);
            }
        }
        said
    }

    fn add(&mut self, keyword: &str, separator: char, root: &str, seen: &mut HashSet<String>) {
        let is_machine = is_under(keyword.trim(), &keyword_of(root, separator), separator);
        let Some(tag) = tag_of(keyword, separator) else { return };
        if !seen.insert(tag.clone()) {
            return;
        }
        match is_machine {
            false => self.tags.push(tag),
            true => {
                self.machine.extend(tag.strip_prefix(root).and_then(|tag| tag.strip_prefix('/')).map(str::to_owned))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_separators_in_them_come_back() {
        for tag in ["animal/dog", "AC∕DC", "a|b/c", "x∕y|z/w"] {
            assert_eq!(tag_of(&keyword_of(tag, '|'), '|').as_deref(), Some(tag));
            assert_eq!(tag_of(&keyword_of(tag, '/'), '/').as_deref(), Some(tag));
        }
        assert_eq!(keyword_of("music/AC∕DC", '|'), "music|AC/DC");
        assert_eq!(tag_of(" animal | dog |", '|').as_deref(), Some("animal/dog"));
        assert_eq!(tag_of(" | ", '|'), None);
    }

    #[test]
    fn words_that_are_names_in_paths_are_no_tags_of_their_own() {
        let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let keywords = Keywords {
            subject: list(&["animal", "dog", "beach", "place|sea", "cat", "AC/DC"]),
            hierarchical: list(&["animal|dog", "Cliploupe|animal|cat", "Cliploupe"]),
            tags_list: list(&["animal/dog", "Cliploupe/animal/cat", "Cliploupes"]),
            ..Keywords::default()
        };
        let said = Said::of(keywords, "Cliploupe");
        assert_eq!(said.tags, ["animal/dog", "Cliploupes", "beach", "place/sea", "AC∕DC"]);
        assert_eq!(said.machine, ["animal/cat"]);
    }
}
