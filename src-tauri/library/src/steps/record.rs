//! What a step writes down while it is made, and how that is read again.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::{KEPT, StepId, StepKind};
use crate::{
    LibraryError, PhotoId,
    labels::LabelId,
    state::{Decided, State},
    suggestions::SuggestedFacts,
};

/// One photo and label of a step, as it stands in `step_change.after`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct After {
    decided: Option<Decided>,
    /// What is suggested is as before, and is not written twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    suggested_as_before: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suggested: Option<SuggestedFacts>,
}

/// A label's name before or after a step. No photo has the number 0; under it stand the names.
#[derive(Serialize, Deserialize)]
pub(super) struct Named {
    pub name: String,
}

/// Writes a step down while it is made.
pub(crate) struct Recorder<'a> {
    tx: &'a Connection,
    at_ms: i64,
    step: Option<StepId>,
    changes: usize,
}

impl<'a> Recorder<'a> {
    pub fn new(tx: &'a Connection, at_ms: i64) -> Self {
        Self { tx, at_ms, step: None, changes: 0 }
    }

    pub fn changes(&self) -> usize {
        self.changes
    }

    pub fn decision(
        &mut self,
        photo: PhotoId,
        label: LabelId,
        before: &State,
        after: &State,
    ) -> Result<(), LibraryError> {
        let suggested_as_before = before.suggested == after.suggested;
        let suggested = after.suggested.clone().filter(|_| !suggested_as_before);
        let known = (*before != State::default()).then(|| json(before)).transpose()?;
        let made = (*after != State::default())
            .then(|| json(&After { decided: after.decided, suggested_as_before, suggested }))
            .transpose()?;
        self.change(photo, label, known, made)
    }

    pub fn name(&mut self, label: LabelId, before: &str, after: &str) -> Result<(), LibraryError> {
        let [before, after] = [before, after].map(|name| json(&Named { name: name.to_owned() }));
        self.change(0, label, Some(before?), Some(after?))
    }

    fn change(
        &mut self,
        photo: PhotoId,
        label: LabelId,
        before: Option<String>,
        after: Option<String>,
    ) -> Result<(), LibraryError> {
        let step = match self.step {
            Some(step) => step,
            None => self.begin()?,
        };
        // A pair that changes twice within a step keeps what it was before the first time.
        let sql = "INSERT INTO step_change (step, photo, label, before, after) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT DO UPDATE SET after = excluded.after";
        self.tx.prepare_cached(sql)?.execute(params![step, photo, label, before, after])?;
        self.changes += 1;
        Ok(())
    }

    fn begin(&mut self) -> Result<StepId, LibraryError> {
        self.tx.execute("DELETE FROM step_change WHERE step IN (SELECT id FROM step WHERE undone = 1)", [])?;
        self.tx.execute("DELETE FROM step WHERE undone = 1", [])?;
        let sql = "INSERT INTO step (kind, at_ms) VALUES (?1, ?2)";
        self.tx.prepare_cached(sql)?.execute(params![StepKind::Add.as_str(), self.at_ms])?;
        Ok(*self.step.insert(self.tx.last_insert_rowid()))
    }

    /// The step, unless nothing changed. Steps that are too old are forgotten.
    pub fn finish(self, kind: StepKind) -> Result<Option<StepId>, LibraryError> {
        let Some(step) = self.step else { return Ok(None) };
        self.tx.prepare_cached("UPDATE step SET kind = ?2 WHERE id = ?1")?.execute(params![step, kind.as_str()])?;
        let oldest = "SELECT id FROM step ORDER BY id DESC LIMIT 1 OFFSET ?1";
        let oldest: Option<StepId> = self.tx.prepare_cached(oldest)?.query_row([KEPT], |row| row.get(0)).optional()?;
        if let Some(oldest) = oldest {
            self.tx.execute("DELETE FROM step_change WHERE step <= ?1", [oldest])?;
            self.tx.execute("DELETE FROM step WHERE id <= ?1", [oldest])?;
        }
        Ok(Some(step))
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, LibraryError> {
    serde_json::to_string(value).map_err(|error| LibraryError::Refused(format!("cannot write a step down: {error}")))
}

pub(super) fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, LibraryError> {
    serde_json::from_str(text)
        .map_err(|error| LibraryError::Refused(format!("a step of this library cannot be read, so it stays: {error}")))
}

/// What was before a change, and what after it.
pub(super) fn states(before: Option<&str>, after: Option<&str>) -> Result<(State, State), LibraryError> {
    let before: State = before.map(from_json).transpose()?.unwrap_or_default();
    let after: Option<After> = after.map(from_json).transpose()?;
    let after = after.map_or_else(State::default, |after| State {
        decided: after.decided,
        suggested: if after.suggested_as_before { before.suggested.clone() } else { after.suggested },
    });
    Ok((before, after))
}
