//! A node that answers reads as the test has written down: by the stream that is read, as often as it is read.
//!
//! Never answers a stream that is not in the script.

use ditto_protocol::streams::ReadResp;
use ditto_protocol::streams::read_resp::{Content, StreamNotFound};
use tonic::{Code, Status};

use super::calls::{answer, read_event, with_trailers};
use super::fake::{Fake, ReadCall, read_stream};
use crate::config::cluster::Endpoint;
use ditto_core::event::Event;

/// The answers to a read of one stream.
pub(crate) type Line = (&'static str, Vec<Result<ReadResp, Status>>);

/// There is no such stream.
pub(crate) fn missing() -> Vec<Result<ReadResp, Status>> {
    vec![Ok(answer(Content::StreamNotFound(StreamNotFound {
        stream_identifier: None,
    })))]
}

/// Another node leads.
pub(crate) fn not_leader(leader: &Endpoint) -> Status {
    let port = leader.port.to_string();
    let trailers = [
        ("exception", "not-leader"),
        ("leader-endpoint-host", leader.host.as_str()),
        ("leader-endpoint-port", &port),
    ];
    with_trailers(Code::NotFound, "Leader info available", &trailers)
}

/// One event, and where the stream ends.
pub(crate) fn found(event: &Event, last: u64) -> Vec<Result<ReadResp, Status>> {
    vec![
        Ok(read_event(Some(event), None)),
        Ok(answer(Content::LastStreamPosition(last))),
    ]
}

/// The newest metadata of a stream.
pub(crate) fn metadata(json: &'static str) -> Vec<Result<ReadResp, Status>> {
    let event = Event {
        is_json: true,
        data: json.into(),
        ..super::event(2)
    };
    found(&event, 2)
}

/// Plays it until dropped.
pub(crate) async fn play(fake: &mut Fake, script: &[Line]) {
    while let Some(call) = fake.reads.recv().await {
        answer_read(call, script);
    }
}

/// Answers the next read.
pub(crate) async fn play_one(fake: &mut Fake, script: &[Line]) {
    answer_read(fake.reads.recv().await.expect("a read"), script);
}

fn answer_read(call: ReadCall, script: &[Line]) {
    let name = read_stream(&call.request).unwrap_or_default().stream_name;
    let line = script.iter().find(|(stream, _)| stream.as_bytes() == name);
    let (_, answers) = line.unwrap_or_else(|| panic!("{name:?} is not in the script"));
    for answer in answers {
        // Nobody listens any more: a page can end early.
        drop(call.answers.send(answer.clone()));
    }
}

/// What comes of `asking` while a node plays the script.
pub(crate) async fn played<T>(
    fake: &mut Fake,
    script: &[Line],
    asking: impl Future<Output = T>,
) -> T {
    super::soon(async {
        tokio::select! {
            biased;
            answer = asking => answer,
            () = play(fake, script) => panic!("the server is gone"),
        }
    })
    .await
}
