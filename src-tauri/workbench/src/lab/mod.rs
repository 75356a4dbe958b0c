//! The projection screen and the bias lab: what a window and the command line ask of the projections.
//!
//! [`in_force`] has the heads of the loaded model and those with the edits in force; [`at_hand`] the photos and labels
//! that figures are of. On these, [`cards`], [`collection`] and [`meaning`] describe, [`edits`] and [`effect`] change
//! and say what changed, and [`compare`], [`matrix`], [`explain`], [`tune`] and [`export`] do what their names say. The
//! mathematics is the engine's.

pub mod ablation_report;
pub mod at_hand;
pub mod cards;
pub mod classes;
pub mod collection;
pub mod compare;
pub mod desk;
pub mod edits;
pub mod effect;
pub mod explain;
pub mod export;
pub mod in_force;
pub mod matrix;
pub mod meaning;
pub mod replacements;
pub mod tune;

use std::sync::{Arc, Mutex, atomic::AtomicBool};

use cliploupe_engine::{
    analysis::AnalysisError,
    lab::{Table, edit::Heads},
};

pub use in_force::{Base, InForce};

use self::{
    at_hand::{AtHand, Photos},
    desk::Desk,
};
use crate::{
    messages::{AblationReport, Problem, ProblemCode, ProjectionReport},
    sentences::Sentences,
};

/// The newest report, with the heads and the photos and labels that it is of.
type KnownReport = (Arc<Heads>, Arc<AtHand>, ProjectionReport);
/// The names of classes as sentences, with the model and the sentences that they are of.
type KnownNames = ((u32, Vec<Vec<String>>), Arc<Sentences>);

/// What the lab keeps between two questions.
#[derive(Default)]
pub struct Lab {
    /// The stack of edits and the heads that can be put in.
    pub desk: Mutex<Desk>,
    /// Held while edits are put in force.
    pub turn: Mutex<()>,
    /// What was at hand when it was last looked at.
    pub at_hand: Mutex<Option<Arc<AtHand>>>,
    /// The newest report.
    pub report: Mutex<Option<KnownReport>>,
    /// Photos by the unedited heads.
    pub before: Mutex<Option<Before>>,
    /// Singular values of the unedited heads, and the model that they are of.
    pub spectra: Mutex<Option<(u32, [Vec<f64>; 2])>>,
    /// The classes that were last measured.
    pub class_names: Mutex<Option<KnownNames>>,
    /// The matrix that is looked at.
    pub matrix: Mutex<Option<matrix::Open>>,
    /// The fit under way.
    pub fit: Mutex<Option<Arc<AtomicBool>>>,
    /// The newest ablation.
    pub ablation: Mutex<Option<AblationReport>>,
}

/// Photos by the heads of the checkpoint, not normalised.
pub struct Before {
    /// The model they are of.
    pub version: u32,
    /// The photos.
    pub photos: Arc<Photos>,
    /// `[photo, embed]`.
    pub projected: Arc<Table>,
}

/// Linear algebra that failed.
pub fn of_analysis(error: &AnalysisError) -> Problem {
    let cause = cliploupe_engine::chain(error);
    Problem::new(ProblemCode::Analysis, &[("cause", &cause)], format!("cannot compute this: {cause}"))
}

/// There is nothing that the question could be about.
pub fn nothing_at_hand(what: &str) -> Problem {
    let message = format!("there are no {what} yet. Add some and try again.");
    Problem::new(ProblemCode::NothingAtHand, &[("what", what)], message)
}
