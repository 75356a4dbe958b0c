//! Small files: heads without their towers, as those that lie beside the embedded model, and single vectors.
//!
//! A file of heads is safetensors with the keys that the same tensors have in a whole checkpoint, so which key it is
//! says how a matrix is stored. Two keys are Cliploupe's own, for biases that open_clip has no option for:
//! `visual.proj_bias` beside `visual.proj`, and `text_projection_bias` beside `text_projection`. A `.json` of the same
//! name may say what `model_cfg` is with these heads.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

use super::{Head, Map};
use crate::{
    analysis::{AnalysisError, Matrix},
    checkpoint::read_json,
    clip::{
        ScoreKind,
        config::{ClipConfig, TextTowerConfig, VisionTowerConfig},
    },
    error::LoadError,
    files::{Files, write_whole},
    inspect::{TensorError, TensorFile},
    projection::{Form, Orientation, ProjectionConfig},
};

/// Numbers written out are a few bytes each; a longer file is no vector.
const MAX_VECTOR_BYTES: u64 = 16 << 20;

/// Why a small file was refused, or not written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read as a safetensors file, or as the JSON beside it.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// One of its tensors cannot be read.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A head is impossible, such as one with NaN in it.
    #[error("cannot use the head {key:?} of {path:?}")]
    Head {
        /// Its key.
        key: String,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: AnalysisError,
    },
    /// A tensor has another shape than the model's sizes ask for.
    #[error("tensor {name:?} has shape {found:?}, this model needs {expected}, in {path:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// In words, outermost axis first.
        expected: String,
        /// Outermost axis first.
        found: Vec<usize>,
        /// The file.
        path: PathBuf,
    },
    /// A tensor is part of no head.
    #[error("tensor {name:?} is part of no projection, in {path:?}")]
    UnknownTensor {
        /// The tensor.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// There are two heads for one tower.
    #[error("both {first:?} and {second:?} are heads for one tower, in {path:?}")]
    TwoHeads {
        /// Key of one.
        first: &'static str,
        /// Key of the other.
        second: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// There is no head in it.
    #[error("there is no projection in {path:?}")]
    NoHead {
        /// The file.
        path: PathBuf,
    },
    /// The JSON beside it says otherwise.
    #[error("{path:?} says {key} = {said}, which is not what lies in the file beside it")]
    Contradiction {
        /// The key.
        key: &'static str,
        /// Its value.
        said: String,
        /// The JSON.
        path: PathBuf,
    },
    /// There is no vector in it.
    #[error("there is no vector in {path:?}: {reason}")]
    NoVector {
        /// Why.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// The vector is not of the joint space.
    #[error("the vector in {path:?} has {found} numbers, this model needs {expected}")]
    Length {
        /// Numbers wanted.
        expected: usize,
        /// Numbers found.
        found: usize,
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot use {path:?}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to write: neither tower has a head.
    #[error("neither tower has a projection, so there is nothing to write to {path:?}")]
    Nothing {
        /// The file that was asked for.
        path: PathBuf,
    },
}

/// How cosines become scores with heads that were trained with a scale of their own; what is none stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Scores {
    /// What a cosine is multiplied with, already exponentiated.
    pub logit_scale: Option<f32>,
    /// What is added to a logit, in models trained with a sigmoid.
    pub logit_bias: Option<f32>,
}

impl Scores {
    /// Keys and values as checkpoints have them: the scale as a logarithm, so that training cannot make it negative.
    pub(super) fn stored(self) -> impl Iterator<Item = (&'static str, f64)> {
        let scale = self.logit_scale.map(|scale| ("logit_scale", f64::from(scale).ln()));
        let bias = self.logit_bias.map(|bias| ("logit_bias", f64::from(bias)));
        scale.into_iter().chain(bias)
    }
}

/// Heads for the towers of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadFile {
    /// For pictures, if there is one.
    pub image: Option<Head>,
    /// For texts, if there is one.
    pub text: Option<Head>,
    /// What the file says of scores.
    pub scores: Scores,
}

/// Where one linear map of a head lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    weight: &'static str,
    orientation: Orientation,
    bias: &'static str,
}

/// A key of a head and its maps.
type Known = (&'static str, &'static [Place]);

const fn bare(weight: &'static str, bias: &'static str) -> Place {
    Place { weight, orientation: Orientation::InOut, bias }
}

const fn linear(weight: &'static str, bias: &'static str) -> Place {
    Place { weight, orientation: Orientation::OutIn, bias }
}

