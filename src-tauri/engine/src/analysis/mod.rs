//! Projections as linear algebra: what is in the matrices between the towers and the joint space.
//!
//! Everything is computed in f64 on the CPU, from the f32 of tensors, which widen without loss. A linear map is
//! `W: [output, input]` here, as in `y = W x + b` and in the papers, whatever way round the file has it; tables of
//! vectors have one vector per row. [`matrix`] and [`eigen`] are the layer on faer, [`spectrum`] the figures of one map,
//! [`band`] where a spectrum is flat, [`geometry`] how maps meet in the joint space, [`embeddings`] and [`principal`]
//! what they do to vectors at hand, [`report`] the card of a projection that was loaded, and [`statistics`] the figures
//! of any tensor.

pub mod band;
pub mod eigen;
pub mod embeddings;
pub mod geometry;
pub mod matrix;
pub mod principal;
pub mod report;
pub mod spectrum;
pub mod statistics;

pub use matrix::{AnalysisError, Matrix, Svd};
