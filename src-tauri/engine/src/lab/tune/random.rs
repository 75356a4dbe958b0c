//! A small generator of numbers that look random and are the same for the same seed on every machine: SplitMix64
//! (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).

/// A stream of numbers.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// The stream of some numbers, such as a seed, a part and a pass: other numbers give an unrelated stream.
    pub(super) fn of(numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut random = Self { state: 0 };
        for number in numbers {
            random.state = random.next() ^ number;
        }
        random
    }

    fn next(&mut self) -> u64 {
        // The constants are the paper's.
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`. The high half of a product is even enough: what it is off by is `end` / 2⁶⁴.
    pub(super) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// Puts the items into another order (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_paper() {
        // First numbers of SplitMix64 from the state 0, as Java's SplittableRandom(0) has them.
        let mut random = Random::of([]);
        assert_eq!(random.next(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(random.next(), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn numbers_below_an_end_are_even_and_shuffles_keep_everything() {
        let mut random = Random::of([7, 1]);
        let mut counts = [0; 5];
        (0..50_000).for_each(|_| counts[random.below(5)] += 1);
        // 10,000 ± 5 standard deviations of 89.
        assert!(counts.iter().all(|count| (9_550..10_450).contains(count)), "{counts:?}");
        let mut items: Vec<usize> = (0..100).collect();
        random.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn other_numbers_give_another_stream() {
        let first = |numbers: [u64; 2]| Random::of(numbers).next();
        assert_eq!(first([1, 2]), first([1, 2]));
        assert!(first([1, 2]) != first([2, 1]) && first([1, 2]) != first([1, 3]));
    }
}
