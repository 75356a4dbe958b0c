//! Labels as sentences: what stands for a label, and the text tower's features of it.

use std::collections::HashMap;

use cliploupe_engine::{
    Model,
    lab::{Head, Table},
    zero_shot,
};

use crate::{
    messages::{LabelProblem, LabelSettings, Problem, ProblemCode},
    problem::of_encode,
};

/// Between the parts of a label's name: `animal/dog`.
const STEP: char = '/';

/// Pooled features of sentences, `[width]` each.
pub type KnownSentences = HashMap<String, Vec<f32>>;

/// Labels as the text tower left them, before the projection.
pub struct Sentences {
    /// Which label each group of sentences belongs to; labels with a problem have none.
    pub columns: Vec<u32>,
    /// Sentences of each of those labels.
    pub counts: Vec<usize>,
    /// `[sentence, width]`, label after label.
    pub pooled: Table,
}

impl Sentences {
    /// The direction of each label by a text head: `[label, embed]`, unit vectors.
    pub fn directions(&self, head: &Head) -> Vec<f32> {
        zero_shot::label_directions(head.apply(&self.pooled).unit().values(), &self.counts, head.output_dim())
    }

    /// The mean feature of each label's sentences, `[label, width]`.
    pub fn means(&self) -> Table {
        let width = self.pooled.columns();
        let mut rows = self.pooled.rows();
        let mean = |count: &usize| {
            let mut mean = vec![0.0; width];
            for row in rows.by_ref().take(*count) {
                mean.iter_mut().zip(row).for_each(|(m, v)| *m += v / *count as f32);
            }
            mean
        };
        Table::new(width, self.counts.iter().flat_map(mean).collect())
    }
}

/// Encodes labels, each under its own sentences.
pub fn encode(model: &Model, labels: &[Vec<String>]) -> Result<Sentences, Problem> {
    let counts = labels.iter().map(Vec::len).collect();
    let pooled = encode_sentences(model, &labels.concat())?;
    Ok(Sentences { columns: (0..labels.len() as u32).collect(), counts, pooled })
}

/// Pooled features, `[sentence, width]`.
pub fn encode_sentences(model: &Model, sentences: &[String]) -> Result<Table, Problem> {
    let width = model.clip.text_projection().config().input_dim;
    if sentences.is_empty() {
        return Ok(Table::new(width, Vec::new()));
    }
    let tokens = model.tokenize(sentences).map_err(|error| of_encode(&error))?;
    Ok(Table::new(width, zero_shot::text_pooled(&model.clip, &tokens)))
}

/// The sentences that stand for a label: its prompts, or the last part of its name, under its templates or the set's.
pub fn sentences_of(settings: &LabelSettings, label: &str) -> Vec<String> {
    let own = settings.prompts.get(label);
    let prompts = own.map(|own| own.prompts.iter().map(|prompt| prompt.trim()).filter(|prompt| !prompt.is_empty()));
    let mut prompts: Vec<&str> = prompts.into_iter().flatten().collect();
    if prompts.is_empty() {
        prompts.push(leaf(label));
    }
    let templates = own.and_then(|own| own.templates.as_ref()).unwrap_or(&settings.templates);
    let templates = usable_templates(templates);
    let filled = |prompt| templates.iter().map(move |template| zero_shot::fill(template, prompt));
    prompts.into_iter().flat_map(filled).collect()
}

/// The last part of a label's name: `dog` of `animal/dog`.
pub fn leaf(label: &str) -> &str {
    label.rsplit(STEP).map(str::trim).find(|part| !part.is_empty()).unwrap_or(label.trim())
}

/// Templates with a place for the label; without any, the label alone.
pub fn usable_templates(templates: &[String]) -> Vec<String> {
    let usable: Vec<String> =
        templates.iter().filter(|template| template.contains(zero_shot::PLACEHOLDER)).cloned().collect();
    if usable.is_empty() { vec![zero_shot::PLACEHOLDER.to_owned()] } else { usable }
}

/// Indices of the labels that can be encoded, and the problems of the others.
pub fn usable_labels(labels: &[String]) -> (Vec<u32>, Vec<LabelProblem>) {
    let (good, empty): (Vec<u32>, Vec<u32>) =
        (0..labels.len() as u32).partition(|index| !labels[*index as usize].trim().is_empty());
    let problem = |index: u32| LabelProblem {
        index,
        label: labels[index as usize].clone(),
        problem: Problem::new(
            ProblemCode::BadLabel,
            &[("cause", "empty")],
            "an empty label says nothing about a picture. Give it a name or remove it.",
        ),
    };
    (good, empty.into_iter().map(problem).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{messages::LabelPrompts, settings::default_labels};

    #[test]
    fn a_label_is_its_last_part_unless_it_has_prompts() {
        let mut settings = default_labels(0.0);
        settings.templates = vec!["a photo of a {}".into(), "{}".into()];
        assert_eq!(sentences_of(&settings, "animal/dog"), ["a photo of a dog", "dog"]);
        let own = LabelPrompts { prompts: vec!["puppy".into(), " ".into(), "a dog at play".into()], templates: None };
        settings.prompts.insert("animal/dog".into(), own.clone());
        assert_eq!(sentences_of(&settings, "animal/dog").len(), 4);
        settings.prompts.insert("animal/dog".into(), LabelPrompts { templates: Some(vec!["{}".into()]), ..own });
        assert_eq!(sentences_of(&settings, "animal/dog"), ["puppy", "a dog at play"]);
    }

    #[test]
    fn means_are_of_each_labels_own_sentences() {
        let pooled = Table::new(2, vec![1.0, 2.0, 3.0, 4.0, 9.0, 9.0]);
        let sentences = Sentences { columns: vec![0, 1], counts: vec![2, 1], pooled };
        assert_eq!(sentences.means().values(), [2.0, 3.0, 9.0, 9.0]);
    }
}
