//! Dot products of small whole numbers: rows of i8 with a query of i16, in the widest registers of the processor.
//!
//! `i8 → i16`, then `madd` (products of i16 pairs, added in i32), is exact: nothing saturates while the caller keeps
//! 127 · |query| · width below 2³¹.

/// Rows and queries are padded with zeros to a multiple of this many numbers, so that no loop has a tail.
pub(super) const STEP: usize = 64;

/// The dot product of every row with the query.
///
/// # Shapes
/// - rows: `[row, stride]`, query: `[stride]`, dots: `[row]`; the stride is a multiple of [`STEP`].
pub(super) fn dots(rows: &[i8], query: &[i16], dots: &mut [i32]) {
    assert!(query.len().is_multiple_of(STEP) && rows.len() == query.len() * dots.len());
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(v4) = pulp::x86::V4::try_new() {
            return v4.vectorize(x86::Dots { lanes: x86::Avx512(v4), rows, query, dots });
        }
        if let Some(v3) = pulp::x86::V3::try_new() {
            return v3.vectorize(x86::Dots { lanes: x86::Avx2(v3), rows, query, dots });
        }
    }
    pulp::Arch::new().dispatch(|| plain(rows, query, dots));
}

/// The same without instructions by name; NEON and SSE2 come out of it by themselves.
#[inline(always)]
fn plain(rows: &[i8], query: &[i16], dots: &mut [i32]) {
    for (row, dot) in rows.chunks_exact(query.len()).zip(dots) {
        *dot = row.iter().zip(query).map(|(&x, &q)| i32::from(i16::from(x)) * i32::from(q)).sum();
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m128i, __m256i, __m512i};

    use pulp::{
        NullaryFnOnce, as_arrays, cast,
        x86::{V3, V4},
    };

    /// A register full of i16, and what is done with it. `N` numbers fit.
    pub(super) trait Lanes<const N: usize>: Copy {
        type Sum: Copy;
        fn zero(self) -> Self::Sum;
        fn add_products(self, sum: Self::Sum, row: [i8; N], query: [i16; N]) -> Self::Sum;
        fn total(self, sums: [Self::Sum; 4]) -> i32;
    }

    #[derive(Clone, Copy)]
    pub(super) struct Avx512(pub V4);

    impl Lanes<32> for Avx512 {
        type Sum = __m512i;

        #[inline(always)]
        fn zero(self) -> __m512i {
            cast([0_i32; 16])
        }

        #[inline(always)]
        fn add_products(self, sum: __m512i, row: [i8; 32], query: [i16; 32]) -> __m512i {
            let row = self.0.avx512bw._mm512_cvtepi8_epi16(cast::<_, __m256i>(row));
            let products = self.0.avx512bw._mm512_madd_epi16(row, cast(query));
            self.0.avx512f._mm512_add_epi32(sum, products)
        }

        #[inline(always)]
        fn total(self, [a, b, c, d]: [__m512i; 4]) -> i32 {
            let add = |a, b| self.0.avx512f._mm512_add_epi32(a, b);
            self.0.avx512f._mm512_reduce_add_epi32(add(add(a, b), add(c, d)))
        }
    }

    #[derive(Clone, Copy)]
    pub(super) struct Avx2(pub V3);

    impl Lanes<16> for Avx2 {
        type Sum = __m256i;

        #[inline(always)]
        fn zero(self) -> __m256i {
            cast([0_i32; 8])
        }

        #[inline(always)]
        fn add_products(self, sum: __m256i, row: [i8; 16], query: [i16; 16]) -> __m256i {
            let row = self.0.avx2._mm256_cvtepi8_epi16(cast::<_, __m128i>(row));
            let products = self.0.avx2._mm256_madd_epi16(row, cast(query));
            self.0.avx2._mm256_add_epi32(sum, products)
        }

        #[inline(always)]
        fn total(self, [a, b, c, d]: [__m256i; 4]) -> i32 {
            let add = |a, b| self.0.avx2._mm256_add_epi32(a, b);
            cast::<_, [i32; 8]>(add(add(a, b), add(c, d))).iter().sum()
        }
    }

    pub(super) struct Dots<'a, L> {
        pub lanes: L,
        pub rows: &'a [i8],
        pub query: &'a [i16],
        pub dots: &'a mut [i32],
    }

    impl<L> Dots<'_, L> {
        /// Row after row, so that memory is read straight on, with four sums under way in each.
        #[inline(always)]
        fn all<const N: usize>(self)
        where
            L: Lanes<N>,
        {
            let lanes = self.lanes;
            let query = as_arrays::<4, _>(as_arrays::<N, _>(self.query).0);
            for (row, dot) in self.rows.chunks_exact(self.query.len()).zip(self.dots) {
                let row = as_arrays::<4, _>(as_arrays::<N, _>(row).0);
                let mut sums = [lanes.zero(); 4];
                for (row, query) in row.0.iter().zip(query.0) {
                    for at in 0..4 {
                        sums[at] = lanes.add_products(sums[at], row[at], query[at]);
                    }
                }
                for ((sum, &row), &query) in sums.iter_mut().zip(row.1).zip(query.1) {
                    *sum = lanes.add_products(*sum, row, query);
                }
                *dot = lanes.total(sums);
            }
        }
    }

    impl NullaryFnOnce for Dots<'_, Avx512> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            self.all();
        }
    }

    impl NullaryFnOnce for Dots<'_, Avx2> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            self.all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_gives_the_sums_of_whole_numbers() {
        for (count, stride) in [(0, 64), (1, 64), (4, 128), (7, 192), (9, 512)] {
            let rows: Vec<i8> = (0..count * stride).map(|i| (i * 37 % 255) as u8 as i8).collect();
            let query: Vec<i16> = (0..stride).map(|i| (i * 7919 % 32_000) as i16 - 16_000).collect();
            let naive: Vec<i64> = rows
                .chunks_exact(stride)
                .map(|row| row.iter().zip(&query).map(|(&x, &q)| i64::from(x) * i64::from(q)).sum())
                .collect();
            let check = |name: &str, run: &dyn Fn(&mut [i32])| {
                let mut found = vec![0; count];
                run(&mut found);
                assert_eq!(found.iter().map(|&dot| i64::from(dot)).collect::<Vec<_>>(), naive, "{name}");
            };
            check("dispatched", &|found| dots(&rows, &query, found));
            check("plain", &|found| plain(&rows, &query, found));
            #[cfg(target_arch = "x86_64")]
            if let Some(v3) = pulp::x86::V3::try_new() {
                check("AVX2", &|found| {
                    v3.vectorize(x86::Dots { lanes: x86::Avx2(v3), rows: &rows, query: &query, dots: found });
                });
            }
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let stride = 512;
        let most = (i32::MAX as usize / (127 * stride)).min(32_767) as i16;
        let mut found = [0];
        dots(&vec![-127; stride], &vec![most; stride], &mut found);
        assert_eq!(i64::from(found[0]), -127 * i64::from(most) * stride as i64);
    }
}
