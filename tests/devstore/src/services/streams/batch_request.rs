//! What a batch write asks for, out of its options (protocol §4.2).
//!
//! Refuses what the real server refuses, in its words; never writes.

use ditto_protocol::shared::StreamIdentifier;
use ditto_protocol::streams::batch_append_req::Options;
use ditto_protocol::streams::batch_append_req::options::{DeadlineOption, ExpectedStreamPosition};

use super::batch_answer::Failure;
use super::proposed::Fault;
use super::writer::Write;
use crate::clock;
use crate::generation::Generation;
use crate::services::wire::stream_name;
use crate::store::Expected;

const EXPECTED_UNSET: &str = "Status(StatusCode=\"InvalidArgument\", Detail=\"'None' is not a valid EventStore.Client.Streams.BatchAppendReq+Types+Options+ExpectedStreamPositionOneofCase\")";

/// A write without events yet.
pub(super) fn begin(options: &Options) -> Result<Write, Failure> {
    let stream = stream_name(options.stream_identifier.as_ref())
        .ok_or_else(|| bad(no_stream_text(options.stream_identifier.as_ref())))?;
    if is_over(options.deadline_option.as_ref()) {
        return Err(Failure::Timeout);
    }
    let expected = match options.expected_stream_position {
        Some(ExpectedStreamPosition::StreamPosition(revision)) => Expected::Exact(revision),
        Some(ExpectedStreamPosition::NoStream(())) => Expected::NoStream,
        Some(ExpectedStreamPosition::Any(())) => Expected::Any,
        Some(ExpectedStreamPosition::StreamExists(())) => Expected::StreamExists,
        None => return Err(bad(EXPECTED_UNSET)),
    };
    Ok(Write {
        stream,
        expected,
        events: Vec::new(),
    })
}

fn no_stream_text(identifier: Option<&StreamIdentifier>) -> &'static str {
    match identifier {
        None => "Object reference not set to an instance of an object.",
        Some(_) => "Value cannot be null. (Parameter 'streamName')",
    }
}

/// Whether the time that the client gives is over already. Clients write all sorts of times here, some of them
/// absolute where a duration belongs (protocol §4.2): only the sign is looked at.
fn is_over(deadline: Option<&DeadlineOption>) -> bool {
    match deadline {
        None => false,
        Some(DeadlineOption::Deadline(within)) => (within.seconds, within.nanos) <= (0, 0),
        Some(DeadlineOption::Deadline21100(at)) => {
            let now = clock::since_1970();
            let at = (at.seconds, i64::from(at.nanos));
            at <= (
                i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
                i64::from(now.subsec_nanos()),
            )
        }
    }
}

pub(super) fn bad(text: impl Into<String>) -> Failure {
    Failure::BadRequest(text.into())
}

pub(super) fn fault_text(generation: Generation, fault: Fault) -> String {
    let text = match fault {
        Fault::Missing(name) if generation == Generation::V26_1_0 => {
            return format!(
                "Status(StatusCode=\"InvalidArgument\", Detail=\"Required Metadata Property '{name}' is missing\")"
            );
        }
        Fault::Missing(_) => "The given key was not present in the dictionary.",
        Fault::EmptyType => "Value cannot be empty. (Parameter 'eventType')",
        Fault::NoId => "Value cannot be null. (Parameter 'dto')",
        Fault::NilId => "Value cannot be an empty id. (Parameter 'eventId')",
        Fault::BadId => "Unrecognized Guid format.",
    };
    text.to_owned()
}
