//! Persistent subscriptions, dry runs of them, and events that somebody chose, as sources.
//!
//! Never acknowledges but through the source that is judged.

use std::sync::Mutex;

use devstore::{FaultKind, Generation, Server};
use ditto::config::settings::SubscriptionSettings;
use ditto::eventstore::Side;
use ditto::source::persistent::Subscription;
use ditto::source::persistent::selected::{Choice, Selected};
use ditto_core::event::StreamName;

use super::Servers;
use super::source::{EVENTS, Stand, Trouble, judge};
use crate::support::groups::{Foreign, create, eager};
use crate::support::servers::client;
use crate::support::{seed, subscription};

const STREAM: &str = "delivered-1";
const GROUP: &str = "contract";

/// Servers whose stream is filled, and what else is connected to them.
struct Filled {
    servers: Servers,
    /// The stream that is subscribed to.
    subscribed: &'static str,
    strangers: Mutex<Vec<Foreign>>,
}

impl Filled {
    async fn start(generation: Generation, subscribed: &'static str) -> Self {
        let servers = Servers::start(generation).await;
        seed(servers.sound.store(), STREAM, EVENTS);
        Self {
            servers,
            subscribed,
            strangers: Mutex::default(),
        }
    }

    fn settings(&self) -> SubscriptionSettings {
        subscription(self.subscribed, GROUP)
    }

    fn subscription(&self, server: &Server) -> Subscription {
        Subscription::new(client(Side::Source, server), self.settings())
    }

    fn dry_run(&self, server: &Server) -> Subscription {
        Subscription::dry_run(client(Side::Source, server), self.settings())
    }

    async fn troubled(&self, trouble: Trouble, stream: &StreamName) -> std::sync::Arc<Server> {
        let servers = &self.servers;
        match trouble {
            Trouble::Taken => {
                let server = servers.another().await;
                create(&server, self.subscribed, GROUP, eager()).await;
                let stranger = Foreign::join(&server, self.subscribed, GROUP, 10).await;
                self.strangers.lock().unwrap().push(stranger);
                server
            }
            Trouble::Missing => servers.another().await,
            Trouble::Denied => servers.failing(FaultKind::AccessDenied).await,
            Trouble::SoftDeleted => servers.without(stream, false).await,
            Trouble::Tombstoned => servers.without(stream, true).await,
            Trouble::Unanswered => servers.silent().await,
            Trouble::Away => servers.gone().await,
        }
    }
}

struct Subscriptions(Filled);

impl Stand for Subscriptions {
    type Source = Subscription;

    const STREAM: &'static str = STREAM;

    fn sound(&self) -> Subscription {
        self.0.subscription(&self.0.servers.sound)
    }

    async fn troubled(&self, trouble: Trouble, stream: &StreamName) -> Option<Subscription> {
        let server = self.0.troubled(trouble, stream).await;
        let settings = SubscriptionSettings {
            create: trouble != Trouble::Missing,
            ..self.0.settings()
        };
        Some(Subscription::new(client(Side::Source, &server), settings))
    }

    async fn end_sessions(&self) -> bool {
        self.0.servers.sound.stop().await;
        true
    }
}

/// Those that are only looked at: they take no place in the group, and need none.
struct DryRuns(Filled);

impl Stand for DryRuns {
    type Source = Subscription;

    const STREAM: &'static str = STREAM;

    fn sound(&self) -> Subscription {
        self.0.dry_run(&self.0.servers.sound)
    }

    async fn troubled(&self, trouble: Trouble, stream: &StreamName) -> Option<Subscription> {
        if matches!(trouble, Trouble::Taken | Trouble::Missing) {
            return None;
        }
        let server = self.0.troubled(trouble, stream).await;
        Some(self.0.dry_run(&server))
    }

    /// They have none but their own pages.
    async fn end_sessions(&self) -> bool {
        false
    }
}

/// Events that somebody chose, without a group: opening one asks nobody.
struct Choices(Filled);

impl Stand for Choices {
    type Source = Selected;

    const STREAM: &'static str = STREAM;

    fn sound(&self) -> Selected {
        let choice = |revision| Choice {
            stream: STREAM.into(),
            revision,
        };
        let client = client(Side::Source, &self.0.servers.sound);
        Selected::new(client, (0..EVENTS).map(choice).collect())
    }

    async fn troubled(&self, trouble: Trouble, stream: &StreamName) -> Option<Selected> {
        if !matches!(trouble, Trouble::SoftDeleted | Trouble::Tombstoned) {
            return None;
        }
        let server = self.0.troubled(trouble, stream).await;
        Some(Selected::new(client(Side::Source, &server), Vec::new()))
    }

    async fn end_sessions(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn persistent_subscriptions_keep_the_contract() {
    for generation in Generation::ALL {
        for subscribed in [STREAM, "$ce-delivered"] {
            let stand = Subscriptions(Filled::start(generation, subscribed).await);
            assert_eq!(judge(&stand).await.len(), 7, "{generation:?} {subscribed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_runs_of_subscriptions_keep_the_contract() {
    for generation in Generation::ALL {
        let stand = DryRuns(Filled::start(generation, "$ce-delivered").await);
        assert_eq!(judge(&stand).await.len(), 5, "{generation:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn selected_events_keep_the_contract() {
    for generation in Generation::ALL {
        let stand = Choices(Filled::start(generation, STREAM).await);
        assert_eq!(judge(&stand).await.len(), 2, "{generation:?}");
    }
}
