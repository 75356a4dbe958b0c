//! Edits of the projections: a stack of them, each acting on what those before it left.
//!
//! Whatever an edit does to vectors in the joint space, it does to the head: a shift is a bias, a linear map of the
//! vectors multiplies the matrix. So the changed heads are all there is to keep, to project with, and to export. An edit
//! that cannot act is left out and named.

use super::{Context, Head, Map, head::column, rank_cut::rank_cut, whiten::whiten};
use crate::analysis::{AnalysisError, Matrix, geometry::effective_bias};

pub use super::rank_cut::RankKeep;

/// One of the two towers with its projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Pictures.
    Image,
    /// Texts.
    Text,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Image => Self::Text,
            Self::Text => Self::Image,
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Image => "image",
            Self::Text => "text",
        })
    }
}

/// Both projections.
#[derive(Debug, Clone, PartialEq)]
pub struct Heads {
    /// From pictures.
    pub image: Head,
    /// From texts.
    pub text: Head,
}

impl Heads {
    /// The head of one side.
    pub fn of(&self, side: Side) -> &Head {
        match side {
            Side::Image => &self.image,
            Side::Text => &self.text,
        }
    }

    /// These heads with another one on one side.
    pub fn with(&self, side: Side, head: Head) -> Self {
        match side {
            Side::Image => Self { image: head, text: self.text.clone() },
            Side::Text => Self { image: self.image.clone(), text: head },
        }
    }
}

/// A change of the heads.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// How much of it acts, s: 1 is all. A direction takes any sign.
    pub strength: f64,
    /// What it does.
    pub what: EditKind,
}

/// What an edit does, at strength s. y is the vector in the joint space before it is made one long.
#[derive(Debug, Clone, PartialEq)]
pub enum EditKind {
    /// Takes the bias of the last map out: y − s·b. All of it taken out leaves a map without one.
    DropBias {
        /// The head.
        side: Side,
    },
    /// Takes the effective bias out: y − s·(W β + b). Not of an MLP: behind a GELU there is no fixed shift.
    RemoveEffectiveBias {
        /// The head.
        side: Side,
    },
    /// Adds a bias along d = direction/‖direction‖: y + s·mean ‖y‖·d.
    AddBias {
        /// The head.
        side: Side,
        /// Where it points, `[output_dim]`, of any length but 0.
        direction: Vec<f64>,
    },
    /// Takes the mean of what is at hand out: y − s·mean y.
    Centre {
        /// The head.
        side: Side,
    },
    /// Makes the covariance of what is at hand round (ZCA), around its mean: y ↦ y + s·(C^(−1/2)(y − mean y) − y). C is
    /// shrunk as [`super::whiten`] says.
    Whiten {
        /// The head.
        side: Side,
    },
    /// Keeps some singular directions only: W ↦ W + s·(W_cut − W). A bias stays as it is.
    RankCut {
        /// The head.
        side: Side,
        /// Which are kept.
        keep: RankKeep,
    },
    /// Moves both sides towards each other along the gap g = μ_image − μ_text of unit means, each by half:
    /// y_image − s/2·mean ‖y‖·g and y_text + s/2·mean ‖y‖·g.
    GapShift,
    /// Puts other heads in the place of the model's. Strength has no meaning.
    Replace(Heads),
}

/// Why an edit cannot act.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EditError {
    /// It is measured on photos or texts, and there are none.
    #[error("there is nothing at hand on the {side} side to measure")]
    NothingAtHand {
        /// Whose.
        side: Side,
    },
    /// All vectors at hand are the same, or there is one only: they vary in no direction.
    #[error("what is at hand on the {side} side does not vary")]
    NoVariance {
        /// Whose.
        side: Side,
    },
    /// The head is an MLP, and what is asked for only exists for one linear map.
    #[error("the {side} projection is an MLP and not one linear map")]
    NotLinear {
        /// Whose.
        side: Side,
    },
    /// The last map has no bias of its own.
    #[error("the {side} projection has no bias of its own")]
    NoBias {
        /// Whose.
        side: Side,
    },
    /// Nothing is known to shift the pooled feature, and the head has no bias.
    #[error("nothing is known to shift the {side} vectors: there is no affine layer in front and no bias")]
    NoShift {
        /// Whose.
        side: Side,
    },
    /// A direction of length 0.
    #[error("the direction is zero")]
    NoDirection,
    /// There is no matrix, or one that stretches all its directions alike: none is stronger.
    #[error("no direction of the {side} projection is stronger than another")]
    AllAlike {
        /// Whose.
        side: Side,
    },
    /// A rank cut that leaves no direction.
    #[error("no direction is left: there are {count}")]
    KeepsNothing {
        /// Directions there are.
        count: usize,
    },
    /// A strength that is not a finite number.
    #[error("{strength} is no strength")]
    Strength {
        /// What was given.
        strength: f64,
    },
    /// Other heads that take other features, or whose joint spaces differ.
    #[error(
        "heads of {image:?} and {text:?} (output, input) cannot take the place of heads that take {image_input} and \
         {text_input}"
    )]
    ReplacementDoesNotFit {
        /// Output and input of the image head.
        image: [usize; 2],
        /// Output and input of the text head.
        text: [usize; 2],
        /// Size of the image tower's feature.
        image_input: usize,
        /// Size of the text tower's feature.
        text_input: usize,
    },
    /// The linear algebra refuses.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
}

