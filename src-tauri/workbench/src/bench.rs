//! How fast this machine is at each stage. Times are medians of several runs, after one that does not count.
//!
//! `pictures.rs` (decoding and what a tower sees), `model.rs` (both towers), `import.rs` (all of it, and its stages
//! alone), `search.rs`, `fidelity.rs` (what fast decoding changes), `machine.rs` (what it all ran on). Each measures in the
//! process that it is called in; the command line gives every part a process of its own.

mod fidelity;
mod import;
mod lab;
mod library;
mod machine;
mod model;
mod pictures;
mod search;
mod shapes;

use std::time::{Duration, Instant};

use cliploupe_engine::preprocess::Pixels;
use serde::Serialize;

pub use fidelity::{Fidelity, fidelity};
pub use import::{Import, Stages, import};
pub use lab::lab;
pub use library::library;
pub use machine::{Machine, is_stripped, machine, peak_memory, peak_memory_of};
pub use model::{load, model};
pub use pictures::pictures;
pub use search::search;
pub use shapes::{FILES, SHAPES, Shape};

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The median.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
}

/// A figure.
pub fn figure(what: impl Into<String>, value: f64, unit: &'static str) -> Figure {
    Figure { what: what.into(), value, unit }
}

/// Median time of `work`, over at least three runs and about a second.
fn median(mut work: impl FnMut()) -> Duration {
    work();
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || (start.elapsed() < Duration::from_secs(1) && times.len() < 50) {
        let run = Instant::now();
        work();
        times.push(run.elapsed());
    }
    middle(times)
}

/// The upper median of at least one time.
fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A number with commas between its thousands.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let ends = (1..=digits.len()).filter(|end| (digits.len() - end).is_multiple_of(3));
    let mut begin = 0;
    let groups: Vec<&str> = ends.map(|end| &digits[std::mem::replace(&mut begin, end)..end]).collect();
    groups.join(",")
}

/// A picture with slopes, edges and grain, so that compressing it is neither trivial nor hopeless. Another seed is another
/// grain.
fn scene(height: usize, width: usize, seed: u32) -> Pixels {
    let mut state = 0x2545_f491_u32 ^ seed.wrapping_mul(0x9e37_79b9);
    let mut data = Vec::with_capacity(height * width * 3);
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = (state >> 28) as usize;
            let block = if (x / 97 + y / 61).is_multiple_of(2) { 60 } else { 0 };
            data.extend(
                [x * 180 / width + grain + block, y * 180 / height + grain, (x + y) % 190 + block].map(|v| v as u8),
            );
        }
    }
    Pixels { height, width, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_from_the_right() {
        assert_eq!([7, 999, 1000, 1_000_000].map(grouped), ["7", "999", "1,000", "1,000,000"]);
    }

    #[test]
    fn another_seed_is_another_picture() {
        assert_ne!(scene(8, 8, 1), scene(8, 8, 2));
        assert_eq!(scene(8, 8, 1), scene(8, 8, 1));
    }
}
