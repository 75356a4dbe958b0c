//! What Cliploupe carries inside: the embedded model, its card, label sets, prompt templates and sample photos.
//!
//! Everything is part of the program, so that it works from the first second, offline, wherever the program lies.

use std::path::Path;

use cliploupe_engine::{
    Checkpoint,
    files::{Files, MemoryFile},
};

use crate::messages::{LabelSet, Problem, ProblemCode, TemplateSet, ThresholdRow};

macro_rules! asset {
    ($path:literal) => {
        concat!("../../../assets/", $path)
    };
}

/// The embedded model's name, wherever a model is named.
pub const EMBEDDED_MODEL: &str = "embedded";
/// Its licence.
pub const EMBEDDED_LICENCE: &str = "Apache-2.0";
/// Its card, in Markdown.
pub const MODEL_CARD: &str = include_str!(asset!("model/MODEL_CARD.md"));

static MODEL_FILES: &[MemoryFile] = &[
    MemoryFile { name: "open_clip_config.json", bytes: include_bytes!(asset!("model/open_clip_config.json")) },
    MemoryFile {
        name: "open_clip_model.safetensors",
        bytes: include_bytes!(asset!("model/open_clip_model.safetensors")),
    },
    MemoryFile { name: "config.json", bytes: include_bytes!(asset!("model/config.json")) },
    MemoryFile { name: "tokenizer.json", bytes: include_bytes!(asset!("model/tokenizer.json")) },
    MemoryFile { name: "tokenizer_config.json", bytes: include_bytes!(asset!("model/tokenizer_config.json")) },
];

/// The embedded model's weights file.
pub fn embedded_weights() -> &'static [u8] {
    let weights = MODEL_FILES.iter().find(|file| file.name.ends_with(".safetensors"));
    weights.map_or(&[], |file| file.bytes)
}

/// The embedded model.
pub fn embedded_model() -> Checkpoint {
    Checkpoint::in_memory(EMBEDDED_MODEL, MODEL_FILES)
}

/// The embedded model's own projections, by the name they have among [`EMBEDDED_HEADS`].
pub const OWN_HEADS: &str = "linear";
/// Projections that were trained with the embedded model's towers, by name: its own, and those beside it.
pub const EMBEDDED_HEADS: &[&str] = &[OWN_HEADS, "linear-bias", "mlp", "mlp-bias"];

macro_rules! heads {
    ($($name:literal),*) => {
        &[$(
            MemoryFile {
                name: concat!($name, ".safetensors"),
                bytes: include_bytes!(concat!("../../../assets/model/projections/", $name, ".safetensors")),
            },
            MemoryFile {
                name: concat!($name, ".json"),
                bytes: include_bytes!(concat!("../../../assets/model/projections/", $name, ".json")),
            },
        )*]
    };
}

static HEAD_FILES: &[MemoryFile] = heads!("linear-bias", "mlp", "mlp-bias");

/// The files of [`EMBEDDED_HEADS`] but the model's own, `NAME.safetensors` and `NAME.json`.
pub fn embedded_heads() -> Files {
    Files::Memory(HEAD_FILES)
}

/// Size of the embedded model's weights in bytes.
pub fn embedded_bytes() -> u64 {
    MODEL_FILES.iter().filter(|file| file.name.ends_with(".safetensors")).map(|file| file.bytes.len() as u64).sum()
}

const LABEL_SETS: &[(&str, &str)] = &[
    ("everyday", include_str!(asset!("labels/everyday.txt"))),
    ("scenes", include_str!(asset!("labels/scenes.txt"))),
    ("animals", include_str!(asset!("labels/animals.txt"))),
    ("objects", include_str!(asset!("labels/objects.txt"))),
    ("food", include_str!(asset!("labels/food.txt"))),
    ("documents", include_str!(asset!("labels/documents.txt"))),
];

