//! BatchAppend: many writes over one call, told apart by correlation ids (protocol §4.2).
//!
//! A write that fails is an answer like any other; it never ends the call. Nor does the client's half-close.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ditto_protocol::ids::{IdForm, from_wire, stream_identifier, to_wire};
use ditto_protocol::shared::Uuid as WireUuid;
use ditto_protocol::streams::{BatchAppendReq, BatchAppendResp};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesUnordered, StreamExt};
use tokio::time::Instant;
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::Answers;
use super::batch_answer::{self, Failure};
use super::batch_request::{bad, begin, fault_text};
use super::batch_write::{Done, write_later, write_now};
use super::proposed::Parts;
use super::writer::{Size, Write, size_limit, takes_time};
use crate::faults::{FaultKind, Interruptible, Point};
use crate::node::Node;
use crate::services::admission::{Caller, Entry, Kind, Refusal, admit, judge_state, may, place};
use crate::services::status::bad_message;
use crate::users::Access;

pub(super) const CALL: &str = "Streams/BatchAppend";
/// After this time the real server times out a write whose last message has not come, one that it gave up because of a
/// malformed event included.
const ABANDONED: Duration = Duration::from_secs(2);
/// After this time an answer that should follow the next one no longer waits for it.
const OVERDUE: Duration = Duration::from_secs(1);
/// Writes that may wait for their turn; more are read from the client as these are done.
const MAX_WRITES: usize = 10_000;

pub(super) async fn batch_append(
    node: &Arc<Node>,
    caller: Caller,
    messages: Streaming<BatchAppendReq>,
) -> Result<Answers<BatchAppendResp>, Status> {
    let entry = Entry {
        call: CALL,
        kind: Kind::Server,
        stream: None,
        access: None,
    };
    admit(node, &caller, entry).await?;
    node.tally.batch_call_begins();
    let session = Session {
        node: Arc::clone(node),
        caller,
        messages: Some(messages),
        pending: HashMap::new(),
        writes: FuturesUnordered::new(),
        ready: VecDeque::new(),
        later: BTreeMap::new(),
        reordered: None,
        order: 0,
        over: None,
    };
    let answers = Box::pin(stream::unfold(session, |mut session| async move {
        let answer = session.next().await?;
        Some((answer, session))
    }));
    let answers = Interruptible::new(answers, &node.cluster.faults, CALL, None, node.index);
    Ok(Box::pin(answers))
}

/// A write whose last message has not come.
struct Pending {
    write: Write,
    size: usize,
    /// When it is given up.
    until: Instant,
}

/// When an answer is due, and its place among those due at the same time.
type Due = (Instant, u64);

struct Session {
    node: Arc<Node>,
    caller: Caller,
    /// `None` once the client has sent all it wanted.
    messages: Option<Streaming<BatchAppendReq>>,
    pending: HashMap<Uuid, Pending>,
    writes: FuturesUnordered<BoxFuture<'static, Done>>,
    ready: VecDeque<BatchAppendResp>,
    later: BTreeMap<Due, BatchAppendResp>,
    /// Among `later`, the answer that follows the next one.
    reordered: Option<Due>,
    order: u64,
    /// How the call ends once everything ready was sent: `Ok`, or with a status.
    over: Option<Result<(), Status>>,
}

/// What a session waited for.
enum Wake {
    Due,
    Done(Box<Done>),
    Message(Box<BatchAppendReq>),
    AllSent,
    Failed(Status),
}

impl Session {
    /// The next answer; `None` at the end of the call.
    async fn next(&mut self) -> Option<Result<BatchAppendResp, Status>> {
        loop {
            if let Some(answer) = self.ready.pop_front() {
                return Some(Ok(answer));
            }
            match self.over.take() {
                None => {}
                Some(Ok(())) => return None,
                Some(Err(status)) => {
                    self.over = Some(Ok(()));
                    return Some(Err(status));
                }
            }
            match self.wait().await {
                Wake::Due => self.due(Instant::now()),
                Wake::Done(done) => self.answer(*done),
                Wake::Message(message) => self.take(*message),
                // The call stays open until the client cancels it (protocol §4.2).
                Wake::AllSent => self.messages = None,
                Wake::Failed(error) => self.over = Some(Err(bad_message(error))),
            }
        }
    }

