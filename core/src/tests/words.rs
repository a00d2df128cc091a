//! What the source says of the group and of other sessions, and what it says nothing about.
//!
//! Never leaves for the destination's sake: that is in `membership`.

use std::time::Duration;

use uuid::Uuid;

use super::{Bench, group, settings};
use crate::event::{Item, SkipReason, TOMBSTONE_REVISION};
use crate::port::{
    GroupSeen, Input, JoinRefusal, LeaveReason, LinkPage, LookupResult, PipelineState, SessionId,
    Side,
};

const NOTHING: [String; 0] = [];

#[test]
fn the_number_of_a_tombstone_is_no_number() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    let tombstone = Input::Delivery {
        session: SessionId(1),
        ack: Uuid::from_u128(77),
        number: Some(TOMBSTONE_REVISION),
        item: Item::Never(SkipReason::Tombstone),
    };
    bench.input(tombstone);
    assert_eq!(bench.commands(), ["ack 77"]);
    bench.pass(Duration::from_secs(300));
    assert_eq!(bench.commands(), NOTHING, "no gap to read");
    assert_eq!(bench.core.status().done_up_to, Some(0));
    bench.left(LeaveReason::BufferSize);
    bench.join(GroupSeen {
        checkpoint: Some(TOMBSTONE_REVISION),
        last_number: Some(TOMBSTONE_REVISION),
        ..group()
    });
    let status = bench.core.status();
    assert_eq!((status.done_up_to, status.last_number), (Some(0), None));
}

#[test]
fn words_of_another_session_change_nothing() {
    let mut bench = Bench::joined(settings());
    let others = |bench: &mut Bench| {
        bench.input(Input::Left {
            session: SessionId(99),
            why: LeaveReason::Ended,
        });
        bench.input(Input::Refused {
            why: JoinRefusal::Taken,
        });
        bench.input(Input::Joined {
            session: SessionId(98),
            buffer_size: 100,
            group: group(),
        });
    };
    others(&mut bench);
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.commands(), NOTHING);
    assert_eq!(bench.core.status().state, PipelineState::Running);
    bench.deliver("s-1", 0);
    assert_eq!(bench.commands(), ["look s-1 metadata"]);
    // The same while it is leaving.
    bench.pass(Duration::from_secs(15));
    assert_eq!(bench.commands(), ["leave Waiting"]);
    others(&mut bench);
    bench.looked_up(LookupResult::NotDeleted);
    bench.written(0);
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.commands(), ["append s-1 after nothing: 0"]);
    bench.left(LeaveReason::Waiting);
    assert_eq!(bench.commands(), ["join 100"]);
}

#[test]
fn a_group_that_cannot_be_seen_matters_only_outside_of_it() {
    let unseen = |bench: &mut Bench, why| {
        bench.input(Input::GroupUnseen(why));
        bench.core.status().state
    };
    let mut bench = Bench::joined(settings());
    let unavailable = JoinRefusal::Unavailable;
    assert_eq!(unseen(&mut bench, unavailable), PipelineState::Running);
    bench.left(LeaveReason::BufferSize);
    for why in [JoinRefusal::Missing, JoinRefusal::Denied] {
        assert_eq!(unseen(&mut bench, why), PipelineState::Running, "{why:?}");
    }
    let retrying = PipelineState::Retrying(Side::Source);
    assert_eq!(unseen(&mut bench, unavailable), retrying);
    let why = JoinRefusal::Taken;
    bench.input(Input::Refused { why });
    assert_eq!(unseen(&mut bench, unavailable), PipelineState::Standby);
}

#[test]
fn a_checkpoint_at_a_tombstone_says_nothing_of_what_is_done() {
    let mut bench = Bench::joined_to(
        settings(),
        GroupSeen {
            checkpoint: Some(TOMBSTONE_REVISION - 1),
            last_number: None,
            ..group()
        },
    );
    assert_eq!(
        bench.core.status().done_up_to,
        Some(TOMBSTONE_REVISION - 1),
        "the last number that is one"
    );
    for last_number in [None, Some(TOMBSTONE_REVISION)] {
        bench = Bench::joined_to(
            settings(),
            GroupSeen {
                checkpoint: Some(TOMBSTONE_REVISION),
                last_number,
                ..group()
            },
        );
        let status = bench.core.status();
        assert_eq!((status.done_up_to, status.last_number), (None, None));
    }
}

#[test]
fn sessions_that_last_are_no_sign_of_a_deleted_stream() {
    for (brings, lasts) in [(true, 0), (false, 10), (false, 0)] {
        let mut bench = Bench::joined(settings());
        for number in 0..3 {
            if brings {
                bench.deliver_as(number, Item::Never(SkipReason::Unresolved));
            }
            bench.pass(Duration::from_secs(lasts));
            bench.left(LeaveReason::Ended);
            bench.pass(Duration::from_secs(1));
            bench.join(group());
        }
        let lookups = bench
            .commands()
            .contains(&"links from 0 count 1".to_owned());
        assert_eq!(lookups, !brings && lasts == 0, "{brings} {lasts}");
    }
}

#[test]
fn a_source_that_is_away_is_told_while_joined() {
    let mut bench = Bench::joined(settings());
    let side = Side::Source;
    for (reachable, state) in [
        (true, PipelineState::Running),
        (false, PipelineState::Retrying(side)),
        (true, PipelineState::Running),
    ] {
        bench.input(Input::Reachable { side, reachable });
        assert_eq!(bench.core.status().state, state);
    }
}

#[test]
fn session_that_lasts_shows_that_the_stream_is_there_again() {
    let mut bench = Bench::joined(settings());
    for _ in 0..2 {
        bench.left(LeaveReason::Ended);
        bench.pass(Duration::from_secs(1));
        bench.join(group());
    }
    let read = bench.last_read();
    bench.left(LeaveReason::Ended);
    let page = LinkPage::Deleted;
    bench.input(Input::LinksRead { read, page });
    let stopped = |bench: &Bench| matches!(bench.core.status().state, PipelineState::Stopped(_));
    assert!(stopped(&bench));
    bench.pass(Duration::from_secs(30));
    bench.input(Input::GroupSeen(group()));
    bench.join(group());
    bench.pass(Duration::from_secs(9));
    assert!(stopped(&bench));
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.core.status().state, PipelineState::Running);
}
