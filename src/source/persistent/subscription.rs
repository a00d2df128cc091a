//! One group, as a source: looked at, made, entered, and plain reads beside it.
//!
//! Never changes a group that exists.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use eventstore::{
    GetPersistentSubscriptionInfoOptions, PersistentSubscription, PersistentSubscriptionEvent,
    ReplayParkedMessagesOptions, SubscribeToPersistentSubscriptionOptions,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::clients::{Clients, Usable};
use super::dry_run::{self, Resume};
use super::group::{self, Info};
use super::handoff::HandoffSession;
use super::listing::Listed;
use super::session::{self, SubscriptionCall};
use super::{Joined, Persistent, Refusal, empty, links, parked, search};
use crate::config::settings::SubscriptionSettings;
use crate::eventstore::client::{Client, ReadStream, StreamPage, connection_name};
use crate::eventstore::{Class, Error};
use crate::source::{Source, history};
use ditto_core::event::StreamName;
use ditto_core::port::{
    GroupSeen, JoinRefusal, LinkPage, LogPage, LogPosition, ParkedPage, ReadFrom, SourcePage,
};

/// Between two attempts while the server may still count ditto's own last session.
const SHORT_PAUSE: Duration = Duration::from_millis(100);

/// One group, as a source.
#[derive(Debug)]
pub struct Subscription {
    pub(super) settings: SubscriptionSettings,
    pub(super) own: Client,
    clients: Arc<Clients>,
    /// Set if the group is only looked at, and never entered.
    dry_run: Option<Arc<Resume>>,
}

/// A group as it is, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// What the core would be told.
    pub seen: GroupSeen,
    /// Why nothing can be copied through it, with what to do about it.
    pub unsuitable: Option<&'static str>,
    /// What an operator should know of its set-up.
    pub warnings: Vec<String>,
}

impl Subscription {
    /// The group of these settings on the server that `own` talks to. Connects when first used.
    #[must_use]
    pub fn new(own: Client, settings: SubscriptionSettings) -> Self {
        Self {
            settings,
            clients: Arc::new(Clients::new(own.clone())),
            own,
            dry_run: None,
        }
    }

    /// The same, whose deliveries come by plain reads, so that nothing of the group changes.
    #[must_use]
    pub fn dry_run(own: Client, settings: SubscriptionSettings) -> Self {
        Self {
            dry_run: Some(Arc::default()),
            ..Self::new(own, settings)
        }
    }

    /// Number of the last event in the subscription's stream, read by a plain call.
    pub(super) async fn last_number(&self) -> Result<Option<u64>, Error> {
        self.own.last_revision(&self.settings.stream).await
    }

    /// Looks at the group without creating or entering it.
    ///
    /// # Errors
    /// There is none, ditto may not look at it, or the server does not answer.
    pub async fn inspect(&self) -> Result<Inspected, Refusal> {
        let usable = self.clients.get().await?;
        let info = self.info(&usable).await?;
        Ok(Inspected {
            seen: self.seen(&info).await?,
            unsuitable: group::unsuitable(&self.settings.stream, &info),
            warnings: self.warnings(&info).await,
        })
    }

    /// Whether the user may create the group that is missing, asked by a call that needs the same permission
    /// (protocol §8.8) and does nothing to a group that is not there.
    ///
    /// # Errors
    /// The server does not tell.
    pub async fn may_create(&self) -> Result<bool, Error> {
        let usable = self.clients.get().await?;
        let options = ReplayParkedMessagesOptions::default().stop_at(0);
        let options = match usable.client.credentials.clone() {
            Some(credentials) => options.authenticated(credentials),
            None => options,
        };
        let (client, stream, group) = self.names(&usable);
        let asking = async move { client.replay_parked_messages(stream, group, &options).await };
        let action = "check whether the group can be created";
        match self.call(&usable, action, asking).await {
            Err(error) if *error.class() == Class::Denied => Ok(false),
            Err(error) if *error.class() == Class::GroupNotFound => Ok(true),
            answer => answer.map(|()| true),
        }
    }

    /// How far the group is, as it is: never creates one, and does not judge it.
    pub(crate) async fn lookup(&self) -> Result<GroupSeen, Refusal> {
        let usable = self.clients.get().await?;
        let info = self.info(&usable).await?;
        Ok(self.seen(&info).await?)
    }

    /// Gets the group, creating it if that is allowed, and judges it.
    async fn prepare(&self, usable: &Usable) -> Result<Info, Refusal> {
        let info = match self.info(usable).await {
            Err(error) if *error.class() == Class::GroupNotFound && self.settings.create => {
                self.create(usable).await?;
                self.info(usable).await?
            }
            info => info?,
        };
        match group::unsuitable(&self.settings.stream, &info) {
            None => Ok(info),
            Some(hint) => Err(Refusal {
                why: JoinRefusal::Unsuitable(hint),
                text: hint.to_owned(),
            }),
        }
    }

