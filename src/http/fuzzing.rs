//! What tests/fuzz calls of the server: one connection over which somebody sends anything.
//!
//! Only with the Cargo feature `fuzzing`. Never listens.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::answer::Service;
use super::hosts::Hosts;
use super::report::Facts;
use super::server::connection;
use crate::config::settings::Settings;
use crate::metrics::Metrics;
use crate::status::ProcessStatus;

/// What is under way between the two ends.
const PIPE: usize = 64 * 1024;

/// What answers for a daemon of these settings that has not begun.
#[must_use]
pub fn service(settings: &Settings) -> Option<Arc<Service>> {
    let (status, metrics) = (ProcessStatus::new(), Metrics::new().ok()?);
    metrics.show(status.clone()).ok()?;
    Some(Arc::new(Service {
        status,
        metrics,
        hosts: Hosts::new(&settings.http.allowed_hosts),
        facts: Facts::new(Path::new("ditto.toml"), settings),
    }))
}

/// Everything that comes back over a connection on which these bytes are sent.
pub async fn answers_to(service: Arc<Service>, sent: &[u8]) -> Vec<u8> {
    let (ours, theirs) = duplex(PIPE);
    let (mut reading, mut writing) = tokio::io::split(ours);
    let mut answers = Vec::new();
    let client = async {
        let send = async {
            // The server may close before it has read everything.
            drop(writing.write_all(sent).await);
            drop(writing.shutdown().await);
        };
        let read = reading.read_to_end(&mut answers);
        drop(tokio::join!(send, read));
    };
    tokio::join!(connection(theirs, service), client);
    answers
}
