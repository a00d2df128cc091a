//! Batch append calls: every append answered once, whatever the server does. Never asserts how long something took.

use std::time::Duration;

use ditto_protocol::ids::{IdForm, from_wire, to_wire};
use ditto_protocol::rpc;
use ditto_protocol::streams::batch_append_req::options::{DeadlineOption, ExpectedStreamPosition};
use ditto_protocol::streams::batch_append_resp::{
    Result as Said, Success, success::CurrentRevisionOption,
};
use ditto_protocol::streams::{BatchAppendReq, BatchAppendResp};
use uuid::Uuid;

use super::super::super::error::Class;
use super::super::{BatchAppender, BatchOptions, Client};
use super::fake::{BatchCall, Fake};
use super::{client, event, soon};
use ditto_core::port::{Answer, Append, AppendId, AppendOutcome, Expected};

pub(super) fn append(tag: u64) -> Append {
    Append {
        id: AppendId(tag),
        stream: "s".into(),
        expected: Expected::Exact(tag),
        events: vec![event(tag), event(tag + 1)],
        alone: false,
    }
}

pub(super) fn written(request: &BatchAppendReq, revision: u64) -> BatchAppendResp {
    BatchAppendResp {
        correlation_id: request.correlation_id.clone(),
        result: Some(Said::Success(Success {
            current_revision_option: Some(CurrentRevisionOption::CurrentRevision(revision)),
            position_option: None,
        })),
        ..Default::default()
    }
}

/// A server, its client, and an appender that has a number of appends in flight over a call that the test holds.
pub(super) struct Scene {
    pub(super) fake: Fake,
    pub(super) client: Client,
    pub(super) appender: BatchAppender,
}

impl Scene {
    pub(super) fn new(options: BatchOptions) -> Self {
        let fake = Fake::start();
        let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
        let appender = BatchAppender::new(&client, options);
        Self {
            fake,
            client,
            appender,
        }
    }

    /// Waits for the server's side of a call while the appender is driven, as its owner would.
    pub(super) async fn call(&mut self) -> BatchCall {
        tokio::select! {
            call = soon(self.fake.batches.recv()) => call.expect("a call"),
            event = self.appender.next() => panic!("an event before the call: {event:?}"),
        }
    }

    pub(super) async fn requests(
        &mut self,
        call: &mut BatchCall,
        count: usize,
    ) -> Vec<BatchAppendReq> {
        let take = async {
            let mut requests = Vec::new();
            while requests.len() < count {
                requests.push(
                    call.requests
                        .message()
                        .await
                        .expect("readable")
                        .expect("a request"),
                );
            }
            requests
        };
        tokio::select! {
            requests = soon(take) => requests,
            event = self.appender.next() => panic!("an event before the requests: {event:?}"),
        }
    }

    pub(super) async fn in_flight(
        &mut self,
        tags: impl IntoIterator<Item = u64>,
    ) -> (BatchCall, Vec<BatchAppendReq>) {
        let before = self.appender.in_flight();
        tags.into_iter()
            .for_each(|tag| self.appender.submit(append(tag)));
        let count = self.appender.in_flight() - before;
        let mut call = self.call().await;
        let requests = self.requests(&mut call, count).await;
        (call, requests)
    }

    pub(super) async fn answered(&mut self) -> (u64, AppendOutcome) {
        match soon(self.appender.next()).await {
            Answer::Appended { append, outcome } => (append.0, outcome),
            ended @ Answer::CallEnded { .. } => panic!("{ended:?}"),
        }
    }

    pub(super) async fn ended(&mut self) -> (Vec<u64>, Class) {
        match soon(self.appender.next()).await {
            Answer::CallEnded {
                unanswered, why, ..
            } => (ids(unanswered), why.class().clone()),
            answered @ Answer::Appended { .. } => panic!("{answered:?}"),
        }
    }

    /// Nothing more comes: whatever the client was sent before this answer to a last append is dealt with.
    pub(super) async fn settled(&mut self, call: &mut BatchCall) {
        self.appender.submit(append(1_000));
        let request = self.requests(call, 1).await.remove(0);
        call.answers.send(Ok(written(&request, 3))).expect("sent");
        assert_eq!(self.answered().await, (1_000, AppendOutcome::Written(3)));
        assert_eq!(self.appender.in_flight(), 0);
    }
}

pub(super) fn ids(appends: Vec<AppendId>) -> Vec<u64> {
    appends.into_iter().map(|append| append.0).collect()
}

#[tokio::test]
async fn an_append_is_sent_as_it_is() {
    let mut scene = Scene::new(BatchOptions::default());
    scene.appender.submit(Append {
        id: AppendId(1),
        stream: "café @ 1".into(),
        expected: Expected::NoStream,
        events: vec![event(0), event(1)],
        alone: false,
    });
    let mut call = scene.call().await;
    let request = scene.requests(&mut call, 1).await.remove(0);
    let options = request.options.expect("options");
    assert_eq!(
        options.stream_identifier.expect("stream").stream_name,
        "café @ 1".as_bytes()
    );
    assert_eq!(
        options.expected_stream_position,
        Some(ExpectedStreamPosition::NoStream(()))
    );
    let Some(DeadlineOption::Deadline(limit)) = options.deadline_option else {
        panic!("no deadline")
    };
    assert_eq!((limit.seconds, limit.nanos), (10, 0));
    assert!(request.is_final);
    let ids: Vec<_> = request
        .proposed_messages
        .iter()
        .map(|m| from_wire(m.id.as_ref()).expect("id"))
        .collect();
    assert_eq!(ids, [event(0).id, event(1).id]);
    for (message, (content_type, number)) in request
        .proposed_messages
        .iter()
        .zip([("application/json", 0), ("application/octet-stream", 1)])
    {
        assert_eq!(message.metadata.len(), 2, "only what a server keeps");
        assert_eq!(message.metadata["type"], "customer_registered");
        assert_eq!(message.metadata["content-type"], content_type);
        assert_eq!(
            (&message.data, &message.custom_metadata),
            (&event(number).data, &event(number).metadata)
        );
    }
    assert_eq!(call.headers.get("requires-leader").expect("header"), "true");
    let name = call
        .headers
        .get("connection-name")
        .expect("header")
        .to_str()
        .expect("ASCII");
    assert!(
        name.starts_with("ditto/") && name.ends_with(&format!("/{}", std::process::id())),
        "{name}"
    );
}

