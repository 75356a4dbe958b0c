//! Edits of projections on golden models: what their formulas say of the vectors, and checkpoints that are changed on
//! disk and encode anew.

use std::sync::Arc;

use cliploupe_engine::{
    Device, Model,
    analysis::{
        Matrix,
        band::flat_band,
        geometry::{effective_bias, psi_singular_values},
        matrix::norm,
    },
    device::read,
    lab::{
        Context, Edit, EditError, EditKind, Head, Heads, Map, Pooled, RankKeep, Side, Table, edit::apply, fold::fold,
        whiten::inverse_root,
    },
    probe::Probe,
};
use safetensors::Dtype;

use crate::support::{Copy, Goldens, asset, fixture, goldens, load};

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub fn plus(a: &[f64], factor: f64, b: &[f64]) -> Vec<f64> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a + factor * b).collect()
}

pub fn scaled(factor: f64, a: &[f64]) -> Vec<f64> {
    a.iter().map(|a| factor * a).collect()
}

pub fn times(weight: &Matrix, x: &[f64]) -> Vec<f64> {
    weight.rows().map(|row| dot(row, x)).collect()
}

pub fn difference(a: &[f64], b: &[f64]) -> f64 {
    norm(&plus(a, -1.0, b))
}

pub fn wide(row: &[f32]) -> Vec<f64> {
    row.iter().copied().map(f64::from).collect()
}

/// The heads after edits that must all act.
pub fn after(base: &Heads, edits: &[Edit], context: &Context) -> Heads {
    let (heads, problems) = apply(base, edits, context);
    assert_eq!(problems, []);
    heads
}

pub fn bias_of(head: &Head) -> &[f64] {
    head.linear().unwrap().bias.as_deref().unwrap()
}

/// A golden model and the pooled features that open_clip stored for it.
struct Stored {
    model: Model,
    golden: Goldens,
    heads: Heads,
    pooled: [Arc<Pooled>; 2],
}

impl Stored {
    fn of(name: &str) -> Self {
        let folder = fixture(&format!("clip/{name}"));
        let (model, golden) = (load(&folder, &Device::flex()).unwrap(), goldens(&folder.join("golden.safetensors")));
        let heads = heads(&model);
        // Without a head, the pooled feature is the embedding, and goldens have it once.
        let visual = if golden.contains_key("visual.pooled") { "visual.pooled" } else { "image_features" };
        let pooled = [visual, "text.pooled"].map(|key| Arc::new(Pooled::new(table(&golden, key))));
        Self { model, golden, heads, pooled }
    }

    fn context(&self) -> Context {
        let [image, text] = self.pooled.clone();
        let clip = &self.model.clip;
        let [image_shift, text_shift] = [clip.image_projection(), clip.text_projection()]
            .map(|projection| projection.affine_before().map(|affine| wide(&affine.beta)));
        Context::new(image, text, image_shift, text_shift)
    }
}

fn heads(model: &Model) -> Heads {
    let of = |projection| Head::of(projection).unwrap();
    Heads { image: of(model.clip.image_projection()), text: of(model.clip.text_projection()) }
}

fn table(golden: &Goldens, key: &str) -> Table {
    let stage = &golden[key];
    Table::new(stage.shape[1], stage.values.clone())
}

fn rows(table: &Table) -> Vec<Vec<f64>> {
    table.rows().map(wide).collect()
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let sum = rows.iter().fold(vec![0.0; rows[0].len()], |sum, row| plus(&sum, 1.0, row));
    scaled((rows.len() as f64).recip(), &sum)
}

fn mean_length(rows: &[Vec<f64>]) -> f64 {
    rows.iter().map(|row| norm(row)).sum::<f64>() / rows.len() as f64
}

fn unit_mean(rows: &[Vec<f64>]) -> Vec<f64> {
    mean(&rows.iter().map(|row| scaled(norm(row).recip(), row)).collect::<Vec<_>>())
}

