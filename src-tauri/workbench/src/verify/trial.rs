//! A model is tried on photos that everybody can name.

use cliploupe_engine::{
    Model, Tensor, TensorData, chain,
    device::read,
    photo::{self, Limits},
    preprocess::{normalise, resize_and_crop},
    probe::Probe,
    projection::{Form, Projection},
};

use super::variants::Described;
use crate::assets;

/// What is on each of the sample photos, in their order.
const ENGLISH: [&str; 7] = [
    "a photo of an astronaut",
    "a photo of a man with a camera on a tripod",
    "a photo of a cat",
    "a photo of a cup of coffee",
    "a photo of grass",
    "a photo of galaxies in deep space",
    "a photo of a rocket launch",
];

/// The same for models that read Chinese alone.
const CHINESE: [&str; 7] = [
    "一张宇航员的照片",
    "一张用三脚架拍照的男人的照片",
    "一张猫的照片",
    "一张一杯咖啡的照片",
    "一张草地的照片",
    "一张深空星系的照片",
    "一张火箭发射的照片",
];

/// Sentences of several lengths.
pub const SENTENCES: [&str; 4] =
    ["a cat", "a photo of a dog", "grass", "two people who look at the sea in the evening"];

/// The last token that is not padding: padding repeats one id to the end.
pub fn end_token(row: &[u32]) -> u32 {
    let last = row[row.len() - 1];
    let end = row.iter().rposition(|id| *id != last);
    match end {
        // transformers pads CLIP's texts with the end token itself: then the first of them ends the text.
        Some(end) if row[end] < last => last,
        Some(end) => row[end],
        None => last,
    }
}

/// Vectors, row by row.
#[derive(Debug, Clone)]
pub struct Rows {
    values: Vec<f32>,
    width: usize,
}

impl Rows {
    fn of(tensor: Tensor<2>) -> Self {
        let width = tensor.dims()[1];
        Self { values: read(tensor), width }
    }

    fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    fn mean_length(&self) -> f64 {
        let length = |row: &[f32]| row.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
        self.iter().map(length).sum::<f64>() / self.iter().count() as f64
    }

    fn tensor(&self, model: &Model) -> Tensor<2> {
        let data = TensorData::new(self.values.clone(), [self.values.len() / self.width, self.width]);
        Tensor::from_data(data, model.clip.device())
    }
}

/// Pooled features and what the projections make of them.
pub struct Trial {
    pictures: Rows,
    texts: Option<Rows>,
    projected_pictures: Rows,
    projected_texts: Option<Rows>,
}

/// How well labels find their pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Mean cosine of pictures and their own labels, less that of pictures and the others' labels.
    pub margin: f64,
    /// Pictures whose own label is the nearest.
    pub right: usize,
    /// Pictures.
    pub count: usize,
}

impl Trial {
    /// Runs the sample photos, and their labels where there is a tokenizer.
    pub fn run(model: &Model, described: &Described) -> Result<Self, String> {
        let mut pixels = Vec::new();
        for (_, bytes) in assets::SAMPLES {
            let photo = photo::decode(bytes, &Limits::default()).map_err(|error| chain(&error))?;
            pixels.extend(normalise(&resize_and_crop(&photo.picture, &model.preprocess), &model.preprocess));
        }
        let pictures = Rows::of(model.clip.image_pooled(model.pixel_batch(pixels), &mut Probe::off()));
        let sentences = if described.is_chinese() { CHINESE } else { ENGLISH };
        let tokens = model.tokenize(&sentences).ok();
        let texts = tokens.map(|tokens| Rows::of(model.clip.text_pooled_short(&tokens)));
        let projected_pictures = Rows::of(model.clip.image_projection().forward(pictures.tensor(model)));
        let project = |texts: &Rows| Rows::of(model.clip.text_projection().forward(texts.tensor(model)));
        let projected_texts = texts.as_ref().map(project);
        Ok(Self { pictures, texts, projected_pictures, projected_texts })
    }

    /// Number of pictures.
    pub fn picture_count(&self) -> usize {
        self.pictures.iter().count()
    }

    /// Mean length of what the image projection gives.
    pub fn mean_length_of_pictures(&self) -> f64 {
        self.projected_pictures.mean_length()
    }

    /// Mean length of what the text projection gives.
    pub fn mean_length_of_texts(&self) -> Option<f64> {
        self.projected_texts.as_ref().map(Rows::mean_length)
    }

    /// How well labels find their pictures.
    pub fn score(&self) -> Option<Score> {
        Some(score(&self.projected_pictures, self.projected_texts.as_ref()?))
    }

