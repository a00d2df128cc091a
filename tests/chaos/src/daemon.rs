//! One ditto: the real program as a process, its configuration, its log, what it says of itself.
//!
//! Never takes its word for anything that the servers can be asked.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use support::processes::{Process, Signal};

use crate::control;

/// What the log may never say: a panic of ditto's own code, a pipeline that stood still.
const NEVER: [&str; 2] = ["panicked at src/", "no progress for a minute"];

/// A daemon, running or not.
#[derive(Debug)]
pub(crate) struct Daemon {
    program: PathBuf,
    folder: PathBuf,
    name: String,
    configuration: String,
    starts: usize,
    process: Option<Process>,
}

impl Daemon {
    pub(crate) fn new(program: &Path, folder: &Path, name: String, configuration: String) -> Self {
        Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            name,
            configuration,
            starts: 0,
            process: None,
        }
    }

    /// Starts it, unless it runs.
    pub(crate) fn start(&mut self) -> Result<()> {
        if self.process.is_some() {
            return Ok(());
        }
        self.write_configuration(&self.configuration)?;
        self.starts += 1;
        let log = File::create(self.log_file()).context("failed to make a log")?;
        let file = self.configuration_file();
        let file = file.to_str().context("a folder that is not UTF-8")?;
        let arguments = ["run", "--config", file];
        self.process = Some(Process::start_logged(
            "ditto",
            &self.program,
            &arguments,
            &log,
        )?);
        Ok(())
    }

    /// `kill -9`; false if it does not run.
    pub(crate) async fn kill(&mut self) -> Result<bool> {
        match self.process.take() {
            Some(process) => process.kill().await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Sends a signal; false if it does not run.
    pub(crate) fn signal(&self, signal: Signal) -> Result<bool> {
        match &self.process {
            Some(process) => process.signal(signal).map(|()| true),
            None => Ok(false),
        }
    }

    /// SIGHUP, with a configuration that differs in a setting of the subscription, or the same.
    pub(crate) fn reload(&mut self, changed: bool) -> Result<bool> {
        if changed {
            let is_changed = self.configuration.contains("max_append_events = 7");
            let setting = if is_changed { "50" } else { "7" };
            let lines: Vec<String> = self
                .configuration
                .lines()
                .map(|line| match line.starts_with("max_append_events") {
                    true => format!("max_append_events = {setting}"),
                    false => line.to_owned(),
                })
                .collect();
            self.configuration = lines.join("\n");
            self.write_configuration(&self.configuration)?;
        }
        self.signal(Signal::HUP)
    }

    /// SIGTERM, and its end, which must be a clean one.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        if let Some(process) = self.process.take() {
            let status = process.stop().await?;
            if !status.success() {
                bail!("{} ended with {status} when it was asked to", self.name);
            }
        }
        Ok(())
    }

    /// What speaks against it: it ended by itself, or its log says what it may never say.
    pub(crate) fn complaint(&mut self) -> Result<Option<String>> {
        if let Some(process) = &mut self.process
            && let Some(status) = process.has_ended()?
        {
            return Ok(Some(format!("{} ended by itself: {status}", self.name)));
        }
        for start in 1..=self.starts {
            let log = self.log(start);
            let found = NEVER.iter().find_map(|never| {
                let at = log.lines().find(|line| line.contains(never))?;
                Some(format!("{} logged: {at}", self.name))
            });
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Its own status, if it runs and answers.
    pub(crate) async fn status(&self) -> Option<Value> {
        self.process.as_ref()?;
        let log = self.log(self.starts);
        let address = log.split(" http=").nth(1)?.split_whitespace().next()?;
        control::request(address, "GET", "/status", None).await.ok()
    }

    /// The most memory that this process had at any time, as the kernel counts it; `None` if it does not run.
    pub(crate) fn most_memory(&self) -> Option<u64> {
        self.process.as_ref()?.most_memory()
    }

    /// The last lines of its log.
    pub(crate) fn last_words(&self, count: usize) -> String {
        let log = self.log(self.starts);
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(count)..];
        format!("{}, start {}:\n{}", self.name, self.starts, last.join("\n"))
    }

    fn log(&self, start: usize) -> String {
        std::fs::read(self.folder.join(format!("{}-{start}.log", self.name)))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder
            .join(format!("{}-{}.log", self.name, self.starts))
    }

    fn configuration_file(&self) -> PathBuf {
        self.folder.join(format!("{}.toml", self.name))
    }

    fn write_configuration(&self, text: &str) -> Result<()> {
        std::fs::write(self.configuration_file(), text).context("failed to write a configuration")
    }
}
