//! The projections of the loaded model, what they do to the photos at hand, and any matrix of its checkpoint.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::PhotoId;

/// One of the two towers with its projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// Pictures.
    Image,
    /// Texts.
    Text,
}

/// The form of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum HeadKind {
    /// One matrix.
    Linear,
    /// Two matrices with a GELU between them.
    Mlp,
    /// None: the tower's output is the embedding.
    None,
    /// The last matrix of an attention pool.
    AttentionPool,
}

/// Whether a checkpoint has a bias of its own in a linear map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum BiasState {
    /// There is no such tensor.
    Absent,
    /// There is one, and all of it is zero.
    Zero,
    /// There is one.
    Present,
}

/// Which of the two stored axes of a matrix is its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum StoredAs {
    /// `x @ W`, stored `[in, out]`.
    InOut,
    /// `W x`, stored `[out, in]`.
    OutIn,
}

/// The figures of a linear map; what each is, is said where it is computed, in the engine's `analysis::spectrum`.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MapFigures {
    /// σ, largest first.
    pub singular_values: Vec<f64>,
    /// Share of the energy Σσ² in the first k directions, for k from 1.
    pub energy: Vec<f64>,
    /// ‖W‖_F.
    pub frobenius_norm: f64,
    /// Number of singular values that are not zero.
    pub rank: u32,
    /// exp of the entropy of σ/Σσ.
    pub effective_rank: f64,
    /// ‖W‖_F²/σ₁².
    pub stable_rank: f64,
    /// (Σσ²)²/Σσ⁴.
    pub participation_ratio: f64,
    /// σ₁/σₙ; none if a singular value is zero.
    pub condition_number: Option<f64>,
    /// 0 for a map that keeps all angles.
    pub distance_from_orthogonal: f64,
    /// Share of the output space that the columns span.
    pub spanned_share: f64,
    /// Length of each row: how loud each output is.
    pub output_norms: Vec<f64>,
    /// Length of each column: how much each input counts.
    pub input_norms: Vec<f64>,
    /// Outputs whose row is shorter than a hundredth of the median.
    pub dead_outputs: Vec<u32>,
    /// Outputs whose row is longer than three times the median.
    pub loud_outputs: Vec<u32>,
    /// Inputs whose column is shorter than a hundredth of the median.
    pub dead_inputs: Vec<u32>,
    /// Inputs whose column is longer than three times the median.
    pub loud_inputs: Vec<u32>,
}

/// One linear map of a projection.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MapCard {
    /// Key of the weight in the file.
    pub key: String,
    /// Shape in the file.
    pub stored_shape: [u32; 2],
    /// Which of the two stored axes is the input.
    pub stored_as: StoredAs,
    /// Size of the input.
    pub input: u32,
    /// Size of the output.
    pub output: u32,
    /// Whether it has a bias of its own.
    pub bias: BiasState,
    /// ‖b‖ of that bias.
    pub bias_norm: Option<f64>,
    /// The figures of the weight.
    pub figures: MapFigures,
}

/// What shifts the pooled feature in front of a projection.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AffineCard {
    /// Key of the norm, or of the bias of an attention pool's values.
    pub key: String,
    /// Whether it is the bias of an attention pool's values, and no norm.
    pub of_values: bool,
    /// ‖γ‖ of a norm.
    pub scale_norm: Option<f64>,
    /// ‖β‖.
    pub shift_norm: f64,
}

/// How much of the mean vector of what is at hand is the effective bias.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OfMean {
    /// Photos, or sentences, that the mean is over.
    pub count: u32,
    /// ‖m‖ of the mean m of their vectors, not normalised.
    pub mean_norm: f64,
    /// The mean of their lengths.
    pub mean_length: f64,
    /// cos(b_eff, m).
    pub cosine: f64,
    /// b_eff·m/‖m‖²: the share of the mean that is the effective bias. It can be below 0 or above 1.
    pub explained: f64,
}

/// b_eff = W β + b.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveBias {
    /// ‖b_eff‖.
    pub norm: f64,
    /// ‖W β‖.
    pub from_shift: f64,
    /// ‖b‖.
    pub from_bias: f64,
    /// b_eff itself, in the joint space.
    pub vector: Vec<f64>,
    /// What it is of the mean vector, if there is anything at hand.
    pub of_mean: Option<OfMean>,
}