    /// How alike different pictures are, −1…1.
    pub fn mean_cosine_of_pictures(&self) -> f64 {
        let rows: Vec<&[f32]> = self.projected_pictures.iter().collect();
        let pairs = (0..rows.len()).flat_map(|i| (i + 1..rows.len()).map(move |j| (i, j)));
        let cosines: Vec<f64> = pairs.map(|(i, j)| cosine(rows[i], rows[j])).collect();
        cosines.iter().sum::<f64>() / cosines.len() as f64
    }

    /// The score if a projection's matrix were the other way round; none unless it is one square matrix.
    pub fn with_transposed(&self, projection: &Projection, is_image: bool) -> Option<Score> {
        let (matrix, bias) = square_matrix(projection)?;
        let pooled = if is_image { &self.pictures } else { self.texts.as_ref()? };
        let turned = transposed_product(pooled, &matrix, &bias);
        let texts = self.projected_texts.as_ref()?;
        Some(if is_image { score(&turned, texts) } else { score(&self.projected_pictures, &turned) })
    }
}

fn score(pictures: &Rows, texts: &Rows) -> Score {
    let (mut own, mut others, mut right) = (0.0, 0.0, 0);
    let count = pictures.iter().count();
    for (i, picture) in pictures.iter().enumerate() {
        let cosines: Vec<f64> = texts.iter().map(|text| cosine(picture, text)).collect();
        own += cosines[i];
        others += cosines.iter().sum::<f64>() - cosines[i];
        right += usize::from(cosines.iter().all(|other| *other <= cosines[i]));
    }
    let margin = own / count as f64 - others / (count * (count - 1)) as f64;
    Score { margin, right, count }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-30)
}

/// `W` of `x @ W + b`, `[in, out]` row-major, and `b`, read off from what the projection makes of the unit vectors.
fn square_matrix(projection: &Projection) -> Option<(Vec<f32>, Vec<f32>)> {
    let config = projection.config();
    if !matches!(config.form, Form::Linear { .. }) || config.input_dim != config.output_dim {
        return None;
    }
    let width = config.input_dim;
    let bias = images_of(projection, vec![0.0; width]);
    let mut units = vec![0.0; width * width];
    (0..width).for_each(|i| units[i * width + i] = 1.0);
    let mut matrix = images_of(projection, units);
    matrix.chunks_exact_mut(width).for_each(|row| row.iter_mut().zip(&bias).for_each(|(w, b)| *w -= b));
    Some((matrix, bias))
}

/// What a projection makes of rows that are not on its device yet.
fn images_of(projection: &Projection, rows: Vec<f32>) -> Vec<f32> {
    let width = projection.config().input_dim;
    let data = TensorData::new(rows.clone(), [rows.len() / width, width]);
    // Models are checked on the CPU.
    read(projection.forward(Tensor::from_data(data, &cliploupe_engine::Device::flex())))
}

/// `x @ Wᵀ + b`.
fn transposed_product(x: &Rows, matrix: &[f32], bias: &[f32]) -> Rows {
    let width = bias.len();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let values = x
        .iter()
        .flat_map(|row| matrix.chunks_exact(width).zip(bias).map(move |(w, b)| dot(row, w) as f32 + b))
        .collect();
    Rows { values, width }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f32], width: usize) -> Rows {
        Rows { values: values.to_vec(), width }
    }

    #[test]
    fn the_margin_is_what_own_labels_have_above_others() {
        let pictures = rows(&[1.0, 0.0, 0.0, 2.0], 2);
        let right = score(&pictures, &pictures);
        assert_eq!((right.margin, right.right, right.count), (1.0, 2, 2));
        let wrong = score(&pictures, &rows(&[0.0, 1.0, 1.0, 0.0], 2));
        assert_eq!((wrong.margin, wrong.right), (-1.0, 0));
    }

    #[test]
    fn a_product_with_the_transpose() {
        let out = transposed_product(&rows(&[1.0, 2.0], 2), &[1.0, 2.0, 3.0, 4.0], &[10.0, 20.0]);
        assert_eq!(out.values, [15.0, 31.0]);
    }

    #[test]
    fn the_end_of_a_text_is_found_whatever_pads_it() {
        assert_eq!(end_token(&[49406, 320, 49407, 0, 0]), 49407);
        assert_eq!(end_token(&[49406, 320, 49407, 49407, 49407]), 49407);
        assert_eq!(end_token(&[0, 320, 2, 1, 1]), 2);
        assert_eq!(end_token(&[7, 7]), 7);
    }
}
