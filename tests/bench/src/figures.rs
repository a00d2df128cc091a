//! Measurements by cell and competitor, made when first asked for and kept for every row that needs them.
//!
//! Competitors of a cell take turns, so that a machine that slows down slows all of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::cell::Cell;
use crate::competitors::{self, Competitor, Run};
use crate::process::Devstore;
use crate::report;
use crate::spread::Spread;

/// Sizes of an append among which the sink ceiling takes the best.
const MERGED: [u32; 4] = [1, 5, 20, 100];

/// ditto's largest buffer size. More events of a stream than its share of this can never wait together, whoever copies.
const MOST_WAITING: u32 = 10_000;

/// How long each size is tried to find the best.
const TRIAL: Duration = Duration::from_secs(2);

/// What was measured of one competitor in one cell.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figure {
    pub(crate) cell: String,
    pub(crate) competitor: String,
    /// Events a second.
    pub(crate) rate: Spread,
    /// Microseconds of CPU time an event, of the ditto process.
    pub(crate) cpu_micros: Spread,
    /// Events an append of the ditto process, on average.
    pub(crate) append_events: Spread,
    pub(crate) runs: usize,
    /// Runs that ended early because everything was copied.
    pub(crate) drained: usize,
}

/// All measurements of one call of the benchmark.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) window: Duration,
    pub(crate) runs: usize,
    pub(crate) ditto: PathBuf,
    kept: BTreeMap<(String, String), Figure>,
    latencies: Vec<Latencies>,
}

/// Live latencies over one line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latencies {
    pub(crate) name: &'static str,
    /// Milliseconds, ascending.
    pub(crate) sorted: Vec<f64>,
}

impl Figures {
    pub(crate) fn new(window: Duration, runs: usize, ditto: PathBuf) -> Self {
        Self {
            window,
            runs,
            ditto,
            kept: BTreeMap::new(),
            latencies: Vec::new(),
        }
    }

    /// Everything measured so far.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Figure> {
        self.kept.values()
    }

    /// Keeps live latencies.
    pub(crate) fn keep(&mut self, latencies: Latencies) {
        self.latencies.push(latencies);
    }

    /// Live latencies measured so far.
    pub(crate) fn latencies(&self) -> &[Latencies] {
        &self.latencies
    }

    /// Measures what is not known yet of these competitors, in turns.
    pub(crate) async fn measure(&mut self, cell: &Cell, wanted: &[Competitor]) -> Result<()> {
        let missing: Vec<Competitor> = wanted
            .iter()
            .copied()
            .filter(|competitor| self.get(cell, *competitor).is_none())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let events = cell.events(self.window);
        let source = Devstore::source(cell, events).await?;
        let mut runs: Vec<Vec<Run>> = vec![Vec::new(); missing.len()];
        for _ in 0..self.runs {
            for (competitor, runs) in missing.iter().zip(&mut runs) {
                let run =
                    competitors::run(*competitor, cell, &source, events, self.window, &self.ditto)
                        .await?;
                report::progress(&format!("{cell}: {competitor}: {:.0} events/s", run.rate));
                runs.push(run);
            }
        }
        for (competitor, runs) in missing.iter().zip(runs) {
            let figure = figure(cell, *competitor, &runs);
            self.kept
                .insert((cell.to_string(), competitor.to_string()), figure);
        }
        Ok(())
    }

    /// The size of an append that is the quickest in this cell, of those that its streams allow: with 5,000 streams in
    /// turn two events of one stream wait together, never a hundred.
    pub(crate) async fn best_sink(&mut self, cell: &Cell) -> Result<Competitor> {
        let known = MERGED
            .map(Competitor::SinkCeiling)
            .into_iter()
            .find(|sink| self.get(cell, *sink).is_some());
        if let Some(sink) = known {
            return Ok(sink);
        }
        let events = cell.events(TRIAL);
        let source = Devstore::source(cell, 0).await?;
        let mut best = (0.0, Competitor::SinkCeiling(1));
        let fits = |merged: &u32| *merged == 1 || merged * cell.shape.streams <= MOST_WAITING;
        for merged in MERGED.into_iter().filter(fits) {
            let sink = Competitor::SinkCeiling(merged);
            let run = competitors::run(sink, cell, &source, events, TRIAL, &self.ditto).await?;
            report::progress(&format!("{cell}: {sink}, tried: {:.0} events/s", run.rate));
            if run.rate > best.0 {
                best = (run.rate, sink);
            }
        }
        Ok(best.1)
    }

    /// Appends of the size that a mirror reaches in this cell.
    pub(crate) async fn sink_like_a_mirror(&mut self, cell: &Cell) -> Result<Competitor> {
        let events = cell.events(TRIAL);
        let source = Devstore::source(cell, events).await?;
        let mirror = Competitor::Mirror;
        let run = competitors::run(mirror, cell, &source, events, TRIAL, &self.ditto).await?;
        // A small number, and not below 1.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let size = run.append_events.round().max(1.0) as u32;
        report::progress(&format!("{cell}: {mirror}, tried: {size} events an append"));
        Ok(Competitor::SinkCeiling(size))
    }

    pub(crate) fn get(&self, cell: &Cell, competitor: Competitor) -> Option<&Figure> {
        self.kept.get(&(cell.to_string(), competitor.to_string()))
    }

    /// Median events a second; 0 if it was not measured.
    pub(crate) fn rate(&self, cell: &Cell, competitor: Competitor) -> f64 {
        self.get(cell, competitor)
            .map_or(0.0, |figure| figure.rate.median)
    }

    /// Median events an append; 0 if it was not measured.
    pub(crate) fn append_events(&self, cell: &Cell, competitor: Competitor) -> f64 {
        self.get(cell, competitor)
            .map_or(0.0, |figure| figure.append_events.median)
    }

    /// Median microseconds of CPU time an event; 0 if it was not measured.
    pub(crate) fn cpu(&self, cell: &Cell, competitor: Competitor) -> f64 {
        self.get(cell, competitor)
            .map_or(0.0, |figure| figure.cpu_micros.median)
    }
}

fn figure(cell: &Cell, competitor: Competitor, runs: &[Run]) -> Figure {
    let of = |value: fn(&Run) -> f64| Spread::of(&runs.iter().map(value).collect::<Vec<f64>>());
    Figure {
        cell: cell.to_string(),
        competitor: competitor.to_string(),
        rate: of(|run| run.rate),
        cpu_micros: of(|run| run.cpu_micros),
        append_events: of(|run| run.append_events),
        runs: runs.len(),
        drained: runs.iter().filter(|run| run.drained).count(),
    }
}
