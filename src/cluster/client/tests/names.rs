//! Names that are not ASCII, of which errors come as HTTP 500 without a gRPC status (`protocol.md` §9, last row).
//!
//! Never asserts how long something took.

use super::super::super::error::Class;
use super::super::ReadStream;
use super::client;
use super::fake::Fake;
use super::script::{missing, played};

#[tokio::test]
async fn http_500_for_one_name_is_about_that_stream() {
    let mut fake = Fake::start();
    fake.fail_without_status(&["uma-größe"]);
    let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
    let script = [("ditto-probe", missing())];
    let read = client.read_stream(ReadStream::newest("uma-größe".into()));
    let error = played(&mut fake, &script, read)
        .await
        .expect_err("it cannot be read");
    assert_eq!(*error.class(), Class::Unreadable, "{error}");
    assert!(!error.is_transient());
    assert_eq!(
        fake.asked("features"),
        1,
        "the node is still the one to ask"
    );
    let probe = played(&mut fake, &script, client.probe()).await;
    assert_eq!((probe, fake.asked("features")), (Ok(()), 1));
}

#[tokio::test]
async fn http_500_for_every_name_is_about_the_server() {
    let mut fake = Fake::start();
    fake.fail_without_status(&["uma-größe", "ditto-probe"]);
    let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
    let read = client.read_stream(ReadStream::newest("uma-größe".into()));
    let error = played(&mut fake, &[], read).await.expect_err("no answer");
    assert_eq!(*error.class(), Class::NoStatus, "{error}");
    assert!(error.is_transient());
}
