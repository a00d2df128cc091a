//! Requests that make or change a group, read into settings and a source (protocol §2.4, §8.1). Never looks whether
//! the group exists.

use super::filter;
use super::manager::{GroupError, Key};
use super::position::Position;
use super::settings::{Settings, Strategy};
use super::source::Source;
use super::status;
use ditto_protocol::persistent_subscriptions::create_req::options::StreamOption;
use ditto_protocol::persistent_subscriptions::create_req::settings::{
    CheckpointAfter, MessageTimeout,
};
use ditto_protocol::persistent_subscriptions::create_req::{
    self, AllOptions, ConsumerStrategy, StreamOptions, all_options, stream_options,
};
use ditto_protocol::persistent_subscriptions::{CreateReq, UpdateReq};
use ditto_protocol::shared::StreamIdentifier;
use prost::Message;
use tonic::Status;

/// Ticks of the wire's times in a millisecond.
const TICKS_PER_MS: i64 = 10_000;

/// A group as a request describes it.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) key: Key,
    /// Where it reads.
    pub(crate) source: Source,
    pub(crate) settings: Settings,
}

/// Reads a Create request; `last` is the position of the last record in the log.
pub(crate) fn create(request: CreateReq, last: u64) -> Result<Wanted, Status> {
    let options = request.options.ok_or_else(status::exception)?;
    if let Some(StreamOption::All(AllOptions {
        filter_option: None,
        ..
    })) = options.stream_option
    {
        return Err(status::exception());
    }
    wanted(options, last)
}

/// Reads an Update request: the same message as Create's, less the filter and the strategy's name.
pub(crate) fn update(request: &UpdateReq, last: u64) -> Result<Wanted, Status> {
    let same =
        CreateReq::decode(request.encode_to_vec().as_slice()).map_err(|_| status::exception())?;
    wanted(same.options.ok_or_else(status::exception)?, last)
}

/// The name a stream identifier carries; the real server fails on one that is not UTF-8, as on one that is absent.
pub(crate) fn name(identifier: Option<StreamIdentifier>) -> Result<String, Status> {
    let bytes = identifier.ok_or_else(status::exception)?.stream_name;
    String::from_utf8(bytes.to_vec()).map_err(|_| status::exception())
}

fn wanted(mut options: create_req::Options, last: u64) -> Result<Wanted, Status> {
    let wire = options.settings.take().unwrap_or_default();
    let group = std::mem::take(&mut options.group_name);
    let (source, start) = source(options, &wire)?;
    let key = Key {
        source: source.name().to_owned(),
        group,
    };
    let refused = |reason: String| status::of(&GroupError::Failed(reason), &key);
    let strategy = strategy(&wire).map_err(refused)?;
    check_start(&source, start, last).map_err(refused)?;
    let settings = settings(&wire, start, strategy);
    Ok(Wanted {
        key,
        source,
        settings,
    })
}

#[allow(
    deprecated,
    reason = "older clients name the stream in the old field only"
)]
fn source(
    options: create_req::Options,
    wire: &create_req::Settings,
) -> Result<(Source, Position), Status> {
    match options.stream_option {
        None => Ok((
            Source::Stream(name(options.stream_identifier)?),
            Position::Stream(revision(wire.revision)?),
        )),
        Some(StreamOption::Stream(StreamOptions {
            stream_identifier,
            revision_option,
        })) => {
            let start = match revision_option.ok_or_else(status::exception)? {
                stream_options::RevisionOption::Revision(number) => revision(number)?,
                stream_options::RevisionOption::Start(_) => 0,
                stream_options::RevisionOption::End(_) => -1,
            };
            Ok((
                Source::Stream(name(stream_identifier)?),
                Position::Stream(start),
            ))
        }
        Some(StreamOption::All(AllOptions {
            all_option,
            filter_option,
        })) => {
            let start = match all_option.ok_or_else(status::exception)? {
                all_options::AllOption::Position(at) => {
                    position(at.commit_position, at.prepare_position)?
                }
                all_options::AllOption::Start(_) => Position::All {
                    commit: 0,
                    prepare: 0,
                },
                all_options::AllOption::End(_) => Position::All {
                    commit: -1,
                    prepare: -1,
                },
            };
            Ok((Source::All(filter::read(filter_option)?), start))
        }
    }
}

fn revision(number: u64) -> Result<i64, Status> {
    if number == u64::MAX {
        Ok(-1)
    } else {
        i64::try_from(number).map_err(|_| status::exception())
    }
}

fn position(commit: u64, prepare: u64) -> Result<Position, Status> {
    if prepare > commit {
        return Err(status::exception());
    }
    Ok(Position::All {
        commit: revision(commit)?,
        prepare: revision(prepare)?,
    })
}

