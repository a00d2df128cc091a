//! The running daemon, asked over HTTP: where it listens, one request, one answer.
//!
//! Reads no more of a configuration than the address, so that a file with mistakes or secrets that this user may not read
//! is no obstacle. Never signals it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{ConfigurationFile, Exit, complain};
use crate::config::load::{Environment, listen};
use crate::config::settings::HttpSettings;
use crate::http::report::Report;

const CALL_TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: u64 = 64 << 20;
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
    match &*status {
        "200" => serde_json::from_str(&body)
            .with_context(|| format!("{address} does not answer as ditto does")),
        "421" => bail!("{address} answered 421: {}", body.trim_end()),
        _ => bail!("{address} answered {status}: check that ditto listens there"),
    }
}

/// Status and body of the answer to one request.
///
/// # Errors
/// Nobody answers within five seconds.
pub(super) async fn answer(address: &str, path: &str) -> anyhow::Result<(String, String)> {
    let answer = timeout(CALL_TIMEOUT, get(address, path))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .with_context(|| format!("failed to ask ditto at {address}: check that it runs"))?;
    let text = String::from_utf8(answer).context("the answer is not UTF-8")?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        bail!("{address} did not answer with HTTP");
    };
    let status = head.split(' ').nth(1).unwrap_or_default();
    Ok((status.to_owned(), body.to_owned()))
}

/// One request in HTTP/1.0: the answer ends with the connection.
async fn get(address: &str, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LARGEST_ANSWER).read_to_end(&mut answer).await?;
    Ok(answer)
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