/// Heads of image towers: open_clip's own, timm's, OpenAI's ResNet, transformers'.
const IMAGE_HEADS: &[Known] = &[
    ("visual.proj", &[bare("visual.proj", "visual.proj_bias")]),
    ("visual.head.proj", &[linear("visual.head.proj.weight", "visual.head.proj.bias")]),
    (
        "visual.head.mlp",
        &[
            linear("visual.head.mlp.fc1.weight", "visual.head.mlp.fc1.bias"),
            linear("visual.head.mlp.fc2.weight", "visual.head.mlp.fc2.bias"),
        ],
    ),
    ("visual.trunk.head", &[linear("visual.trunk.head.weight", "visual.trunk.head.bias")]),
    ("visual.trunk.head.fc", &[linear("visual.trunk.head.fc.weight", "visual.trunk.head.fc.bias")]),
    ("visual.trunk.classifier", &[linear("visual.trunk.classifier.weight", "visual.trunk.classifier.bias")]),
    ("visual.attnpool.c_proj", &[linear("visual.attnpool.c_proj.weight", "visual.attnpool.c_proj.bias")]),
    ("visual_projection", &[linear("visual_projection.weight", "visual_projection.bias")]),
];

/// Heads of text towers. With a bias, open_clip's own is an `nn.Linear` and stored the other way round.
const TEXT_HEADS: &[Known] = &[
    ("text_projection", &[bare("text_projection", "text_projection_bias")]),
    ("text.text_projection", &[bare("text.text_projection", "text.text_projection_bias")]),
    ("text_projection.weight", &[linear("text_projection.weight", "text_projection.bias")]),
    ("text.text_projection.weight", &[linear("text.text_projection.weight", "text.text_projection.bias")]),
    ("text.proj", &[linear("text.proj.weight", "text.proj.bias")]),
    (
        "text.proj.mlp",
        &[linear("text.proj.0.weight", "text.proj.0.bias"), linear("text.proj.2.weight", "text.proj.2.bias")],
    ),
    ("text_model.head", &[linear("text_model.head.weight", "text_model.head.bias")]),
];

/// Reads heads for the towers of `config`. Shapes are checked against its sizes, a JSON beside the file against what is
/// in it, and a tensor that is no part of a head is an error.
pub fn read_heads(files: Files, path: &Path, config: &ClipConfig) -> Result<HeadFile, FileError> {
    let mut reader = Reader { tensors: TensorFile::open(files, path)?, taken: Vec::new(), path };
    let image = reader.head(IMAGE_HEADS, &config.image_projection)?;
    let text = reader.head(TEXT_HEADS, &config.text_projection)?;
    let logit_scale = reader.number("logit_scale")?.map(f32::exp);
    // A model trained with a softmax has no place for it.
    let logit_bias = if config.score_kind == ScoreKind::Sigmoid { reader.number("logit_bias")? } else { None };
    reader.finish()?;
    if image.is_none() && text.is_none() {
        return Err(FileError::NoHead { path: path.to_owned() });
    }
    let heads = HeadFile { image, text, scores: Scores { logit_scale, logit_bias } };
    let beside = path.with_extension("json");
    if files.has(&beside) {
        check_beside(&read_json(files, &beside)?, &heads, config, &beside)?;
    }
    Ok(heads)
}

struct Reader<'a> {
    tensors: TensorFile,
    taken: Vec<String>,
    path: &'a Path,
}

