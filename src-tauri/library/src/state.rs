//! One photo and one label: what is decided, and what is or was suggested.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::{
    LibraryError, PhotoId,
    labels::LabelId,
    suggestions::{self, SuggestedFacts},
    tags::Origin,
};

/// A decision without what it was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decided {
    pub accepted: bool,
    pub decided_ms: i64,
    pub origin: Origin,
}

/// With a decision, `suggested` is what had been suggested; without one, it is what waits for a decision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub decided: Option<Decided>,
    pub suggested: Option<SuggestedFacts>,
}

impl State {
    pub fn read(conn: &Connection, photo: PhotoId, label: LabelId) -> Result<Self, LibraryError> {
        let sql = "SELECT verdict, decided_ms, origin, model, prompt, cosine, score, probability, suggested_ms
                   FROM decision WHERE photo = ?1 AND label = ?2";
        let decision = conn
            .prepare_cached(sql)?
            .query_row(params![photo, label], |row| {
                let decided = Decided { accepted: row.get(0)?, decided_ms: row.get(1)?, origin: row.get(2)? };
                Ok(Self { decided: Some(decided), suggested: known_facts(row, 3)? })
            })
            .optional()?;
        match decision {
            Some(state) => Ok(state),
            None => Ok(Self { decided: None, suggested: suggestions::get(conn, photo, label)? }),
        }
    }

    /// Puts the photo and label into this state. What was suggested waits again only if it is of the model whose
    /// suggestions there are.
    pub fn write(&self, tx: &Connection, photo: PhotoId, label: LabelId) -> Result<(), LibraryError> {
        match (&self.decided, &self.suggested) {
            (Some(decided), suggested) => write_decision(tx, photo, label, decided, suggested.as_ref()),
            (None, suggested) => {
                tx.prepare_cached("DELETE FROM decision WHERE photo = ?1 AND label = ?2")?
                    .execute(params![photo, label])?;
                suggested.as_ref().map_or(Ok(()), |facts| suggest_again(tx, photo, label, facts))
            }
        }
    }
}

/// Six columns of a decision; they are NULL when nothing had been suggested.
pub(crate) fn known_facts(row: &rusqlite::Row, first: usize) -> rusqlite::Result<Option<SuggestedFacts>> {
    let model: Option<String> = row.get(first)?;
    model.map(|_| suggestions::facts(row, first)).transpose()
}

fn write_decision(
    tx: &Connection,
    photo: PhotoId,
    label: LabelId,
    decided: &Decided,
    facts: Option<&SuggestedFacts>,
) -> Result<(), LibraryError> {
    let sql = "INSERT OR REPLACE INTO decision
               (photo, label, verdict, decided_ms, origin, model, prompt, cosine, score, probability, suggested_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    tx.prepare_cached(sql)?.execute(params![
        photo,
        label,
        decided.accepted,
        decided.decided_ms,
        decided.origin,
        facts.map(|facts| &facts.model),
        facts.map(|facts| &facts.prompt),
        facts.map(|facts| facts.cosine),
        facts.map(|facts| facts.score),
        facts.map(|facts| facts.probability),
        facts.map(|facts| facts.suggested_ms),
    ])?;
    tx.prepare_cached("DELETE FROM suggestion WHERE photo = ?1 AND label = ?2")?.execute(params![photo, label])?;
    Ok(())
}

fn suggest_again(tx: &Connection, photo: PhotoId, label: LabelId, facts: &SuggestedFacts) -> Result<(), LibraryError> {
    let sql = "INSERT OR IGNORE INTO suggestion (photo, label, model, prompt, cosine, score, probability, suggested_ms)
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
               WHERE ifnull((SELECT model FROM suggestion LIMIT 1), ?3) = ?3";
    let SuggestedFacts { model, prompt, cosine, score, probability, suggested_ms } = facts;
    tx.prepare_cached(sql)?.execute(params![photo, label, model, prompt, cosine, score, probability, suggested_ms])?;
    Ok(())
}
