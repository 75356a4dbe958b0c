//! Self-attention on the CPU, from the output of a fused projection to what all heads find.
//!
//! flex (0.22.1) copies queries, keys and values of each head out of the fused tensor and what was found back, and takes
//! exponentials one by one. Here a head reads them where they are.

use burn::tensor::{Device, Tensor, TensorData};
use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::{activation::exp, block::Sight};
use crate::{
    layers::numbers,
    panels::{Panels, Stored},
};

/// What each position finds, in f32 on the CPU.
///
/// # Shapes
/// - fused: `[batch, seq, 3 · width]`: queries, keys and values
/// - output: `[batch, seq, width]`, heads one after the other
pub(crate) fn attention_of_fused(fused: Tensor<3>, heads: usize, sight: Sight) -> Tensor<3> {
    let [batch, seq, triple] = fused.dims();
    let width = triple / 3;
    let dim = width / heads;
    let data = fused.into_data();
    let values = numbers(&data);
    let found: Vec<Vec<f32>> = (0..batch * heads)
        .into_par_iter()
        .map(|at| {
            let photo = &values[at / heads * seq * triple..][..seq * triple];
            head(photo, Head { seq, dim, width, first: at % heads * dim, sight })
        })
        .collect();
    let mut output = Vec::with_capacity(batch * seq * width);
    for photo in found.chunks_exact(heads) {
        for position in 0..seq {
            photo.iter().for_each(|head| output.extend_from_slice(&head[position * dim..][..dim]));
        }
    }
    Tensor::from_data(TensorData::new(output, [batch, seq, width]), &Device::flex())
}

#[derive(Clone, Copy)]
struct Head {
    seq: usize,
    dim: usize,
    width: usize,
    /// Its first channel.
    first: usize,
    sight: Sight,
}

/// `[seq, dim]` of `[seq, 3 · width]`
fn head(fused: &[f32], head: Head) -> Vec<f32> {
    let Head { seq, dim, width, first, sight } = head;
    let step = 3 * width;
    let keys = Panels::whole(&Stored { values: &fused[width + first..], steps: [1, step] }, [dim, seq]);
    let queries = fused.chunks_exact(step).map(|position| &position[first..first + dim]);
    let mut scores = keys.product_of(queries, None);
    pulp::Arch::new().dispatch(Softmax { scores: &mut scores, seq, scale: 1.0 / (dim as f32).sqrt(), sight });
    let values = Panels::whole(&Stored { values: &fused[2 * width + first..], steps: [step, 1] }, [seq, dim]);
    values.product(&scores, None)
}

/// Scores become shares that sum to 1 over what a position sees.
struct Softmax<'a> {
    scores: &'a mut [f32],
    seq: usize,
    scale: f32,
    sight: Sight,
}

impl NullaryFnOnce for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (position, row) in self.scores.chunks_exact_mut(self.seq).enumerate() {
            let seen = if self.sight == Sight::Causal { position + 1 } else { self.seq };
            let (row, hidden) = row.split_at_mut(seen);
            hidden.fill(0.0);
            let most = row.iter().fold(f32::NEG_INFINITY, |most, score| if *score > most { *score } else { most });
            let most = most * self.scale;
            row.iter_mut().for_each(|score| *score = exp(*score * self.scale - most));
            let one = 1.0 / sum(row);
            row.iter_mut().for_each(|share| *share *= one);
        }
    }
}

/// In sixteen parts, which a compiler may add side by side.
#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value;
        }
    }
    sums.iter().chain(rest).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clip::{
            attention::attention,
            block::{join_heads, split_parts},
        },
        device::read,
    };
    use burn::tensor::Distribution;

    #[test]
    fn it_finds_what_attention_finds() {
        for ([batch, seq, heads, dim], sight) in [
            ([1, 1, 1, 4], Sight::Full),
            ([2, 50, 3, 64], Sight::Full),
            ([3, 17, 2, 20], Sight::Full),
            ([3, 23, 2, 20], Sight::Causal),
            ([1, 300, 1, 72], Sight::Causal),
        ] {
            let fused =
                Tensor::<3>::random([batch, seq, 3 * heads * dim], Distribution::Uniform(-2.0, 2.0), &Device::flex());
            let [q, k, v] = split_parts(fused.clone(), heads);
            let expected = join_heads(attention(q, k, v, None, sight));
            let found = attention_of_fused(fused, heads, sight);
            assert_eq!(found.dims(), expected.dims());
            let apart = read((found - expected).abs().max());
            assert!(apart[0] < 1e-5, "{seq} positions, {sight:?}: {} apart", apart[0]);
        }
    }
}
