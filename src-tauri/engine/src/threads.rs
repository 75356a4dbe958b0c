//! A batch over the processor's threads.
//!
//! flex (0.22.1) splits single operations over threads, and takes many of them on one. Where a batch has enough rows,
//! each thread takes its own through the whole tower instead: none waits for another between two operations.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Groups of threads, by how many groups there are and how many threads each has.
static GROUPS: Mutex<BTreeMap<[usize; 2], Arc<[ThreadPool]>>> = Mutex::new(BTreeMap::new());

/// Computes something for each of `parts`, in as many groups of threads as keep all of them busy.
///
/// Operations split themselves over the threads of the group in which they run.
///
/// # Panics
/// If `work` does, with what it said.
pub(crate) fn spread<T: Send>(parts: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let groups = groups(parts);
    if groups <= 1 {
        return (0..parts).map(work).collect();
    }
    let Some(pools) = pools(groups) else { return (0..parts).map(work).collect() };
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let take = || {
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return;
            }
            let found = work(part);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((part, found));
        }
    };
    on_each(&pools, &take);
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(part, _)| *part);
    done.into_iter().map(|(_, found)| found).collect()
}

/// Runs `work` in every pool at once, and returns when all have ended.
fn on_each(pools: &[ThreadPool], work: &(impl Fn() + Sync)) {
    let Some((pool, others)) = pools.split_first() else { return };
    pool.in_place_scope(|scope| {
        scope.spawn(|_| work());
        on_each(others, work);
    });
}

/// Rows of a part if `rows` are spread, each part having `least` or more where there are so many; 1 if there are none.
pub(crate) fn part(rows: usize, [least, most]: [usize; 2]) -> usize {
    rows.div_ceil(groups(rows / least)).clamp(1, most)
}

/// The most groups of one size that are no more than `parts`.
fn groups(parts: usize) -> usize {
    let threads = rayon::current_num_threads();
    (1..=threads.min(parts)).rev().find(|groups| threads.is_multiple_of(*groups)).unwrap_or(1)
}

/// `None` where the system gives no more threads.
fn pools(groups: usize) -> Option<Arc<[ThreadPool]>> {
    let threads = rayon::current_num_threads() / groups;
    let mut known = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pools) = known.get(&[groups, threads]) {
        return Some(pools.clone());
    }
    let build = || ThreadPoolBuilder::new().num_threads(threads).build();
    let pools: Arc<[ThreadPool]> = (0..groups).map(|_| build()).collect::<Result<Vec<_>, _>>().ok()?.into();
    known.insert([groups, threads], pools.clone());
    Some(pools)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs in a pool of its own, because a machine may have one core.
    fn on_six<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        ThreadPoolBuilder::new().num_threads(6).build().unwrap().install(work)
    }

    #[test]
    fn parts_come_back_in_their_order() {
        for parts in [0, 1, 2, 5, 40] {
            assert_eq!(
                on_six(|| spread(parts, |part| part * part)),
                (0..parts).map(|part| part * part).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn all_threads_are_in_a_group_of_their_own() {
        let [one, two, three, all] = on_six(|| {
            [1, 2, 5, 100].map(|parts| spread(parts, |_| rayon::current_num_threads()).into_iter().collect::<Vec<_>>())
        });
        assert_eq!([one, two, three], [vec![6], vec![3; 2], vec![2; 5]]);
        assert_eq!(all, [1; 100]);
    }

    #[test]
    fn parts_keep_more_than_one_group_busy() {
        assert_eq!(on_six(|| part(0, [4, 16])), 1);
        for rows in 1..200 {
            let (part, groups) = on_six(|| {
                let part = part(rows, [4, 16]);
                (part, groups(rows.div_ceil(part)))
            });
            assert!(part <= 16 && (part >= 4 || part == rows), "{rows} rows in parts of {part}");
            assert!(rows < 8 || groups > 1, "{rows} rows in {groups} groups");
        }
    }

    #[test]
    #[should_panic(expected = "part 3 is bad")]
    fn a_panic_is_passed_on_with_its_words() {
        on_six(|| spread(4, |part| assert!(part != 3, "part {part} is bad")));
    }
}
