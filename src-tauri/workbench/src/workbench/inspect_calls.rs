//! What a window and the command line ask of matrices, of one photo, of another model, and of projections to be fitted
//! or written.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use cliploupe_engine::lab::{
    Heads,
    file::Scores,
    table::evenly,
    tune::{Progress, Watch},
};

use super::{Workbench, lock};
use cliploupe_library::whole_file;

use crate::{
    lab::{
        InForce, ablation_report,
        at_hand::AtHand,
        classes::Classes,
        compare::{self, Other, Seen},
        explain,
        export::{self, Trial},
        matrix, nothing_at_hand, of_analysis,
        replacements::{self, Put},
        tune,
    },
    messages::{
        AblationOptions, AblationReport, Ask, CompareWith, Comparison, ExplainAbilities, Explained, ExportForm,
        ExportPlan, Exported, MatrixFacts, MatrixSource, PhotoId, Problem, ProblemCode, TensorRow, Tile, TuneOptions,
        TuneReport, WorkbenchEvent,
    },
    model_source::ModelSource,
};

/// Photos that two pairs of heads are compared on at most.
const COMPARED: usize = 2000;

impl Workbench {
    /// Every tensor of the checkpoint, in the order of their names.
    pub fn tensors(&self) -> Result<Vec<TensorRow>, Problem> {
        matrix::tensors(&self.in_force()?)
    }

    /// Opens a matrix; it stays open for [`Self::tile`] until another one is.
    pub fn open_matrix(&self, source: &MatrixSource) -> Result<MatrixFacts, Problem> {
        let in_force = self.in_force()?;
        if let Some(open) = lock(&self.lab.matrix).as_ref().filter(|open| open.is(&in_force, source)) {
            return Ok(open.facts());
        }
        let open = matrix::Open::new(&in_force, source)?;
        let facts = open.facts();
        *lock(&self.lab.matrix) = Some(open);
        Ok(facts)
    }

    /// Pixels of the open matrix as little-endian f32, row by row.
    pub fn tile(&self, tile: &Tile) -> Result<Vec<u8>, Problem> {
        let open =
            lock(&self.lab.matrix).as_ref().filter(|open| open.source == tile.source).map(|open| open.pyramid.clone());
        // A page that was reloaded asks for tiles of what it has not opened.
        let pyramid = match open {
            Some(pyramid) => pyramid,
            None => {
                self.open_matrix(&tile.source)?;
                let kept = lock(&self.lab.matrix);
                kept.as_ref().map(|open| open.pyramid.clone()).ok_or_else(|| nothing_at_hand("open matrix"))?
            }
        };
        Ok(matrix::pixels(&pyramid, tile))
    }

    /// What the loaded image tower can be asked about a photo.
    pub fn explain_abilities(&self) -> Result<ExplainAbilities, Problem> {
        let heads = self.in_force()?.heads;
        self.ask(move |model| explain::abilities(model, &heads))
    }

    /// Answers a question about one photo.
    pub fn explain(&self, id: PhotoId, ask: &Ask) -> Result<Explained, Problem> {
        let path = self.path(id).ok_or_else(|| nothing_at_hand("photo of that number"))?;
        let heads = self.in_force()?.heads;
        let scorer = self.shared.scorer();
        let question = explain::question(ask, scorer.as_deref())?;
        let labels = if let Ask::Lens { labels } = ask { labels.clone() } else { Vec::new() };
        let explanation = self.ask(move |model| explain::explain(model, &heads, &path, &question, labels))??;
        Ok(Explained { id, explanation })
    }

    /// Compares what computes now with something else.
    pub fn compare(&self, with: &CompareWith) -> Result<Comparison, Problem> {
        let in_force = self.in_force()?;
        let at_hand = self.at_hand(&in_force);
        let base = &in_force.base;
        let own = base.source.name();
        let other: Arc<Put> = match with {
            CompareWith::Model { name } => return self.compare_with_model(&in_force, &at_hand, name),
            CompareWith::Unedited => Arc::new(Put { heads: (*base.heads).clone(), scores: Scores::default() }),
            CompareWith::Head { name } => replacements::find(base, &lock(&self.lab.desk), name)?,
        };
        let right = match with {
            CompareWith::Head { name } => name.clone(),
            _ => own.clone(),
        };
        let left = if in_force.is_edited() { format!("{own} (edited)") } else { own };
        let rows: Vec<usize> = evenly(at_hand.photos.ids.len(), COMPARED).collect();
        let seen = |name: String, heads, scores| {
            let scoring = InForce { scores, ..in_force.clone() }.scoring();
            Seen::at_hand(name, base, heads, scoring, &at_hand, &rows)
        };
        let (left, right) = (seen(left, &in_force.heads, in_force.scores), seen(right, &other.heads, other.scores));
        compared(&left, &right, &at_hand, &rows)
    }

    fn compare_with_model(&self, in_force: &InForce, at_hand: &AtHand, name: &str) -> Result<Comparison, Problem> {
        let store = self.models.as_ref().ok().map(|models| models.store());
        let source = ModelSource::find(name, None, store)?;
        let version = in_force.base.version;
        // Another model in use makes the answer worthless.
        let go_on = || self.in_force().is_ok_and(|now| now.base.version == version);
        let other = Other::new(&source, at_hand, go_on)?.ok_or_else(tune::cancelled)?;
        let name = in_force.base.source.name();
        let left = Seen::at_hand(name, &in_force.base, &in_force.heads, in_force.scoring(), at_hand, &other.rows);
        compared(&left, &other.seen(), at_hand, &other.rows)
    }

