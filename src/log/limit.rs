//! Lets a repeated warning or error through a few times a minute, and counts the rest.
//!
//! Pure: the time is given. Never holds back a line below WARN.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Lines of one kind let through in a window.
const BURST: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Kinds remembered; beyond, the oldest windows are forgotten.
const MOST_KINDS: usize = 1_000;

/// Counts lines by kind.
#[derive(Debug)]
pub(super) struct Limit<K> {
    windows: HashMap<K, Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    let_through: u32,
    suppressed: u64,
}

impl<K: Eq + Hash> Limit<K> {
    pub(super) fn new() -> Self {
        Self {
            windows: HashMap::new(),
        }
    }

    /// `None`: leave this line out. Otherwise the number of lines of its kind left out before.
    pub(super) fn admit(&mut self, now: Instant, kind: K) -> Option<u64> {
        if self.windows.len() >= MOST_KINDS && !self.windows.contains_key(&kind) {
            self.windows
                .retain(|_, window| now.saturating_duration_since(window.began) < WINDOW);
            if self.windows.len() >= MOST_KINDS {
                self.windows.clear();
            }
        }
        let window = self.windows.entry(kind).or_insert(Window {
            began: now,
            let_through: 0,
            suppressed: 0,
        });
        if now.saturating_duration_since(window.began) >= WINDOW {
            window.began = now;
            window.let_through = 0;
        }
        if window.let_through >= BURST {
            window.suppressed += 1;
            return None;
        }
        window.let_through += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted_and_does_not_silence_others() {
        let mut limit = Limit::new();
        let start = Instant::now();
        let admitted = (0..100)
            .filter(|_| limit.admit(start, "flood").is_some())
            .count();
        assert_eq!(admitted, BURST as usize);
        assert_eq!(limit.admit(start, "other"), Some(0));
        assert_eq!(limit.admit(start + WINDOW, "flood"), Some(80));
        assert_eq!(limit.admit(start + WINDOW, "flood"), Some(0));
    }

    #[test]
    fn kinds_are_bounded() {
        let mut limit = Limit::new();
        let start = Instant::now();
        for kind in 0..10 * MOST_KINDS {
            assert!(limit.admit(start, kind).is_some());
        }
        assert!(limit.windows.len() <= MOST_KINDS);
    }
}
