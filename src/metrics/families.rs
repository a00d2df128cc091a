//! The series that are counted for every subscription, by name, with their help texts.
//!
//! Never a value: those belong to `subscription`. What is a state and not a count is in `gauges`.

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

const SUBSCRIPTION: [&str; 2] = ["stream", "group"];
const BY_REASON: [&str; 3] = ["stream", "group", "reason"];
/// From a fast LAN to a day's backlog.
const DELAY_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0,
];
const CALL_BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
const SIZE_BUCKETS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// Declares the struct and its registration from one table.
macro_rules! families {
    (
        plain { $($field:ident: $kind:ident, $name:literal, $labels:expr, $help:literal;)* }
        histograms { $($histogram:ident: $hname:literal, $hlabels:expr, $buckets:expr, $hhelp:literal;)* }
    ) => {
        /// One field for each series.
        #[derive(Debug)]
        pub(super) struct Families {
            $(pub(super) $field: $kind,)*
            $(pub(super) $histogram: HistogramVec,)*
        }

        impl Families {
            pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
                Ok(Self {
                    $($field: register(registry, $kind::new(Opts::new($name, $help), &$labels))?,)*
                    $($histogram: register(registry, HistogramVec::new(
                        HistogramOpts::new($hname, $hhelp).buckets($buckets.to_vec()),
                        &$hlabels,
                    ))?,)*
                })
            }
        }
    };
}

families! {
    plain {
        received: IntCounterVec, "ditto_events_received_total", SUBSCRIPTION,
            "Events handed over by the persistent subscription, copied or not.";
        unresolved: IntCounterVec, "ditto_events_unresolved_total", SUBSCRIPTION,
            "Links handed over whose event can no longer be read.";
        skipped: IntCounterVec, "ditto_events_skipped_total", BY_REASON,
            "Events acknowledged without being copied, by rule or by policy.";
        processed: IntCounterVec, "ditto_events_processed_total", SUBSCRIPTION,
            "Events written to the destination.";
        failed: IntCounterVec, "ditto_events_failed_total", SUBSCRIPTION,
            "Events that could not be copied: parked, or acknowledged by policy.";
        parked: IntCounterVec, "ditto_events_parked_total", BY_REASON,
            "Events that ditto put into the group's parked queue.";
        duplicate: IntCounterVec, "ditto_events_duplicate_total", BY_REASON,
            "Events that the destination had already.";
        differ: IntCounterVec, "ditto_events_differ_total", SUBSCRIPTION,
            "Events whose content at the destination differs from the source's at the same id.";
        unverified: IntCounterVec, "ditto_events_unverified_total", SUBSCRIPTION,
            "Streams continued without comparing their last events, because they can no longer be read.";
        truncated: IntCounterVec, "ditto_streams_truncated_total", SUBSCRIPTION,
            "Streams that another writer truncated or deleted at the destination.";
        holes: IntCounterVec, "ditto_holes_total", SUBSCRIPTION,
            "Events that the group never delivered and the destination lacked; they were copied all the same.";
        repairs: IntCounterVec, "ditto_repairs_total", SUBSCRIPTION,
            "Times that events between the destination's last and the delivered one were read from the source.";
        repaired: IntCounterVec, "ditto_repaired_events_total", SUBSCRIPTION,
            "Events written that were read from the source instead of being delivered.";
        placeholders: IntCounterVec, "ditto_placeholders_total", SUBSCRIPTION,
            "Empty events written for ones that the source no longer has.";
        restarts: IntCounterVec, "ditto_subscription_restarts_total", SUBSCRIPTION,
            "Times that a subscription failed by a panic or a stall and was started again.";
        throttled: IntCounterVec, "ditto_records_throttled_total", SUBSCRIPTION,
            "Records that a Kinesis data stream refused for want of throughput; each is sent again.";
        reconnects: IntCounterVec, "ditto_reconnects_total", ["stream", "group", "side"],
            "Connections that were lost and made anew.";
        current_event: IntGaugeVec, "ditto_current_event", SUBSCRIPTION,
            "Number in the subscription's stream of the event copied last.";
    }
    histograms {
        delay: "ditto_replication_delay_seconds", SUBSCRIPTION, DELAY_BUCKETS,
            "From the writing of an event at the source to its writing at the destination, by their clocks.";
        append_events: "ditto_append_events", SUBSCRIPTION, SIZE_BUCKETS,
            "Events in one append.";
        io_duration: "ditto_io_duration_seconds", ["type", "resource", "operation"], CALL_BUCKETS,
            "Duration of calls to a server.";
    }
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: prometheus::Result<C>,
) -> prometheus::Result<C> {
    let collector = collector?;
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
