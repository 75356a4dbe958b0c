//! A CLIP model: two towers, two projections, one joint space.
//!
//! Shapes are written as words, outermost axis first: `batch`, `seq` (tokens of a text or cells of a picture), `patch`,
//! `width` (a tower's inner size), `embed` (the joint space), `heads`, `vocab`.
//!
//! A new tower family is a new file beside [`vit`], or in [`timm`], with a config, a `load` and a `forward` that ends at
//! the pooled feature, and one more case in [`VisionTower`] or [`TextTower`].

#![expect(clippy::large_enum_variant, reason = "a program holds one or two models, whose parts are built once")]

pub mod activation;
pub mod attention;
pub mod bert;
pub mod block;
pub mod config;
pub mod conv;
pub mod direct;
mod fused;
pub mod hf_text;
pub mod m2m100;
pub mod padding;
pub mod position;
pub mod resnet;
pub mod text;
pub mod timm;
pub mod transformers;
pub mod vit;

use burn::tensor::{Device, Int, Tensor, TensorData};

use self::{
    bert::Bert,
    config::{ClipConfig, TextTowerConfig, VisionTowerConfig},
    m2m100::M2m100,
    resnet::ModifiedResNet,
    text::TextTransformer,
    timm::{convnext::ConvNext, efficientnet::EfficientNet, eva::Eva, fastvit::FastVit, vit::TimmVit},
    vit::VisionTransformer,
};
use crate::{
    error::LoadError, layers::in_f32, precision::Precision, probe::Probe, projection::Projection, threads,
    weights::Weights,
};

/// How cosines become scores, which depends on how the model was trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreKind {
    /// Trained with a softmax over the batch: labels compete, and scores sum to 1 over the label set.
    Softmax,
    /// Trained with a sigmoid per pair: each label has a probability of its own.
    Sigmoid,
}

/// Texts as token ids, all of one length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBatch {
    ids: Vec<u32>,
    length: usize,
}

impl TokenBatch {
    /// # Shapes
    /// - ids: `[batch · length]`, row-major
    ///
    /// # Panics
    /// If `length` is 0 or does not divide the number of ids.
    pub fn new(ids: Vec<u32>, length: usize) -> Self {
        assert!(length > 0 && ids.len().is_multiple_of(length), "{} ids in rows of {length}", ids.len());
        Self { ids, length }
    }

    /// Number of texts.
    pub fn count(&self) -> usize {
        self.ids.len() / self.length
    }

    /// Tokens per text, with padding.
    pub fn length(&self) -> usize {
        self.length
    }

    /// All ids, row by row.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// One slice of ids per text.
    pub fn rows(&self) -> impl Iterator<Item = &[u32]> {
        self.ids.chunks_exact(self.length)
    }

    /// The first `length` tokens of every text.
    pub fn cut(&self, length: usize) -> Self {
        Self { ids: self.rows().flat_map(|row| &row[..length]).copied().collect(), length }
    }

    fn to_tensor(&self, device: &Device) -> Tensor<2, Int> {
        let ids: Vec<i32> = self.ids.iter().map(|id| *id as i32).collect();
        Tensor::from_data(TensorData::new(ids, [self.count(), self.length]), device)
    }
}

/// An image tower of any family.
#[derive(Debug)]
pub enum VisionTower {
    /// open_clip's own.
    Vit(VisionTransformer),
    /// OpenAI's.
    ResNet(ModifiedResNet),
    /// timm's vision transformer: SigLIP, MobileCLIP-B, ViTamin.
    TimmVit(TimmVit),
    /// EVA and PE.
    Eva(Eva),
    /// ConvNeXt.
    ConvNext(ConvNext),
    /// FastViT: MobileCLIP-S.
    FastVit(FastVit),
    /// timm's EfficientNet-Lite.
    EfficientNet(EfficientNet),
}

