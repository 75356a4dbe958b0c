//! In which numbers a model is kept and computed.
//!
//! Tensors say at run time what their numbers are, so towers are written once. The rule that makes three precisions of
//! one tower is in [`crate::layers`]: a layer computes in the numbers of its input.

use burn::tensor::FloatDType;

/// In which numbers a model is kept and computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Everything in f32.
    F32,
    /// Weights in f16, computed in f32: half the memory, and each weight is made f32 anew whenever it is used.
    HalfAtRest,
    /// Weights and activations in f16. Sums of norms and of attention are in f32, and so is what towers give and what
    /// projections compute.
    F16,
}

impl Precision {
    /// What large weights are kept in: matrices, tables and kernels. They are nearly all of a model's memory.
    pub fn at_rest(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::HalfAtRest | Self::F16 => FloatDType::F16,
        }
    }

    /// What towers compute in. Small weights that are added to activations or multiplied with them (biases, positions,
    /// class tokens, scales of branches) are kept in it, so that no use converts them.
    pub fn activations(self) -> FloatDType {
        match self {
            Self::F32 | Self::HalfAtRest => FloatDType::F32,
            Self::F16 => FloatDType::F16,
        }
    }
}
