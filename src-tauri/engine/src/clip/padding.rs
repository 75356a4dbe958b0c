//! Padding, as the text encoders of transformers treat it: not seen, not averaged, and in most of them without a place.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::TokenBatch;
use crate::layers::in_f32;

/// How an encoder's output becomes the feature of a text (open_clip `hf_model.py`, `MeanPooler` and `ClsPooler`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncoderPool {
    /// The mean over all tokens but padding.
    Mean,
    /// The first token: `[CLS]`, or the language of NLLB.
    First,
}

/// Which tokens of a batch are padding.
pub struct Padding {
    is_pad: Vec<bool>,
    batch: usize,
    seq: usize,
    pad_id: u32,
}

impl Padding {
    /// The tokens with this id.
    pub fn of(tokens: &TokenBatch, pad_id: u32) -> Self {
        let is_pad = tokens.ids().iter().map(|id| *id == pad_id).collect();
        Self { is_pad, batch: tokens.count(), seq: tokens.length(), pad_id }
    }

    /// `[batch, heads, seq, seq]`, true where the token on the fourth axis is padding, which no other may see.
    pub fn hidden(&self, heads: usize, device: &Device) -> Tensor<4, Bool> {
        let Self { batch, seq, .. } = *self;
        self.mask(device).reshape([batch, 1, 1, seq]).expand([batch, heads, seq, seq])
    }

    /// The row of a position table for each token, `[batch · seq]`: tokens are counted from `pad_id + 1`, and padding
    /// has row `pad_id`. This is fairseq's rule (`make_positions`), which RoBERTa and M2M-100 keep.
    pub fn places(&self, device: &Device) -> Tensor<1, Int> {
        let mut places = Vec::with_capacity(self.is_pad.len());
        for row in self.is_pad.chunks_exact(self.seq) {
            let mut place = self.pad_id as i32;
            places.extend(row.iter().map(|is_pad| {
                place += i32::from(!is_pad);
                if *is_pad { self.pad_id as i32 } else { place }
            }));
        }
        let length = places.len();
        Tensor::from_data(TensorData::new(places, [length]), device)
    }

    /// # Shapes
    /// - x: `[batch, seq, width]`
    /// - output: `[batch, width]`, f32
    pub fn pool(&self, x: Tensor<3>, pool: EncoderPool) -> Tensor<2> {
        let [batch, seq, width] = x.dims();
        let x = in_f32(x);
        let pooled = match pool {
            EncoderPool::First => x.narrow(1, 0, 1),
            EncoderPool::Mean => {
                let kept = self.mask(&x.device()).bool_not().float().reshape([batch, seq, 1]);
                let count = kept.clone().sum_dim(1).clamp_min(1.0); // [batch, 1, 1]
                (x * kept).sum_dim(1) / count
            }
        };
        pooled.reshape([batch, width])
    }

    fn mask(&self, device: &Device) -> Tensor<2, Bool> {
        Tensor::from_data(TensorData::new(self.is_pad.clone(), [self.batch, self.seq]), device)
    }
}

/// How many positions of `tokens` can influence their features: those up to the last one that is not padding.
pub fn needed_length(tokens: &TokenBatch, pad_id: u32) -> usize {
    let used = |ids: &[u32]| ids.iter().rposition(|id| *id != pad_id).map_or(1, |last| last + 1);
    tokens.rows().map(used).max().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::read;

    #[test]
    fn places_skip_padding_wherever_it_stands() {
        let tokens = TokenBatch::new(vec![0, 7, 1, 8, 2, 1, 0, 2, 1, 1, 1, 1], 6);
        let places = Padding::of(&tokens, 1).places(&Device::flex());
        assert_eq!(read(places.float()), [2.0, 3.0, 1.0, 4.0, 5.0, 1.0, 2.0, 3.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(needed_length(&tokens, 1), 5);
    }

    #[test]
    fn the_mean_leaves_padding_out() {
        let tokens = TokenBatch::new(vec![5, 6, 1], 3);
        let x = Tensor::<3>::from_data([[[1.0], [3.0], [100.0]]], &Device::flex());
        let padding = Padding::of(&tokens, 1);
        assert_eq!(read(padding.pool(x.clone(), EncoderPool::Mean)), [2.0]);
        assert_eq!(read(padding.pool(x, EncoderPool::First)), [1.0]);
    }
}
