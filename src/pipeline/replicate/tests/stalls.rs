//! When a pipeline is taken for stuck, and when not.

use std::time::Duration;

use tokio::time::timeout;

use super::played::{SourceScript, Stage};
use super::played_destination::Answering;
use crate::config::settings::Replication;
use crate::pipeline::replicate::{Outcome, core_settings, run};
use ditto_core::port::JoinRefusal;

const LONG: Duration = Duration::from_secs(3600);

fn idle() -> SourceScript {
    SourceScript {
        deliveries: 5,
        last_number: Some(4),
        ..SourceScript::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_never_comes_back_is_a_stall() {
    let script = SourceScript {
        gap: 500,
        read_pace: LONG,
        ..idle()
    };
    let stage = Stage::new(script, Answering::Well);
    assert_eq!(
        timeout(LONG, run(stage.pipeline)).await,
        Ok(Outcome::Stalled)
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_reason_is_no_stall() {
    let refused = |why| SourceScript {
        refuses: Some(why),
        ..idle()
    };
    let rows = [
        ("idle", idle(), Answering::Well),
        (
            "numbers that the group leaves out, and that cannot be read",
            SourceScript {
                last_number: Some(9),
                ..idle()
            },
            Answering::Well,
        ),
        ("destination away", idle(), Answering::Away),
        ("standby", refused(JoinRefusal::Taken), Answering::Well),
        (
            "source away",
            refused(JoinRefusal::Unavailable),
            Answering::Well,
        ),
        (
            "group missing",
            refused(JoinRefusal::Missing),
            Answering::Well,
        ),
        ("no rights", refused(JoinRefusal::Denied), Answering::Well),
        (
            "unsuitable group",
            refused(JoinRefusal::Unsuitable("no links")),
            Answering::Well,
        ),
        (
            "a repair of 50,000 events that come slowly",
            SourceScript {
                gap: 50_000,
                read_pace: Duration::from_millis(10),
                ..idle()
            },
            Answering::Well,
        ),
    ];
    for (name, script, answering) in rows {
        let stage = Stage::new(script, answering);
        let ended = timeout(LONG, run(stage.pipeline)).await;
        assert!(ended.is_err(), "{name}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_is_no_stall() {
    let throttled = Replication {
        throttle_interval: Duration::from_secs(15),
        ..Replication::default()
    };
    let script = SourceScript {
        deliveries: 300,
        last_number: Some(299),
        ..SourceScript::default()
    };
    let stage = Stage::with(script, Answering::Well, core_settings(&throttled, true));
    assert!(timeout(LONG, run(stage.pipeline)).await.is_err());
}
