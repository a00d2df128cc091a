//! Runs seeds, and prints what they found.
//!
//! Each in a process of its own: what a process draws by chance depends on what it drew before.

use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tracing_subscriber::fmt::time::FormatTime;

use crate::mistake::Mistake;
use crate::options::Options;
use crate::world;

/// What every seed's servers take for the beginning.
const BEGINNING: Duration = Duration::from_secs(1_700_000_000);

/// Runs one seed in this process.
pub(crate) fn one(seed: u64, options: &Options) -> ExitCode {
    chance::begin(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return say(format_args!("seed {seed}: no runtime: {error}"), 2),
    };
    let report = runtime.block_on(async {
        devstore::clock::begin_at(SystemTime::UNIX_EPOCH + BEGINNING);
        if options.trace {
            trace();
        }
        world::run(seed, options.mistake, options.strict).await
    });
    let line = format!(
        "seed {seed}: {} records in {:.0?}, digest {:016x}; ditto says: {}",
        report.copied, report.took, report.digest, report.says
    );
    match report.violation {
        None => say(format_args!("{line}"), 0),
        Some(violation) => say(format_args!("{line}\nseed {seed}: {violation}"), 1),
    }
}

/// Runs many, each in a process of its own.
pub(crate) fn many(options: &Options) -> ExitCode {
    let began = Instant::now();
    let jobs = options
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let next = AtomicU64::new(options.first);
    let end = options.first + options.seeds;
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    if let Err(text) = apart(seed, options)
                        && let Ok(mut found) = found.lock()
                    {
                        say(format_args!("{text}"), 0);
                        found.push(seed);
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_default();
    found.sort_unstable();
    let text = format!("{} seeds in {:.1?}", options.seeds, began.elapsed());
    let failed = match (found.is_empty(), options.mistake) {
        (true, None) | (false, Some(_)) => 0,
        _ => 1,
    };
    say(format_args!("{text}; found something: {found:?}"), failed)
}

/// Runs one in a process of its own; what it found.
fn apart(seed: u64, options: &Options) -> Result<(), String> {
    let run = || -> Result<(bool, String), String> {
        // Itself, even if it was built anew meanwhile.
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["--seed", &seed.to_string()])
            .stdin(Stdio::null());
        let mistake = Mistake::ALL
            .iter()
            .find(|(_, mistake)| Some(*mistake) == options.mistake);
        command.args(options.strict.then_some("--strict"));
        if let Some((name, _)) = mistake {
            command.args(["--mistake", name]);
        }
        let output = command.output().map_err(|error| error.to_string())?;
        let text = [output.stdout, output.stderr].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        ))
    };
    let (is_well, text) = run()?;
    if options.twice {
        let (_, again) = run()?;
        if again != text {
            return Err(format!("seed {seed} is not the same twice:\n{text}{again}"));
        }
    }
    if is_well { Ok(()) } else { Err(text) }
}

fn trace() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // There is one already where a test called this before.
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .with_timer(Virtual(tokio::time::Instant::now()))
            .try_init(),
    );
}

/// Time since the beginning.
struct Virtual(tokio::time::Instant);

impl FormatTime for Virtual {
    fn format_time(
        &self,
        writer: &mut tracing_subscriber::fmt::format::Writer<'_>,
    ) -> std::fmt::Result {
        write!(writer, "{:>8.3}", self.0.elapsed().as_secs_f64())
    }
}

fn say(text: std::fmt::Arguments<'_>, code: u8) -> ExitCode {
    // Nobody is left to be told that nobody reads.
    drop(writeln!(std::io::stdout(), "{text}"));
    ExitCode::from(code)
}
