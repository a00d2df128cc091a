//! Charts: throughput by round trip, throughput by number of streams, spread of the latency.
//!
//! Draws what was measured and nothing else; a chart without measurements is left out.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::cell::Cell;
use crate::competitors::Competitor;
use crate::figures::{Figures, Latencies};
use crate::spread::at;

const SIZE: (u32, u32) = (860, 460);

/// A line: what it is called, and its points.
type Line = (String, Vec<(f64, f64)>);

/// Draws all charts into the folder.
pub(crate) fn draw(figures: &Figures, out: &Path) -> Result<()> {
    let chart = Chart {
        title: "Events/s by round trip (model of a real server)",
        x: "round trip, ms",
        y: "events/s",
    };
    chart.draw(
        &by_round_trip(figures),
        &out.join("throughput-by-round-trip.svg"),
    )?;
    let chart = Chart {
        title: "Events/s by number of streams, round trip 0",
        x: "streams (log 10)",
        y: "events/s",
    };
    chart.draw(&by_streams(figures), &out.join("throughput-by-streams.svg"))?;
    let chart = Chart {
        title: "Live latency",
        x: "percentile",
        y: "ms",
    };
    chart.draw(&latencies(figures), &out.join("latency.svg"))
}

fn by_round_trip(figures: &Figures) -> Vec<Line> {
    let ends = [("source", (1, 0)), ("destination", (0, 1))];
    let mut lines = Vec::new();
    for competitor in [Competitor::Ditto, Competitor::Baseline] {
        for streams in [100, 5_000] {
            for (end, (source, destination)) in ends {
                let points: Vec<(f64, f64)> = [0_u32, 20, 50, 100, 200]
                    .into_iter()
                    .filter_map(|ms| {
                        let cell = Cell::new(streams, true)
                            .over(source * u64::from(ms), destination * u64::from(ms));
                        Some((f64::from(ms), figures.get(&cell, competitor)?.rate.median))
                    })
                    .collect();
                if points.len() > 1 {
                    lines.push((
                        format!("{competitor}, {streams} streams, line to the {end}"),
                        points,
                    ));
                }
            }
        }
    }
    lines
}

fn by_streams(figures: &Figures) -> Vec<Line> {
    let mut lines = Vec::new();
    for model in [true, false] {
        for competitor in [
            Competitor::Ditto,
            Competitor::Baseline,
            Competitor::SourceCeiling,
        ] {
            let points: Vec<(f64, f64)> = [1_u32, 100, 5_000]
                .into_iter()
                .filter_map(|streams| {
                    let figure = figures.get(&Cell::new(streams, model), competitor)?;
                    Some((f64::from(streams).log10(), figure.rate.median))
                })
                .collect();
            if points.len() > 1 {
                let name = if model { "model" } else { "no model" };
                lines.push((format!("{competitor}, {name}"), points));
            }
        }
    }
    lines
}

fn latencies(figures: &Figures) -> Vec<Line> {
    let line = |latencies: &Latencies| {
        let points = (0..=100).map(f64::from);
        let points = points.map(|part| (part, at(&latencies.sorted, part / 100.0)));
        (latencies.name.to_owned(), points.collect())
    };
    figures.latencies().iter().map(line).collect()
}

struct Chart {
    title: &'static str,
    x: &'static str,
    y: &'static str,
}

impl Chart {
    fn draw(&self, lines: &[Line], file: &Path) -> Result<()> {
        let most = |value: fn(&(f64, f64)) -> f64| {
            lines
                .iter()
                .flat_map(|(_, points)| points.iter().map(value))
                .fold(0.0, f64::max)
        };
        let (right, top) = (most(|point| point.0), most(|point| point.1) * 1.1);
        if lines.is_empty() || right <= 0.0 || top <= 0.0 {
            return Ok(());
        }
        self.plot(lines, right, top, file)
            .map_err(|error| anyhow!("failed to draw {}: {error}", file.display()))
    }

    fn plot(
        &self,
        lines: &[Line],
        right: f64,
        top: f64,
        file: &Path,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::new(file, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..right, 0.0..top)?;
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .light_line_style(WHITE)
            .draw()?;
        for (place, (name, points)) in lines.iter().enumerate() {
            let colour = Palette99::pick(place).stroke_width(2);
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour).point_size(3))?
                .label(name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()?;
        Ok(())
    }
}
