//! What a tower can be asked, and why not: read from its configuration, without running it.

use super::Ask;
use crate::{
    clip::{
        config::VisionTowerConfig,
        resnet::ResNetConfig,
        timm::{
            eva::{EvaConfig, NormPlace, QkvKind},
            fastvit::FastVitConfig,
            vit::{PoolConfig, TimmVitConfig},
        },
        vit::{VisionPool, VitConfig},
    },
    lab::Head,
};

/// Why an architecture cannot be asked something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Convolutions have no attention.
    #[error("convolutions have no attention")]
    Convolutional,
    /// What comes before the last layer is of another size than the head takes.
    #[error("what comes before the last layer is of another size than the head takes")]
    OtherWidths,
    /// Behind an attention pool a single place has no vector in the joint space, nor a head of the trunk a direct effect.
    #[error("an attention pool is between places and heads on one side and the joint space on the other")]
    AttentionPool,
    /// The tower has no attention pool.
    #[error("the tower has no attention pool")]
    NoAttentionPool,
    /// Tokens are normalised one by one before they are averaged, so that effects of heads do not add up.
    #[error("tokens are normalised before they are averaged, so effects do not add up")]
    NormBeforeAverage,
    /// A norm behind each branch keeps effects of heads from adding up.
    #[error("a norm behind each branch keeps effects from adding up")]
    PostNorm,
    /// The values of a place go through a gate or a norm between attention and output.
    #[error("a norm between the heads and their output keeps effects from adding up")]
    InnerNorm,
    /// The head in force is not linear, so that what goes through it does not add up.
    #[error("the head is not linear, so what goes through it does not add up")]
    NonlinearHead,
}

/// Whether something can be asked; none if it can.
pub type Reason = Option<Unavailable>;

/// What an image tower can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// Blocks with attention over the places of [`Self::grid`].
    pub layers: usize,
    /// Heads of each.
    pub heads: usize,
    /// Heads of the attention pool.
    pub pool_heads: usize,
    /// Rows and columns of places.
    pub grid: [usize; 2],
    /// Whether there is a class token that can be asked from.
    pub class_token: bool,
    /// Why there is no map of places by features.
    pub patch_map: Reason,
    /// Why there is no map by the value path.
    pub value_map: Reason,
    /// Why there is no attention.
    pub attention: Reason,
    /// Why there is no attention of the pool.
    pub pool_attention: Reason,
    /// Why there is no logit lens.
    pub lens: Reason,
    /// Why there are no direct effects.
    pub direct_effects: Reason,
}

impl Abilities {
    /// Those of a tower in front of the head in force.
    pub fn of(tower: &VisionTowerConfig, head: &Head) -> Self {
        let tower = match tower {
            VisionTowerConfig::Vit(config) => of_vit(config),
            VisionTowerConfig::TimmVit(config) => of_timm_vit(config),
            VisionTowerConfig::Eva(config) => of_eva(config),
            VisionTowerConfig::ResNet(config) => of_resnet(config),
            VisionTowerConfig::FastVit(config) => of_fastvit(config),
            VisionTowerConfig::ConvNext(config) => of_convolutions(config.grid()),
            VisionTowerConfig::EfficientNet(config) => of_convolutions(config.grid()),
        };
        let of_head = (head.maps().len() > 1).then_some(Unavailable::NonlinearHead);
        Self { direct_effects: tower.direct_effects.or(of_head), ..tower }
    }

    /// Number of places.
    pub fn places(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Why this cannot be asked; none if it can.
    pub(super) fn reason(&self, ask: &Ask) -> Reason {
        match ask {
            Ask::PatchMap { .. } => self.patch_map,
            Ask::ValueMap { .. } => self.value_map,
            Ask::Attention { .. } => self.attention,
            Ask::PoolAttention { .. } => self.pool_attention,
            Ask::Lens { .. } => self.lens,
            Ask::DirectEffects { .. } => self.direct_effects,
        }
    }
}

/// A transformer that pools its tokens without attention.
fn of_transformer([layers, heads]: [usize; 2], grid: [usize; 2], class_token: bool) -> Abilities {
    Abilities {
        layers,
        heads,
        pool_heads: 0,
        grid,
        class_token,
        patch_map: None,
        value_map: None,
        attention: None,
        pool_attention: Some(Unavailable::NoAttentionPool),
        lens: None,
        direct_effects: None,
    }
}

/// The same transformer with an attention pool behind it. The pool alone with one place is the value map.
fn behind_pool(trunk: Abilities, pool_heads: usize) -> Abilities {
    Abilities {
        pool_heads,
        patch_map: Some(Unavailable::AttentionPool),
        pool_attention: None,
        direct_effects: Some(Unavailable::AttentionPool),
        ..trunk
    }
}

fn of_vit(config: &VitConfig) -> Abilities {
    let trunk = of_transformer([config.layers, config.block.heads], config.grid(), true);
    match config.pool {
        VisionPool::Token => trunk,
        VisionPool::Average if config.norm_after_pool => trunk,
        VisionPool::Average => Abilities { direct_effects: Some(Unavailable::NormBeforeAverage), ..trunk },
        VisionPool::Attention { heads, .. } => behind_pool(trunk, heads),
    }
}

fn of_timm_vit(config: &TimmVitConfig) -> Abilities {
    let trunk = of_transformer([config.layers, config.block.heads], config.grid(), config.class_token);
    match &config.pool {
        PoolConfig::Token | PoolConfig::Average => trunk,
        PoolConfig::Attention(pool) => behind_pool(trunk, pool.heads),
    }
}

fn of_eva(config: &EvaConfig) -> Abilities {
    let trunk = of_transformer([config.layers, config.heads], config.grid(), config.class_token);
    let direct_effects = match (config.norms, config.qkv) {
        (NormPlace::After, _) => Some(Unavailable::PostNorm),
        (NormPlace::Before, QkvKind::SplitWithNorm) => Some(Unavailable::InnerNorm),
        (NormPlace::Before, QkvKind::Fused | QkvKind::FusedWithoutKeyBias) => None,
    };
    match &config.attention_pool {
        Some(pool) => behind_pool(trunk, pool.heads),
        None => Abilities { direct_effects, ..trunk },
    }
}

fn of_convolutions(grid: [usize; 2]) -> Abilities {
    Abilities {
        value_map: Some(Unavailable::Convolutional),
        attention: Some(Unavailable::Convolutional),
        lens: Some(Unavailable::OtherWidths),
        direct_effects: Some(Unavailable::Convolutional),
        ..of_transformer([0, 0], grid, false)
    }
}

/// The values of its pool are what its patch map shows, so the value map would be the same.
fn of_resnet(config: &ResNetConfig) -> Abilities {
    Abilities { pool_heads: config.heads, pool_attention: None, ..of_convolutions(config.grid()) }
}

fn of_fastvit(config: &FastVitConfig) -> Abilities {
    let convolutions = of_convolutions(config.grid());
    match config.attention() {
        Some([layers, heads]) => Abilities { layers, heads, attention: None, ..convolutions },
        None => convolutions,
    }
}
