//! One seed from beginning to end: start, write, disturb, relent, judge.
//!
//! Never asserts how long anything takes: times are deadlines.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use devstore::Generation;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::control::insist;
use crate::group;
use crate::judge::Judge;
use crate::nemesis::Nemesis;
use crate::options::Options;
use crate::others;
use crate::tally::Tally;
use crate::trouble::{self, LATE, SECOND, Side};
use crate::world::{BUDGET, World};
use crate::writing::{self, Plan};

/// The writers take this long: longer than the schedule, so that its last troubles strike something.
const WRITING: Duration = Duration::from_secs(12);
/// What the whole process may take beside its budget: itself, the reserve for repairs, what lies between its sockets and its
/// queues, and what an allocator keeps.
const BESIDE: u64 = 64 * 1024 * 1024;
/// How often the daemons are looked at.
const SAMPLE: Duration = Duration::from_millis(250);

/// What is the same for all seeds of a call.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The program under test.
    pub(crate) program: PathBuf,
    /// Where runs keep their logs.
    pub(crate) folder: PathBuf,
    /// The generation of both servers; each seed chooses if absent.
    pub(crate) server: Option<Generation>,
    pub(crate) time_scale: f64,
    /// After the faults have stopped.
    pub(crate) patience: Duration,
    /// Keep the logs of runs that passed.
    pub(crate) keep: bool,
}

/// What came of a seed.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) seed: u64,
    pub(crate) took: Duration,
    /// From the end of the faults until both sides were equal.
    pub(crate) settled: Duration,
    pub(crate) most_bytes: u64,
    pub(crate) tally: Tally,
    /// What is wrong; `None`: nothing.
    pub(crate) complaint: Option<String>,
}

/// Runs a seed.
pub(crate) async fn run(seed: u64, setting: &Setting) -> Verdict {
    let begin = Instant::now();
    let folder = setting.folder.join(format!("seed-{seed}"));
    let mut verdict = Verdict {
        seed,
        took: Duration::ZERO,
        settled: Duration::ZERO,
        most_bytes: 0,
        tally: Tally::default(),
        complaint: None,
    };
    let outcome = attempt(seed, setting, &folder, &mut verdict).await;
    verdict.complaint = outcome.err().map(|error| format!("{error:#}"));
    verdict.took = begin.elapsed();
    if verdict.complaint.is_none() && !setting.keep {
        // Only space is lost if it stays.
        drop(std::fs::remove_dir_all(&folder));
    }
    verdict
}

async fn attempt(seed: u64, setting: &Setting, folder: &Path, verdict: &mut Verdict) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).context("failed to remove the logs of an earlier run")?;
    }
    std::fs::create_dir_all(folder).context("failed to make a folder for logs")?;
    let options = Options::new(seed, setting.server);
    let plan = writing::plan(seed, &options);
    let world = World::start(&options, &setting.program, folder, setting.time_scale).await?;
    let world = Arc::new(world);
    let source = world.addresses(Side::Source);
    let hurry = Arc::new(AtomicBool::new(false));
    writing::write(source, &plan.first, Duration::ZERO, &hurry).await?;
    let leader = source.first().context("a source without an address")?;
    if options.copying.consumes() {
        group::create(leader, &options, setting.time_scale).await?;
    }
    if options.copying.mirrors() {
        others::truncate(leader).await?;
    }
    if options.flood {
        let late =
            json!({"fault": "refuse_connections", "lasts_ms": u64::try_from(LATE.as_millis())?});
        let until = Instant::now() + LATE;
        let destination = world.addresses(Side::Destination);
        insist(destination, "POST", "/devstore/faults", Some(&late), until).await?;
    }
    for daemon in &world.daemons {
        daemon.lock().await.start()?;
    }
    let sampler = Sampler::start(&world);
    let nemesis = Arc::new(Nemesis::new(Arc::clone(&world)));
    let log = Arc::new(Mutex::new(vec![options.to_string()]));
    let disturbed = disturb(seed, &options, &plan, &nemesis, &hurry, &log);
    let outcome = match disturbed.await {
        Ok(tally) => {
            verdict.tally = tally;
            let judge = (plan.linked, options.streams());
            settle(&world, judge, setting, verdict).await
        }
        Err(error) => Err(error),
    };
    let schedule = log.lock().await.join("\n");
    std::fs::write(folder.join("schedule.txt"), schedule)
        .context("failed to write the schedule")?;
    verdict.most_bytes = sampler.most_bytes().unwrap_or_default();
    verdict.tally.add(SECOND, sampler.seconds());
    let outcome = outcome.and_then(|()| within_budget(sampler.most_bytes()?));
    if let Err(error) = outcome {
        let report = report(&world, &error).await;
        std::fs::write(folder.join("report.txt"), report).context("failed to write a report")?;
        return Err(error);
    }
    Ok(())
}

