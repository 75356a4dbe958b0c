//! The loss that is fitted: how far the cosines of photos and classes are from saying which class each photo is of.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// How a fit is judged while it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loss {
    /// Cross-entropy over the classes of scale · cos, as CLIP is trained (arXiv 2103.00020).
    Softmax,
    /// Binary cross-entropy of each class of scale · cos + bias, as SigLIP is trained (arXiv 2303.15343). SigLIP sums
    /// over all pairs, so that negative pairs outnumber positive ones; here the one class that a photo is of weighs as
    /// much as all others together, and the loss of a photo without any information is ln 2 whatever their number.
    Sigmoid,
}

/// A loss with the model's scale and bias.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Objective {
    pub(super) loss: Loss,
    pub(super) scale: f64,
    pub(super) bias: f64,
}

impl Objective {
    /// The mean loss of some photos, to be differentiated.
    ///
    /// # Shapes
    /// - cosines: `[photo, class]`
    /// - own: `[photo, class]`, 1 for the class of a photo and 0 for the others
    pub(super) fn of_batch(&self, cosines: Tensor<2>, own: Tensor<2>) -> Tensor<1> {
        let [photos, classes] = cosines.dims();
        let logits = cosines.mul_scalar(self.scale);
        let gained = match self.loss {
            Loss::Softmax => activation::log_softmax(logits, 1) * own,
            Loss::Sigmoid => {
                let sign = own.clone().mul_scalar(2.0).sub_scalar(1.0);
                let other = 0.5 / (classes - 1) as f64;
                let weight = own.mul_scalar(0.5 - other).add_scalar(other);
                activation::log_sigmoid(logits.add_scalar(self.bias) * sign) * weight
            }
        };
        gained.sum().mul_scalar(-1.0 / photos as f64)
    }

    /// The loss of one photo, in f64.
    ///
    /// # Shapes
    /// - cosines: `[class]`
    pub(super) fn of_photo(&self, cosines: &[f32], own: usize) -> f64 {
        let logit = |cosine: f32| self.scale * f64::from(cosine);
        match self.loss {
            Loss::Softmax => {
                let highest = cosines.iter().copied().map(logit).fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = cosines.iter().map(|cosine| (logit(*cosine) - highest).exp()).sum();
                sum.ln() + highest - logit(cosines[own])
            }
            Loss::Sigmoid => {
                let of_class = |(class, cosine): (usize, &f32)| {
                    let shifted = logit(*cosine) + self.bias;
                    if class == own {
                        0.5 * softplus(-shifted)
                    } else {
                        0.5 * softplus(shifted) / (cosines.len() - 1) as f64
                    }
                };
                cosines.iter().enumerate().map(of_class).sum()
            }
        }
    }
}

/// ln(1 + eˣ).
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::device::read;

    const BOTH: [Loss; 2] = [Loss::Softmax, Loss::Sigmoid];

    #[test]
    fn a_photo_without_information_costs_what_chance_does() {
        let flat = |loss, classes| Objective { loss, scale: 100.0, bias: 0.0 }.of_photo(&vec![0.0; classes], 1);
        for classes in [2, 7, 50] {
            assert!((flat(Loss::Softmax, classes) - (classes as f64).ln()).abs() < 1e-12);
            assert!((flat(Loss::Sigmoid, classes) - 2f64.ln()).abs() < 1e-12);
        }
    }

    #[test]
    fn losses_by_hand() {
        // Logits 2, 0, −1: ln(e² + 1 + e⁻¹) − 2.
        let softmax = Objective { loss: Loss::Softmax, scale: 4.0, bias: 9.0 };
        let expected = (2f64.exp() + 1.0 + (-1f64).exp()).ln() - 2.0;
        assert!((softmax.of_photo(&[0.5, 0.0, -0.25], 0) - expected).abs() < 1e-12);
        // Logits 3, 1, 0, of which the first should be high.
        let sigmoid = Objective { loss: Loss::Sigmoid, scale: 4.0, bias: 1.0 };
        let expected = 0.5 * (1.0 + (-3f64).exp()).ln() + 0.25 * ((1.0 + 1f64.exp()).ln() + 2f64.ln());
        assert!((sigmoid.of_photo(&[0.5, 0.0, -0.25], 0) - expected).abs() < 1e-12);
    }

    #[test]
    fn what_is_differentiated_is_what_is_reported() {
        let cosines = [0.31f32, -0.2, 0.05, 0.9, 0.1, -0.7, 0.0, 0.0, 1.0];
        let tensor = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [3, 3]), &Device::flex());
        let own = tensor(vec![0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        for loss in BOTH {
            let objective = Objective { loss, scale: 60.0, bias: -3.0 };
            let found = f64::from(read(objective.of_batch(tensor(cosines.to_vec()), own.clone()))[0]);
            let each = cosines.chunks(3).zip([1, 0, 2]).map(|(cosines, own)| objective.of_photo(cosines, own));
            let expected = each.sum::<f64>() / 3.0;
            assert!((found - expected).abs() < 1e-5 * expected, "{loss:?}: {found} {expected}");
        }
    }

    #[test]
    fn far_off_logits_stay_finite() {
        for loss in BOTH {
            let objective = Objective { loss, scale: 1e6, bias: 0.0 };
            assert!(objective.of_photo(&[-1.0, 1.0], 0).is_finite());
            assert_eq!(objective.of_photo(&[1.0, -1.0], 0), 0.0);
        }
    }
}
