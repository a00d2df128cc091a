//! The group that ditto consumes, made by a client that is not ditto's.
//!
//! Never changes a group that exists.

use anyhow::{Context, Result};
use ditto_protocol::ids;
use ditto_protocol::persistent_subscriptions::CreateReq;
use ditto_protocol::persistent_subscriptions::create_req::{
    ConsumerStrategy, Options as Wire, Settings, StreamOptions, options, settings, stream_options,
};
use ditto_protocol::persistent_subscriptions::persistent_subscriptions_client::PersistentSubscriptionsClient;
use ditto_protocol::shared::Empty;

use crate::options::{Consumers, Options, Strategy};
use crate::writing::CATEGORY;

pub(crate) const GROUP: &str = "ditto";

/// The stream that it is on.
pub(crate) fn source_stream() -> String {
    format!("$ce-{CATEGORY}")
}

/// Makes the group.
///
/// # Errors
/// The server refuses it.
pub(crate) async fn create(address: &str, options: &Options, time_scale: f64) -> Result<()> {
    let mut client = PersistentSubscriptionsClient::connect(format!("http://{address}"))
        .await
        .context("failed to connect to the source")?;
    let request = CreateReq {
        options: Some(Wire {
            group_name: GROUP.to_owned(),
            settings: Some(group_settings(options, time_scale)),
            stream_option: Some(options::StreamOption::Stream(StreamOptions {
                stream_identifier: Some(ids::stream_identifier(&source_stream())),
                revision_option: Some(stream_options::RevisionOption::Start(Empty {})),
            })),
            ..Wire::default()
        }),
    };
    client
        .create(request)
        .await
        .context("failed to create the group")?;
    Ok(())
}

fn group_settings(options: &Options, time_scale: f64) -> Settings {
    let scaled = |ms: u64| {
        let scaled = std::time::Duration::from_millis(ms).mul_f64(time_scale);
        i32::try_from(scaled.as_millis()).unwrap_or(i32::MAX)
    };
    let (checkpoint_after, min, max) = if options.eager_checkpoints {
        (100, 1, 1)
    } else {
        (2_000, 10, 1_000)
    };
    let (max_subscriber_count, strategy) = match options.consumers {
        Consumers::One | Consumers::Standby => (1, ConsumerStrategy::DispatchToSingle),
        Consumers::Shared(Strategy::RoundRobin) => (0, ConsumerStrategy::RoundRobin),
        Consumers::Shared(Strategy::Pinned) => (0, ConsumerStrategy::Pinned),
    };
    Settings {
        resolve_links: true,
        message_timeout: Some(settings::MessageTimeout::MessageTimeoutMs(scaled(
            options.message_timeout_ms,
        ))),
        max_retry_count: options.max_retry_count,
        checkpoint_after: Some(settings::CheckpointAfter::CheckpointAfterMs(
            checkpoint_after,
        )),
        min_checkpoint_count: min,
        max_checkpoint_count: max,
        max_subscriber_count,
        live_buffer_size: 500,
        read_batch_size: 20,
        history_buffer_size: 500,
        named_consumer_strategy: strategy.into(),
        ..Settings::default()
    }
}