/// Why open_clip itself could, or could not, load a head like this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Upstream {
    /// It can: the head is as the configuration says.
    AsConfigured,
    /// It can, once the field is set.
    WithField,
    /// It cannot: this tower has no option for it.
    NoOption,
}

/// A projection, all about it that its weights tell.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionCard {
    /// Which.
    pub side: Side,
    /// open_clip's key of the head.
    pub key: String,
    /// Its form.
    pub kind: HeadKind,
    /// Size of the pooled feature.
    pub input_dim: u32,
    /// Size of the joint space.
    pub output_dim: u32,
    /// Its linear maps, first to last; none if there is no head.
    pub maps: Vec<MapCard>,
    /// What is known to shift the pooled feature.
    pub affine: Option<AffineCard>,
    /// The shift of the whole head, where it is one: none for an MLP, whose second map has a bias but no fixed shift.
    pub effective_bias: Option<EffectiveBias>,
    /// The configuration's field that would switch a bias on, such as `vision_cfg.timm_proj_bias`; none if there is none.
    pub bias_field: Option<String>,
    /// Whether open_clip could load the head with the edits in force.
    pub upstream: Upstream,
}

/// Both towers' directions where they meet: Ψ = W_imageᵀ W_text.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PsiCard {
    /// Singular values, largest first.
    pub singular_values: Vec<f64>,
    /// First and one past the last index of the flat middle.
    pub band: [u32; 2],
}

/// Both projections together.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct JointCard {
    /// Size of the joint space.
    pub dim: u32,
    /// Ψ, where both heads are linear or absent.
    pub psi: Option<PsiCard>,
    /// Principal angles between the two column spaces in degrees, smallest first, where both heads are linear.
    pub angles: Option<Vec<f64>>,
    /// Multiplies a cosine.
    pub logit_scale: f64,
    /// Added to it, in sigmoid models.
    pub logit_bias: Option<f64>,
}

/// The projections of the loaded model by their weights alone.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionReport {
    /// The model's name.
    pub model: String,
    /// Whether edits are in force; the figures are of the edited heads then.
    pub edited: bool,
    /// From pictures.
    pub image: ProjectionCard,
    /// From texts.
    pub text: ProjectionCard,
    /// Where they meet.
    pub joint: JointCard,
}

/// Counts of values in bins of one width.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Histogram {
    /// Where the first bin begins.
    pub from: f64,
    /// Where the last bin ends.
    pub to: f64,
    /// Values in each bin.
    pub counts: Vec<u32>,
}

/// A photo with a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PhotoValue {
    /// The photo.
    pub id: PhotoId,
    /// Its value.
    pub value: f64,
}

/// A label with a value.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LabelValue {
    /// The label.
    pub label: String,
    /// Its value.
    pub value: f64,
}

/// Vectors drawn in a plane: their two strongest principal axes.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Plane {
    /// One point for each photo of [`SideFigures::ids`], or for each label.
    pub points: Vec<[f32; 2]>,
    /// Share of the variance along each of the two axes.
    pub shares: [f64; 2],
}

/// What a projection throws away of each photo: the share of the feature's energy in directions that W maps to zero.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NullSpace {
    /// Directions that are thrown away, of the pooled feature's.
    pub dim: u32,
    /// Mean over the photos.
    pub mean: f64,
    /// All photos' values.
    pub histogram: Histogram,
    /// The photos with most of it, most first.
    pub most: Vec<PhotoValue>,
}

