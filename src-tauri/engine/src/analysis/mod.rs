//! Projections as linear algebra: what is in the matrices between the towers and the joint space.
//!
//! Everything is computed in f64 on the CPU, from the f32 of tensors, which widen without loss. A linear map is
//! `W: [output, input]` here, as in `y = W x + b` and in the papers, whatever way round the file has it; tables of
//! vectors have one vector per row. [`matrix`] is the layer on faer, [`spectrum`] the figures of one map, [`geometry`]
//! how maps meet in the joint space, [`embeddings`] what they do to vectors at hand, and [`report`] the card of a
//! projection that was loaded.

pub mod embeddings;
pub mod geometry;
pub mod matrix;
pub mod report;
pub mod spectrum;

pub use matrix::{AnalysisError, Matrix, Svd};
