//! Reads and single appends, and what their failures mean. Never asserts how long something took.

use std::time::Duration;

use bytes::Bytes;
use ditto_protocol::ids::{IdForm, stream_identifier, to_wire};
use ditto_protocol::streams::ReadResp;
use ditto_protocol::streams::read_req::options::{
    CountOption, StreamOption, stream_options::RevisionOption,
};
use ditto_protocol::streams::read_resp::read_event::RecordedEvent;
use ditto_protocol::streams::read_resp::{Content, ReadEvent, StreamNotFound};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::super::super::error::Class;
use super::super::{Direction, ReadStream, ResolvedRecord, StartAt, StreamPage};
use super::fake::{Fake, ReadCall};
use super::script::not_leader;
use super::{client, event, soon};
use ditto_core::event::Event;

pub(crate) fn with_trailers(code: Code, text: &str, trailers: &[(&'static str, &str)]) -> Status {
    let mut metadata = MetadataMap::new();
    for (name, value) in trailers {
        metadata.insert(*name, value.parse().expect("ASCII"));
    }
    Status::with_metadata(code, text, metadata)
}

fn read(count: u64) -> ReadStream {
    ReadStream {
        stream: "s".into(),
        start: StartAt::Revision(3),
        direction: Direction::Forwards,
        count,
        resolve_links: true,
        max_bytes: usize::MAX,
    }
}

pub(crate) fn recorded(event: &Event) -> RecordedEvent {
    RecordedEvent {
        id: Some(to_wire(event.id, IdForm::Structured)),
        stream_identifier: Some(stream_identifier(event.stream.as_str())),
        stream_revision: event.revision,
        metadata: [
            ("type", event.event_type.to_string()),
            ("created", event.created.to_string()),
            (
                "content-type",
                if event.is_json {
                    "application/json"
                } else {
                    "application/octet-stream"
                }
                .to_owned(),
            ),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into(),
        custom_metadata: event.metadata.clone(),
        data: event.data.clone(),
        ..Default::default()
    }
}

pub(crate) fn answer(content: Content) -> ReadResp {
    ReadResp {
        content: Some(content),
    }
}

pub(crate) fn read_event(event: Option<&Event>, link: Option<&Event>) -> ReadResp {
    answer(Content::Event(ReadEvent {
        event: event.map(recorded),
        link: link.map(recorded),
        position: None,
    }))
}

/// Reads while the test answers.
async fn page(
    request: ReadStream,
    answers: Vec<Result<ReadResp, Status>>,
) -> (Result<StreamPage, Class>, ReadCall) {
    let mut fake = Fake::start();
    let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
    let serve = async {
        let call = fake.reads.recv().await.expect("a read");
        for answer in answers {
            call.answers.send(answer).expect("sent");
        }
        // The end of the sender is the end of the call.
        let (answers, _) = tokio::sync::mpsc::unbounded_channel();
        ReadCall { answers, ..call }
    };
    let (page, call) = soon(async { tokio::join!(client.read_stream(request), serve) }).await;
    let closed = async {
        while fake.open_calls() > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(closed).await;
    (page.map_err(|error| error.class().clone()), call)
}

#[tokio::test]
async fn a_page_holds_events_links_and_positions() {
    let (target, link) = (
        event(17),
        Event {
            stream: "$ce-a".into(),
            event_type: "$>".into(),
            ..event(3)
        },
    );
    let answers = vec![
        Ok(answer(Content::FirstStreamPosition(3))),
        Ok(read_event(Some(&target), Some(&link))),
        Ok(read_event(None, Some(&link))),
        Ok(read_event(Some(&event(4)), None)),
        Ok(answer(Content::LastStreamPosition(9))),
    ];
    let (page, call) = page(read(0), answers).await;
    let expected = StreamPage::Found {
        records: vec![
            ResolvedRecord {
                event: Some(target),
                link: Some(link.clone()),
            },
            ResolvedRecord {
                event: None,
                link: Some(link),
            },
            ResolvedRecord {
                event: Some(event(4)),
                link: None,
            },
        ],
        first: Some(3),
        last: Some(9),
    };
    assert_eq!(page, Ok(expected));
    let options = call.request.options.expect("options");
    assert_eq!(
        options.count_option,
        Some(CountOption::Count(1)),
        "0 would be refused"
    );
    assert_eq!(options.control_option.expect("set").compatibility, 1);
    assert!(
        options.resolve_links && options.uuid_option.is_some() && options.filter_option.is_some()
    );
    let Some(StreamOption::Stream(stream)) = options.stream_option else {
        panic!("not a stream")
    };
    assert_eq!(stream.revision_option, Some(RevisionOption::Revision(3)));
    assert_eq!(call.headers.get("requires-leader").expect("header"), "true");
}

#[tokio::test]
async fn the_stream_itself_may_be_missing_empty_or_deleted() {
    let missing = answer(Content::StreamNotFound(StreamNotFound {
        stream_identifier: None,
    }));
    let deleted = with_trailers(
        Code::FailedPrecondition,
        "Event stream 's' is deleted.",
        &[("exception", "stream-deleted")],
    );
    let empty = |first, last| {
        Ok(StreamPage::Found {
            records: Vec::new(),
            first,
            last,
        })
    };
    for (answers, expected) in [
        (vec![Ok(missing)], Ok(StreamPage::NotFound)),
        (vec![Err(deleted)], Ok(StreamPage::Tombstoned)),
        (vec![], empty(None, None)),
        (
            vec![
                Ok(answer(Content::FirstStreamPosition(5))),
                Ok(answer(Content::LastStreamPosition(4))),
            ],
            empty(Some(5), Some(4)),
        ),
        (
            vec![Err(Status::permission_denied("Access Denied"))],
            Err(Class::Denied),
        ),
        (
            vec![
                Ok(read_event(Some(&event(3)), None)),
                Err(Status::unavailable("x")),
            ],
            Err(Class::NotReady),
        ),
    ] {
        assert_eq!(page(read(10), answers).await.0, expected);
    }
}

#[tokio::test]
async fn a_page_ends_when_it_has_enough_bytes() {
    let big = |number| Event {
        data: Bytes::from(vec![1; 1000]),
        ..event(number)
    };
    let answers: Vec<_> = (3..9)
        .map(|number| Ok(read_event(Some(&big(number)), None)))
        .collect();
    for (max_bytes, expected) in [(0, 1), (1, 1), (1500, 2), (3000, 3), (usize::MAX, 6)] {
        let (page, _) = page(
            ReadStream {
                max_bytes,
                ..read(100)
            },
            answers.clone(),
        )
        .await;
        let Ok(StreamPage::Found { records, last, .. }) = page else {
            panic!("{page:?}")
        };
        assert_eq!((records.len(), last), (expected, None), "{max_bytes}");
    }
}

#[tokio::test]
async fn a_record_that_lacks_something_is_an_error() {
    let whole = recorded(&event(3));
    let broken: [fn(&mut RecordedEvent); 3] = [
        |r| r.id = None,
        |r| r.stream_identifier = None,
        |r| drop(r.metadata.remove("type")),
    ];
    for break_it in broken {
        let mut record = whole.clone();
        break_it(&mut record);
        let event = answer(Content::Event(ReadEvent {
            event: Some(record),
            link: None,
            position: None,
        }));
        assert_eq!(
            page(read(1), vec![Ok(event)]).await.0,
            Err(Class::Unreadable)
        );
    }
}

#[tokio::test]
async fn a_read_follows_the_leader_that_is_named_but_not_for_ever() {
    let (mut first, mut second) = (Fake::start(), Fake::start());
    let client = client(&format!("esdb://{}?tls=false", first.endpoint));
    let (a, b) = (first.endpoint.clone(), second.endpoint.clone());
    let serve = async {
        let call = first.reads.recv().await.expect("a read");
        call.answers.send(Err(not_leader(&b))).expect("sent");
        let call = second.reads.recv().await.expect("a read");
        call.answers
            .send(Ok(answer(Content::LastStreamPosition(1))))
            .expect("sent");
    };
    let (page, ()) = soon(async { tokio::join!(client.read_stream(read(1)), serve) }).await;
    assert!(
        matches!(page, Ok(StreamPage::Found { last: Some(1), .. })),
        "{page:?}"
    );
    assert_eq!(soon(client.leader()).await.expect("known"), b);

    let serve = async {
        loop {
            tokio::select! {
                call = first.reads.recv() => call.expect("a read").answers.send(Err(not_leader(&b))),
                call = second.reads.recv() => call.expect("a read").answers.send(Err(not_leader(&a))),
            }
            .expect("sent");
        }
    };
    let page = tokio::select! {
        page = soon(client.read_stream(read(1))) => page,
        () = serve => unreachable!(),
    };
    assert!(matches!(
        page.expect_err("two that point at each other").class(),
        Class::NotLeader(Some(_))
    ));
}

/// A line over which every connection takes most of a call's limit until it carries anything.
async fn long_line(to: String, pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = TcpStream::connect(&to).await.expect("the server");
            tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    address
}

#[tokio::test]
async fn silence_in_what_a_search_left_of_the_limit_is_no_reason_to_search_again() {
    let mut fake = Fake::start();
    let pause = Duration::from_millis(1_600);
    let line = long_line(fake.endpoint.to_string(), pause).await;
    let client = client(&format!("esdb://{line}?tls=false&defaultDeadline=2500"));
    let error = soon(client.read_stream(read(1))).await;
    assert_eq!(*error.expect_err("silence").class(), Class::Timeout);
    let unanswered = fake.reads.recv().await.expect("a read");
    let serve = async {
        let call = fake.reads.recv().await.expect("another read");
        let last = answer(Content::LastStreamPosition(1));
        call.answers.send(Ok(last)).expect("sent");
    };
    let (page, ()) = soon(async { tokio::join!(client.read_stream(read(1)), serve) }).await;
    assert!(matches!(page, Ok(StreamPage::Found { .. })), "{page:?}");
    assert_eq!(fake.asked("features"), 1, "the same connection");
    drop(unanswered);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_a_timeout_and_is_asked_anew() {
    let mut fake = Fake::start();
    let client = client(&format!(
        "esdb://{}?tls=false&defaultDeadline=1000",
        fake.endpoint
    ));
    let error = soon(client.read_stream(read(1)))
        .await
        .expect_err("no answer");
    assert_eq!((error.class(), error.kind()), (&Class::Timeout, "timeout"));
    let call = soon(fake.reads.recv()).await.expect("a read");
    soon(call.answers.closed()).await;
    assert_eq!(fake.asked("features"), 1);
    assert_eq!(soon(client.leader()).await.expect("answers"), fake.endpoint);
    assert_eq!(fake.asked("features"), 2, "a new connection");
}

#[tokio::test]
async fn a_probe_takes_any_answer_about_the_stream() {
    for (answer, reachable) in [
        (
            Ok(answer(Content::StreamNotFound(StreamNotFound {
                stream_identifier: None,
            }))),
            true,
        ),
        (Err(Status::permission_denied("Access Denied")), true),
        (Err(Status::unavailable("Server Is Not Ready")), false),
    ] {
        let mut fake = Fake::start();
        let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
        let serve = async {
            fake.reads
                .recv()
                .await
                .expect("a read")
                .answers
                .send(answer.clone())
                .expect("sent")
        };
        let (probe, ()) = soon(async { tokio::join!(client.probe(), serve) }).await;
        assert_eq!(probe.is_ok(), reachable, "{answer:?}");
    }
}

/// A port that takes connections and never says a word.
pub(super) async fn black_hole() -> (tokio::net::TcpListener, std::net::SocketAddr) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a port");
    let address = listener.local_addr().expect("address");
    (listener, address)
}

#[tokio::test]
async fn a_half_open_connection_is_given_up() {
    let (_hole, address) = black_hole().await;
    for (parameters, expected) in [
        ("tls=false&gossipTimeout=200", "no answer within 200ms"),
        ("tlsVerifyCert=false&gossipTimeout=200", ""),
        (
            "tls=false&gossipTimeout=60000&defaultDeadline=200",
            "no answer within 200ms",
        ),
    ] {
        for scheme in ["esdb", "esdb+discover"] {
            let client = client(&format!(
                "{scheme}://{address}?{parameters}&maxDiscoverAttempts=1"
            ));
            let error = soon(client.probe()).await.expect_err("silence");
            assert!(
                error.is_transient() && error.to_string().contains(expected),
                "{error}"
            );
        }
    }
}

#[test]
fn calls_can_be_made_from_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let client = client("esdb://a?tls=false");
    is_send(&client.read_stream(read(1)));
    is_send(&client.append(&"s".into(), ditto_core::port::Expected::NoStream, &[]));
    is_send(&client.probe());
    is_send(&super::super::super::crate_client::CrateClient::new(
        &client,
    ));
}

#[test]
fn the_limit_of_a_call_is_configurable() {
    let client = client("esdb://a?tls=false&defaultDeadline=1234");
    assert_eq!(client.settings().call_timeout, Duration::from_millis(1234));
}
