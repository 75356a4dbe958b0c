//! The resize's inner loops: weighted sums of levels in fixed point, across and down.
//!
//! Sums of whole numbers are the same in any order, so these take many levels at a time and still give Pillow's bits.
//! They are written so that the compiler finds the vector instructions, and `pulp` runs them with the processor's best.
//! Who says what is mixed: `resample.rs`.

use std::ops::Range;

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

/// Levels that are mixed at a time: neighbours in a row on the way down, neighbours in a column on the way across.
const LANES: usize = 32;

/// Rows that are narrowed at a time.
pub(super) const STRIP: usize = LANES;

/// Mixed pixels of a row for which the source is laid on its side at a time, so that it stays in the nearest cache: the more,
/// the less is laid twice at the borders.
const RUN: usize = 64;

/// Rows become narrower rows, which are appended to `output`: at most [`STRIP`] of them, of one length.
///
/// Across, the weights of neighbouring pixels differ, and a vector of levels would need a vector of weights. So a strip of
/// rows is laid on its side, whose neighbours have one weight, and what comes of it is put upright again.
pub(super) fn mix_across<const CHANNELS: usize>(taps: &[Tap], rows: &[&[u8]], output: &mut Vec<u8>) {
    assert!(rows.len() <= STRIP, "{} rows in a strip", rows.len());
    let start = output.len();
    output.resize(start + rows.len() * taps.len() * CHANNELS, 0);
    pulp::Arch::new().dispatch(MixAcross::<CHANNELS> { taps, rows, output: &mut output[start..] });
}

struct MixAcross<'a, const CHANNELS: usize> {
    taps: &'a [Tap],
    rows: &'a [&'a [u8]],
    output: &'a mut [u8],
}

impl<const CHANNELS: usize> NullaryFnOnce for MixAcross<'_, CHANNELS> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { taps, rows, output } = self;
        let width = taps.len() * CHANNELS;
        let (mut lying, mut mixed) = (Vec::new(), Vec::new());
        for (run, taps) in taps.chunks(RUN).enumerate() {
            let sources = sources(taps);
            lying.resize((sources.len() * CHANNELS).max(lying.len()), [0; LANES]);
            for (lane, row) in rows.iter().enumerate() {
                let levels = &row[sources.start * CHANNELS..sources.end * CHANNELS];
                for (level, column) in levels.iter().zip(&mut lying) {
                    column[lane] = *level;
                }
            }
            mixed.clear();
            for Tap { first, weights } in taps {
                let lying = &lying[(first - sources.start) * CHANNELS..];
                for channel in 0..CHANNELS {
                    let columns = lying[channel..].iter().step_by(CHANNELS);
                    mixed.push(mix(weights, columns));
                }
            }
            for (lane, row) in output.chunks_exact_mut(width).enumerate() {
                for (level, column) in row[run * RUN * CHANNELS..].iter_mut().zip(&mixed) {
                    *level = column[lane];
                }
            }
        }
    }
}

/// Sums of one weight and many levels each.
#[inline(always)]
fn mix<'a>(weights: &[i32], levels: impl Iterator<Item = &'a [u8; LANES]>) -> [u8; LANES] {
    let mut sums = [HALF; LANES];
    for (weight, levels) in weights.iter().zip(levels) {
        for (sum, &level) in sums.iter_mut().zip(levels) {
            *sum += weight * i32::from(level);
        }
    }
    sums.map(clip)
}

/// The source pixels that any of the mixed ones needs.
pub(super) fn sources(taps: &[Tap]) -> Range<usize> {
    let start = taps.iter().map(|tap| tap.first).min().unwrap_or(0);
    let end = taps.iter().map(|tap| tap.first + tap.weights.len()).max().unwrap_or(0);
    start..end
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
            let (blocks, rest) = output.as_chunks_mut::<LANES>();
            for (at, block) in blocks.iter_mut().enumerate() {
                *block = mix(weights, rows.chunks_exact(length).map(|row| &row.as_chunks::<LANES>().0[at]));
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
        vec(tap, 1..150)
    }

    fn check_across<const CHANNELS: usize>(width: usize, taps: &[Tap], levels: &[u8]) {
        let rows: Vec<&[u8]> = levels.chunks_exact(width * CHANNELS).take(STRIP).collect();
        let mut output = vec![7];
        mix_across::<CHANNELS>(taps, &rows, &mut output);
        let expected = rows.iter().flat_map(|row| {
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
