//! The file that an interrupted comparison goes on from: what was found, and the fingerprints of finished streams.
//!
//! One line of JSON, then 12 bytes a stream. Replaced as a whole: a kill in the middle of a write leaves the one before.
//! Never holds an event or a stream's name, but for those of the findings.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use super::class::{Class, Finding, Tally, What};
use super::point::{Cursor, Point};
use super::run::Scope;
use super::seen::{Fingerprint, Seen};
use crate::config::settings::SubscriptionKey;
use ditto_core::event::StreamName;

/// Changes when an older ditto's file can no longer be read.
const FORM: &str = "ditto verify 3";

/// A header longer than this is no header of ditto's.
const LONGEST_HEADER: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
struct Header {
    form: String,
    since: Option<i64>,
    sample: Option<f64>,
    subscriptions: Vec<Saved>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    stream: String,
    group: String,
    #[serde(flatten)]
    next: Cursor,
    begin: Option<u64>,
    end: Option<u64>,
    salt: u64,
    complete: bool,
    tally: Tally,
    findings: Vec<SavedFinding>,
    streams: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedFinding {
    stream: String,
    revision: u64,
    events: u64,
    class: Class,
    what: What,
    text: String,
}

/// Writes all points.
///
/// # Errors
/// The file cannot be written or replaced.
pub fn save(file: &Path, scope: &Scope, points: &[&Point]) -> anyhow::Result<()> {
    let header = Header {
        form: FORM.to_owned(),
        since: scope.since,
        sample: scope.sample,
        subscriptions: points.iter().map(|point| saved(point)).collect(),
    };
    let beside = file.with_added_extension("new");
    let written = || -> anyhow::Result<()> {
        let mut out = BufWriter::new(File::create(&beside)?);
        serde_json::to_writer(&mut out, &header)?;
        out.write_all(b"\n")?;
        for point in points {
            for fingerprint in point.finished() {
                out.write_all(&fingerprint.0)?;
            }
        }
        out.into_inner()?.sync_all()?;
        Ok(std::fs::rename(&beside, file)?)
    };
    written().with_context(|| format!("failed to write {}", file.display()))
}

fn saved(point: &Point) -> Saved {
    Saved {
        stream: point.key.stream.to_string(),
        group: point.key.group.to_string(),
        next: point.resume_at(),
        begin: point.begin,
        end: point.end,
        salt: point.salt,
        complete: point.is_complete,
        tally: point.tally.clone(),
        findings: point
            .findings
            .iter()
            .map(|one| SavedFinding {
                stream: one.stream.to_string(),
                revision: one.revision,
                events: one.events,
                class: one.class,
                what: one.what,
                text: one.text.clone(),
            })
            .collect(),
        streams: point.finished().count() as u64,
    }
}

/// Reads the points of these subscriptions, and the scope that they were made with.
///
/// # Errors
/// The file cannot be read, is no such file, or is of other subscriptions or another `--sample`.
pub fn load(
    file: &Path,
    scope: &Scope,
    keys: &[SubscriptionKey],
) -> anyhow::Result<(Scope, Vec<Point>)> {
    let read = || -> anyhow::Result<(Scope, Vec<Point>)> {
        let mut input = BufReader::new(File::open(file)?);
        let mut line = Vec::new();
        input
            .by_ref()
            .take(LONGEST_HEADER)
            .read_until(b'\n', &mut line)?;
        let header: Header =
            serde_json::from_slice(&line).context("it is not a file of ditto verify --resume")?;
        ensure!(
            header.form == FORM,
            "it was written by another version of ditto"
        );
        let theirs = header
            .subscriptions
            .iter()
            .map(|saved| (&*saved.stream, &*saved.group));
        let ours = keys.iter().map(|key| (key.stream.as_str(), &*key.group));
        ensure!(
            theirs.eq(ours),
            "it is of other subscriptions: give the same ones, or another file"
        );
        ensure!(
            header.since.is_some() == scope.since.is_some() && header.sample == scope.sample,
            "it was made with another --since or --sample: give the same ones, or another file"
        );
        let mut points = Vec::new();
        for saved in header.subscriptions {
            points.push(point(saved, &mut input)?);
        }
        if input.read(&mut [0])? != 0 {
            bail!("it is longer than it says");
        }
        let scope = Scope {
            since: header.since,
            ..*scope
        };
        Ok((scope, points))
    };
    read().with_context(|| format!("failed to continue from {}", file.display()))
}

fn point(saved: Saved, input: &mut impl std::io::Read) -> anyhow::Result<Point> {
    let key = SubscriptionKey {
        stream: StreamName::new(saved.stream),
        group: saved.group.into(),
    };
    let mut seen = Seen::default();
    for _ in 0..saved.streams {
        let mut bytes = [0; 12];
        input.read_exact(&mut bytes).context("it is cut off")?;
        seen.insert(Fingerprint(bytes));
    }
    let findings = saved.findings.into_iter().map(|one| Finding {
        stream: StreamName::new(one.stream),
        revision: one.revision,
        events: one.events,
        class: one.class,
        what: one.what,
        text: one.text,
    });
    let mut point = Point::new(key);
    point.next = saved.next;
    point.begin = saved.begin;
    point.end = saved.end;
    point.salt = saved.salt;
    point.is_complete = saved.complete;
    point.tally = saved.tally;
    point.findings = findings.collect();
    point.seen = seen;
    Ok(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str) -> SubscriptionKey {
        SubscriptionKey {
            stream: StreamName::from("$ce-customer"),
            group: group.into(),
        }
    }

    fn met(number: u64) -> Fingerprint {
        Fingerprint::of(&StreamName::new(format!("customer-{number}")))
    }

    /// Both numbers of a position count.
    fn place(at: u64) -> Cursor {
        Cursor {
            at,
            prepare: at / 2,
        }
    }

    /// Met 3,000 streams; number 7 is still under comparison.
    fn under_way() -> Point {
        let mut point = Point::new(key("g"));
        for number in 0..3_000 {
            point.meet(place(number), met(number));
            if number != 7 {
                point.close(place(number), met(number));
            }
        }
        point.next = place(3_000);
        point.end = Some(9_999);
        point.tally.compared = 2_999;
        point
    }

    #[test]
    fn what_was_not_finished_is_done_again_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("point");
        let scope = Scope::default();
        save(&file, &scope, &[&under_way(), &Point::new(key("h"))]).unwrap();
        let (_, points) = load(&file, &scope, &[key("g"), key("h")]).unwrap();
        let mut point = points.into_iter().next().unwrap();
        assert_eq!((point.next, point.end), (place(7), Some(9_999)));
        assert_eq!(point.tally, under_way().tally);
        let again: Vec<u64> = (0..3_001)
            .filter(|number| point.meet(place(*number), met(*number)))
            .collect();
        assert_eq!(again, [7, 3_000]);
    }

    #[test]
    fn a_file_that_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("point");
        let scope = Scope::default();
        let check = |scope: &Scope, keys: &[SubscriptionKey], expected: &str| {
            let text = format!("{:#}", load(&file, scope, keys).unwrap_err());
            assert!(text.contains(expected), "{expected} in {text}");
        };
        check(&scope, &[key("g")], "No such file");
        save(&file, &scope, &[&under_way()]).unwrap();
        check(&scope, &[key("h")], "other subscriptions");
        let sampled = Scope {
            sample: Some(0.5),
            ..scope
        };
        check(&sampled, &[key("g")], "another --since or --sample");
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        check(&scope, &[key("g")], "cut off");
        std::fs::write(&file, "rubbish\n").unwrap();
        check(&scope, &[key("g")], "not a file of ditto verify");
    }
}