/// The heads that `edits` make of `base`, and the index of each edit that cannot act, with the reason.
pub fn apply(base: &Heads, edits: &[Edit], context: &Context) -> (Heads, Vec<(usize, EditError)>) {
    let mut heads = base.clone();
    let mut problems = Vec::new();
    for (index, edit) in edits.iter().enumerate() {
        match edit.acting(&heads, context) {
            Ok(changed) => heads = changed,
            Err(error) => problems.push((index, error)),
        }
    }
    (heads, problems)
}

impl Edit {
    /// The heads after this edit. What it cannot do, it cannot do at strength 0 either.
    fn acting(&self, heads: &Heads, context: &Context) -> Result<Heads, EditError> {
        let strength = self.strength;
        if !strength.is_finite() {
            return Err(EditError::Strength { strength });
        }
        let changed = match &self.what {
            EditKind::Replace(other) => return replaced(heads, other),
            EditKind::GapShift => gap_shift(heads, strength, context)?,
            EditKind::DropBias { side } => heads.with(*side, drop_bias(heads.of(*side), *side, strength)?),
            EditKind::RemoveEffectiveBias { side } => {
                let shift = context.shift(*side);
                heads.with(*side, remove_effective_bias(heads.of(*side), *side, shift, strength)?)
            }
            EditKind::AddBias { side, direction } => {
                let (head, length) = (heads.of(*side), column(direction)?.frobenius_norm());
                if length == 0.0 {
                    return Err(EditError::NoDirection);
                }
                let step = strength * context.pooled(*side).mean_length_under(head, *side)? / length;
                heads.with(*side, moved(head, step, direction)?)
            }
            EditKind::Centre { side } => {
                let mean = context.pooled(*side).mean_under(heads.of(*side), *side)?;
                heads.with(*side, moved(heads.of(*side), -strength, &mean)?)
            }
            EditKind::Whiten { side } => {
                let head = whiten(heads.of(*side), *side, context.pooled(*side), strength)?;
                heads.with(*side, head)
            }
            EditKind::RankCut { side, keep } => heads.with(*side, rank_cut(heads, *side, *keep, strength, context)?),
        };
        // So that it is exactly the same, and no head does not become an identity with a bias of zero.
        Ok(if strength == 0.0 { heads.clone() } else { changed })
    }
}

/// y ↦ y + s·c.
pub(super) fn moved(head: &Head, s: f64, c: &[f64]) -> Result<Head, EditError> {
    Ok(head.shifted(&c.iter().map(|value| s * value).collect::<Vec<_>>())?)
}

/// `from + s·(to − from)`.
pub(super) fn blend(from: &Matrix, to: &Matrix, s: f64) -> Result<Matrix, AnalysisError> {
    let [rows, columns] = from.shape();
    if from.shape() != to.shape() {
        return Err(AnalysisError::Shapes { figure: "a blend", left: from.shape(), right: to.shape() });
    }
    // All of it is `to` itself, without the rounding of a difference.
    let between = |(from, to): (&f64, &f64)| if s == 1.0 { *to } else { from + s * (to - from) };
    Matrix::new(rows, columns, from.values().iter().zip(to.values()).map(between).collect())
}

/// The head with another last map.
pub(super) fn with_last(head: &Head, last: Map) -> Result<Head, EditError> {
    let mut maps = head.maps().to_vec();
    maps.pop();
    maps.push(last);
    Ok(Head::new(head.input_dim(), maps)?)
}

fn drop_bias(head: &Head, side: Side, s: f64) -> Result<Head, EditError> {
    let last = head.maps().last().ok_or(EditError::NoBias { side })?;
    let bias = last.bias.as_ref().ok_or(EditError::NoBias { side })?;
    let left = (s != 1.0).then(|| bias.iter().map(|value| value - s * value).collect());
    with_last(head, Map { weight: last.weight.clone(), bias: left })
}

