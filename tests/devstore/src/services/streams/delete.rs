//! Delete and Tombstone (protocol §4.3).
//!
//! Never recognises a repeated call: both write anew each time.

use std::sync::Arc;

use ditto_protocol::shared::StreamIdentifier;
use ditto_protocol::streams::delete_req::options::ExpectedStreamRevision as DeleteExpected;
use ditto_protocol::streams::tombstone_req::options::ExpectedStreamRevision as TombstoneExpected;
use ditto_protocol::streams::{
    DeleteReq, DeleteResp, TombstoneReq, TombstoneResp, delete_resp, tombstone_resp,
};
use tonic::Status;

use crate::node::Node;
use crate::services::admission::{Caller, Entry, Kind, admit};
use crate::services::status::{delete_wrong_expected, handler_exception, invalid, stream_deleted};
use crate::services::wire::stream_name;
use crate::store::{Expected, Refused};
use crate::users::Access;

pub(super) async fn delete(
    node: &Arc<Node>,
    caller: Caller,
    request: DeleteReq,
) -> Result<DeleteResp, Status> {
    let options = request.options.ok_or_else(handler_exception)?;
    let expected = match options.expected_stream_revision {
        Some(DeleteExpected::Revision(revision)) => Expected::Exact(revision),
        Some(DeleteExpected::NoStream(_)) => Expected::NoStream,
        Some(DeleteExpected::Any(_)) => Expected::Any,
        Some(DeleteExpected::StreamExists(_)) => Expected::StreamExists,
        None => return Err(unset("DeleteReq")),
    };
    let stream = name(options.stream_identifier.as_ref())?;
    enter(node, &caller, "Streams/Delete", &stream).await?;
    let at = node
        .store()
        .delete(&stream, expected)
        .map_err(|refused| refusal(&stream, expected, refused))?;
    Ok(DeleteResp {
        position_option: Some(delete_resp::PositionOption::Position(
            delete_resp::Position {
                commit_position: at,
                prepare_position: at,
            },
        )),
    })
}

pub(super) async fn tombstone(
    node: &Arc<Node>,
    caller: Caller,
    request: TombstoneReq,
) -> Result<TombstoneResp, Status> {
    let options = request.options.ok_or_else(handler_exception)?;
    let expected = match options.expected_stream_revision {
        Some(TombstoneExpected::Revision(revision)) => Expected::Exact(revision),
        Some(TombstoneExpected::NoStream(_)) => Expected::NoStream,
        Some(TombstoneExpected::Any(_)) => Expected::Any,
        Some(TombstoneExpected::StreamExists(_)) => Expected::StreamExists,
        None => return Err(unset("TombstoneReq")),
    };
    let stream = name(options.stream_identifier.as_ref())?;
    enter(node, &caller, "Streams/Tombstone", &stream).await?;
    let at = node
        .store()
        .tombstone(&stream, expected)
        .map_err(|refused| refusal(&stream, expected, refused))?;
    Ok(TombstoneResp {
        position_option: Some(tombstone_resp::PositionOption::Position(
            tombstone_resp::Position {
                commit_position: at,
                prepare_position: at,
            },
        )),
    })
}

async fn enter(
    node: &Node,
    caller: &Caller,
    call: &'static str,
    stream: &str,
) -> Result<(), Status> {
    let entry = Entry {
        call,
        kind: Kind::Write,
        stream: Some(stream),
        access: Some(Access::Delete(stream)),
    };
    admit(node, caller, entry).await
}

fn name(identifier: Option<&StreamIdentifier>) -> Result<String, Status> {
    stream_name(identifier).ok_or_else(handler_exception)
}

fn unset(request: &str) -> Status {
    invalid(format!(
        "'None' is not a valid EventStore.Client.Streams.{request}+Types+Options+ExpectedStreamRevisionOneofCase"
    ))
}

fn refusal(stream: &str, expected: Expected, refused: Refused) -> Status {
    match refused {
        Refused::WrongExpectedVersion { current } => {
            delete_wrong_expected(stream, expected, current)
        }
        Refused::StreamDeleted => stream_deleted(stream),
    }
}
