//! Groups at the source: made with settings that tests need, and looked at.

use std::time::Duration;

use devstore::Server;
use ditto::config::settings::SubscriptionSettings;
use ditto::eventstore::Side;
use ditto::source::persistent::{Persistent, Subscription};
use ditto_core::port::GroupSeen;
use eventstore::{
    NakAction, PersistentSubscription, PersistentSubscriptionOptions,
    PersistentSubscriptionSettings, ResolvedEvent, StreamPosition,
    SubscribeToPersistentSubscriptionOptions, SystemConsumerStrategy,
};

use super::compare::events;
use super::servers::client;
use super::wait::{DEADLINE, until_async};

/// Settings under which every acknowledgement moves the checkpoint within two seconds.
pub(crate) fn eager() -> PersistentSubscriptionSettings<u64> {
    PersistentSubscriptionSettings {
        resolve_link_tos: true,
        start_from: StreamPosition::Start,
        checkpoint_after: Duration::from_secs(1),
        checkpoint_lower_bound: 1,
        checkpoint_upper_bound: 1,
        max_subscriber_count: 1,
        message_timeout: Duration::from_secs(60),
        max_retry_count: 1000,
        consumer_strategy_name: SystemConsumerStrategy::DispatchToSingle,
        ..PersistentSubscriptionSettings::default()
    }
}

/// A client nobody here wrote.
pub(crate) fn foreign_client(server: &Server) -> eventstore::Client {
    eventstore::Client::new(server.connection_string().parse().unwrap()).unwrap()
}

/// Makes a group.
pub(crate) async fn create(
    server: &Server,
    stream: &str,
    group: &str,
    settings: PersistentSubscriptionSettings<u64>,
) {
    let options = PersistentSubscriptionOptions::default().settings(settings);
    foreign_client(server)
        .create_persistent_subscription(stream, group, &options)
        .await
        .unwrap();
}

/// The group as ditto sees it.
pub(crate) async fn seen(server: &Server, settings: &SubscriptionSettings) -> GroupSeen {
    let source = Subscription::new(client(Side::Source, server), settings.clone());
    source.group().await.unwrap()
}

/// Everything of a group that the server keeps, as text: information, checkpoints, parked events, configuration.
pub(crate) async fn everything(server: &Server, stream: &str, group: &str) -> String {
    let info = foreign_client(server)
        .get_persistent_subscription_info(stream, group, &Default::default())
        .await;
    let kept = ["checkpoint", "parked"].map(|part| {
        let records = events(
            server.store(),
            &format!("$persistentsubscription-{stream}::{group}-{part}"),
        );
        records
            .iter()
            .map(|record| format!("{} {:?}\n", record.id, record.data()))
            .collect::<String>()
    });
    let configuration = server.store().stream_info("$persistentSubscriptionConfig");
    format!("{info:#?}\n{kept:?}\n{configuration:?}")
}

/// Waits until everything up to this number is acknowledged or parked; needs a group with [`eager`] settings.
pub(crate) async fn until_checkpoint(
    server: &Server,
    settings: &SubscriptionSettings,
    number: u64,
) {
    until_async("the checkpoint is reached", async || {
        match seen(server, settings).await.checkpoint {
            Some(checkpoint) if checkpoint == number => Ok(()),
            other => Err(format!("it is {other:?}, not {number}")),
        }
    })
    .await;
}

/// What the server calls the connection of a [`Foreign`].
const NAME: &str = "foreign";

/// Another program that is a consumer of the group, with so many slots. Never copies anything.
pub(crate) struct Foreign {
    client: eventstore::Client,
    stream: String,
    group: String,
    subscription: PersistentSubscription,
}

impl Foreign {
    /// Joins the group; the server knows it then.
    pub(crate) async fn join(server: &Server, stream: &str, group: &str, slots: usize) -> Self {
        let string = format!("{}&connectionName={NAME}", server.connection_string());
        let client = eventstore::Client::new(string.parse().unwrap()).unwrap();
        let options = SubscribeToPersistentSubscriptionOptions::default().buffer_size(slots);
        let subscription = client
            .subscribe_to_persistent_subscription(stream, group, &options)
            .await
            .unwrap();
        let foreign = Self {
            client,
            stream: stream.to_owned(),
            group: group.to_owned(),
            subscription,
        };
        foreign.until("it has joined", |seen| seen.is_some()).await;
        foreign
    }

    /// The next delivery.
    pub(crate) async fn next(&mut self) -> ResolvedEvent {
        let next = tokio::time::timeout(DEADLINE, self.subscription.next());
        next.await.expect("a delivery in time").unwrap()
    }

    /// Acknowledges a delivery.
    pub(crate) async fn ack(&mut self, event: ResolvedEvent) {
        self.subscription.ack(event).await.unwrap();
    }

    /// Parks a delivery.
    pub(crate) async fn park(&mut self, event: ResolvedEvent) {
        let parked = self.subscription.nack(event, NakAction::Park, "not mine");
        parked.await.unwrap();
    }

    /// Waits until the server sees it like this: how many deliveries it was sent, and how many of them it has not answered;
    /// `None` while it is no consumer.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(Option<(usize, usize)>) -> bool) {
        until_seen(&self.client, &self.stream, &self.group, what, wanted).await;
    }

    /// Leaves; the server gives what it has not answered to others then.
    pub(crate) async fn leave(self) {
        drop(self.subscription);
        let gone = |seen: Option<_>| seen.is_none();
        until_seen(&self.client, &self.stream, &self.group, "it is gone", gone).await;
    }
}

async fn until_seen(
    client: &eventstore::Client,
    stream: &str,
    group: &str,
    what: &str,
    wanted: impl Fn(Option<(usize, usize)>) -> bool,
) {
    until_async(what, async || {
        let info = client
            .get_persistent_subscription_info(stream, group, &Default::default())
            .await
            .unwrap();
        let own = info
            .connections
            .iter()
            .find(|connection| connection.connection_name == NAME)
            .map(|connection| (connection.total_items, connection.in_flight_messages));
        match wanted(own) {
            true => Ok(()),
            false => Err(format!("it is {own:?}")),
        }
    })
    .await;
}

/// Another program takes `count` deliveries and answers them; never copies them.
pub(crate) async fn foreign_consumer(
    server: &Server,
    stream: &str,
    group: &str,
    count: usize,
    park: bool,
) {
    // With one slot the server sends the next delivery only after the answer to the one before.
    let mut foreign = Foreign::join(server, stream, group, 1).await;
    for _ in 0..count {
        let event = foreign.next().await;
        if park {
            foreign.park(event).await;
        } else {
            foreign.ack(event).await;
        }
    }
    let answered = |seen: Option<(usize, usize)>| {
        seen.is_some_and(|(sent, unanswered)| sent > count || unanswered == 0)
    };
    foreign.until("its answers have arrived", answered).await;
    foreign.leave().await;
}