impl VisionTower {
    fn load(weights: &Weights, config: &VisionTowerConfig, resampled: bool) -> Result<Self, LoadError> {
        Ok(match config {
            VisionTowerConfig::Vit(config) => Self::Vit(VisionTransformer::load(weights, config, resampled)?),
            VisionTowerConfig::ResNet(config) => Self::ResNet(ModifiedResNet::load(weights, config, resampled)?),
            VisionTowerConfig::ConvNext(config) => Self::ConvNext(ConvNext::load(weights, config)?),
            VisionTowerConfig::FastVit(config) => Self::FastVit(FastVit::load(weights, config)?),
            VisionTowerConfig::TimmVit(config) => Self::TimmVit(TimmVit::load(weights, config, resampled)?),
            VisionTowerConfig::Eva(config) => Self::Eva(Eva::load(weights, config, resampled)?),
            VisionTowerConfig::EfficientNet(config) => Self::EfficientNet(EfficientNet::load(weights, config)?),
        })
    }

    fn forward(&self, pixels: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        match self {
            Self::Vit(tower) => tower.forward(pixels, probe),
            Self::ResNet(tower) => tower.forward(pixels, probe),
            Self::ConvNext(tower) => tower.forward(pixels, probe),
            Self::FastVit(tower) => tower.forward(pixels, probe),
            Self::TimmVit(tower) => tower.forward(pixels, probe),
            Self::Eva(tower) => tower.forward(pixels, probe),
            Self::EfficientNet(tower) => tower.forward(pixels, probe),
        }
    }
}

/// A text tower of any family.
#[derive(Debug)]
pub enum TextTower {
    /// open_clip's own.
    Native(TextTransformer),
    /// BERT and its kin, from transformers.
    Bert(Bert),
    /// The encoder of M2M-100 and NLLB, from transformers.
    M2m100(M2m100),
}

impl TextTower {
    fn load(weights: &Weights, config: &TextTowerConfig) -> Result<Self, LoadError> {
        Ok(match config {
            TextTowerConfig::Native(config) => Self::Native(TextTransformer::load(weights, config)?),
            TextTowerConfig::Bert(config) => Self::Bert(Bert::load(weights, config)?),
            TextTowerConfig::M2m100(config) => Self::M2m100(M2m100::load(weights, config)?),
        })
    }

    fn forward(&self, tokens: &TokenBatch, probe: &mut Probe) -> Tensor<2> {
        match self {
            Self::Native(tower) => tower.forward(tokens, probe),
            Self::Bert(tower) => tower.forward(tokens, probe),
            Self::M2m100(tower) => tower.forward(tokens, probe),
        }
    }

    /// How many positions can influence the features of `tokens`.
    fn needed_length(&self, tokens: &TokenBatch) -> usize {
        match self {
            Self::Native(tower) => tower.needed_length(tokens),
            Self::Bert(tower) => tower.needed_length(tokens),
            Self::M2m100(tower) => tower.needed_length(tokens),
        }
    }
}

/// Pictures that a thread of the CPU takes through the image tower at once. More are slower: what is between two
/// operations leaves the caches.
const PICTURES_OF_A_THREAD: [usize; 2] = [2, 4];

/// Lengths of texts on a GPU are multiples of this.
const GPU_TEXT_STEP: usize = 16;

/// A model on a device.
#[derive(Debug)]
pub struct Clip {
    vision: VisionTower,
    text: TextTower,
    image_projection: Projection,
    text_projection: Projection,
    logit_scale: f32,
    logit_bias: Option<f32>,
    parameters: u64,
    device: Device,
    precision: Precision,
}