impl Reader<'_> {
    fn head(&mut self, known: &[Known], config: &ProjectionConfig) -> Result<Option<Head>, FileError> {
        let tensors = &self.tensors;
        let mut found = known.iter().filter(|(_, maps)| tensors.find(maps[0].weight).is_some());
        let Some(&(key, places)) = found.next() else { return Ok(None) };
        if let Some(&(second, _)) = found.next() {
            return Err(FileError::TwoHeads { first: key, second, path: self.path.to_owned() });
        }
        let mut maps = Vec::new();
        let mut input = config.input_dim;
        for (at, place) in places.iter().enumerate() {
            let output = (at + 1 == places.len()).then_some(config.output_dim);
            let map = self.map(key, place, input, output)?;
            input = map.weight.shape()[0];
            maps.push(map);
        }
        Head::new(config.input_dim, maps).map(Some).map_err(|source| self.head_error(key, source))
    }

    /// One map; the output of the first of two may be of any size.
    fn map(&mut self, key: &str, place: &Place, input: usize, output: Option<usize>) -> Result<Map, FileError> {
        let info = self.tensors.find(place.weight);
        let shape = info.map_or_else(Vec::new, |info| info.shape);
        let fits = |found: usize| output.is_none_or(|output| found == output) && found > 0;
        let output = match (place.orientation, shape.as_slice()) {
            (Orientation::InOut, [rows, columns]) if *rows == input && fits(*columns) => *columns,
            (Orientation::OutIn, [rows, columns]) if *columns == input && fits(*rows) => *rows,
            _ => {
                let output = output.map_or("any".to_owned(), |output| output.to_string());
                let expected = match place.orientation {
                    Orientation::InOut => format!("[{input}, {output}]"),
                    Orientation::OutIn => format!("[{output}, {input}]"),
                };
                let (name, path) = (place.weight.to_owned(), self.path.to_owned());
                return Err(FileError::Shape { name, expected, found: shape, path });
            }
        };
        let values = self.take(place.weight)?;
        let weight = match place.orientation {
            Orientation::OutIn => Matrix::from_f32(output, input, &values),
            Orientation::InOut => Matrix::from_f32(input, output, &values).map(|weight| weight.transposed()),
        };
        let weight = weight.map_err(|source| self.head_error(key, source))?;
        Ok(Map { weight, bias: self.bias(key, place.bias, output)? })
    }

    fn bias(&mut self, key: &str, name: &str, length: usize) -> Result<Option<Vec<f64>>, FileError> {
        let Some(info) = self.tensors.find(name) else { return Ok(None) };
        if info.shape != [length] {
            let (expected, path) = (format!("[{length}]"), self.path.to_owned());
            return Err(FileError::Shape { name: name.to_owned(), expected, found: info.shape, path });
        }
        let values = Matrix::from_f32(1, length, &self.take(name)?).map_err(|source| self.head_error(key, source))?;
        Ok(Some(values.values().to_vec()))
    }

    /// A number stored as `[]` or `[1]`.
    fn number(&mut self, name: &str) -> Result<Option<f32>, FileError> {
        let Some(info) = self.tensors.find(name) else { return Ok(None) };
        if info.count != 1 {
            let (expected, path) = ("one number".to_owned(), self.path.to_owned());
            return Err(FileError::Shape { name: name.to_owned(), expected, found: info.shape, path });
        }
        let value = self.take(name)?[0];
        if !value.is_finite() {
            let (name, path) = (name.to_owned(), self.path.to_owned());
            return Err(LoadError::NotFinite { name, count: 1, path }.into());
        }
        Ok(Some(value))
    }

    fn take(&mut self, name: &str) -> Result<Vec<f32>, FileError> {
        self.taken.push(name.to_owned());
        Ok(self.tensors.read(name)?.values)
    }

    fn finish(&self) -> Result<(), FileError> {
        let left = self.tensors.list().into_iter().find(|info| !self.taken.contains(&info.name));
        left.map_or(Ok(()), |info| Err(FileError::UnknownTensor { name: info.name, path: self.path.to_owned() }))
    }

    fn head_error(&self, key: &str, source: AnalysisError) -> FileError {
        FileError::Head { key: key.to_owned(), path: self.path.to_owned(), source }
    }
}

/// The JSON beside a file of heads has the keys of `model_cfg` that depend on them. What it says must be so.
fn check_beside(json: &Value, heads: &HeadFile, config: &ClipConfig, path: &Path) -> Result<(), FileError> {
    let forms = ["none", "linear", "mlp"];
    let form = |head: &Option<Head>| head.as_ref().map(|head| Value::from(forms[head.maps().len()]));
    let bias = heads.image.as_ref().and_then(|head| head.maps().last()).map(|map| Value::from(map.bias.is_some()));
    for (key, pointer, expected) in [
        ("embed_dim", "/model_cfg/embed_dim", Some(Value::from(config.embed_dim))),
        ("vision_cfg.timm_proj", "/model_cfg/vision_cfg/timm_proj", form(&heads.image)),
        ("vision_cfg.timm_proj_bias", "/model_cfg/vision_cfg/timm_proj_bias", bias),
        ("text_cfg.hf_proj_type", "/model_cfg/text_cfg/hf_proj_type", form(&heads.text)),
    ] {
        if let (Some(said), Some(expected)) = (json.pointer(pointer), expected)
            && !said.is_null()
            && *said != expected
        {
            return Err(FileError::Contradiction { key, said: said.to_string(), path: path.to_owned() });
        }
    }
    Ok(())
}

