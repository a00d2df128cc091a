//! The rows of the table: what each needs measured, and what it must reach.
//!
//! Never measures by itself; rows share what was measured.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cell::Cell;
use crate::competitors::Competitor;
use crate::figures::Figures;
use crate::report::{Row, progress};
use crate::{behind, chart, latency, memory, mirror, report, restart};

/// How the benchmark was called.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) full: bool,
    pub(crate) scenario: Option<String>,
    pub(crate) window: Duration,
    pub(crate) runs: usize,
    pub(crate) ditto: PathBuf,
    pub(crate) out: PathBuf,
}

const STREAMS: [u32; 2] = [100, 5_000];

/// From here on the way to the source may be what limits.
const LONG_WAY: Duration = Duration::from_millis(200);

/// With one event at a time the model must make this many, or the machine is too busy to measure on.
const BASELINE_VALID: std::ops::RangeInclusive<f64> = 1_100.0..=1_700.0;

/// Measures and reports.
pub(crate) async fn run(settings: &Settings) -> Result<()> {
    std::fs::create_dir_all(&settings.out).context("failed to make the folder for results")?;
    let mut figures = Figures::new(settings.window, settings.runs, settings.ditto.clone());
    let mut rows = Vec::new();
    let is_wanted = |section: &str| match settings.scenario.as_deref() {
        Some(SMOKE) => section == SMOKE,
        Some(wanted) => section != SMOKE && section.contains(wanted),
        None => section != SMOKE,
    };
    for section in SECTIONS {
        if is_wanted(section) {
            progress(&format!("-- {section}"));
            rows.extend(measure(section, &mut figures, settings).await?);
        }
    }
    if settings.full {
        every_cell(&mut figures, settings.scenario.as_deref()).await?;
    }
    report::finish(&rows, &figures, &settings.out)?;
    chart::draw(&figures, &settings.out)
}

/// Everything once and briefly: shows that the benchmark works, and is no measurement. Runs only when named.
const SMOKE: &str = "smoke";

const SECTIONS: [&str; 15] = [
    SMOKE,
    "model-100-streams",
    "model-5000-streams",
    "model-1-stream",
    "round-trip-50",
    "round-trip-200",
    "no-model",
    "mirror",
    "mirror-behind",
    "mirror-latency",
    "mirror-memory",
    "mirror-restart",
    "latency",
    "memory",
    "binary",
];

async fn measure(section: &str, figures: &mut Figures, settings: &Settings) -> Result<Vec<Row>> {
    match section {
        SMOKE => smoke(figures, settings).await,
        "model-100-streams" => against_all(figures, 100).await,
        "model-5000-streams" => against_ceilings(figures, &Cell::new(5_000, true))
            .await
            .map(|row| vec![row]),
        "model-1-stream" => one_stream(figures).await,
        "round-trip-50" => over_lines(figures, 50, 0.80).await,
        "round-trip-200" => over_lines(figures, 200, 0.70).await,
        "no-model" => without_model(figures).await,
        "mirror" => mirror::rows(figures).await,
        "mirror-behind" => behind::row(settings, 10_000).await.map(|row| vec![row]),
        "mirror-latency" => latency::of_a_mirror(settings, figures)
            .await
            .map(|row| vec![row]),
        "mirror-memory" => memory::of_a_mirror(settings, 1_000_000)
            .await
            .map(|row| vec![row]),
        "mirror-restart" => restart::row(settings, Duration::from_secs(8))
            .await
            .map(|row| vec![row]),
        "latency" => latency::rows(settings, figures).await,
        "memory" => memory::rows(settings).await,
        _ => binary(settings).map(|row| vec![row]),
    }
}

pub(crate) fn row(
    what: impl Into<String>,
    wanted: impl Into<String>,
    measured: String,
    reached: Option<bool>,
) -> Row {
    Row {
        what: what.into(),
        wanted: wanted.into(),
        measured,
        reached,
    }
}