    async fn create(&self, usable: &Usable) -> Result<(), Error> {
        let options = group::options(&self.settings.new_group);
        let options = match usable.client.credentials.clone() {
            Some(credentials) => options.authenticated(credentials),
            None => options,
        };
        let (client, stream, group) = self.names(usable);
        let creating = async move {
            client
                .create_persistent_subscription(stream, group, &options)
                .await
        };
        match self.call(usable, "create the group", creating).await {
            Err(error) if *error.class() == Class::GroupExists => Ok(()),
            Err(error) => match self.behind(usable, &error).await {
                Some(Listed::Free | Listed::Full) => Ok(()),
                Some(Listed::Missing) | None => Err(error),
            },
            Ok(()) => Ok(()),
        }
    }

    async fn info(&self, usable: &Usable) -> Result<Info, Error> {
        let options = GetPersistentSubscriptionInfoOptions::default();
        let options = match usable.client.credentials.clone() {
            Some(credentials) => options.authenticated(credentials),
            None => options,
        };
        let (client, stream, group) = self.names(usable);
        let asking = async move {
            client
                .get_persistent_subscription_info(stream.as_str(), group, &options)
                .await
        };
        let action = "read the state of the group";
        match self.call(usable, action, asking).await {
            Err(error) => Err(match self.behind(usable, &error).await {
                Some(Listed::Missing) => {
                    self.about_group(Class::GroupNotFound, action, "does not exist")
                }
                Some(Listed::Free | Listed::Full) | None => error,
            }),
            info => info,
        }
    }

    fn names(&self, usable: &Usable) -> (eventstore::Client, String, String) {
        let SubscriptionSettings { stream, group, .. } = &self.settings;
        (
            usable.client.client.clone(),
            stream.to_string(),
            group.to_string(),
        )
    }

    /// What an operator should know of the group, and of the streams that the server keeps for it.
    async fn warnings(&self, info: &Info) -> Vec<String> {
        let mut warnings = group::warnings(info, &connection_name(self.own.settings()));
        let key = self.settings.key();
        for (kept, lost) in group::KEPT_STREAMS {
            let stream = StreamName::new(format!("$persistentsubscription-{key}-{kept}"));
            let page = self.own.read_stream(ReadStream::newest(stream)).await;
            // Who may not read them, or gets no answer now, learns nothing of them: that is no reason not to join.
            if matches!(page, Ok(StreamPage::Tombstoned)) {
                warnings.push((*lost).to_owned());
            }
        }
        warnings
    }

    /// What to tell the operator if the subscription's stream holds nothing.
    pub(super) async fn without_events(&self, seen: &GroupSeen) -> Option<String> {
        match seen.last_number {
            Some(_) => None,
            None => Some(empty::warning(&self.own, &self.settings.stream).await),
        }
    }

    async fn seen(&self, info: &Info) -> Result<GroupSeen, Error> {
        let key = self.settings.key();
        let parked = parked::readable(&self.own, &key);
        let (last_number, parked) = tokio::join!(self.last_number(), parked);
        Ok(group::seen(info, last_number?, parked))
    }

    /// Enters the group and waits for the confirmation, which some servers never send (protocol §14.2).
    async fn enter(
        &self,
        usable: &Usable,
        buffer_size: u32,
    ) -> Result<PersistentSubscription, Error> {
        let options = SubscribeToPersistentSubscriptionOptions::default()
            .buffer_size(usize::try_from(buffer_size).unwrap_or(usize::MAX));
        let options = match usable.client.credentials.clone() {
            Some(credentials) => options.authenticated(credentials),
            None => options,
        };
        let (client, stream, group) = self.names(usable);
        let entering = async move {
            let mut call = client
                .subscribe_to_persistent_subscription(stream, group, &options)
                .await?;
            match call.next_subscription_event().await? {
                PersistentSubscriptionEvent::Confirmed(_) => Ok(call),
                PersistentSubscriptionEvent::EventAppeared { .. } => {
                    Err(eventstore::Error::InternalParsingError(
                        "the server sent an event before it confirmed the subscription".to_owned(),
                    ))
                }
            }
        };
        let action = "join the subscription";
        match self.call(usable, action, entering).await {
            Err(error) => Err(match self.behind(usable, &error).await {
                Some(Listed::Missing) => {
                    self.about_group(Class::GroupNotFound, action, "does not exist")
                }
                Some(Listed::Full) => {
                    self.about_group(Class::GroupTaken, action, "has a consumer already")
                }
                Some(Listed::Free) | None => error,
            }),
            entered => entered,
        }
    }

