//! How much an append may hold, as clients of each generation see it (protocol §4.1, §16).
//!
//! Never sends more than a message may hold.

use devstore::{AppendLimit, Options};
use tonic::Code;

use crate::support::{Batch, Sizes, append_sized, server};

const MIB: usize = 1024 * 1024;
/// An event that each generation accepts, of which the older ones accept no byte more.
const FULL: Sizes = Sizes {
    data: MIB - 1_000 - 2 * 50,
    metadata: 1_000,
    event_type: 50,
};

#[tokio::test]
async fn appends_are_limited_by_generation() {
    let whole = Sizes { data: MIB, ..FULL };
    let above = Sizes {
        data: MIB + 1,
        ..FULL
    };
    let typed = Sizes {
        event_type: 51,
        ..FULL
    };
    for (limit, sizes, accepted) in [
        (AppendLimit::V23_10, FULL, true),
        (AppendLimit::V23_10, whole, true),
        (AppendLimit::V23_10, above, false),
        (AppendLimit::V24_10, FULL, true),
        (AppendLimit::V24_10, typed, false),
        (AppendLimit::V24_10, whole, false),
        (AppendLimit::V25_1, above, true),
    ] {
        let options = Options {
            append_limit: limit,
            ..Options::default()
        };
        let (_server, mut client) = server(options).await;
        let answer = append_sized(&mut client, "s", sizes).await;
        let mut batch = Batch::open(&mut client).await.unwrap();
        batch.write_sized("s", 1, sizes).await;
        let in_batch = batch.answer().await;
        if accepted {
            answer.unwrap();
            assert_eq!(in_batch, "1 ok", "{limit:?} {sizes:?}");
            continue;
        }
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let limit = status.metadata().get("maximum-append-size").unwrap();
        assert_eq!(limit, "1048576", "{sizes:?}");
        assert_eq!(in_batch, "1 3 MaximumAppendSizeExceeded");
    }
}

#[tokio::test]
async fn an_event_over_its_own_limit_is_named() {
    let options = Options {
        append_limit: AppendLimit::V25_1,
        ..Options::default()
    };
    let (_server, mut client) = server(options).await;
    let sizes = Sizes {
        data: 0,
        metadata: 0,
        event_type: 8 * MIB + 1,
    };
    let status = append_sized(&mut client, "s", sizes).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let trailer = |name: &str| status.metadata().get(name).unwrap().to_str().unwrap();
    assert_eq!(trailer("exception"), "maximum-append-event-size-exceeded");
    assert_eq!(trailer("proposed-append-event-size"), "16777218");
    assert_eq!(trailer("maximum-append-event-size"), "16777216");
    let mut batch = Batch::open(&mut client).await.unwrap();
    batch.write_sized("s", 1, sizes).await;
    assert_eq!(batch.answer().await, "1 3 MaximumAppendEventSizeExceeded");
}
