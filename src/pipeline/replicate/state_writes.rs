//! Metadata on its way to the destination: appends apart from the events', which the core numbers as writes.
//!
//! One that was under way when its call ended goes alone when it is sent again, and one at a time: so those that end no call
//! get through, and the one that does is found. Never sends anything again by itself, and never judges a server by one append.

use std::collections::{BTreeMap, VecDeque};

use crate::destination::{Abort, Appends};
use ditto_core::event::{Event, StreamName};
use ditto_core::port::{Answer, Append, AppendId, AppendOutcome, Expected, WriteId};

/// A server that ends and begins again may end as many calls with the same append in it.
const ENDS: u32 = 3;

/// Writes whose call ended that are remembered: what the core has given up is never sent again.
const REMEMBERED: usize = 1_000;

/// What is under way, and what waits.
pub(super) struct StateWrites<A> {
    appends: A,
    answers: Vec<Answer>,
    /// Writes whose call ended, and how often it held nothing else.
    ended: BTreeMap<WriteId, u32>,
    /// The one that goes alone.
    alone: Option<WriteId>,
    waiting: VecDeque<Append>,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Became {
    /// It was answered, or nobody knows.
    Answered(AppendOutcome),
    /// It ended its call again and again with nothing else in it, in these words: if the server answers, it is the reason.
    EndsItsCall(String),
}

impl<A: Appends + Abort> StateWrites<A> {
    pub(super) fn new(appends: A) -> Self {
        Self {
            appends,
            answers: Vec::new(),
            ended: BTreeMap::new(),
            alone: None,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn send(
        &mut self,
        write: WriteId,
        stream: StreamName,
        expected: Expected,
        event: Event,
    ) {
        let alone = self.ended.contains_key(&write);
        let append = Append {
            id: AppendId(write.0),
            stream,
            expected,
            events: vec![event],
            alone,
        };
        if alone {
            self.waiting.push_back(append);
            self.send_alone();
        } else {
            self.appends.send(append);
        }
    }

    /// Ends all calls; what waits is not sent.
    pub(super) fn abort(&mut self) {
        self.appends.abort();
        // They come with the answer of the one that they waited for.
        let unsent = self.waiting.drain(..).map(|append| Answer::Appended {
            append: append.id,
            outcome: AppendOutcome::NotReady,
        });
        self.answers.extend(unsent);
    }

    /// Waits for answers. Loses nothing when dropped.
    pub(super) async fn answers(&mut self) {
        self.appends.answers(&mut self.answers).await;
    }

    /// What came.
    pub(super) fn take(&mut self) -> Vec<(WriteId, Became)> {
        let mut became = Vec::new();
        for answer in std::mem::take(&mut self.answers) {
            match answer {
                Answer::Appended { append, outcome } => {
                    let write = self.is_back(append);
                    let is_over =
                        !matches!(outcome, AppendOutcome::NotReady | AppendOutcome::NoAnswer);
                    if is_over {
                        self.ended.remove(&write);
                    }
                    became.push((write, Became::Answered(outcome)));
                }
                Answer::CallEnded {
                    unanswered, why, ..
                } => {
                    for append in unanswered {
                        let was_alone = self.alone == Some(WriteId(append.0));
                        let write = self.is_back(append);
                        // A silence blames none.
                        let ends = if why.silent {
                            0
                        } else {
                            let ends = self.ended.entry(write).or_default();
                            *ends += u32::from(was_alone);
                            *ends
                        };
                        if self.ended.len() > REMEMBERED {
                            self.ended.pop_first();
                        }
                        became.push((
                            write,
                            if ends >= ENDS {
                                Became::EndsItsCall(why.said.clone())
                            } else {
                                Became::Answered(AppendOutcome::NoAnswer)
                            },
                        ));
                    }
                }
            }
        }
        self.send_alone();
        became
    }

    fn is_back(&mut self, append: AppendId) -> WriteId {
        let write = WriteId(append.0);
        self.alone.take_if(|alone| *alone == write);
        write
    }

    fn send_alone(&mut self) {
        if self.alone.is_none()
            && let Some(append) = self.waiting.pop_front()
        {
            self.alone = Some(WriteId(append.id.0));
            self.appends.send(append);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ditto_core::port::CallEnd;
    use uuid::Uuid;

    /// What is sent over these is kept.
    #[derive(Default)]
    struct Kept(Vec<(u64, bool)>);

    impl Abort for Kept {
        fn abort(&mut self) {}
    }

    impl Appends for Kept {
        fn send(&mut self, append: Append) {
            self.0.push((append.id.0, append.alone));
        }

        async fn answers(&mut self, _: &mut Vec<Answer>) {
            std::future::pending().await
        }
    }

    struct Playing(StateWrites<Kept>);

    impl Playing {
        fn send(&mut self, writes: &[u64]) {
            for write in writes {
                let event = Event {
                    id: Uuid::nil(),
                    stream: "$$s".into(),
                    revision: 0,
                    event_type: "$metadata".into(),
                    is_json: true,
                    data: Bytes::new(),
                    metadata: Bytes::new(),
                    created: 0,
                };
                let expected = Expected::NoStream;
                self.0.send(WriteId(*write), "$$s".into(), expected, event);
            }
        }

        fn sent(&mut self) -> Vec<(u64, bool)> {
            std::mem::take(&mut self.0.appends.0)
        }

        fn ends(&mut self, unanswered: &[u64], silent: bool) -> Vec<(u64, Became)> {
            self.0.answers.push(Answer::CallEnded {
                lane: 0,
                unanswered: unanswered.iter().copied().map(AppendId).collect(),
                why: CallEnd {
                    silent,
                    why: String::new(),
                    said: "too large".to_owned(),
                },
            });
            self.took()
        }

        fn answers(&mut self, append: u64) -> Vec<(u64, Became)> {
            self.0.answers.push(Answer::Appended {
                append: AppendId(append),
                outcome: AppendOutcome::Written(0),
            });
            self.took()
        }

        fn took(&mut self) -> Vec<(u64, Became)> {
            let took = self.0.take().into_iter();
            took.map(|(write, became)| (write.0, became)).collect()
        }
    }

    fn playing() -> Playing {
        Playing(StateWrites::new(Kept::default()))
    }

    #[test]
    fn the_write_that_ends_its_call_is_found_and_all_others_get_through() {
        let mut playing = playing();
        let open = || Became::Answered(AppendOutcome::NoAnswer);
        let written = || Became::Answered(AppendOutcome::Written(0));
        playing.send(&[1, 2]);
        assert_eq!(playing.sent(), [(1, false), (2, false)]);
        let ended = playing.ends(&[1, 2], false);
        assert_eq!(ended, [(1, open()), (2, open())]);
        playing.send(&[2, 1]);
        assert_eq!(playing.sent(), [(2, true)], "one at a time");
        assert_eq!(playing.ends(&[2], false), [(2, open())]);
        assert_eq!(playing.sent(), [(1, true)]);
        assert_eq!(playing.answers(1), [(1, written())]);
        for end in 2..=ENDS {
            playing.send(&[2]);
            assert_eq!(playing.sent(), [(2, true)]);
            let told = if end < ENDS {
                open()
            } else {
                Became::EndsItsCall("too large".to_owned())
            };
            assert_eq!(playing.ends(&[2], false), [(2, told)], "{end}");
        }
        playing.send(&[3]);
        assert_eq!(playing.sent(), [(3, false)]);
    }

    #[test]
    fn what_waits_is_not_sent_once_the_calls_were_called_back() {
        let mut playing = playing();
        playing.send(&[1, 2]);
        playing.ends(&[1, 2], false);
        playing.send(&[1, 2]);
        assert_eq!(playing.sent(), [(1, false), (2, false), (1, true)]);
        playing.0.abort();
        let ended = playing.ends(&[1], true);
        let of = |outcome| Became::Answered(outcome);
        assert_eq!(
            ended,
            [
                (2, of(AppendOutcome::NotReady)),
                (1, of(AppendOutcome::NoAnswer))
            ]
        );
        assert_eq!(playing.sent(), []);
    }

    #[test]
    fn silence_blames_no_write() {
        let mut playing = playing();
        playing.send(&[1]);
        for _ in 0..=ENDS {
            assert_eq!(playing.sent(), [(1, false)]);
            let ended = playing.ends(&[1], true);
            assert_eq!(ended, [(1, Became::Answered(AppendOutcome::NoAnswer))]);
            playing.send(&[1]);
        }
    }
}
