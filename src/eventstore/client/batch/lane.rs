//! One lane of a [`super::BatchAppender`]: at most one open call, opened again by the next append after it ended.
//!
//! Polled, never spawned. Never keeps a call that is silent while appends wait for it.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ditto_protocol::streams::{BatchAppendReq, BatchAppendResp};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Sleep, sleep};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;

use super::super::super::error::{Class, Error, Side};
use super::super::{Client, Node};
use super::call::Call;
use ditto_core::port::{Answer, Append, AppendId, AppendOutcome};

const ACTION: &str = "append over a batch call";

type Answers = Streaming<BatchAppendResp>;
type Requests = UnboundedReceiver<BatchAppendReq>;
type Coming<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

pub(super) struct Lane {
    /// Its place among the lanes.
    number: u32,
    client: Client,
    silence: Duration,
    call: Option<Call>,
    link: Link,
    clock: Pin<Box<Sleep>>,
    /// Those of a call that was never made: each is still to be answered.
    unsent: VecDeque<AppendId>,
    aborted: Option<End>,
}

/// The far end of the call, while there is one.
enum Link {
    None,
    /// Nothing of it has left yet.
    Finding(Coming<Arc<Node>>, Requests),
    Opening(Arc<Node>, Coming<Answers>),
    Open(Arc<Node>, Box<Answers>),
}

/// How a call ends.
struct End {
    why: Error,
    /// The server has seen nothing of it, or turned it away at the door: nothing was written.
    unseen: bool,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

impl Lane {
    pub(super) fn new(number: u32, client: Client, silence: Duration) -> Self {
        Self {
            number,
            client,
            silence,
            call: None,
            link: Link::None,
            clock: Box::pin(sleep(silence)),
            unsent: VecDeque::new(),
            aborted: None,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.call.as_ref().map_or(0, Call::in_flight) + self.unsent.len()
    }

    pub(super) fn submit(&mut self, append: Append) {
        let Self { client, link, .. } = self;
        let call = self.call.get_or_insert_with(|| {
            // Not bounded here: whoever submits bounds what is in flight.
            let (sender, requests) = unbounded_channel();
            let client = client.clone();
            *link = Link::Finding(Box::pin(async move { find(&client).await }), requests);
            Call::new(sender)
        });
        call.send(append, self.silence);
    }

    /// Drops the call, which ends it on the server too; what it leaves is told when the lane is next polled.
    pub(super) fn abort(&mut self) {
        if self.call.is_some() {
            let unseen = matches!(self.link, Link::Finding(..));
            // Not the node's fault.
            self.link = Link::None;
            // As a silence, which blames no append.
            let text = "ditto ended the call: it may no longer write";
            let why = Error::new(self.client.side(), Class::Timeout, ACTION, text);
            self.aborted = Some(End { why, unseen });
        }
    }

    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Answer<Error>> {
        if let Some(append) = self.unsent.pop_front() {
            let outcome = AppendOutcome::NotReady;
            return Poll::Ready(Answer::Appended { append, outcome });
        }
        loop {
            if self.call.is_none() {
                return Poll::Pending;
            }
            let end = match self.aborted.take() {
                Some(end) => end,
                None => match self.poll_link(cx) {
                    Poll::Ready(Ok(event)) => return Poll::Ready(event),
                    Poll::Ready(Err(end)) => end,
                    Poll::Pending => ready!(self.poll_silence(cx)),
                },
            };
            if let Some(event) = self.end(end) {
                return Poll::Ready(event);
            }
        }
    }

    /// Goes on with the call: the next answer, or its end.
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer<Error>, End>> {
        let side = self.client.side();
        let ended = |why, unseen| Poll::Ready(Err(End { why, unseen }));
        loop {
            match &mut self.link {
                Link::None => {
                    let text = "the call is gone";
                    return ended(Error::new(side, Class::Transient, ACTION, text), false);
                }
                Link::Finding(finding, requests) => {
                    let node = match ready!(finding.poll_unpin(cx)) {
                        Ok(node) => node,
                        Err(error) => return ended(error, true),
                    };
                    // Appends go out with the opening itself: a server may send its first header with its first answer.
                    let (_, none) = unbounded_channel();
                    let requests = std::mem::replace(requests, none);
                    let opening = Box::pin(open(side, node.clone(), requests));
                    self.link = Link::Opening(node, opening);
                }
                Link::Opening(node, opening) => match ready!(opening.poll_unpin(cx)) {
                    Ok(answers) => self.link = Link::Open(node.clone(), Box::new(answers)),
                    Err(error) => {
                        let unseen = turned_away(&error);
                        return ended(error, unseen);
                    }
                },
                Link::Open(_, answers) => match ready!(answers.poll_next_unpin(cx)) {
                    Some(Ok(answer)) => {
                        let call = self.call.as_mut();
                        if let Some(call) = call
                            && let Some(event) = call.answered(answer)
                        {
                            let openings = self.client.openings();
                            self.client.landmarks.note(call.highest(), openings);
                            return Poll::Ready(Ok(event));
                        }
                    }
                    Some(Err(status)) => {
                        return ended(Error::from_status(side, ACTION, &status), false);
                    }
                    None => {
                        let text = "the server ended the call";
                        return ended(Error::new(side, Class::Transient, ACTION, text), false);
                    }
                },
            }
        }
    }

    /// Ready when the call must be given up.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let deadline = self
            .call
            .as_ref()
            .and_then(|call| call.deadline(self.silence));
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        if self.clock.deadline() != deadline {
            self.clock.as_mut().reset(deadline);
        }
        ready!(self.clock.poll_unpin(cx));
        let text = format!(
            "no answer for {:?} while appends are in flight",
            self.silence
        );
        let why = Error::new(self.client.side(), Class::Timeout, ACTION, text);
        let unseen = matches!(self.link, Link::Finding(..));
        Poll::Ready(End { why, unseen })
    }