fn check_start(source: &Source, start: Position, last: u64) -> Result<(), String> {
    let beyond = match (source, start) {
        (Source::Stream(name), _) if name == "$all" => {
            return Err(
                "Persistent subscriptions to $all are not supported as a stream.".to_owned(),
            );
        }
        (_, Position::All { commit, .. }) => {
            u64::try_from(commit).is_ok_and(|commit| commit > last)
        }
        (_, Position::Stream(_)) => false,
    };
    if beyond {
        return Err("Invalid Start From position: commit position must be less than or equal to the last commit \
                    position in the transaction file."
            .to_owned());
    }
    Ok(())
}

fn strategy(wire: &create_req::Settings) -> Result<Strategy, String> {
    let name = match wire.consumer_strategy.as_str() {
        "" => match wire.named_consumer_strategy() {
            ConsumerStrategy::DispatchToSingle => "DispatchToSingle",
            ConsumerStrategy::RoundRobin => "RoundRobin",
            ConsumerStrategy::Pinned => "Pinned",
        },
        name => name,
    };
    Strategy::named(name).ok_or_else(|| format!("Consumer strategy {name} does not exist."))
}

fn settings(wire: &create_req::Settings, start: Position, strategy: Strategy) -> Settings {
    let message_timeout_ms = match wire.message_timeout {
        Some(MessageTimeout::MessageTimeoutMs(ms)) => ms,
        Some(MessageTimeout::MessageTimeoutTicks(ticks)) => milliseconds(ticks),
        None => 0,
    };
    let checkpoint_after_ms = match wire.checkpoint_after {
        Some(CheckpointAfter::CheckpointAfterMs(ms)) => ms,
        Some(CheckpointAfter::CheckpointAfterTicks(ticks)) => milliseconds(ticks),
        None => 0,
    };
    Settings {
        resolve_links: wire.resolve_links,
        start,
        extra_statistics: wire.extra_statistics,
        message_timeout_ms,
        max_retry_count: wire.max_retry_count,
        // None at all: never by time.
        checkpoint_after_ms: if checkpoint_after_ms == 0 {
            i32::MAX
        } else {
            checkpoint_after_ms
        },
        min_checkpoint_count: wire.min_checkpoint_count,
        max_checkpoint_count: wire.max_checkpoint_count,
        max_subscriber_count: wire.max_subscriber_count,
        live_buffer_size: wire.live_buffer_size,
        read_batch_size: wire.read_batch_size,
        history_buffer_size: wire.history_buffer_size,
        strategy,
    }
}

fn milliseconds(ticks: i64) -> i32 {
    i32::try_from(ticks / TICKS_PER_MS).unwrap_or(if ticks < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ditto_protocol::ids::stream_identifier;
    use ditto_protocol::shared::Empty;

    fn request(settings: create_req::Settings, start: stream_options::RevisionOption) -> CreateReq {
        let stream = StreamOptions {
            stream_identifier: Some(stream_identifier("s")),
            revision_option: Some(start),
        };
        CreateReq {
            options: Some(create_req::Options {
                group_name: "g".to_owned(),
                settings: Some(settings),
                stream_option: Some(StreamOption::Stream(stream)),
                ..Default::default()
            }),
        }
    }

    #[test]
    fn unset_times_are_none_and_ticks_are_milliseconds() {
        let timed = create_req::Settings {
            message_timeout: Some(MessageTimeout::MessageTimeoutTicks(25 * TICKS_PER_MS)),
            checkpoint_after: Some(CheckpointAfter::CheckpointAfterTicks(50 * TICKS_PER_MS)),
            ..Default::default()
        };
        for (settings, expected) in [
            (create_req::Settings::default(), (0, i32::MAX)),
            (timed, (25, 50)),
        ] {
            let wanted = create(
                request(settings, stream_options::RevisionOption::Start(Empty {})),
                0,
            )
            .unwrap();
            assert_eq!(
                (
                    wanted.settings.message_timeout_ms,
                    wanted.settings.checkpoint_after_ms
                ),
                expected
            );
        }
    }

    #[test]
    fn starts_are_read_and_impossible_ones_refused() {
        use stream_options::RevisionOption::{End, Revision, Start};
        let cases = [
            (Start(Empty {}), Some(0)),
            (End(Empty {}), Some(-1)),
            (Revision(7), Some(7)),
            (Revision(u64::MAX - 1), None),
        ];
        for (start, expected) in cases {
            let wanted = create(request(create_req::Settings::default(), start), 0).ok();
            assert_eq!(
                wanted.map(|wanted| wanted.settings.start),
                expected.map(Position::Stream)
            );
        }
    }

    #[test]
    fn an_update_is_read_as_a_creation() {
        let wire = create_req::Settings {
            max_retry_count: 7,
            named_consumer_strategy: 2,
            ..Default::default()
        };
        let created = request(wire, stream_options::RevisionOption::Revision(3));
        let updated = UpdateReq::decode(created.encode_to_vec().as_slice()).unwrap();
        let [one, other] = [create(created, 0).unwrap(), update(&updated, 0).unwrap()];
        assert_eq!((one.settings, one.key), (other.settings, other.key));
    }
}
