//! `ditto run`: the daemon.
//!
//! Short and in order: log, version, settings, address, runtimes, run. Never opens a socket before the settings are valid.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tracing::{error, info};

use super::{ConfigurationFile, Exit};
use crate::config::load::{Environment, load};
use crate::config::settings::Settings;
use crate::daemon::{self, Finish, Launcher, Notifier, Parts};
use crate::http;
use crate::log::{self, Log, message_id};
use crate::metrics::Metrics;
use crate::status::ProcessStatus;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigurationFile,
    /// End once everything is copied that the sources had at the start, instead of when told to stop; 2 if a stream is held
    #[arg(long, value_name = "STATE")]
    until: Option<Until>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Until {
    /// Everything is copied that the sources had at the start.
    CaughtUp,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let file = &arguments.file.config;
    let log = match log::start() {
        Ok(log) => Arc::new(log),
        Err(error) => {
            super::complain(&format!("failed to start the log: {error:#}"));
            return Exit::Failed;
        }
    };
    info!(ditto.version = env!("CARGO_PKG_VERSION"), ditto.file = %file.display(), "ditto is starting");
    let loaded = match load(file, &Environment::of_process(true)) {
        Ok(loaded) => loaded,
        Err(problems) => {
            for problem in &problems.0 {
                error!(message_id = message_id::CONFIGURATION_INVALID, "{problem}");
            }
            http::turn_away(
                "ditto is not running: its configuration is not valid, see \"ditto check\"",
            );
            return Exit::Configuration;
        }
    };
    log.set_level(&loaded.settings.log.level);
    if let Some(otlp) = &loaded.settings.log.otlp
        && let Err(error) = log.ship(otlp)
    {
        error!(ditto.reason = %error, "failed to start the thread that sends log lines to [log.otlp]");
        return Exit::Failed;
    }
    daemon::report(&loaded);
    match serve(file, loaded.settings, log.clone(), arguments.until) {
        Ok(finish) => exit(finish, arguments.until),
        Err(error) => {
            error!("{error:#}");
            Exit::Failed
        }
    }
}

/// A stream that is held, or a stop that needs an operator, is the daemon's daily life, and news to whom it ends for.
fn exit(finish: Finish, until: Option<Until>) -> Exit {
    match until {
        Some(Until::CaughtUp) if finish.stuck => Exit::Failed,
        Some(Until::CaughtUp) if finish.held > 0 => Exit::Incomplete,
        _ => Exit::Ok,
    }
}

fn serve(
    file: &Path,
    settings: Settings,
    log: Arc<Log>,
    until: Option<Until>,
) -> anyhow::Result<Finish> {
    let listeners = http::listen(settings.http.listen)?;
    announce(&settings, &listeners)?;
    if let Some(address) = listeners.first().and_then(|first| first.local_addr().ok()) {
        super::daemon::record(reachable(address))?;
    }
    // Handlers before READY: a signal must never find the default action, which ends the process.
    let pipelines =
        daemon::runtime::for_pipelines().context("failed to start the pipelines' threads")?;
    let supervising = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the supervisor's runtime")?;
    let metrics = Metrics::new().context("failed to register the metrics")?;
    let status = ProcessStatus::new();
    metrics
        .show(status.clone())
        .context("failed to register the metrics")?;
    let path = file.to_owned();
    let finish = supervising.block_on(async {
        let (control, forward) = daemon::watch_signals().context("failed to handle signals")?;
        let mut services = tokio::task::JoinSet::new();
        services.spawn(forward);
        let service = http::Service {
            status: status.clone(),
            metrics: metrics.clone(),
            facts: http::Facts::new(file, &settings),
            hosts: http::Hosts::new(&settings.http.allowed_hosts),
        };
        let service = Arc::new(service);
        for listener in listeners {
            services.spawn(http::serve(listener, service.clone()));
        }
        let launcher = Arc::new(Launcher::new(&settings, metrics.clone()));
        let parts = Parts {
            launcher,
            pipelines: pipelines.handle().clone(),
            status,
            metrics,
            notifier: Notifier::of_process(),
            control,
            load: Arc::new(move || load(&path, &Environment::of_process(true))),
            log: Some(log),
            file: file.to_owned(),
            until_caught_up: matches!(until, Some(Until::CaughtUp)),
        };
        tokio::select! {
            finish = daemon::run(settings, parts) => Ok(finish),
            // They work as long as the daemon does: one that ends has failed, and a restart mends it.
            ended = services.join_next() => match ended {
                Some(Err(error)) => Err(error).context("a service of the daemon failed"),
                _ => bail!("a service of the daemon ended"),
            },
        }
    })?;
    // What a library's task still does must not hold up the end.
    pipelines.shutdown_background();
    tracing::debug!(ditto.clean = finish.clean, "the end");
    Ok(finish)
}

/// An address of this machine at which a listener on every address is reached.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn announce(settings: &Settings, listeners: &[std::net::TcpListener]) -> anyhow::Result<()> {
    let addresses: Vec<String> = listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.to_string()))
        .collect::<std::io::Result<_>>()
        .context("failed to read the listening address")?;
    info!(
        message_id = message_id::STARTED,
        ditto.version = env!("CARGO_PKG_VERSION"),
        ditto.source = settings.source.nodes.addresses(),
        ditto.destination = settings.destination.address(),
        ditto.subscriptions = settings.subscriptions.len(),
        ditto.mirrors = settings.mirrors.len(),
        ditto.http = %addresses.join(","),
        "ditto is configured"
    );
    Ok(())
}
