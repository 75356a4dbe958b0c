//! Tags that leave the library, and come in: XMP sidecars beside photos. Originals are never written to.
//!
//! Writing is planned first, shown as a difference, and done on a word:
//! [`Folder::read`] (what lies beside the photo) → [`plan`] (which file, what changes, what is in conflict) →
//! [`SidecarPlan::diff`] → [`SidecarPlan::write`] → [`note_written`] (what both sides agreed on, for the next time).
//!
//! A sidecar also belongs to other programs and to the person who uses them, so tags are merged from three sides
//! (`merge.rs`): what was agreed on the last time, what the library says now, what the sidecar says now. A change on one
//! side goes to the other; where both changed against each other there is a conflict, which is shown and never settled
//! silently. Everything else in the file stays byte for byte (`crate::xmp`).

mod merge;
mod names;
mod place;
mod plan;
mod read;
mod record;

pub use merge::{Conflict, ConflictKind, Settle};
pub use place::{Folder, Naming, Note};
pub use plan::{Fields, Options, SidecarPlan, Wanted, plan};
pub use read::{ReadSidecar, read, tags_of};
pub use record::{last_written, note_moved, note_written};
