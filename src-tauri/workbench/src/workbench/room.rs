//! A bound on the memory that decoded pictures take, whatever their size and however many threads decode.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Room for decoded pictures.
pub(super) struct Room {
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    limit: u64,
    taken: u64,
}

/// A part of the room, until it is dropped.
pub(super) struct Place<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Room {
    pub fn new(mebibytes: u32) -> Self {
        Self { state: Mutex::new(State { limit: bytes(mebibytes), taken: 0 }), freed: Condvar::new() }
    }

    /// Makes it larger or smaller; who has a place keeps it.
    pub fn set(&self, mebibytes: u32) {
        self.lock().limit = bytes(mebibytes);
        self.freed.notify_all();
    }

    /// Waits until there is room for this many bytes. What is larger than the whole room comes alone.
    pub fn take(&self, bytes: u64) -> Place<'_> {
        let mut state = self.lock();
        while state.taken > 0 && state.taken.saturating_add(bytes) > state.limit {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.taken += bytes;
        Place { room: self, bytes }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.room.lock().taken -= self.bytes;
        self.room.freed.notify_all();
    }
}

fn bytes(mebibytes: u32) -> u64 {
    u64::from(mebibytes) << 20
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering::SeqCst},
        thread,
    };

    use super::*;

    #[test]
    fn no_more_is_taken_at_once_than_there_is() {
        let (room, now, most) = (Room::new(3), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for thread in 0..6 {
                let (room, now, most) = (&room, &now, &most);
                scope.spawn(move || {
                    for i in 0..200 {
                        let bytes = (1 + (thread + i) % 2) << 20;
                        let _place = room.take(bytes);
                        most.fetch_max(now.fetch_add(bytes, SeqCst) + bytes, SeqCst);
                        thread::yield_now();
                        now.fetch_sub(bytes, SeqCst);
                    }
                });
            }
        });
        assert_eq!(now.load(SeqCst), 0);
        assert!(most.load(SeqCst) <= 3 << 20 && most.load(SeqCst) >= 2 << 20);
    }

    #[test]
    fn a_picture_larger_than_the_room_comes_alone_and_others_wait_for_it() {
        let room = Room::new(1);
        let large = room.take(100 << 20);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| drop(room.take(1)));
            thread::sleep(std::time::Duration::from_millis(50));
            assert!(!waiting.is_finished());
            drop(large);
        });
        assert_eq!(room.lock().taken, 0);
    }
}
