//! The bias lab: edits of the projections, what they change, and projections fitted to a person's own classes.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Overlap, PhotoId, PhotoValue, Problem, Side};

/// A change of the heads. Edits act in their order, each on what those before it left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    /// Tells it from the others of the stack.
    pub id: u32,
    /// Whether it acts.
    pub enabled: bool,
    /// How much of it acts: 1 is all. A direction takes any sign.
    pub strength: f64,
    /// What it does.
    pub what: EditKind,
}

/// What an edit does, at strength s. y is the vector in the joint space before it is made one long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EditKind {
    /// Takes the checkpoint's own bias out: y − s·b.
    DropBias {
        /// The head.
        side: Side,
    },
    /// Takes the effective bias out: y − s·b_eff.
    RemoveEffectiveBias {
        /// The head.
        side: Side,
    },
    /// Adds a bias along a direction d of length one: y + s·mean ‖y‖·d.
    AddBias {
        /// The head.
        side: Side,
        /// Where it points.
        along: BiasDirection,
    },
    /// Takes the mean of what is at hand out: y − s·mean y.
    Centre {
        /// The head.
        side: Side,
    },
    /// Makes the covariance of what is at hand round (ZCA), around its mean: y ↦ y + s·(C^(−1/2)(y − mean y) − y).
    Whiten {
        /// The head.
        side: Side,
    },
    /// Keeps some singular directions only: W ↦ W + s·(W_cut − W).
    RankCut {
        /// The head.
        side: Side,
        /// Which are kept.
        keep: RankKeep,
    },
    /// Moves both sides towards each other along the gap g = μ_image − μ_text of unit means, each by half:
    /// y_image − s/2·mean ‖y‖·g and y_text + s/2·mean ‖y‖·g.
    GapShift,
    /// Puts other heads in the place of the model's, by a name of [`LabState::replacements`]. Strength has no meaning.
    Replace {
        /// The name.
        name: String,
    },
}

/// Which singular directions a rank cut keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RankKeep {
    /// The k strongest of W.
    Top {
        /// k.
        k: u32,
    },
    /// The k weakest of W.
    Bottom {
        /// k.
        k: u32,
    },
    /// The middle of Ψ, as IsoCLIP (arXiv 2603.19862) does: W ↦ W U Uᵀ without the strongest and the weakest.
    Band {
        /// Strongest directions dropped.
        drop_top: u32,
        /// Weakest directions dropped.
        drop_bottom: u32,
    },
}

/// Where an added bias points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum BiasDirection {
    /// To the mean of some labels, away from that of others.
    Labels {
        /// Towards.
        plus: Vec<String>,
        /// Away from.
        minus: Vec<String>,
    },
    /// To the mean of some photos, away from that of others.
    Photos {
        /// Towards.
        plus: Vec<PhotoId>,
        /// Away from.
        minus: Vec<PhotoId>,
    },
    /// Along the modality gap, from texts to photos.
    Gap,
    /// A vector file that was chosen: numbers as text or JSON, or a safetensors file with one vector.
    File {
        /// Its path.
        path: String,
    },
}

/// Where heads that can take the place of the model's come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum HeadOrigin {
    /// They ship with the embedded model.
    Shipped,
    /// They were tuned here.
    Tuned,
    /// They are a file.
    File,
}

/// Heads that can take the place of the model's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Replacement {
    /// Name, or path of a file.
    pub name: String,
    /// Where it comes from.
    pub origin: HeadOrigin,
}

/// An edit that cannot act, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EditProblem {
    /// The edit.
    pub id: u32,
    /// Why.
    pub problem: Problem,
}

/// The stack of edits, and what can be done with it.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LabState {
    /// The name it was saved under.
    pub name: Option<String>,
    /// In the order in which they act.
    pub edits: Vec<Edit>,
    /// Those that cannot act; they are left out.
    pub problems: Vec<EditProblem>,
    /// Whether there is something to undo.
    pub can_undo: bool,
    /// Whether there is something to redo.
    pub can_redo: bool,
    /// Names of saved stacks.
    pub saved: Vec<String>,
    /// Heads that fit this model.
    pub replacements: Vec<Replacement>,
    /// Classes of the photos at hand: names of the folders they lie in, if there are at least two of them.
    pub classes: Vec<ClassInfo>,
}

/// A class of photos: those of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ClassInfo {
    /// The folder's name.
    pub name: String,
    /// Photos in it.
    pub photos: u32,
}

/// A photo's best label.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TopLabel {
    /// The label.
    pub label: String,
    /// Its probability.
    pub probability: f32,
}

/// A photo that changes its best label.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Flip {
    /// The photo.
    pub id: PhotoId,
    /// Without the edits.
    pub before: TopLabel,
    /// With them.
    pub after: TopLabel,
}

