//! Append: one write, sent as options and then one message for each event (protocol §4.1).
//!
//! Writes only after the last message has come; never a part of it.

use std::sync::Arc;

use ditto_protocol::shared::Empty;
use ditto_protocol::streams::append_req::options::ExpectedStreamRevision;
use ditto_protocol::streams::append_req::{Content, Options};
use ditto_protocol::streams::append_resp::success::{CurrentRevisionOption, PositionOption};
use ditto_protocol::streams::append_resp::wrong_expected_version as wrong;
use ditto_protocol::streams::append_resp::{
    Position, Result as Outcome, Success, WrongExpectedVersion,
};
use ditto_protocol::streams::{AppendReq, AppendResp};
use tonic::{Status, Streaming};

use super::proposed::{Fault, Parts};
use super::writer::{Size, Write, size_limit, write};
use crate::node::Node;
use crate::services::admission::{Caller, Entry, Kind, admit};
use crate::services::status::{
    bad_message, handler_exception, invalid, missing_metadata_property, stream_deleted, too_large,
};
use crate::services::wire::stream_name;
use crate::store::{Expected, Refused, Written};
use crate::users::Access;

const CALL: &str = "Streams/Append";
const EXPECTED_UNSET: &str = "'None' is not a valid EventStore.Client.Streams.AppendReq+Types+Options+ExpectedStreamRevisionOneofCase";

pub(super) async fn append(
    node: &Arc<Node>,
    caller: Caller,
    mut messages: Streaming<AppendReq>,
) -> Result<AppendResp, Status> {
    let Some(Content::Options(options)) = next(&mut messages).await?.flatten() else {
        return Err(handler_exception());
    };
    let (stream, expected) = target(&options)?;
    let entry = Entry {
        call: CALL,
        kind: Kind::Write,
        stream: Some(&stream),
        access: Some(Access::Write(&stream)),
    };
    admit(node, &caller, entry).await?;
    let mut events = Vec::new();
    let mut size = 0;
    while let Some(content) = next(&mut messages).await? {
        let Some(Content::ProposedMessage(message)) = content else {
            return Err(handler_exception());
        };
        let parts = Parts {
            id: message.id,
            metadata: message.metadata,
            custom_metadata: message.custom_metadata,
            data: message.data,
        };
        let counted = parts.size(node.append_limit());
        size += counted;
        let event = parts.check().map_err(fault)?;
        size_limit(node, CALL, &stream, Size::new(&event, counted, size))
            .inspect_err(|_| node.tally.oversized())
            .map_err(too_large)?;
        events.push(event);
    }
    let name = stream.clone();
    let result = match write(
        node,
        CALL,
        Write {
            stream,
            expected,
            events,
        },
    )
    .await
    {
        Ok(written) => Outcome::Success(success(&written)),
        Err(Refused::WrongExpectedVersion { current }) => {
            Outcome::WrongExpectedVersion(wrong_version(expected, current))
        }
        Err(Refused::StreamDeleted) => return Err(stream_deleted(&name)),
    };
    Ok(AppendResp {
        result: Some(result),
    })
}

/// The next message's content; `None` when the client has sent all.
async fn next(messages: &mut Streaming<AppendReq>) -> Result<Option<Option<Content>>, Status> {
    let message = messages.message().await.map_err(bad_message)?;
    Ok(message.map(|message| message.content))
}

fn target(options: &Options) -> Result<(String, Expected), Status> {
    let expected = match options.expected_stream_revision {
        Some(ExpectedStreamRevision::Revision(revision)) => Expected::Exact(revision),
        Some(ExpectedStreamRevision::NoStream(_)) => Expected::NoStream,
        Some(ExpectedStreamRevision::Any(_)) => Expected::Any,
        Some(ExpectedStreamRevision::StreamExists(_)) => Expected::StreamExists,
        None => return Err(invalid(EXPECTED_UNSET)),
    };
    let stream = stream_name(options.stream_identifier.as_ref()).ok_or_else(handler_exception)?;
    Ok((stream, expected))
}

fn fault(fault: Fault) -> Status {
    match fault {
        Fault::Missing(name) => missing_metadata_property(name),
        Fault::EmptyType | Fault::NoId | Fault::NilId | Fault::BadId => handler_exception(),
    }
}

fn success(written: &Written) -> Success {
    Success {
        current_revision_option: Some(match written.last_revision {
            Some(revision) => CurrentRevisionOption::CurrentRevision(revision),
            None => CurrentRevisionOption::NoStream(Empty {}),
        }),
        position_option: Some(match written.position {
            Some(at) => PositionOption::Position(Position {
                commit_position: at,
                prepare_position: at,
            }),
            None => PositionOption::NoPosition(Empty {}),
        }),
    }
}

/// All four oneofs are set: clients rely on it (protocol §2.3).
fn wrong_version(expected: Expected, current: Option<u64>) -> WrongExpectedVersion {
    let none = Empty {};
    let (old_current, new_current) = match current {
        Some(last) => (
            wrong::CurrentRevisionOption2060::CurrentRevision2060(last),
            wrong::CurrentRevisionOption::CurrentRevision(last),
        ),
        None => (
            wrong::CurrentRevisionOption2060::NoStream2060(none),
            wrong::CurrentRevisionOption::CurrentNoStream(none),
        ),
    };
    let (old_expected, new_expected) = match expected {
        Expected::Exact(revision) => (
            wrong::ExpectedRevisionOption2060::ExpectedRevision2060(revision),
            wrong::ExpectedRevisionOption::ExpectedRevision(revision),
        ),
        Expected::NoStream => (
            wrong::ExpectedRevisionOption2060::ExpectedRevision2060(u64::MAX),
            wrong::ExpectedRevisionOption::ExpectedNoStream(none),
        ),
        Expected::Any => (
            wrong::ExpectedRevisionOption2060::Any2060(none),
            wrong::ExpectedRevisionOption::ExpectedAny(none),
        ),
        Expected::StreamExists => (
            wrong::ExpectedRevisionOption2060::StreamExists2060(none),
            wrong::ExpectedRevisionOption::ExpectedStreamExists(none),
        ),
    };
    WrongExpectedVersion {
        current_revision_option_20_6_0: Some(old_current),
        expected_revision_option_20_6_0: Some(old_expected),
        current_revision_option: Some(new_current),
        expected_revision_option: Some(new_expected),
    }
}