async fn against_all(figures: &mut Figures, streams: u32) -> Result<Vec<Row>> {
    let cell = Cell::new(streams, true);
    let sink = figures.best_sink(&cell).await?;
    figures
        .measure(
            &cell,
            &[
                Competitor::Baseline,
                Competitor::SourceCeiling,
                sink,
                Competitor::Ditto,
            ],
        )
        .await?;
    let (ditto, baseline) = (
        figures.rate(&cell, Competitor::Ditto),
        figures.rate(&cell, Competitor::Baseline),
    );
    let valid = BASELINE_VALID.contains(&baseline);
    let note = if valid {
        ""
    } else {
        ": INVALID, the machine is not idle enough"
    };
    Ok(vec![
        row(
            "one at a time, under the model",
            "1,100 to 1,700 events/s",
            format!("{baseline:.0} events/s{note}"),
            Some(valid),
        ),
        row(
            cell.to_string(),
            ">= 6 x one at a time",
            format!(
                "{ditto:.0} events/s, {:.1} x {baseline:.0}",
                ditto / baseline.max(1.0)
            ),
            Some(ditto >= 6.0 * baseline),
        ),
        against_ceilings(figures, &cell).await?,
    ])
}

async fn against_ceilings(figures: &mut Figures, cell: &Cell) -> Result<Row> {
    let sink = figures.best_sink(cell).await?;
    figures
        .measure(cell, &[Competitor::SourceCeiling, sink, Competitor::Ditto])
        .await?;
    let ditto = figures.rate(cell, Competitor::Ditto);
    let ceiling = figures
        .rate(cell, Competitor::SourceCeiling)
        .min(figures.rate(cell, sink));
    Ok(row(
        cell.to_string(),
        ">= 85 % of the lower ceiling",
        format!(
            "{ditto:.0} events/s, {:.0} % of {ceiling:.0} (source {:.0}, {sink} {:.0})",
            100.0 * ditto / ceiling.max(1.0),
            figures.rate(cell, Competitor::SourceCeiling),
            figures.rate(cell, sink)
        ),
        Some(ditto >= 0.85 * ceiling),
    ))
}

async fn one_stream(figures: &mut Figures) -> Result<Vec<Row>> {
    let cell = Cell::new(1, true);
    figures
        .measure(&cell, &[Competitor::Baseline, Competitor::Ditto])
        .await?;
    let (ditto, baseline) = (
        figures.rate(&cell, Competitor::Ditto),
        figures.rate(&cell, Competitor::Baseline),
    );
    let measured = format!(
        "{ditto:.0} events/s, {:.1} x {baseline:.0}",
        ditto / baseline.max(1.0)
    );
    Ok(vec![row(
        cell.to_string(),
        ">= 8 x one at a time",
        measured,
        Some(ditto >= 8.0 * baseline),
    )])
}

async fn over_lines(figures: &mut Figures, milliseconds: u64, part: f64) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for streams in STREAMS {
        let near = Cell::new(streams, true);
        figures
            .measure(&near, &[Competitor::Baseline, Competitor::Ditto])
            .await?;
        let base = figures.rate(&near, Competitor::Ditto);
        for (source, destination) in [
            (milliseconds, 0),
            (0, milliseconds),
            (milliseconds, milliseconds),
        ] {
            let cell = near.over(source, destination);
            rows.push(over_line(figures, &cell, base, part).await?);
        }
    }
    Ok(rows)
}

/// The row of one line, of which `part` of the rate `base` is wanted. A long way to the source has a ceiling of its own: what
/// the client's receive window lets through.
async fn over_line(figures: &mut Figures, cell: &Cell, base: f64, part: f64) -> Result<Row> {
    let mut competitors = vec![Competitor::Baseline, Competitor::Ditto];
    let has_ceiling = cell.lines.source >= LONG_WAY && cell.shape.streams == STREAMS[0];
    if has_ceiling {
        competitors.push(Competitor::SourceCeiling);
    }
    figures.measure(cell, &competitors).await?;
    let ditto = figures.rate(cell, Competitor::Ditto);
    let baseline = figures.rate(cell, Competitor::Baseline);
    let mut measured = format!(
        "{ditto:.0} events/s, {:.0} % of {base:.0}; {:.0} x one at a time ({baseline:.1})",
        100.0 * ditto / base.max(1.0),
        ditto / baseline.max(0.1)
    );
    if has_ceiling {
        let ceiling = figures.rate(cell, Competitor::SourceCeiling);
        measured += &format!("; source ceiling {ceiling:.0}");
    }
    Ok(row(
        cell.to_string(),
        format!(">= {:.0} % of the same at 0 ms", part * 100.0),
        measured,
        Some(ditto >= part * base),
    ))
}

