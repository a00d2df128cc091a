//! What a lookup makes of a node's answers. Never needs a real server.

use super::lookup;
use crate::eventstore::client::tests::fake::Fake;
use crate::eventstore::client::tests::names::{answer_batch, refused};
use crate::eventstore::client::tests::script::{
    metadata, missing, not_leader, play, play_one, played,
};
use crate::eventstore::client::tests::{client, soon};
use ditto_core::port::{LookupRange, LookupResult};

const DELETED: &str = r#"{"$tb":9223372036854775807}"#;
const FORWARDS: LookupRange = LookupRange::Forwards { from: 0, count: 10 };

#[tokio::test]
async fn only_metadata_makes_a_missing_stream_deleted() {
    for (of_metadata, expected) in [
        (missing(), LookupResult::NotFound),
        (metadata(r#"{"$tb":7}"#), LookupResult::NotFound),
        (metadata(DELETED), LookupResult::SoftDeleted(None)),
    ] {
        let mut fake = Fake::start();
        let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
        let script = [("s", missing()), ("$$s", of_metadata)];
        let looking_up = lookup(&client, "s".into(), FORWARDS, 1);
        assert_eq!(played(&mut fake, &script, looking_up).await, expected);
    }
}

#[tokio::test]
async fn lookup_never_joins_the_answers_of_two_nodes() {
    let (mut behind, mut leader) = (Fake::start(), Fake::start());
    let client = client(&format!("esdb://{}?tls=false", behind.endpoint));
    let says_who_leads = vec![Err(not_leader(&leader.endpoint))];
    let first = [("s", missing()), ("$$s", says_who_leads)];
    let second = [("$$s", missing())];
    let looked_up = soon(async {
        tokio::select! {
            biased;
            looked_up = lookup(&client, "s".into(), FORWARDS, 1) => looked_up,
            () = play(&mut behind, &first) => unreachable!(),
            () = play(&mut leader, &second) => unreachable!(),
        }
    })
    .await;
    assert_eq!(looked_up, LookupResult::Failed);
}

#[tokio::test]
async fn a_tombstone_is_seen_whatever_the_stream_is_called() {
    for (code, kind, tombstoned) in [
        (5, "StreamDeleted", true),
        (6, "WrongExpectedVersion", false),
    ] {
        let mut fake = Fake::start();
        fake.fail_without_status(&["uma-größe", "$$uma-größe"]);
        let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
        // Each read that fails without a status is proven by one of another stream; forwards, `$$S` is read as well.
        for (range, probes) in [(FORWARDS, 2), (LookupRange::Metadata, 1)] {
            let looking_up = lookup(&client, "uma-größe".into(), range, 1);
            let looked_up = soon(async {
                tokio::pin!(looking_up);
                let script = [("ditto-probe", missing())];
                // After the reads comes the append that is never written.
                for _ in 0..probes {
                    tokio::select! {
                        biased;
                        looked_up = &mut looking_up => panic!("{looked_up:?} without a question"),
                        () = play_one(&mut fake, &script) => {}
                    }
                }
                let serve = answer_batch(&mut fake, |request| refused(request, code, kind));
                let (looked_up, request) = tokio::join!(looking_up, serve);
                assert_eq!(request.proposed_messages, []);
                looked_up
            })
            .await;
            match looked_up {
                LookupResult::Tombstoned => assert!(tombstoned),
                LookupResult::Refused(_) => assert!(!tombstoned),
                other => panic!("{other:?}"),
            }
        }
    }
}