/// What can be said of vectors in the joint space in a few numbers.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct GeometryFigures {
    /// ‖μ_image − μ_text‖.
    pub gap: Option<f64>,
    /// Mean cosine of pairs of photos.
    pub cone_image: Option<f64>,
    /// Mean cosine of pairs of labels.
    pub cone_text: Option<f64>,
    /// Mean cosine of a photo and a label.
    pub image_text: Option<f64>,
    /// Singular values of the last map of the image head.
    pub image_spectrum: Vec<f64>,
    /// Singular values of the last map of the text head.
    pub text_spectrum: Vec<f64>,
}

/// How well labels fit classes that are known: the folders that photos lie in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Measures {
    /// Photos that count.
    pub photos: u32,
    /// Share whose best class is its own.
    pub accuracy: f64,
    /// Mean over the classes of F1.
    pub macro_f1: f64,
    /// Mean over the classes of average precision, the photos ranked by the class.
    pub mean_average_precision: f64,
}

/// What the edits in force do.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LabEffect {
    /// Photos that could be compared.
    pub photos: u32,
    /// Photos that change their best label.
    pub changed: u32,
    /// Those, the surest first, at most [`LabEffect::FLIPS`].
    pub flips: Vec<Flip>,
    /// Without the edits.
    pub before: GeometryFigures,
    /// With them.
    pub after: GeometryFigures,
    /// Nearest neighbours in common before and after.
    pub overlap: Option<Overlap>,
    /// Measures before and after, on the classes of [`LabState::classes`].
    pub measures: Option<[Measures; 2]>,
    /// Milliseconds that projecting and scoring everything took.
    pub elapsed_ms: f64,
}

impl LabEffect {
    /// Flips sent at most.
    pub const FLIPS: usize = 500;
}

/// The arithmetic of a flip (label a before, label b after): with u the vector without edits, y with them, and
/// Δt = t_b − t_a, b wins after the edits iff Δt·u + Δt·(y − u) > 0.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FlipArithmetic {
    /// Label a.
    pub before: String,
    /// Label b.
    pub after: String,
    /// Δt·u, not above 0.
    pub lead: f64,
    /// Δt·(y − u), which is Δt·b for a bias b.
    pub shift: f64,
    /// Their sum.
    pub total: f64,
    /// ‖u‖ and ‖y‖.
    pub lengths: [f64; 2],
    /// Whether the edits change texts too; the sum is of photos alone then, and does not tell.
    pub text_edited: bool,
}

/// A search with and without the edits.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SideBySide {
    /// Best first, without the edits; values are cosines.
    pub before: Vec<PhotoValue>,
    /// Best first, with them.
    pub after: Vec<PhotoValue>,
}

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum TuneParts {
    /// The matrix alone.
    Weights,
    /// A bias alone.
    Bias,
    /// Matrix and bias.
    Both,
    /// An MLP that begins as the same function, with a bias in each layer.
    Mlp,
}

/// How a fit is judged while it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum TuneLoss {
    /// Cross-entropy over the classes.
    Softmax,
    /// Binary cross-entropy of each class.
    Sigmoid,
}

/// How a projection is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TuneOptions {
    /// What is fitted.
    pub parts: TuneParts,
    /// The loss.
    pub loss: TuneLoss,
    /// λ of the pull λ·‖W − W₀‖²/‖W₀‖² to the original (ProLIP, arXiv 2410.05270).
    pub pull: f64,
    /// Step of Adam.
    pub learning_rate: f64,
    /// Passes over the photos at most.
    pub epochs: u32,
    /// Passes without a better held-out loss before it stops.
    pub patience: u32,
    /// Parts of the photos, each held out once.
    pub folds: u32,
    /// Decides the parts and the order.
    pub seed: u32,
}

/// One pass over the photos.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CurvePoint {
    /// From 0, which is before the first step.
    pub epoch: u32,
    /// Loss on the photos fitted to.
    pub train_loss: f64,
    /// Loss on the photos held out.
    pub held_out_loss: f64,
    /// Accuracy on the photos held out.
    pub held_out_accuracy: f64,
}

/// How far tuning or an ablation is.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TuneProgress {
    /// What is fitted now, such as `linear` or `mlpBias`, in an ablation.
    pub form: Option<HeadForm>,
    /// Fits that are through.
    pub done: u32,
    /// All fits.
    pub total: u32,
    /// The curve of the fit under way.
    pub curve: Vec<CurvePoint>,
}

/// One held-out part.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FoldResult {
    /// Photos held out.
    pub held_out: u32,
    /// Accuracy on them without tuning.
    pub accuracy_before: f64,
    /// With it.
    pub accuracy_after: f64,
    /// The pass that was kept.
    pub best_epoch: u32,
    /// All passes.
    pub curve: Vec<CurvePoint>,
}

/// A difference on held-out photos.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Mean difference in accuracy.
    pub mean: f64,
    /// 95 % interval, by a paired bootstrap over photos.
    pub low: f64,
    /// Its other end.
    pub high: f64,
    /// Two-sided p of the exact sign test on the photos that only one of them gets right (McNemar).
    pub p_value: f64,
}

