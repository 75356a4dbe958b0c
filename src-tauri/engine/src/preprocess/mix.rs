//! The resize's inner loops: weighted sums of levels in fixed point, across and down.
//!
//! Sums of whole numbers are the same in any order, so these take many levels at a time and still give Pillow's bits.
//! They are written so that the compiler finds the vector instructions, and `pulp` runs them with the processor's best.
//! Who says what is mixed: `resample.rs`.

use pulp::NullaryFnOnce;

/// Weights are fixed point with this many bits: Resample.c, `PRECISION_BITS` = 32 − 8 − 2.
pub(super) const PRECISION_BITS: u32 = 22;
const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// The source pixels that one pixel of an axis is mixed from.
#[derive(Debug)]
pub(super) struct Tap {
    /// The first of them.
    pub(super) first: usize,
    /// One per source pixel. They add up to 1, and to less than 2 without their signs: no sum of levels overflows.
    pub(super) weights: Vec<i32>,
}

/// Levels that are multiplied at a time across: 1, 2, 3 or 4 channels fill it without a rest.
const ACROSS: usize = 24;
/// Levels that are summed at a time down.
const DOWN: usize = 32;
/// Rows that share the loading of weights.
const ROWS: usize = 4;

/// The taps of a row, laid out for many levels at a time.
pub(super) struct Across<const CHANNELS: usize> {
    /// Per mixed pixel: the first level.
    starts: Vec<usize>,
    /// Per mixed pixel: a weight for each level from there on, 0 beyond its tap.
    weights: Vec<[i32; ACROSS]>,
    /// `weights` per mixed pixel.
    blocks: usize,
}

impl<const CHANNELS: usize> Across<CHANNELS> {
    /// For rows of `width` pixels.
    pub(super) fn new(taps: &[Tap], width: usize) -> Self {
        let longest = taps.iter().map(|tap| tap.weights.len()).max().unwrap_or(0);
        let blocks = (longest * CHANNELS).div_ceil(ACROSS);
        let reach = blocks * ACROSS / CHANNELS;
        let mut across = Self { starts: Vec::new(), weights: Vec::new(), blocks };
        for tap in taps {
            // At the end of a row, the zeros go before the tap.
            let start = tap.first.min(width.saturating_sub(reach));
            let mut weights = vec![0; blocks * ACROSS];
            for (at, &weight) in (tap.first - start..).zip(&tap.weights) {
                weights[at * CHANNELS..][..CHANNELS].fill(weight);
            }
            across.starts.push(start * CHANNELS);
            across.weights.extend(weights.as_chunks::<ACROSS>().0);
        }
        across
    }

    /// Levels that a row must have, be it only zeros at its end.
    pub(super) fn least_levels(&self) -> usize {
        self.blocks * ACROSS
    }

    /// Rows become narrower rows, which are appended to `output`.
    pub(super) fn mix(&self, rows: &[&[u8]], output: &mut Vec<u8>) {
        let start = output.len();
        output.resize(start + rows.len() * self.starts.len() * CHANNELS, 0);
        pulp::Arch::new().dispatch(MixAcross { across: self, rows, output: &mut output[start..] });
    }

    /// One pixel of some rows.
    #[inline(always)]
    fn mix_pixel<const ROWS: usize>(&self, at: usize, rows: [&[u8]; ROWS]) -> [[u8; CHANNELS]; ROWS] {
        let (start, blocks) = (self.starts[at], self.blocks);
        let rows = rows.map(|row| &row[start..start + blocks * ACROSS].as_chunks::<ACROSS>().0[..blocks]);
        let weights = &self.weights[at * blocks..][..blocks];
        let mut sums = [[0; ACROSS]; ROWS];
        for block in 0..blocks {
            for (sums, row) in sums.iter_mut().zip(rows) {
                for level in 0..ACROSS {
                    sums[level] += weights[block][level] * i32::from(row[block][level]);
                }
            }
        }
        sums.map(|sums| {
            let mut pixel = [HALF; CHANNELS];
            for (at, sum) in sums.into_iter().enumerate() {
                pixel[at % CHANNELS] += sum;
            }
            pixel.map(clip)
        })
    }
}

struct MixAcross<'a, const CHANNELS: usize> {
    across: &'a Across<CHANNELS>,
    rows: &'a [&'a [u8]],
    output: &'a mut [u8],
}

impl<const CHANNELS: usize> NullaryFnOnce for MixAcross<'_, CHANNELS> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let width = self.across.starts.len();
        let mut output = self.output.as_chunks_mut::<CHANNELS>().0;
        let (strips, rest) = self.rows.as_chunks::<ROWS>();
        for strip in strips {
            let (here, below) = output.split_at_mut(ROWS * width);
            for x in 0..width {
                for (y, pixel) in self.across.mix_pixel(x, *strip).into_iter().enumerate() {
                    here[y * width + x] = pixel;
                }
            }
            output = below;
        }
        for (row, output) in rest.iter().zip(output.chunks_exact_mut(width)) {
            for (x, pixel) in output.iter_mut().enumerate() {
                [*pixel] = self.across.mix_pixel(x, [*row]);
            }
        }
    }
}