/// What a stack of edits says of the vectors themselves, without a head: [image, text].
fn by_hand(vectors: &mut [Vec<Vec<f64>>; 2], direction: &[f64]) {
    let shift = |rows: &mut Vec<Vec<f64>>, factor: f64, c: &[f64]| {
        rows.iter_mut().for_each(|row| *row = plus(row, factor, c));
    };
    let [image, text] = vectors;
    // Added bias of 0.4.
    let length = mean_length(image);
    shift(image, 0.4 * length / norm(direction), direction);
    // The gap, by 0.8.
    let gap = plus(&unit_mean(image), -1.0, &unit_mean(text));
    let lengths = [mean_length(image), mean_length(text)];
    shift(image, -0.4 * lengths[0], &gap);
    shift(text, 0.4 * lengths[1], &gap);
    // Half of the mean.
    let centre = mean(text);
    shift(text, -0.5, &centre);
    // Whitened by 0.7.
    let (centre, table) = (mean(image), Matrix::new(image.len(), direction.len(), image.concat()).unwrap());
    let centred = table.centred();
    let degrees = (image.len() - 1) as f64;
    let covariance: Vec<f64> = scaled(degrees.recip(), centred.transposed_times(&centred).unwrap().values());
    let covariance = Matrix::new(direction.len(), direction.len(), covariance).unwrap();
    let root = inverse_root(&covariance, image.len()).unwrap().unwrap();
    for row in image {
        let white = times(&root, &plus(row, -1.0, &centre));
        *row = plus(&scaled(0.3, row), 0.7, &white);
    }
}

/// Linear heads with and without biases, none at all, and an MLP on either side.
const MODELS: [&str; 7] =
    ["clip-vit", "bias-text-linear", "bias-timm-linear", "convnext-mlp", "siglip", "roberta-mlp", "clip-rn"];

#[test]
fn a_stack_of_edits_does_to_stored_vectors_what_its_formulas_say() {
    for name in MODELS {
        let stored = Stored::of(name);
        let (context, base) = (stored.context(), &stored.heads);
        let direction: Vec<f64> = (0..base.image.output_dim()).map(|at| (at as f64).sin()).collect();
        let mut vectors = ["image_features", "text_features"].map(|key| rows(&table(&stored.golden, key)));
        by_hand(&mut vectors, &direction);
        let stack = [
            (0.4, EditKind::AddBias { side: Side::Image, direction }),
            (0.8, EditKind::GapShift),
            (0.5, EditKind::Centre { side: Side::Text }),
            (0.7, EditKind::Whiten { side: Side::Image }),
        ];
        let heads = after(base, &stack.map(|(strength, what)| Edit { strength, what }), &context);
        for (side, expected) in [Side::Image, Side::Text].into_iter().zip(vectors) {
            let found = rows(&heads.of(side).apply(context.pooled(side).table()));
            for (found, expected) in found.iter().zip(&expected) {
                let off = difference(found, expected) / norm(expected);
                assert!(off < 5e-4, "{name}, {side}: off by {off:e}");
            }
        }
    }
}

#[test]
fn removing_the_effective_bias_leaves_what_the_norm_gives_without_its_shift() {
    for name in ["clip-vit", "bias-text-linear", "bias-timm-linear", "clip-rn"] {
        let stored = Stored::of(name);
        let context = stored.context();
        for side in [Side::Image, Side::Text] {
            let Some(beta) = context.shift(side) else { continue };
            let edit = Edit { strength: 1.0, what: EditKind::RemoveEffectiveBias { side } };
            let heads = after(&stored.heads, &[edit], &context);
            let weight = heads.of(side).matrix().unwrap();
            let left = effective_bias(&weight, Some(beta), Some(bias_of(heads.of(side)))).unwrap();
            assert!(norm(&left) < 1e-12, "{name} {side}");
            let pooled = context.pooled(side).table();
            for (x, y) in rows(pooled).iter().zip(rows(&heads.of(side).apply(pooled))) {
                let expected = times(&weight, &plus(x, -1.0, beta));
                assert!(difference(&y, &expected) < 1e-5 * (1.0 + norm(&expected)), "{name} {side}");
            }
        }
    }
}

#[test]
fn an_mlp_says_what_it_cannot_do() {
    let stored = Stored::of("convnext-mlp");
    let context = stored.context();
    let band = RankKeep::Band { drop_top: 2, drop_bottom: 2 };
    let side = Side::Image;
    let kinds = [
        EditKind::RemoveEffectiveBias { side },
        EditKind::RankCut { side, keep: band },
        EditKind::RankCut { side: Side::Text, keep: band },
    ];
    let edits = kinds.map(|what| Edit { strength: 1.0, what });
    let (heads, problems) = apply(&stored.heads, &edits, &context);
    assert_eq!(heads, stored.heads);
    assert_eq!(problems, [0, 1, 2].map(|index| (index, EditError::NotLinear { side })));
}

