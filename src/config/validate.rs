//! From the written tree to [`Settings`]: the one place where a configuration is judged.
//!
//! Reports every mistake, not only the first. Never opens a file: what named files hold is judged by `files`.

mod kinesis;
mod mirror;
mod otlp;
mod side;
mod subscription;

use std::cell::RefCell;
use std::time::Duration;

use super::files::NamedFile;
use super::raw::Table;
use super::section::Section;
use super::settings::{DaemonSettings, HttpSettings, LogSettings, Settings};
use ditto_values::problem::{Collector, Origin};

pub(crate) use side::CredentialsDirectory;
use side::{destination, not_the_same, source};

/// The environment's part in the meaning of a configuration.
#[derive(Debug)]
pub(crate) struct Context<'p> {
    pub(crate) credentials: CredentialsDirectory,
    pub(crate) problems: &'p Collector,
    /// What is allowed and yet worth a word.
    pub(crate) notes: &'p Collector,
    /// Files that are named, for whoever may open them.
    pub(crate) files: &'p RefCell<Vec<NamedFile>>,
}

/// Judges a tree. `None` only if something was reported.
pub(crate) fn validate(tree: Table, file: Origin, context: &Context<'_>) -> Option<Settings> {
    let mut root = Section::new(context.problems, "", file, tree);
    let source = source(&mut root, context);
    let (destination, kind) = destination(&mut root, context);
    let daemon = daemon(root.section("daemon"));
    let defaults = subscription::replication(
        root.section("replication"),
        &super::settings::Replication::default(),
        kind,
    );
    let around = subscription::Around {
        defaults: &defaults,
        daemon: &daemon,
        destination: kind,
        context,
    };
    let subscriptions = subscription::subscriptions(root.sections("subscription"), &around);
    let mirrors = mirror::mirrors(root.sections("mirror"), &subscriptions, &around);
    let http = http(root.section("http"));
    let log = log(root.section("log"), context);
    root.finish();
    let (source, destination) = (source?, destination?);
    not_the_same(&source, &destination, context.problems);
    Some(Settings {
        source: source.settings,
        destination: destination.settings,
        daemon,
        subscriptions,
        mirrors,
        http,
        log,
    })
}

fn daemon(mut section: Section<'_>) -> DaemonSettings {
    let default = DaemonSettings::default();
    let timeout = section.duration(
        "shutdown_timeout",
        Duration::from_millis(100)..=Duration::from_secs(3600),
    );
    let bytes = section.size("max_buffered_bytes", 1 << 20..=64 << 30);
    section.finish();
    DaemonSettings {
        shutdown_timeout: timeout.map_or(default.shutdown_timeout, |found| found.value),
        max_buffered_bytes: bytes
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or(default.max_buffered_bytes),
    }
}

fn http(mut section: Section<'_>) -> HttpSettings {
    let default = HttpSettings::default();
    let listen = section.socket_address("listen");
    let allowed_hosts = section.host_names("allowed_hosts");
    section.finish();
    HttpSettings {
        listen: listen.unwrap_or(default.listen),
        allowed_hosts,
    }
}

fn log(mut section: Section<'_>, context: &Context<'_>) -> LogSettings {
    const LEVELS: &str = "\"error\", \"warn\", \"info\", \"debug\", \"trace\", \"off\" or directives such as \
                          \"info,ditto=debug\"";
    let mut settings = LogSettings::default();
    if let Some(level) = section.name("level") {
        match crate::config::directives::judge(&level.value) {
            Ok(()) => settings.level = level.value,
            Err(hint) => {
                let text = format!("found {:?}, expected {LEVELS}{hint}", level.value);
                section.problem(&level.origin, "level", text);
            }
        }
    }
    if section.has("otlp") {
        settings.otlp = otlp::otlp(section.section("otlp"), context);
    }
    section.finish();
    settings
}
