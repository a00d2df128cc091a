//! Groups at the source: made with settings that tests need, and looked at.

use std::time::Duration;

use devstore::Server;
use ditto::cluster::Side;
use ditto::config::settings::SubscriptionSettings;
use ditto::source::Source;
use ditto::source::subscription::Subscription;
use ditto_core::port::GroupSeen;
use eventstore::{
    NakAction, PersistentSubscriptionOptions, PersistentSubscriptionSettings, StreamPosition,
    SystemConsumerStrategy,
};

use super::compare::events;
use super::servers::client;
use super::wait::until_async;

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

/// Another program takes `count` deliveries and answers them; never copies them.
pub(crate) async fn foreign_consumer(
    server: &Server,
    stream: &str,
    group: &str,
    count: usize,
    park: bool,
) {
    let client = foreign_client(server);
    let mut subscription = client
        .subscribe_to_persistent_subscription(stream, group, &Default::default())
        .await
        .unwrap();
    for _ in 0..count {
        let event = subscription.next().await.unwrap();
        if park {
            subscription
                .nack(event, NakAction::Park, "not mine")
                .await
                .unwrap();
        } else {
            subscription.ack(event).await.unwrap();
        }
    }
    // What was sent last is only queued; the server's view of it is what counts.
    tokio::time::sleep(Duration::from_millis(300)).await;
}
