//! What a window and the command line ask of the projections: to describe them, and to change them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use cliploupe_engine::{
    Model,
    analysis::AnalysisError,
    lab::{Heads, Table, edit, project::reproject},
};
use crossbeam_channel::bounded;
use sha2::{Digest, Sha256};

use super::{Workbench, lock};
use crate::{
    lab::{
        Base, Before, InForce,
        at_hand::AtHand,
        cards,
        classes::Classes,
        collection,
        desk::Desk,
        edits,
        effect::{self, View},
        meaning, nothing_at_hand, of_analysis, replacements,
    },
    messages::{
        CollectionReport, Direction, Edit, FlipArithmetic, LabEffect, LabState, Meaning, PhotoId, PriorRow, Problem,
        ProblemCode, ProjectionReport, SideBySide, WorkbenchEvent,
    },
    sentences::{self, Sentences, sentences_of},
    worker::Control,
};

impl Workbench {
    /// What the model answers, once it has done what it is at. There is no answer without a model.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Model) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (reply, answer) = bounded(1);
        let question = move |model: Option<&Model>| {
            // Without a model the reply is dropped, which is heard.
            if let Some(model) = model {
                let _ = reply.send(question(model));
            }
        };
        let _ = self.control.send(Control::Ask(Box::new(question)));
        answer.recv().map_err(|_| no_model())
    }

    /// The heads in force.
    pub(super) fn in_force(&self) -> Result<InForce, Problem> {
        self.shared.in_force().clone().ok_or_else(no_model)
    }

    /// The photos and labels that the loaded model has encoded.
    pub(super) fn at_hand(&self, in_force: &InForce) -> Arc<AtHand> {
        let mut kept = lock(&self.lab.at_hand);
        let now = AtHand::of(&self.shared, &in_force.base, kept.as_ref());
        *kept = Some(now.clone());
        now
    }

    /// Both projections by their weights, with the edits in force.
    pub fn projection_report(&self) -> Result<ProjectionReport, Problem> {
        let in_force = self.in_force()?;
        let at_hand = self.at_hand(&in_force);
        let known = |(heads, of, _): &&(Arc<Heads>, Arc<AtHand>, ProjectionReport)| {
            Arc::ptr_eq(heads, &in_force.heads) && Arc::ptr_eq(of, &at_hand)
        };
        if let Some((.., report)) = lock(&self.lab.report).as_ref().filter(known) {
            return Ok(report.clone());
        }
        let report = cards::report(&in_force, &at_hand).map_err(|error| of_analysis(&error))?;
        *lock(&self.lab.report) = Some((in_force.heads, at_hand, report.clone()));
        Ok(report)
    }

    /// The photos and labels at hand before and after their projections.
    pub fn collection_report(&self) -> Result<CollectionReport, Problem> {
        let in_force = self.in_force()?;
        collection::report(&in_force, &self.at_hand(&in_force)).map_err(|error| of_analysis(&error))
    }

    /// Labels and photos along a direction of the joint space.
    pub fn meaning(&self, direction: &Direction) -> Result<Meaning, Problem> {
        let in_force = self.in_force()?;
        meaning::meaning(&in_force, &self.at_hand(&in_force), direction)
    }

    /// What the image side's effective bias adds to each label, the most first; empty without one.
    pub fn class_prior(&self) -> Result<Vec<PriorRow>, Problem> {
        let in_force = self.in_force()?;
        meaning::class_prior(&in_force, &self.at_hand(&in_force))
    }

    /// Encodes labels under the templates of the label set.
    pub(super) fn sentences(&self, labels: &[String]) -> Result<Sentences, Problem> {
        let sentences = self.sentences_of(labels);
        self.ask(move |model| sentences::encode(model, &sentences))?
    }

    fn sentences_of(&self, labels: &[String]) -> Vec<Vec<String>> {
        let settings = self.shared.labels().0;
        labels.iter().map(|label| sentences_of(&settings, label.trim())).collect()
    }

    /// Where heads that were tuned for a model are kept, if anything is remembered.
    pub(super) fn kept_heads(&self, base: &Base) -> Option<PathBuf> {
        let name = base.source.text();
        let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        // Two paths may read the same once they are a folder's name.
        let hash = u64::from_be_bytes(*Sha256::digest(&name).first_chunk()?);
        let readable: String = name.chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().map(word).collect();
        Some(self.settings_path.as_ref()?.parent()?.join("heads").join(format!("{readable}-{hash:016x}")))
    }

    /// Brings back the heads that were tuned for this model in other runs.
    fn recall_tuned(&self, base: &Base) {
        if lock(&self.lab.desk).knows_kept_of == Some(base.version) {
            return;
        }
        let kept = self.kept_heads(base).map(|folder| replacements::kept(base, &folder)).unwrap_or_default();
        let mut desk = lock(&self.lab.desk);
        desk.knows_kept_of = Some(base.version);
        for (name, put) in kept {
            desk.tuned.entry(name).or_insert_with(|| Arc::new(put));
        }
    }

    /// The stack of edits and all that belongs to it.
    pub fn lab(&self) -> Result<LabState, Problem> {
        let in_force = self.in_force()?;
        self.recall_tuned(&in_force.base);
        let classes = Classes::of(&self.at_hand(&in_force).photos);
        let saved = lock(&self.settings).stacks.keys().cloned().collect();
        let desk = lock(&self.lab.desk);
        let [can_undo, can_redo] = desk.can_step();
        Ok(LabState {
            name: desk.name.clone(),
            edits: desk.edits.clone(),
            problems: desk.problems.clone(),
            can_undo,
            can_redo,
            saved,
            replacements: replacements::list(&in_force.base, &desk),
            classes: classes.map(|classes| classes.infos()).unwrap_or_default(),
        })
    }

    /// Begins anew: edits and tuned heads are of one model.
    pub(super) fn forget_lab(&self) {
        *lock(&self.lab.desk) = Desk::default();
        *lock(&self.lab.matrix) = None;
        *lock(&self.lab.ablation) = None;
        self.tell_lab();
    }

    /// Tells the onlooker how the lab stands.
    pub(super) fn tell_lab(&self) {
        if let Ok(lab) = self.lab() {
            self.shared.emit(WorkbenchEvent::LabChanged { lab: Box::new(lab) });
        }
    }

    /// Replaces the stack of edits; all photos and labels are projected and scored again, none is encoded.
    pub fn set_edits(&self, edits: Vec<Edit>) -> Result<LabEffect, Problem> {
        lock(&self.lab.desk).replace(edits);
        self.apply_edits()
    }

    /// Goes one step back in the history of the stack.
    pub fn undo_edit(&self) -> Result<LabEffect, Problem> {
        lock(&self.lab.desk).undo();
        self.apply_edits()
    }

    /// Takes back an undoing.
    pub fn redo_edit(&self) -> Result<LabEffect, Problem> {
        lock(&self.lab.desk).redo();
        self.apply_edits()
    }

    /// Keeps the stack under a name, for later starts too.
    pub fn save_edits(&self, name: &str) -> Result<(), Problem> {
        let name = name.trim();
        let edits = {
            let mut desk = lock(&self.lab.desk);
            desk.name = Some(name.to_owned());
            desk.edits.clone()
        };
        let saved = self.remember(|settings| drop(settings.stacks.insert(name.to_owned(), edits)));
        self.tell_lab();
        saved
    }

    /// Puts a saved stack in the place of this one.
    pub fn load_edits(&self, name: &str) -> Result<LabEffect, Problem> {
        let edits = lock(&self.settings).stacks.get(name).cloned();
        let edits = edits.ok_or_else(|| edits::problem(&format!("no edits are saved under {name:?}")))?;
        {
            let mut desk = lock(&self.lab.desk);
            desk.replace(edits);
            desk.name = Some(name.to_owned());
        }
        self.apply_edits()
    }

    /// Forgets a saved stack; the one in force stays.
    pub fn forget_edits(&self, name: &str) -> Result<(), Problem> {
        {
            let mut desk = lock(&self.lab.desk);
            desk.name.take_if(|own| own == name);
        }
        let forgotten = self.remember(|settings| drop(settings.stacks.remove(name)));
        self.tell_lab();
        forgotten
    }

    /// What the edits in force do.
    pub fn lab_effect(&self) -> Result<LabEffect, Problem> {
        let begin = Instant::now();
        let in_force = self.in_force()?;
        let at_hand = self.at_hand(&in_force);
        let after = self.after(&in_force, &at_hand);
        self.effect_of(&in_force, &at_hand, &after, begin)
    }

    /// Makes the heads in force those of the stack.
    fn apply_edits(&self) -> Result<LabEffect, Problem> {
        // One at a time: a slider asks for the next before it has the answer to the one before.
        let _turn = lock(&self.lab.turn);
        let begin = Instant::now();
        let in_force = self.in_force()?;
        self.recall_tuned(&in_force.base);
        let at_hand = self.at_hand(&in_force);
        let stack = lock(&self.lab.desk).edits.clone();
        let names = edits::Names {
            base: &in_force.base,
            at_hand: &at_hand,
            encode: &|labels| self.sentences(labels),
            heads: &|name| replacements::find(&in_force.base, &lock(&self.lab.desk), name),
        };
        let (acting, mut problems) = edits::resolve(&stack, &names);
        let edits: Vec<edit::Edit> = acting.iter().map(|resolved| resolved.edit.clone()).collect();
        let (heads, refused) = edit::apply(&in_force.base.heads, &edits, &at_hand.context);
        // The last heads that were put in say how scores are made.
        let acted = acting.iter().enumerate().filter(|(index, _)| refused.iter().all(|(other, _)| other != index));
        let scores = acted.rev().find_map(|(_, resolved)| resolved.scores).unwrap_or_default();
        problems.extend(refused.into_iter().map(|(index, error)| edits::problem_of(acting[index].id, &error)));
        // The very same heads, where nothing is changed, are known to be so.
        let heads = if heads == *in_force.base.heads { in_force.base.heads.clone() } else { Arc::new(heads) };
        let now = InForce { base: in_force.base, heads, scores };
        let after = self.after(&now, &at_hand);
        self.install(&now, &at_hand, &after)?;
        lock(&self.lab.desk).problems = problems;
        let effect = self.effect_of(&now, &at_hand, &after, begin);
        self.tell_lab();
        effect
    }

    /// Puts heads in force, with the photos that are at hand projected already.
    fn install(&self, now: &InForce, at_hand: &AtHand, after: &Table) -> Result<(), Problem> {
        let mut guard = self.shared.in_force();
        let still = guard.as_ref().is_some_and(|current| current.base.version == now.base.version);
        if !still {
            return Err(edits::problem("another model was loaded meanwhile"));
        }
        *guard = Some(now.clone());
        self.shared.project_again(now, at_hand, after);
        Ok(())
    }

    /// What changes from the checkpoint's heads to those in force.
    fn effect_of(
        &self,
        in_force: &InForce,
        at_hand: &AtHand,
        after: &Table,
        begin: Instant,
    ) -> Result<LabEffect, Problem> {
        let base = &in_force.base;
        let before = self.before(base, at_hand).unit();
        let views = [
            View::new(&base.heads, base.scoring, &before, at_hand),
            View::new(&in_force.heads, in_force.scoring(), after, at_hand),
        ];
        let classes = Classes::of(&at_hand.photos);
        let names = classes.as_ref().map(|classes| self.class_names(in_force, classes)).transpose()?;
        let known = classes.as_ref().zip(names.as_deref());
        let failed = |error: AnalysisError| of_analysis(&error);
        let spectra = self.spectra(base).map_err(failed)?;
        let mut effect = effect::effect([&views[0], &views[1]], at_hand, &spectra, known).map_err(failed)?;
        effect.elapsed_ms = begin.elapsed().as_secs_f64() * 1e3;
        Ok(effect)
    }

    /// Singular values of the checkpoint's heads; kept, since every move of a slider is compared with the same ones.
    fn spectra(&self, base: &Base) -> Result<[Vec<f64>; 2], AnalysisError> {
        let mut kept = lock(&self.lab.spectra);
        if let Some((_, spectra)) = kept.as_ref().filter(|(version, _)| *version == base.version) {
            return Ok(spectra.clone());
        }
        let spectra = effect::spectra(&base.heads)?;
        *kept = Some((base.version, spectra.clone()));
        Ok(spectra)
    }

    /// The names of classes as sentences; kept, since every move of a slider measures the same classes.
    pub(super) fn class_names(&self, in_force: &InForce, classes: &Classes) -> Result<Arc<Sentences>, Problem> {
        let sentences = self.sentences_of(&classes.names);
        let key = (in_force.base.version, sentences.clone());
        if let Some((known, names)) = &*lock(&self.lab.class_names)
            && *known == key
        {
            return Ok(names.clone());
        }
        let names = Arc::new(self.ask(move |model| sentences::encode(model, &sentences))??);
        *lock(&self.lab.class_names) = Some((key, names.clone()));
        Ok(names)
    }

    /// The photos by the checkpoint's heads, not normalised.
    fn before(&self, base: &Base, at_hand: &AtHand) -> Arc<Table> {
        let mut kept = lock(&self.lab.before);
        if let Some(Before { version, photos, projected }) = &*kept
            && *version == base.version
            && Arc::ptr_eq(photos, &at_hand.photos)
        {
            return projected.clone();
        }
        let projected = Arc::new(base.heads.image.apply(at_hand.pooled()));
        let photos = at_hand.photos.clone();
        *kept = Some(Before { version: base.version, photos, projected: projected.clone() });
        projected
    }

    /// The photos by other heads, unit vectors.
    fn after(&self, in_force: &InForce, at_hand: &AtHand) -> Table {
        let base = &in_force.base;
        let before = self.before(base, at_hand);
        reproject(&in_force.heads.image, at_hand.pooled(), &base.heads.image, &before).unit()
    }

    /// Why a photo's best label has changed.
    pub fn flip_arithmetic(&self, id: PhotoId) -> Result<FlipArithmetic, Problem> {
        let in_force = self.in_force()?;
        let at_hand = self.at_hand(&in_force);
        let row = at_hand.photos.ids.binary_search(&id).map_err(|_| nothing_at_hand("encoded photo of that number"))?;
        let pooled = at_hand.pooled().select([row]);
        let heads = [&*in_force.base.heads, &*in_force.heads];
        effect::arithmetic(heads, &pooled, &at_hand, in_force.base.scoring)
            .ok_or_else(|| nothing_at_hand("changes of this photo's best label"))
    }

    /// A search by words without and with the edits.
    pub fn search_side_by_side(&self, query: &str, top: usize) -> Result<SideBySide, Problem> {
        let query = self.sentences(&[query.to_owned()])?;
        let in_force = self.in_force()?;
        let at_hand = self.at_hand(&in_force);
        let before = self.before(&in_force.base, &at_hand).unit();
        let after = self.after(&in_force, &at_hand);
        let views = [
            View::new(&in_force.base.heads, in_force.base.scoring, &before, &at_hand),
            View::new(&in_force.heads, in_force.scoring(), &after, &at_hand),
        ];
        Ok(effect::search([&views[0], &views[1]], &query, &at_hand, top))
    }

    /// Makes a file's heads one of the replacements; its name among them.
    pub fn add_head_file(&self, path: &Path) -> Result<String, Problem> {
        let in_force = self.in_force()?;
        let put = replacements::read(&in_force.base, path)?;
        let name = path.display().to_string();
        lock(&self.lab.desk).files.insert(name.clone(), Arc::new(put));
        self.tell_lab();
        Ok(name)
    }
}

