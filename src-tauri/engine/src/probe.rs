//! A way to look inside a forward pass.
//!
//! Towers report their stages by the names that the golden fixtures use (`visual.block.3`, `text.ln_final`). Off, which
//! is the normal case, a report costs one branch; on, every stage is copied to the host; and a probe that was given names
//! copies those alone, because all stages of a large tower are gigabytes.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::device::read;

/// A tensor on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Outermost axis first.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

/// Which stages are collected.
#[derive(Default)]
enum Wanted {
    #[default]
    Nothing,
    Everything,
    Named(Box<dyn Fn(&str) -> bool>),
}

/// Collects the stages of a forward pass, some of them, or nothing.
#[derive(Default)]
pub struct Probe {
    wanted: Wanted,
    stages: Vec<(String, Stage)>,
}

impl Probe {
    /// Collects nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// Collects every stage, but for what towers compute only if asked by name.
    pub fn on() -> Self {
        Self { wanted: Wanted::Everything, ..Self::default() }
    }

    /// Collects the stages with the names that are `wanted`.
    pub fn only(wanted: impl Fn(&str) -> bool + 'static) -> Self {
        Self { wanted: Wanted::Named(Box::new(wanted)), ..Self::default() }
    }

    /// Whether nothing is collected.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.wanted, Wanted::Nothing)
    }

    /// Reports a stage of the pass.
    pub fn see<const D: usize>(&mut self, name: impl FnOnce() -> String, value: &Tensor<D>) {
        self.look(name, || value.clone());
    }

    /// Reports what is beside the pass, which is computed only for an onlooker.
    pub fn look<const D: usize>(&mut self, name: impl FnOnce() -> String, value: impl FnOnce() -> Tensor<D>) {
        if !self.is_off() {
            self.collect(name(), value);
        }
    }

    /// As [`Self::look`], but not for an onlooker who wants everything: it costs too much, or no golden has it.
    pub fn look_if_named<const D: usize>(&mut self, name: impl FnOnce() -> String, value: impl FnOnce() -> Tensor<D>) {
        if matches!(self.wanted, Wanted::Named(_)) {
            self.collect(name(), value);
        }
    }

    fn collect<const D: usize>(&mut self, name: String, value: impl FnOnce() -> Tensor<D>) {
        if let Wanted::Named(wanted) = &self.wanted
            && !wanted(&name)
        {
            return;
        }
        let value = value();
        // Copied at once: on wgpu, the bytes that `to_data` gives can be those of a buffer that a later stage fills
        // again (burn 0.22.1 on llvmpipe: every stage read as the last one).
        self.stages.push((name, Stage { shape: value.dims().to_vec(), values: read(value) }));
    }

    /// What was collected, by name.
    pub fn into_stages(self) -> BTreeMap<String, Stage> {
        self.into_order().into_iter().collect()
    }

    /// What was collected, in the order of the pass.
    pub fn into_order(self) -> Vec<(String, Stage)> {
        self.stages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn names(mut probe: Probe) -> Vec<String> {
        let one = Tensor::<1>::ones([1], &Device::flex());
        let mut computed = 0;
        probe.see(|| "pass".into(), &one);
        let mut beside = || {
            computed += 1;
            one.clone()
        };
        probe.look(|| "beside".into(), &mut beside);
        probe.look_if_named(|| "costly".into(), &mut beside);
        let names: Vec<_> = probe.into_order().into_iter().map(|(name, _)| name).collect();
        assert_eq!(computed, names.iter().filter(|name| *name != "pass").count());
        names
    }

    #[test]
    fn only_what_is_wanted_is_computed_and_copied() {
        assert!(names(Probe::off()).is_empty());
        assert_eq!(names(Probe::on()), ["pass", "beside"]);
        assert_eq!(names(Probe::only(|name| name == "costly")), ["costly"]);
        assert_eq!(names(Probe::only(|name| name != "costly")), ["pass", "beside"]);
    }
}
