//! What subscriptions to a stream and to `$all` have in common (protocol §7.2).
//!
//! Never ends one of its own accord: only an error or the client does.

use std::sync::Arc;
use std::time::Duration;

use ditto_protocol::streams::ReadResp;
use ditto_protocol::streams::read_resp::{CaughtUp, Content, SubscriptionConfirmation};
use futures_util::{StreamExt, stream};
use tonic::Status;
use uuid::Uuid;

use super::Answers;
use crate::clock;
use crate::faults;
use crate::generation::Generation;
use crate::services::wire::content;
use crate::store::Record;

/// Live events that may wait for a consumer (protocol §7.2).
const LIVE_BUFFER: usize = 32;
/// How long a full buffer is put up with. The real server fills it event by event and so finds out at once; here it is
/// seen when the consumer takes something, and a large append alone must not look like a slow consumer.
const PATIENCE: Duration = Duration::from_millis(50);
/// Records looked at in one go while live.
pub(super) const LIVE_PAGE: usize = 512;

/// The next messages of a subscription; an error is the last of them.
pub(super) type Messages = Vec<Result<ReadResp, Status>>;

/// A subscription that is asked for its next messages again and again.
pub(super) trait Subscription: Send + 'static {
    /// Waits until there is something to say.
    fn next(&mut self) -> impl Future<Output = Messages> + Send;
}

/// The answers of a subscription, until its first error.
pub(super) fn answers(subscription: impl Subscription) -> Answers<ReadResp> {
    let messages = stream::unfold(Some(subscription), |subscription| async move {
        let mut subscription = subscription?;
        let messages = subscription.next().await;
        let over = messages.iter().any(Result::is_err);
        Some((stream::iter(messages), (!over).then_some(subscription)))
    });
    Box::pin(messages.flatten())
}

pub(super) fn confirmation() -> ReadResp {
    content(Content::Confirmation(SubscriptionConfirmation {
        subscription_id: Uuid::new_v4().to_string(),
    }))
}

pub(super) fn caught_up() -> ReadResp {
    content(Content::CaughtUp(CaughtUp {}))
}

/// The status of a consumer that lets live events pile up; `waiting` are those it has not taken, oldest first.
pub(super) fn too_slow(server: Generation, waiting: &[Arc<Record>]) -> Option<Status> {
    if !server.aborts_slow_consumers() {
        return None;
    }
    let over = waiting.get(LIVE_BUFFER)?;
    let now = clock::since_1970();
    let created =
        Duration::from_nanos(u64::try_from(over.created).unwrap_or(0).saturating_mul(100));
    (now.saturating_sub(created) > PATIENCE).then(faults::too_slow)
}
