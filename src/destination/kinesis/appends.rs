//! A pipeline's records on their way: many calls of PutRecords at once, each answer read record by record.
//!
//! A record that a shard refuses is sent again here, after a pause; a call that fails as a whole is handed back, since
//! nobody knows what it stored. Never has two records of a stream on their way: the core sends one at a time.

use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use rand::Rng as _;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::accused::Dock;
use super::error::Failure;
use super::record::Record;
use super::waiting::{Outcome, Waiting, WaitingRoom};
use super::{CALL, PUT, Shared};
use crate::destination::Appends;
use ditto_core::port::{Answer, Append, AppendId, AppendOutcome, CallEnd};

/// The code of a record that its shard had no room for.
const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// The calls of one pipeline.
pub struct KinesisAppends {
    shared: Arc<Shared>,
    room: WaitingRoom,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    calls: usize,
    /// Calls begun, ever.
    begun: u64,
    /// Records refused alone, until another one is accepted or refused.
    dock: Dock,
    /// What was stored last: sent once more where nothing else can tell whether anything is accepted.
    control: Option<Record>,
    answers: Vec<Answer>,
}

/// What was waited for.
enum Done {
    /// A call of PutRecords.
    Put {
        sent: Vec<Waiting>,
        result: Result<PutRecordsOutput, Failure>,
        /// Its number, from 1.
        call: u64,
    },
    /// The call that sends the control.
    Control {
        record: Record,
        accepted: bool,
        call: u64,
    },
    /// The limit that decides about a large record.
    Limit {
        waiting: Box<Waiting>,
        result: Result<usize, Failure>,
    },
}

impl KinesisAppends {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            room: WaitingRoom::new(),
            under_way: FuturesUnordered::new(),
            calls: 0,
            begun: 0,
            dock: Dock::default(),
            control: None,
            answers: Vec::new(),
        }
    }

    fn start_calls(&mut self) {
        let now = Instant::now();
        while self.calls < self.shared.calls {
            let sent = self.room.take_call(now);
            if sent.is_empty() {
                return;
            }
            self.calls += 1;
            self.begun += 1;
            let call = self.begun;
            let shared = self.shared.clone();
            self.under_way.push(Box::pin(async move {
                let result = match sent.iter().map(|waiting| entry(&waiting.record)).collect() {
                    Ok(entries) => shared.put(entries).await,
                    Err(text) => Err(Failure::Invalid(text)),
                };
                Done::Put { sent, result, call }
            }));
        }
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Put { sent, result, call } => {
                self.calls -= 1;
                match result {
                    Ok(output) => self.read(sent, &output, call),
                    Err(Failure::Throttled) => self.all_again(sent),
                    Err(Failure::Invalid(text)) => self.refused(sent, text),
                    Err(Failure::Away(why) | Failure::Denied(why)) => self.call_ended(sent, why),
                }
            }
            Done::Control {
                record,
                accepted,
                call,
            } => {
                self.calls = 0;
                self.control = Some(record);
                if accepted {
                    self.convict(call);
                } else {
                    self.release();
                }
            }
            Done::Limit { waiting, result } => match result {
                Ok(limit) if waiting.record.size() <= limit => self.room.push(*waiting),
                Ok(limit) => {
                    let text = too_large(waiting.record.size(), limit);
                    self.answer(waiting.append, AppendOutcome::Refused(text));
                }
                Err(failure) => self.call_ended(vec![*waiting], failure.text().to_owned()),
            },
        }
    }

    /// Each record has its own answer, in the order of sending.
    fn read(&mut self, sent: Vec<Waiting>, output: &PutRecordsOutput, call: u64) {
        let results = output.records();
        if results.len() != sent.len() {
            let (got, wanted) = (results.len(), sent.len());
            let why = format!("the answer to {wanted} records holds {got}: is this Kinesis?");
            self.call_ended(sent, why);
            return;
        }
        let outcome = |result: &PutRecordsResultEntry| {
            if result.error_code().is_none() && result.sequence_number().is_some() {
                Outcome::Stored
            } else {
                Outcome::Again
            }
        };
        let fates = sent.iter().zip(results);
        let fates = fates.map(|(sent, result)| (sent.record.key.as_str(), outcome(result)));
        self.room.learn(Instant::now(), jitter(), fates);
        if results
            .iter()
            .any(|result| outcome(result) == Outcome::Stored)
        {
            self.convict(call);
        }
        let mut throttled = 0;
        for (mut waiting, result) in sent.into_iter().zip(results) {
            if outcome(result) == Outcome::Stored {
                let stored = AppendOutcome::Written(waiting.revision);
                self.answer(waiting.append, stored);
                self.control = Some(waiting.record);
                continue;
            }
            throttled += u64::from(result.error_code() == Some(THROTTLED));
            debug!(
                ditto.reason = result.error_message().unwrap_or_default(),
                ditto.code = result.error_code().unwrap_or("none"),
                "a record was refused and is sent again"
            );
            waiting.is_suspect = false;
            self.room.push(waiting);
        }
        self.count_throttled(throttled);
    }

    fn all_again(&mut self, sent: Vec<Waiting>) {
        let fates = sent
            .iter()
            .map(|waiting| (waiting.record.key.as_str(), Outcome::Again));
        self.room.learn(Instant::now(), jitter(), fates);
        self.count_throttled(sent.len() as u64);
        for mut waiting in sent {
            waiting.is_suspect = false;
            self.room.push(waiting);
        }
    }

    fn count_throttled(&self, records: u64) {
        if records > 0 {
            (self.shared.on_throttled)(records);
        }
    }

    /// The call was refused for something in it: one by one. What is refused alone is the culprit, if another record is
    /// accepted after it.
    fn refused(&mut self, mut sent: Vec<Waiting>, text: String) {
        if sent.len() > 1 {
            for waiting in sent {
                self.room.push(Waiting {
                    is_suspect: true,
                    ..waiting
                });
            }
        } else if let Some(culprit) = sent.pop() {
            self.dock.take(culprit, text, self.begun);
        }
    }

    /// A record of this call was accepted: what was refused alone before it is not acceptable.
    fn convict(&mut self, call: u64) {
        for accused in self.dock.convict(call) {
            let refused = AppendOutcome::Refused(accused.text);
            self.answer(accused.waiting.append, refused);
        }
    }

    /// Nothing is accepted: nobody is to blame.
    fn release(&mut self) {
        let accused = self.dock.release();
        let Some(first) = accused.first() else {
            return;
        };
        let why = format!(
            "failed to {PUT}: {} (check the data stream and its settings: it accepts no record)",
            first.text
        );
        let sent = accused.into_iter().map(|accused| accused.waiting);
        self.call_ended(sent.collect(), why);
    }

    /// With nothing else to send, the record that was stored last is sent once more: all records are written at least
    /// once, and with nothing else on its way it cannot pass a later one of its stream.
    fn send_control(&mut self) {
        if self.dock.is_empty() || self.room.len() > 0 || !self.under_way.is_empty() {
            return;
        }
        let Some(record) = self.control.take() else {
            self.release();
            return;
        };
        // No other call begins until it is answered.
        self.calls = self.shared.calls;
        self.begun += 1;
        let (shared, call) = (self.shared.clone(), self.begun);
        self.under_way.push(Box::pin(async move {
            let accepted = match entry(&record) {
                Ok(entry) => shared.put(vec![entry]).await.is_ok_and(|output| {
                    let stored =
                        |result: &PutRecordsResultEntry| result.sequence_number().is_some();
                    output.records().first().is_some_and(stored)
                }),
                Err(_) => false,
            };
            Done::Control {
                record,
                accepted,
                call,
            }
        }));
    }

    /// This names no culprit: it is about the data stream, the way to it or the credentials.
    fn call_ended(&mut self, sent: Vec<Waiting>, why: String) {
        self.answers.push(Answer::CallEnded {
            lane: 0,
            unanswered: sent.into_iter().map(|waiting| waiting.append).collect(),
            why: CallEnd::without_blame(why),
        });
    }

    fn answer(&mut self, append: AppendId, outcome: AppendOutcome) {
        self.answers.push(Answer::Appended { append, outcome });
    }
}

