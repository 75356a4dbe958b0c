//! Image towers that open_clip takes from timm (`timm_model.py`, `TimmModel`): a trunk, and a head around it.
//!
//! A name such as `vit_base_patch16_siglip_224` stands for a whole architecture. Each family is a file with the table of
//! its names; nothing about them is in a checkpoint.

pub mod attention_pool;
pub mod convnext;
pub mod efficientnet;
pub mod eva;
pub mod fastvit;
pub mod vit;
pub mod vitamin;

use serde::Deserialize;
use serde_json::Value;

use super::config::{Context, TowerWithProjection, Vision, VisionTowerConfig};
use crate::{
    error::LoadError,
    projection::{AffineBefore, Form, Orientation, ProjectionConfig},
};

/// What `vision_cfg` asks timm for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `timm_model_name`.
    pub name: &'a str,
    /// `timm_model_kwargs`: replaces parts of the architecture that the name stands for.
    pub kwargs: Option<&'a Value>,
    /// `timm_pool`; empty for the trunk's own.
    pub pool: &'a str,
    /// Height and width in pixels.
    pub image_size: [usize; 2],
    /// For messages.
    pub context: Context<'a>,
}

impl Request<'_> {
    /// The replacements, in the family's own type.
    pub fn kwargs<T: for<'de> Deserialize<'de> + Default>(&self) -> Result<T, LoadError> {
        match self.kwargs {
            None => Ok(T::default()),
            Some(kwargs) => self.context.parse(kwargs.clone(), "vision_cfg.timm_model_kwargs"),
        }
    }

    /// The sizes of a transformer, and the family's own replacements; `default` is what the name stands for.
    pub fn sizes<T: for<'de> Deserialize<'de> + Default>(&self, default: Sizes) -> Result<(Sizes, T), LoadError> {
        const SECTION: &str = "timm_model_kwargs";
        let mut rest = self.kwargs.cloned();
        let mut common = serde_json::Map::new();
        if let Some(Value::Object(map)) = &mut rest {
            for key in ["img_size", "embed_dim", "depth", "num_heads", "mlp_ratio"] {
                common.extend(map.remove_entry(key));
            }
        }
        let given: CommonKwargs = self.context.parse(Value::Object(common), "vision_cfg.timm_model_kwargs")?;
        let width = self.context.size("timm_model_kwargs.embed_dim", given.embed_dim.unwrap_or(default.width))?;
        let sizes = Sizes {
            width,
            layers: self.context.size("timm_model_kwargs.depth", given.depth.unwrap_or(default.layers))?,
            heads: self.context.heads(width, given.num_heads.unwrap_or(default.heads), SECTION)?,
            mlp_ratio: given.mlp_ratio.unwrap_or(default.mlp_ratio),
        };
        self.context.mlp_width(width, sizes.mlp_ratio, SECTION)?;
        Ok((sizes, Request { kwargs: rest.as_ref(), ..*self }.kwargs()?))
    }

    /// Refuses replacements, for a family that has none.
    pub fn no_kwargs(&self) -> Result<(), LoadError> {
        match self.kwargs {
            None => Ok(()),
            Some(_) => Err(self.context.unsupported(format!("vision_cfg.timm_model_kwargs for {}", self.name))),
        }
    }

    /// Refuses a pool that the family does not compute.
    pub fn pool(&self, computed: &[&str]) -> Result<(), LoadError> {
        if computed.contains(&self.pool) {
            Ok(())
        } else {
            Err(self.context.unsupported(format!("vision_cfg.timm_pool = {:?} for {}", self.pool, self.name)))
        }
    }

    /// Refuses pictures that are smaller than one patch.
    pub fn holds_patches(&self, patch_size: usize) -> Result<(), LoadError> {
        if self.image_size.iter().any(|side| *side < patch_size) {
            let what = format!("patches of {patch_size} for {:?} pixels", self.image_size);
            return Err(self.context.impossible(what));
        }
        Ok(())
    }

    /// No tensor of a convolutional trunk depends on the picture's size, so nothing else would bound its memory.
    pub fn bounded_image(&self) -> Result<(), LoadError> {
        const LARGEST: usize = 1024;
        if self.image_size.iter().any(|side| *side > LARGEST) {
            return Err(self
                .context
                .impossible(format!("vision_cfg.image_size = {:?} for {}", self.image_size, self.name)));
        }
        Ok(())
    }
}