/// Writes heads for the towers of `config` as safetensors with f32 numbers, and a `.json` beside it. A tower without a
/// head is left out, and so are scores that are as in the checkpoint. Gives the size of the safetensors file in bytes; a file that is there is only `replaced` if that is said.
pub fn write_heads(
    path: &Path,
    image: &Head,
    text: &Head,
    scores: Scores,
    config: &ClipConfig,
    replaced: bool,
) -> Result<u64, FileError> {
    let (image, text) = (image.for_form(&config.image_projection.form), text.for_form(&config.text_projection.form));
    let mut tensors = BTreeMap::new();
    put(&mut tensors, &image, image_places(&image, &config.image_projection));
    put(&mut tensors, &text, text_places(&text, &config.text_projection));
    let numbers = scores.stored().map(|(key, value)| (key, (Vec::new(), bytes_of(&[value]))));
    if tensors.is_empty() {
        return Err(FileError::Nothing { path: path.to_owned() });
    }
    tensors.extend(numbers);
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        (*name, view.expect("a tensor's bytes were made from its shape"))
    });
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    let bytes = safetensors::serialize(views, Some(metadata)).expect("names are fixed and sizes fit memory");
    let beside = path.with_extension("json");
    if !replaced && let Some(path) = [path, &beside].into_iter().find(|path| path.exists()) {
        return Err(FileError::Io { path: path.to_owned(), source: io::ErrorKind::AlreadyExists.into() });
    }
    let json = serde_json::to_vec_pretty(&beside_of(&image, &text, config)).expect("the keys are strings");
    for (path, bytes) in [(path, &bytes), (&beside, &json)] {
        write_whole(path, bytes, replaced).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
    }
    Ok(bytes.len() as u64)
}

fn places(known: &'static [Known], key: &str) -> &'static [Place] {
    let found = known.iter().find(|(name, _)| *name == key);
    found.map(|(_, places)| *places).expect("every key that a tower can have is in the table")
}

/// Where a head belongs in a file for a tower whose own head is `config`. A tower without a linear head has that of
/// open_clip's towers from timm.
fn image_places(head: &Head, config: &ProjectionConfig) -> &'static [Place] {
    let key = match (head.maps().len(), &config.form) {
        (2, _) => "visual.head.mlp",
        (_, Form::Linear { .. }) => &config.key,
        (_, Form::Mlp { .. } | Form::Identity) => "visual.head.proj",
    };
    places(IMAGE_HEADS, key)
}

/// As [`image_places`], for texts.
fn text_places(head: &Head, config: &ProjectionConfig) -> &'static [Place] {
    let bias = head.linear().is_some_and(|map| map.bias.is_some());
    let key = match (head.maps().len(), config.key.as_str()) {
        (2, _) => "text.proj.mlp",
        (_, "text_projection") if bias => "text_projection.weight",
        (_, "text.text_projection") if bias => "text.text_projection.weight",
        (_, key) => key,
    };
    places(TEXT_HEADS, key)
}

type Stored = BTreeMap<&'static str, (Vec<usize>, Vec<u8>)>;

fn put(tensors: &mut Stored, head: &Head, places: &[Place]) {
    for (map, place) in head.maps().iter().zip(places) {
        let stored = match place.orientation {
            Orientation::OutIn => map.weight.clone(),
            Orientation::InOut => map.weight.transposed(),
        };
        tensors.insert(place.weight, (stored.shape().to_vec(), bytes_of(stored.values())));
        if let Some(bias) = &map.bias {
            tensors.insert(place.bias, (vec![bias.len()], bytes_of(bias)));
        }
    }
}

/// The keys of `model_cfg` that depend on the heads, for [`check_beside`] and for a person.
fn beside_of(image: &Head, text: &Head, config: &ClipConfig) -> Value {
    let form = |head: &Head| ["none", "linear", "mlp"][head.maps().len()];
    let bias = |head: &Head| head.maps().last().is_some_and(|map| map.bias.is_some());
    let is_classifier = image.linear().is_some() && config.image_projection.key.starts_with("visual.trunk.");
    let vision_cfg = match &config.vision {
        VisionTowerConfig::Vit(_) | VisionTowerConfig::ResNet(_) => json!({}),
        // open_clip's word for the trunk's own classifier is no word.
        _ if is_classifier => json!({ "timm_proj": null }),
        _ => json!({ "timm_proj": form(image), "timm_proj_bias": bias(image) }),
    };
    let text_cfg = match &config.text {
        TextTowerConfig::Native(_) => json!({ "proj_bias": bias(text) }),
        // open_clip's word for none is no word.
        _ if text.maps().is_empty() => json!({ "hf_proj_type": null }),
        _ => json!({ "hf_proj_type": form(text) }),
    };
    json!({ "model_cfg": { "embed_dim": config.embed_dim, "vision_cfg": vision_cfg, "text_cfg": text_cfg } })
}

/// Little-endian f32.
pub(super) fn bytes_of(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect()
}

