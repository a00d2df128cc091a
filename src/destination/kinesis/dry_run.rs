//! `read_only` for a data stream: what would be sent.
//!
//! Makes every record and looks at its size, asks the data stream about its limit, and sends nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tracing::debug;

use super::appends::too_large;
use super::record::Record;
use super::{Kinesis, Shared};
use crate::destination::{Appends, Destination};
use ditto_core::event::{Event, StreamName};
use ditto_core::port::{
    Answer, Append, AppendOutcome, CallEnd, LookupRange, LookupResult, MetadataOutcome, Rights,
};

/// A data stream that nothing is sent to.
#[derive(Debug)]
pub struct KinesisDryRun(Kinesis);

impl KinesisDryRun {
    /// Looks at what writing to `real` would do.
    #[must_use]
    pub fn new(real: Kinesis) -> Self {
        Self(real)
    }
}

impl Destination for KinesisDryRun {
    const WRITES: bool = false;
    const NUMBERED: bool = false;
    const SYSTEM: &'static str = "kinesis";

    type Appends = DryRunRecords;

    fn appends(&self) -> DryRunRecords {
        DryRunRecords {
            shared: self.0.shared.clone(),
            under_way: FuturesUnordered::new(),
        }
    }

    async fn lookup(
        &self,
        stream: StreamName,
        range: LookupRange,
        max_bytes: usize,
    ) -> LookupResult {
        self.0.lookup(stream, range, max_bytes).await
    }

    async fn recognise(&self, stream: StreamName, event: Event) -> LookupResult {
        self.0.recognise(stream, event).await
    }

    async fn rights(&self, stream: StreamName) -> Rights {
        self.0.rights(stream).await
    }

    async fn write_metadata(
        &self,
        _stream: StreamName,
        _max_age: Option<Duration>,
        _truncate_before: Option<u64>,
    ) -> MetadataOutcome {
        MetadataOutcome::Written
    }

    async fn probe(&self) -> Result<(), String> {
        self.0.probe().await
    }
}

/// Records that are judged and not sent.
pub struct DryRunRecords {
    shared: Arc<Shared>,
    under_way: FuturesUnordered<BoxFuture<'static, Answer>>,
}

impl std::fmt::Debug for DryRunRecords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreviewedRecords")
            .field("under_way", &self.under_way.len())
            .finish_non_exhaustive()
    }
}

impl Appends for DryRunRecords {
    fn send(&mut self, append: Append) {
        let shared = self.shared.clone();
        self.under_way
            .push(Box::pin(async move { judge(&shared, append).await }));
    }

    async fn answers(&mut self, into: &mut Vec<Answer>) {
        match self.under_way.next().await {
            Some(answer) => into.push(answer),
            None => std::future::pending().await,
        }
    }
}

async fn judge(shared: &Shared, append: Append) -> Answer {
    let mut outcome = AppendOutcome::Written(0);
    for event in &append.events {
        outcome = match Record::of(event, SystemTime::now()) {
            Err(text) => AppendOutcome::Refused(text),
            Ok(record) => {
                let (size, mut limit) = (record.size(), shared.limit());
                if size > limit {
                    limit = match shared.limit_now().await {
                        Ok(limit) => limit,
                        Err(failure) => {
                            return Answer::CallEnded {
                                lane: 0,
                                unanswered: vec![append.id],
                                why: CallEnd::without_blame(failure.text().to_owned()),
                            };
                        }
                    };
                }
                debug!(
                    ditto.event_stream = %event.stream,
                    ditto.partition_key = %record.key,
                    ditto.bytes = size,
                    "would send a record"
                );
                if size > limit {
                    AppendOutcome::Refused(too_large(size, limit))
                } else {
                    AppendOutcome::Written(event.revision)
                }
            }
        };
    }
    Answer::Appended {
        append: append.id,
        outcome,
    }
}