impl super::Shared {
    /// Stores the vectors of photos and labels by other heads, and scores. Called while the heads are locked.
    fn project_again(&self, now: &InForce, at_hand: &AtHand, after: &Table) {
        let mut table = self.table();
        for (id, row) in at_hand.photos.ids.iter().zip(after.rows()) {
            if let Some(photo) = table.get_mut(*id).filter(|photo| photo.outdated.is_none()) {
                photo.embedding = Some(row.into());
            }
        }
        // Photos that were encoded since are few.
        let width = now.heads.image.input_dim();
        for (id, row) in table.iter_mut().filter(|(_, row)| row.outdated.is_none()) {
            let is_new = || at_hand.photos.ids.binary_search(&id).is_err();
            if let Some(pooled) =
                row.pooled.as_ref().filter(|_| is_new()).and_then(|pooled| self.feature(pooled, width))
            {
                let embedding = now.heads.image.apply(&Table::new(width, pooled)).unit();
                row.embedding = Some(embedding.values().into());
            }
        }
        drop(table);
        self.forget_index();
        if let Some(scorer) = self.scorer() {
            *lock(&self.scorer) = Some(Arc::new(scorer.with_head(&now.heads.text, now.scoring())));
            self.rescore();
        }
    }
}

fn no_model() -> Problem {
    let message = "no model is loaded, or it could not answer. Wait until it is there, or choose another one.";
    Problem::new(ProblemCode::NothingAtHand, &[("what", "model")], message)
}
