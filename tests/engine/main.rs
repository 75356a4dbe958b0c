//! The engine against goldens: numbers from open_clip, transformers, Pillow, and files that are wrong on purpose.

/// The linear algebra of projections, against numpy's.
mod analysis;
/// Pictures that are damaged, huge, odd or no pictures.
mod bad_input;
/// What a bias in a projection does, in closed forms.
mod bias_math;
/// Checkpoints that are damaged, or not what they say.
mod checkpoints;
/// Photos of which fewer pixels are decoded.
mod detail;
/// The embedded model against open_clip, from picture file to logits.
mod embedded;
/// Where one photo's vector comes from.
mod explain;
/// Whole checkpoints and small files with changed heads, written and read back.
mod export;
/// Files and configurations changed at random.
mod fuzz;
/// Edits of projections, on golden models and on disk.
mod lab;
/// Each deliberate mistake must fail its golden.
mod mistakes;
/// Resampled positions.
mod position;
/// Towers in f16, and with weights that are f16 at rest.
mod precision;
/// Pillow's resize, level for level.
mod preprocess;
/// Every published configuration, in its real size.
mod published_shapes;
/// PyTorch files, and files that attack those who read them.
mod pytorch;
mod support;
/// Any tensor of any file, as a person looks at it.
mod tensors;
/// Token ids.
mod tokenizer;
mod torch_files;
/// Towers and projections, stage by stage, on the CPU.
mod towers;
/// transformers' layouts and text towers beyond the goldens.
mod transformers;
/// Fitting a head to classes, and what that is worth.
mod tune;
/// The same on wgpu.
mod wgpu;
/// From picture and words to probabilities.
mod zero_shot;
