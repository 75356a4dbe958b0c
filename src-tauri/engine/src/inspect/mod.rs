//! Looking into a checkpoint: its tensors as numbers, and a matrix as a picture that can be zoomed.

pub mod pyramid;
pub mod tensors;

pub use pyramid::{Facts, Pyramid, Tile};
pub use tensors::{TensorError, TensorFile, TensorInfo, TensorValues};
