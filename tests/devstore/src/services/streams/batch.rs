//! BatchAppend: many writes over one call, told apart by correlation ids (`protocol.md` §4.2).
//!
//! A write that fails is an answer like any other; it never ends the call. Nor does the client's half-close.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ditto_protocol::ids::{IdForm, from_wire, stream_identifier, to_wire};
use ditto_protocol::shared::{StreamIdentifier, Uuid as WireUuid};
use ditto_protocol::streams::batch_append_req::Options;
use ditto_protocol::streams::batch_append_req::options::{DeadlineOption, ExpectedStreamPosition};
use ditto_protocol::streams::{BatchAppendReq, BatchAppendResp};
use futures_util::stream;
use tokio::time::Instant;
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::Answers;
use super::batch_answer::{self, Failure};
use super::proposed::{Fault, Parts};
use crate::node::Node;
use crate::services::status::bad_message;
use crate::services::wire::stream_name;
use crate::store::{Expected, Proposed, Refused};

/// After this time the real server times out a write that it gave up because of a malformed event.
const ABANDONED: Duration = Duration::from_secs(2);
const EXPECTED_UNSET: &str = "Status(StatusCode=\"InvalidArgument\", Detail=\"'None' is not a valid EventStore.Client.Streams.BatchAppendReq+Types+Options+ExpectedStreamPositionOneofCase\")";

pub(super) fn batch_append(
    node: &Arc<Node>,
    messages: Streaming<BatchAppendReq>,
) -> Answers<BatchAppendResp> {
    node.tally.batch_call_begins();
    let session = Session {
        node: Arc::clone(node),
        messages: Some(messages),
        pending: HashMap::new(),
        ready: VecDeque::new(),
        later: VecDeque::new(),
    };
    Box::pin(stream::unfold(session, |mut session| async move {
        let answer = session.next().await?;
        Some((answer, session))
    }))
}

/// A write whose last message has not come.
struct Pending {
    stream: String,
    expected: Expected,
    events: Vec<Proposed>,
    size: usize,
}

struct Session {
    node: Arc<Node>,
    /// `None` once the client has sent all it wanted.
    messages: Option<Streaming<BatchAppendReq>>,
    pending: HashMap<Uuid, Pending>,
    ready: VecDeque<BatchAppendResp>,
    /// Answers for later, in order of their time.
    later: VecDeque<(Instant, BatchAppendResp)>,
}

/// What a session waited for.
enum Wake {
    Due,
    Message(Box<BatchAppendReq>),
    AllSent,
    Failed(Status),
}

impl Session {
    /// The next answer; `None` when the call failed on the client's side.
    async fn next(&mut self) -> Option<Result<BatchAppendResp, Status>> {
        loop {
            if let Some(answer) = self.ready.pop_front() {
                return Some(Ok(answer));
            }
            let due = self.later.front().map(|(at, _)| *at);
            match self.wait(due).await {
                Wake::Due => self
                    .ready
                    .extend(self.later.pop_front().map(|(_, answer)| answer)),
                Wake::Message(message) => self.take(*message),
                // The call stays open until the client cancels it (protocol.md §4.2).
                Wake::AllSent => self.messages = None,
                Wake::Failed(error) => return Some(Err(bad_message(error))),
            }
        }
    }