async fn disturb(
    seed: u64,
    options: &Options,
    plan: &Plan,
    nemesis: &Arc<Nemesis>,
    hurry: &Arc<AtomicBool>,
    log: &Arc<Mutex<Vec<String>>>,
) -> Result<Tally> {
    let schedule = trouble::schedule(seed, options);
    let denied = schedule.iter().any(|(_, name, _)| *name == trouble::DENIED);
    let disturbing = async {
        nemesis.disturb(schedule, log).await?;
        nemesis.last_chance().await?;
        hurry.store(true, Ordering::Relaxed);
        let tally = nemesis.relent().await?;
        if denied {
            // What an operator does who has mended the rights, rather than to wait for the next look.
            nemesis.restart_daemons().await?;
        }
        Ok(tally)
    };
    let source = nemesis.world().addresses(Side::Source).to_vec();
    let writing = writing::write(&source, &plan.meanwhile, WRITING, hurry);
    let (tally, ()) = futures_util::try_join!(disturbing, writing)?;
    Ok(tally)
}

async fn settle(
    world: &World,
    (linked, streams): (u64, usize),
    setting: &Setting,
    verdict: &mut Verdict,
) -> Result<()> {
    let begin = Instant::now();
    let until = begin + setting.patience;
    let judge = Judge::new(world, linked, streams, until).await?;
    let equal = judge.until_equal(until).await;
    verdict.settled = begin.elapsed();
    complaints(world).await?;
    equal?;
    for daemon in &world.daemons {
        daemon.lock().await.stop().await?;
    }
    let differences = judge.differences().await?;
    if !differences.is_empty() {
        bail!("equal, and then not: {}", differences.join("; "));
    }
    let parked = judge.parked().await?;
    let by_ditto = parked.iter().find(|reason| reason.contains("ditto: "));
    if let Some(reason) = by_ditto {
        bail!("ditto parked an event: {reason}");
    }
    let asked_for = verdict.tally.of_name("source: park_instead");
    if parked.len() as u64 > asked_for {
        bail!(
            "the server parked {} events, {asked_for} of them on purpose",
            parked.len()
        );
    }
    let held = judge.held().await?;
    if !held.is_empty() && verdict.tally.of_name(trouble::DENIED) == 0 {
        bail!("ditto held streams: {}", held.join("; "));
    }
    complaints(world).await
}

async fn complaints(world: &World) -> Result<()> {
    for daemon in &world.daemons {
        if let Some(complaint) = daemon.lock().await.complaint()? {
            bail!("{complaint}");
        }
    }
    Ok(())
}

fn within_budget(most: u64) -> Result<()> {
    if most > BUDGET + BESIDE {
        bail!("ditto took {most} bytes, with a budget of {BUDGET} and {BESIDE} beside it");
    }
    Ok(())
}

async fn report(world: &World, error: &anyhow::Error) -> String {
    let mut text = format!("{error:#}\n");
    for daemon in &world.daemons {
        let daemon = daemon.lock().await;
        let status = daemon.status().await.unwrap_or(Value::Null);
        text += &format!("\n{status:#}\n{}\n", daemon.last_words(60));
    }
    text
}

/// Looks at the memory of the daemons, and at who stands by, while it lives.
struct Sampler {
    most: Arc<AtomicU64>,
    seconds: Arc<AtomicU64>,
    /// Ends with it.
    _task: JoinSet<()>,
}

impl Sampler {
    fn start(world: &Arc<World>) -> Self {
        let (most, seconds) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (world, sampled, second) = (Arc::clone(world), Arc::clone(&most), Arc::clone(&seconds));
        let sampling = async move {
            loop {
                for (number, daemon) in world.daemons.iter().enumerate() {
                    // A daemon that is being killed or frozen has nothing to say.
                    let Ok(daemon) = daemon.try_lock() else {
                        continue;
                    };
                    if let Some(bytes) = daemon.most_memory() {
                        sampled.fetch_max(bytes, Ordering::Relaxed);
                    }
                    let status = daemon.status().await.unwrap_or(Value::Null);
                    let subscription = &status["subscriptions"][0];
                    let takes_part = matches!(
                        subscription["state"].as_str(),
                        Some("running" | "standby" | "retrying")
                    );
                    if number > 0 && takes_part {
                        second.store(1, Ordering::Relaxed);
                    }
                }
                sleep(SAMPLE).await;
            }
        };
        let mut task = JoinSet::new();
        task.spawn(sampling);
        Self {
            most,
            seconds,
            _task: task,
        }
    }

    fn most_bytes(&self) -> Result<u64> {
        match self.most.load(Ordering::Relaxed) {
            0 => bail!("no daemon's memory was seen"),
            most => Ok(most),
        }
    }

    fn seconds(&self) -> u64 {
        self.seconds.load(Ordering::Relaxed)
    }
}
