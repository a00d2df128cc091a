//! Tells a pipeline that is stuck from one that waits: pure, fed with a reading of the core now and then.
//!
//! Here and not in the loop, so that the simulator judges it as well. Never restarts anything itself.

use std::time::Duration;

use crate::port::{Moment, PipelineState, Status};

/// Without progress, and not waiting on purpose, for this long: stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Readings farther apart than this count as this: a process that was frozen is not stuck.
const LONGEST_STEP: Duration = Duration::from_secs(5);

/// Watches the readings of one pipeline.
#[derive(Debug)]
pub struct StallDetector {
    progress: u64,
    seen: Moment,
    stuck: Duration,
}

impl StallDetector {
    /// Starts at `now`, with patience.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        Self {
            progress: 0,
            seen: now,
            stuck: Duration::ZERO,
        }
    }

    /// True once nothing has moved for too long.
    pub fn is_stalled(&mut self, now: Moment, status: &Status) -> bool {
        let step = now.saturating_sub(self.seen).min(LONGEST_STEP);
        self.seen = now;
        if status.progress != self.progress || is_waiting(now, status) {
            self.progress = status.progress;
            self.stuck = Duration::ZERO;
        } else {
            self.stuck += step;
        }
        self.stuck >= PATIENCE
    }
}

/// True in the states in which nothing needs to happen.
fn is_waiting(now: Moment, status: &Status) -> bool {
    let named = match status.state {
        PipelineState::Retrying(_) | PipelineState::Standby | PipelineState::Stopped(_) => true,
        PipelineState::Connecting | PipelineState::Running | PipelineState::Searching(_) => false,
    };
    named || status.waits_until.is_some_and(|until| until > now) || is_idle(status)
}

/// True if all that the source has is done. The stream's last number comes over another connection than the
/// deliveries, so a subscription that only looks alive is not taken for an idle one.
fn is_idle(status: &Status) -> bool {
    let joined = status.state == PipelineState::Running;
    let nothing_held = status.events_buffered == 0 && status.repairs == 0;
    joined && nothing_held && status.last_number <= status.done_up_to
}

#[cfg(test)]
mod tests {
    use super::{StallDetector, is_waiting};
    use crate::port::{PipelineState, Side, Status};
    use std::time::Duration;

    fn status(state: PipelineState) -> Status {
        Status {
            state,
            buffer_size: 1000,
            append_limit: 256,
            source_answers: Some(true),
            destination_answers: Some(true),
            done_up_to: Some(4),
            last_number: Some(9),
            progress: 7,
            ..Status::default()
        }
    }

    /// Seconds of one reading a second until the detector fires, at most ten minutes.
    fn seconds_until_stall(mut reading: impl FnMut(u64) -> Status) -> Option<u64> {
        let mut detector = StallDetector::new(Duration::ZERO);
        (0..600).find(|second| detector.is_stalled(Duration::from_secs(*second), &reading(*second)))
    }

    #[test]
    fn fires_when_nothing_moves_although_there_is_more() {
        for state in [PipelineState::Running, PipelineState::Connecting] {
            assert_eq!(
                seconds_until_stall(|_| status(state.clone())),
                Some(60),
                "{state:?}"
            );
        }
        let stuck_append = Status {
            events_buffered: 3,
            done_up_to: Some(9),
            ..status(PipelineState::Running)
        };
        assert_eq!(seconds_until_stall(|_| stuck_append.clone()), Some(60));
    }

    #[test]
    fn does_not_fire_while_there_is_a_reason_to_wait() {
        let running = || status(PipelineState::Running);
        let rows = [
            (
                "destination down",
                status(PipelineState::Retrying(Side::Destination)),
            ),
            ("source down", status(PipelineState::Retrying(Side::Source))),
            ("standby", status(PipelineState::Standby)),
            (
                "stopped",
                status(PipelineState::Stopped("no permission".to_owned())),
            ),
            (
                "throttled",
                Status {
                    waits_until: Some(Duration::from_secs(900)),
                    ..running()
                },
            ),
            (
                "idle",
                Status {
                    done_up_to: Some(9),
                    ..running()
                },
            ),
            (
                "the stream has become shorter",
                Status {
                    done_up_to: Some(12),
                    ..running()
                },
            ),
            (
                "empty stream",
                Status {
                    done_up_to: None,
                    last_number: None,
                    ..running()
                },
            ),
        ];
        for (name, reading) in rows {
            assert_eq!(seconds_until_stall(|_| reading.clone()), None, "{name}");
        }
    }

    #[test]
    fn does_not_fire_during_a_long_repair_that_goes_on() {
        let repairing = |second| Status {
            repairs: 1,
            progress: second / 50,
            ..status(PipelineState::Running)
        };
        assert_eq!(seconds_until_stall(repairing), None);
    }

    #[test]
    fn a_deadline_that_has_passed_is_no_reason_to_wait() {
        let late = Status {
            waits_until: Some(Duration::from_secs(5)),
            ..status(PipelineState::Running)
        };
        assert!(is_waiting(Duration::from_secs(4), &late));
        assert!(!is_waiting(Duration::from_secs(5), &late));
    }

    #[test]
    fn a_frozen_process_is_not_stuck() {
        let mut detector = StallDetector::new(Duration::ZERO);
        let reading = status(PipelineState::Running);
        assert!(!detector.is_stalled(Duration::from_secs(1), &reading));
        assert!(!detector.is_stalled(Duration::from_secs(3600), &reading));
    }
}
