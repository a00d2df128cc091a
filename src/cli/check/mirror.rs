//! What a mirror needs of both sides: the source's log, and its own checkpoint at the destination.
//!
//! Only reads. What only a write shows is not known.

use super::connect::Finding::{self, Fine, Problem};
use crate::config::settings::MirrorSettings;
use crate::destination::event_store::checkpoint_stream;
use crate::eventstore::client::Client;
use crate::eventstore::{Class, Error};

/// Looks at one mirror; without a destination at its source alone.
pub(super) async fn mirror(
    source: &Client,
    destination: Option<&Client>,
    settings: &MirrorSettings,
    findings: &mut Vec<Finding>,
) {
    let name = format!("mirror {}", settings.name);
    findings.push(match source.log_end().await {
        Ok(_) => Fine(format!("{name}: the source's log can be read")),
        Err(error) => unreadable(&name, "$all", &error),
    });
    let Some(destination) = destination else {
        return;
    };
    let stream = checkpoint_stream(&settings.name);
    findings.push(match destination.last_revision(&stream).await {
        Ok(Some(_)) => Fine(format!("{name}: the destination has its checkpoint")),
        Ok(None) => Fine(format!(
            "{name}: the destination has no checkpoint; ditto will begin with the log's first event"
        )),
        Err(error) => unreadable(&name, stream.as_str(), &error),
    });
}

/// Streams of the server's own are for `$admins`, unless their access control list says otherwise.
fn unreadable(name: &str, stream: &str, error: &Error) -> Finding {
    Problem(match error.class() {
        Class::Denied => format!(
            "{name}: {error} (add the user to $admins, or grant it the permission to read {stream})"
        ),
        _ => format!("{name}: {}", error.with_hint()),
    })
}