/// Photos, or labels, before and after their projection.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SideFigures {
    /// How many there are.
    pub count: u32,
    /// How many of them the figures are of; an even sample where there are very many.
    pub sample: u32,
    /// The photos of the sample, in the order of the points; empty for labels.
    pub ids: Vec<PhotoId>,
    /// The labels, in the order of the points; empty for photos.
    pub labels: Vec<String>,
    /// ‖μ‖ of the mean unit vector.
    pub mean_norm: f64,
    /// Lengths before they are made one.
    pub lengths: Histogram,
    /// Mean cosine of pairs, of pooled features and of embeddings: how narrow the cone is. None below two.
    pub cone: Option<[f64; 2]>,
    /// Linear CKA of pooled features and embeddings; none where it is not defined.
    pub cka: Option<f64>,
    /// Neighbours k that overlap and the share by chance; none if there are too few.
    pub overlap: Option<Overlap>,
    /// Eigenvalues of the covariance of the pooled features and of the embeddings, largest first.
    pub covariance: Option<[Vec<f64>; 2]>,
    /// Effective rank of these.
    pub covariance_rank: Option<[f64; 2]>,
    /// Pooled features and embeddings in the plane.
    pub planes: Option<[Plane; 2]>,
    /// What the projection throws away; none for an MLP. For labels, none.
    pub null_space: Option<NullSpace>,
}

/// How many of each one's nearest neighbours two tables have in common.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Overlap {
    /// Neighbours looked at.
    pub k: u32,
    /// Share of them in common.
    pub share: f64,
    /// What chance would give.
    pub chance: f64,
}

/// The modality gap: from the mean text to the mean photo.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct GapCard {
    /// ‖μ_image − μ_text‖, 0 to 2.
    pub norm: f64,
    /// Mean cosine of a photo and a text.
    pub image_text: f64,
    /// Cosine of the gap and the image side's effective bias, if it has one.
    pub along_image_bias: Option<f64>,
    /// Cosine of the gap and the text side's effective bias, if it has one.
    pub along_text_bias: Option<f64>,
}

/// The photos and labels at hand before and after their projections.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CollectionReport {
    /// Photos; none if there are none.
    pub image: Option<SideFigures>,
    /// Labels; none if there are none.
    pub text: Option<SideFigures>,
    /// The gap between them; none if one is missing.
    pub gap: Option<GapCard>,
}

/// A direction of the joint space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Direction {
    /// The left singular vector of the last map of a head with this index, from 0.
    Singular {
        /// The head.
        side: Side,
        /// Which.
        index: u32,
    },
    /// A head's effective bias.
    EffectiveBias {
        /// The head.
        side: Side,
    },
    /// One dimension of the joint space.
    Dimension {
        /// Which, from 0.
        index: u32,
    },
    /// From the mean text to the mean photo.
    Gap,
    /// A label.
    Label {
        /// Which.
        label: String,
    },
}

/// What lies along a direction. Values are cosines with it.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Meaning {
    /// Length of the direction before it was made one: σ of a singular direction, ‖b_eff‖, ‖gap‖, 1 otherwise.
    pub length: f64,
    /// Labels, the most along it first; the last are the most against it.
    pub labels: Vec<LabelValue>,
    /// Photos, the most along it first, at most [`Meaning::ENDS`] from each end.
    pub photos: Vec<PhotoValue>,
    /// Photos there are.
    pub photo_count: u32,
    /// Mean cosine of the photos with the direction.
    pub mean: f64,
}

impl Meaning {
    /// Photos from each end of a direction.
    pub const ENDS: usize = 200;
}

/// What an image-side bias adds to one label for every photo.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PriorRow {
    /// The label.
    pub label: String,
    /// t_c · b_eff.
    pub product: f64,
    /// The same as part of a logit, for a photo of mean length: scale · t_c · b_eff / mean ‖y‖.
    pub logit: f64,
}

/// A tensor of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TensorRow {
    /// Its key.
    pub name: String,
    /// Outermost axis first.
    pub shape: Vec<u32>,
    /// As the file has it, such as `F16`.
    pub dtype: String,
    /// Number of values.
    #[ts(type = "number")]
    pub count: u64,
}

/// A matrix that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MatrixSource {
    /// A tensor of the checkpoint as it is stored: the first axis down, all others across.
    Tensor {
        /// Its key.
        name: String,
    },
    /// The weight of a head's map with the edits in force, `[output, input]`.
    Weight {
        /// The head.
        side: Side,
        /// Which map, from 0.
        map: u32,
    },
    /// W Wᵀ of a map, `[output, output]`.
    OutputGram {
        /// The head.
        side: Side,
        /// Which map, from 0.
        map: u32,
    },
    /// The Gram matrix Wᵀ W of a map, `[input, input]`.
    InputGram {
        /// The head.
        side: Side,
        /// Which map, from 0.
        map: u32,
    },
    /// Ψ = W_imageᵀ W_text, `[image width, text width]`.
    Psi,
}

