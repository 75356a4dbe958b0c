//! How good suggestions are: against the decisions in the library, or against a truth that was given.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use cliploupe_engine::{
    Device, Model,
    device::read,
    lab::{Heads, Table},
    photo::{self, Limits},
    preprocess,
    probe::Probe,
    zero_shot::Scoring,
};
use cliploupe_library::{calibrate::NEUTRAL, tags};

use super::{Workbench, lock};
use crate::{
    lab::{Base, of_analysis, replacements},
    messages::{CompareWith, EvaluationQuery, EvaluationReport, PhotoId, Problem, ProblemCode},
    model_source::ModelSource,
    problem::of_load,
    review::{Judgement, Truth, View, evaluate},
    sentences::{self, sentences_of},
    shelf::{absolute, of_library},
    table::Pooled,
};

/// Photos that another model encodes at once.
const BATCH: usize = 8;

impl Workbench {
    /// Suggestions against what a person decided.
    pub fn evaluate(&self, query: &EvaluationQuery) -> Result<EvaluationReport, Problem> {
        let shelf = self.shelf()?;
        let names = shelf.read(tags::tags_with_counts)?;
        let names: Vec<String> =
            names.into_iter().filter(|tag| tag.confirmed + tag.rejected > 0).map(|tag| tag.name).collect();
        if names.is_empty() {
            let message =
                "nothing has been decided yet, so there is nothing to judge suggestions by. Accept or reject some.";
            return Err(Problem::new(ProblemCode::NothingAtHand, &[("what", "decisions")], message));
        }
        let mut photos = BTreeMap::<PhotoId, Vec<Option<bool>>>::new();
        for (at, name) in names.iter().enumerate() {
            for (id, accepted) in self.verdicts(name)? {
                photos.entry(id).or_insert_with(|| vec![None; names.len()])[at] = Some(accepted);
            }
        }
        self.judge(self.truth(names, photos, true)?, query)
    }

    /// Suggestions against a truth that names all labels of each photo.
    pub fn evaluate_truth(
        &self,
        truth: Vec<(PathBuf, Vec<String>)>,
        labels: &[String],
        query: &EvaluationQuery,
    ) -> Result<EvaluationReport, Problem> {
        let ids: HashMap<PathBuf, PhotoId> =
            self.shared.table().iter().map(|(id, row)| (row.path.clone(), id)).collect();
        let mut photos = BTreeMap::new();
        for (path, right) in truth {
            if let Some(id) = ids.get(&absolute(&path)) {
                let known = labels.iter().map(|label| Some(right.contains(label))).collect();
                photos.insert(*id, known);
            }
        }
        if photos.is_empty() {
            let message = "none of the photos that the truth names has been read. Are its paths right?";
            return Err(Problem::new(ProblemCode::NothingAtHand, &[("what", "photos")], message));
        }
        self.judge(self.truth(labels.to_vec(), photos, false)?, query)
    }

    /// The newest evaluation as tables, and what a file of it is called.
    pub fn evaluation_text(&self, markdown: bool) -> Result<(String, String), Problem> {
        let name = if markdown { "evaluation.md" } else { "evaluation.txt" };
        Ok((self.newest(|judgement| judgement.text(markdown))?, name.into()))
    }

    /// The newest evaluation as JSON, and what a file of it is called.
    pub fn evaluation_json(&self) -> Result<(String, String), Problem> {
        let text = self.newest(|judgement| serde_json::to_string_pretty(&judgement.report))?;
        Ok((text.map_err(|error| Problem::internal(&error.to_string()))?, "evaluation.json".into()))
    }

    fn newest<T>(&self, ask: impl FnOnce(&Judgement) -> T) -> Result<T, Problem> {
        let none = || Problem::new(ProblemCode::NothingAtHand, &[("what", "evaluation")], "evaluate something first");
        lock(&self.evaluation).as_ref().map(ask).ok_or_else(none)
    }

    fn truth(
        &self,
        labels: Vec<String>,
        photos: BTreeMap<PhotoId, Vec<Option<bool>>>,
        learns: bool,
    ) -> Result<Truth, Problem> {
        let threshold = |label: &String| match &self.shared.shelf {
            Some(_) => self.threshold(label),
            None => Ok(cliploupe_library::thresholds::DEFAULT_PROBABILITY),
        };
        let thresholds = labels.iter().map(threshold).collect::<Result<_, _>>()?;
        Ok(Truth { labels, thresholds, photos, learns })
    }

