//! One fit of an image head: small batches in an order that the seed decides.

use burn::tensor::Tensor;

use super::{
    LabelledPhotos, TuneError,
    network::{Fitted, Network, Values, forward, tensor},
    objective::{Loss, Objective},
    random::Random,
};
use crate::lab::{Head, Table};

/// Photos per step: enough for the speed of a matrix product, and a few steps per pass over a few hundred photos.
const BATCH: usize = 128;

/// Photos that go to the joint space at once where nothing is differentiated.
const ROWS_AT_ONCE: usize = 2048;

/// Photos that a figure about all of them is estimated from.
const SAMPLE: usize = 1024;

/// How a fit is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Recipe {
    pub(super) loss: Loss,
    pub(super) pull: f64,
    pub(super) learning_rate: f64,
    pub(super) seed: u64,
}

/// A head under way, and the photos that it is fitted to.
pub(super) struct Fit<'a> {
    data: LabelledPhotos<'a>,
    /// `[embed, class]`.
    directions: Tensor<2>,
    objective: Objective,
    network: Network,
    photos: Vec<usize>,
    /// The seed, and which fit this is.
    streams: [u64; 2],
}

impl<'a> Fit<'a> {
    /// Begins at `start` with these photos.
    pub(super) fn new(
        data: LabelledPhotos<'a>,
        (start, fitted): (&Head, Fitted),
        recipe: &Recipe,
        photos: Vec<usize>,
        stream: u64,
    ) -> Self {
        let sample = data.pooled.select(photos.iter().copied().take(SAMPLE));
        let mut fit = Self {
            data,
            directions: tensor(data.directions.values().to_vec(), data.directions.count()).transpose(),
            objective: Objective { loss: recipe.loss, scale: data.scale, bias: data.bias.unwrap_or(0.0) },
            network: Network::new(start, fitted, recipe.learning_rate, recipe.pull, &sample),
            photos,
            streams: [recipe.seed, stream],
        };
        if data.bias.is_none() && recipe.loss == Loss::Sigmoid {
            fit.objective.bias = fit.threshold();
        }
        fit
    }

    /// The bias of the sigmoid for a model that was trained without one: it makes ½ of the cosine halfway between those
    /// of photos with their own class and those with other classes, before tuning.
    fn threshold(&self) -> f64 {
        let sample = &self.photos[..self.photos.len().min(SAMPLE)];
        let scores = self.scores(sample);
        let (mut own, mut all) = (0.0, 0.0);
        for (scores, photo) in scores.rows().zip(sample) {
            own += f64::from(scores[self.data.truth[*photo]]);
            all += scores.iter().copied().map(f64::from).sum::<f64>();
        }
        let count = sample.len().max(1) as f64;
        let others = (all - own) / count / (scores.columns() - 1) as f64;
        -self.objective.scale * f64::midpoint(own / count, others)
    }

    /// One pass over the photos, in an order that only the seed, the fit and the pass decide.
    pub(super) fn pass(&mut self, epoch: usize) {
        let mut order = self.photos.clone();
        let [seed, stream] = self.streams;
        Random::of([seed, stream, epoch as u64]).shuffle(&mut order);
        for batch in order.chunks(BATCH) {
            let variables = self.network.variables();
            let gradients = self.loss(&variables, batch).backward();
            self.network.update(&variables, gradients);
        }
    }

    /// The loss of a batch and the pull to the start.
    fn loss(&self, variables: &[Values], batch: &[usize]) -> Tensor<1> {
        let classes = self.data.directions.count();
        let mut own = vec![0.0; batch.len() * classes];
        for (row, photo) in batch.iter().enumerate() {
            own[row * classes + self.data.truth[*photo]] = 1.0;
        }
        let loss = self.objective.of_batch(self.cosines(variables, batch), tensor(own, batch.len()));
        match self.network.pull(variables) {
            Some(pull) => loss + pull,
            None => loss,
        }
    }

    /// # Shapes
    /// - output: `[photo, class]`
    fn cosines(&self, values: &[Values], photos: &[usize]) -> Tensor<2> {
        let pooled = photos.iter().flat_map(|photo| self.data.pooled.row(*photo)).copied().collect();
        forward(values, tensor(pooled, photos.len())).matmul(self.directions.clone())
    }

    /// The cosine of photos and classes.
    ///
    /// # Shapes
    /// - output: `[photo, class]`
    pub(super) fn scores(&self, photos: &[usize]) -> Table {
        let constants = self.network.constants();
        let of_some = |photos| crate::device::read(self.cosines(&constants, photos));
        Table::new(self.data.directions.count(), photos.chunks(ROWS_AT_ONCE).flat_map(of_some).collect())
    }

