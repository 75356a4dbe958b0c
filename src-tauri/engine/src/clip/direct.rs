//! What the heads and the MLP of a block add to the tokens that are pooled.
//!
//! A residual stream is a sum, and a head's share of it goes through its own rows of the output map. Follows Gandelsman
//! et al., "Interpreting CLIP's image representation via text-based decomposition" (arXiv:2310.05916), section 3.

use burn::tensor::Tensor;

use crate::layers::{Linear, in_f32};

/// The tokens whose mean is pooled; a class token is a run of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Index of the first token.
    pub first: usize,
    /// Number of tokens.
    pub count: usize,
}

impl Run {
    /// The first token, which is the class token where there is one.
    pub const FIRST: Self = Self { first: 0, count: 1 };

    /// `[batch, seq, width]` to `[batch, run, width]`
    pub fn cut(self, x: Tensor<3>) -> Tensor<3> {
        x.narrow(1, self.first, self.count)
    }

    /// `[batch, seq, width]` to `[batch, width]`, f32
    pub fn mean(self, x: Tensor<3>) -> Tensor<2> {
        let [batch, _, width] = x.dims();
        in_f32(self.cut(x)).mean_dim(1).reshape([batch, width])
    }
}

/// What each head adds to the mean of a run of tokens, and behind them what the output map's bias adds.
///
/// # Shapes
/// - found: `[batch, heads, run, dim]`, what attention found
/// - output: `[batch, heads + 1, width]`, f32
pub(crate) fn attention_parts(found: Tensor<4>, output: &Linear) -> Tensor<3> {
    let [batch, heads, _, dim] = found.dims();
    let weight = in_f32(output.weight()); // [heads · dim, width]
    let width = weight.dims()[1];
    let slices = weight.reshape([1, heads, dim, width]).expand([batch, heads, dim, width]);
    let heads_add = in_f32(found).mean_dim(2).matmul(slices).reshape([batch, heads, width]);
    let bias = match output.bias() {
        Some(bias) => in_f32(bias).reshape([1, 1, width]).expand([batch, 1, width]),
        None => Tensor::zeros([batch, 1, width], &heads_add.device()),
    };
    Tensor::cat(vec![heads_add, bias], 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clip::block::join_heads, device::read};
    use burn::tensor::{Device, Distribution};

    #[test]
    fn heads_and_bias_add_up_to_what_the_output_map_gives() {
        let device = Device::flex();
        let uniform = Distribution::Uniform(-1.0, 1.0);
        let output = Linear::new(Tensor::random([6, 5], uniform, &device), Some(Tensor::random([5], uniform, &device)));
        let found = Tensor::<4>::random([2, 3, 4, 2], uniform, &device);
        let whole = output.forward(join_heads(found.clone())).mean_dim(1).reshape([2, 5]);
        let parts = attention_parts(found, &output);
        assert_eq!(parts.dims(), [2, 4, 5]);
        let sum = parts.sum_dim(1).reshape([2, 5]);
        assert!(read(sum - whole).iter().all(|difference: &f32| difference.abs() < 1e-6));
    }
}
