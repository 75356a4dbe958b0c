//! Pictures and words in, vectors out: the engine of Cliploupe.
//!
//! A file becomes a [`photo`], a photo becomes pixels ([`preprocess`]), a text becomes tokens ([`tokenizer`]), towers
//! make a pooled feature of either ([`clip`]), a [`projection`] takes it to the joint space, and [`zero_shot`] compares.
//! What a projection does, in numbers, is [`analysis`]; how it is changed is [`lab`]; where one photo's vector comes from is
//! [`explain`]; and [`inspect`] opens any tensor.
//! [`checkpoint`] reads all of that from disk. The engine knows no window, no database and no network, and never falls
//! back: what it cannot do is an error by name.

pub mod analysis;
pub mod checkpoint;
pub mod clip;
pub mod device;
pub mod error;
pub mod explain;
pub mod files;
pub mod inspect;
pub mod lab;
pub mod layers;
mod panels;
pub mod photo;
pub mod precision;
pub mod preprocess;
pub mod probe;
pub mod projection;
pub mod pytorch;
pub mod tensor_index;
mod threads;
pub mod tokenizer;
pub mod weights;
pub mod zero_shot;

pub use burn::tensor::{Device, Tensor, TensorData};
pub use checkpoint::{Checkpoint, EncodeError, Model};
pub use error::{LoadError, chain};
pub use precision::Precision;