#[tokio::test]
async fn answers_find_their_appends_in_any_order() {
    let mut scene = Scene::new(BatchOptions::default());
    let (call, requests) = scene.in_flight(0..5).await;
    for tag in [3, 0, 4, 1, 2] {
        call.answers
            .send(Ok(written(&requests[tag], tag as u64 + 2)))
            .expect("sent");
        assert_eq!(
            scene.answered().await,
            (tag as u64, AppendOutcome::Written(tag as u64 + 2))
        );
    }
    assert_eq!(scene.appender.in_flight(), 0);
}

#[tokio::test]
async fn a_failed_append_disturbs_no_other() {
    let mut scene = Scene::new(BatchOptions::default());
    let (mut call, requests) = scene.in_flight(0..3).await;
    let status = |code, kind: &str| rpc::Status {
        code,
        message: String::new(),
        details: Some(prost_types::Any {
            type_url: format!("type.googleapis.com/{kind}"),
            value: Vec::new(),
        }),
    };
    let failed = |request: &BatchAppendReq, status| BatchAppendResp {
        correlation_id: request.correlation_id.clone(),
        result: Some(Said::Error(status)),
        ..Default::default()
    };
    let wrong = status(6, "event_store.client.WrongExpectedVersion");
    call.answers
        .send(Ok(failed(&requests[1], wrong)))
        .expect("sent");
    assert_eq!(scene.answered().await, (1, AppendOutcome::WrongRevision));
    call.answers
        .send(Ok(failed(&requests[0], status(0, "google.protobuf.Empty"))))
        .expect("sent");
    assert_eq!(scene.answered().await, (0, AppendOutcome::NotReady));
    call.answers
        .send(Ok(written(&requests[2], 8)))
        .expect("sent");
    assert_eq!(scene.answered().await, (2, AppendOutcome::Written(8)));
    scene.settled(&mut call).await;
}

#[tokio::test]
async fn late_doubled_and_unknown_answers_are_ignored() {
    let mut scene = Scene::new(BatchOptions::default());
    let (mut call, requests) = scene.in_flight(0..2).await;
    let stranger = to_wire(Uuid::from_u64_pair(1, 0), IdForm::Text);
    for odd in [
        BatchAppendResp {
            correlation_id: Some(stranger),
            ..written(&requests[0], 1)
        },
        BatchAppendResp {
            correlation_id: None,
            ..written(&requests[0], 1)
        },
        written(&requests[0], 2),
        written(&requests[0], 2),
    ] {
        call.answers.send(Ok(odd)).expect("sent");
    }
    assert_eq!(scene.answered().await, (0, AppendOutcome::Written(2)));
    // The same id in its other form is the same id, as the real server's second answer shows.
    let id = from_wire(requests[1].correlation_id.as_ref()).expect("id");
    let text = BatchAppendResp {
        correlation_id: Some(to_wire(id, IdForm::Text)),
        ..written(&requests[1], 3)
    };
    call.answers.send(Ok(text)).expect("sent");
    assert_eq!(scene.answered().await, (1, AppendOutcome::Written(3)));
    call.answers
        .send(Ok(written(&requests[1], 9)))
        .expect("sent");
    scene.settled(&mut call).await;
}

#[tokio::test]
async fn lanes_are_calls_of_their_own_and_a_stream_keeps_its_lane() {
    let mut scene = Scene::new(BatchOptions {
        lanes: 3,
        ..BatchOptions::default()
    });
    for tag in 0..60 {
        let stream = format!("stream-{}", tag % 20);
        scene.appender.submit(Append {
            stream: stream.as_str().into(),
            ..append(tag)
        });
    }
    assert_eq!(scene.appender.in_flight(), 60);
    let mut seen = std::collections::BTreeMap::new();
    let mut calls = Vec::new();
    for lane in 0..3 {
        calls.push((lane, scene.call().await));
    }
    let mut total = 0;
    while total < 60 {
        for (lane, call) in &mut calls {
            let next = async {
                tokio::select! {
                    biased;
                    request = call.requests.message() => request.expect("readable"),
                    event = scene.appender.next() => panic!("{event:?}"),
                }
            };
            let Ok(Some(request)) = tokio::time::timeout(Duration::from_millis(100), next).await
            else {
                continue;
            };
            let stream = request
                .options
                .expect("options")
                .stream_identifier
                .expect("stream")
                .stream_name;
            assert_eq!(*seen.entry(stream).or_insert(*lane), *lane);
            total += 1;
        }
    }
    assert_eq!(seen.len(), 20);
}
