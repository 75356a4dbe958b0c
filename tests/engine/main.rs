//! The engine against goldens: numbers from open_clip, transformers, Pillow, and files that are wrong on purpose.

/// The linear algebra of projections, against numpy's.
mod analysis;
/// Pictures that are damaged, huge, odd or no pictures.
mod bad_input;
/// Checkpoints that are damaged, or not what they say.
mod checkpoints;
/// The embedded model against open_clip, from picture file to logits.
mod embedded;
/// Files and configurations changed at random.
mod fuzz;
/// Each deliberate mistake must fail its golden.
mod mistakes;
/// Resampled positions.
mod position;
/// Pillow's resize, level for level.
mod preprocess;
/// Every published configuration, in its real size.
mod published_shapes;
/// PyTorch files, and files that attack those who read them.
mod pytorch;
mod support;
/// Token ids.
mod tokenizer;
mod torch_files;
/// Towers and projections, stage by stage, on the CPU.
mod towers;
/// transformers' layouts and text towers beyond the goldens.
mod transformers;
/// The same on wgpu.
mod wgpu;
/// From picture and words to probabilities.
mod zero_shot;
