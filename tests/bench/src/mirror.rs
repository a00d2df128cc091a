//! The rows about what a mirror copies in a second and what that costs, beside a subscription that copies the same.
//!
//! Never measures by itself.

use anyhow::Result;

use crate::cell::Cell;
use crate::competitors::Competitor;
use crate::figures::Figures;
use crate::plan::row;
use crate::report::Row;

/// Streams, what is wanted of a subscription's rate, and of what the destination takes in appends of the size reached.
const NEAR: [(u32, f64, f64); 3] = [(1_000, 1.3, 0.85), (20_000, 1.0, 0.9), (50_000, 1.0, 0.9)];

/// Events of 300 bytes in streams in turn.
fn cell(streams: u32) -> Cell {
    Cell::new(streams, true).sized(300, 0)
}

/// A mirror near its servers, and over long lines.
pub(crate) async fn rows(figures: &mut Figures) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (streams, of_subscription, of_sink) in NEAR {
        let cell = cell(streams);
        let sink = figures.sink_like_a_mirror(&cell).await?;
        figures
            .measure(&cell, &[sink, Competitor::Ditto, Competitor::Mirror])
            .await?;
        rows.extend(near(figures, &cell, sink, (of_subscription, of_sink)));
    }
    let near = cell(NEAR[0].0);
    let base = figures.rate(&near, Competitor::Mirror);
    for (source, destination) in [(200, 0), (0, 200)] {
        let cell = near.over(source, destination);
        figures.measure(&cell, &[Competitor::Mirror]).await?;
        let mirror = figures.rate(&cell, Competitor::Mirror);
        rows.push(row(
            format!("mirror: {cell}"),
            ">= 80 % of the same at 0 ms",
            format!(
                "{mirror:.0} events/s, {:.0} % of {base:.0}",
                100.0 * mirror / base.max(1.0)
            ),
            Some(mirror >= 0.8 * base),
        ));
    }
    Ok(rows)
}

fn near(
    figures: &Figures,
    cell: &Cell,
    sink: Competitor,
    (of_subscription, of_sink): (f64, f64),
) -> [Row; 3] {
    let rate = |competitor| figures.rate(cell, competitor);
    let (mirror, subscription, ceiling) = (
        rate(Competitor::Mirror),
        rate(Competitor::Ditto),
        rate(sink),
    );
    let cpu = |competitor| figures.cpu(cell, competitor);
    let (own, other) = (cpu(Competitor::Mirror), cpu(Competitor::Ditto));
    [
        row(
            format!("mirror: {cell}"),
            format!(">= {of_subscription:.1} x a subscription"),
            format!(
                "{mirror:.0} events/s, {:.2} x {subscription:.0}",
                mirror / subscription.max(1.0)
            ),
            Some(mirror >= of_subscription * subscription),
        ),
        row(
            format!("mirror: {cell}"),
            format!(">= {:.0} % of the destination", 100.0 * of_sink),
            format!(
                "{:.0} % of {ceiling:.0} ({sink}; {:.1} reached)",
                100.0 * mirror / ceiling.max(1.0),
                figures.append_events(cell, Competitor::Mirror)
            ),
            Some(mirror >= of_sink * ceiling),
        ),
        row(
            format!("CPU time of a mirror: {cell}"),
            "<= 70 % of a subscription's",
            format!(
                "{own:.1} us an event, {:.0} % of {other:.1}",
                100.0 * own / other.max(0.1)
            ),
            Some(own <= 0.7 * other),
        ),
    ]
}
