//! A destination that is an AWS Kinesis data stream: one record an event.
//!
//! Only this folder names the AWS SDK. Never reads a record back, and never asks for a revision: there are none.

mod accused;
mod appends;
mod dry_run;
mod error;
mod record;
mod waiting;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Region};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

pub use appends::KinesisAppends;
pub use dry_run::{DryRunRecords, KinesisDryRun};

use self::error::Failure;
use crate::config::settings::KinesisSettings;
use crate::destination::Destination;
use ditto_core::event::{Event, StreamName};
use ditto_core::port::{LookupRange, LookupResult, MetadataOutcome, Rights};

/// Nothing waits longer for an answer of AWS, finding credentials included.
const CALL: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(3);

/// Calls of PutRecords at once, if the operator does not say.
const CALLS: usize = 16;

/// What a data stream takes in a record, data and partition key, if it does not say.
const RECORD_BYTES: usize = 1024 * 1024;

/// Completes "failed to …".
const PUT: &str = "put records";

/// How long an answer about that limit counts.
const LIMIT_COUNTS: Duration = Duration::from_secs(60);

/// Told how many records were refused because a shard had too much to do.
pub type OnThrottled = Arc<dyn Fn(u64) + Send + Sync>;

/// A data stream to write to.
#[derive(Clone)]
pub struct Kinesis {
    shared: Arc<Shared>,
}

struct Shared {
    settings: KinesisSettings,
    client: OnceCell<Client>,
    calls: usize,
    limit: Mutex<(usize, Option<Instant>)>,
    on_throttled: OnThrottled,
}

/// What a data stream says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Such as `ACTIVE`.
    pub status: String,
    /// Shards that take records.
    pub open_shards: i32,
    /// Bytes of a record, partition key included.
    pub record_bytes: usize,
}

impl Kinesis {
    /// The data stream as configured; connects with the first call. `calls`: of PutRecords at once.
    #[must_use]
    pub fn new(settings: KinesisSettings, calls: Option<u32>, on_throttled: OnThrottled) -> Self {
        let calls = calls.and_then(|calls| usize::try_from(calls).ok());
        Self {
            shared: Arc::new(Shared {
                settings,
                client: OnceCell::new(),
                calls: calls.unwrap_or(CALLS).max(1),
                limit: Mutex::new((RECORD_BYTES, None)),
                on_throttled,
            }),
        }
    }

    /// Asks the data stream about itself.
    ///
    /// # Errors
    /// In words for the operator, with what to do.
    pub async fn describe(&self) -> Result<Described, String> {
        self.shared
            .describe()
            .await
            .map_err(|failure| failure.text().to_owned())
    }

    /// Whether PutRecords is allowed, as far as a call that cannot write anything tells: it is marked as a dry run, and
    /// holds no record for the case that somebody does not know that mark. `None`: it does not tell.
    ///
    /// # Errors
    /// If it is not allowed: in words for the operator, with what to do.
    pub async fn may_put(&self) -> Result<Option<()>, String> {
        let call = async {
            let request = self.shared.client().await.put_records().dry_run(true);
            request
                .stream_name(&self.shared.settings.stream_name)
                .set_records(Some(Vec::new()))
                .send()
                .await
        };
        match timeout(CALL, call).await {
            Err(_) => Err(Failure::timed_out(PUT, CALL).text().to_owned()),
            Ok(Ok(_)) => Ok(None),
            Ok(Err(error)) if error::is_dry_run(&error) => Ok(Some(())),
            Ok(Err(error)) => match Failure::of(PUT, &error) {
                Failure::Away(text) | Failure::Denied(text) => Err(text),
                Failure::Invalid(_) | Failure::Throttled => Ok(None),
            },
        }
    }
}

impl Shared {
    async fn client(&self) -> &Client {
        self.client.get_or_init(|| connect(&self.settings)).await
    }