/// Rows of `length` levels, the first of which is source row `origin`, become as many as there are taps.
pub(super) fn mix_down(taps: &[Tap], rows: &[u8], length: usize, origin: usize) -> Vec<u8> {
    let mut output = vec![0; taps.len() * length];
    pulp::Arch::new().dispatch(MixDown { taps, rows, length, origin, output: &mut output });
    output
}

struct MixDown<'a> {
    taps: &'a [Tap],
    rows: &'a [u8],
    length: usize,
    origin: usize,
    output: &'a mut [u8],
}

impl NullaryFnOnce for MixDown<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { taps, rows, length, origin, output } = self;
        for (Tap { first, weights }, output) in taps.iter().zip(output.chunks_exact_mut(length)) {
            let rows = &rows[(first - origin) * length..][..weights.len() * length];
            let (blocks, rest) = output.as_chunks_mut::<DOWN>();
            for (at, block) in blocks.iter_mut().enumerate() {
                let mut sums = [HALF; DOWN];
                for (row, weight) in rows.chunks_exact(length).zip(weights) {
                    let levels = &row.as_chunks::<DOWN>().0[at];
                    for (sum, &level) in sums.iter_mut().zip(levels) {
                        *sum += weight * i32::from(level);
                    }
                }
                *block = sums.map(clip);
            }
            let start = length - rest.len();
            for (at, level) in (start..).zip(rest) {
                let levels = rows[at..].iter().step_by(length);
                *level =
                    clip(levels.zip(weights).map(|(&level, weight)| weight * i32::from(level)).sum::<i32>() + HALF);
            }
        }
    }
}

fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// Resample.c, one level at a time.
    fn plain(tap: &Tap, levels: impl Iterator<Item = u8>) -> u8 {
        clip(levels.zip(&tap.weights).map(|(level, weight)| i32::from(level) * weight).sum::<i32>() + HALF)
    }

    /// Taps that lie anywhere in `length` pixels, with weights as a cubic has them: some below 0, all together 1.
    fn taps(length: usize) -> impl Strategy<Value = Vec<Tap>> {
        let tap = (0..length, 1_usize..60, vec(-100_i32..300, 60)).prop_map(move |(first, count, parts)| {
            let parts = &parts[..count.min(length - first)];
            let whole = parts.iter().map(|part| part.abs()).sum::<i32>().max(1);
            let weights = parts.iter().map(|part| (i64::from(*part) * (1 << PRECISION_BITS) / i64::from(whole)) as i32);
            Tap { first, weights: weights.collect() }
        });
        vec(tap, 1..40)
    }

    fn check_across<const CHANNELS: usize>(width: usize, taps: &[Tap], levels: &[u8]) {
        let across = Across::<CHANNELS>::new(taps, width);
        let mut rows: Vec<Vec<u8>> = levels.chunks_exact(width * CHANNELS).map(<[u8]>::to_vec).collect();
        rows.iter_mut().for_each(|row| row.resize(row.len().max(across.least_levels()), 0));
        let mut output = vec![7];
        across.mix(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut output);
        let expected = levels.chunks_exact(width * CHANNELS).flat_map(|row| {
            let channels = move |tap| (0..CHANNELS).map(move |channel| (tap, channel));
            let level = |(tap, channel): (&Tap, usize)| {
                plain(tap, row[tap.first * CHANNELS + channel..].iter().step_by(CHANNELS).copied())
            };
            taps.iter().flat_map(channels).map(level).collect::<Vec<_>>()
        });
        assert_eq!(output, std::iter::once(7).chain(expected).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn across_and_down_are_the_plain_sums(
            (width, taps) in (1_usize..120).prop_flat_map(|width| (Just(width), taps(width))),
            levels in vec(any::<u8>(), 120 * 9),
        ) {
            check_across::<1>(width, &taps, &levels);
            check_across::<2>(width, &taps, &levels);
            check_across::<3>(width, &taps, &levels);
            check_across::<4>(width, &taps, &levels);
            // The same taps down, over rows of which as many as the first tap needs are absent.
            let origin = taps.iter().map(|tap| tap.first).min().unwrap();
            for length in [1, 9] {
                let rows = &levels[..(width - origin) * length];
                let expected = taps.iter().flat_map(|tap| {
                    (0..length).map(move |x| plain(tap, rows[(tap.first - origin) * length + x..].iter().step_by(length).copied()))
                });
                prop_assert_eq!(mix_down(&taps, rows, length, origin), expected.collect::<Vec<_>>());
            }
        }
    }
}