/// Reads one vector of `length` numbers: from a JSON array, from text with numbers between commas, semicolons or blanks,
/// or from a safetensors file with exactly one tensor of one axis.
pub fn read_vector(path: &Path, length: usize) -> Result<Vec<f64>, FileError> {
    let start = start_of(path).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
    // A safetensors file starts with the length of its header in eight bytes, then a brace.
    let values = if start.get(8) == Some(&b'{') { stored_vector(path)? } else { written_vector(path)? };
    if values.len() != length {
        return Err(FileError::Length { expected: length, found: values.len(), path: path.to_owned() });
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(no_vector(path, format!("one of its numbers is {value}"))),
        None => Ok(values),
    }
}

fn no_vector(path: &Path, reason: String) -> FileError {
    FileError::NoVector { reason, path: path.to_owned() }
}

fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(9).read_to_end(&mut start)?;
    Ok(start)
}

fn stored_vector(path: &Path) -> Result<Vec<f64>, FileError> {
    let mut tensors = TensorFile::open(Files::Disk, path)?;
    let vectors: Vec<_> = tensors.list().into_iter().filter(|info| info.shape.len() == 1).collect();
    let [vector] = vectors.as_slice() else {
        return Err(no_vector(path, format!("it has {} tensors of one axis, not one", vectors.len())));
    };
    Ok(tensors.read(&vector.name)?.values.into_iter().map(f64::from).collect())
}

fn written_vector(path: &Path) -> Result<Vec<f64>, FileError> {
    let bytes =
        Files::Disk.read(path, MAX_VECTOR_BYTES).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|_| no_vector(path, "it is no text".into()))?;
    // Spreadsheets put a mark before the first number.
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(|error| no_vector(path, error.to_string()));
    }
    let numbers = text.split(|c: char| c.is_whitespace() || c == ',' || c == ';').filter(|word| !word.is_empty());
    numbers.map(|word| word.parse().map_err(|_| no_vector(path, format!("{:?} is no number", cut(word))))).collect()
}

/// The first letters of a word, which in a file can be of any length.
fn cut(word: &str) -> String {
    word.chars().take(24).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector_of(name: &str, content: &[u8], length: usize) -> Result<Vec<f64>, FileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        read_vector(&path, length)
    }

    #[test]
    fn numbers_are_read_from_json_text_and_tensors() {
        let expected = vec![1.0, -2.5, 3e-3];
        for content in ["[1, -2.5, 3e-3]", "1,-2.5,3e-3", " 1\n-2.5\n0.003\n", "\u{feff}1;-2.5; 3E-3"] {
            assert_eq!(vector_of("b.txt", content.as_bytes(), 3).unwrap(), expected, "{content}");
        }
        let bytes = bytes_of(&[1.0, 2.0]);
        let tensor = |shape: Vec<usize>| TensorView::new(Dtype::F32, shape, &bytes).unwrap();
        let of = |tensors: Vec<(&str, TensorView<'_>)>| safetensors::serialize(tensors, None).unwrap();
        let one = of(vec![("b", tensor(vec![2])), ("w", tensor(vec![1, 2]))]);
        assert_eq!(vector_of("b.safetensors", &one, 2).unwrap(), [1.0, 2.0]);
        let two = of(vec![("a", tensor(vec![2])), ("b", tensor(vec![2]))]);
        assert!(matches!(vector_of("b.safetensors", &two, 2), Err(FileError::NoVector { .. })));
    }

    #[test]
    fn what_is_no_vector_of_this_length_is_refused() {
        assert!(matches!(vector_of("b.json", b"[1, 2]", 3), Err(FileError::Length { expected: 3, found: 2, .. })));
        for content in ["[1, \"a\"]", "1, two", "NaN 1", "inf 1", "[[1]]"] {
            assert!(matches!(vector_of("b", content.as_bytes(), 2), Err(FileError::NoVector { .. })), "{content}");
        }
        assert!(matches!(vector_of("b", &[0xff, 0xfe, 0, 1], 2), Err(FileError::NoVector { .. })));
        assert!(matches!(read_vector(Path::new("/nowhere/b"), 2), Err(FileError::Io { .. })));
    }

    #[test]
    fn every_head_that_a_tower_can_have_has_a_place() {
        for (key, maps) in IMAGE_HEADS.iter().chain(TEXT_HEADS) {
            assert!((1..=2).contains(&maps.len()), "{key}");
            for map in *maps {
                let bare = map.orientation == Orientation::InOut;
                assert_eq!(map.weight.ends_with(".weight"), !bare, "{key}");
                assert!(map.bias.ends_with(if bare { "_bias" } else { ".bias" }), "{key}");
            }
        }
    }
}
