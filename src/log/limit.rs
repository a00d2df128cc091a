//! Lets a repeated warning or error through a few times a minute, and counts the lines that it leaves out.
//!
//! Pure: the time is given. Does not decide which lines are of one kind.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Lines of one kind let through in a window.
pub(super) const BURST: u32 = 20;
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Kinds remembered; beyond, the oldest windows are forgotten.
const MOST_KINDS: usize = 1_000;

/// Counts lines by kind.
#[derive(Debug)]
pub(super) struct Limit<K> {
    windows: HashMap<K, Window>,
    /// Lines left out of kinds that were forgotten since, and are not yet reported.
    forgotten: u64,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    let_through: u32,
    left_out: Option<Left>,
}

#[derive(Debug)]
struct Left {
    since: Instant,
    lines: u64,
    like: String,
}

/// Lines that were left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut<K> {
    /// Their kind and the first of them; `None`: several kinds that were forgotten since.
    pub(super) kind: Option<(K, String)>,
    pub(super) lines: u64,
}

impl<K: Clone + Eq + Hash> Limit<K> {
    pub(super) fn new() -> Self {
        Self {
            windows: HashMap::new(),
            forgotten: 0,
        }
    }

    /// Whether to write this line. `like` returns its text, to be shown with the number of lines left out.
    pub(super) fn admits(&mut self, now: Instant, kind: K, like: impl FnOnce() -> String) -> bool {
        if self.windows.len() >= MOST_KINDS && !self.windows.contains_key(&kind) {
            self.forget(now);
        }
        let window = self.windows.entry(kind).or_insert(Window {
            began: now,
            let_through: 0,
            left_out: None,
        });
        if now.saturating_duration_since(window.began) >= WINDOW {
            window.began = now;
            window.let_through = 0;
        }
        if window.let_through < BURST {
            window.let_through += 1;
            return true;
        }
        let left = window.left_out.get_or_insert_with(|| Left {
            since: now,
            lines: 0,
            like: like(),
        });
        left.lines += 1;
        false
    }

    /// Makes room: for want of windows that are over, by forgetting all.
    fn forget(&mut self, now: Instant) {
        self.windows.retain(|_, window| {
            window.left_out.is_some() || now.saturating_duration_since(window.began) < WINDOW
        });
        if self.windows.len() >= MOST_KINDS {
            let left = self.windows.drain().filter_map(|(_, one)| one.left_out);
            self.forgotten += left.map(|left| left.lines).sum::<u64>();
        }
    }

    /// Takes the counts of lines that were left out: of each kind a window after the first of them.
    pub(super) fn take_left_out(&mut self, now: Instant) -> Vec<LeftOut<K>> {
        let mut all = Vec::new();
        if self.forgotten > 0 {
            all.push(LeftOut {
                kind: None,
                lines: std::mem::take(&mut self.forgotten),
            });
        }
        for (kind, window) in &mut self.windows {
            let is_due = |left: &mut Left| now.saturating_duration_since(left.since) >= WINDOW;
            if let Some(left) = window.left_out.take_if(is_due) {
                all.push(LeftOut {
                    kind: Some((kind.clone(), left.like)),
                    lines: left.lines,
                });
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(limit: &mut Limit<usize>, now: Instant, kind: usize) -> bool {
        limit.admits(now, kind, || format!("line of {kind}"))
    }

    #[test]
    fn flood_is_cut_and_does_not_silence_others() {
        let mut limit = Limit::new();
        let start = Instant::now();
        let admitted = (0..100).filter(|_| admits(&mut limit, start, 1)).count();
        assert_eq!(admitted, BURST as usize);
        assert!(admits(&mut limit, start, 2));
        assert!(admits(&mut limit, start + WINDOW, 1));
    }

    #[test]
    fn lines_left_out_are_reported_once_after_a_minute() {
        let mut limit = Limit::new();
        let start = Instant::now();
        for _ in 0..100 {
            admits(&mut limit, start, 1);
        }
        assert_eq!(limit.take_left_out(start), []);
        // A flood that continues does not put the report off.
        for _ in 0..30 {
            admits(&mut limit, start + WINDOW, 1);
        }
        let expected = LeftOut {
            kind: Some((1, "line of 1".to_owned())),
            lines: 90,
        };
        assert_eq!(limit.take_left_out(start + WINDOW), [expected]);
        assert_eq!(limit.take_left_out(start + WINDOW * 3), []);
    }

    #[test]
    fn kinds_are_bounded_and_their_counts_kept() {
        let mut limit = Limit::new();
        let start = Instant::now();
        for kind in 0..10 * MOST_KINDS {
            for _ in 0..=BURST {
                admits(&mut limit, start, kind);
            }
            assert!(limit.windows.len() <= MOST_KINDS);
        }
        let left = limit.take_left_out(start + WINDOW);
        let lines: u64 = left.iter().map(|left| left.lines).sum();
        assert_eq!(lines, 10 * MOST_KINDS as u64);
    }
}
