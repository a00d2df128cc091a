//! Pages of the log, against a server that the test scripts. Never asserts how long something took.

use std::time::Duration;

use ditto_core::port::LogPosition;
use ditto_protocol::streams::ReadResp;
use ditto_protocol::streams::read_resp::{Content, ReadEvent};

use super::super::{LogFilter, LogRecord, LogStart, ReadLog};
use super::calls::{answer, recorded};
use super::fake::Fake;
use super::{client, event, soon};

const CALL_TIMEOUT: Duration = Duration::from_millis(100);

fn position(number: u64) -> LogPosition {
    LogPosition {
        commit: 100 * number,
        prepare: 100 * number,
    }
}

fn record(number: u64) -> ReadResp {
    let mut record = recorded(&event(number));
    let LogPosition { commit, prepare } = position(number);
    (record.commit_position, record.prepare_position) = (commit, prepare);
    answer(Content::Event(ReadEvent {
        event: Some(record),
        link: None,
        position: None,
    }))
}

#[tokio::test]
async fn page_from_a_known_record_waits_for_the_next_match() {
    let mut fake = Fake::start();
    let client = client(&format!(
        "esdb://{}?tls=false&defaultDeadline={}",
        fake.endpoint,
        CALL_TIMEOUT.as_millis()
    ));
    let read = ReadLog {
        start: LogStart::At(position(1)),
        filter: LogFilter::Matching(r"\As\z".to_owned()),
        count: 100,
        patience: Duration::from_secs(600),
    };
    let serve = async {
        let call = fake.reads.recv().await.expect("a read");
        let send = |number| call.answers.send(Ok(record(number))).expect("sent");
        send(1);
        // The server looks through what is not wanted for longer than a call may take.
        tokio::time::sleep(CALL_TIMEOUT * 4).await;
        send(2);
        let other = answer(Content::LastStreamPosition(7));
        call.answers.send(Ok(other)).expect("sent");
        call
    };
    let (page, _call) = soon(async {
        tokio::join!(
            client.read_log(&read, |record: LogRecord| record.event.revision),
            serve
        )
    })
    .await;
    let page = page.expect("a page");
    assert_eq!(page.records, [1, 2]);
    assert_eq!((page.last, page.ended), (Some(position(2)), false));
}
