//! What attention finds, and where it looks. Its sums are f32 in every precision.

use burn::tensor::{Bool, DType, Device, Tensor, activation, module, ops::AttentionModuleOptions};

use super::block::Sight;
use crate::layers::in_f32;

/// Scaled dot-product attention: for each query, the values of all keys, weighed by how much it looks at them.
///
/// # Shapes
/// - q: `[batch, heads, queries, dim]`
/// - k, v: `[batch, heads, keys, dim]`
/// - hidden: broadcasts to `[batch, heads, queries, keys]`; true where a key is not seen, besides those that `sight` hides
/// - output: `[batch, heads, queries, dim]`, in the numbers of the input
pub(crate) fn attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    hidden: Option<Tensor<4, Bool>>,
    sight: Sight,
) -> Tensor<4> {
    if q.dtype() != DType::F16 {
        let options = AttentionModuleOptions { is_causal: sight == Sight::Causal, ..Default::default() };
        return module::attention(q, k, v, hidden, None, options);
    }
    // burn's own (0.22.1) takes exponentials in the numbers of its input wherever it has no fused kernel.
    let mut scores = scores(q, k);
    let hidden_by_sight = (sight == Sight::Causal).then(|| hidden_future(scores.dims()[2], &scores.device()));
    for hidden in hidden.into_iter().chain(hidden_by_sight) {
        // Finite, so that a query that sees nothing gives no NaN.
        scores = scores.mask_fill(hidden, f32::MIN);
    }
    activation::softmax(scores, 3).cast(v.dtype()).matmul(v)
}

/// How much each query looks at each key: rows sum to 1.
///
/// # Shapes
/// - q: `[batch, heads, queries, dim]`
/// - k: `[batch, heads, keys, dim]`
/// - hidden: broadcasts to the output; true where a key is not seen
/// - output: `[batch, heads, queries, keys]`, f32
pub(crate) fn attention_pattern(q: Tensor<4>, k: Tensor<4>, hidden: Option<Tensor<4, Bool>>) -> Tensor<4> {
    let scores = scores(q, k);
    let scores = match hidden {
        Some(hidden) => scores.mask_fill(hidden, f32::NEG_INFINITY),
        None => scores,
    };
    activation::softmax(scores, 3)
}

/// `[1, 1, seq, seq]`, true where a position would see a later one.
pub(crate) fn hidden_future(seq: usize, device: &Device) -> Tensor<4, Bool> {
    Tensor::<2, Bool>::tril_mask([seq, seq], 0, device).unsqueeze()
}

/// Scaled products of queries and keys, f32.
fn scores(q: Tensor<4>, k: Tensor<4>) -> Tensor<4> {
    let [.., dim] = q.dims();
    let root = (dim as f64).sqrt();
    // Before the product in f16, whose sum could leave its range.
    if q.dtype() == DType::F16 { in_f32((q / root).matmul(k.transpose())) } else { q.matmul(k.transpose()) / root }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::read;
    use burn::tensor::{Distribution, FloatDType};

    #[test]
    fn in_f16_it_finds_what_it_finds_in_f32() {
        let device = Device::flex();
        let random = || Tensor::<4>::random([2, 3, 5, 8], Distribution::Uniform(-2.0, 2.0), &device);
        let (q, k, v) = (random(), random(), random());
        let hidden = Tensor::<1, Bool>::from_bool([false, true, false, false, true], &device)
            .reshape([1, 1, 1, 5])
            .expand([2, 3, 5, 5]);
        for sight in [Sight::Full, Sight::Causal] {
            let whole = attention(q.clone(), k.clone(), v.clone(), Some(hidden.clone()), sight);
            let [q, k, v] = [&q, &k, &v].map(|part| part.clone().cast(FloatDType::F16));
            let found = attention(q, k, v, Some(hidden.clone()), sight);
            assert_eq!(found.dtype(), DType::F16);
            let apart = read((in_f32(found) - whole).abs().max());
            assert!(apart[0] < 5e-3, "{sight:?}: {} apart", apart[0]);
        }
    }

    #[test]
    fn large_halves_do_not_overflow() {
        let large = Tensor::<4>::full([1, 1, 2, 64], 64.0, &Device::flex()).cast(FloatDType::F16);
        let found = read(attention(large.clone(), large.clone(), large, None, Sight::Full));
        assert!(found.iter().all(|value| *value == 64.0), "{found:?}");
    }
}