    /// Enters, with patience for a session of ditto's own that the server has not seen end.
    async fn enter_patiently(
        &self,
        usable: &Usable,
        buffer_size: u32,
    ) -> Result<PersistentSubscription, Error> {
        loop {
            match self.enter(usable, buffer_size).await {
                Err(error)
                    if *error.class() == Class::GroupTaken && self.clients.may_be_own_session() =>
                {
                    tokio::time::sleep(SHORT_PAUSE).await;
                }
                entered => return entered,
            }
        }
    }

    /// One call of the crate, under ditto's own time limit: the crate has none (protocol §11 T26). It runs as a
    /// task of its client's runtime, so that a panic (protocol §11 T4, T5, T31) is a failure of the call.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        usable: &Usable,
        action: &'static str,
        call: impl Future<Output = eventstore::Result<T>> + Send + 'static,
    ) -> Result<T, Error> {
        let limit = self.own.settings().call_timeout;
        let failed = |class, text: String| Error::new(self.own.side(), class, action, text);
        let mut tasks = JoinSet::new();
        tasks.spawn_on(call, &usable.runtime);
        let answer = match timeout(limit, tasks.join_next()).await {
            Ok(Some(Ok(answer))) => {
                answer.map_err(|error| Error::from_crate(self.own.side(), action, &error))
            }
            Ok(Some(Err(panic))) => Err(failed(Class::RebuildClient, panic.to_string())),
            Ok(None) => Err(failed(
                Class::RebuildClient,
                "the client is gone".to_owned(),
            )),
            Err(_) => Err(failed(
                Class::Timeout,
                format!("no answer within {limit:?}"),
            )),
        };
        match &answer {
            Ok(_) => self.clients.worked(),
            Err(error) => self.clients.failed(error),
        }
        answer
    }
}

impl Source for Subscription {
    type Session = HandoffSession;
    type Opening = u32;
    type Seen = GroupSeen;
    type Refusal = Refusal;

    async fn open(&self, buffer_size: u32) -> Result<Joined<HandoffSession>, Refusal> {
        if let Some(resume) = &self.dry_run {
            return dry_run::open(self, resume.clone(), buffer_size).await;
        }
        let usable = self.clients.get().await?;
        let info = self.prepare(&usable).await?;
        let seen = self.seen(&info).await?;
        let mut warnings = self.warnings(&info).await;
        warnings.extend(self.without_events(&seen).await);
        let call = SubscriptionCall {
            call: self.enter_patiently(&usable, buffer_size).await?,
            stream: self.settings.stream.clone(),
            side: self.own.side(),
        };
        Ok(Joined {
            session: session::start(call, buffer_size, &usable, self.clients.clone()),
            seen,
            warnings,
        })
    }

    async fn read_stream(
        &self,
        stream: StreamName,
        from: ReadFrom,
        count: u32,
        max_bytes: usize,
    ) -> SourcePage {
        history::stream(&self.own, stream, from, count, max_bytes).await
    }

    async fn probe(&self) -> Result<(), String> {
        let probed = self.own.probe().await;
        probed.map_err(|error| error.with_hint())
    }

    fn trouble(&self) -> Option<String> {
        self.own.trouble()
    }
}

impl Persistent for Subscription {
    async fn group(&self) -> Result<GroupSeen, Refusal> {
        if self.dry_run.is_some() {
            return dry_run::seen(self).await;
        }
        let usable = self.clients.get().await?;
        // As for joining: a subscription that was stopped joins again when this succeeds.
        let info = self.prepare(&usable).await?;
        Ok(self.seen(&info).await?)
    }

    async fn read_links(&self, from: u64, count: u32, max_bytes: usize) -> LinkPage {
        links::links(&self.own, &self.settings.stream, from, count, max_bytes).await
    }

    async fn first_link(&self, from: u64) -> LinkPage {
        links::first_link(&self.own, &self.settings.stream, from).await
    }

    async fn search_log(&self, after: Option<LogPosition>) -> LogPage {
        search::search(&self.own, &self.settings.stream, after).await
    }

    async fn read_parked(&self, from: u64, count: u32) -> ParkedPage {
        if self.dry_run.is_some() {
            // What the server parked lies before the checkpoint: a dry run is about what comes.
            return ParkedPage::Entries(Vec::new());
        }
        parked::parked(&self.own, &self.settings.key(), from, count).await
    }
}
