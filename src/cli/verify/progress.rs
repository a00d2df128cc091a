//! How far a comparison is, on stderr: a bar with rate and time left on a terminal, a line now and then elsewhere.
//!
//! Never on stdout, which is for results.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::complain;
use crate::cli::table::grouped;
use crate::escape;
use crate::verify::Progress;

/// Where there is no terminal, a line this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

const TEMPLATE: &str = "{prefix} {bar:30} {percent:>3}% {msg}, {eta} left";

/// Shows how far a comparison is: a bar at a terminal, else a line every ten seconds.
pub(super) struct Indicator {
    bar: ProgressBar,
    name: String,
    began: Instant,
    reported: Instant,
}

impl Indicator {
    /// For the subscription or mirror of this name.
    pub(super) fn new(name: String) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_prefix(escape::line(&name).into_owned());
        Self {
            bar,
            name,
            began: Instant::now(),
            reported: Instant::now(),
        }
    }

    /// It goes on.
    pub(super) fn progress(&mut self, progress: Progress) {
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 {
            progress.events as f64 / seconds
        } else {
            0.0
        };
        if !self.bar.is_hidden() {
            self.bar.set_length(progress.of);
            self.bar.set_position(progress.done);
            self.bar.set_message(format!(
                "{} events of {} streams, {rate:.0} events/s",
                grouped(progress.events),
                grouped(progress.streams)
            ));
        } else if self.reported.elapsed() >= LINE_EVERY {
            self.reported = Instant::now();
            complain(&line(&self.name, progress, rate, seconds));
        }
    }

    /// Prints a line where the bar does not overwrite it.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| complain(text));
    }

    /// Leaves the terminal as it was.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn line(name: &str, progress: Progress, rate: f64, seconds: f64) -> String {
    let left = match progress.done {
        0 => "?".to_owned(),
        done => {
            let whole = seconds * progress.of as f64 / done as f64;
            let left = (whole - seconds).max(0.0).round();
            let left = Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX);
            humantime::format_duration(left).to_string()
        }
    };
    let percent = (progress.done * 100)
        .checked_div(progress.of)
        .unwrap_or(100);
    format!(
        "{name}: {percent}%, {} events of {} streams, {rate:.0} events/s, {left} left",
        grouped(progress.events),
        grouped(progress.streams),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_how_fast_and_how_long_still() {
        let progress = Progress {
            done: 250,
            of: 1_000,
            events: 20_000,
            streams: 17,
        };
        assert_eq!(
            line("$ce-a::g", progress, 2_000.0, 10.0),
            "$ce-a::g: 25%, 20,000 events of 17 streams, 2000 events/s, 30s left"
        );
        let nothing = line("$ce-a::g", Progress::default(), 0.0, 0.0);
        assert_eq!(
            nothing,
            "$ce-a::g: 100%, 0 events of 0 streams, 0 events/s, ? left"
        );
    }
}