    async fn wait(&mut self, due: Option<Instant>) -> Wake {
        let timer = async {
            match due {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let message = async {
            match &mut self.messages {
                Some(messages) => messages.message().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = timer => Wake::Due,
            message = message => match message {
                Ok(Some(message)) => Wake::Message(Box::new(message)),
                Ok(None) => Wake::AllSent,
                Err(error) => Wake::Failed(error),
            },
        }
    }

    fn take(&mut self, message: BatchAppendReq) {
        let correlation = message.correlation_id.clone();
        let begun = from_wire(correlation.as_ref())
            .ok()
            .and_then(|id| self.pending.get(&id));
        let identifier = match begun {
            Some(pending) => Some(stream_identifier(&pending.stream)),
            None => message
                .options
                .as_ref()
                .and_then(|options| options.stream_identifier.clone()),
        };
        if let Err(failure) = self.accept(message) {
            self.ready
                .push_back(batch_answer::failed(correlation, identifier, failure));
        }
    }

    fn accept(&mut self, message: BatchAppendReq) -> Result<(), Failure> {
        let id = from_wire(message.correlation_id.as_ref())
            .map_err(|_| bad("Unrecognized Guid format."))?;
        if let Some(options) = message.options
            && !self.pending.contains_key(&id)
        {
            self.pending.insert(id, begin(&options)?);
        }
        let Some(pending) = self.pending.get_mut(&id) else {
            return Ok(());
        };
        for message in message.proposed_messages {
            let parts = Parts {
                id: message.id,
                metadata: message.metadata,
                custom_metadata: message.custom_metadata,
                data: message.data,
            };
            pending.size += parts.size();
            match parts.check() {
                Ok(event) => pending.events.push(event),
                Err(fault) => {
                    let stream = pending.stream.clone();
                    self.abandon(id, &stream);
                    return Err(bad(fault_text(fault)));
                }
            }
        }
        let limit = self.node.options.max_append_size;
        if pending.size > limit {
            self.pending.remove(&id);
            return Err(Failure::TooLarge(limit));
        }
        if message.is_final
            && let Some(pending) = self.pending.remove(&id)
        {
            self.write(message.correlation_id, pending);
        }
        Ok(())
    }

    fn write(&mut self, correlation: Option<WireUuid>, write: Pending) {
        let Pending {
            stream,
            expected,
            events,
            ..
        } = write;
        let count = events.len() as u64;
        let identifier = Some(stream_identifier(&stream));
        let answer = match self.node.store.append(&stream, expected, events) {
            Ok(written) => {
                self.node
                    .tally
                    .appended(if written.recognised { 0 } else { count });
                batch_answer::succeeded(correlation, identifier, &written)
            }
            Err(Refused::WrongExpectedVersion { current }) => batch_answer::failed(
                correlation,
                identifier,
                Failure::WrongExpectedVersion { expected, current },
            ),
            Err(Refused::StreamDeleted) => {
                batch_answer::failed(correlation, identifier, Failure::StreamDeleted(stream))
            }
        };
        self.ready.push_back(answer);
    }

    /// Gives up a write for a malformed event. The real server keeps it inside and lets it time out, so that the same
    /// correlation id is answered twice, the second time in the structured form.
    fn abandon(&mut self, id: Uuid, stream: &str) {
        self.pending.remove(&id);
        let answer = batch_answer::failed(
            Some(to_wire(id, IdForm::Structured)),
            Some(stream_identifier(stream)),
            Failure::Timeout,
        );
        self.later.push_back((Instant::now() + ABANDONED, answer));
    }
}

fn begin(options: &Options) -> Result<Pending, Failure> {
    let stream = stream_name(options.stream_identifier.as_ref())
        .ok_or_else(|| bad(no_stream_text(options.stream_identifier.as_ref())))?;
    if is_over(options.deadline_option.as_ref()) {
        return Err(Failure::Timeout);
    }
    let expected = match options.expected_stream_position {
        Some(ExpectedStreamPosition::StreamPosition(revision)) => Expected::Exact(revision),
        Some(ExpectedStreamPosition::NoStream(())) => Expected::NoStream,
        Some(ExpectedStreamPosition::Any(())) => Expected::Any,
        Some(ExpectedStreamPosition::StreamExists(())) => Expected::StreamExists,
        None => return Err(bad(EXPECTED_UNSET)),
    };
    Ok(Pending {
        stream,
        expected,
        events: Vec::new(),
        size: 0,
    })
}

fn no_stream_text(identifier: Option<&StreamIdentifier>) -> &'static str {
    match identifier {
        None => "Object reference not set to an instance of an object.",
        Some(_) => "Value cannot be null. (Parameter 'streamName')",
    }
}

/// Whether the time that the client gives is over already. Clients write all sorts of times here, some of them
/// absolute where a duration belongs (`protocol.md` §4.2): only the sign is looked at.
fn is_over(deadline: Option<&DeadlineOption>) -> bool {
    match deadline {
        None => false,
        Some(DeadlineOption::Deadline(within)) => (within.seconds, within.nanos) <= (0, 0),
        Some(DeadlineOption::Deadline21100(at)) => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let at = (at.seconds, i64::from(at.nanos));
            at <= (
                i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
                i64::from(now.subsec_nanos()),
            )
        }
    }
}

fn bad(text: impl Into<String>) -> Failure {
    Failure::BadRequest(text.into())
}

fn fault_text(fault: Fault) -> &'static str {
    match fault {
        Fault::Missing(_) => "The given key was not present in the dictionary.",
        Fault::EmptyType => "Value cannot be empty. (Parameter 'eventType')",
        Fault::NoId => "Value cannot be null. (Parameter 'dto')",
        Fault::NilId => "Value cannot be an empty id. (Parameter 'eventId')",
        Fault::BadId => "Unrecognized Guid format.",
    }
}