    /// Fits heads to the classes of the photos at hand; they can then be put in by name.
    pub fn tune(&self, options: &TuneOptions) -> Result<TuneReport, Problem> {
        let in_force = self.in_force()?;
        let data = self.classed(&in_force)?;
        let (mut report, head) = self.watched(|watch| tune::tune(&in_force, &data, options, watch))?;
        if let Some(image) = head {
            let put = Put { heads: Heads { image, text: in_force.heads.text.clone() }, scores: in_force.scores };
            let name = lock(&self.lab.desk).new_name();
            if let Some(folder) = self.kept_heads(&in_force.base)
                && let Err(problem) = replacements::keep(&in_force.base, &folder, &name, &put)
            {
                // They can be used all the same, for as long as the program runs.
                self.shared.emit_problem(problem);
            }
            lock(&self.lab.desk).tuned.insert(name.clone(), Arc::new(put));
            report.replacement = Some(name);
        }
        self.tell_lab();
        Ok(report)
    }

    /// Compares forms of heads on the classes of the photos at hand.
    pub fn ablation(&self, options: &AblationOptions) -> Result<AblationReport, Problem> {
        let in_force = self.in_force()?;
        let data = self.classed(&in_force)?;
        let report = self.watched(|watch| tune::ablation(&in_force, &data, options, watch))?;
        *lock(&self.lab.ablation) = Some(report.clone());
        Ok(report)
    }

    fn classed(&self, in_force: &InForce) -> Result<tune::Data, Problem> {
        let at_hand = self.at_hand(in_force);
        let classes = Classes::of(&at_hand.photos).ok_or_else(tune::no_classes)?;
        let names = self.class_names(in_force, &classes)?;
        Ok(tune::Data::new(in_force, &at_hand, classes, &names))
    }

    /// Runs one fit at a time, telling how far it is.
    fn watched<T>(&self, fit: impl FnOnce(&mut Watch<'_>) -> Result<T, Problem>) -> Result<T, Problem> {
        let cancel = Arc::new(AtomicBool::new(false));
        {
            let mut running = lock(&self.lab.fit);
            if running.is_some() {
                let message = "a projection is being fitted already. Wait for it, or stop it.";
                return Err(Problem::new(ProblemCode::ModelBusy, &[("name", "projection")], message));
            }
            *running = Some(cancel.clone());
        }
        let mut tell = |progress: Progress| {
            self.shared.emit(WorkbenchEvent::TuneProgress { progress: progress.into() });
        };
        let _running = Running(self);
        fit(&mut Watch { cancel: &cancel, progress: &mut tell })
    }

    /// Stops a fit.
    pub fn cancel_tune(&self) {
        if let Some(cancel) = &*lock(&self.lab.fit) {
            cancel.store(true, Ordering::Relaxed);
        }
    }

    /// The newest ablation as `markdown` or `html`, with a name for its file.
    pub fn ablation_text(&self, format: &str) -> Result<(String, String), Problem> {
        let kept = lock(&self.lab.ablation);
        let report = kept.as_ref().ok_or_else(|| nothing_at_hand("ablation"))?;
        Ok(match format {
            "html" => (ablation_report::html(report), "ablation.html".into()),
            _ => (ablation_report::markdown(report), "ablation.md".into()),
        })
    }

    /// Writes a file whole; its path.
    pub fn write_file(&self, path: &Path, content: &[u8]) -> Result<String, Problem> {
        whole_file::write(path, content)
            .map_err(|error| Problem::file(ProblemCode::Export, "cannot write", path, &error))?;
        Ok(path.display().to_string())
    }

    /// What exporting the heads in force comes to.
    pub fn export_plan(&self) -> Result<ExportPlan, Problem> {
        let in_force = self.in_force()?;
        self.ask(move |model| Ok(export::told(&export::plan(model, &in_force)?)))?
    }

    /// A name for the file or folder that is exported.
    pub fn export_name(&self, form: ExportForm) -> Result<String, Problem> {
        let name = self.in_force()?.base.source.name().replace(['/', '\\'], "-");
        Ok(match form {
            ExportForm::Heads => format!("{name}-heads.safetensors"),
            ExportForm::Checkpoint => format!("{name}-edited"),
        })
    }

    /// Writes the heads in force, alone or as a whole checkpoint, and reads them back. A file with heads is only
    /// `replaced` if that is said, and a folder never is.
    pub fn export_heads(&self, form: ExportForm, path: &Path, replaced: bool) -> Result<Exported, Problem> {
        let in_force = self.in_force()?;
        let at_hand = self.at_hand(&in_force);
        let (bytes, difference) = match form {
            ExportForm::Heads => {
                let bytes = export::write_heads(&in_force, path, replaced)?;
                (bytes, export::heads_difference(&in_force.base, &in_force, path, &at_hand)?)
            }
            ExportForm::Checkpoint => {
                let (now, known) = (in_force.clone(), at_hand.clone());
                let prepared = self.ask(move |model| -> Result<_, Problem> {
                    let trial = Trial::new(model, &known);
                    Ok((export::plan(model, &now)?, trial.by_heads(model, &now.heads), trial))
                });
                let (plan, expected, trial) = prepared??;
                let bytes = export::write_checkpoint(&plan, path)?;
                (bytes, trial.of_checkpoint(path, &expected)?)
            }
        };
        Ok(Exported { path: path.display().to_string(), bytes, difference })
    }
}

/// A fit that is under way, until it is dropped, which a panic does too.
struct Running<'a>(&'a Workbench);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        *lock(&self.0.lab.fit) = None;
    }
}

fn compared(left: &Seen<'_>, right: &Seen<'_>, at_hand: &AtHand, rows: &[usize]) -> Result<Comparison, Problem> {
    let ids: Vec<PhotoId> = rows.iter().map(|row| at_hand.photos.ids[*row]).collect();
    compare::compare(left, right, &ids, &at_hand.labels()).map_err(|error| of_analysis(&error))
}
