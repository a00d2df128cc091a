//! One session over the crate's call: the task that reads it.
//!
//! Never outlives what the pipeline holds of it, a [`HandoffSession`].

use std::sync::Arc;

use eventstore::{
    NakAction, PersistentSubscription, PersistentSubscriptionEvent, RecordedEvent, ResolvedEvent,
};
use uuid::Uuid;

use super::Delivered;
use super::clients::{Clients, Usable};
use super::handoff::{Handoff, HandoffSession};
use super::reader::{self, Call, End};
use crate::eventstore::client::ResolvedRecord;
use crate::eventstore::{Error, Side};
use crate::source::resolve::resolve;
use ditto_core::event::{Event, StreamName, TOMBSTONE_REVISION};

/// Takes over a call that the server has confirmed.
pub(super) fn start(
    call: SubscriptionCall,
    buffer_size: u32,
    usable: &Usable,
    clients: Arc<Clients>,
) -> HandoffSession {
    let handoff = Arc::new(Handoff::default());
    let ending = Ending {
        handoff: handoff.clone(),
        clients,
    };
    let reader = usable.runtime.spawn(async move {
        let end = reader::read(call, buffer_size, &ending.handoff).await;
        ending.clients.session_ended();
        match end {
            End::Left => ending.handoff.close(None),
            End::Failed(error) => {
                ending.clients.failed(&error);
                ending.handoff.close(Some(error.to_string()));
            }
            End::Stuck => {
                ending.clients.discard();
                ending.handoff.close(Some(
                    "the connection took no acknowledgements any more".to_owned(),
                ));
            }
        }
    });
    HandoffSession::new(handoff, reader)
}

/// Closes the handoff however the reader ends: the crate panics when a call ends with OK or names no stream
/// (protocol §11 T4, T5), and throwing a client away ends its sessions.
struct Ending {
    handoff: Arc<Handoff>,
    clients: Arc<Clients>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.clients.discard();
        }
        self.handoff.close(Some("the client gave up".to_owned()));
    }
}

/// The crate's call. The only owner of it (protocol §11 T16).
pub(super) struct SubscriptionCall {
    pub(super) call: PersistentSubscription,
    pub(super) stream: StreamName,
    pub(super) side: Side,
}

impl SubscriptionCall {
    fn error(&self, action: &'static str) -> impl FnOnce(eventstore::Error) -> Error + use<> {
        let side = self.side;
        move |error| Error::from_crate(side, action, &error)
    }
}

impl Call for SubscriptionCall {
    type Error = Error;

    async fn next(&mut self) -> Result<Delivered, Error> {
        let failed = self.error("read the subscription");
        loop {
            match self.call.next_subscription_event().await {
                Ok(PersistentSubscriptionEvent::EventAppeared { event, .. }) => {
                    if let Some(delivered) = delivered(&self.stream, event) {
                        return Ok(delivered);
                    }
                }
                Ok(PersistentSubscriptionEvent::Confirmed(_)) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    async fn ack(&mut self, ids: Vec<Uuid>) -> Result<(), Error> {
        let failed = self.error("acknowledge");
        self.call.ack_ids(ids).await.map_err(failed)
    }

    async fn park(&mut self, ids: Vec<Uuid>, reason: String) -> Result<(), Error> {
        let failed = self.error("park");
        self.call
            .nack_ids(ids, NakAction::Park, reason)
            .await
            .map_err(failed)
    }
}

/// What the server pushed, or nothing if it pushed neither an event nor a link: there is no id to answer with
/// (protocol §11 T32).
fn delivered(subscribed: &StreamName, pushed: ResolvedEvent) -> Option<Delivered> {
    let record = ResolvedRecord {
        event: pushed.event.map(event),
        link: pushed.link.map(event),
    };
    let original = record.original()?;
    Some(Delivered {
        ack: original.id,
        // An entry of the parked stream that is replayed has a number there, not in the subscription's stream.
        number: (original.stream == *subscribed)
            .then_some(original.revision)
            .filter(|number| *number < TOMBSTONE_REVISION),
        item: resolve(record),
    })
}

fn event(recorded: RecordedEvent) -> Event {
    Event {
        id: recorded.id,
        stream: StreamName::new(recorded.stream_id),
        revision: recorded.revision,
        event_type: recorded.event_type.into(),
        is_json: recorded.is_json,
        data: recorded.data,
        metadata: recorded.custom_metadata,
        // The crate's own field is cut to whole seconds (protocol §11 T30).
        created: recorded
            .metadata
            .get("created")
            .and_then(|ticks| ticks.parse().ok())
            .unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::{RecordedEvent, ResolvedEvent, TOMBSTONE_REVISION, delivered};
    use eventstore::Position;
    use uuid::Uuid;

    fn pushed(stream: &str, revision: u64) -> ResolvedEvent {
        let recorded = RecordedEvent {
            stream_id: stream.to_owned(),
            id: Uuid::nil(),
            revision,
            event_type: "$>".to_owned(),
            data: "0@customer-1".into(),
            metadata: Default::default(),
            custom_metadata: Default::default(),
            is_json: false,
            position: Position {
                commit: 0,
                prepare: 0,
            },
            created: Default::default(),
        };
        ResolvedEvent {
            event: None,
            link: Some(recorded),
            commit_position: None,
        }
    }

    #[test]
    fn delivery_has_a_number_if_its_stream_and_server_can() {
        for (stream, revision, number) in [
            ("$ce-customer", 7, Some(7)),
            ("$persistentsubscription-x::g-parked", 7, None),
            ("$ce-customer", TOMBSTONE_REVISION, None),
            ("$ce-customer", u64::MAX, None),
        ] {
            let delivered = delivered(&"$ce-customer".into(), pushed(stream, revision));
            let found = delivered.map(|delivered| delivered.number);
            assert_eq!(found, Some(number), "{stream} {revision}");
        }
    }
}
