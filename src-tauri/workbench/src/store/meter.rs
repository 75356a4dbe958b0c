//! How a transfer is told about: often enough to look alive, seldom enough to cost nothing.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::messages::{Problem, Transfer, TransferState};

/// Told at most this often, changes of state aside.
const INTERVAL: Duration = Duration::from_millis(100);
/// The rate is that of the last seconds.
const WINDOW: Duration = Duration::from_secs(5);
/// No rate is told before this much time: the first bytes say little.
const RATE_AFTER: Duration = Duration::from_millis(700);

/// Counts the bytes of a transfer and tells about them.
pub struct Meter<'a> {
    now: Transfer,
    told: Option<Instant>,
    /// When, and how many bytes were here then.
    seen: VecDeque<(Instant, u64)>,
    tell: &'a mut dyn FnMut(&Transfer),
}

impl<'a> Meter<'a> {
    /// A meter of the model called `name`.
    pub fn new(name: &str, tell: &'a mut dyn FnMut(&Transfer)) -> Self {
        Self { now: transfer(name, TransferState::Connecting), told: None, seen: VecDeque::new(), tell }
    }

    /// A new state is told at once.
    pub fn state(&mut self, state: TransferState, problem: Option<Problem>) {
        if self.now.state != state || self.now.problem != problem {
            (self.now.state, self.now.problem) = (state, problem);
            if state != TransferState::Receiving {
                self.seen.clear();
            }
            self.say();
        }
    }

    /// The file that comes now.
    pub fn file(&mut self, file: &str) {
        self.now.file = Some(file.to_owned());
    }

    /// Bytes of all files, as far as known.
    pub fn total(&mut self, total: Option<u64>) {
        self.now.total = total;
    }

    /// So many bytes are here, over all files.
    pub fn received(&mut self, bytes: u64) {
        let now = Instant::now();
        // Bytes that go, when a file begins anew, are no negative rate.
        if bytes < self.now.received {
            self.seen.clear();
        }
        self.now.received = bytes;
        self.seen.push_back((now, bytes));
        while self.seen.len() > 2 && self.seen.front().is_some_and(|(then, _)| now - *then > WINDOW) {
            self.seen.pop_front();
        }
        if self.told.is_none_or(|told| now - told >= INTERVAL) {
            self.say();
        }
    }

    fn say(&mut self) {
        self.told = Some(Instant::now());
        self.now.rate_per_sec = self.rate();
        let left = self.now.total.map(|total| total.saturating_sub(self.now.received) as f64);
        self.now.secs_left = self.now.rate_per_sec.zip(left).map(|(rate, left)| left / rate);
        (self.tell)(&self.now);
    }

    fn rate(&self) -> Option<f64> {
        let ((begin, before), (end, after)) = (self.seen.front()?, self.seen.back()?);
        let time = *end - *begin;
        (time >= RATE_AFTER && after > before).then(|| (after - before) as f64 / time.as_secs_f64())
    }
}

/// A transfer of which nothing is known yet.
pub fn transfer(name: &str, state: TransferState) -> Transfer {
    Transfer {
        name: name.to_owned(),
        state,
        file: None,
        received: 0,
        total: None,
        rate_per_sec: None,
        secs_left: None,
        problem: None,
    }
}
