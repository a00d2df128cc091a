//! A line of ditto's log as OpenTelemetry's data model has it.
//!
//! Never leaves out what the journal gets: the body is the journal's line, the attributes are its fields.

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, Severity};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger};
use tracing::Level;

use crate::log::record::Record;

/// What sends: the same for all lines.
pub(super) fn resource(attributes: &[(String, String)]) -> Resource {
    let own = [
        ("service.name", "ditto".to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("host.name", crate::host::name()),
        ("process.pid", std::process::id().to_string()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    let all = own.into_iter().filter(|(_, value)| !value.is_empty());
    // The operator's stand over ditto's own.
    let all = all.chain(attributes.iter().cloned());
    Resource::builder_empty()
        .with_attributes(all.map(|(name, value)| opentelemetry::KeyValue::new(name, value)))
        .build()
}

pub(super) fn log_record(logger: &SdkLogger, record: &Record) -> SdkLogRecord {
    let mut log = logger.create_log_record();
    log.set_timestamp(record.time);
    log.set_observed_timestamp(record.time);
    log.set_target(record.place.target);
    let (severity, text) = match record.place.level {
        Level::ERROR => (Severity::Error, "ERROR"),
        Level::WARN => (Severity::Warn, "WARN"),
        Level::INFO => (Severity::Info, "INFO"),
        Level::DEBUG => (Severity::Debug, "DEBUG"),
        Level::TRACE => (Severity::Trace, "TRACE"),
    };
    log.set_severity_number(severity);
    log.set_severity_text(text);
    log.set_body(AnyValue::from(record.line()));
    // The constant part, by which lines can be grouped.
    log.add_attribute("ditto.message", record.message.clone());
    if let Some(id) = &record.message_id {
        log.add_attribute("ditto.message_id", id.clone());
    }
    for (name, value) in &record.fields {
        log.add_attribute(format!("ditto.{name}"), value.clone());
    }
    log
}
