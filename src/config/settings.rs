//! What ditto was asked to do, checked: the only form of the configuration that the rest of the program sees.
//!
//! Made by `validate` alone; an `Option` here means a choice of the operator ("ditto chooses"), never "not looked at
//! yet". Never reads a file, and never prints a secret.

mod mirror;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::cluster::{ClusterSettings, PasswordSource};
use ditto_core::event::StreamName;

use mirror::LOG;
pub use mirror::{MirrorSettings, ReadFrom};

/// Everything that ditto was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The Event Store that events come from.
    pub source: ClusterSettings,
    /// Where they go.
    pub destination: Destination,
    /// Section `[daemon]`: what the whole process has once.
    pub daemon: DaemonSettings,
    /// Each `[[subscription]]`, no two with the same stream and group.
    pub subscriptions: Vec<SubscriptionSettings>,
    /// Each `[[mirror]]`, no two with the same name; no stream is copied by two of them, or by one and a subscription.
    pub mirrors: Vec<MirrorSettings>,
    /// Section `[http]`: where and to whom metrics and status are served.
    pub http: HttpSettings,
    /// Section `[log]`: what is logged, and where it goes.
    pub log: LogSettings,
}

impl Settings {
    /// Everything that copies: no two with the same key.
    pub fn pipelines(&self) -> impl Iterator<Item = PipelineSettings> {
        let subscriptions = self.subscriptions.iter().cloned();
        let mirrors = self.mirrors.iter().cloned();
        subscriptions
            .map(PipelineSettings::Subscription)
            .chain(mirrors.map(PipelineSettings::Mirror))
    }
}

/// `[destination]`, by its `type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Another Event Store.
    EventStore(ClusterSettings),
    /// An AWS Kinesis data stream. Only in a ditto that was built with the Cargo feature `kinesis`.
    Kinesis(KinesisSettings),
}

impl Destination {
    /// Where it is, for logs and `/status`.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::EventStore(cluster) => cluster.nodes.addresses(),
            Self::Kinesis(kinesis) => kinesis.to_string(),
        }
    }
}

/// A data stream to write to. Credentials are not here: the SDK finds them (environment, profile, instance role).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KinesisSettings {
    /// The data stream's name.
    pub stream_name: String,
    /// The AWS region that it is in.
    pub region: String,
    /// Where to call, `None`: the region's own endpoint.
    pub endpoint_url: Option<String>,
    /// A role to assume with the credentials that were found.
    pub role_arn: Option<String>,
}

impl fmt::Display for KinesisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Kinesis data stream {} in {}",
            self.stream_name, self.region
        )?;
        match &self.endpoint_url {
            Some(url) => write!(f, " at {url}"),
            None => Ok(()),
        }
    }
}

/// What identifies a subscription or a mirror: one pipeline each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionKey {
    /// The stream that the group reads; of a mirror `$all`.
    pub stream: StreamName,
    /// The group's name; of a mirror its own.
    pub group: Arc<str>,
}

impl SubscriptionKey {
    /// Whether it is that of a mirror.
    #[must_use]
    pub fn is_mirror(&self) -> bool {
        self.stream.as_str() == LOG
    }

    /// The words for what it is the key of.
    #[must_use]
    pub fn words<'w>(&self, subscription: &'w str, mirror: &'w str) -> &'w str {
        if self.is_mirror() {
            mirror
        } else {
            subscription
        }
    }
}

impl fmt::Display for SubscriptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.stream, self.group)
    }
}

/// What one pipeline copies, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PipelineSettings {
    /// What a group delivers.
    Subscription(SubscriptionSettings),
    /// What the log holds.
    Mirror(MirrorSettings),
}

impl From<SubscriptionSettings> for PipelineSettings {
    fn from(settings: SubscriptionSettings) -> Self {
        Self::Subscription(settings)
    }
}

impl From<MirrorSettings> for PipelineSettings {
    fn from(settings: MirrorSettings) -> Self {
        Self::Mirror(settings)
    }
}

impl PipelineSettings {
    /// What identifies it.
    #[must_use]
    pub fn key(&self) -> SubscriptionKey {
        match self {
            Self::Subscription(subscription) => subscription.key(),
            Self::Mirror(mirror) => mirror.key(),
        }
    }

    /// How events are copied.
    #[must_use]
    pub fn replication(&self) -> &Replication {
        match self {
            Self::Subscription(subscription) => &subscription.replication,
            Self::Mirror(mirror) => &mirror.replication,
        }
    }
}

/// One configured subscription, its replication settings resolved (own ones over `[replication]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionSettings {
    /// The stream that the group reads.
    pub stream: StreamName,
    /// The group's name.
    pub group: Arc<str>,
    /// Whether a missing group is created.
    pub create: bool,
    /// What a group that ditto creates is like.
    pub new_group: NewGroup,
    /// The operator goes on without events whose numbers in the stream are below this one and can no longer be read.
    pub accept_unseen_below: u64,
    /// How events are copied.
    pub replication: Replication,
}