/// What a difference says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// The interval is above zero.
    Helped,
    /// The interval is below zero.
    Hurt,
    /// The interval has zero in it.
    NoDifference,
    /// There are too few photos to say anything.
    TooFew,
}

/// One comparison with its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// The difference.
    pub difference: Difference,
    /// What it says.
    pub verdict: Verdict,
}

/// A fit and what it is worth on photos it has not seen.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TuneReport {
    /// How it was made.
    pub options: TuneOptions,
    /// The classes.
    pub classes: Vec<ClassInfo>,
    /// Each held-out part.
    pub folds: Vec<FoldResult>,
    /// Held-out measures without tuning and with it.
    pub measures: [Measures; 2],
    /// Tuned against not tuned.
    pub tuning: Judged,
    /// With a bias against without one, all else the same; for [`TuneParts::Both`] against weights alone, for
    /// [`TuneParts::Bias`] against nothing.
    pub bias: Option<Judged>,
    /// The name of the heads fitted to all photos, for [`EditKind::Replace`]; none if it was stopped before.
    pub replacement: Option<String>,
    /// Seconds it took.
    pub elapsed_secs: f64,
    /// Whether a person stopped it; the report is of what was done then.
    pub cancelled: bool,
}

/// A form of the image head that an ablation compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum HeadForm {
    /// One matrix.
    Linear,
    /// One matrix and a bias.
    LinearBias,
    /// Two matrices with a GELU between them, without a bias in the last, as open_clip has them.
    Mlp,
    /// The same with a bias in the last.
    MlpBias,
}

/// What an ablation does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AblationOptions {
    /// The loss.
    pub loss: TuneLoss,
    /// See [`TuneOptions::pull`].
    pub pull: f64,
    /// See [`TuneOptions::learning_rate`].
    pub learning_rate: f64,
    /// See [`TuneOptions::epochs`].
    pub epochs: u32,
    /// See [`TuneOptions::patience`].
    pub patience: u32,
    /// See [`TuneOptions::folds`].
    pub folds: u32,
    /// Repetitions, each with other parts and another order; the same ones for every form.
    pub seeds: u32,
}

/// A mean over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MeanSd {
    /// The mean.
    pub mean: f64,
    /// The standard deviation over seeds.
    pub sd: f64,
}

/// One form in an ablation.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AblationRow {
    /// The form; none for the model's own head without tuning.
    pub form: Option<HeadForm>,
    /// Values that are fitted.
    #[ts(type = "number")]
    pub parameters: u64,
    /// Held-out accuracy.
    pub accuracy: MeanSd,
    /// Held-out macro F1.
    pub macro_f1: MeanSd,
    /// Held-out mean average precision.
    pub mean_average_precision: MeanSd,
    /// Held-out loss.
    pub loss: MeanSd,
}

/// Two forms in an ablation: by how much the second is better.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AblationPair {
    /// The first; none for the model's own head without tuning.
    pub from: Option<HeadForm>,
    /// The second.
    pub to: HeadForm,
    /// The difference over all seeds.
    pub judged: Judged,
}

/// Linear against MLP, with a bias and without, on the same photos and seeds.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AblationReport {
    /// The model.
    pub model: String,
    /// How it was made.
    pub options: AblationOptions,
    /// The classes.
    pub classes: Vec<ClassInfo>,
    /// The forms.
    pub rows: Vec<AblationRow>,
    /// Differences.
    pub pairs: Vec<AblationPair>,
    /// Seconds it took.
    pub elapsed_secs: f64,
}

/// What exporting comes to for one side.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SidePlan {
    /// Nothing has changed.
    Unchanged,
    /// New weights under the old keys.
    Weights,
    /// The bias goes into the norm in front: β + W⁺b.
    Folded {
        /// Key of the norm.
        key: String,
        /// ‖b − W W⁺ b‖, what cannot be folded.
        residual: f64,
        /// The same as a share of ‖b‖.
        share: f64,
    },
    /// The bias is written, and this field of the configuration makes open_clip read it.
    Field {
        /// Such as `vision_cfg.timm_proj_bias`.
        field: String,
    },
    /// It cannot be written so that open_clip gives the same.
    Refused {
        /// Why.
        problem: Problem,
    },
}

/// What exporting the heads as a whole open_clip checkpoint comes to.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportPlan {
    /// From pictures.
    pub image: SidePlan,
    /// From texts.
    pub text: SidePlan,
    /// Bytes that a whole checkpoint takes.
    #[ts(type = "number")]
    pub checkpoint_bytes: u64,
    /// Bytes that the heads alone take.
    #[ts(type = "number")]
    pub heads_bytes: u64,
}

/// How heads are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum ExportForm {
    /// The heads alone, as a small file.
    Heads,
    /// A whole checkpoint in open_clip's layout.
    Checkpoint,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Exported {
    /// The file, or the folder.
    pub path: String,
    /// Its size.
    #[ts(type = "number")]
    pub bytes: u64,
    /// The largest difference in any number of a few embeddings, between what was written, read back, and the heads in
    /// force.
    pub difference: f64,
}
