//! Cutting the rank of a projection: some of its singular directions stay, the others are mapped to zero.

use super::{
    Context, Head, Map,
    edit::{EditError, Heads, Side, blend, with_last},
};
use crate::analysis::{Matrix, Svd, geometry::psi, spectrum::rank};

/// Singular values that differ by less than this share of the largest are one value.
const ALIKE: f64 = 1e-9;

/// Which singular directions a rank cut keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankKeep {
    /// The k strongest of the last map.
    Top {
        /// k; more than there are keep all.
        k: usize,
    },
    /// The k weakest of the last map, of those that are not zero.
    Bottom {
        /// k; more than there are keep all.
        k: usize,
    },
    /// The middle of Ψ = W_imageᵀ W_text, as IsoCLIP (arXiv 2603.19862) does: W ↦ W U Uᵀ without the strongest and the
    /// weakest. U are the left vectors for the image side and the right ones for the text side. A tower without a head
    /// counts as W = I. Meant for comparing photos with photos, or texts with texts.
    Band {
        /// Strongest directions dropped.
        drop_top: usize,
        /// Weakest directions dropped, of those that are not zero.
        drop_bottom: usize,
    },
}

/// W ↦ W + s·(W_cut − W), on one side.
pub(super) fn rank_cut(
    heads: &Heads,
    side: Side,
    keep: RankKeep,
    s: f64,
    context: &Context,
) -> Result<Head, EditError> {
    match keep {
        RankKeep::Top { k } => own(heads.of(side), side, s, context, |count| 0..k.min(count)),
        RankKeep::Bottom { k } => own(heads.of(side), side, s, context, |count| count.saturating_sub(k)..count),
        RankKeep::Band { drop_top, drop_bottom } => band(heads, side, [drop_top, drop_bottom], s, context),
    }
}

/// Keeps a range of the directions of the last map itself: W_cut = P W, with P the projection on the left vectors.
fn own(
    head: &Head,
    side: Side,
    s: f64,
    context: &Context,
    keep: impl Fn(usize) -> std::ops::Range<usize>,
) -> Result<Head, EditError> {
    let Map { weight, bias } = head.maps().last().ok_or(EditError::AllAlike { side })?;
    let svd = context.svd(weight.clone())?;
    let Svd { values, left, .. } = &*svd;
    let count = rank(values);
    if count > 1 && values[0] - values[count - 1] <= ALIKE * values[0] {
        return Err(EditError::AllAlike { side });
    }
    let kept = keep(count);
    if kept.is_empty() {
        return Err(EditError::KeepsNothing { count });
    }
    let left = left.row_range(kept);
    let cut = left.transposed_times(&left.times(weight)?)?;
    with_last(head, Map { weight: blend(weight, &cut, s)?, bias: bias.clone() })
}

/// Keeps the middle of Ψ: W_cut = W U Uᵀ.
fn band(
    heads: &Heads,
    side: Side,
    [drop_top, drop_bottom]: [usize; 2],
    s: f64,
    context: &Context,
) -> Result<Head, EditError> {
    let matrix = |side| heads.of(side).matrix().ok_or(EditError::NotLinear { side });
    let svd = context.svd(psi(&matrix(Side::Image)?, &matrix(Side::Text)?)?)?;
    let count = rank(&svd.values);
    let end = count.saturating_sub(drop_bottom);
    if drop_top >= end {
        return Err(EditError::KeepsNothing { count });
    }
    let vectors = match side {
        Side::Image => &svd.left,
        Side::Text => &svd.right,
    };
    let (weight, kept): (Matrix, Matrix) = (matrix(side)?, vectors.row_range(drop_top..end));
    let cut = weight.times_transposed(&kept)?.times(&kept)?;
    let bias = heads.of(side).linear().and_then(|map| map.bias.clone());
    with_last(heads.of(side), Map { weight: blend(&weight, &cut, s)?, bias })
}
