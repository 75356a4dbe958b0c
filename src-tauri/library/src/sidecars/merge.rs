//! Tags from three sides: the last agreement, the library, the sidecar.
//!
//! | agreed before | library | sidecar | then |
//! | --- | --- | --- | --- |
//! | no | yes | no | it is added to the sidecar |
//! | yes | yes | no | the sidecar's person took it away: conflict |
//! | yes | no | yes | it is taken out of the sidecar |
//! | no | no | yes | it stays; where the library's person rejected it: conflict |

use std::collections::HashSet;

/// What to do where both sides changed against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Settle {
    /// Leave the sidecar's tag, or its absence, as it is, and ask again the next time.
    #[default]
    Leave,
    /// The sidecar gets what the library says.
    KeepLibrary,
    /// The sidecar stays; the caller changes the library to it.
    KeepSidecar,
    /// What either has, the sidecar gets or keeps.
    Union,
}

/// How two sides disagree on a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictKind {
    /// The library has it; it was in the sidecar, and somebody took it out there.
    RemovedInSidecar,
    /// The sidecar has it, but in the library a person rejected it.
    RejectedInLibrary,
}

/// A tag that two sides disagree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The tag.
    pub tag: String,
    /// How they disagree.
    pub kind: ConflictKind,
    /// What is done about it.
    pub settled: Settle,
}

/// The sides.
pub(super) struct Sides<'t> {
    pub agreed: Option<&'t [String]>,
    pub library: &'t [String],
    pub rejected: &'t [String],
    pub sidecar: &'t [String],
}

/// What becomes of the sidecar's tags.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    pub adds: Vec<String>,
    pub removes: Vec<String>,
    pub conflicts: Vec<Conflict>,
    /// For the next time: what both have now, and what the library has that somebody took out of the sidecar.
    pub agreed: Vec<String>,
}

impl Sides<'_> {
    pub(super) fn merge(&self, settle: Settle) -> Merged {
        let set = |tags: &[String]| tags.iter().cloned().collect::<HashSet<_>>();
        let agreed = set(self.agreed.unwrap_or_default());
        let (library, rejected, sidecar) = (set(self.library), set(self.rejected), set(self.sidecar));
        let mut merged = Merged::default();
        let mut conflicts = Vec::new();
        let mut conflict = |tag: &String, kind| conflicts.push(Conflict { tag: tag.clone(), kind, settled: settle });
        for tag in self.library.iter().filter(|tag| !sidecar.contains(*tag)) {
            let is_conflict = agreed.contains(tag);
            if is_conflict {
                conflict(tag, ConflictKind::RemovedInSidecar);
            }
            if !is_conflict || matches!(settle, Settle::KeepLibrary | Settle::Union) {
                merged.adds.push(tag.clone());
            }
        }
        for tag in self.sidecar.iter().filter(|tag| !library.contains(*tag)) {
            let is_conflict = !agreed.contains(tag) && rejected.contains(tag);
            if is_conflict {
                conflict(tag, ConflictKind::RejectedInLibrary);
            }
            if agreed.contains(tag) || (is_conflict && settle == Settle::KeepLibrary) {
                merged.removes.push(tag.clone());
            }
        }
        merged.conflicts = conflicts;
        // Every tag of the library is now in the sidecar, or was taken out there: both are to be known the next time.
        merged.agreed = self.library.to_vec();
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(agreed: Option<&[&str]>, library: &[&str], rejected: &[&str], sidecar: &[&str], settle: Settle) -> Merged {
        let own = |tags: &[&str]| tags.iter().map(|&tag| tag.to_owned()).collect::<Vec<_>>();
        let agreed = agreed.map(own);
        let (library, rejected, sidecar) = (own(library), own(rejected), own(sidecar));
        let sides = Sides { agreed: agreed.as_deref(), library: &library, rejected: &rejected, sidecar: &sidecar };
        sides.merge(settle)
    }

    #[test]
    fn a_change_on_one_side_goes_to_the_other() {
        let merged = merge(Some(&["kept", "gone"]), &["kept", "new"], &[], &["kept", "gone", "theirs"], Settle::Leave);
        assert_eq!((merged.adds, merged.removes, merged.conflicts), (vec!["new".into()], vec!["gone".into()], vec![]));
        assert_eq!(merged.agreed, ["kept", "new"]);
    }

    #[test]
    fn nothing_is_taken_out_of_a_sidecar_that_was_never_written() {
        let merged = merge(None, &["a"], &["b"], &["b", "c"], Settle::Leave);
        assert_eq!((merged.adds, merged.removes), (vec!["a".into()], vec![]));
        assert_eq!(merged.conflicts.len(), 1);
    }

    #[test]
    fn conflicts_are_settled_only_as_asked() {
        use ConflictKind::{RejectedInLibrary, RemovedInSidecar};
        let of = |settle| merge(Some(&["a"]), &["a"], &["b"], &["b"], settle);
        let expected: [(Settle, &[&str], &[&str]); 4] = [
            (Settle::Leave, &[], &[]),
            (Settle::KeepLibrary, &["a"], &["b"]),
            (Settle::KeepSidecar, &[], &[]),
            (Settle::Union, &["a"], &[]),
        ];
        for (settle, adds, removes) in expected {
            let merged = of(settle);
            let kinds: Vec<_> =
                merged.conflicts.iter().map(|conflict| (conflict.tag.as_str(), conflict.kind)).collect();
            assert_eq!(kinds, [("a", RemovedInSidecar), ("b", RejectedInLibrary)]);
            assert!(merged.adds == adds && merged.removes == removes, "{settle:?} {merged:?}");
            assert_eq!(merged.agreed, ["a"], "asked again the next time");
        }
    }
}
