//! Every series that ditto has, declared once: kind, name, labels and help text.
//!
//! From a row come the series' registration, its values at the start and its removal; `tests/setup/docs` compares the rows with
//! docs/monitoring.md. A counter or histogram begins at zero with every value of its labels, so that its first increase is seen as
//! one; a gauge has no series before its value is known. Never holds a value by itself.

use std::fmt;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts};

use super::label::{Label, combinations};

/// Seconds: from a fast LAN to a day's backlog.
const DELAYS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0,
];
/// Seconds: from a call within one machine to one that times out.
const CALLS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
/// Events: from one alone to the largest merged append.
const SIZES: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// A series that only grows.
pub(crate) type Counter = IntCounterVec;

/// Declares a set of series and what all sets can do. `gauge` is a whole number, `time` one of seconds.
macro_rules! series {
    (
        $(#[$doc:meta])*
        $set:ident {
            $($field:ident: $kind:ident $(($buckets:ident))?, $name:literal, [$($label:ident),*], $help:literal;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $set {
            $(pub(crate) $field: series!(@type $kind),)*
        }

        impl $set {
            /// Makes every series of the set, without a value.
            pub(super) fn new() -> prometheus::Result<Self> {
                Ok(Self {
                    $($field: series!(
                        @new $kind $(($buckets))?, $name, &[$(Label::$label.name()),*], $help
                    )?,)*
                })
            }

            /// Returns the rows of the table.
            pub(super) fn rows(&self) -> Vec<Row<'_>> {
                vec![$(Row {
                    family: &self.$field,
                    labels: &[$(Label::$label),*],
                    from_zero: series!(@from_zero $kind),
                },)*]
            }
        }
    };
    (@type counter) => { Counter };
    (@type gauge) => { IntGaugeVec };
    (@type time) => { GaugeVec };
    (@type histogram) => { HistogramVec };
    (@new histogram($buckets:ident), $name:literal, $labels:expr, $help:literal) => {
        HistogramVec::new(HistogramOpts::new($name, $help).buckets($buckets.to_vec()), $labels)
    };
    (@new $kind:ident, $name:literal, $labels:expr, $help:literal) => {
        <series!(@type $kind)>::new(Opts::new($name, $help), $labels)
    };
    (@from_zero gauge) => { false };
    (@from_zero time) => { false };
    (@from_zero $kind:ident) => { true };
}

series! {
    /// What ditto counts or notes when it happens.
    Noted {
        received: counter, "ditto_events_received_total", [Stream, Group],
            "Events delivered by the persistent subscription, copied or not.";
        unresolved: counter, "ditto_events_unresolved_total", [Stream, Group],
            "Links delivered whose event can no longer be read.";
        skipped: counter, "ditto_events_skipped_total", [Stream, Group, SkipReason],
            "Events acknowledged without being copied, by rule or by policy.";
        processed: counter, "ditto_events_processed_total", [Stream, Group],
            "Events written to the destination. One that another consumer of the group wrote at the same time counts too.";
        failed: counter, "ditto_events_failed_total", [Stream, Group],
            "Events that could not be copied: parked, or acknowledged by policy.";
        parked: counter, "ditto_events_parked_total", [Stream, Group, HeldReason],
            "Events that ditto put into the group's parked queue.";
        duplicate: counter, "ditto_events_duplicate_total", [Stream, Group, DuplicateReason],
            "Events already present at the destination before ditto sent them.";
        differ: counter, "ditto_events_differ_total", [Stream, Group],
            "Events whose content at the destination differs from the source's at the same id.";
        unverified: counter, "ditto_events_unverified_total", [Stream, Group],
            "Streams continued without a comparison of their last events, which can no longer be read.";
        truncated: counter, "ditto_streams_truncated_total", [Stream, Group],
            "Streams that another writer truncated or deleted at the destination.";
        holes: counter, "ditto_holes_total", [Stream, Group],
            "Events that the group never delivered and that ditto copied because the destination did not have them.";
        repairs: counter, "ditto_repairs_total", [Stream, Group],
            "Gaps in a stream for which ditto read the missing events from the source.";
        repaired: counter, "ditto_repaired_events_total", [Stream, Group],
            "Events written that were read from the source instead of being delivered.";
        placeholders: counter, "ditto_placeholders_total", [Stream, Group],
            "Empty events written in place of events that the source no longer has.";
        metadata_written: counter, "ditto_metadata_written_total", [Stream, Group],
            "Changes of stream metadata that a mirror wrote to the destination.";
        metadata_conflicts: counter, "ditto_metadata_conflicts_total", [Stream, Group],
            "Changes of stream metadata that met metadata of another writer at the destination.";
        metadata_refused: counter, "ditto_metadata_refused_total", [Stream, Group],
            "Changes of stream metadata that could not be copied.";
        deletions: counter, "ditto_deletions_total", [Stream, Group, DeletionKind],
            "Streams that a mirror deleted at the destination because the source deleted them.";
        deletions_passed: counter, "ditto_deletions_passed_total", [Stream, Group, DeletionKind],
            "Streams that the source deleted and that stay at the destination, as configured.";
        restarts: counter, "ditto_subscription_restarts_total", [Stream, Group],
            "Restarts of a subscription after a panic or a stall.";
        throttled: counter, "ditto_records_throttled_total", [Stream, Group],
            "Records that a Kinesis data stream refused for lack of throughput; each is sent again.";
        reconnects: counter, "ditto_reconnects_total", [Stream, Group, Side],
            "Connections that were lost and made again.";
        current_event: gauge, "ditto_current_event", [Stream, Group],
            "Event number, in the subscription's stream, of the event copied last.";
        delay: histogram(DELAYS), "ditto_replication_delay_seconds", [Stream, Group],
            "Time from the write of an event at the source to its write at the destination, by their clocks, in seconds.";
        append_events: histogram(SIZES), "ditto_append_events", [Stream, Group],
            "Size of one append, in events.";
        io_duration: histogram(CALLS), "ditto_io_duration_seconds", [ServerType, Resource, Operation],
            "Duration of calls to a server, in seconds.";
        build: gauge, "ditto_build_info", [Version],
            "Always 1; the label is the version of ditto.";
        start: time, "ditto_start_time_seconds", [],
            "Time when this process started, in seconds since 1970.";
        certificate_expiry: time, "ditto_tls_certificate_expiry_timestamp_seconds", [Side],
            "Time when the first of the certificates in use with this side expires, the server's or ditto's own, in seconds since 1970.";
        reloads: counter, "ditto_reloads_total", [ReloadResult],
            "Reloads of the configuration by their result.";
        last_reload: time, "ditto_config_last_reload_success_timestamp_seconds", [],
            "Time when a configuration was last taken into use, in seconds since 1970.";
        lines_dropped: counter, "ditto_log_lines_dropped_total", [],
            "Log lines lost because the journal did not take them in time.";
        otlp_sent: counter, "ditto_log_otlp_lines_sent_total", [],
            "Log lines that the OTLP endpoint took.";
        otlp_dropped: counter, "ditto_log_otlp_lines_dropped_total", [],
            "Log lines that the OTLP endpoint refused or did not take in time; the journal has them.";
        buffered_limit: gauge, "ditto_buffered_bytes_limit", [],
            "Size of the events that all subscriptions together can hold before they take no more, in bytes.";
    }
}

series! {
    /// The present state, read from the status at each scrape.
    Shown {
        up: gauge, "ditto_up", [Side],
            "1 if this side answers, 0 if ditto waits for it to answer.";
        reload: gauge, "ditto_config_last_reload_successful", [],
            "0 if the last reload was refused, otherwise 1.";
        state: gauge, "ditto_subscription_state", [Stream, Group, State],
            "1 for the state that the subscription is in, 0 for every other.";
        held: gauge, "ditto_streams_held", [Stream, Group, HeldReason],
            "Held streams: ditto does not write to them until their cause is gone.";
        parked: gauge, "ditto_parked_events", [Stream, Group],
            "Events in the group's parked queue, or as the server counts them if ditto has no permission to read it.";
        lag_events: gauge, "ditto_lag_events", [Stream, Group],
            "Events of the subscription's stream after the point up to which all are acknowledged.";
        lag_seconds: time, "ditto_lag_seconds", [Stream, Group],
            "Age of the oldest event that is not acknowledged, in seconds; 0 if there is none.";
        lag_bytes: gauge, "ditto_lag_bytes", [Stream, Group],
            "Bytes of the source's log, of all streams, after the point up to which a mirror has copied everything.";
        checkpoint_age: time, "ditto_checkpoint_age_seconds", [Stream, Group],
            "Time since a mirror's last checkpoint at the destination, in seconds.";
        in_flight: gauge, "ditto_in_flight_events", [Stream, Group],
            "Events sent to the destination and not answered.";
        buffered_bytes: gauge, "ditto_buffered_bytes", [Stream, Group],
            "Size of the events held in memory, in bytes.";
    }
}

/// One series of a set.
pub(super) struct Row<'a> {
    pub(super) family: &'a dyn Family,
    labels: &'static [Label],
    from_zero: bool,
}

impl Row<'_> {
    /// Shows zero for all values of its labels, if it is one that does; of a subscription, or of the process.
    pub(super) fn start(&self, subscription: Option<[&str; 2]>) {
        if self.from_zero {
            for values in combinations(self.labels, subscription) {
                self.family.start(&values);
            }
        }
    }

    /// Removes what it has of this subscription.
    pub(super) fn remove(&self, subscription: [&str; 2]) {
        if self.labels.contains(&Label::Stream) {
            for values in combinations(self.labels, Some(subscription)) {
                self.family.remove(&values);
            }
        }
    }
}

/// What a series of any kind can do.
pub(super) trait Family: Collector + fmt::Debug {
    /// Has a value for these labels from now on.
    fn start(&self, labels: &[&str]);
    /// Has none any more.
    fn remove(&self, labels: &[&str]);
    /// Another handle of the same series.
    fn collector(&self) -> Box<dyn Collector>;
}

impl<T: MetricVecBuilder + 'static> Family for MetricVec<T> {
    fn start(&self, labels: &[&str]) {
        self.with_label_values(labels);
    }

    fn remove(&self, labels: &[&str]) {
        // A series that was never made cannot be removed, and need not be.
        self.remove_label_values(labels).unwrap_or_default();
    }

    fn collector(&self) -> Box<dyn Collector> {
        Box::new(self.clone())
    }
}