    async fn wait(&mut self) -> Wake {
        let answer = self.later.first_key_value().map(|((at, _), _)| *at);
        let unfinished = self.pending.values().map(|pending| pending.until);
        let due = answer.into_iter().chain(unfinished).min();
        let timer = async {
            match due {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let takes_more = self.writes.len() < MAX_WRITES;
        let messages = &mut self.messages;
        let message = async {
            match messages {
                Some(messages) if takes_more => messages.message().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = timer => Wake::Due,
            Some(done) = self.writes.next() => Wake::Done(Box::new(done)),
            message = message => match message {
                Ok(Some(message)) => Wake::Message(Box::new(message)),
                Ok(None) => Wake::AllSent,
                Err(error) => Wake::Failed(error),
            },
        }
    }

    /// Answers what is due by now: the first answer that was held back, and the writes that were never finished.
    fn due(&mut self, now: Instant) {
        if let Some(first) = self.later.first_entry()
            && first.key().0 <= now
        {
            self.ready.push_back(first.remove());
        }
        let over = |(id, pending): (&Uuid, &Pending)| (pending.until <= now).then_some(*id);
        let unfinished: Vec<Uuid> = self.pending.iter().filter_map(over).collect();
        for id in unfinished {
            self.abandon(id);
        }
    }

    fn take(&mut self, message: BatchAppendReq) {
        let correlation = message.correlation_id.clone();
        let begun = from_wire(correlation.as_ref())
            .ok()
            .and_then(|id| self.pending.get(&id));
        let identifier = match begun {
            Some(pending) => Some(stream_identifier(&pending.write.stream)),
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
            let write = begin(&options)?;
            let access = Access::Write(&write.stream);
            if !may(&self.node, &self.caller, CALL, Some(&write.stream), access) {
                return Err(Failure::AccessDenied);
            }
            let until = Instant::now() + self.node.cluster.real(ABANDONED);
            let size = 0;
            self.pending.insert(id, Pending { write, size, until });
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
            let counted = parts.size(self.node.append_limit());
            pending.size += counted;
            let event = match parts.check() {
                Ok(event) => event,
                Err(fault) => {
                    self.abandon(id);
                    return Err(bad(fault_text(self.node.generation(), fault)));
                }
            };
            let size = Size::new(&event, counted, pending.size);
            if let Err(over) = size_limit(&self.node, CALL, &pending.write.stream, size) {
                self.pending.remove(&id);
                self.node.tally.oversized();
                return Err(Failure::TooLarge(over));
            }
            pending.write.events.push(event);
        }
        if message.is_final
            && let Some(pending) = self.pending.remove(&id)
        {
            self.write(message.correlation_id, pending.write)?;
        }
        Ok(())
    }

    fn write(&mut self, correlation: Option<WireUuid>, write: Write) -> Result<(), Failure> {
        match judge_state(&self.node, &self.caller, Kind::Write) {
            Ok(()) => {}
            Err(Refusal::NotReady) => return Err(Failure::NotReady),
            Err(Refusal::Silence) => return Ok(()),
            Err(Refusal::Status(status)) => {
                self.over = Some(Err(status));
                return Ok(());
            }
        }
        let faults = &self.node.cluster.faults;
        let place = place(&self.node, CALL, Some(&write.stream));
        if faults.strike(Point::BatchWrite, place).is_some() {
            return Err(Failure::NotReady);
        }
        let fault = faults.strike(Point::BatchAnswer, place);
        if fault == Some(FaultKind::BatchEnds { written: false }) {
            self.over = Some(Ok(()));
            return Ok(());
        }
        if takes_time(&self.node, CALL, &write.stream) {
            let node = Arc::clone(&self.node);
            self.writes
                .push(Box::pin(write_later(node, correlation, write, fault)));
        } else {
            let done = write_now(&self.node, correlation, write, fault);
            self.answer(done);
        }
        Ok(())
    }

    fn answer(&mut self, done: Done) {
        let Done {
            correlation,
            answer,
            fault,
        } = done;
        let now = Instant::now();
        let after = self
            .reordered
            .take()
            .and_then(|due| self.later.remove(&due));
        match fault {
            None => self.ready.push_back(answer),
            Some(FaultKind::BatchEnds { .. }) => self.over = Some(Ok(())),
            Some(FaultKind::BatchUndecided) => {
                let identifier = answer.stream_identifier;
                let answer = batch_answer::failed(correlation, identifier, Failure::Timeout);
                self.ready.push_back(answer);
            }
            Some(FaultKind::BatchLate { ms }) => {
                self.answer_at(now + Duration::from_millis(ms), answer);
            }
            Some(FaultKind::BatchReordered) => {
                self.reordered = Some(self.answer_at(now + OVERDUE, answer))
            }
            Some(_) => {
                let form = correlation.as_ref().map_or(IdForm::Structured, form);
                let mut stray = answer.clone();
                stray.correlation_id = Some(to_wire(Uuid::new_v4(), form));
                self.ready.extend([stray, answer]);
            }
        }
        self.ready.extend(after);
    }

    fn answer_at(&mut self, at: Instant, answer: BatchAppendResp) -> Due {
        self.order += 1;
        let due = (at, self.order);
        self.later.insert(due, answer);
        due
    }

    /// Gives up a write for a malformed event. The real server keeps it inside and lets it time out, so that the same
    /// correlation id is answered twice, the second time in the structured form.
    fn abandon(&mut self, id: Uuid) {
        let Some(pending) = self.pending.remove(&id) else {
            return;
        };
        let until = pending.until;
        let answer = batch_answer::failed(
            Some(to_wire(id, IdForm::Structured)),
            Some(stream_identifier(&pending.write.stream)),
            Failure::Timeout,
        );
        self.answer_at(until, answer);
    }
}

fn form(id: &WireUuid) -> IdForm {
    match id.value {
        Some(ditto_protocol::shared::uuid::Value::String(_)) => IdForm::Text,
        _ => IdForm::Structured,
    }
}
