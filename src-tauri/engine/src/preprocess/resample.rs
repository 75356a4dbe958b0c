//! Pillow's 8-bit resampler, bit for bit: `src/libImaging/Resample.c` and `Geometry.c` of Pillow 12.3.0.
//!
//! Two passes, across and then down, each a weighted sum in fixed point (`mix.rs`). Only what an `Axis` keeps is
//! computed. Who says what is kept: `mod.rs`.

use super::mix::{PRECISION_BITS, STRIP, Tap, mix_across, mix_down, sources};
use super::{Axis, Interpolation};
use crate::photo::{Mode, Picture};

/// Pillow's `NEAREST`, which it uses for palettes and single bits whatever filter is asked for.
pub(super) fn nearest(picture: &Picture, rows: &Axis, columns: &Axis) -> Vec<u8> {
    let channels = picture.mode().channels();
    let (rows, columns) = (nearest_sources(rows), nearest_sources(columns));
    let mut output = Vec::with_capacity(rows.len() * columns.len() * channels);
    for row in rows {
        let row = picture.row(row);
        output.extend(columns.iter().flat_map(|&x| &row[x * channels..(x + 1) * channels]));
    }
    output
}

/// The source pixel of each kept one. Summed step by step, as Geometry.c's `ImagingScaleAffine` does: a
/// product would round differently and pick another pixel now and then.
fn nearest_sources(axis: &Axis) -> Vec<usize> {
    let first = axis.from.start() + axis.scale() * 0.5;
    let steps = std::iter::successors(Some(first), |at| Some(at + axis.scale()));
    steps.skip(axis.start).take(axis.kept).map(|at| (at as usize).min(axis.from.length - 1)).collect()
}

/// Pillow's `Image.resize`, of which only the kept part is computed: `[rows.kept, columns.kept, channel]`.
pub(super) fn resample(picture: &Picture, rows: &Axis, columns: &Axis, kernel: Interpolation) -> Vec<u8> {
    match picture.mode() {
        Mode::Grey => resample_channels::<1>(picture, rows, columns, kernel),
        Mode::GreyAlpha => resample_channels::<2>(picture, rows, columns, kernel),
        Mode::Rgb => resample_channels::<3>(picture, rows, columns, kernel),
        Mode::Rgba => resample_channels::<4>(picture, rows, columns, kernel),
    }
}

fn resample_channels<const CHANNELS: usize>(
    picture: &Picture,
    rows: &Axis,
    columns: &Axis,
    kernel: Interpolation,
) -> Vec<u8> {
    // Pillow returns a picture that already has the size untouched, without the loss of premultiplying.
    let is_premultiplied =
        picture.mode().has_alpha() && [rows.from.length, columns.from.length] != [rows.to, columns.to];
    let down = taps(rows, kernel);
    let across = taps(columns, kernel);
    let needed = sources(&down);
    let mut narrow = Vec::with_capacity(needed.len() * columns.kept * CHANNELS);
    for start in needed.clone().step_by(STRIP) {
        let rows = (start..needed.end.min(start + STRIP)).map(|y| picture.row(y));
        if is_premultiplied {
            let copies: Vec<Vec<u8>> = rows.map(premultiplied_row::<CHANNELS>).collect();
            mix_across::<CHANNELS>(&across, &copies.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut narrow);
        } else {
            mix_across::<CHANNELS>(&across, &rows.collect::<Vec<_>>(), &mut narrow);
        }
    }
    let mut output = mix_down(&down, &narrow, columns.kept * CHANNELS, needed.start);
    if is_premultiplied {
        output.as_chunks_mut::<CHANNELS>().0.iter_mut().for_each(unpremultiply);
    }
    output
}

fn premultiplied_row<const CHANNELS: usize>(row: &[u8]) -> Vec<u8> {
    row.as_chunks::<CHANNELS>().0.iter().flat_map(|pixel| premultiplied(*pixel)).collect()
}

