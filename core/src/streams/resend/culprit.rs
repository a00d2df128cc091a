//! Which append ends the call that it goes over?
//!
//! Never decides whether the server is there, and blames nothing for an end that several lanes share.

use std::collections::{BTreeMap, VecDeque};

use crate::port::AppendId;

/// An append that ends its call alone this often, while the server answers a read each time, is refused. Twice is no
/// proof: a proxy or a server that restarts does that, too. Without pauses between, since an event that is refused has to
/// be parked before ditto leaves the group for waiting, a quarter of the message timeout.
pub(super) const ALONE_IS_REFUSED: u32 = 3;

/// Ends of a lane of its own that make an append suspect.
const SUSPECT_AFTER: u32 = 2;

/// An append that goes over a call of its own: a suspect, or the one that tries a server that was away.
#[derive(Clone, Copy, Debug)]
struct Alone {
    append: AppendId,
    suspect: bool,
    /// It is on its way.
    sent: bool,
    /// It ended its call so often in a row with the server answering.
    ended: u32,
}

/// A lane that ended since the last answer.
#[derive(Clone, Debug, Default)]
struct Ended {
    times: u32,
    /// What was on it the last time.
    appends: Vec<AppendId>,
}

/// Who was there when calls ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Culprits {
    /// Frozen appends that may end their calls.
    suspects: VecDeque<AppendId>,
    alone: Option<Alone>,
    /// Ends of a lane, no other having ended, that each unanswered append has seen.
    ends: BTreeMap<AppendId, u32>,
    /// Lanes that ended since the last answer.
    recent: BTreeMap<u32, Ended>,
}

impl Culprits {
    pub(super) fn goes_alone(&self, append: AppendId) -> bool {
        self.alone.is_some_and(|alone| alone.append == append)
    }

    pub(super) fn nobody_goes_alone(&self) -> bool {
        self.alone.is_none()
    }

    pub(super) fn is_suspect(&self, append: AppendId) -> bool {
        self.suspects.contains(&append)
    }

    /// The call that ended was that of the append that goes alone.
    pub(super) fn ended_alone(&mut self, unanswered: &[AppendId]) -> bool {
        match self.alone.as_mut() {
            Some(alone) if alone.sent && *unanswered == [alone.append] => {
                alone.sent = false;
                alone.ended += 1;
                true
            }
            _ => false,
        }
    }

    /// A lane ended with these on it; those that are suspect by that.
    pub(super) fn lane_ended(&mut self, lane: u32, unanswered: Vec<AppendId>) -> Vec<AppendId> {
        if self.recent.len() == 1 && self.recent.contains_key(&lane) {
            self.count_ends();
        }
        let ended = self.recent.entry(lane).or_default();
        ended.times += 1;
        ended.appends = unanswered;
        if self.several_lanes_ended() {
            return Vec::new();
        }
        // What was on the lane that ended, and on one that ended alone before, is suspect.
        let twice = |append: &AppendId| {
            let before = self.ends.get(append).copied().unwrap_or(0);
            before + 1 >= SUSPECT_AFTER && !self.suspects.contains(append)
        };
        let appends = self.recent.values().flat_map(|ended| &ended.appends);
        let suspects: Vec<AppendId> = appends.copied().filter(twice).collect();
        self.suspects.extend(&suspects);
        suspects
    }

    pub(super) fn several_lanes_ended(&self) -> bool {
        self.recent.len() > 1
    }

    /// How often a lane has ended since the last answer.
    pub(super) fn rounds(&self) -> u32 {
        let times = self.recent.values().map(|ended| ended.times);
        times.max().unwrap_or(0)
    }

    /// Something was answered: a lane that ended alone before that ended for what was on it.
    pub(super) fn lane_works(&mut self) {
        if self.recent.len() == 1 {
            self.count_ends();
        }
        self.recent.clear();
    }

    /// The end of a lane while no other ended counts against what was on it.
    fn count_ends(&mut self) {
        for append in self.recent.values().flat_map(|ended| &ended.appends) {
            *self.ends.entry(*append).or_default() += 1;
        }
    }

    pub(super) fn forget_lanes(&mut self) {
        self.recent.clear();
    }

    /// The server does not answer: an end proves nothing.
    pub(super) fn acquit(&mut self) {
        if let Some(alone) = self.alone.as_mut() {
            alone.ended = 0;
        }
    }

    pub(super) fn suspect_all(&mut self, appends: impl Iterator<Item = AppendId>) {
        self.suspects.extend(appends);
    }

    /// The append that ended its call by itself, often enough.
    pub(super) fn proven(&self) -> Option<AppendId> {
        let proven = self.alone.filter(|alone| alone.ended >= ALONE_IS_REFUSED);
        proven.map(|alone| alone.append)
    }

    /// Whether the append that goes alone ended its call is still to be asked.
    pub(super) fn is_in_question(&self) -> bool {
        self.alone
            .is_some_and(|alone| !alone.sent && alone.ended > 0)
    }

    /// This append goes alone, to try the server, or else the next suspect does.
    pub(super) fn choose(&mut self, trying: Option<AppendId>) {
        let append = trying.or_else(|| self.suspects.pop_front());
        self.alone = append.map(|append| Alone {
            append,
            suspect: trying.is_none(),
            sent: false,
            ended: 0,
        });
    }

    /// The append that goes alone, if it is not on its way: now it is.
    pub(super) fn send_alone(&mut self) -> Option<AppendId> {
        let alone = self.alone.as_mut().filter(|alone| !alone.sent)?;
        alone.sent = true;
        Some(alone.append)
    }

    /// If one of these goes alone, it no longer does.
    pub(super) fn take_back(&mut self, appends: &[AppendId]) {
        let back = self.alone.take_if(|alone| appends.contains(&alone.append));
        if let Some(alone) = back.filter(|alone| alone.suspect) {
            self.suspects.push_front(alone.append);
        }
    }

    pub(super) fn forget(&mut self, append: AppendId) {
        self.suspects.retain(|suspect| *suspect != append);
        self.alone.take_if(|alone| alone.append == append);
        self.ends.remove(&append);
        for ended in self.recent.values_mut() {
            ended.appends.retain(|unanswered| *unanswered != append);
        }
    }
}
