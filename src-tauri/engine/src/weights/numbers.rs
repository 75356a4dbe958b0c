//! From the bytes of a weights file to numbers in memory, in the type that they are kept in.

use burn::tensor::Element;
use half::{bf16, f16, slice::HalfFloatSliceExt};
use safetensors::Dtype;

/// Numbers converted at once. Small enough for the cache, so that reading a large tensor takes no second copy of it.
const PIECE: usize = 16 * 1024;

/// What weights can be kept in.
pub(super) trait Number: Element + Default {
    /// Adds `values`, rounded to the nearest number of this type, to `out`.
    fn append(values: &[f32], out: &mut Vec<Self>);
}

impl Number for f32 {
    fn append(values: &[f32], out: &mut Vec<Self>) {
        out.extend_from_slice(values);
    }
}

impl Number for f16 {
    fn append(values: &[f32], out: &mut Vec<Self>) {
        let start = out.len();
        out.resize(start + values.len(), Self::ZERO);
        out[start..].convert_from_f32_slice(values);
    }
}

/// Adds the numbers in `bytes`, which are of type `dtype`, to `out`. Tells how many of them are NaN or infinite, and
/// nothing if weights are never of that type.
pub(super) fn append<N: Number>(bytes: &[u8], dtype: Dtype, out: &mut Vec<N>) -> Option<usize> {
    let size = match dtype {
        Dtype::F32 => 4,
        Dtype::F16 | Dtype::BF16 => 2,
        _ => return None,
    };
    let mut values = vec![0.0; PIECE.min(bytes.len() / size)];
    let mut halves = vec![0_u16; if size == 2 { values.len() } else { 0 }];
    let mut not_finite = 0;
    for piece in bytes.chunks(PIECE * size) {
        let values = &mut values[..piece.len() / size];
        if dtype == Dtype::F32 {
            values
                .iter_mut()
                .zip(piece.as_chunks::<4>().0)
                .for_each(|(value, bytes)| *value = f32::from_le_bytes(*bytes));
        } else {
            let halves = &mut halves[..values.len()];
            halves
                .iter_mut()
                .zip(piece.as_chunks::<2>().0)
                .for_each(|(half, bytes)| *half = u16::from_le_bytes(*bytes));
            widen(halves, dtype, values);
        }
        not_finite += values.iter().filter(|value| !value.is_finite()).count();
        N::append(values, out);
    }
    Some(not_finite)
}

fn widen(halves: &[u16], dtype: Dtype, values: &mut [f32]) {
    use half::slice::HalfBitsSliceExt;
    match dtype {
        Dtype::F16 => halves.reinterpret_cast::<f16>().convert_to_f32_slice(values),
        _ => halves.reinterpret_cast::<bf16>().convert_to_f32_slice(values),
    }
}

/// `[rows, columns]` to `[columns, rows]`, in blocks so that both sides stay in the cache.
pub(super) fn transpose<N: Number>(values: &[N], rows: usize, columns: usize) -> Vec<N> {
    const BLOCK: usize = 32;
    let mut out = vec![N::default(); values.len()];
    for row_start in (0..rows).step_by(BLOCK) {
        for column_start in (0..columns).step_by(BLOCK) {
            for row in row_start..rows.min(row_start + BLOCK) {
                for column in column_start..columns.min(column_start + BLOCK) {
                    out[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_gives_the_matrix_back() {
        let matrix: Vec<f32> = (0..70 * 41).map(|v| v as f32).collect();
        let turned = transpose(&matrix, 70, 41);
        assert_eq!(turned[3 * 70 + 2], matrix[2 * 41 + 3]);
        assert_eq!(transpose(&turned, 41, 70), matrix);
    }

    #[test]
    fn halves_of_both_kinds_become_f32() {
        let mut out = vec![0.5_f32];
        assert_eq!(append(&f16::from_f32(1.5).to_le_bytes(), Dtype::F16, &mut out), Some(0));
        assert_eq!(append(&bf16::from_f32(-2.0).to_le_bytes(), Dtype::BF16, &mut out), Some(0));
        assert_eq!(out, [0.5, 1.5, -2.0]);
        assert_eq!(append(&[1, 0], Dtype::I16, &mut out), None);
    }

    #[test]
    fn every_half_stays_what_it_is_over_many_pieces() {
        let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        let bytes: Vec<u8> = all.iter().flat_map(|half| half.to_le_bytes()).collect();
        let mut out = Vec::<f16>::new();
        // Two infinities, and all patterns of NaN.
        assert_eq!(append(&bytes, Dtype::F16, &mut out), Some(2 * 1024));
        assert!(out.iter().zip(&all).all(|(found, half)| found.to_bits() == half.to_bits() || half.is_nan()));
    }

    #[test]
    fn what_f16_cannot_hold_becomes_infinite() {
        let mut out = Vec::<f16>::new();
        append(&1e5_f32.to_le_bytes(), Dtype::F32, &mut out);
        assert!(out[0].is_infinite());
    }
}
