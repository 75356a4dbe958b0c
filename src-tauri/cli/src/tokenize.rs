//! `tokenize`: token ids of texts, padded to the model's context.

use cliploupe_workbench::engine::chain;
use serde_json::json;

use crate::{
    Report,
    args::{Common, Tokenize},
    failure::Failed,
    setup::load_for_reading,
};

pub fn run(command: &Tokenize, common: &Common) -> Result<Report, Failed> {
    let model = load_for_reading(common, command.texts.language.as_deref())?;
    let tokenizer = model.tokenizer()?;
    let mut ids = Vec::new();
    for text in &command.text {
        // As open_clip does it: special tokens in the text stay what they are.
        ids.push(tokenizer.encode(text).map_err(|error| Failed::work(chain(&error)))?.ids);
    }
    let line = |ids: &Vec<u32>| ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ") + "\n";
    Ok(Report { text: ids.iter().map(line).collect(), json: json!({ "ids": ids }), complete: true })
}
