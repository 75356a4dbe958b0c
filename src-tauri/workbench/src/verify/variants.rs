//! The configuration a model has, and those it is often confused with.

use std::{fs, path::Path};

use cliploupe_engine::{
    Checkpoint, Device, Model,
    checkpoint::{Layout, read_json},
    files::Files,
    tokenizer,
};
use serde_json::{Value, json};

use super::{
    Finding,
    trial::{Score, Trial},
};
use crate::messages::{CheckId, CheckOutcome};

/// Small files that a configuration may refer to.
const COMPANIONS: [&str; 2] = ["config.json", "preprocessor_config.json"];

/// What a checkpoint's configuration says, as its writer wrote it.
pub struct Described {
    json: Value,
    layout: Layout,
}

impl Described {
    /// Reads it again; what cannot be read describes nothing.
    pub fn read(checkpoint: &Checkpoint) -> Self {
        let json = read_json(checkpoint.files, &checkpoint.config).unwrap_or_default();
        Self { json, layout: checkpoint.layout }
    }

    fn text(&self) -> &Value {
        match self.layout {
            Layout::OpenClip => &self.json["model_cfg"]["text_cfg"],
            Layout::Transformers => &self.json["text_config"],
        }
    }

    fn vision(&self) -> &Value {
        match self.layout {
            Layout::OpenClip => &self.json["model_cfg"]["vision_cfg"],
            Layout::Transformers => &self.json["vision_config"],
        }
    }

    /// Whether the text tower reads Chinese alone.
    pub fn is_chinese(&self) -> bool {
        self.json["model_type"] == "chinese_clip"
    }

    /// How the feature of a text is taken: `argmax`, `eos`, `last`, `first`, `mean`, or as the configuration says.
    pub fn text_pooling(&self) -> String {
        let text = self.text();
        let named = |key: &str, default: &str| text[key].as_str().unwrap_or(default).to_owned();
        match self.layout {
            // open_clip hf_model.py names the poolers.
            Layout::OpenClip if text["hf_model_name"].is_string() => {
                match named("hf_pooler_type", "mean_pooler").as_str() {
                    "mean_pooler" => "mean".to_owned(),
                    "cls_pooler" | "cls_last_hidden_state_pooler" => "first".to_owned(),
                    other => other.to_owned(),
                }
            }
            Layout::OpenClip => named("pool_type", "argmax"),
            Layout::Transformers => match self.json["model_type"].as_str() {
                Some("siglip" | "siglip2") => "last".to_owned(),
                Some("chinese_clip") => "first".to_owned(),
                // transformers modeling_clip.py: an end token of 2 is a mistake of old files, which pool at the
                // largest id.
                _ if text["eos_token_id"].as_u64().is_none_or(|id| id == 2) => "argmax".to_owned(),
                _ => "eos".to_owned(),
            },
        }
    }

    /// Whether a token sees only those before it, where the configuration tells.
    pub fn is_causal(&self) -> Option<bool> {
        let text = self.text();
        match self.layout {
            Layout::OpenClip if text["hf_model_name"].is_string() => Some(false),
            Layout::OpenClip => Some(text["no_causal_mask"] != true),
            Layout::Transformers => (self.json["model_type"] == "clip").then_some(true),
        }
    }

    /// Whether both towers are CLIP's own, whose activation and epsilon are in the configuration.
    fn is_native(&self) -> bool {
        match self.layout {
            Layout::OpenClip => {
                self.vision()["timm_model_name"].is_null()
                    && self.vision()["layers"].is_u64()
                    && self.text()["hf_model_name"].is_null()
            }
            Layout::Transformers => self.json["model_type"].as_str().is_none_or(|kind| kind == "clip"),
        }
    }

    /// The other activation, and the names of both; none where a tower has one of its own.
    fn other_activation(&self) -> Option<(Value, &'static str, &'static str)> {
        let mut json = self.json.clone();
        let has_own = |tower: &Value| !tower["act_kwargs"].is_null();
        if !self.is_native() || has_own(self.text()) || has_own(self.vision()) {
            return None;
        }
        let is_quick = match self.layout {
            Layout::OpenClip => json["model_cfg"]["quick_gelu"] == true,
            Layout::Transformers => self.vision()["hidden_act"].as_str().is_none_or(|name| name == "quick_gelu"),
        };
        match self.layout {
            Layout::OpenClip => json["model_cfg"]["quick_gelu"] = json!(!is_quick),
            Layout::Transformers => {
                let other = if is_quick { "gelu" } else { "quick_gelu" };
                json["text_config"]["hidden_act"] = json!(other);
                json["vision_config"]["hidden_act"] = json!(other);
            }
        }
        Some(if is_quick { (json, "QuickGELU", "GELU") } else { (json, "GELU", "QuickGELU") })
    }

