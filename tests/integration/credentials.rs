//! Passwords that are wrong, become right, and are changed while ditto runs; rights that are missing.

use std::path::Path;

use devstore::{Options, User};
use ditto::config::cluster::{ClusterKeys, PasswordSource};
use ditto::eventstore::Side;
use ditto::eventstore::client::Client;
use ditto::source::persistent::Subscription;
use ditto_core::port::{HeldReason, PipelineState};

use crate::support::copying::BUDGET;
use crate::support::servers::{cluster, cluster_as};
use crate::support::{Copying, Servers, groups, seed, subscription, write_metadata};

fn keys(user: &str, file: &Path) -> ClusterKeys {
    ClusterKeys {
        user: Some(user.to_owned()),
        password: Some(PasswordSource::File(file.to_owned())),
        ..ClusterKeys::default()
    }
}

fn admin(password: &str) -> User {
    User {
        password: password.to_owned(),
        ..User::admin()
    }
}

fn with_users(users: Vec<User>) -> Options {
    Options {
        users: Some(users),
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_wrong_and_then_right_is_read_anew() {
    let servers = Servers::with(with_users(vec![admin("right")]), Options::default()).await;
    seed(servers.source.store(), "customer-1", 5);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "wrong").unwrap();
    let source = cluster_as(&servers.source, keys("admin", &file));
    let copying = Copying::between(
        source,
        cluster(&servers.destination),
        subscription("$ce-customer", "ditto"),
        BUDGET,
    );
    copying
        .until_state("it is stopped", |state| {
            matches!(state, PipelineState::Stopped(_))
        })
        .await;
    std::fs::write(&file, "right").unwrap();
    servers.until_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn password_changed_in_time_is_used_by_the_next_lookup() {
    let servers = Servers::start().await;
    groups::create(&servers.source, "$ce-customer", "ditto", groups::eager()).await;
    servers.source.set_users(Some(vec![admin("old")]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "old").unwrap();
    let keys = keys("admin", &file);
    let own = Client::connect(Side::Source, cluster_as(&servers.source, keys));
    let source = Subscription::new(own, subscription("$ce-customer", "ditto"));
    source.inspect().await.unwrap();
    servers.source.set_users(Some(vec![admin("new")]));
    std::fs::write(&file, "new").unwrap();
    source.inspect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_password_that_becomes_wrong_and_right_again_loses_nothing() {
    let servers = Servers::with(Options::default(), with_users(vec![admin("old")])).await;
    seed(servers.source.store(), "customer-1", 5);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "old").unwrap();
    let destination = cluster_as(&servers.destination, keys("admin", &file));
    let copying = Copying::between(
        cluster(&servers.source),
        destination,
        subscription("$ce-customer", "ditto"),
        BUDGET,
    );
    servers.until_equal().await;
    servers.destination.set_users(Some(vec![admin("new")]));
    servers.destination.stop().await;
    servers.destination.start_again().await.unwrap();
    for number in 0..20 {
        seed(servers.source.store(), &format!("customer-{number}"), 5);
    }
    copying
        .until_state("it cannot write", |state| *state != PipelineState::Running)
        .await;
    std::fs::write(&file, "new").unwrap();
    servers.until_equal().await;
    copying.until_done_without_loss(&servers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_missing_for_one_stream_holds_that_stream_with_its_name() {
    for (acl, missing) in [
        (
            r#"{"$acl":{"$w":"$admins"}}"#,
            "no permission to write this stream at the destination",
        ),
        (
            r#"{"$acl":{"$mr":"$admins"}}"#,
            "no permission to read this stream's metadata ($mr) at the destination",
        ),
    ] {
        holds_one_stream(acl, missing).await;
    }
}

/// The destination's `customer-1` has this metadata before anything is copied.
async fn holds_one_stream(acl: &str, missing: &str) {
    let writer = User {
        name: "writer".to_owned(),
        password: "x".to_owned(),
        groups: Vec::new(),
    };
    let servers = Servers::with(Options::default(), with_users(vec![User::admin(), writer])).await;
    write_metadata(servers.destination.store(), "customer-1", acl);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "x").unwrap();
    for number in 0..4 {
        seed(servers.source.store(), &format!("customer-{number}"), 3);
    }
    let destination = cluster_as(&servers.destination, keys("writer", &file));
    let copying = Copying::between(
        cluster(&servers.source),
        destination,
        subscription("$ce-customer", "ditto"),
        BUDGET,
    );
    copying.until_done(&servers).await;
    let held = (
        "customer-1".to_owned(),
        HeldReason::Refused,
        missing.to_owned(),
    );
    assert_eq!(copying.seen.held_with_text(), [held]);
    assert_eq!(servers.destination.counters().appended_events, 9);
}