    /// The class of each photo, fitted to or not.
    pub(super) fn truth(&self) -> &'a [usize] {
        self.data.truth
    }

    /// The mean loss of photos with these scores, without the pull.
    pub(super) fn mean_loss(&self, scores: &Table, photos: &[usize]) -> f64 {
        let of_photo = |(scores, photo): (&[f32], &usize)| self.objective.of_photo(scores, self.data.truth[*photo]);
        scores.rows().zip(photos).map(of_photo).sum::<f64>() / photos.len().max(1) as f64
    }

    /// The mean loss of the photos that are fitted to.
    pub(super) fn own_loss(&self) -> f64 {
        self.mean_loss(&self.scores(&self.photos), &self.photos)
    }

    /// The head as it is now.
    pub(super) fn head(&self) -> Result<Head, TuneError> {
        self.network.head()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Parts, *};
    use crate::{
        analysis::{Matrix, matrix::norm},
        device::read,
        lab::Map,
    };

    const PHOTOS: usize = 12;
    const CLASSES: usize = 4;

    /// Numbers without a pattern, in −1…1.
    fn scattered(count: usize, seed: u64) -> Vec<f64> {
        let mut random = Random::of([seed]);
        (0..count).map(|_| random.below(20_001) as f64 / 1e4 - 1.0).collect()
    }

    fn narrowed(values: Vec<f64>) -> Vec<f32> {
        values.into_iter().map(|value| value as f32).collect()
    }

    /// Pooled features of 5 numbers, with one that is zero, and directions in a joint space of 3.
    fn tables() -> (Table, Vec<usize>, Table) {
        let mut pooled = scattered(PHOTOS * 5, 1);
        pooled[..5].fill(0.0);
        let truth = (0..PHOTOS).map(|photo| photo * 7 % CLASSES).collect();
        (Table::new(5, narrowed(pooled)), truth, Table::new(3, narrowed(scattered(CLASSES * 3, 2))).unit())
    }

    fn gelu(x: f64) -> f64 {
        // erf by its series, which converges at once for what is below 3.
        let z = x / 2f64.sqrt();
        let mut term = z;
        let mut sum = z;
        for n in 1..60 {
            term *= -z * z / n as f64;
            sum += term / (2 * n + 1) as f64;
        }
        0.5 * x * (1.0 + sum * std::f64::consts::FRAC_2_SQRT_PI)
    }

    /// The loss as the documentation has it, in f64 and without tensors.
    fn reference(head: &Head, start: &Head, pull: f64, data: LabelledPhotos<'_>, objective: Objective) -> f64 {
        let affine = |map: &Map, x: &[f64]| -> Vec<f64> {
            let bias = map.bias.clone().unwrap_or_else(|| vec![0.0; map.weight.shape()[0]]);
            map.weight.rows().zip(bias).map(|(row, b)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + b).collect()
        };
        let of_photo = |photo: usize| {
            let mut x: Vec<f64> = data.pooled.row(photo).iter().copied().map(f64::from).collect();
            for (index, map) in head.maps().iter().enumerate() {
                x = affine(map, &if index > 0 { x.into_iter().map(gelu).collect() } else { x });
            }
            let length = if norm(&x) > 0.0 { norm(&x) } else { 1.0 };
            let logit =
                |t: &[f32]| objective.scale * t.iter().zip(&x).map(|(t, x)| f64::from(*t) * x).sum::<f64>() / length;
            let logits: Vec<f64> = data.directions.rows().map(logit).collect();
            let own = data.truth[photo];
            let off = |z: f64| (1.0 + (z + objective.bias).exp()).ln();
            match objective.loss {
                Loss::Softmax => logits.iter().map(|z| z.exp()).sum::<f64>().ln() - logits[own],
                Loss::Sigmoid => {
                    let others: f64 = (0..CLASSES).filter(|class| *class != own).map(|class| off(logits[class])).sum();
                    let right = (1.0 + (-logits[own] - objective.bias).exp()).ln();
                    right / 2.0 + others / 2.0 / (CLASSES - 1) as f64
                }
            }
        };
        let away = |(map, start): (&Map, &Map)| {
            (map.weight.distance(&start.weight).unwrap() / start.weight.frobenius_norm()).powi(2)
        };
        (0..PHOTOS).map(of_photo).sum::<f64>() / PHOTOS as f64
            + pull * head.maps().iter().zip(start.maps()).map(away).sum::<f64>()
    }

    /// The derivative by each value of the head: matrix, then bias, of each map.
    fn differences(head: &Head, loss: &dyn Fn(&Head) -> f64) -> Vec<(Vec<f64>, Vec<f64>)> {
        const STEP: f64 = 1e-5;
        let at = |map: usize, place: usize, is_bias: bool| {
            let moved = |by: f64| {
                let mut maps = head.maps().to_vec();
                match &mut maps[map] {
                    Map { bias: Some(bias), .. } if is_bias => bias[place] += by,
                    Map { weight, .. } => {
                        let [rows, columns] = weight.shape();
                        let mut values = weight.values().to_vec();
                        values[place] += by;
                        *weight = Matrix::new(rows, columns, values).unwrap();
                    }
                }
                loss(&Head::new(head.input_dim(), maps).unwrap())
            };
            (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
        };
        let of_map = |(index, map): (usize, &Map)| {
            let weights = (0..map.weight.values().len()).map(|place| at(index, place, false)).collect();
            let biases = (0..map.bias.as_ref().map_or(0, Vec::len)).map(|place| at(index, place, true)).collect();
            (weights, biases)
        };
        head.maps().iter().enumerate().map(of_map).collect()
    }

    fn starts() -> [Head; 2] {
        let matrix = |rows, columns, seed| Matrix::new(rows, columns, scattered(rows * columns, seed)).unwrap();
        let first = Map { weight: matrix(6, 5, 5), bias: Some(scattered(6, 6)) };
        let linear = Map { weight: matrix(3, 5, 3), bias: None };
        let second = Map { weight: matrix(3, 6, 7), bias: None };
        [Head::new(5, vec![linear]).unwrap(), Head::new(5, vec![first, second]).unwrap()]
    }

    #[test]
    fn gradients_are_those_of_the_documented_loss() {
        let (pooled, truth, directions) = tables();
        let data =
            LabelledPhotos { pooled: &pooled, truth: &truth, directions: &directions, scale: 8.0, bias: Some(-1.5) };
        for (start, loss) in starts().iter().flat_map(|start| [(start, Loss::Softmax), (start, Loss::Sigmoid)]) {
            for parts in [Parts::Weights, Parts::Bias, Parts::Both, Parts::Mlp] {
                let (start, fitted) = parts.of(start).unwrap();
                let recipe = Recipe { loss, pull: 0.7, learning_rate: 0.02, seed: 4 };
                let mut fit = Fit::new(data, (&start, fitted), &recipe, (0..PHOTOS).collect(), 0);
                // Away from the start, where the pull has no slope and a zero photo no direction.
                (1..4).for_each(|epoch| fit.pass(epoch));
                let head = fit.head().unwrap();
                let reference = |head: &Head| reference(head, &start, recipe.pull, data, fit.objective);
                let variables = fit.network.variables();
                let all: Vec<usize> = (0..PHOTOS).collect();
                let tracked = fit.loss(&variables, &all);
                let value = f64::from(read(tracked.clone().inner())[0]);
                assert!((value - reference(&head)).abs() < 1e-5 * value, "{parts:?} {loss:?}");
                let gradients = tracked.backward();
                let expected = differences(&head, &reference);
                let last = expected.len() - 1;
                for (index, (values, (by_weight, by_bias))) in variables.iter().zip(&expected).enumerate() {
                    let [weight, bias] = values.gradients(&gradients);
                    assert_eq!(weight.is_some(), fitted.weights);
                    let is_fitted = if index == last { fitted.last_bias } else { fitted.first_bias };
                    assert_eq!(bias.is_some(), is_fitted && !by_bias.is_empty());
                    let largest = by_weight.iter().chain(by_bias).fold(0.0, |most: f64, value| most.max(value.abs()));
                    for (found, expected) in [(weight, by_weight), (bias, by_bias)] {
                        for (found, expected) in found.iter().flatten().zip(expected) {
                            assert!(
                                (f64::from(*found) - expected).abs() < 2e-4 * largest,
                                "{parts:?} {loss:?} {index}: {found} {expected}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn half_is_between_right_and_wrong_where_the_model_has_no_bias() {
        let pooled = Table::new(2, vec![1.0, 0.0, 0.0, 1.0]);
        let directions = Table::new(2, vec![0.8, 0.6, 0.0, 1.0]);
        let data = LabelledPhotos { pooled: &pooled, truth: &[0, 1], directions: &directions, scale: 10.0, bias: None };
        let (start, fitted) = Parts::Weights.of(&Head::new(2, Vec::new()).unwrap()).unwrap();
        let recipe = Recipe { loss: Loss::Sigmoid, pull: 0.0, learning_rate: 1e-3, seed: 0 };
        let fit = Fit::new(data, (&start, fitted), &recipe, vec![0, 1], 0);
        // Cosines 0.8 and 1 with the own class, 0 and 0.6 with the other: 0.9 and 0.3.
        assert!((fit.objective.bias + 6.0).abs() < 1e-6, "{}", fit.objective.bias);
    }
}