async fn without_model(figures: &mut Figures) -> Result<Vec<Row>> {
    let cell = Cell::new(100, false);
    let sink = figures.best_sink(&cell).await?;
    figures
        .measure(&cell, &[Competitor::SourceCeiling, sink, Competitor::Ditto])
        .await?;
    let (ditto, source) = (
        figures.rate(&cell, Competitor::Ditto),
        figures.rate(&cell, Competitor::SourceCeiling),
    );
    let both = 1.0 / (1.0 / source.max(1.0) + 1.0 / figures.rate(&cell, sink).max(1.0));
    let mut rows = vec![
        row(
            cell.to_string(),
            ">= 60 % of both ceilings in turn",
            format!(
                "{ditto:.0} events/s, {:.0} % of {both:.0}",
                100.0 * ditto / both
            ),
            Some(ditto >= 0.6 * both),
        ),
        row(
            "CPU time of ditto, 100 streams",
            "<= 30 us an event",
            format!("{:.1} us an event", figures.cpu(&cell, Competitor::Ditto)),
            Some(figures.cpu(&cell, Competitor::Ditto) <= 30.0),
        ),
    ];
    for (name, cell) in [
        ("5,000 streams", Cell::new(5_000, false)),
        ("1 KiB", Cell::new(100, false).sized(1024, 0)),
    ] {
        figures.measure(&cell, &[Competitor::Ditto]).await?;
        let measured = format!(
            "{:.1} us an event, {:.0} events/s",
            figures.cpu(&cell, Competitor::Ditto),
            figures.rate(&cell, Competitor::Ditto)
        );
        rows.push(row(
            format!("CPU time of ditto, {name}"),
            "reported",
            measured,
            None,
        ));
    }
    Ok(rows)
}

/// Each competitor in a small cell, a line, and the binary's size. A competitor that copies nothing fails it.
async fn smoke(figures: &mut Figures, settings: &Settings) -> Result<Vec<Row>> {
    let mut rows = against_all(figures, 10).await?;
    let far = Cell::new(10, true).over(10, 10);
    figures
        .measure(&far, &[Competitor::Ditto, Competitor::Mirror])
        .await?;
    rows.extend(without_model(figures).await?);
    rows.extend(latency::rows(settings, figures).await?);
    rows.push(behind::row(settings, 200).await?);
    rows.push(latency::of_a_mirror(settings, figures).await?);
    rows.push(memory::of_a_mirror(settings, 10_000).await?);
    rows.push(restart::row(settings, Duration::from_secs(2)).await?);
    rows.push(binary(settings)?);
    Ok(rows)
}

fn binary(settings: &Settings) -> Result<Row> {
    let folder = tempfile::tempdir().context("failed to make a folder")?;
    let stripped = folder.path().join("ditto");
    let status = std::process::Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(&settings.ditto)
        .status()
        .context("failed to run strip (binutils)")?;
    anyhow::ensure!(status.success(), "strip ended with {status}");
    let size = std::fs::metadata(&stripped)
        .context("failed to read the size")?
        .len();
    // A file's size in MiB is far below what a float holds exactly.
    #[allow(clippy::cast_precision_loss)]
    let mebibytes = size as f64 / 1024.0 / 1024.0;
    Ok(row(
        "ditto binary, stripped",
        "<= 25 MiB",
        format!("{mebibytes:.1} MiB"),
        Some(mebibytes <= 25.0),
    ))
}

/// Every cell that the scenarios name, ditto beside one at a time.
async fn every_cell(figures: &mut Figures, wanted: Option<&str>) -> Result<()> {
    let shapes = |model| {
        [
            Cell::new(100, model),
            Cell::new(5_000, model),
            Cell::new(1, model),
            Cell::new(100, model).sized(1024, 0),
            Cell::new(100, model).sized(200, 1000),
        ]
    };
    let mut cells: Vec<Cell> = shapes(false).into_iter().chain(shapes(true)).collect();
    for shape in shapes(true) {
        for milliseconds in [20, 50, 100, 200] {
            cells.extend([
                shape.over(milliseconds, 0),
                shape.over(0, milliseconds),
                shape.over(milliseconds, milliseconds),
            ]);
        }
    }
    for cell in cells {
        if wanted.is_none_or(|wanted| cell.to_string().contains(wanted)) {
            figures
                .measure(&cell, &[Competitor::Baseline, Competitor::Ditto])
                .await?;
        }
    }
    Ok(())
}
