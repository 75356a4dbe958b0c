//! The bias lab: projections as matrices on the host, which can be changed, and the vectors that follow them.
//!
//! A projection is one small matrix. So the pooled features of photos and texts are kept, and a changed [`head::Head`]
//! takes all of them to the joint space again in a fraction of a second, without a tower. [`edit`] is the stack of
//! changes, [`pooled`] what they are measured on, [`project`] the way of all vectors through a changed head, [`measures`]
//! what has changed then, and [`fold`] how a bias gets into a checkpoint that has no place for one.

pub mod edit;
pub mod export;
pub mod file;
pub mod fold;
pub mod head;
pub mod measures;
pub mod pooled;
pub mod project;
mod rank_cut;
pub mod table;
pub mod tune;
pub mod whiten;

pub use edit::{Edit, EditError, EditKind, Heads, RankKeep, Side};
pub use head::{Head, Map};
pub use pooled::{Context, Pooled};
pub use table::Table;
