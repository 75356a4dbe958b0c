//! A way to look inside a forward pass.
//!
//! Towers report their stages by the names that the golden fixtures use (`visual.block.3`, `text.ln_final`). Off, which
//! is the normal case, a report costs one branch; on, every stage is copied to the host.

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

/// Collects the stages of a forward pass, or nothing.
#[derive(Default)]
pub struct Probe {
    stages: Option<Vec<(String, Stage)>>,
}

impl Probe {
    /// Collects nothing.
    pub fn off() -> Self {
        Self { stages: None }
    }

    /// Collects every stage.
    pub fn on() -> Self {
        Self { stages: Some(Vec::new()) }
    }

    /// Whether stages are collected; towers compute what only an onlooker needs only then.
    pub fn is_on(&self) -> bool {
        self.stages.is_some()
    }

    /// Reports a stage.
    pub fn see<const D: usize>(&mut self, name: impl FnOnce() -> String, value: &Tensor<D>) {
        if let Some(stages) = &mut self.stages {
            // Copied at once: on wgpu, the bytes that `to_data` gives can be those of a buffer that a later stage fills
            // again (burn 0.22.1 on llvmpipe: every stage read as the last one).
            stages.push((name(), Stage { shape: value.dims().to_vec(), values: read(value.clone()) }));
        }
    }

    /// What was collected, by name.
    pub fn into_stages(self) -> BTreeMap<String, Stage> {
        self.into_order().into_iter().collect()
    }

    /// What was collected, in the order of the pass.
    pub fn into_order(self) -> Vec<(String, Stage)> {
        self.stages.unwrap_or_default()
    }
}
