//! Times as the library keeps them: milliseconds since 1970. They are shown, never compared to find out what is newer:
//! clocks go backwards.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Now.
pub fn now_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

/// Nanoseconds since 1970 of a file's time of change, as `file.modified_ns`; negative before 1970.
pub fn modified_ns(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}

/// When a year begins, by the clock that `taken_ms` is of.
///
/// Days from civil dates as in Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms", for 1 January.
pub fn year_begins_ms(year: i64) -> i64 {
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    // 719162 days lie between 1 January of year 1 and 1 January 1970.
    (before * 365 + leap_days - 719_162).saturating_mul(DAY_MS)
}

/// The year that a time lies in.
pub fn year_of(ms: i64) -> i64 {
    // A guess by the mean length of a year, 365.2425 days, is never off by more than one.
    let guess = 1970 + (ms.div_euclid(DAY_MS) * 10_000).div_euclid(3_652_425);
    let later = (year_begins_ms(guess + 1) <= ms) as i64;
    let earlier = (year_begins_ms(guess) > ms) as i64;
    guess + later - earlier
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_begin_when_they_do() {
        // date -u -d '2000-01-01' +%s, and so on
        let known =
            [(1970, 0), (2000, 946_684_800), (2024, 1_704_067_200), (1969, -31_536_000), (1900, -2_208_988_800)];
        assert!(known.iter().all(|&(year, seconds)| year_begins_ms(year) == seconds * 1000));
    }

    #[test]
    fn every_moment_lies_in_its_year() {
        for year in 1..3000 {
            let begins = year_begins_ms(year);
            assert_eq!((year_of(begins - 1), year_of(begins)), (year - 1, year));
        }
        // A damaged file may claim any time.
        assert!(year_of(i64::MIN) < -290_000_000 && year_of(i64::MAX) > 290_000_000);
    }
}
