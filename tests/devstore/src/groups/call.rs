//! One Read call: a consumer joins, gets events, answers them, leaves (protocol §8.3). Never holds an event back.

use super::actor::{Command, Delivery, Full, Mailbox};
use super::consumers::{Consumer, ConsumerId};
use super::effect::Nack;
use super::manager::{Groups, Key};
use super::{request, status, wire};
use crate::services::Door;
use ditto_protocol::ids::{IdForm, from_wire};
use ditto_protocol::persistent_subscriptions::read_req::nack::Action;
use ditto_protocol::persistent_subscriptions::read_req::options::{StreamOption, uuid_option};
use ditto_protocol::persistent_subscriptions::read_req::{Content, Options};
use ditto_protocol::persistent_subscriptions::{ReadReq, ReadResp};
use ditto_protocol::shared::Uuid as WireId;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tonic::{Request, Status, Streaming};
use uuid::Uuid;

/// Deliveries queued for a call beyond its slots: room for what is pushed again before it was read.
const SPARE: usize = 64;

/// The answers of one Read call. Dropping it tells the group that the consumer is gone.
#[derive(Debug)]
pub(crate) struct Deliveries {
    key: Key,
    form: IdForm,
    confirmation: Option<ReadResp>,
    queue: mpsc::Receiver<Delivery>,
    over: bool,
    consumer: ConsumerId,
    mailbox: Mailbox,
    answers: JoinHandle<()>,
}

/// Opens a Read call: its first message says what to join.
pub(crate) async fn open(
    groups: &Groups,
    request: Request<Streaming<ReadReq>>,
) -> Result<Deliveries, Status> {
    let name = request
        .metadata()
        .get("connection-name")
        .and_then(|name| name.to_str().ok());
    let name = name.unwrap_or("<unknown>").to_owned();
    let door = request.extensions().get::<Door>().cloned();
    let mut requests = request.into_inner();
    let Some(Content::Options(options)) = requests.message().await?.and_then(|first| first.content)
    else {
        return Err(status::exception());
    };
    let slots = usize::try_from(options.buffer_size).map_err(|_| status::exception())?;
    let form = id_form(&options);
    let key = key(options)?;
    if let Some(door) = door {
        door.admit(&key.source).await?;
    }
    let mailbox = groups
        .find(&key)
        .await
        .map_err(|error| status::of(&error, &key))?;
    let (deliveries, queue) = mpsc::channel(slots.saturating_add(SPARE));
    let (reply, joined) = oneshot::channel();
    let id = groups.new_consumer();
    let consumer = Consumer::new(id, name, slots);
    let join = Command::Join {
        consumer,
        deliveries,
        reply,
    };
    // A group that ends in between is one that is missing.
    mailbox
        .commands
        .send(join)
        .await
        .map_err(|_| status::missing(&key))?;
    match joined.await {
        Ok(Ok(())) => {}
        Ok(Err(Full)) => return Err(status::full(&key)),
        Err(_) => return Err(status::missing(&key)),
    }
    let answers = tokio::spawn(take_answers(requests, mailbox.commands.clone()));
    let confirmation = Some(wire::confirmation(&key));
    Ok(Deliveries {
        key,
        form,
        confirmation,
        queue,
        over: false,
        consumer: id,
        mailbox,
        answers,
    })
}

fn id_form(options: &Options) -> IdForm {
    match options
        .uuid_option
        .as_ref()
        .and_then(|option| option.content.as_ref())
    {
        Some(uuid_option::Content::String(_)) => IdForm::Text,
        Some(uuid_option::Content::Structured(_)) | None => IdForm::Structured,
    }
}

fn key(options: Options) -> Result<Key, Status> {
    let source = match options.stream_option.ok_or_else(status::exception)? {
        StreamOption::StreamIdentifier(stream) => request::name(Some(stream))?,
        StreamOption::All(_) => "$all".to_owned(),
    };
    Ok(Key {
        source,
        group: options.group_name,
    })
}

/// Hands the consumer's answers to the group until the client has no more or sends one that cannot be read: the real
/// server then stops listening to it without a word (protocol §8.6).
async fn take_answers(mut requests: Streaming<ReadReq>, commands: mpsc::Sender<Command>) {
    while let Ok(Some(request)) = requests.message().await {
        let Some(command) = request.content.and_then(answer) else {
            return;
        };
        if commands.send(command).await.is_err() {
            return;
        }
    }
}

fn answer(content: Content) -> Option<Command> {
    match content {
        Content::Options(_) => None,
        Content::Ack(ack) => Some(Command::Ack(ids(&ack.ids)?)),
        Content::Nack(nack) => {
            let action = match Action::try_from(nack.action).ok()? {
                Action::Unknown | Action::Retry => Nack::Retry,
                Action::Park => Nack::Park,
                Action::Skip | Action::Stop => Nack::Skip,
            };
            Some(Command::Nack {
                ids: ids(&nack.ids)?,
                action,
                reason: nack.reason,
            })
        }
    }
}

fn ids(wire: &[WireId]) -> Option<Vec<Uuid>> {
    wire.iter().map(|id| from_wire(Some(id)).ok()).collect()
}

impl Deliveries {
    /// The stream that the group reads, or `$all`.
    pub(crate) fn source(&self) -> &str {
        &self.key.source
    }
}

impl Stream for Deliveries {
    type Item = Result<ReadResp, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(confirmation) = self.confirmation.take() {
            return Poll::Ready(Some(Ok(confirmation)));
        }
        if self.over {
            return Poll::Ready(None);
        }
        self.queue.poll_recv(context).map(|next| {
            Some(match next {
                Some(delivery) => Ok(wire::delivery(&delivery, self.form)),
                None => {
                    self.over = true;
                    Err(status::dropped(&self.key))
                }
            })
        })
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.answers.abort();
        // A group that is gone needs no telling.
        self.mailbox.leaves.send(self.consumer).ok();
    }
}