fn remove_effective_bias(head: &Head, side: Side, shift: Option<&[f64]>, s: f64) -> Result<Head, EditError> {
    let weight = head.matrix().ok_or(EditError::NotLinear { side })?;
    let bias = head.linear().and_then(|map| map.bias.as_deref());
    if shift.is_none() && bias.is_none() {
        return Err(EditError::NoShift { side });
    }
    moved(head, -s, &effective_bias(&weight, shift, bias)?)
}

fn gap_shift(heads: &Heads, s: f64, context: &Context) -> Result<Heads, EditError> {
    let unit_mean = |side| context.pooled(side).unit_mean_under(heads.of(side), side);
    let (image, text) = (unit_mean(Side::Image)?, unit_mean(Side::Text)?);
    if image.len() != text.len() {
        let (left, right) = ([image.len(), 1], [text.len(), 1]);
        return Err(AnalysisError::Shapes { figure: "the modality gap", left, right }.into());
    }
    let gap: Vec<f64> = image.iter().zip(&text).map(|(image, text)| image - text).collect();
    let half = |side, sign: f64| {
        let length = context.pooled(side).mean_length_under(heads.of(side), side)?;
        moved(heads.of(side), sign * s / 2.0 * length, &gap)
    };
    Ok(Heads { image: half(Side::Image, -1.0)?, text: half(Side::Text, 1.0)? })
}

