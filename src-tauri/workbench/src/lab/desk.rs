//! The stack of edits with what can be undone, and the heads that can take the place of the model's.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::replacements::Put;
use crate::messages::{Edit, EditProblem};

/// Steps that can be undone.
const HISTORY: usize = 200;
/// Movements of one slider within this time of each other are one step.
const NUDGE: Duration = Duration::from_millis(1500);

/// The stack and its history. It belongs to one model: another one starts with an empty stack.
#[derive(Default)]
pub struct Desk {
    /// The name under which the stack was saved or loaded.
    pub name: Option<String>,
    /// The stack.
    pub edits: Vec<Edit>,
    /// Edits that cannot act.
    pub problems: Vec<EditProblem>,
    /// Heads that were tuned here, by name.
    pub tuned: BTreeMap<String, Arc<Put>>,
    /// Heads from files that were chosen, by path.
    pub files: BTreeMap<String, Arc<Put>>,
    /// The model whose heads of other runs are among the tuned ones.
    pub knows_kept_of: Option<u32>,
    undo: Vec<Vec<Edit>>,
    redo: Vec<Vec<Edit>>,
    nudged: Option<(u32, Instant)>,
}

impl Desk {
    /// Puts another stack in the place of this one.
    pub fn replace(&mut self, edits: Vec<Edit>) {
        if edits == self.edits {
            return;
        }
        let nudged = nudge(&self.edits, &edits);
        let goes_on = self.nudged.is_some_and(|(id, at)| Some(id) == nudged && at.elapsed() < NUDGE);
        let before = std::mem::replace(&mut self.edits, edits);
        if !goes_on {
            self.undo.push(before);
            let excess = self.undo.len().saturating_sub(HISTORY);
            self.undo.drain(..excess);
        }
        self.nudged = nudged.map(|id| (id, Instant::now()));
        self.redo.clear();
    }

    /// Goes one step back; false if there is none.
    pub fn undo(&mut self) -> bool {
        let Some(before) = self.undo.pop() else { return false };
        self.redo.push(std::mem::replace(&mut self.edits, before));
        self.nudged = None;
        true
    }

    /// Takes back an undoing; false if there is none.
    pub fn redo(&mut self) -> bool {
        let Some(after) = self.redo.pop() else { return false };
        self.undo.push(std::mem::replace(&mut self.edits, after));
        self.nudged = None;
        true
    }

    /// Whether there is something to undo, and to redo.
    pub fn can_step(&self) -> [bool; 2] {
        [!self.undo.is_empty(), !self.redo.is_empty()]
    }

    /// A name for heads that were just tuned.
    pub fn new_name(&self) -> String {
        (1..).map(|number| format!("tuned {number}")).find(|name| !self.tuned.contains_key(name)).unwrap_or_default()
    }
}

/// The one edit whose strength alone differs.
fn nudge(before: &[Edit], after: &[Edit]) -> Option<u32> {
    let mut changed = before.iter().zip(after).filter(|(a, b)| a != b);
    let (a, b) = changed.next()?;
    let alike = Edit { strength: b.strength, ..a.clone() } == *b;
    (before.len() == after.len() && changed.next().is_none() && alike).then_some(a.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{EditKind, Side};

    fn edit(id: u32, strength: f64) -> Edit {
        Edit { id, enabled: true, strength, what: EditKind::Centre { side: Side::Image } }
    }

    #[test]
    fn a_drag_of_one_slider_is_one_step() {
        let mut desk = Desk::default();
        desk.replace(vec![edit(1, 1.0)]);
        for strength in [0.9, 0.8, 0.7] {
            desk.replace(vec![edit(1, strength)]);
        }
        desk.replace(vec![edit(1, 0.7), edit(2, 1.0)]);
        assert!(desk.undo());
        assert_eq!(desk.edits, [edit(1, 0.7)]);
        assert!(desk.undo());
        assert_eq!(desk.edits, [edit(1, 1.0)]);
        assert!(desk.undo() && !desk.undo());
        assert_eq!(desk.edits, []);
    }

    #[test]
    fn what_is_undone_can_be_redone_until_something_new_comes() {
        let mut desk = Desk::default();
        desk.replace(vec![edit(1, 1.0)]);
        desk.replace(vec![edit(1, 1.0), edit(2, 1.0)]);
        assert!(desk.undo() && desk.redo());
        assert_eq!(desk.edits.len(), 2);
        assert!(desk.undo());
        desk.replace(vec![edit(3, 1.0)]);
        assert_eq!(desk.can_step(), [true, false]);
    }

    #[test]
    fn the_same_stack_is_no_step() {
        let mut desk = Desk::default();
        desk.replace(Vec::new());
        assert_eq!(desk.can_step(), [false, false]);
    }
}
