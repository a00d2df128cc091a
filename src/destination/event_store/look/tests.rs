//! What a look makes of a node's answers. Never needs a real server.

use super::look;
use crate::cluster::client::tests::fake::Fake;
use crate::cluster::client::tests::names::{answer_batch, refused};
use crate::cluster::client::tests::script::{
    metadata, missing, not_leader, play, play_one, played,
};
use crate::cluster::client::tests::{client, soon};
use ditto_core::port::{LookRange, LookResult};

const DELETED: &str = r#"{"$tb":9223372036854775807}"#;
const FORWARDS: LookRange = LookRange::Forwards { from: 0, count: 10 };

#[tokio::test]
async fn only_metadata_makes_a_missing_stream_deleted() {
    for (of_metadata, expected) in [
        (missing(), LookResult::NotFound),
        (metadata(r#"{"$tb":7}"#), LookResult::NotFound),
        (metadata(DELETED), LookResult::SoftDeleted),
    ] {
        let mut fake = Fake::start();
        let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
        let script = [("s", missing()), ("$$s", of_metadata)];
        let looking = look(&client, "s".into(), FORWARDS, 1);
        assert_eq!(played(&mut fake, &script, looking).await, expected);
    }
}

#[tokio::test]
async fn a_look_never_joins_the_answers_of_two_nodes() {
    let (mut behind, mut leader) = (Fake::start(), Fake::start());
    let client = client(&format!("esdb://{}?tls=false", behind.endpoint));
    let says_who_leads = vec![Err(not_leader(&leader.endpoint))];
    let first = [("s", missing()), ("$$s", says_who_leads)];
    let second = [("$$s", missing())];
    let looked = soon(async {
        tokio::select! {
            biased;
            looked = look(&client, "s".into(), FORWARDS, 1) => looked,
            () = play(&mut behind, &first) => unreachable!(),
            () = play(&mut leader, &second) => unreachable!(),
        }
    })
    .await;
    assert_eq!(looked, LookResult::Failed);
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
        for (range, probes) in [(FORWARDS, 2), (LookRange::Metadata, 1)] {
            let looking = look(&client, "uma-größe".into(), range, 1);
            let looked = soon(async {
                tokio::pin!(looking);
                let script = [("ditto-probe", missing())];
                // After the reads comes the append that is never written.
                for _ in 0..probes {
                    tokio::select! {
                        biased;
                        looked = &mut looking => panic!("{looked:?} without a question"),
                        () = play_one(&mut fake, &script) => {}
                    }
                }
                let serve = answer_batch(&mut fake, |request| refused(request, code, kind));
                let (looked, request) = tokio::join!(looking, serve);
                assert_eq!(request.proposed_messages, []);
                looked
            })
            .await;
            match looked {
                LookResult::Tombstoned => assert!(tombstoned),
                LookResult::Refused(_) => assert!(!tombstoned),
                other => panic!("{other:?}"),
            }
        }
    }
}
