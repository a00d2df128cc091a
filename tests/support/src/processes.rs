//! Programs of this workspace as processes: starts them, signals them, tells when one ends too early, ends them. Whatever
//! happens to the program that started them, short of a kill -9, never leaves one behind.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
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
pub struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts a program that lies beside this one. It is in a process group of its own, so that Ctrl-C reaches this one
    /// alone and it can end the others in order.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(
        name: &'static str,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> Result<Self> {
        let program = beside_this_program(name)?;
        let output = (Stdio::inherit(), Stdio::inherit());
        Self::spawn(name, &program, arguments, variables, output)
    }

    /// Starts a program of that path, with everything that it prints in a file.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_logged(
        name: &'static str,
        program: &Path,
        arguments: &[&str],
        log: &File,
    ) -> Result<Self> {
        let copy = || log.try_clone().context("failed to share the log");
        Self::spawn(
            name,
            program,
            arguments,
            &[],
            (copy()?.into(), copy()?.into()),
        )
    }

    /// Starts a development server on this address, and returns it with the addresses that it prints once it listens:
    /// those of all its nodes.
    ///
    /// # Errors
    /// It does not listen in time.
    pub async fn start_server(listen: &str, more: &[&str]) -> Result<(Self, Vec<String>)> {
        let arguments = [&["--listen", listen], more].concat();
        let program = beside_this_program("devstore")?;
        let output = (Stdio::piped(), Stdio::inherit());
        let mut server = Self::spawn("devstore", &program, &arguments, &[], output)?;
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
        match line.trim_end().split_once(" on ") {
            Some((_, addresses)) => {
                let addresses = addresses.split(", ").map(str::to_owned).collect();
                Ok((server, addresses))
            }
            None => bail!("devstore cannot listen on {listen}"),
        }
    }

    fn spawn(
        name: &'static str,
        program: &Path,
        arguments: &[&str],
        variables: &[(&str, String)],
        (stdout, stderr): (Stdio, Stdio),
    ) -> Result<Self> {
        let child = Command::new(program)
            .args(arguments)
            .stdout(stdout)
            .stderr(stderr)
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start {}", program.display()))?;
        Ok(Self { name, child })
    }

    /// The most memory that it had at any time, in bytes, as the kernel counts it; `None` after its end.
    #[must_use]
    pub fn most_memory(&self) -> Option<u64> {
        let pid = self.child.id()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// The system does not say.
    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal to a process that has not ended.
    ///
    /// # Errors
    /// The signal cannot be sent.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if let Some(pid) = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
        {
            kill_process(pid, signal).with_context(|| format!("failed to signal {}", self.name))?;
        }
        Ok(())
    }

    /// Ends it as `kill -9` does, and waits until it has ended.
    ///
    /// # Errors
    /// It cannot be ended.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Returns only if the process ends, and then with an error: nothing here ends by itself.
    pub async fn ended_early(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => anyhow::anyhow!("{} ended by itself with {status}", self.name),
            Err(error) => {
                anyhow::Error::new(error).context(format!("failed to wait for {}", self.name))
            }
        }
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn end(mut self) -> Result<ExitStatus> {
        match timeout(COMMAND, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} was still running after {COMMAND:?}", self.name),
        }
    }

    /// Asks it to end with SIGTERM and waits until it has.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        match timeout(END, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} was still running {END:?} after SIGTERM", self.name),
        }
    }
}

/// `127.0.0.1:preferred`, or another port of this machine where that one is taken.
///
/// # Errors
/// No port is free.
pub fn free_address(preferred: u16) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, preferred))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("failed to find a free port")?;
    Ok(listener.local_addr()?.to_string())
}

/// The path of a program of this workspace.
///
/// # Errors
/// This program's own folder is not known.
pub fn beside_this_program(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("failed to find this program's folder")?;
    Ok(this.parent().unwrap_or(Path::new(".")).join(name))
}