/// The sizes of a transformer.
#[derive(Clone, Copy)]
pub struct Sizes {
    /// Inner size.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Hidden size of the MLP over `width`; a fraction of the product is cut off.
    pub mlp_ratio: f64,
}

impl Sizes {
    /// Hidden size of the MLP, as Python's `int` gives it.
    pub fn mlp_width(&self) -> usize {
        (self.width as f64 * self.mlp_ratio) as usize
    }
}

/// What `timm_model_kwargs` may say of any transformer.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct CommonKwargs {
    // Tensors of positions would not fit another size than `vision_cfg.image_size`.
    #[serde(rename = "img_size")]
    _img_size: Option<usize>,
    embed_dim: Option<usize>,
    depth: Option<usize>,
    num_heads: Option<usize>,
    mlp_ratio: Option<f64>,
}

/// A trunk, and what a head around it needs to know.
pub struct Trunk {
    /// The tower.
    pub tower: VisionTowerConfig,
    /// Size of the pooled feature.
    pub features: usize,
    /// What is in front of the projection.
    pub affine_before: Option<AffineBefore>,
    /// Key of timm's own classifier, which is the projection where `timm_proj` is empty.
    pub classifier: &'static str,
}

/// The tower and the projection that `vision_cfg` describes.
pub(super) fn tower(
    vision: &Vision,
    name: &str,
    embed_dim: usize,
    image_size: [usize; 2],
    context: Context<'_>,
) -> Result<TowerWithProjection<VisionTowerConfig>, LoadError> {
    let pool = vision.timm_pool.as_deref().unwrap_or_default();
    let request = Request { name, kwargs: vision.timm_model_kwargs.as_ref(), pool, image_size, context };
    let families = [vit::trunk, vitamin::trunk, eva::trunk, convnext::trunk, fastvit::trunk, efficientnet::trunk];
    let mut trunks = families.iter().filter_map(|family| family(&request).transpose());
    let Trunk { tower, features, affine_before, classifier } =
        trunks.next().unwrap_or_else(|| Err(context.unsupported(format!("vision_cfg.timm_model_name = {name:?}"))))?;
    let linear = |bias| Form::Linear { orientation: Orientation::OutIn, bias };
    let (key, form) = match vision.timm_proj.as_deref() {
        Some("linear") => ("visual.head.proj", linear(vision.timm_proj_bias)),
        Some("mlp") => {
            let biases = [true, vision.timm_proj_bias];
            ("visual.head.mlp", Form::Mlp { layers: ["fc1", "fc2"], hidden: 2 * embed_dim, biases })
        }
        Some("none") if features == embed_dim => ("visual.head", Form::Identity),
        Some("none") => {
            let what = format!("embed_dim = {embed_dim} without a projection, for a feature of {features}");
            return Err(context.impossible(what));
        }
        // timm's classifier with as many classes as the joint space has dimensions; it always has a bias.
        None | Some("") => (classifier, linear(true)),
        Some(other) => return Err(context.unsupported(format!("vision_cfg.timm_proj = {other:?}"))),
    };
    let projection =
        ProjectionConfig { key: key.into(), form, input_dim: features, output_dim: embed_dim, affine_before };
    Ok((tower, projection))
}

/// timm `make_divisible`: to the nearest multiple of `step`, one step more where that loses more than `1 − limit`.
fn round_channels(channels: f64, step: usize, limit: f64) -> usize {
    let rounded = ((channels + step as f64 / 2.0) as usize / step * step).max(step);
    if (rounded as f64) < limit * channels { rounded + step } else { rounded }
}
