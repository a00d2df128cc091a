//! One lane of a [`super::BatchAppender`]: at most one open call, opened again by the next append after it ended.
//!
//! Polled, never spawned. Never keeps a call that is silent while appends wait for it.

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

use super::super::super::error::{Class, Error};
use super::super::{Client, Node};
use super::call::Call;
use super::{BatchAppend, BatchEvent};

const ACTION: &str = "append over a batch call";

type Opened = Result<(Arc<Node>, Streaming<BatchAppendResp>), Error>;
type Opening = Pin<Box<dyn Future<Output = Opened> + Send>>;

pub(super) struct Lane {
    client: Client,
    silence: Duration,
    call: Option<Call>,
    link: Link,
    clock: Pin<Box<Sleep>>,
}

/// The far end of the call, while there is one.
enum Link {
    None,
    Opening(Opening),
    Open(Arc<Node>, Box<Streaming<BatchAppendResp>>),
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

impl Lane {
    pub(super) fn new(client: Client, silence: Duration) -> Self {
        Self {
            client,
            silence,
            call: None,
            link: Link::None,
            clock: Box::pin(sleep(silence)),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.call.as_ref().map_or(0, Call::in_flight)
    }

    pub(super) fn submit(&mut self, append: BatchAppend) {
        let Self { client, link, .. } = self;
        let call = self.call.get_or_insert_with(|| {
            // Not bounded here: whoever submits bounds what is in flight.
            let (sender, requests) = unbounded_channel();
            // Appends go out with the opening itself: a server may send its first header with its first answer.
            *link = Link::Opening(Box::pin(open(client.clone(), requests)));
            Call::new(sender)
        });
        call.send(append, self.silence);
    }

    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<BatchEvent> {
        loop {
            let Some(call) = &mut self.call else {
                return Poll::Pending;
            };
            let end = match &mut self.link {
                Link::None => Some(Error::new(
                    self.client.side(),
                    Class::Transient,
                    ACTION,
                    "the call is gone",
                )),
                Link::Opening(opening) => match opening.poll_unpin(cx) {
                    Poll::Ready(Ok((node, answers))) => {
                        self.link = Link::Open(node, Box::new(answers));
                        continue;
                    }
                    Poll::Ready(Err(error)) => Some(error),
                    Poll::Pending => None,
                },
                Link::Open(_, answers) => match answers.poll_next_unpin(cx) {
                    Poll::Ready(Some(Ok(answer))) => match call.answered(answer) {
                        Some(event) => return Poll::Ready(event),
                        None => continue,
                    },
                    Poll::Ready(Some(Err(status))) => {
                        Some(Error::from_status(self.client.side(), ACTION, &status))
                    }
                    Poll::Ready(None) => Some(Error::new(
                        self.client.side(),
                        Class::Transient,
                        ACTION,
                        "the server ended the call",
                    )),
                    Poll::Pending => None,
                },
            };
            let why = match end {
                Some(why) => why,
                None => ready!(self.poll_silence(cx)),
            };
            if let Some(event) = self.end(why) {
                return Poll::Ready(event);
            }
        }
    }

    /// Ready when the call must be given up.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(deadline) = self
            .call
            .as_ref()
            .and_then(|call| call.deadline(self.silence))
        else {
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
        Poll::Ready(Error::new(self.client.side(), Class::Timeout, ACTION, text))
    }

    /// Drops the call, which ends it on the server too, and lists what it leaves; `None` if it leaves nothing.
    fn end(&mut self, why: Error) -> Option<BatchEvent> {
        if let Link::Open(node, _) = std::mem::replace(&mut self.link, Link::None) {
            self.client.finder.report(&node, &why);
        }
        let unanswered = self.call.take().map(Call::end)?;
        (!unanswered.is_empty()).then_some(BatchEvent::CallEnded { unanswered, why })
    }
}

async fn open(client: Client, requests: UnboundedReceiver<BatchAppendReq>) -> Opened {
    let node = client.finder.node().await?;
    if !node.features().batch_append {
        let version = &node.features().version;
        let text = format!("the server (version {version:?}) has no batch append");
        return Err(Error::new(client.side(), Class::Unsupported, ACTION, text));
    }
    let mut streams = node.streams_apart()?;
    match streams
        .batch_append(node.request(UnboundedReceiverStream::new(requests)))
        .await
    {
        Ok(answers) => Ok((node, answers.into_inner())),
        Err(status) => {
            let error = Error::from_status(client.side(), ACTION, &status);
            client.finder.report(&node, &error);
            Err(error)
        }
    }
}
