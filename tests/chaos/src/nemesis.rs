//! Carries the schedule out, and counts what of it really happened.
//!
//! Never decides anything, and never judges: what cannot be done (a server that is down takes no orders) is not counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use devstore::{Fault, FaultKind};
use serde_json::{Value, json};
use support::processes::Signal;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::control::insist;
use crate::tally::Tally;
use crate::trouble::{ALL, Action, SECOND, Side};
use crate::world::{PASSWORD, World};

/// A server that takes no orders for this long is left alone.
const ORDERS: Duration = Duration::from_millis(1_500);
/// When all is over servers must take orders within this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Faults that have struck nothing yet are waited for, since a trouble that never happens tests nothing.
const LAST_CHANCE: Duration = Duration::from_secs(3);

/// Between two ends of batch appends so many appends are answered.
const APPENDS_BETWEEN: u64 = 10;

/// Whoever disturbs a world.
#[derive(Debug)]
pub(crate) struct Nemesis {
    world: Arc<World>,
    tally: Mutex<Tally>,
    /// Faults at the servers, by side and number.
    faults: Mutex<HashMap<(usize, u64), &'static str>>,
    /// Whose turn it is to end a batch append.
    ends: Mutex<()>,
}

impl Nemesis {
    pub(crate) fn new(world: Arc<World>) -> Self {
        let names = ALL.iter().map(|trouble| trouble.name).chain([SECOND]);
        Self {
            world,
            tally: Mutex::new(Tally::of(names)),
            faults: Mutex::default(),
            ends: Mutex::default(),
        }
    }

