//! What is sent as user and password, and when a changed file is read. Never asserts a time.

use std::path::Path;

use base64::Engine;
use tonic::Status;

use super::super::Client;
use super::fake::Fake;
use super::secured::with_keys;
use super::soon;
use crate::config::cluster::{ClusterKeys, PasswordSource};

/// A client of this server, for a user whose password is in this file.
fn with_password_of(fake: &Fake, file: &Path) -> Client {
    let keys = ClusterKeys {
        user: Some("replicator".into()),
        password: Some(PasswordSource::File(file.to_owned())),
        ..Default::default()
    };
    with_keys(fake, "?tls=false", keys)
}

#[tokio::test]
async fn credentials_are_sent_and_a_changed_password_file_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "p@ss:wörd\nsecond line\n").expect("written");
    let mut fake = Fake::start();
    let client = with_password_of(&fake, &file);
    for password in ["p@ss:wörd", "changed"] {
        let serve = async {
            let call = fake.reads.recv().await.expect("a read");
            let header = call
                .headers
                .get("authorization")
                .expect("header")
                .to_str()
                .expect("ASCII")
                .to_owned();
            call.answers
                .send(Err(Status::unauthenticated("Unauthenticated")))
                .expect("sent");
            header
        };
        let (probe, header) = soon(async { tokio::join!(client.probe(), serve) }).await;
        assert_eq!(probe.expect_err("refused").kind(), "unauthenticated");
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(format!("replicator:{password}"));
        assert_eq!(header, format!("Basic {encoded}"));
        std::fs::write(&file, "changed\n").expect("written");
    }
    assert!(!format!("{client:?}{:?}", client.settings()).contains("changed"));
}

#[tokio::test]
async fn a_call_is_repeated_once_when_the_password_file_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    for (after_first, expected) in [("old", vec!["old"]), ("new", vec!["old", "new"])] {
        std::fs::write(&file, "old\n").expect("written");
        let mut fake = Fake::start();
        let client = with_password_of(&fake, &file);
        let (mut sent, last) = (Vec::new(), expected.len());
        let serve = async {
            while sent.len() < last {
                let call = fake.reads.recv().await.expect("a read");
                let header = call.headers.get("authorization").expect("a header");
                sent.push(header.to_str().expect("ASCII").to_owned());
                // Changed again while the second call is under way: that is left to the next call.
                let next = if sent.len() == 1 {
                    after_first
                } else {
                    "newer"
                };
                std::fs::write(&file, format!("{next}\n")).expect("written");
                let refused = Err(Status::unauthenticated("Unauthenticated"));
                call.answers.send(refused).expect("sent");
            }
        };
        let (probe, ()) = soon(async { tokio::join!(client.probe(), serve) }).await;
        assert_eq!(probe.expect_err("refused").kind(), "unauthenticated");
        let encoded = expected.iter().map(|password| {
            let pair = format!("replicator:{password}");
            format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD.encode(pair)
            )
        });
        assert_eq!(sent, encoded.collect::<Vec<_>>());
        assert!(fake.reads.try_recv().is_err(), "no further call");
    }
}
