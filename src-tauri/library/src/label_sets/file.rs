//! Label sets as files to hand on, and lists of labels from anywhere.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{LabelSet, SetLabel, check};
use crate::{LibraryError, labels};

/// The largest file that is read.
const MOST_BYTES: usize = 4 << 20;

/// What a file of a set begins with, and the newest form of it that is known.
const FORM: u32 = 1;

/// A file of a set.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SetFile {
    cliploupe_label_set: u32,
    #[serde(flatten)]
    set: LabelSet,
}

/// The set as a file to hand on: JSON that a person can read.
pub fn to_file(set: &LabelSet) -> String {
    let file = SetFile { cliploupe_label_set: FORM, set: set.clone() };
    // Strings and numbers under string keys: there is nothing that JSON cannot hold.
    serde_json::to_string_pretty(&file).expect("a label set is always JSON") + "\n"
}

/// Reads a file of [`to_file`], or plain text with one label per line, whose set takes `name`; lines that begin with `#`
/// and labels that were there before are passed over.
///
/// # Errors
/// [`LibraryError::Refused`] if it is neither, is too large, or as [`LabelSet::tidy`].
pub fn from_file(bytes: &[u8], name: &str) -> Result<LabelSet, LibraryError> {
    check(bytes.len() <= MOST_BYTES, || format!("a label set's file has at most {} MiB", MOST_BYTES >> 20))?;
    let text = std::str::from_utf8(bytes).map_err(|_| LibraryError::Refused("a label set's file is UTF-8".into()))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    let set = if text.starts_with('{') { from_json(text)? } else { from_lines(text, name)? };
    check(!set.labels.is_empty(), || "there is no label in this file".into())?;
    set.tidy()
}

fn from_json(text: &str) -> Result<LabelSet, LibraryError> {
    // The form comes first: a newer one may look different in every other way.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Form {
        cliploupe_label_set: u32,
    }
    let refused = |error| LibraryError::Refused(format!("this is no file of a label set: {error}"));
    let form: Form = serde_json::from_str(text).map_err(refused)?;
    check(form.cliploupe_label_set == FORM, || {
        format!("this label set is of form {}, and {FORM} is known; update Cliploupe", form.cliploupe_label_set)
    })?;
    Ok(serde_json::from_str::<SetFile>(text).map_err(refused)?.set)
}

fn from_lines(text: &str, name: &str) -> Result<LabelSet, LibraryError> {
    let mut names = HashSet::new();
    let mut labels = vec![];
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let name = labels::tidy(line)?;
        if names.insert(name.clone()) {
            labels.push(SetLabel { name, ..SetLabel::default() });
        }
    }
    Ok(LabelSet { name: name.to_owned(), labels, ..LabelSet::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label_sets::tests::{label, set};

    #[test]
    fn a_set_comes_back_from_its_file() {
        let mut given = LabelSet { uid: "4a-b".into(), version: 7, ..set("animals", &["animal/dog", "犬"]) };
        given.labels[0].colour = Some(3);
        given.labels[1].template = Some(vec![]);
        let file = to_file(&given);
        assert!(file.starts_with("{\n  \"cliploupeLabelSet\": 1,\n  \"uid\": \"4a-b\""), "{file}");
        assert_eq!(from_file(file.as_bytes(), "unused").unwrap(), given);
    }

    #[test]
    fn plain_text_is_one_label_per_line() {
        let read = from_file("\u{feff}# mine\ndog\r\n\n animal / cat \ndog\n".as_bytes(), "list").unwrap();
        assert_eq!((read.name.as_str(), read.labels), ("list", vec![label("dog"), label("animal/cat")]));
    }

    #[test]
    fn files_that_are_none_are_refused_by_name() {
        let json = |rest: &str| format!("{{\"cliploupeLabelSet\": 1, \"name\": \"n\", {rest}}}").into_bytes();
        let bad: [(Vec<u8>, &str); 9] = [
            (vec![b' '; MOST_BYTES + 1], "MiB"),
            (vec![0xff, 0xfe], "UTF-8"),
            (b"{\"cliploupeLabelSet\": 2}".to_vec(), "update"),
            (b"{\"labels\": []}".to_vec(), "no file of a label set"),
            (json("\"labels\": []"), "no label"),
            (json("\"labels\": [{\"name\": \" / \"}]"), "needs a name"),
            (json("\"labels\": [{\"name\": \"a/b\"}, {\"name\": \"a / b\"}]"), "twice"),
            (json("\"labels\": [{\"name\": \"a\"}], \"templates\": [\"a photo\"]"), "has no {}"),
            (json("\"labels\": [{\"name\": \"a\"}], \"uid\": \"../x\""), "uid"),
        ];
        for (bytes, words) in bad {
            let message = from_file(&bytes, "n").unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
