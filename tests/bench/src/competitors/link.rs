//! A subscription and an Event Store as ditto's library has them, for competitors that are not ditto.
//!
//! Never more than what the competitor needs.

use anyhow::{Result, anyhow};
use ditto::config::cluster::{ClusterKeys, ClusterSettings, ConnectionString};
use ditto::config::settings::{NewGroup, Replication, SubscriptionSettings};
use ditto::destination::event_store::EventStore;
use ditto::eventstore::Side;
use ditto::eventstore::client::Client;
use ditto::source::Source;
use ditto::source::persistent::Subscription;
use ditto::source::persistent::handoff::HandoffSession;

use crate::process::Devstore;

pub(crate) fn client(side: Side, server: &Devstore) -> Result<Client> {
    let string = ConnectionString::parse(&server.connection_string())
        .map_err(|problems| anyhow!("bad connection string: {problems:?}"))?;
    let settings = ClusterSettings::new(string, ClusterKeys::default())
        .map_err(|problems| anyhow!("bad settings: {problems:?}"))?;
    Ok(Client::connect(side, settings))
}

/// Joins a group of its own from the start.
pub(crate) fn join_task(
    server: &Devstore,
    buffer: u32,
) -> impl Future<Output = Result<(Subscription, HandoffSession)>> + Send + use<> {
    let client = client(Side::Source, server);
    async move { join(client?, buffer).await }
}

async fn join(client: Client, buffer: u32) -> Result<(Subscription, HandoffSession)> {
    let settings = SubscriptionSettings {
        stream: "$ce-bench".into(),
        group: format!("bench-{}", uuid::Uuid::new_v4()).into(),
        create: true,
        new_group: NewGroup::default(),
        accept_unseen_below: 0,
        replication: Replication::default(),
    };
    let subscription = Subscription::new(client, settings);
    let joined = subscription
        .open(buffer)
        .await
        .map_err(|refusal| anyhow!("{}", refusal.text))?;
    Ok((subscription, joined.session))
}

pub(crate) fn event_store(server: &Devstore) -> Result<EventStore> {
    Ok(EventStore::new(client(Side::Destination, server)?))
}