    /// Drops the call, which ends it on the server too, and tells what it leaves; `None` if it leaves nothing.
    fn end(&mut self, end: End) -> Option<Answer<Error>> {
        let End { why, unseen } = end;
        match std::mem::replace(&mut self.link, Link::None) {
            Link::Opening(node, _) | Link::Open(node, _) => self.client.finder.report(&node, &why),
            Link::None | Link::Finding(..) => {}
        }
        let mut unanswered = self.call.take().map(Call::end)?;
        if unanswered.is_empty() {
            return None;
        }
        if unseen {
            self.unsent.extend(unanswered.drain(..));
        }
        Some(Answer::CallEnded {
            lane: self.number,
            unanswered,
            why,
        })
    }
}

/// True if a server that answers the opening of a call with this has looked at none of its messages.
fn turned_away(error: &Error) -> bool {
    matches!(
        error.class(),
        Class::NotReady
            | Class::NotLeader(_)
            | Class::Unauthenticated
            | Class::Unsupported
            | Class::Configuration
            | Class::Tls
            | Class::SpeaksTls
            | Class::SpeaksNoTls
    )
}

async fn find(client: &Client) -> Result<Arc<Node>, Error> {
    let node = client.finder.node().await?;
    if node.features().batch_append {
        return Ok(node);
    }
    let version = &node.features().version;
    let text = format!("the server (version {version:?}) has no batch append");
    let error = Error::new(client.side(), Class::Unsupported, ACTION, text);
    client.finder.report(&node, &error);
    Err(error)
}

async fn open(side: Side, node: Arc<Node>, requests: Requests) -> Result<Answers, Error> {
    let mut streams = node.streams_apart()?;
    let request = node.request(UnboundedReceiverStream::new(requests));
    match streams.batch_append(request).await {
        Ok(answers) => Ok(answers.into_inner()),
        Err(status) => Err(Error::from_status(side, ACTION, &status)),
    }
}