impl Appends for KinesisAppends {
    fn send(&mut self, append: Append) {
        // One: the core merges nothing where there are no revisions.
        let [event] = append.events.as_slice() else {
            let text = "several events of a stream cannot be one record".to_owned();
            self.answer(append.id, AppendOutcome::Refused(text));
            return;
        };
        let record = match Record::of(event, SystemTime::now()) {
            Ok(record) => record,
            Err(text) => return self.answer(append.id, AppendOutcome::Refused(text)),
        };
        let waiting = Waiting {
            append: append.id,
            revision: event.revision,
            record,
            is_suspect: false,
        };
        if waiting.record.size() <= self.shared.limit() {
            self.room.push(waiting);
            return;
        }
        let shared = self.shared.clone();
        self.under_way.push(Box::pin(async move {
            let result = shared.limit_now().await;
            Done::Limit {
                waiting: Box::new(waiting),
                result,
            }
        }));
    }

    async fn answers(&mut self, into: &mut Vec<Answer>) {
        loop {
            if !self.answers.is_empty() {
                into.append(&mut self.answers);
                return;
            }
            self.start_calls();
            self.send_control();
            if !self.answers.is_empty() {
                continue;
            }
            let due = (self.calls < self.shared.calls)
                .then(|| self.room.due(Instant::now()))
                .flatten();
            tokio::select! {
                Some(done) = self.under_way.next() => self.take(done),
                () = until(due) => {}
            }
        }
    }
}

impl Shared {
    pub(super) async fn put(
        &self,
        entries: Vec<PutRecordsRequestEntry>,
    ) -> Result<PutRecordsOutput, Failure> {
        let call = async {
            let request = self.client().await.put_records();
            request
                .stream_name(&self.settings.stream_name)
                .set_records(Some(entries))
                .send()
                .await
        };
        match timeout(CALL, call).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(Failure::of(PUT, &error)),
            Err(_) => Err(Failure::timed_out(PUT, CALL)),
        }
    }
}

/// For ever without a time.
async fn until(due: Option<Instant>) {
    match due {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn entry(record: &Record) -> Result<PutRecordsRequestEntry, String> {
    PutRecordsRequestEntry::builder()
        .partition_key(&record.key)
        .data(Blob::new(record.data.as_slice()))
        .build()
        .map_err(|error| error.to_string())
}

fn jitter() -> f64 {
    rand::rng().random()
}

/// What is parked with an event that is too large.
pub(super) fn too_large(size: usize, limit: usize) -> String {
    format!(
        "its record has {size} bytes with the partition key, the data stream takes {limit}: raise the data stream's \
         maximum record size, then replay"
    )
}

impl std::fmt::Debug for KinesisAppends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KinesisAppends")
            .field("waiting", &self.room.len())
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}
