//! What a window asks of models: to list, fetch, check and remove them, and to compute with another one.

use std::{path::PathBuf, sync::Arc};

use super::{Workbench, lock};
use crate::{
    messages::{ModelList, Problem, ProblemCode, VerifyReport, WorkbenchEvent},
    model_source::ModelSource,
    models::{self, Models},
    store::{Halt, Hub, Import, Stop},
    verify,
};

impl Workbench {
    fn the_models(&self) -> Result<&Arc<Models>, Problem> {
        self.models.as_ref().map_err(Clone::clone)
    }

    /// Every model there is. Changes come as events.
    pub fn models(&self) -> Result<ModelList, Problem> {
        self.the_models()?.list()
    }

    /// Begins to download a model of the catalogue, or goes on with it. How it goes comes as events.
    pub fn pull_model(&self, name: &str) -> Result<(), Problem> {
        self.the_models()?.pull(name)
    }

    /// Stops a download and keeps what has arrived.
    pub fn pause_transfer(&self, name: &str) -> Result<(), Problem> {
        self.the_models()?.pause(name);
        Ok(())
    }

    /// Stops a download or a copy and removes what has arrived.
    pub fn cancel_transfer(&self, name: &str) -> Result<(), Problem> {
        self.the_models()?.cancel(name)
    }

    /// Makes a checkpoint of this machine an installed model. Returns when it is there, with its name; none if it was
    /// cancelled.
    pub fn import_model(&self, import: &Import) -> Result<Option<String>, Problem> {
        self.the_models()?.import(import)
    }

    /// Removes an installed model, unless it computes.
    pub fn remove_model(&self, name: &str) -> Result<(), Problem> {
        self.the_models()?.remove(name)
    }

    /// Where an installed model's files lie.
    pub fn model_path(&self, name: &str) -> Result<PathBuf, Problem> {
        let installed = self.the_models()?.store().find(name).ok_or_else(|| models::unknown(name))?;
        Ok(installed.path().to_owned())
    }

    /// Loads a model by name: `embedded`, an installed one, or a path. See [`Self::choose_model`].
    pub fn choose_model_named(&self, name: &str) -> Result<(), Problem> {
        self.choose_model(ModelSource::find(name, None, Some(self.the_models()?.store()))?)
    }

    /// Downloads come from this address from now on; none for `HF_ENDPOINT` or the hub itself.
    pub fn set_hub_endpoint(&self, endpoint: Option<&str>) -> Result<(), Problem> {
        let endpoint = endpoint.map(str::trim).filter(|endpoint| !endpoint.is_empty());
        self.the_models()?.set_hub(Hub::new(endpoint))?;
        self.remember(|settings| settings.hub_endpoint = endpoint.map(str::to_owned))
    }

    /// Checks a model on the CPU and on the device in use. Returns when it is done; how far it is comes as events.
    pub fn verify_model(&self, name: &str) -> Result<VerifyReport, Problem> {
        let source = ModelSource::find(name, None, Some(self.the_models()?.store()))?;
        let halt = Halt::default();
        {
            let mut checks = lock(&self.checks);
            if checks.iter().any(|(busy, _)| busy == name) {
                let message = format!("{name} is being checked already.");
                return Err(Problem::new(ProblemCode::ModelBusy, &[("name", name)], message));
            }
            checks.push((name.to_owned(), halt.clone()));
        }
        let (_, device) = self.shared.current();
        let report = verify::verify(&source, &device, &halt, &mut |progress| {
            self.shared.emit(WorkbenchEvent::VerifyProgress { progress });
        });
        lock(&self.checks).retain(|(busy, _)| busy != name);
        report
    }

    /// Stops the checks of a model; those not made are skipped.
    pub fn cancel_verify(&self, name: &str) {
        lock(&self.checks).iter().filter(|(busy, _)| busy == name).for_each(|(_, halt)| halt.ask(Stop::Cancel));
    }

    pub(super) fn stop_model_work(&self) {
        lock(&self.checks).iter().for_each(|(_, halt)| halt.ask(Stop::Cancel));
        if let Ok(models) = &self.models {
            models.pause_all();
        }
    }
}
