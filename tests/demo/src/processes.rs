//! The three processes of the demo: starts them, tells when one ends too early, ends them. Whatever happens to the demo
//! itself, short of a kill -9, never leaves one behind.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a process of ours may take to begin listening.
const START: Duration = Duration::from_secs(10);
/// How long a command that ends by itself may take.
const COMMAND: Duration = Duration::from_secs(30);
/// How long it may take to end when asked to: longer than ditto's own `shutdown_timeout`.
const END: Duration = Duration::from_secs(15);

/// A program of this workspace that runs.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts a program that lies beside this one. It is in a process group of its own, so that Ctrl-C reaches the demo
    /// alone and it can end the others in order.
    pub(crate) fn start(
        name: &'static str,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> Result<Self> {
        Self::spawn(name, arguments, variables, Stdio::inherit())
    }

    /// Starts a development server on `127.0.0.1:preferred`, or on a free port where that one is taken, and returns it
    /// with the address that it prints once it listens.
    pub(crate) async fn start_server(preferred: u16) -> Result<(Self, String)> {
        let listen = free_address(preferred)?;
        let mut server = Self::spawn("devstore", &["--listen", &listen], &[], Stdio::piped())?;
        let output = server
            .child
            .stdout
            .take()
            .context("devstore has no output")?;
        let mut line = String::new();
        let mut output = BufReader::new(output);
        match timeout(START, output.read_line(&mut line)).await {
            Ok(read) => read.context("failed to read devstore's output")?,
            Err(_) => bail!("devstore does not listen on {listen} after {START:?}"),
        };
        match line.trim_end().rsplit_once(' ') {
            Some((_, address)) => Ok((server, address.to_owned())),
            None => bail!("devstore cannot listen on {listen}"),
        }
    }

    fn spawn(
        name: &'static str,
        arguments: &[&str],
        variables: &[(&str, String)],
        stdout: Stdio,
    ) -> Result<Self> {
        let program = beside_this_program(name)?;
        let child = Command::new(&program)
            .args(arguments)
            .stdout(stdout)
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start {}", program.display()))?;
        Ok(Self { name, child })
    }

    /// Returns only if the process ends, and then with an error: nothing here ends by itself.
    pub(crate) async fn ended_early(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => anyhow::anyhow!("{} ended by itself with {status}", self.name),
            Err(error) => {
                anyhow::Error::new(error).context(format!("failed to wait for {}", self.name))
            }
        }
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn end(mut self) -> Result<ExitStatus> {
        match timeout(COMMAND, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} was still running after {COMMAND:?}", self.name),
        }
    }

    /// Asks it to end with SIGTERM and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<ExitStatus> {
        if let Some(pid) = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
        {
            kill_process(pid, Signal::TERM)
                .with_context(|| format!("failed to stop {}", self.name))?;
        }
        match timeout(END, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} was still running {END:?} after SIGTERM", self.name),
        }
    }
}

/// `127.0.0.1:preferred`, or another port of this machine where that one is taken.
pub(crate) fn free_address(preferred: u16) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, preferred))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("failed to find a free port")?;
    Ok(listener.local_addr()?.to_string())
}

fn beside_this_program(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("failed to find this program's folder")?;
    Ok(this.parent().unwrap_or(Path::new(".")).join(name))
}
