//! Edits as a person names them, made into edits of matrices.

use std::{path::Path, sync::Arc};

use cliploupe_engine::lab::{
    Table,
    edit::{self, EditError, RankKeep},
    file::{self, Scores},
};

use super::{at_hand::AtHand, in_force::Base, nothing_at_hand, of_analysis, replacements::Put};
use crate::{
    messages::{self, BiasDirection, Edit, EditKind, EditProblem, PhotoId, Problem, ProblemCode},
    sentences::Sentences,
};

impl From<messages::Side> for edit::Side {
    fn from(side: messages::Side) -> Self {
        match side {
            messages::Side::Image => Self::Image,
            messages::Side::Text => Self::Text,
        }
    }
}

/// What edits are resolved with.
pub struct Names<'a> {
    /// The model.
    pub base: &'a Base,
    /// The photos and labels.
    pub at_hand: &'a AtHand,
    /// Encodes labels that are in no set.
    pub encode: &'a dyn Fn(&[String]) -> Result<Sentences, Problem>,
    /// Finds heads by name.
    pub heads: &'a dyn Fn(&str) -> Result<Arc<Put>, Problem>,
}

/// An edit as matrices.
pub struct Resolved {
    /// Its place in the stack.
    pub id: u32,
    /// What it does.
    pub edit: edit::Edit,
    /// What heads that it puts in say of scores.
    pub scores: Option<Scores>,
}

/// The edits that act, and the problems of those that cannot be understood. Edits that are switched off are in neither.
pub fn resolve(edits: &[Edit], names: &Names<'_>) -> (Vec<Resolved>, Vec<EditProblem>) {
    let (mut acting, mut problems) = (Vec::new(), Vec::new());
    for edit in edits.iter().filter(|edit| edit.enabled) {
        match names.kind(&edit.what) {
            Ok((what, scores)) => {
                let resolved = edit::Edit { strength: edit.strength, what };
                acting.push(Resolved { id: edit.id, edit: resolved, scores });
            }
            Err(problem) => problems.push(EditProblem { id: edit.id, problem }),
        }
    }
    (acting, problems)
}

impl Names<'_> {
    fn kind(&self, what: &EditKind) -> Result<(edit::EditKind, Option<Scores>), Problem> {
        use edit::EditKind as To;
        let acting = match what {
            EditKind::DropBias { side } => To::DropBias { side: (*side).into() },
            EditKind::RemoveEffectiveBias { side } => To::RemoveEffectiveBias { side: (*side).into() },
            EditKind::AddBias { side, along } => {
                To::AddBias { side: (*side).into(), direction: self.direction(along)? }
            }
            EditKind::Centre { side } => To::Centre { side: (*side).into() },
            EditKind::Whiten { side } => To::Whiten { side: (*side).into() },
            EditKind::RankCut { side, keep } => To::RankCut { side: (*side).into(), keep: rank_keep(*keep) },
            EditKind::GapShift => To::GapShift,
            EditKind::Replace { name } => {
                let Put { heads, scores } = (*(self.heads)(name)?).clone();
                return Ok((To::Replace(heads), Some(scores)));
            }
        };
        Ok((acting, None))
    }

    /// A direction by the unedited heads, so that it stays where it is while other edits change.
    fn direction(&self, along: &BiasDirection) -> Result<Vec<f64>, Problem> {
        match along {
            BiasDirection::Labels { plus, minus } => between(self.labels(plus)?, self.labels(minus)?, "labels"),
            BiasDirection::Photos { plus, minus } => between(self.photos(plus), self.photos(minus), "photos"),
            BiasDirection::Gap => {
                let labels = self.labels(&self.at_hand.labels())?;
                between(self.photos(&self.at_hand.photos.ids), labels, "photos and labels")
            }
            BiasDirection::File { path } => {
                let size = self.base.heads.image.output_dim();
                let found = file::read_vector(Path::new(path), size);
                found.map_err(|error| problem(&cliploupe_engine::chain(&error)))
            }
        }
    }

    /// The mean direction of labels; none of no label.
    fn labels(&self, labels: &[String]) -> Result<Option<Vec<f64>>, Problem> {
        if labels.is_empty() {
            return Ok(None);
        }
        let head = &self.base.heads.text;
        let directions = (self.encode)(labels)?.directions(head);
        Ok(Table::new(head.output_dim(), directions).mean())
    }

    /// The mean unit vector of photos; none of no photo at hand.
    fn photos(&self, photos: &[PhotoId]) -> Option<Vec<f64>> {
        let known = &self.at_hand.photos.ids;
        let rows = photos.iter().filter_map(|id| known.binary_search(id).ok());
        self.base.heads.image.apply(&self.at_hand.pooled().select(rows)).unit().mean()
    }
}

/// From the second mean to the first, or from 0 if there is no second, or away from the second if there is no first.
fn between(plus: Option<Vec<f64>>, minus: Option<Vec<f64>>, what: &str) -> Result<Vec<f64>, Problem> {
    match (plus, minus) {
        (Some(plus), Some(minus)) => Ok(plus.iter().zip(minus).map(|(plus, minus)| plus - minus).collect()),
        (Some(plus), None) => Ok(plus),
        (None, Some(minus)) => Ok(minus.into_iter().map(|value| -value).collect()),
        (None, None) => Err(nothing_at_hand(what)),
    }
}

fn rank_keep(keep: messages::RankKeep) -> RankKeep {
    match keep {
        messages::RankKeep::Top { k } => RankKeep::Top { k: k as usize },
        messages::RankKeep::Bottom { k } => RankKeep::Bottom { k: k as usize },
        messages::RankKeep::Band { drop_top, drop_bottom } => {
            RankKeep::Band { drop_top: drop_top as usize, drop_bottom: drop_bottom as usize }
        }
    }
}

/// An edit that does not act on this model.
pub fn problem_of(id: u32, error: &EditError) -> EditProblem {
    let problem = match error {
        EditError::NothingAtHand { side: edit::Side::Image } => nothing_at_hand("photos"),
        EditError::NothingAtHand { side: edit::Side::Text } => nothing_at_hand("labels"),
        EditError::Analysis(error) => of_analysis(error),
        other => problem(&cliploupe_engine::chain(other)),
    };
    EditProblem { id, problem }
}

/// What an edit needs and does not find.
pub fn problem(cause: &str) -> Problem {
    Problem::new(ProblemCode::Edit, &[("cause", cause)], format!("the edit does not act: {cause}"))
}
