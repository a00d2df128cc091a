//! `ditto reload`: have the running daemon read its configuration again, and report its verdict.
//!
//! What `systemctl reload` runs, so that it fails when the daemon refuses. Never judges a configuration itself.

use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::daemon::{Address, ask};
use super::{Exit, complain_lines, say};
use crate::escape;
use crate::http::report::{ReloadReport, Report};

const POLL: Duration = Duration::from_millis(50);

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// Give up waiting for the result after this long.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = super::duration)]
    timeout: Duration,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    super::daemon::run(&arguments.address, async |address| {
        reload(address, arguments.timeout).await
    })
}

async fn reload(address: &str, limit: Duration) -> anyhow::Result<Exit> {
    let before = ask(address).await?;
    let number = |report: &Report| report.last_reload.as_ref().map_or(0, |last| last.number);
    signal(before.pid)?;
    let deadline = Instant::now() + limit;
    loop {
        let now = ask(address).await?;
        if now.pid != before.pid {
            bail!(
                "ditto ended and was started again (process {} is now {})",
                before.pid,
                now.pid
            );
        }
        if let Some(last) = &now.last_reload
            && last.number > number(&before)
        {
            return Ok(verdict(last));
        }
        if Instant::now() >= deadline {
            bail!("no verdict within {limit:?} (\"ditto status\" shows the last reload)");
        }
        sleep(POLL).await;
    }
}

fn signal(pid: u32) -> anyhow::Result<()> {
    let main = std::env::var("MAINPID").ok();
    if let Some(main) = main.filter(|main| *main != pid.to_string()) {
        bail!(
            "process {pid} answers, and the service is process {main} (check whether another ditto runs)"
        );
    }
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.with_context(|| format!("{pid} is no process"))?;
    kill_process(process, Signal::HUP).with_context(|| {
        format!("failed to signal process {pid} (run as root, or as the user of ditto)")
    })
}

fn verdict(last: &ReloadReport) -> Exit {
    match &*last.result {
        "applied" => say("the new configuration is in use"),
        "unchanged" => say("the configuration is unchanged"),
        _ => {
            let problems = last.problems.iter().map(|line| escape::line(line));
            let lines: Vec<_> = problems.collect();
            complain_lines(&format!(
                "the reload was refused; the old configuration stays in use:\n{}",
                lines.join("\n")
            ));
            return Exit::Configuration;
        }
    }
    Exit::Ok
}
