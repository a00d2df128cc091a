//! `make demo`: two development servers and the real ditto between them. First thirty events are copied from a category, then
//! a small database is mirrored while ditto is killed and started again; each time a reader of its own compares both sides,
//! then `ditto verify`. Never changes anything outside its own processes.

mod database;
mod seed;
mod show;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use support::processes::{Process, free_address};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::show::{Addresses, copy_and_compare, how_to_go_on};

/// The ports of ditto.toml.
const SOURCE_PORT: u16 = 2113;
const DESTINATION_PORT: u16 = 4113;
const PAGE_PORT: u16 = 5000;

#[derive(Debug, Parser)]
#[command(about = "Shows ditto's main job on two development servers and compares both sides")]
struct Arguments {
    /// ditto's configuration
    #[arg(long, default_value = "tests/demo/ditto.toml")]
    config: PathBuf,
    /// The same for the second act
    #[arg(long, default_value = "tests/demo/mirror.toml")]
    mirror: PathBuf,
    /// Stay up afterwards and print how to add and to look at events
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to tell if not even this can be written.
            let _unwritable = writeln!(io::stderr(), "demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether both sides are identical.
async fn run(arguments: &Arguments) -> Result<bool> {
    let mut interrupt = Interrupt::new()?;
    let mut processes = Processes::default();
    let outcome = tokio::select! {
        outcome = show(&mut processes, arguments) => outcome,
        () = interrupt.recv() => Err(anyhow!("interrupted")),
    };
    if arguments.keep
        && let Ok((at, _)) = &outcome
    {
        how_to_go_on(at)?;
        tokio::select! {
            error = processes.ended_early() => return Err(error),
            () = interrupt.recv() => {}
        }
    }
    let stopped = processes.stop().await;
    let (_, identical) = outcome?;
    stopped?;
    Ok(identical)
}

async fn show(processes: &mut Processes, arguments: &Arguments) -> Result<(Addresses, bool)> {
    let at = processes.start_servers().await?;
    let first = copy(processes, &at, &arguments.config).await?;
    let second = mirror(processes, &at, &arguments.mirror).await?;
    Ok((at, first && second))
}

/// The first act: a category, through a group.
async fn copy(processes: &mut Processes, at: &Addresses, config: &Path) -> Result<bool> {
    let seeded = show::seed(at).await?;
    let ditto = Ditto::new(at, config)?;
    processes.ditto = Some(ditto.start(&["run"])?);
    let judged = async {
        let identical = copy_and_compare(at, seeded).await?;
        Ok(ditto.verify().await? && identical)
    };
    processes.beside(judged).await
}

/// The second act: everything, from the source's log, with a kill in the middle.
async fn mirror(processes: &mut Processes, at: &Addresses, config: &Path) -> Result<bool> {
    processes.stop_ditto().await?;
    let database = show::fill(at, config).await?;
    let ditto = Ditto::new(at, config)?;
    processes.ditto = Some(ditto.start(&["run"])?);
    let part = database.copied(database.events / 3);
    let part = processes.beside(part).await?;
    processes.kill_ditto().await?;
    show::killed(part, &database)?;
    processes.ditto = Some(ditto.start(&["run"])?);
    let judged = async {
        let identical = show::mirrored(&database).await?;
        Ok(ditto.verify().await? && identical)
    };
    processes.beside(judged).await
}

/// Two servers and ditto between them, as far as they have been started. Dropped, it leaves nothing running.
#[derive(Debug, Default)]
struct Processes {
    source: Option<Process>,
    destination: Option<Process>,
    ditto: Option<Process>,
}

impl Processes {
    async fn start_servers(&mut self) -> Result<Addresses> {
        let (server, source) = Process::start_server(&free_address(SOURCE_PORT)?, &[]).await?;
        self.source = Some(server);
        let listen = free_address(DESTINATION_PORT)?;
        let (server, destination) = Process::start_server(&listen, &[]).await?;
        self.destination = Some(server);
        let only = |addresses: Vec<String>| addresses.into_iter().next();
        Ok(Addresses {
            source: only(source).context("the source has no address")?,
            destination: only(destination).context("the destination has no address")?,
            page: free_address(PAGE_PORT)?,
        })
    }

    /// Returns only if one that was started ends.
    async fn ended_early(&mut self) -> anyhow::Error {
        async fn of(process: &mut Option<Process>) -> anyhow::Error {
            match process {
                Some(process) => process.ended_early().await,
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            error = of(&mut self.ditto) => error,
            error = of(&mut self.source) => error,
            error = of(&mut self.destination) => error,
        }
    }

    /// Does the work as long as none ends.
    async fn beside<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            outcome = work => outcome,
            error = self.ended_early() => Err(error),
        }
    }

    /// Its exit status must say that it drained.
    async fn stop_ditto(&mut self) -> Result<()> {
        if let Some(ditto) = self.ditto.take() {
            let status = ditto.stop().await?;
            if !status.success() {
                bail!("ditto ended with {status} when it was stopped");
            }
        }
        Ok(())
    }

    async fn kill_ditto(&mut self) -> Result<()> {
        match self.ditto.take() {
            Some(ditto) => ditto.kill().await,
            None => Ok(()),
        }
    }

    /// Ditto first, so that it can drain.
    async fn stop(mut self) -> Result<()> {
        self.stop_ditto().await?;
        for server in [self.source, self.destination].into_iter().flatten() {
            server.stop().await?;
        }
        Ok(())
    }
}

/// How ditto is called here: the checked-in file as it is; addresses that differ from it are given as variables.
#[derive(Debug)]
struct Ditto {
    config: String,
    variables: Vec<(&'static str, String)>,
}

impl Ditto {
    fn new(at: &Addresses, config: &Path) -> Result<Self> {
        let variables = [
            (
                "DITTO__SOURCE__CONNECTION_STRING",
                server(&at.source),
                SOURCE_PORT,
            ),
            (
                "DITTO__DESTINATION__CONNECTION_STRING",
                server(&at.destination),
                DESTINATION_PORT,
            ),
            ("DITTO__HTTP__LISTEN", at.page.clone(), PAGE_PORT),
        ];
        let config = config
            .to_str()
            .context("the configuration's path is not UTF-8")?;
        Ok(Self {
            config: config.to_owned(),
            variables: variables
                .into_iter()
                .filter(|(_, value, port)| !value.contains(&format!(":{port}")))
                .map(|(name, value, _)| (name, value))
                .collect(),
        })
    }

    /// Whether its own comparison finds both sides equal, and nothing behind.
    async fn verify(&self) -> Result<bool> {
        show::say("\nand ditto's own proof, while it runs (ditto verify --strict):\n")?;
        let verify = self.start(&["verify", "--strict"])?;
        Ok(verify.end().await?.success())
    }

    fn start(&self, command: &[&str]) -> Result<Process> {
        let arguments = [command, &["--config", &self.config]].concat();
        Process::start("ditto", &arguments, &self.variables)
    }
}

fn server(address: &str) -> String {
    format!("esdb://{address}?tls=false")
}

/// Ctrl-C and SIGTERM, caught from before the first process is started.
struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    fn new() -> Result<Self> {
        let of = |kind| signal(kind).context("failed to catch signals");
        Ok(Self {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
        })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
