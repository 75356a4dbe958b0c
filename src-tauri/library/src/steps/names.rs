//! Names of labels, to and fro: a step that renamed tags is undone by names, not photo by photo.

use rusqlite::{Connection, params};

use super::{
    StepId, Way,
    record::{Named, from_json},
};
use crate::{
    LibraryError,
    labels::{self, LabelId},
};

/// A label that gets another name.
struct Renamed {
    label: LabelId,
    from: String,
    to: String,
}

/// Gives labels their other names; the names that had to stay.
pub(super) fn go_names(tx: &Connection, step: StepId, way: Way) -> Result<Vec<String>, LibraryError> {
    let mut statement =
        tx.prepare_cached("SELECT label, before, after FROM step_change WHERE step = ?1 AND photo = 0")?;
    let rows: Vec<(LabelId, String, String)> =
        statement.query_map([step], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let (mut renamed, mut skipped) = (vec![], vec![]);
    for (label, before, after) in rows {
        let (before, after) = (from_json::<Named>(&before)?.name, from_json::<Named>(&after)?.name);
        let (from, to) = if way == Way::Back { (after, before) } else { (before, after) };
        match labels::name(tx, label)? {
            Some(name) if name == from => renamed.push(Renamed { label, from, to }),
            Some(name) => skipped.push(name),
            None => skipped.push(from),
        }
    }
    skipped.extend(stay(tx, &mut renamed)?);
    let ways_out = give_way(tx, &renamed)?;
    renamed.extend(ways_out);
    // All step aside first, for one may take the name that another has now.
    let mut set = tx.prepare_cached("UPDATE label SET name = ?2 WHERE id = ?1")?;
    for Renamed { label, .. } in &renamed {
        set.execute(params![label, format!("\u{1}{label}")])?;
    }
    for Renamed { label, to, .. } in &renamed {
        set.execute(params![label, to])?;
    }
    Ok(skipped)
}

/// The label that has a name and does not give it up by being renamed itself.
fn holder(tx: &Connection, renamed: &[Renamed], name: &str) -> Result<Option<LabelId>, LibraryError> {
    if renamed.iter().any(|other| other.from == name) { Ok(None) } else { labels::find(tx, name) }
}

/// Takes those out of `renamed` whose new name belongs to a label that photos were decided by; their names.
fn stay(tx: &Connection, renamed: &mut Vec<Renamed>) -> Result<Vec<String>, LibraryError> {
    let mut decided = tx.prepare_cached("SELECT 1 FROM decision WHERE label = ?1")?;
    let mut names = vec![];
    loop {
        let mut blocked = None;
        for (at, Renamed { to, .. }) in renamed.iter().enumerate() {
            if let Some(other) = holder(tx, renamed, to)?
                && decided.exists([other])?
            {
                blocked = Some(at);
            }
        }
        // One that stays may be in the way of another.
        let Some(at) = blocked else { return Ok(names) };
        names.push(renamed.swap_remove(at).from);
    }
}

/// Labels without any decision, as a run over the library makes them, give their names to those in `renamed`, and their
/// suggestions with them. They take names that become free, so that the way forth and back ends where it began.
fn give_way(tx: &Connection, renamed: &[Renamed]) -> Result<Vec<Renamed>, LibraryError> {
    let mut others = vec![];
    for Renamed { label, from, to } in renamed {
        let Some(other) = holder(tx, renamed, to)? else { continue };
        tx.prepare_cached(
            "UPDATE OR REPLACE suggestion SET label = ?2 WHERE label = ?1
             AND NOT EXISTS (SELECT 1 FROM decision d WHERE d.photo = suggestion.photo AND d.label = ?2)",
        )?
        .execute([other, *label])?;
        tx.prepare_cached("DELETE FROM suggestion WHERE label = ?1")?.execute([other])?;
        let mut free = from;
        while let Some(next) = renamed.iter().find(|next| next.to == *free) {
            free = &next.from;
        }
        others.push(Renamed { label: other, from: to.clone(), to: free.clone() });
    }
    Ok(others)
}