fn replaced(heads: &Heads, other: &Heads) -> Result<Heads, EditError> {
    let size = |head: &Head| [head.output_dim(), head.input_dim()];
    let (image, text) = (size(&other.image), size(&other.text));
    let (image_input, text_input) = (heads.image.input_dim(), heads.text.input_dim());
    if image[1] != image_input || text[1] != text_input || image[0] != text[0] {
        return Err(EditError::ReplacementDoesNotFit { image, text, image_input, text_input });
    }
    Ok(other.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::lab::{Pooled, Table};

    const IMAGE: Side = Side::Image;
    const TEXT: Side = Side::Text;

    fn map<const R: usize, const C: usize>(rows: [[f64; C]; R], bias: Option<&[f64]>) -> Map {
        Map { weight: Matrix::new(R, C, rows.concat()).unwrap(), bias: bias.map(<[f64]>::to_vec) }
    }

    /// Images of three dimensions and a bias, texts without a head, in a joint space of two.
    fn heads() -> Heads {
        let image = map([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0]], Some(&[0.5, -1.0]));
        Heads { image: Head::new(3, vec![image]).unwrap(), text: Head::new(2, Vec::new()).unwrap() }
    }

    fn images() -> Table {
        Table::new(3, vec![1.0, 0.0, 0.5, 0.0, 2.0, 1.0, -1.0, 1.0, 0.0])
    }

    fn context_of(images: Table) -> Context {
        let texts = Table::new(2, vec![0.0, 3.0, 4.0, 0.0]);
        let (images, texts) = (Arc::new(Pooled::new(images)), Arc::new(Pooled::new(texts)));
        Context::new(images, texts, Some(vec![1.0, 2.0, 3.0]), None)
    }

    fn edit(strength: f64, what: EditKind) -> Edit {
        Edit { strength, what }
    }

    /// The heads after one edit, which must act.
    fn after(strength: f64, what: EditKind) -> Heads {
        let (changed, problems) = apply(&heads(), &[edit(strength, what)], &context_of(images()));
        assert_eq!(problems, []);
        changed
    }

    fn refused(base: &Heads, what: EditKind, context: &Context) -> EditError {
        let (changed, problems) = apply(base, &[edit(0.5, what)], context);
        assert_eq!(&changed, base);
        problems.into_iter().next().expect("a problem").1
    }

    fn close(found: &[f64], expected: &[f64]) -> bool {
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6)
    }

    fn bias(head: &Head) -> &[f64] {
        head.linear().unwrap().bias.as_deref().unwrap()
    }

    #[test]
    fn a_bias_is_dropped_in_part_or_as_a_whole() {
        assert_eq!(bias(&after(0.5, EditKind::DropBias { side: IMAGE }).image), [0.25, -0.5]);
        assert_eq!(after(1.0, EditKind::DropBias { side: IMAGE }).image.linear().unwrap().bias, None);
        assert_eq!(bias(&after(-1.0, EditKind::DropBias { side: IMAGE }).image), [1.0, -2.0]);
    }

    #[test]
    fn the_effective_bias_is_that_of_the_head_in_force() {
        // W β + b = (5.5, 1).
        let changed = after(1.0, EditKind::RemoveEffectiveBias { side: IMAGE });
        assert_eq!(bias(&changed.image), [-5.0, -2.0]);
        let twice = [1.0, 1.0].map(|s| edit(s, EditKind::RemoveEffectiveBias { side: IMAGE }));
        let (changed_twice, _) = apply(&heads(), &twice, &context_of(images()));
        assert_eq!(changed_twice, changed, "nothing is left to remove");
        // With no affine layer known, the bias is all there is.
        let pooled = |table| Arc::new(Pooled::new(table));
        let context = Context::new(pooled(images()), pooled(Table::new(2, vec![1.0, 1.0])), None, Some(vec![3.0, 4.0]));
        let both = [IMAGE, TEXT].map(|side| edit(1.0, EditKind::RemoveEffectiveBias { side }));
        let (changed, problems) = apply(&heads(), &both, &context);
        assert_eq!(
            (bias(&changed.image), bias(&changed.text), problems.len()),
            ([0.0, 0.0].as_slice(), [-3.0, -4.0].as_slice(), 0)
        );
    }

    #[test]
    fn a_direction_is_added_in_units_of_the_mean_length() {
        // The texts are 3 and 4 long; the direction is not one long.
        let changed = after(2.0, EditKind::AddBias { side: TEXT, direction: vec![0.0, -5.0] });
        assert!(close(bias(&changed.text), &[0.0, -7.0]));
        assert_eq!(changed.image, heads().image);
    }

    #[test]
    fn centring_takes_the_mean_of_what_is_at_hand() {
        let changed = after(1.0, EditKind::Centre { side: IMAGE });
        assert!(changed.image.apply(&images()).mean().unwrap().iter().all(|value| value.abs() < 1e-6));
        let half = after(0.5, EditKind::Centre { side: IMAGE });
        let mean = heads().image.apply(&images()).mean().unwrap();
        assert!(close(&half.image.apply(&images()).mean().unwrap(), &[mean[0] / 2.0, mean[1] / 2.0]));
    }

    #[test]
    fn the_gap_is_shifted_by_half_on_either_side() {
        let context = context_of(images());
        let (before, s) = (heads(), 0.6);
        let images_in_joint = before.image.apply(&images());
        let gap: Vec<f64> = images_in_joint.unit_mean().unwrap().iter().map(|image| image - 0.5).collect();
        let length = images_in_joint.lengths().iter().sum::<f64>() / 3.0;
        let (changed, _) = apply(&before, &[edit(s, EditKind::GapShift)], &context);
        let moved: Vec<f64> = bias(&changed.image).iter().zip(bias(&before.image)).map(|(a, b)| a - b).collect();
        assert!(close(&moved, &gap.iter().map(|gap| -s / 2.0 * length * gap).collect::<Vec<_>>()));
        assert!(close(bias(&changed.text), &gap.iter().map(|gap| s / 2.0 * 3.5 * gap).collect::<Vec<_>>()));
    }

    #[test]
    fn a_rank_cut_keeps_the_strongest_or_the_weakest_and_the_bias() {
        // σ = √5 along (1, 0), 1 along (0, 1).
        let cut = |keep| after(1.0, EditKind::RankCut { side: IMAGE, keep }).image.linear().unwrap().clone();
        let top = cut(RankKeep::Top { k: 1 });
        assert!(close(top.weight.values(), &[2.0, 0.0, 1.0, 0.0, 0.0, 0.0]) && top.bias == Some(vec![0.5, -1.0]));
        assert!(close(cut(RankKeep::Bottom { k: 1 }).weight.values(), &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
        assert!(close(cut(RankKeep::Top { k: 9 }).weight.values(), heads().image.linear().unwrap().weight.values()));
        // Half of the cut.
        let half = after(0.5, EditKind::RankCut { side: IMAGE, keep: RankKeep::Top { k: 1 } });
        assert!(close(half.image.linear().unwrap().weight.values(), &[2.0, 0.0, 1.0, 0.0, 0.5, 0.0]));
    }

    #[test]
    fn a_band_is_cut_on_the_input_side_of_either_head() {
        // Ψ = W_imageᵀ has σ = √5 from (2, 0, 1)/√5 to (1, 0) and 1 from (0, 1, 0) to (0, 1).
        let keep = RankKeep::Band { drop_top: 1, drop_bottom: 0 };
        let image = after(1.0, EditKind::RankCut { side: IMAGE, keep }).image;
        assert!(close(image.linear().unwrap().weight.values(), &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
        assert_eq!(bias(&image), [0.5, -1.0]);
        let text = after(1.0, EditKind::RankCut { side: TEXT, keep }).text;
        assert!(close(text.linear().unwrap().weight.values(), &[0.0, 0.0, 0.0, 1.0]));
    }

    #[test]
    fn an_edit_acts_on_what_those_before_it_left_and_one_that_cannot_is_named() {
        let stack = [
            edit(1.0, EditKind::DropBias { side: TEXT }),
            edit(1.0, EditKind::AddBias { side: TEXT, direction: vec![1.0, 0.0] }),
            edit(f64::NAN, EditKind::GapShift),
            edit(1.0, EditKind::DropBias { side: TEXT }),
        ];
        let (changed, problems) = apply(&heads(), &stack, &context_of(images()));
        // The bias that was added is the one that is dropped; the first had none to drop.
        assert_eq!(changed.text.linear().unwrap(), &Map { weight: crate::lab::head::identity(2), bias: None });
        assert!(matches!(&problems[..], [(0, EditError::NoBias { side: TEXT }), (2, EditError::Strength { .. })]));
    }

    #[test]
    fn other_heads_take_the_place_of_these_if_they_fit() {
        let other = Heads {
            image: Head::new(3, vec![map([[1.0, 0.0, 0.0]], None)]).unwrap(),
            text: Head::new(2, vec![map([[1.0, 1.0]], None)]).unwrap(),
        };
        assert_eq!(after(0.0, EditKind::Replace(other.clone())), other);
        let context = context_of(images());
        let wrong = [other.with(TEXT, heads().text), Heads { image: other.text.clone(), text: other.text.clone() }];
        for other in wrong {
            let error = refused(&heads(), EditKind::Replace(other), &context);
            assert!(matches!(error, EditError::ReplacementDoesNotFit { .. }), "{error}");
        }
    }

    #[test]
    fn every_reason_has_its_name() {
        let (context, empty, heads) = (context_of(images()), context_of(Table::new(3, Vec::new())), heads());
        let mlp = map([[1.0, 2.0, 0.5], [0.0, 1.0, 1.0]], None);
        let mlp = heads.with(IMAGE, Head::new(3, vec![mlp, map([[1.0, 2.0], [0.0, 1.0]], None)]).unwrap());
        let band = RankKeep::Band { drop_top: 1, drop_bottom: 0 };
        for what in [EditKind::RemoveEffectiveBias { side: IMAGE }, EditKind::RankCut { side: TEXT, keep: band }] {
            assert_eq!(refused(&mlp, what, &context), EditError::NotLinear { side: IMAGE });
        }
        assert_eq!(
            refused(&heads, EditKind::RemoveEffectiveBias { side: TEXT }, &context),
            EditError::NoShift { side: TEXT }
        );
        let one = |side| EditKind::AddBias { side, direction: vec![1.0, 0.0] };
        for what in [one(IMAGE), EditKind::Centre { side: IMAGE }, EditKind::Whiten { side: IMAGE }, EditKind::GapShift]
        {
            assert_eq!(refused(&heads, what, &empty), EditError::NothingAtHand { side: IMAGE });
        }
        let along = |direction: &[f64]| EditKind::AddBias { side: TEXT, direction: direction.to_vec() };
        assert_eq!(refused(&heads, along(&[0.0, 0.0]), &context), EditError::NoDirection);
        for direction in [&[1.0][..], &[1.0, f64::NAN], &[]] {
            assert!(matches!(refused(&heads, along(direction), &context), EditError::Analysis(_)), "{direction:?}");
        }
        let cut = |side, keep| EditKind::RankCut { side, keep };
        assert_eq!(refused(&heads, cut(TEXT, RankKeep::Top { k: 1 }), &context), EditError::AllAlike { side: TEXT });
        for keep in [RankKeep::Top { k: 0 }, RankKeep::Bottom { k: 0 }, RankKeep::Band { drop_top: 1, drop_bottom: 1 }]
        {
            assert_eq!(refused(&heads, cut(IMAGE, keep), &context), EditError::KeepsNothing { count: 2 });
        }
        let same = context_of(Table::new(3, [1.0, 2.0, 3.0].repeat(4)));
        assert_eq!(refused(&heads, EditKind::Whiten { side: IMAGE }, &same), EditError::NoVariance { side: IMAGE });
    }
}