impl Clip {
    /// Builds towers and projections from the tensors of `weights`, all of them and no others. Towers have the precision of
    /// `weights`; projections are f32 in any, exactly as the file has them, because people look at them and change them.
    pub fn load(mut weights: Weights, config: &ClipConfig) -> Result<Self, LoadError> {
        if config.text_projection.key.starts_with("text.") {
            weights.adopt_unprefixed_text();
        }
        // `text.transformer.embeddings.position_ids` is a counter that old transformers versions stored.
        for name in config.ignored_keys {
            weights.ignore(name);
        }
        if config.caption_decoder {
            weights.ignore_below("text_decoder.");
        }
        let logit_bias = match config.score_kind {
            ScoreKind::Softmax => None,
            // open_clip factory.py:225: a checkpoint without the tensor has a bias of zero.
            ScoreKind::Sigmoid if !weights.has("logit_bias") => Some(0.0),
            ScoreKind::Sigmoid => Some(weights.scalar("logit_bias")?),
        };
        let precision = weights.precision();
        let vision = VisionTower::load(&weights, &config.vision, config.resampled)?;
        let text = TextTower::load(&weights, &config.text)?;
        weights = weights.in_precision(Precision::F32);
        Ok(Self {
            vision,
            text,
            precision,
            image_projection: Projection::load(&weights, &config.image_projection)?,
            text_projection: Projection::load(&weights, &config.text_projection)?,
            // Stored as a logarithm, so that training cannot make it negative.
            logit_scale: weights.scalar("logit_scale")?.exp(),
            logit_bias,
            device: weights.device().clone(),
            parameters: weights.finish()?,
        })
    }

    /// The pooled feature of each picture.
    ///
    /// # Shapes
    /// - pixels: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, width]`, f32 in any precision
    pub fn image_pooled(&self, pixels: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        let [batch, ..] = pixels.dims();
        let part = threads::part(batch, PICTURES_OF_A_THREAD);
        let pooled = |pixels: Tensor<4>, probe: &mut Probe| {
            in_f32(self.vision.forward(pixels.cast(self.precision.activations()), probe))
        };
        if !probe.is_off() || self.device != Device::flex() || batch <= part {
            return pooled(pixels, probe);
        }
        let parts = threads::spread(batch.div_ceil(part), |index| {
            let start = index * part;
            pooled(pixels.clone().narrow(0, start, part.min(batch - start)), &mut Probe::off())
        });
        Tensor::cat(parts, 0)
    }

    /// The pooled feature of each text, from all of its positions.
    ///
    /// # Shapes
    /// - tokens: `[batch, seq]`
    /// - output: `[batch, width]`, f32 in any precision
    pub fn text_pooled(&self, tokens: &TokenBatch, probe: &mut Probe) -> Tensor<2> {
        in_f32(self.text.forward(tokens, probe))
    }

    /// The same numbers as [`Self::text_pooled`], run only as far as the longest text needs.
    pub fn text_pooled_short(&self, tokens: &TokenBatch) -> Tensor<2> {
        // More than needed changes nothing; a GPU looks for kernels for each length, so it gets few of them.
        let step = if self.device == Device::flex() { 1 } else { GPU_TEXT_STEP };
        let length = self.text.needed_length(tokens).next_multiple_of(step).min(tokens.length());
        self.text_pooled(&tokens.cut(length), &mut Probe::off())
    }

    /// From the pooled feature of pictures to the joint space.
    pub fn image_projection(&self) -> &Projection {
        &self.image_projection
    }

    /// From the pooled feature of texts to the joint space.
    pub fn text_projection(&self) -> &Projection {
        &self.text_projection
    }

    /// What a cosine is multiplied with to give a logit (already exponentiated).
    pub fn logit_scale(&self) -> f32 {
        self.logit_scale
    }

    /// What is added to a logit, for models trained with a sigmoid.
    pub fn logit_bias(&self) -> Option<f32> {
        self.logit_bias
    }

    /// Number of values in all tensors of the checkpoint, without counters.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// In which numbers the towers are kept and computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Where the model is.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

/// Rows of unit length, as `torch.nn.functional.normalize`.
///
/// # Shapes
/// - x: `[batch, embed]`
/// - output: `[batch, embed]`
pub fn normalise(x: Tensor<2>) -> Tensor<2> {
    let length = x.clone().powi_scalar(2).sum_dim(1).sqrt().clamp_min(1e-12);
    x / length
}
