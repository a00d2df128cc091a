//! Every command is carried out, and every answer comes back as its input.

use std::time::Duration;

use tokio::time::Instant;

use super::played::{Asked, SourceScript, Stage, event};
use super::played_destination::Answering;
use crate::pipeline::replicate::drive::{Machine, drive};
use crate::pipeline::replicate::persistent::Group;
use crate::pipeline::replicate::{Outcome, run};
use ditto_core::event::StreamName;
use ditto_core::port::{
    Append, AppendId, Command, Expected, Input, LeaveReason, LookupId, LookupRange, Moment,
    PipelineState, ReadFrom, ReadId, Side, Status, StopReason, WriteId,
};

fn word(input: &Input) -> &'static str {
    match input {
        Input::Joined { .. } => "joined",
        Input::Delivery { .. } => "delivery",
        Input::Appended {
            append: AppendId(1),
            ..
        } => "appended",
        Input::LookedUp {
            lookup: LookupId(2),
            ..
        } => "looked",
        Input::MetadataDone {
            write: WriteId(3), ..
        } => "metadata",
        Input::SourceRead {
            read: ReadId(4), ..
        } => "source",
        Input::LinksRead {
            read: ReadId(5), ..
        } => "links",
        Input::ParkedRead {
            read: ReadId(6), ..
        } => "parked",
        Input::GroupSeen(_) => "group",
        Input::Reachable {
            side: Side::Source,
            reachable: true,
        } => "source reachable",
        Input::Reachable {
            side: Side::Destination,
            reachable: true,
        } => "destination reachable",
        other => panic!("unexpected {other:?}"),
    }
}

/// Joins, gives every other command at once, leaves when all are answered, and finishes.
#[derive(Default)]
struct Everything {
    inputs: Vec<&'static str>,
    asked: bool,
}

impl Machine for Everything {
    fn handle(&mut self, _now: Moment, input: Input, out: &mut Vec<Command>) {
        if let Input::Joined { session, .. } = input {
            out.extend([
                Command::Poll { session, on: true },
                Command::Ack {
                    session,
                    ids: vec![event(0).id],
                },
                Command::Park {
                    session,
                    ids: vec![event(1).id],
                    reason: "ditto: why".to_owned(),
                },
            ]);
            out.extend(questions());
        }
        let word = match input {
            Input::Tick if !self.asked => {
                self.asked = true;
                out.push(Command::Join { buffer_size: 10 });
                return;
            }
            Input::Budget { .. } | Input::Tick => return,
            Input::Left { why, .. } => {
                assert_eq!(why, LeaveReason::BufferSize);
                let why = StopReason::Asked { clean: true };
                out.push(Command::Finished { why, left: 7 });
                return;
            }
            other => word(&other),
        };
        self.inputs.push(word);
        if self.inputs.len() == 11 {
            self.inputs.sort_unstable();
            let expected = [
                "appended",
                "delivery",
                "destination reachable",
                "group",
                "joined",
                "links",
                "looked",
                "metadata",
                "parked",
                "source",
                "source reachable",
            ];
            assert_eq!(self.inputs, expected);
            let session = ditto_core::port::SessionId(1);
            out.push(Command::Leave {
                session,
                why: LeaveReason::BufferSize,
            });
        }
    }

    fn status(&self) -> Status {
        status()
    }
}

fn questions() -> [Command; 9] {
    let stream = || StreamName::from("customer-1");
    [
        Command::Append(Append {
            id: AppendId(1),
            stream: stream(),
            expected: Expected::NoStream,
            events: vec![event(0)],
            alone: false,
        }),
        Command::Lookup {
            lookup: LookupId(2),
            stream: stream(),
            range: LookupRange::Metadata,
            max_bytes: 1,
        },
        Command::WriteMetadata {
            write: WriteId(3),
            stream: stream(),
            max_age: None,
            truncate_before: Some(1),
        },
        Command::ReadSource {
            read: ReadId(4),
            stream: stream(),
            from: ReadFrom::Revision(0),
            count: 1,
            max_bytes: 1,
        },
        Command::ReadLinks {
            read: ReadId(5),
            from: 0,
            count: 1,
            max_bytes: 1,
        },
        Command::ReadParked {
            read: ReadId(6),
            from: 0,
            count: 1,
        },
        Command::AskGroup,
        Command::Probe { side: Side::Source },
        Command::Probe {
            side: Side::Destination,
        },
    ]
}

fn status() -> Status {
    Status {
        state: PipelineState::Standby,
        buffer_size: 10,
        append_limit: 1,
        events_buffered: 3,
        source_answers: Some(true),
        destination_answers: Some(true),
        ..Status::default()
    }
}

fn one_delivery() -> SourceScript {
    SourceScript {
        deliveries: 1,
        last_number: Some(0),
        ..SourceScript::default()
    }
}

#[tokio::test(start_paused = true)]
async fn every_command_is_carried_out_and_every_answer_comes_back() {
    let stage = Stage::new(one_delivery(), Answering::Well);
    let outcome = drive(Everything::default(), Group::new(), stage.pipeline).await;
    assert_eq!(
        outcome,
        Outcome::Stopped {
            clean: true,
            left: 7
        }
    );
    let asked = stage.asked.lock().unwrap().clone();
    let expected = [
        Asked::Poll(true),
        Asked::Ack(1),
        Asked::Park(1, "ditto: why".to_owned()),
        Asked::Leave,
    ];
    assert_eq!(asked, expected);
}

/// Says nothing, whatever it hears.
struct Mute;

impl Machine for Mute {
    fn handle(&mut self, _: Moment, _: Input, _: &mut Vec<Command>) {}

    fn status(&self) -> Status {
        status()
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_over_soon_after_its_deadline_whatever_happens() {
    let stage = Stage::new(one_delivery(), Answering::Well);
    let began = Instant::now();
    stage
        .stop
        .send_replace(Some(began + Duration::from_secs(10)));
    let outcome = drive(Mute, Group::new(), stage.pipeline).await;
    assert_eq!(
        outcome,
        Outcome::Stopped {
            clean: false,
            left: 3
        }
    );
    assert!(
        began.elapsed() <= Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_acknowledges_what_was_written_and_leaves() {
    let script = SourceScript {
        deliveries: 20,
        last_number: Some(19),
        ..SourceScript::default()
    };
    let stage = Stage::new(script, Answering::Well);
    let running = tokio::spawn(run(stage.pipeline));
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage
        .stop
        .send_replace(Some(Instant::now() + Duration::from_secs(10)));
    assert_eq!(
        running.await.unwrap(),
        Outcome::Stopped {
            clean: true,
            left: 0
        }
    );
    let asked = stage.asked.lock().unwrap().clone();
    let acknowledged: usize = asked
        .iter()
        .map(|asked| match asked {
            Asked::Ack(count) => *count,
            _ => 0,
        })
        .sum();
    assert_eq!((acknowledged, asked.last()), (20, Some(&Asked::Leave)));
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_gone_means_stop_at_once() {
    let stage = Stage::new(one_delivery(), Answering::Silent);
    let running = tokio::spawn(run(stage.pipeline));
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(stage.stop);
    let outcome = tokio::time::timeout(Duration::from_secs(5), running)
        .await
        .unwrap()
        .unwrap();
    assert!(
        matches!(outcome, Outcome::Stopped { clean: false, .. }),
        "{outcome:?}"
    );
}