    fn judge(&self, truth: Truth, query: &EvaluationQuery) -> Result<EvaluationReport, Problem> {
        let this = self.own_view(&truth)?;
        let other = query.compare.as_ref().map(|with| self.other_view(&truth, with)).transpose()?;
        let judgement = evaluate(&truth, &this, other.as_ref(), &query.measure).map_err(|error| of_library(&error))?;
        let report = judgement.report.clone();
        *lock(&self.evaluation) = Some(judgement);
        Ok(report)
    }

    /// Photos and labels by the heads in force.
    fn own_view(&self, truth: &Truth) -> Result<View, Problem> {
        let in_force = self.in_force()?;
        let name = in_force.base.source.name();
        let what = if in_force.is_edited() { format!("{name} (edited)") } else { name };
        self.view_by(what, &in_force.heads, in_force.scoring(), truth)
    }

    /// Photos and labels by heads of the loaded model.
    fn view_by(&self, what: String, heads: &Heads, scoring: Scoring, truth: &Truth) -> Result<View, Problem> {
        let width = heads.image.input_dim();
        let ids = self.sample_with(truth.photos.keys().copied());
        let (ids, places): (Vec<PhotoId>, Vec<Pooled>) = {
            let table = self.shared.table();
            ids.into_iter().filter_map(|id| Some((id, table.get(id)?.pooled.clone()?))).unzip()
        };
        let (kept, values) = self.shared.features(&places, width);
        let photos = kept.into_iter().map(|at| ids[at]).collect();
        let embeddings = heads.image.apply(&Table::new(width, values)).unit();
        let labels = self.sentences(&truth.labels)?;
        let words = NEUTRAL.map(str::to_owned).to_vec();
        let neutral = self.ask(move |model| sentences::encode_sentences(model, &words))??;
        let directions = labels.directions(&heads.text);
        let neutral = mean(&heads.text.apply(&neutral).unit());
        Ok(View { what, photos, embeddings, directions, neutral, scoring })
    }

    fn other_view(&self, truth: &Truth, with: &CompareWith) -> Result<View, Problem> {
        let base = self.in_force()?.base.clone();
        match with {
            CompareWith::Unedited => self.view_by(base.source.name(), &base.heads, base.scoring, truth),
            CompareWith::Head { name } => {
                let put = replacements::find(&base, &lock(&self.lab.desk), name)?;
                self.view_by(name.clone(), &put.heads, base.scoring, truth)
            }
            CompareWith::Model { name } => {
                let store = self.models.as_ref().ok().map(|models| models.store());
                self.view_by_model(&ModelSource::find(name, None, store)?, truth)
            }
        }
    }

    /// The photos of the truth and its labels by another model, which has to encode them first.
    fn view_by_model(&self, source: &ModelSource, truth: &Truth) -> Result<View, Problem> {
        let checkpoint = source.checkpoint().map_err(|error| of_load(&error))?;
        let model = Model::load(checkpoint, None, &Device::flex()).map_err(|error| of_load(&error))?;
        let base = Base::of(source, &model, 0).map_err(|error| of_analysis(&error))?;
        let paths: Vec<(PhotoId, PathBuf)> = {
            let table = self.shared.table();
            truth.photos.keys().filter_map(|id| Some((*id, table.get(*id)?.path.clone()))).collect()
        };
        let (mut photos, mut pooled) = (Vec::new(), Vec::new());
        for batch in paths.chunks(BATCH) {
            let mut pixels = Vec::new();
            for (id, path) in batch {
                // A file that is gone has no place in the comparison.
                if let Ok(photo) = photo::open(path, &Limits::default()) {
                    let seen = preprocess::resize_and_crop(&photo.picture, &model.preprocess);
                    pixels.extend(preprocess::normalise(&seen, &model.preprocess));
                    photos.push(*id);
                }
            }
            if !pixels.is_empty() {
                pooled.extend(read(model.clip.image_pooled(model.pixel_batch(pixels), &mut Probe::off())));
            }
        }
        let heads = &base.heads;
        let embeddings = heads.image.apply(&Table::new(heads.image.input_dim(), pooled)).unit();
        let settings = self.shared.labels().0;
        let labels: Vec<Vec<String>> = truth.labels.iter().map(|label| sentences_of(&settings, label)).collect();
        let directions = sentences::encode(&model, &labels)?.directions(&heads.text);
        let neutral = sentences::encode_sentences(&model, &NEUTRAL.map(str::to_owned))?;
        let neutral = mean(&heads.text.apply(&neutral).unit());
        Ok(View { what: source.name(), photos, embeddings, directions, neutral, scoring: base.scoring })
    }
}

fn mean(table: &Table) -> Vec<f32> {
    table.mean().unwrap_or_default().into_iter().map(|value| value as f32).collect()
}
