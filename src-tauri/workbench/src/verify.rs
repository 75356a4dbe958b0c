//! Placeholder until the checks are written.
use crate::{
    messages::{Problem, VerifyProgress, VerifyReport},
    model_source::ModelSource,
    store::Halt,
};
use cliploupe_engine::device::DeviceChoice;
pub fn verify(
    _s: &ModelSource,
    _d: &DeviceChoice,
    _h: &Halt,
    _t: &mut dyn FnMut(VerifyProgress),
) -> Result<VerifyReport, Problem> {
    Err(Problem::internal("not yet"))
}
