//! A reader with a call that is played: which portions are sent when. Time is paused.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Call, End, LINGER, read};
use crate::source::Arrival;
use crate::source::persistent::Delivered;
use crate::source::persistent::handoff::Handoff;
use ditto_core::event::{Item, SkipReason};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    Ack(usize),
    Park(usize, String),
}

/// Deliveries come out of a channel, and what is sent goes on a list, with its time.
struct Played {
    deliveries: mpsc::UnboundedReceiver<Result<Delivered, &'static str>>,
    sent: Arc<Mutex<Vec<(Duration, Sent)>>>,
    start: Instant,
    stuck: bool,
}

impl Played {
    async fn note(&self, sent: Sent) -> Result<(), &'static str> {
        if self.stuck {
            std::future::pending::<()>().await;
        }
        self.sent.lock().unwrap().push((self.start.elapsed(), sent));
        Ok(())
    }
}

impl Call for Played {
    type Error = &'static str;

    async fn next(&mut self) -> Result<Delivered, &'static str> {
        match self.deliveries.recv().await {
            Some(next) => next,
            None => panic!("the call ended with OK"),
        }
    }

    async fn ack(&mut self, ids: Vec<Uuid>) -> Result<(), &'static str> {
        self.note(Sent::Ack(ids.len())).await
    }

    async fn park(&mut self, ids: Vec<Uuid>, reason: String) -> Result<(), &'static str> {
        self.note(Sent::Park(ids.len(), reason)).await
    }
}

struct Stage {
    handoff: Arc<Handoff>,
    deliver: mpsc::UnboundedSender<Result<Delivered, &'static str>>,
    sent: Arc<Mutex<Vec<(Duration, Sent)>>>,
    reader: tokio::task::JoinHandle<End<&'static str>>,
}

impl Stage {
    fn new(buffer_size: u32) -> Self {
        Self::with(buffer_size, false)
    }

    fn with(buffer_size: u32, stuck: bool) -> Self {
        let (deliver, deliveries) = mpsc::unbounded_channel();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let call = Played {
            deliveries,
            sent: sent.clone(),
            start: Instant::now(),
            stuck,
        };
        let handoff = Arc::new(Handoff::default());
        let on_handoff = handoff.clone();
        let reader = tokio::spawn(async move {
            let end = read(call, buffer_size, &on_handoff).await;
            on_handoff.close(None);
            end
        });
        Self {
            handoff,
            deliver,
            sent,
            reader,
        }
    }

    /// Delivers that many and waits until the pipeline has them.
    async fn deliver(&self, count: usize) -> Vec<Uuid> {
        for number in 0..count as u64 {
            let ack = Uuid::from_u128(u128::from(number));
            let item = Item::Never(SkipReason::Unresolved);
            self.deliver
                .send(Ok(Delivered {
                    ack,
                    number: Some(number),
                    item,
                }))
                .unwrap();
        }
        let mut taken = VecDeque::new();
        while taken.len() < count {
            assert_eq!(self.handoff.arrivals(&mut taken).await, Arrival::Deliveries);
        }
        taken.into_iter().map(|delivered| delivered.ack).collect()
    }

    fn ack(&self, ids: &[Uuid]) {
        self.handoff.order(|requests| requests.acks.extend(ids));
    }

    async fn sent_within(&self, time: Duration) -> Vec<(Duration, Sent)> {
        tokio::time::sleep(time).await;
        self.sent.lock().unwrap().clone()
    }
}

const MS: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn acknowledgements_wait_for_company_but_not_long() {
    let stage = Stage::new(1000);
    let ids = stage.deliver(10).await;
    stage.ack(&ids[..3]);
    assert_eq!(stage.sent_within(19 * MS).await, []);
    stage.ack(&ids[3..5]);
    assert_eq!(stage.sent_within(5 * MS).await, [(20 * MS, Sent::Ack(5))]);
}

#[tokio::test(start_paused = true)]
async fn what_is_all_that_was_delivered_goes_at_once() {
    let stage = Stage::new(1000);
    let ids = stage.deliver(7).await;
    stage.ack(&ids);
    assert_eq!(
        stage.sent_within(MS).await,
        [(Duration::ZERO, Sent::Ack(7))]
    );
}

#[tokio::test(start_paused = true)]
async fn portions_are_a_quarter_of_the_buffer_size_and_at_most_500() {
    let rows = [
        (8, 8, vec![2, 2, 2, 2]),
        (1, 1, vec![1]),
        (3, 3, vec![1, 1, 1]),
        (10_000, 1000, vec![500, 500]),
    ];
    for (buffer_size, deliveries, portions) in rows {
        let stage = Stage::new(buffer_size);
        let ids = stage.deliver(deliveries).await;
        stage.ack(&ids);
        let sent: Vec<_> = stage
            .sent_within(MS)
            .await
            .into_iter()
            .map(|(_, sent)| sent)
            .collect();
        assert_eq!(
            sent,
            portions.into_iter().map(Sent::Ack).collect::<Vec<_>>(),
            "buffer size {buffer_size}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_portion_goes_at_once_and_the_rest_waits() {
    let stage = Stage::new(40);
    let ids = stage.deliver(30).await;
    stage.ack(&ids[..13]);
    let sent = stage.sent_within(25 * MS).await;
    assert_eq!(
        sent,
        [(Duration::ZERO, Sent::Ack(10)), (20 * MS, Sent::Ack(3))]
    );
}

#[tokio::test(start_paused = true)]
async fn parking_goes_at_once_with_its_reason() {
    let stage = Stage::new(1000);
    let ids = stage.deliver(4).await;
    stage.handoff.order(|requests| {
        requests
            .parks
            .push((ids[..2].to_vec(), "ditto: conflict".to_owned()))
    });
    let expected = Sent::Park(2, "ditto: conflict".to_owned());
    assert_eq!(stage.sent_within(MS).await, [(Duration::ZERO, expected)]);
}

#[tokio::test(start_paused = true)]
async fn leaving_sends_everything_and_keeps_the_call_open_a_moment() {
    let stage = Stage::new(1000);
    let ids = stage.deliver(10).await;
    stage.ack(&ids[..3]);
    stage.handoff.order(|requests| requests.leave = true);
    let began = Instant::now();
    assert_eq!(
        stage.handoff.arrivals(&mut VecDeque::new()).await,
        Arrival::Over { why: None }
    );
    assert_eq!(began.elapsed(), LINGER);
    assert_eq!(
        stage.sent_within(Duration::ZERO).await,
        [(Duration::ZERO, Sent::Ack(3))]
    );
    assert_eq!(stage.reader.await.unwrap(), End::Left);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_while_polling_is_off_and_acknowledgements_still_go_out() {
    let stage = Stage::new(1000);
    let ids = stage.deliver(2).await;
    stage.handoff.poll(false);
    tokio::time::sleep(MS).await;
    stage.deliver.send(Err("the call failed")).unwrap();
    stage.ack(&ids);
    assert_eq!(stage.sent_within(MS).await, [(MS, Sent::Ack(2))]);
    assert!(!stage.reader.is_finished());
    stage.handoff.poll(true);
    assert_eq!(stage.reader.await.unwrap(), End::Failed("the call failed"));
}

#[tokio::test(start_paused = true)]
async fn connection_that_takes_nothing_ends_the_session() {
    let stage = Stage::with(1000, true);
    let ids = stage.deliver(1).await;
    stage.ack(&ids);
    assert_eq!(
        stage.handoff.arrivals(&mut VecDeque::new()).await,
        Arrival::Over { why: None }
    );
    assert_eq!(stage.reader.await.unwrap(), End::Stuck);
}