    /// The other epsilon of LayerNorms, and both in words; none where a tower has one of its own.
    fn other_epsilon(&self) -> Option<(Value, &'static str, &'static str)> {
        let mut json = self.json.clone();
        let (path, keys): (&[&str], [&str; 2]) = match self.layout {
            Layout::OpenClip => (&["model_cfg"], ["text_cfg", "vision_cfg"]),
            Layout::Transformers => (&[], ["text_config", "vision_config"]),
        };
        let epsilon = match self.layout {
            Layout::OpenClip => self.text()["norm_kwargs"]["eps"].as_f64().unwrap_or(1e-5),
            Layout::Transformers => self.text()["layer_norm_eps"].as_f64().unwrap_or(1e-5),
        };
        if !self.is_native() {
            return None;
        }
        let is_usual = epsilon > 5e-6;
        let other = if is_usual { 1e-6 } else { 1e-5 };
        let towers = path.iter().fold(&mut json, |json, key| &mut json[*key]);
        for key in keys {
            match self.layout {
                Layout::OpenClip => towers[key]["norm_kwargs"] = json!({ "eps": other }),
                Layout::Transformers => towers[key]["layer_norm_eps"] = json!(other),
            }
        }
        Some(if is_usual { (json, "1e-5", "1e-6") } else { (json, "1e-6", "1e-5") })
    }
}

/// Whether another reading of the same weights is so much better that this one must be wrong.
pub fn is_better(other: &Score, than: &Score) -> bool {
    let gain = other.margin - than.margin;
    gain > 0.01 && gain > 0.1 * than.margin.abs()
}

/// Tries the model with another configuration of the same weights.
pub fn swapped(id: CheckId, checkpoint: &Checkpoint, described: &Described, score: &Score) -> Finding {
    let what = if id == CheckId::Activation { "the activation" } else { "the epsilon of norms" };
    let variant = if id == CheckId::Activation { described.other_activation() } else { described.other_epsilon() };
    let Some((json, configured, other)) = variant.filter(|_| checkpoint.files == Files::Disk) else {
        let message = format!("not made: {what} of these towers is not a matter of the configuration");
        return Finding::skipped("notNative", message);
    };
    let swapped = match try_with(&json, checkpoint) {
        Ok(Some(swapped)) => swapped,
        Ok(None) => return Finding::skipped("noTokenizer", "not made: without a tokenizer there are no words"),
        // The engine does not take the variant, so the model cannot have been meant so.
        Err(cause) => {
            let message = format!("not made: {what} cannot be changed to {other} ({cause})");
            return Finding::skipped("notNative", message);
        }
    };
    let (outcome, message) = if is_better(&swapped, score) {
        let message = format!(
            "{what} is {configured}, and {other} does better: own labels stand out by {:+.3} instead of {:+.3}",
            swapped.margin, score.margin
        );
        let outcome = if swapped.right > score.right { CheckOutcome::Fail } else { CheckOutcome::Warn };
        (outcome, message)
    } else {
        let message = format!(
            "{what} is {configured}: own labels stand out by {:+.3}, with {other} by {:+.3}",
            score.margin, swapped.margin
        );
        (CheckOutcome::Pass, message)
    };
    Finding::new(outcome, message)
        .figure(score.margin - swapped.margin)
        .with("configured", configured)
        .with("other", other)
        .with("margin", format!("{:.3}", score.margin))
        .with("swapped", format!("{:.3}", swapped.margin))
}

/// The score of the checkpoint's weights under another configuration; none without a tokenizer.
fn try_with(json: &Value, checkpoint: &Checkpoint) -> Result<Option<Score>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let name = checkpoint.config.file_name().unwrap_or_default();
    for companion in COMPANIONS.iter().chain(&tokenizer::FILE_NAMES) {
        let from = checkpoint.config.with_file_name(companion);
        if from.is_file() {
            fs::copy(&from, folder.path().join(companion)).map_err(|error| error.to_string())?;
        }
    }
    let config = folder.path().join(Path::new(name));
    fs::write(&config, json.to_string()).map_err(|error| error.to_string())?;
    let variant = Checkpoint { config, known_config: None, ..checkpoint.clone() };
    let described = Described::read(&variant);
    let model = Model::load(variant, None, &Device::flex()).map_err(|error| cliploupe_engine::chain(&error))?;
    Ok(Trial::run(&model, &described)?.score())
}
