//! The running daemon, asked over HTTP: where it listens, one request, one answer.
//!
//! Reads no more of a configuration than the address, so that a file with mistakes or secrets that this user may not read
//! is no obstacle. Never signals it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::StatusCode;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use super::{ConfigurationFile, Exit, complain};
use crate::config::load::{Environment, listen};
use crate::config::settings::HttpSettings;
use crate::http::report::Report;

const CALL_TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: usize = 64 << 20;
/// In `$RUNTIME_DIRECTORY`: where the daemon listens.
const RECORD: &str = "http";

/// Where the daemon is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Address {
    #[command(flatten)]
    file: ConfigurationFile,
    /// Address of the daemon, instead of the one in the configuration.
    #[arg(long, value_name = "URL", value_parser = address_of_url)]
    url: Option<String>,
}

impl Address {
    /// As given, as the daemon recorded it in the runtime directory that systemd names, or as configured.
    fn find(&self) -> anyhow::Result<String> {
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        let folder = std::env::var_os("RUNTIME_DIRECTORY");
        let recorded =
            folder.and_then(|folder| std::fs::read_to_string(Path::new(&folder).join(RECORD)).ok());
        match recorded {
            Some(address) => Ok(address.trim().to_owned()),
            None => Ok(configured(&self.file.config)?.to_string()),
        }
    }
}

/// Records in the runtime directory, if systemd gave one, where this process listens.
///
/// # Errors
/// The file cannot be written.
pub(super) fn record(address: SocketAddr) -> anyhow::Result<()> {
    let Some(folder) = std::env::var_os("RUNTIME_DIRECTORY") else {
        return Ok(());
    };
    let file = Path::new(&folder).join(RECORD);
    std::fs::write(&file, format!("{address}\n"))
        .with_context(|| format!("failed to write {}", file.display()))
}

/// `[http] listen`, whatever else is in the file.
fn configured(file: &Path) -> anyhow::Result<SocketAddr> {
    let hint = "give --url";
    match listen(file, &Environment::of_process(false)) {
        Ok(Some((origin, text))) => text.parse().with_context(|| {
            format!("{origin}: http.listen: {text:?} is no address and port ({hint})")
        }),
        Ok(None) => Ok(HttpSettings::default().listen),
        Err(problems) => bail!("{problems} ({hint})"),
    }
}

/// Runs a command that asks the daemon.
pub(super) fn run(
    address: &Address,
    command: impl AsyncFnOnce(&str) -> anyhow::Result<Exit>,
) -> Exit {
    let outcome = address.find().and_then(|address| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("failed to start")?;
        runtime.block_on(command(&address))
    });
    outcome.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        Exit::Failed
    })
}

/// The whole report.
///
/// # Errors
/// Nobody answers within five seconds, or it is not ditto.
pub(super) async fn ask(address: &str) -> anyhow::Result<Report> {
    let (status, body) = answer(address, "/status").await?;
    match status {
        StatusCode::OK => serde_json::from_str(&body)
            .with_context(|| format!("{address} does not answer as ditto does")),
        StatusCode::MISDIRECTED_REQUEST => bail!("{address} answered 421: {}", body.trim_end()),
        _ => bail!("{address} answered {status}: check that ditto listens there"),
    }
}

/// Status and body of the answer to one request.
///
/// # Errors
/// Nobody answers within five seconds.
pub(super) async fn answer(address: &str, path: &str) -> anyhow::Result<(StatusCode, String)> {
    timeout(CALL_TIMEOUT, get(&format!("http://{address}{path}")))
        .await
        .unwrap_or_else(|_| Err(anyhow!("no answer within {CALL_TIMEOUT:?}")))
        .with_context(|| format!("failed to ask ditto at {address}: check that it runs"))
}

async fn get(url: &str) -> anyhow::Result<(StatusCode, String)> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let (head, body) = client.get(url.parse()?).await?.into_parts();
    let body = Limited::new(body, LARGEST_ANSWER).collect().await;
    let body = body.map_err(|error| anyhow!(error))?.to_bytes();
    let text = String::from_utf8(body.into()).context("the answer is not UTF-8")?;
    Ok((head.status, text))
}

/// `http://HOST:PORT` → `HOST:PORT`.
fn address_of_url(url: &str) -> Result<String, String> {
    let expected = "expected http://HOST:PORT";
    let rest = url.strip_prefix("http://").ok_or(expected)?;
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(authority.to_owned())
        }
        None if !authority.is_empty() => Ok(format!("{authority}:80")),
        _ => Err(expected.to_owned()),
    }
}
