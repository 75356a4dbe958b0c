//! What is under way, in counts.

use std::time::{Duration, Instant};

use crate::messages::{Phase, Progress};

/// No rate is told before this much time: the first photos say little.
const RATE_AFTER: Duration = Duration::from_millis(700);

/// What is under way.
pub(super) struct Activity {
    /// Counts stops and new beginnings: photos queued in an older run are dropped where they are met.
    pub run: u64,
    /// Counts stops: a walk that began before the last one ends.
    pub walk: u64,
    pub scanning: u32,
    pub total: u32,
    pub done: u32,
    pub failed: u32,
    pub labels: Option<(u32, u32)>,
    /// The newest label set is not scored yet.
    pub labels_pending: bool,
    pub loading: bool,
    pub cancelled: bool,
    pub started: Instant,
    pub told: Instant,
}

impl Activity {
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            run: 0,
            walk: 0,
            scanning: 0,
            total: 0,
            done: 0,
            failed: 0,
            labels: None,
            labels_pending: false,
            loading: true,
            cancelled: false,
            started: now,
            told: now,
        }
    }

    /// New work: counts go on if older work is under way, and start anew otherwise.
    pub fn begin(&mut self) {
        if self.cancelled || (self.scanning == 0 && self.done >= self.total) {
            (self.total, self.done, self.failed) = (0, 0, 0);
            self.cancelled = false;
            self.started = Instant::now();
        }
    }

    /// Stops what is under way; when nothing is, nothing is stopped.
    pub fn cancel(&mut self) {
        self.run += 1;
        self.walk += 1;
        self.cancelled = self.scanning > 0 || self.done < self.total;
    }

    pub fn is_idle(&self) -> bool {
        let photos = self.cancelled || self.done >= self.total;
        self.scanning == 0 && photos && !self.labels_pending && !self.loading
    }

    pub fn progress(&self) -> Progress {
        let elapsed = self.started.elapsed();
        let is_working = !self.cancelled && self.done < self.total;
        let phase = match () {
            () if self.cancelled => Phase::Cancelled,
            () if self.scanning > 0 => Phase::Scanning,
            () if is_working => Phase::Working,
            () if self.labels.is_some() => Phase::Labels,
            () => Phase::Idle,
        };
        let (done, total) =
            if phase == Phase::Labels { self.labels.unwrap_or_default() } else { (self.done, self.total) };
        let known = is_working && elapsed >= RATE_AFTER && self.done > 0;
        let rate_per_sec = known.then(|| self.done as f32 / elapsed.as_secs_f32());
        // While folders are walked the total still grows, and a time would be a lie.
        let secs_left = rate_per_sec.filter(|_| self.scanning == 0).map(|rate| (self.total - self.done) as f32 / rate);
        Progress { phase, done, total, failed: self.failed, rate_per_sec, secs_left }
    }
}
