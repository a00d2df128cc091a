//! What is printed and written: progress on stderr, the table on stdout, everything in results.json.
//!
//! Never leaves a row out: what was not reached says so.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::figures::Figures;

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    /// What is to be reached, in words.
    pub(crate) wanted: String,
    pub(crate) measured: String,
    /// `None`: only reported.
    pub(crate) reached: Option<bool>,
}

/// One line while it runs.
pub(crate) fn progress(text: &str) {
    // A closed stderr must not end a measurement.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Prints the table and writes results.json.
pub(crate) fn finish(rows: &[Row], figures: &Figures, out: &Path) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let width = rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
    let wanted = rows.iter().map(|row| row.wanted.len()).max().unwrap_or(0);
    for row in rows {
        let reached = match row.reached {
            Some(true) => "reached",
            Some(false) => "NOT reached",
            None => "reported",
        };
        writeln!(
            stdout,
            "{:width$}  {:wanted$}  {reached:11}  {}",
            row.what, row.wanted, row.measured
        )
        .context("failed to print the table")?;
    }
    writeln!(
        stdout,
        "medians of {} runs of {} s each on {} processors; repeat with: make bench",
        figures.runs,
        figures.window.as_secs(),
        std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
    )
    .context("failed to print the table")?;
    let all: Vec<_> = figures.all().collect();
    let json =
        serde_json::json!({ "rows": rows, "figures": all, "latencies": figures.latencies() });
    let file = out.join("results.json");
    let text = serde_json::to_string_pretty(&json).context("failed to write results as JSON")?;
    std::fs::write(&file, text).with_context(|| format!("failed to write {}", file.display()))
}