impl SubscriptionSettings {
    /// What identifies it.
    #[must_use]
    pub fn key(&self) -> SubscriptionKey {
        SubscriptionKey {
            stream: self.stream.clone(),
            group: self.group.clone(),
        }
    }
}

/// `[subscription.new_group]`: what of a new group the operator may choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGroup {
    /// Where it begins.
    pub start: GroupStart,
    /// How long the server waits for an acknowledgement before it takes a delivery back.
    pub message_timeout: Duration,
    /// After how many take-backs the server parks an event by itself.
    pub max_retry_count: u32,
}

impl Default for NewGroup {
    fn default() -> Self {
        Self {
            start: GroupStart::Beginning,
            message_timeout: Duration::from_secs(60),
            max_retry_count: 1000,
        }
    }
}

/// Where a new group begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupStart {
    /// At the stream's first event.
    Beginning,
    /// Behind the stream's last event at the time of its creation.
    End,
    /// At this number in the subscription's stream.
    Number(u64),
}

/// `[replication]` with the own keys of a subscription or a mirror over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replication {
    /// Buffer size to ask for when joining; `None`: ditto chooses and adapts.
    pub buffer_size: Option<u32>,
    /// At least this long between two events; zero: no limit.
    pub throttle_interval: Duration,
    /// Append at the destination's own tail instead of the source's revision.
    pub skip_version_check: bool,
    /// Write nothing and leave the group alone; report what would be written.
    pub read_only: bool,
    /// `$maxAge` for streams that ditto begins.
    pub time_to_live: Option<Duration>,
    /// What to do with a stream that holds something else at the destination.
    pub on_conflict: OnConflict,
    /// What to do when the source no longer has what comes next.
    pub on_missing_history: OnMissingHistory,
    /// What to do with a destination stream of which nothing shows whose events it holds.
    pub on_unverified: OnUnverified,
    /// Merging of events into one append stops at this many.
    pub max_append_events: u32,
    /// Merging stops at this many bytes; a single event is always tried.
    pub max_append_bytes: usize,
    /// Streams that may have an append in flight (for Kinesis: calls of PutRecords at once); `None`: ditto chooses and
    /// adapts.
    pub appends_in_flight: Option<u32>,
}

impl Default for Replication {
    fn default() -> Self {
        Self {
            buffer_size: None,
            throttle_interval: Duration::ZERO,
            skip_version_check: false,
            read_only: false,
            time_to_live: None,
            on_conflict: OnConflict::Park,
            on_missing_history: OnMissingHistory::Park,
            on_unverified: OnUnverified::Hold,
            max_append_events: 500,
            max_append_bytes: 1024 * 1024,
            appends_in_flight: None,
        }
    }
}

/// Key `on_conflict`: what becomes of a stream whose events differ on the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Hold the stream, and park its deliveries; a mirror has none and only holds it.
    Park,
    /// Hold the stream, acknowledge and count its deliveries.
    Skip,
    /// Stop the subscription or the mirror.
    Stop,
}

/// Key `on_missing_history`: what becomes of a stream whose next revision the source no longer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMissingHistory {
    /// Hold the stream, and park its deliveries, as with [`OnConflict::Park`].
    Park,
    /// Write an empty placeholder for each missing revision.
    Fill,
    /// Stop the subscription or the mirror.
    Stop,
}

/// Key `on_unverified`: what becomes of a stream of which nothing shows that its events are the source's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnverified {
    /// Hold the stream, and park its deliveries, as with [`OnConflict::Park`].
    Hold,
    /// Take its events for the source's, count and warn.
    Pass,
}

/// `[daemon]`: what concerns the process as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSettings {
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
    /// Bytes of events held in memory, shared among subscriptions and mirrors.
    pub max_buffered_bytes: usize,
}

impl Default for DaemonSettings {
    fn default() -> Self {
        Self {
            shutdown_timeout: Duration::from_secs(10),
            max_buffered_bytes: 64 * 1024 * 1024,
        }
    }
}

/// `[http]`: where metrics, health and status are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Names beside the machine's own under which `/status` and the page are asked for.
    pub allowed_hosts: Vec<String>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 5000)),
            allowed_hosts: Vec::new(),
        }
    }
}

/// Section `[log]`, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A level, or directives as `RUST_LOG` takes them.
    pub level: String,
    /// `[log.otlp]`: where lines are sent beside the journal.
    pub otlp: Option<OtlpSettings>,
}

/// `[log.otlp]`: a receiver of OTLP over http/protobuf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpSettings {
    /// The whole address for logs, without user and query.
    pub endpoint: String,
    /// Time limit of one request.
    pub timeout: Duration,
    /// Certificates to trust instead of the machine's own.
    pub tls_ca_file: Option<PathBuf>,
    /// Headers of each request by name; their values are secrets.
    pub headers: Vec<(String, PasswordSource)>,
    /// What the lines say about where they come from, beside ditto's own.
    pub resource_attributes: Vec<(String, String)>,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            otlp: None,
        }
    }
}
