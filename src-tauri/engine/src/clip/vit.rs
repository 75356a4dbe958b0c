//! open_clip's own image tower, and CoCa's, which ends in an attention pool.
//! Follows open_clip `transformer.py`, `VisionTransformer` and `AttentionalPooler`, at commit 89fb801f.

use burn::tensor::{Tensor, assert_shape, ops::ConvOptions};

use super::{
    attention::{attention, attention_pattern},
    block::{BlockConfig, OPEN_CLIP_BLOCK, ResidualAttentionBlock, Sight, join_heads, split_heads},
    conv::to_sequence,
    direct::Run,
    position::{Grid, Rule, load_grid},
};
use crate::{
    error::LoadError,
    layers::{LayerNorm, Linear, convolution},
    probe::Probe,
    weights::Weights,
};

/// How the tokens of the last block become one feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisionPool {
    /// The class token.
    Token,
    /// The mean of the patch tokens, without the class token.
    Average,
    /// CoCa's: the first of several learnt queries looks at all tokens; the others are for captions.
    Attention {
        /// Number of queries in the checkpoint.
        queries: usize,
        /// Attention heads; divides `width`.
        heads: usize,
        /// Size of a query, and of the pooled feature.
        width: usize,
    },
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

    /// Size of the pooled feature.
    pub fn pooled_width(&self) -> usize {
        match self.pool {
            VisionPool::Token | VisionPool::Average => self.block.width,
            VisionPool::Attention { width, .. } => width,
        }
    }
}

/// CoCa's attention pool, as far as its first query goes.
#[derive(Debug)]
struct AttentionalPooler {
    /// The first query, which no picture changes: `[1, 1, pooled]`, after its norm and its linear map.
    query: Tensor<3>,
    ln_k: LayerNorm,
    key: Linear,
    value: Linear,
    out_proj: Linear,
    heads: usize,
}

impl AttentionalPooler {
    fn load(weights: &Weights, config: &VitConfig, queries: usize, heads: usize) -> Result<Self, LoadError> {
        const NAME: &str = "visual.attn_pool";
        let (context, width, epsilon) = (config.block.width, config.pooled_width(), config.block.epsilon);
        let part = |part: &str| format!("{NAME}.{part}");
        let bias = weights.values(&part("attn.in_proj_bias"), &[3 * width])?;
        let bias = |index: usize| bias[index * width..][..width].to_vec();
        // torch's MultiheadAttention keeps one matrix where queries and tokens are of one size, and three otherwise.
        let [query, key, value] = if context == width {
            let stacked = weights.values(&part("attn.in_proj_weight"), &[3 * width, width])?;
            [0, 1, 2].map(|index| {
                weights.linear_of(&stacked[index * width * width..][..width * width], bias(index), width, width)
            })
        } else {
            let split = |name: &str, index: usize, inputs: usize| {
                weights.linear_with_bias(&part(&format!("attn.{name}_proj_weight")), bias(index), inputs, width)
            };
            [split("q", 0, width)?, split("k", 1, context)?, split("v", 2, context)?]
        };
        let all = weights.tensor_f32::<2>(&part("query"), [queries, width])?;
        let ln_q = weights.layer_norm(&part("ln_q"), width, epsilon)?;
        Ok(Self {
            query: query
                .forward(ln_q.forward(all.narrow(0, 0, 1).unsqueeze::<3>()))
                .cast(weights.precision().activations()),
            ln_k: weights.layer_norm(&part("ln_k"), context, epsilon)?,
            key,
            value,
            out_proj: weights.linear(&part("attn.out_proj"), width, width, true)?,
            heads,
        })
    }

    /// # Shapes
    /// - x: `[batch, seq, width]`
    /// - output: `[batch, pooled]`
    fn forward(&self, x: Tensor<3>, probe: &mut Probe) -> Tensor<2> {
        let [batch, seq, _] = x.dims();
        let [.., width] = self.query.dims();
        let x = self.ln_k.forward(x);
        let [q, k, v] =
            [self.query.clone().expand([batch, 1, width]), self.key.forward(x.clone()), self.value.forward(x)]
                .map(|part| split_heads(part, self.heads));
        probe.look_if_named(
            || "visual.attn.pool".into(),
            || attention_pattern(q.clone(), k.clone(), None).reshape([batch, self.heads, seq]),
        );
        let found = join_heads(attention(q, k, v, None, Sight::Full));
        self.out_proj.forward(found).reshape([batch, width])
    }