const TEMPLATE_SETS: &[(&str, &str)] = &[
    // The three that the embedded model was measured with.
    ("three", include_str!(asset!("templates/three.txt"))),
    ("one", include_str!(asset!("templates/one.txt"))),
    // open_clip zero_shot_metadata.py, SIMPLE_IMAGENET_TEMPLATES and OPENAI_IMAGENET_TEMPLATES.
    ("simple7", include_str!(asset!("templates/simple7.txt"))),
    ("openai80", include_str!(asset!("templates/openai80.txt"))),
];

/// The non-empty lines of a text, trimmed.
pub fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// A text file with labels is a few kilobytes; a larger one is something else.
const MAX_LABEL_FILE_BYTES: u64 = 4 << 20;

/// Reads a text file with one label a line.
pub fn read_label_file(path: &Path) -> Result<Vec<String>, Problem> {
    let bytes = Files::Disk
        .read(path, MAX_LABEL_FILE_BYTES)
        .map_err(|error| Problem::file(ProblemCode::Unreadable, "cannot read the labels in", path, &error))?;
    Ok(lines(&String::from_utf8_lossy(&bytes)))
}

/// Ready-made label sets, the default first.
pub fn label_sets() -> Vec<LabelSet> {
    LABEL_SETS.iter().map(|(id, text)| LabelSet { id: (*id).into(), labels: lines(text) }).collect()
}

/// Ready-made prompt templates, the default first.
pub fn template_sets() -> Vec<TemplateSet> {
    TEMPLATE_SETS.iter().map(|(id, text)| TemplateSet { id: (*id).into(), templates: lines(text) }).collect()
}

/// Sample photos by file name.
pub const SAMPLES: &[(&str, &[u8])] = &[
    ("astronaut.png", include_bytes!(asset!("samples/astronaut.png"))),
    ("camera.png", include_bytes!(asset!("samples/camera.png"))),
    ("chelsea.png", include_bytes!(asset!("samples/chelsea.png"))),
    ("coffee.png", include_bytes!(asset!("samples/coffee.png"))),
    ("grass.png", include_bytes!(asset!("samples/grass.png"))),
    ("hubble_deep_field.jpg", include_bytes!(asset!("samples/hubble_deep_field.jpg"))),
    ("rocket.jpg", include_bytes!(asset!("samples/rocket.jpg"))),
];

/// The table under "Thresholds" of the embedded model's card: what each threshold was measured to give.
pub fn embedded_thresholds() -> Vec<ThresholdRow> {
    let section = MODEL_CARD.split("## Thresholds").nth(1).unwrap_or_default();
    let table = section.split("\n\n").find(|part| part.contains("| threshold |")).unwrap_or_default();
    table.lines().filter_map(threshold_row).collect()
}

fn threshold_row(line: &str) -> Option<ThresholdRow> {
    let cells: Vec<f32> = line.split('|').filter_map(|cell| cell.trim().parse().ok()).collect();
    let [threshold, precision, recall, tags_per_photo, without_tag] = *cells.as_slice() else { return None };
    Some(ThresholdRow { threshold, precision, recall, tags_per_photo, without_tag })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cards_threshold_table_is_read_whole() {
        let rows = embedded_thresholds();
        assert_eq!(rows.len(), 10);
        let at = rows.iter().find(|row| row.threshold == 0.3).unwrap();
        assert_eq!((at.precision, at.recall, at.tags_per_photo), (0.612, 0.551, 3.35));
    }

    #[test]
    fn every_template_has_a_place_for_the_label() {
        let counts: Vec<_> = template_sets().iter().map(|set| set.templates.len()).collect();
        assert_eq!(counts, [3, 1, 7, 80]);
        assert!(template_sets().iter().flat_map(|set| &set.templates).all(|template| template.contains("{}")));
    }

    #[test]
    fn label_sets_have_no_repetitions() {
        for set in label_sets() {
            let distinct: std::collections::BTreeSet<_> = set.labels.iter().collect();
            assert_eq!(distinct.len(), set.labels.len(), "{}", set.id);
        }
    }
}
