//! Processes that are measured or measured against: started, watched through /proc, ended.
//!
//! Never leaves one behind: each is killed when its handle is dropped.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::cell::{Cell, Shape};

/// Filling takes a while.
const UP_WITHIN: Duration = Duration::from_secs(120);

/// A development server.
#[derive(Debug)]
pub(crate) struct Devstore {
    pub(crate) address: SocketAddr,
    _child: Child,
}

impl Devstore {
    /// The source of a cell, filled.
    pub(crate) async fn source(cell: &Cell, events: u32) -> Result<Self> {
        Self::start(cell.shape, events, cell.model, cell.lines.source / 2).await
    }

    /// An empty destination.
    pub(crate) async fn destination(cell: &Cell) -> Result<Self> {
        Self::start(cell.shape, 0, cell.model, cell.lines.destination / 2).await
    }

    async fn start(shape: Shape, events: u32, model: bool, one_way: Duration) -> Result<Self> {
        let program =
            std::env::current_exe().context("failed to find the benchmark's own program")?;
        let mut command = Command::new(program);
        command
            .arg("serve")
            .args(["--events", &events.to_string()])
            .args(["--streams", &shape.streams.to_string()])
            .args(["--size", &shape.size.to_string()])
            .args(["--large-every", &shape.large_every.to_string()])
            .args(["--others", &shape.others.to_string()])
            .args(["--latency-us", &one_way.as_micros().to_string()]);
        if model {
            command.arg("--model");
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("failed to start a development server")?;
        let out = child.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        timeout(UP_WITHIN, BufReader::new(out).read_line(&mut line))
            .await
            .context("the development server did not come up in time")?
            .context("failed to read the server's address")?;
        let address = line
            .trim()
            .parse()
            .with_context(|| format!("no address: {line:?}"))?;
        Ok(Self {
            address,
            _child: child,
        })
    }

    /// For a connection string.
    pub(crate) fn connection_string(&self) -> String {
        format!("esdb://{}?tls=false", self.address)
    }

    /// Events appended over the network so far.
    pub(crate) async fn appended(&self) -> Result<u64> {
        let stats = get(self.address, "/stats").await?;
        stats["es"]["appendedEvents"]
            .as_u64()
            .context("/stats counts no appended events")
    }
}

/// A small HTTP GET of JSON, over loopback.
async fn get(address: SocketAddr, path: &str) -> Result<serde_json::Value> {
    let body = get_text(address, path).await?;
    serde_json::from_str(&body).with_context(|| format!("{path} is no JSON"))
}

async fn get_text(address: SocketAddr, path: &str) -> Result<String> {
    let asking = async {
        let mut socket = TcpStream::connect(address).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = timeout(Duration::from_secs(10), asking)
        .await
        .context("no answer in time")??;
    let body = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("no HTTP answer")?;
    String::from_utf8(answer[body + 4..].to_vec()).with_context(|| format!("{path} is no text"))
}

/// The streams that a mirror copies.
pub(crate) const MIRRORED: &str = "bench-*";

/// What the daemon under test reads of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// A persistent subscription to the category.
    Subscription,
    /// The log.
    Log,
}

impl Reads {
    fn section(self) -> String {
        match self {
            Self::Subscription => format!(
                "[[subscription]]\nstream = \"$ce-bench\"\ngroup = \"ditto-{}\"\n",
                uuid::Uuid::new_v4()
            ),
            Self::Log => format!("[[mirror]]\nname = \"bench\"\nstreams = [\"{MIRRORED}\"]\n"),
        }
    }
}

/// The daemon under test.
#[derive(Debug)]
pub(crate) struct Ditto {
    child: Child,
    http: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Ditto {
    /// Starts it with its default configuration between two servers.
    pub(crate) async fn start(
        program: &Path,
        source: &str,
        destination: &str,
        reads: Reads,
    ) -> Result<Self> {
        if !program.exists() {
            bail!(
                "{} is not there: build it with cargo build --release",
                program.display()
            );
        }
        let http = free_address()?;
        let folder = tempfile::tempdir().context("failed to make a folder")?;
        let file = folder.path().join("ditto.toml");
        let text = format!(
            "[source]\nconnection_string = \"{}\"\n\n[destination]\ntype = \"eventstore\"\nconnection_string = \"{}\"\n\n\
             {}\n[http]\nlisten = \"{http}\"\n\n[log]\nlevel = \"warn\"\n",
            source,
            destination,
            reads.section()
        );
        tokio::fs::write(&file, text)
            .await
            .context("failed to write a configuration")?;
        let child = Command::new(program)
            .arg("run")
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("failed to start ditto")?;
        Ok(Self {
            child,
            http,
            _folder: folder,
        })
    }

    /// Ends it as a crash does, and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("failed to kill ditto")
    }

    /// Up to where the mirror has copied the log, as its status says; `None`: not known yet.
    pub(crate) async fn mark(&self) -> Result<Option<u64>> {
        let status = get(self.http, "/status").await?;
        Ok(status["subscriptions"][0]["mark"]["commit"].as_u64())
    }

    /// The sum of a series over all its labels.
    pub(crate) async fn counted(&self, series: &str) -> Result<f64> {
        let text = get_text(self.http, "/metrics").await?;
        let lines = text.lines().filter_map(|line| line.strip_prefix(series));
        Ok(lines
            .filter(|rest| rest.starts_with(['{', ' ']))
            .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// CPU time so far, user and system.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // The name may hold blanks; fields are counted behind it.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().collect())
            .unwrap_or_default();
        let ticks = |place: usize| {
            fields
                .get(place)
                .and_then(|field| field.parse::<u64>().ok())
                .unwrap_or(0)
        };
        // utime and stime are fields 14 and 15 of the whole line; a tick is 10 ms on every Linux that Debian has.
        Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
    }

    /// Memory in use now and at most, in KiB.
    pub(crate) fn memory(&self) -> Result<(u64, u64)> {
        let status = self.read("status")?;
        let value = |key: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        };
        Ok((value("VmRSS:").unwrap_or(0), value("VmHWM:").unwrap_or(0)))
    }

    fn read(&self, file: &str) -> Result<String> {
        let id = self.child.id().context("ditto has ended")?;
        std::fs::read_to_string(format!("/proc/{id}/{file}")).context("failed to read /proc")
    }
}

/// An address of the loopback interface that nobody listens on.
fn free_address() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0));
    let listener = listener.context("failed to find a free port")?;
    listener.local_addr().context("failed to find a free port")
}
