//! How a person stops a transfer that may be waiting for bytes, for a retry, or for its turn.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// What a person wants of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// What has arrived is kept.
    Pause,
    /// Nothing is kept.
    Cancel,
}

#[derive(Default)]
struct State {
    asked: Option<Stop>,
    /// What is interrupted, so that nobody waits for a server that is silent.
    agent: Option<ureq::Agent>,
}

/// A flag that many hold and one looks at.
#[derive(Clone, Default)]
pub struct Halt {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Halt {
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops as soon as possible. A cancel outweighs a pause.
    pub fn ask(&self, stop: Stop) {
        let agent = {
            let mut state = self.state();
            if state.asked != Some(Stop::Cancel) {
                state.asked = Some(stop);
            }
            state.agent.take()
        };
        self.shared.1.notify_all();
        if let Some(agent) = agent {
            agent.shutdown();
        }
    }

    /// What was asked for.
    pub fn asked(&self) -> Option<Stop> {
        self.state().asked
    }

    /// An error once a stop was asked for.
    pub fn check(&self) -> Result<(), Stop> {
        self.asked().map_or(Ok(()), Err)
    }

    /// Interrupts the requests of `agent` when a stop is asked for.
    pub fn interrupt(&self, agent: &ureq::Agent) {
        self.state().agent = Some(agent.clone());
    }

    /// Waits, unless a stop is asked for.
    pub fn sleep(&self, time: Duration) -> Result<(), Stop> {
        let end = Instant::now() + time;
        let mut state = self.state();
        loop {
            if let Some(stop) = state.asked {
                return Err(stop);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            state = self.shared.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_outweighs_a_pause_and_ends_a_wait() {
        let halt = Halt::default();
        assert_eq!(halt.sleep(Duration::from_millis(1)), Ok(()));
        let other = halt.clone();
        let waiting = std::thread::spawn(move || other.sleep(Duration::from_secs(600)));
        halt.ask(Stop::Cancel);
        halt.ask(Stop::Pause);
        assert_eq!(waiting.join().unwrap(), Err(Stop::Cancel));
    }
}