    async fn describe(&self) -> Result<Described, Failure> {
        const ACTION: &str = "describe the data stream";
        let call = async {
            let request = self.client().await.describe_stream_summary();
            request.stream_name(&self.settings.stream_name).send().await
        };
        let answer = match timeout(CALL, call).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Failure::of(ACTION, &error)),
            Err(_) => return Err(Failure::timed_out(ACTION, CALL)),
        };
        let Some(summary) = answer.stream_description_summary() else {
            return Err(Failure::Away(format!(
                "failed to {ACTION}: the answer holds none"
            )));
        };
        let kibibytes = summary
            .max_record_size_in_kib()
            .and_then(|size| usize::try_from(size).ok());
        Ok(Described {
            status: summary.stream_status().as_str().to_owned(),
            open_shards: summary.open_shard_count(),
            record_bytes: kibibytes.map_or(RECORD_BYTES, |size| size * 1024),
        })
    }

    /// The limit as last seen.
    fn limit(&self) -> usize {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// The limit as it is now: asked for, unless that was just done. Without the right to ask it is the usual one.
    async fn limit_now(&self) -> Result<usize, Failure> {
        let (known, looked_up) = *self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        if looked_up.is_some_and(|at| at.elapsed() < LIMIT_COUNTS) {
            return Ok(known);
        }
        let limit = match self.describe().await {
            Ok(described) => described.record_bytes,
            Err(Failure::Denied(_)) => RECORD_BYTES,
            Err(failure) => return Err(failure),
        };
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner) = (limit, Some(Instant::now()));
        Ok(limit)
    }
}

/// Credentials are found by the SDK's own chain; a role is assumed with what it finds. Repeating is left to ditto, which
/// alone knows what must keep its order.
async fn connect(settings: &KinesisSettings) -> Client {
    let region = Region::new(settings.region.clone());
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_timeout(CALL)
        .build();
    let base = aws_config::defaults(BehaviorVersion::latest())
        .region(region.clone())
        .timeout_config(timeouts)
        .load()
        .await;
    let mut config =
        aws_sdk_kinesis::config::Builder::from(&base).retry_config(RetryConfig::disabled());
    if let Some(url) = &settings.endpoint_url {
        config = config.endpoint_url(url);
    }
    if let Some(role) = &settings.role_arn {
        let provider = aws_config::sts::AssumeRoleProvider::builder(role)
            .session_name("ditto")
            .region(region)
            .configure(&base)
            .build()
            .await;
        config = config.credentials_provider(provider);
    }
    Client::from_conf(config.build())
}

impl Destination for Kinesis {
    const NUMBERED: bool = false;
    const SYSTEM: &'static str = "kinesis";

    type Appends = KinesisAppends;

    fn appends(&self) -> KinesisAppends {
        KinesisAppends::new(self.shared.clone())
    }

    /// Never asked for without revisions.
    async fn lookup(
        &self,
        _stream: StreamName,
        _range: LookupRange,
        _max_bytes: usize,
    ) -> LookupResult {
        LookupResult::Failed
    }

    /// Never asked for without revisions.
    async fn recognise(&self, _stream: StreamName, _event: Event) -> LookupResult {
        LookupResult::Failed
    }

    /// Rights are those of the data stream; a refused call is asked about by describing it.
    async fn rights(&self, _stream: StreamName) -> Rights {
        Rights::Unknown
    }

    /// Never asked for without revisions: streams of a data stream have no metadata.
    async fn write_metadata(
        &self,
        _stream: StreamName,
        _max_age: Option<Duration>,
        _truncate_before: Option<u64>,
    ) -> MetadataOutcome {
        MetadataOutcome::NoAnswer
    }

    async fn probe(&self) -> Result<(), String> {
        Self::describe(self).await.map(|_| ())
    }
}

impl std::fmt::Debug for Kinesis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kinesis")
            .field("settings", &self.shared.settings)
            .field("calls", &self.shared.calls)
            .finish_non_exhaustive()
    }
}
