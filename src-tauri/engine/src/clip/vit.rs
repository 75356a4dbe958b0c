//! open_clip's own image tower.
//! Follows open_clip `transformer.py`, `VisionTransformer`, at commit 89fb801f.

use burn::{
    nn::LayerNorm,
    tensor::{Tensor, assert_shape, module::conv2d, ops::ConvOptions},
};

use super::block::{BlockConfig, ResidualAttentionBlock, Sight};
use super::position::{Rule, resample_grid};
use crate::{error::LoadError, probe::Probe, weights::Weights};

/// How the tokens of the last block become one feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisionPool {
    /// The class token.
    Token,
    /// The mean of the patch tokens, without the class token.
    Average,
}

/// A vision transformer, as open_clip's `vision_cfg` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct VitConfig {
    /// Height and width of the input in pixels.
    pub image_size: [usize; 2],
    /// Height and width of a patch in pixels.
    pub patch_size: [usize; 2],
    /// Number of blocks.
    pub layers: usize,
    /// The blocks.
    pub block: BlockConfig,
    /// Whether tokens are normalised before the first block.
    pub ln_pre: bool,
    /// How tokens become one feature.
    pub pool: VisionPool,
    /// Whether `ln_post` comes after pooling instead of before.
    pub norm_after_pool: bool,
    /// How positions are resampled when `image_size` is not the one of training.
    pub position_rule: Rule,
}

impl VitConfig {
    /// Rows and columns of patches.
    pub fn grid(&self) -> [usize; 2] {
        [self.image_size[0] / self.patch_size[0], self.image_size[1] / self.patch_size[1]]
    }
}

/// A vision transformer with its weights.
#[derive(Debug)]
pub struct VisionTransformer {
    config: VitConfig,
    conv1: Tensor<4>,
    class_embedding: Tensor<1>,
    positional_embedding: Tensor<2>,
    ln_pre: Option<LayerNorm>,
    resblocks: Vec<ResidualAttentionBlock>,
    ln_post: LayerNorm,
}

impl VisionTransformer {
    /// Reads the tower. `resampled` says that `image_size` was changed by the person, so positions may be resampled.
    pub fn load(weights: &Weights, config: &VitConfig, resampled: bool) -> Result<Self, LoadError> {
        let VitConfig { block, patch_size: [patch_height, patch_width], .. } = *config;
        let width = block.width;
        let norm = |name: &str| weights.layer_norm(name, width, block.epsilon);
        Ok(Self {
            conv1: weights.tensor("visual.conv1.weight", [width, 3, patch_height, patch_width])?,
            class_embedding: weights.tensor("visual.class_embedding", [width])?,
            positional_embedding: load_positions(weights, config, resampled)?,
            ln_pre: config.ln_pre.then(|| norm("visual.ln_pre")).transpose()?,
            resblocks: (0..config.layers)
                .map(|i| ResidualAttentionBlock::load(weights, &format!("visual.transformer.resblocks.{i}"), &block))
                .collect::<Result<_, _>>()?,
            ln_post: norm("visual.ln_post")?,
            config: config.clone(),
        })
    }

    /// # Shapes
    /// - pixels: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, width]`, the pooled feature
    pub fn forward(&self, pixels: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        let mut x = self.embed(pixels, probe);
        probe.see(|| "visual.embeds".into(), &x);
        self.see_pooled(0, &x, probe);
        for (i, block) in self.resblocks.iter().enumerate() {
            if probe.is_on() {
                probe.see(|| format!("visual.attn.{i}"), &block.pattern(x.clone(), Sight::Full));
            }
            x = block.forward(x, Sight::Full);
            probe.see(|| format!("visual.block.{i}"), &x);
            self.see_pooled(i + 1, &x, probe);
        }
        if probe.is_on() {
            let patches = x.dims()[1] - 1;
            probe.see(|| "visual.patches".into(), &self.ln_post.forward(x.clone().narrow(1, 1, patches)));
        }
        let pooled = self.pool(x);
        probe.see(|| "visual.pooled".into(), &pooled);
        pooled
    }

    /// What the pooled feature would be if the tower ended here (the logit lens, before the projection).
    fn see_pooled(&self, depth: usize, x: &Tensor<3>, probe: &mut Probe) {
        if probe.is_on() {
            probe.see(|| format!("visual.pooled_at.{depth}"), &self.pool(x.clone()));
        }
    }

    fn embed(&self, pixels: Tensor<4>, probe: &mut Probe) -> Tensor<3> {
        let [batch, ..] = pixels.dims();
        let [rows, columns] = self.config.grid();
        let width = self.config.block.width;
        let options = ConvOptions::new(self.config.patch_size, [0, 0], [1, 1], 1);
        let patches = conv2d(pixels, self.conv1.clone(), None, options);
        assert_shape!(patches, [batch, width, rows, columns]);
        probe.see(|| "visual.patch_conv".into(), &patches);
        let patches = patches.reshape([batch, width, rows * columns]).swap_dims(1, 2); // [batch, patch, width]
        let class = self.class_embedding.clone().reshape([1, 1, width]).expand([batch, 1, width]);
        let x = Tensor::cat(vec![class, patches], 1) + self.positional_embedding.clone().unsqueeze();
        match &self.ln_pre {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }

    fn pool(&self, x: Tensor<3>) -> Tensor<2> {
        if self.config.norm_after_pool {
            self.ln_post.forward(self.pool_tokens(x))
        } else {
            // A norm acts on each token alone, so the class token can be cut out before it.
            match self.config.pool {
                VisionPool::Token => self.ln_post.forward(self.pool_tokens(x)),
                VisionPool::Average => self.pool_tokens(self.ln_post.forward(x)),
            }
        }
    }

    fn pool_tokens(&self, x: Tensor<3>) -> Tensor<2> {
        let [batch, seq, width] = x.dims();
        match self.config.pool {
            VisionPool::Token => x.narrow(1, 0, 1).reshape([batch, width]),
            VisionPool::Average => x.narrow(1, 1, seq - 1).mean_dim(1).reshape([batch, width]),
        }
    }
}

fn load_positions(weights: &Weights, config: &VitConfig, resampled: bool) -> Result<Tensor<2>, LoadError> {
    const NAME: &str = "visual.positional_embedding";
    let [rows, columns] = config.grid();
    let width = config.block.width;
    let wanted = [1 + rows * columns, width];
    let stored = weights.shape_of(NAME).unwrap_or_default();
    let is_square_grid = stored.len() == 2 && stored[1] == width && stored[0] > 1 && {
        let side = (stored[0] - 1).isqrt();
        side * side == stored[0] - 1
    };
    if !resampled || !is_square_grid || stored == wanted {
        return weights.tensor(NAME, wanted);
    }
    let values = resample_grid(&weights.values(NAME, &stored)?, width, 1, [rows, columns], config.position_rule);
    Ok(Tensor::from_data(burn::tensor::TensorData::new(values, wanted), weights.device()))
}