    /// Does everything at its time, things that take time beside each other.
    ///
    /// # Errors
    /// A process of this machine cannot be handled.
    pub(crate) async fn disturb(
        self: &Arc<Self>,
        schedule: Vec<(Duration, &'static str, Action)>,
        log: &Arc<Mutex<Vec<String>>>,
    ) -> Result<()> {
        let begin = Instant::now();
        let mut under_way = JoinSet::new();
        for (at, name, action) in schedule {
            sleep_until(begin + at).await;
            let (this, log) = (Arc::clone(self), Arc::clone(log));
            under_way.spawn(async move {
                let done = this.act(name, &action).await?;
                let line = format!("{:6.2} s {name}: {action:?}, done {done}", at.as_secs_f64());
                log.lock().await.push(line);
                anyhow::Ok(())
            });
        }
        while let Some(done) = under_way.join_next().await {
            done.context("a trouble panicked")??;
        }
        Ok(())
    }

    /// Gives faults that have not struck yet a little time to do so, as long as something is written.
    ///
    /// # Errors
    /// A server does not come back.
    pub(crate) async fn last_chance(&self) -> Result<()> {
        let end = Instant::now() + LAST_CHANCE;
        while Instant::now() < end {
            let mut waiting = 0;
            for side in [Side::Source, Side::Destination] {
                let until = Instant::now() + PATIENCE;
                let addresses = self.world.addresses(side);
                let list = insist(addresses, "GET", "/devstore/faults", None, until).await?;
                let faults = list.as_array().into_iter().flatten();
                let waits = |fault: &&Value| fault["times"].is_u64() && fault["struck"] == 0;
                waiting += faults.filter(waits).count();
            }
            if waiting == 0 {
                return Ok(());
            }
            sleep(LAST_CHANCE / 10).await;
        }
        Ok(())
    }

    /// Switches everything off, mends what an operator mends, and starts what is down.
    ///
    /// # Errors
    /// A server does not come back.
    pub(crate) async fn relent(&self) -> Result<Tally> {
        for side in [Side::Source, Side::Destination] {
            let addresses = self.world.addresses(side);
            let until = Instant::now() + PATIENCE;
            let list = insist(addresses, "GET", "/devstore/faults", None, until).await?;
            self.count_faults(side, &list).await;
            insist(addresses, "DELETE", "/devstore/faults", None, until).await?;
        }
        let nobody = Value::Null;
        let until = Instant::now() + PATIENCE;
        let destination = self.world.addresses(Side::Destination);
        insist(destination, "POST", "/devstore/users", Some(&nobody), until).await?;
        for daemon in &self.world.daemons {
            daemon.lock().await.start()?;
        }
        Ok(self.tally.lock().await.clone())
    }

    /// The world that is disturbed.
    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Kills every daemon and starts it again.
    ///
    /// # Errors
    /// A process cannot be handled.
    pub(crate) async fn restart_daemons(&self) -> Result<()> {
        for daemon in &self.world.daemons {
            let mut daemon = daemon.lock().await;
            daemon.kill().await?;
            daemon.start()?;
        }
        Ok(())
    }

    /// Counts something that is no part of the schedule.
    async fn count(&self, name: &'static str, times: u64) {
        self.tally.lock().await.add(name, times);
    }

    async fn count_faults(&self, side: Side, list: &Value) {
        let names = self.faults.lock().await;
        let mut tally = self.tally.lock().await;
        for fault in list.as_array().into_iter().flatten() {
            let number = fault["id"].as_u64().unwrap_or_default();
            let struck = fault["struck"].as_u64().unwrap_or_default();
            if let Some(name) = names.get(&(side as usize, number)) {
                tally.add(name, struck);
            }
        }
    }

    /// Whether it was done.
    async fn act(&self, name: &'static str, action: &Action) -> Result<bool> {
        let done = match action {
            Action::Fault(side, fault) => return Ok(self.switch_on(name, *side, fault).await),
            Action::NotLeader { side, node } => {
                let fault = self.not_leader(*side, *node)?.times(1);
                return Ok(self.switch_on(name, *side, &fault).await);
            }
            Action::Restart(side, how) => self.order(*side, "/devstore/restart", Some(how)).await,
            Action::Lead { side, node } => {
                let path = format!("/devstore/leader/{node}");
                self.order(*side, &path, None).await
            }
            Action::Kill { daemon, away } => self.kill(*daemon, *away).await?,
            Action::Freeze { daemon, time } => self.freeze(*daemon, *time).await?,
            Action::Reload { daemon, changed } => {
                self.world.daemons[*daemon].lock().await.reload(*changed)?
            }
            Action::Password(time) => self.change_password(*time).await,
            Action::Lag { side, node, time } => self.hold_back(*side, *node, *time).await?,
        };
        if done {
            self.count(name, 1).await;
        }
        Ok(done)
    }

    async fn switch_on(&self, name: &'static str, side: Side, fault: &Fault) -> bool {
        if side == Side::Destination && ends_a_call(&fault.fault) {
            self.one_by_one(name, fault).await
        } else {
            self.post(name, side, fault).await.is_some()
        }
    }

    /// What ends a batch append by itself again and again, while the server is well, is refused, and its stream is held. So
    /// that nothing looks like this by accident, one end follows another only after some appends were answered.
    async fn one_by_one(&self, name: &'static str, fault: &Fault) -> bool {
        let _turn = self.ends.lock().await;
        let side = Side::Destination;
        let Some(number) = self.post(name, side, &fault.clone().times(1)).await else {
            return false;
        };
        let end = Instant::now() + LAST_CHANCE;
        while !self.has_struck(number).await && Instant::now() < end {
            sleep(LAST_CHANCE / 50).await;
        }
        let enough = self.appends().await + APPENDS_BETWEEN;
        let end = Instant::now() + LAST_CHANCE;
        while self.appends().await < enough && Instant::now() < end {
            sleep(LAST_CHANCE / 50).await;
        }
        true
    }

    async fn has_struck(&self, number: u64) -> bool {
        let list = self.ask("/devstore/faults").await;
        let mut faults = list.as_array().into_iter().flatten();
        faults.any(|fault| fault["id"] == number && fault["struck"] == 1)
    }

    async fn appends(&self) -> u64 {
        self.ask("/stats").await["es"]["appends"]
            .as_u64()
            .unwrap_or(0)
    }

    /// The destination's answer; a server that is away has nothing to say.
    async fn ask(&self, path: &str) -> Value {
        let until = Instant::now() + ORDERS;
        let addresses = self.world.addresses(Side::Destination);
        let answer = insist(addresses, "GET", path, None, until).await;
        answer.unwrap_or(Value::Null)
    }

    /// Its number at the server.
    async fn post(&self, name: &'static str, side: Side, fault: &Fault) -> Option<u64> {
        let body = json!(fault);
        let addresses = self.world.addresses(side);
        let until = Instant::now() + ORDERS;
        // Held until the number is known: a fault may strike at once.
        let mut faults = self.faults.lock().await;
        let answer = insist(addresses, "POST", "/devstore/faults", Some(&body), until).await;
        let number = answer.ok()?["id"].as_u64()?;
        faults.insert((side as usize, number), name);
        drop(faults);
        // The server does not count these.
        if matches!(
            fault.fault,
            FaultKind::RefuseConnections | FaultKind::PushNothing
        ) {
            self.count(name, 1).await;
        }
        Some(number)
    }

    fn not_leader(&self, side: Side, node: usize) -> Result<Fault> {
        let addresses = self.world.addresses(side);
        let (host, port) = addresses
            .get(node)
            .and_then(|address| address.rsplit_once(':'))
            .context("a node without an address")?;
        Ok(Fault::new(FaultKind::NotLeader {
            host: host.to_owned(),
            port: port.parse()?,
        }))
    }

    async fn order(&self, side: Side, path: &str, body: Option<&Value>) -> bool {
        let until = Instant::now() + ORDERS;
        let addresses = self.world.addresses(side);
        insist(addresses, "POST", path, body, until).await.is_ok()
    }

    async fn kill(&self, number: usize, away: Duration) -> Result<bool> {
        let mut daemon = self.world.daemons[number].lock().await;
        let killed = daemon.kill().await?;
        sleep(away).await;
        daemon.start()?;
        Ok(killed)
    }

    async fn freeze(&self, number: usize, time: Duration) -> Result<bool> {
        let daemon = self.world.daemons[number].lock().await;
        let frozen = daemon.signal(Signal::STOP)?;
        sleep(time).await;
        daemon.signal(Signal::CONT)?;
        Ok(frozen)
    }

    /// That node, or the next one if it leads.
    async fn hold_back(&self, side: Side, node: usize, time: Duration) -> Result<bool> {
        let addresses = self.world.addresses(side);
        for node in [node, (node + 1) % addresses.len()] {
            if self
                .order(side, &format!("/devstore/hold/{node}"), None)
                .await
            {
                sleep(time).await;
                let until = Instant::now() + PATIENCE;
                let path = format!("/devstore/rejoin/{node}");
                insist(addresses, "POST", &path, None, until).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn change_password(&self, time: Duration) -> bool {
        let users = |password: &str| json!([{"name": "admin", "password": password, "groups": ["$admins"]}]);
        let (other, right) = (users("another"), users(PASSWORD));
        let side = Side::Destination;
        if !self.order(side, "/devstore/users", Some(&other)).await {
            return false;
        }
        sleep(time).await;
        let until = Instant::now() + PATIENCE;
        let addresses = self.world.addresses(side);
        insist(addresses, "POST", "/devstore/users", Some(&right), until)
            .await
            .is_ok()
    }
}

/// True for what ends a batch append, or keeps it from being opened, while reads are answered.
fn ends_a_call(kind: &FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::BatchEnds { .. }
            | FaultKind::EndCleanly
            | FaultKind::ConsumerTooSlow
            | FaultKind::Unavailable
            | FaultKind::NotLeader { .. }
    )
}
