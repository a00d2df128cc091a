//! What an operator should know of a subscription's stream that holds nothing: its name may be misspelt, or nothing
//! fills it.
//!
//! Only asks. Never takes an empty stream for a mistake: it may be filled later.

use crate::eventstore::client::Client;
use ditto_core::event::StreamName;

/// The warning, for a stream that was found without an event.
pub(crate) async fn warning(client: &Client, stream: &StreamName) -> String {
    let Some(projection) = projection(stream) else {
        return format!("{stream} holds no event: check the name");
    };
    match client.projection_state(projection).await {
        Ok(state) if state.starts_with("Running") => {
            format!("{stream} holds no event: check the name; the source's {projection} is {state}")
        }
        Ok(state) => format!(
            "{stream} holds no event: start the source's projection {projection}, which is {state}"
        ),
        Err(error) => format!(
            "{stream} holds no event: check the name, and whether the source's projection {projection} is running, which \
             is not known: {}",
            error.detail()
        ),
    }
}

/// The system projection that fills a stream (protocol §6.2).
fn projection(stream: &StreamName) -> Option<&'static str> {
    let name = stream.as_str();
    [
        ("$ce-", "$by_category"),
        ("$et-", "$by_event_type"),
        ("$bc-", "$by_correlation_id"),
        ("$category-", "$stream_by_category"),
    ]
    .into_iter()
    .find_map(|(prefix, projection)| name.starts_with(prefix).then_some(projection))
    .or((name == "$streams").then_some("$streams"))
}
