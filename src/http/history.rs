//! The last ten minutes of every subscription, as the page draws them: `/status/history`.
//!
//! Apart from `/status`, which people read. Never more than the status keeps.

use serde::Serialize;
use tokio::time::Instant;

use crate::status::ProcessStatus;

/// The last ten minutes of one subscription, as the page draws them.
#[derive(Debug, Serialize)]
pub(super) struct SubscriptionHistory {
    stream: String,
    group: String,
    /// Oldest first: seconds ago, events copied in a second, events behind (null: not known), state.
    samples: Vec<(u64, f64, Option<u64>, &'static str)>,
}

pub(super) fn histories(status: &ProcessStatus) -> Vec<SubscriptionHistory> {
    let now = Instant::now();
    let histories = status.histories().into_iter();
    histories
        .map(|(key, samples)| SubscriptionHistory {
            stream: key.stream.to_string(),
            group: key.group.to_string(),
            samples: samples
                .iter()
                .map(|sample| {
                    let ago = now.saturating_duration_since(sample.at).as_secs();
                    let rate = (sample.rate * 10.0).round() / 10.0;
                    (ago, rate, sample.lag, sample.state)
                })
                .collect(),
        })
        .collect()
}