/// What a matrix consists of.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MatrixFacts {
    /// Key of the tensor, or the formula.
    pub name: String,
    /// Shape of the tensor, outermost axis first.
    pub shape: Vec<u32>,
    /// As the file has it, such as `F16`; `F64` for what was computed.
    pub dtype: String,
    /// Rows of the picture.
    pub rows: u32,
    /// Columns of the picture.
    pub columns: u32,
    /// Smallest value that is a number; none if there is none.
    pub min: Option<f64>,
    /// Largest value that is a number.
    pub max: Option<f64>,
    /// Mean of the values that are numbers.
    pub mean: Option<f64>,
    /// Standard deviation of these.
    pub std: Option<f64>,
    /// Share of values that are exactly zero.
    pub sparsity: f64,
    /// Values that are NaN.
    #[ts(type = "number")]
    pub nan: u64,
    /// Values that are infinite.
    #[ts(type = "number")]
    pub infinite: u64,
    /// The values that are numbers.
    pub histogram: Option<Histogram>,
    /// Length of each row, at most [`MatrixFacts::NORMS`] of them.
    pub row_norms: Vec<f64>,
    /// Length of each column, at most [`MatrixFacts::NORMS`] of them.
    pub column_norms: Vec<f64>,
}

impl MatrixFacts {
    /// Lengths sent of a very large matrix.
    pub const NORMS: usize = 16384;
}

/// A part of a matrix as pixels. The answer is little-endian f32, row by row: at `level` 0 the values themselves, at
/// level k one value for each block of 2^k × 2^k: the one of the largest magnitude, because means of weights are all
/// nearly zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Tile {
    /// The matrix.
    pub source: MatrixSource,
    /// How far it is zoomed out.
    pub level: u32,
    /// First row, in blocks of this level.
    pub row: u32,
    /// First column, in blocks of this level.
    pub column: u32,
    /// Rows wanted; fewer come at the edge.
    pub rows: u32,
    /// Columns wanted.
    pub columns: u32,
}

/// What a comparison is with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum CompareWith {
    /// Another head for the same towers, by the name of [`super::Replacement`].
    Head {
        /// Its name.
        name: String,
    },
    /// Another checkpoint: `embedded`, or the name of an installed model.
    Model {
        /// Its name.
        name: String,
    },
    /// The heads of this model without the edits in force.
    Unedited,
}

/// One side of two models.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SideComparison {
    /// ‖W − W′‖_F and its share of ‖W‖_F, where both are linear and of one shape.
    pub distance: Option<[f64; 2]>,
    /// ‖b_eff − b_eff′‖, where both heads are linear and of one size.
    pub bias_distance: Option<f64>,
    /// Principal angles between the column spaces in degrees, smallest first, where both are linear and of one joint
    /// size.
    pub angles: Option<Vec<f64>>,
    /// Linear CKA of the embeddings of what is at hand.
    pub cka: Option<f64>,
    /// Orthogonal Procrustes: what a best rotation and scaling leaves unexplained of the centred embeddings, 0 to 1.
    pub procrustes: Option<f64>,
    /// Nearest neighbours in common.
    pub overlap: Option<Overlap>,
}

/// Two models, or two heads of one, on the photos at hand.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The name of what computes now.
    pub left: String,
    /// The name of the other.
    pub right: String,
    /// Photos compared; those that could not be read are left out.
    pub photos: u32,
    /// Labels compared.
    pub labels: u32,
    /// Pictures.
    pub image: SideComparison,
    /// Texts.
    pub text: SideComparison,
    /// Share of photos with the same best label; none without photos and labels.
    pub agreement: Option<f64>,
    /// Photos whose best label differs, at most 200.
    pub disagreements: Vec<Disagreement>,
}

/// A photo that two models label differently.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Disagreement {
    /// The photo.
    pub id: PhotoId,
    /// Best label of what computes now, and its probability.
    pub left: LabelValue,
    /// Best label of the other, and its probability.
    pub right: LabelValue,
}