/// Pillow's Convert.c, `rgba2rgbA`: the last channel is alpha.
fn premultiplied<const CHANNELS: usize>(mut pixel: [u8; CHANNELS]) -> [u8; CHANNELS] {
    let alpha = u32::from(pixel[CHANNELS - 1]);
    for level in &mut pixel[..CHANNELS - 1] {
        let product = u32::from(*level) * alpha + 128;
        *level = ((product + (product >> 8)) >> 8) as u8; // MULDIV255
    }
    pixel
}

/// Pillow's Convert.c, `rgbA2rgba`.
fn unpremultiply<const CHANNELS: usize>(pixel: &mut [u8; CHANNELS]) {
    let alpha = u32::from(pixel[CHANNELS - 1]);
    if alpha != 0 && alpha != 255 {
        for level in &mut pixel[..CHANNELS - 1] {
            *level = (u32::from(*level) * 255 / alpha).min(255) as u8;
        }
    }
}

/// For each kept pixel, the source pixels it is mixed from: Resample.c, `precompute_coeffs`, `normalize_coeffs_8bpc`.
/// As in Pillow's `Image.thumbnail`, whose `box` this is, a picture that was decoded at fewer pixels may end within one.
fn taps(axis: &Axis, kernel: Interpolation) -> Vec<Tap> {
    let widening = axis.scale().max(1.0);
    let (support, weigh): (f64, fn(f64) -> f64) = match kernel {
        Interpolation::Bicubic => (2.0 * widening, bicubic),
        Interpolation::Bilinear => (widening, bilinear),
    };
    let tap = |at: usize| {
        let centre = axis.from.start() + (at as f64 + 0.5) * axis.scale();
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(axis.from.length);
        let weigh = |source: usize| weigh((source as f64 - centre + 0.5) * (1.0 / widening));
        Tap { first, weights: fixed_point((first..end).map(weigh).collect()) }
    };
    axis.kept().map(tap).collect()
}

fn fixed_point(weights: Vec<f64>) -> Vec<i32> {
    let sum: f64 = weights.iter().sum();
    let one = f64::from(1 << PRECISION_BITS);
    // `as` truncates towards 0, so half a unit away from 0 rounds, as in C.
    weights.iter().map(|weight| weight / sum * one).map(|weight| (weight + 0.5_f64.copysign(weight)) as i32).collect()
}

/// Resample.c, `bicubic_filter`, with a = −0.5.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// Resample.c, `bilinear_filter`.
fn bilinear(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::Side;
    use crate::preprocess::Convention;

    #[test]
    fn only_source_rows_that_survive_the_crop_are_needed() {
        let axis = Axis::centred(Side::whole(20_000), 4_480_000, 224, Convention::OpenClip);
        assert_eq!((axis.start, axis.kept), (2_239_888, 224));
        assert_eq!(sources(&taps(&axis, Interpolation::Bicubic)), 9_998..10_002);
    }

    #[test]
    fn a_side_of_the_right_length_is_left_as_it_is() {
        let axis = Axis::whole(Side::whole(3), 3);
        let picture = Picture::new(3, 3, Mode::Grey, vec![1, 255, 0, 128, 77, 3, 9, 8, 7]);
        assert_eq!(resample(&picture, &axis, &axis, Interpolation::Bicubic), picture.data());
    }

    #[test]
    fn weights_add_up_to_one() {
        for (from, to) in [(4000, 224), (224, 224), (7, 32), (1, 224), (1_000_000, 3)] {
            for kernel in [Interpolation::Bicubic, Interpolation::Bilinear] {
                for tap in taps(&Axis::whole(Side::whole(from), to), kernel) {
                    let error = tap.weights.iter().sum::<i32>() - (1 << PRECISION_BITS);
                    assert!(error.unsigned_abs() as usize <= tap.weights.len(), "{from} to {to}: {error}");
                }
            }
        }
    }

    #[test]
    fn premultiplying_rounds_as_pillow_does() {
        assert_eq!(premultiplied([255, 100, 1, 128]), [128, 50, 1, 128]);
        let mut pixel = [128, 50, 1, 128];
        unpremultiply(&mut pixel);
        assert_eq!(pixel, [255, 99, 1, 128]);
    }
}
