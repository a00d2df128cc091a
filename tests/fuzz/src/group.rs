//! Group information: whatever a server says of a group, what the core is told of it is possible.
//!
//! An input is a byte and the message. Never connects.

use std::time::Duration;

use ditto::source::persistent::fuzzing::judge;

use crate::rules::LARGEST;

/// Judges one input.
pub fn group_info(data: &[u8]) {
    let Some((first, answer)) = data.split_first() else {
        return;
    };
    let Some(judged) = judge(answer, Some(u64::from(*first)), first % 2 == 1) else {
        return;
    };
    let seen = &judged.seen;
    for number in [seen.checkpoint, seen.start, Some(seen.parked)] {
        assert!(number.is_none_or(|number| number <= LARGEST), "{judged:?}");
    }
    if judged.unsuitable.is_none() {
        let longest = Duration::from_millis(i32::MAX as u64);
        assert!(
            !seen.message_timeout.is_zero() && seen.message_timeout <= longest,
            "{judged:?}"
        );
    }
    for warning in judged
        .warnings
        .iter()
        .map(String::as_str)
        .chain(judged.unsuitable)
    {
        assert!(!warning.trim().is_empty(), "{judged:?}");
    }
}
