//! Parts of the photos, each of which is held out once.

use super::random::Random;

/// Splits photos into `parts` of nearly one size, each with nearly the same share of every class.
///
/// The photos of a class are shuffled and dealt out one by one, and the next class goes on where the last one ended. So
/// a class with at least `parts` photos is in every part, and a class with one photo is in one part only.
///
/// # Shapes
/// - truth: `[photo]`, the class of each
/// - output: `[photo]`, the part of each, from 0
pub(super) fn stratified(truth: &[usize], parts: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..truth.len()).collect();
    Random::of([seed]).shuffle(&mut order);
    order.sort_by_key(|photo| truth[*photo]);
    let mut part_of = vec![0; truth.len()];
    for (turn, photo) in order.into_iter().enumerate() {
        part_of[photo] = turn % parts;
    }
    part_of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_share_of_every_class() {
        // 20, 7, 5 and 1 photos, mixed up.
        let mut truth: Vec<usize> = [20, 7, 5, 1].iter().enumerate().flat_map(|(c, n)| vec![c; *n]).collect();
        Random::of([3]).shuffle(&mut truth);
        let part_of = stratified(&truth, 5, 11);
        let count =
            |part: usize, class: usize| part_of.iter().zip(&truth).filter(|(p, c)| **p == part && **c == class).count();
        for part in 0..5 {
            assert_eq!((count(part, 0), count(part, 2)), (4, 1));
            assert!((1..=2).contains(&count(part, 1)));
            assert!((6..=7).contains(&part_of.iter().filter(|p| **p == part).count()));
        }
        assert_eq!((0..5).map(|part| count(part, 3)).sum::<usize>(), 1);
    }

    #[test]
    fn the_seed_decides_who_is_where() {
        let truth: Vec<usize> = (0..60).map(|photo| photo % 3).collect();
        assert_eq!(stratified(&truth, 4, 1), stratified(&truth, 4, 1));
        assert_ne!(stratified(&truth, 4, 1), stratified(&truth, 4, 2));
    }
}