/// The image embeddings of `model`, from the golden's own pixels.
fn encoded(model: &Model, golden: &Goldens) -> Table {
    let pixels = model.pixel_batch(golden["input.pixels"].values.clone());
    let pooled = model.clip.image_pooled(pixels, &mut Probe::off());
    let projection = model.clip.image_projection();
    Table::new(projection.config().output_dim, read(projection.forward(pooled)))
}

fn f32_bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect()
}

#[test]
fn projecting_stored_features_is_encoding_with_the_changed_checkpoint() {
    let stored = Stored::of("bias-timm-linear");
    let context = stored.context();
    let side = Side::Image;
    let cut = EditKind::RankCut { side, keep: RankKeep::Top { k: 12 } };
    let edits = [(1.0, EditKind::Centre { side }), (0.8, cut), (0.5, EditKind::GapShift)];
    let heads = after(&stored.heads, &edits.map(|(strength, what)| Edit { strength, what }), &context);
    let place = stored.model.clip.image_projection().maps().remove(0);
    let changed = Copy::of("bias-timm-linear").edit_tensors(|tensors| {
        let Map { weight, bias } = heads.image.linear().unwrap();
        let weight = (Dtype::F32, place.stored_shape().to_vec(), f32_bytes(weight.values()));
        let bias = bias.as_deref().unwrap();
        assert!(tensors.insert(place.key.clone(), weight).is_some());
        let key = place.key.replace(".weight", ".bias");
        assert!(tensors.insert(key, (Dtype::F32, vec![bias.len()], f32_bytes(bias))).is_some());
    });
    let expected = rows(&encoded(&changed.load().unwrap(), &stored.golden));
    let before = rows(&encoded(&stored.model, &stored.golden));
    let pooled = context.pooled(side).table();
    let halves: Vec<f32> = pooled.values().iter().map(|value| half::f16::from_f32(*value).to_f32()).collect();
    // As it was stored, and as a library stores it. What is lost is a share of the vectors before they are centred.
    for (pooled, tolerance) in [((**pooled).clone(), 5e-5), (Table::new(pooled.columns(), halves), 2e-3)] {
        for ((found, expected), before) in rows(&heads.image.apply(&pooled)).iter().zip(&expected).zip(&before) {
            let off = difference(found, expected) / norm(before);
            assert!(off < tolerance, "off by {off:e}");
            assert!(difference(before, expected) > 0.1 * norm(before), "the edits do something");
        }
    }
}

#[test]
fn a_bias_folded_into_the_norm_in_front_encodes_the_same() {
    let stored = Stored::of("clip-vit");
    let context = stored.context();
    let edits = [Edit { strength: 0.9, what: EditKind::Centre { side: Side::Image } }];
    let heads = after(&stored.heads, &edits, &context);
    let Map { weight, bias } = heads.image.linear().unwrap();
    let folded = fold(weight, context.shift(Side::Image).unwrap(), bias.as_deref().unwrap()).unwrap();
    assert!(folded.share < 1e-12, "{}", folded.share);
    let changed = Copy::of("clip-vit").edit_tensors(|tensors| {
        let shift = (Dtype::F32, vec![folded.shift.len()], f32_bytes(&folded.shift));
        assert!(tensors.insert("visual.ln_post.bias".into(), shift).is_some());
    });
    let expected = rows(&heads.image.apply(context.pooled(Side::Image).table()));
    for (found, expected) in rows(&encoded(&changed.load().unwrap(), &stored.golden)).iter().zip(&expected) {
        let off = difference(found, expected) / (norm(expected) + norm(bias.as_deref().unwrap()));
        assert!(off < 5e-5, "off by {off:e}");
    }
}

#[test]
fn the_band_of_the_embedded_model_is_a_middle() {
    let heads = heads(&load(&asset("model"), &Device::flex()).unwrap());
    let [image, text] = [&heads.image, &heads.text].map(|head| head.matrix().unwrap());
    let values = psi_singular_values(&image, &text).unwrap();
    let band = flat_band(&values);
    let count = values.len();
    assert!(band.start > 0 && band.start < count / 2 && band.end > count / 2, "{band:?} of {count}: {values:?}");
}
