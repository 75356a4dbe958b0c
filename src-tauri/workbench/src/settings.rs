//! What is remembered between two starts: label set, model, device, where models come from.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use cliploupe_library::{paths, whole_file};

use crate::{
    assets,
    messages::{Edit, LabelSettings, Problem, ProblemCode, SidecarOptions, SpeedSettings},
};

/// The settings file's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// The label set; none before the person first changed it.
    pub labels: Option<LabelSettings>,
    /// `embedded`, the name of an installed model, or a path.
    pub model: String,
    /// `auto`, `cpu`, `gpu` or `gpu:N`.
    pub device: String,
    /// The name of the adapter that `gpu:N` meant: numbers change when cards come and go.
    pub adapter: Option<String>,
    /// How photos are read and models are kept.
    pub speed: SpeedSettings,
    /// Where checkpoints are downloaded from; none for `HF_ENDPOINT` or the hub itself.
    pub hub_endpoint: Option<String>,
    /// Stacks of edits of the projections, by the names they were saved under.
    pub stacks: BTreeMap<String, Vec<Edit>>,
    /// How sidecars are written.
    pub sidecars: SidecarOptions,
    /// The folder of the library, spelled as `cliploupe_library::paths::text` does; none for the usual one.
    pub library: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            labels: None,
            model: assets::EMBEDDED_MODEL.into(),
            device: "auto".into(),
            adapter: None,
            speed: SpeedSettings::default(),
            hub_endpoint: None,
            stacks: BTreeMap::new(),
            sidecars: SidecarOptions::default(),
            library: None,
        }
    }
}

/// The label set of a first start.
pub fn default_labels(threshold: f32) -> LabelSettings {
    LabelSettings {
        labels: assets::label_sets().swap_remove(0).labels,
        templates: assets::template_sets().swap_remove(0).templates,
        top_k: 3,
        threshold,
        prompts: BTreeMap::new(),
        set: None,
    }
}

/// Where the settings lie on this platform.
pub fn default_path() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "Cliploupe")?;
    Some(dirs.config_dir().join("settings.json"))
}

impl Settings {
    /// Reads the file; a missing one gives the defaults. A damaged one is put aside, never overwritten, and said.
    pub fn load(path: &Path) -> (Self, Option<Problem>) {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (Self::default(), None),
            Err(error) => {
                let problem = Problem::file(ProblemCode::Settings, "cannot read the settings", path, &error);
                return (Self::default(), Some(problem));
            }
        };
        match serde_json::from_str(&text) {
            Ok(settings) => (settings, None),
            Err(error) => {
                let kept = path.with_extension("json.damaged");
                let cause = match fs::rename(path, &kept) {
                    Ok(()) => format!("{error}; the file was kept as {}", kept.display()),
                    Err(_) => error.to_string(),
                };
                let path = path.display().to_string();
                let message = format!("cannot use the settings in {path:?}: {cause}");
                (
                    Self::default(),
                    Some(Problem::new(ProblemCode::Settings, &[("path", &path), ("cause", &cause)], message)),
                )
            }
        }
    }

    /// The folder of the library that a person chose.
    pub fn library_folder(&self) -> Option<PathBuf> {
        self.library.as_deref().and_then(paths::text::parse)
    }

    /// Writes the file, all of it or nothing.
    pub fn save(&self, path: &Path) -> Result<(), Problem> {
        self.write(path)
            .map_err(|error| Problem::file(ProblemCode::Settings, "cannot write the settings", path, &error))
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        whole_file::write(path, &serde_json::to_vec_pretty(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/settings.json");
        let settings = Settings { labels: Some(default_labels(0.3)), device: "cpu".into(), ..Settings::default() };
        settings.save(&path).unwrap();
        assert_eq!(Settings::load(&path), (settings, None));
    }

    #[test]
    fn a_damaged_file_is_kept_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        fs::write(&path, "{ labels:").unwrap();
        let (settings, problem) = Settings::load(&path);
        assert_eq!(settings, Settings::default());
        assert_eq!(problem.unwrap().code, ProblemCode::Settings);
        assert_eq!(fs::read_to_string(folder.path().join("settings.json.damaged")).unwrap(), "{ labels:");
    }
}