    /// What the pool would give for each token if that were the only one: `[batch, seq, width]` to
    /// `[batch, seq, pooled]`.
    fn alone(&self, x: Tensor<3>) -> Tensor<3> {
        self.out_proj.forward(self.value.forward(self.ln_k.forward(x)))
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
    attn_pool: Option<AttentionalPooler>,
    ln_post: LayerNorm,
}

impl VisionTransformer {
    /// Reads the tower. `resampled` says that `image_size` was changed by the person, so positions may be resampled.
    pub fn load(weights: &Weights, config: &VitConfig, resampled: bool) -> Result<Self, LoadError> {
        let VitConfig { block, patch_size: [patch_height, patch_width], .. } = *config;
        let width = block.width;
        let norm = |name: &str| weights.layer_norm(name, width, block.epsilon);
        Ok(Self {
            conv1: weights.large("visual.conv1.weight", [width, 3, patch_height, patch_width])?,
            class_embedding: weights.tensor("visual.class_embedding", [width])?,
            positional_embedding: load_grid(
                weights,
                "visual.positional_embedding",
                &[],
                Grid { cells: config.grid(), extra: 1, width },
                config.position_rule,
                resampled,
            )?,
            ln_pre: config.ln_pre.then(|| norm("visual.ln_pre")).transpose()?,
            resblocks: (0..config.layers)
                .map(|i| {
                    ResidualAttentionBlock::load(
                        weights,
                        &format!("visual.transformer.resblocks.{i}"),
                        OPEN_CLIP_BLOCK,
                        &block,
                    )
                })
                .collect::<Result<_, _>>()?,
            attn_pool: match config.pool {
                VisionPool::Attention { queries, heads, .. } => {
                    Some(AttentionalPooler::load(weights, config, queries, heads)?)
                }
                VisionPool::Token | VisionPool::Average => None,
            },
            ln_post: weights.layer_norm("visual.ln_post", config.pooled_width(), block.epsilon)?,
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
        let run = self.pooled_run(&x);
        probe.look_if_named(|| "visual.direct.start".into(), || run.mean(x.clone()));
        let last = self.resblocks.len() - 1;
        for (i, block) in self.resblocks.iter().enumerate() {
            probe.look(|| format!("visual.attn.{i}"), || block.pattern(x.clone(), Sight::Full));
            probe.look_if_named(|| format!("visual.direct.{i}"), || block.parts(x.clone(), run));
            if i == last && self.attn_pool.is_none() {
                let alone = || self.ln_post.forward(patches(block.forward_alone(x.clone())));
                probe.look_if_named(|| "visual.values".into(), alone);
            }
            x = block.forward(x, Sight::Full);
            probe.see(|| format!("visual.block.{i}"), &x);
            self.see_pooled(i + 1, &x, probe);
        }
        match &self.attn_pool {
            None => probe.look(|| "visual.patches".into(), || self.ln_post.forward(patches(x.clone()))),
            // Behind an attention pool a single token has no place in the joint space, but for what it says alone.
            Some(pool) => {
                let alone = || self.ln_post.forward(pool.alone(patches(x.clone())));
                probe.look_if_named(|| "visual.values".into(), alone);
            }
        }
        let pooled = self.pool(x, probe);
        probe.see(|| "visual.pooled".into(), &pooled);
        pooled
    }

    /// What the pooled feature would be if the tower ended here (the logit lens, before the projection).
    fn see_pooled(&self, depth: usize, x: &Tensor<3>, probe: &mut Probe) {
        let name = || format!("visual.pooled_at.{depth}");
        let pooled = || self.pool(x.clone(), &mut Probe::off());
        match self.attn_pool {
            None => probe.look(name, pooled),
            Some(_) => probe.look_if_named(name, pooled),
        }
    }

    /// The tokens whose mean is pooled where there is no attention pool.
    fn pooled_run(&self, x: &Tensor<3>) -> Run {
        match self.config.pool {
            VisionPool::Average => Run { first: 1, count: x.dims()[1] - 1 },
            VisionPool::Token | VisionPool::Attention { .. } => Run::FIRST,
        }
    }

    fn embed(&self, pixels: Tensor<4>, probe: &mut Probe) -> Tensor<3> {
        let [batch, ..] = pixels.dims();
        let [rows, columns] = self.config.grid();
        let width = self.config.block.width;
        let options = ConvOptions::new(self.config.patch_size, [0, 0], [1, 1], 1);
        let patches = convolution(pixels, &self.conv1, None, options);
        assert_shape!(patches, [batch, width, rows, columns]);
        probe.see(|| "visual.patch_conv".into(), &patches);
        let patches = to_sequence(patches); // [batch, patch, width]
        let class = self.class_embedding.clone().reshape([1, 1, width]).expand([batch, 1, width]);
        let x = Tensor::cat(vec![class, patches], 1) + self.positional_embedding.clone().unsqueeze();
        match &self.ln_pre {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }

    fn pool(&self, x: Tensor<3>, probe: &mut Probe) -> Tensor<2> {
        let norm = &self.ln_post;
        let run = self.pooled_run(&x);
        match (&self.attn_pool, self.config.pool) {
            (Some(pool), _) => norm.forward(pool.forward(x, probe)),
            (None, VisionPool::Average) if !self.config.norm_after_pool => run.mean(norm.forward(x)),
            // A norm acts on each token alone, so the class token can be cut out before it.
            (None, _) => norm.forward(run.mean(x)),
        }
    }
}

/// All tokens but the first, which is the class token.
fn patches(x: Tensor<3>) -> Tensor<3> {
    let count = x.dims()[1] - 1;
    x.narrow(1, 1, count)
}
