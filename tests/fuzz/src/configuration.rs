//! `ditto.toml` with the environment over it: every problem has a place, no message has a secret, and what is valid is of
//! use.
//!
//! An input is the file; behind a line `#variables` each line is a variable. Never opens the files that are named.

use std::path::{Path, PathBuf};

use ditto::config::diff::difference;
use ditto::config::load::{Environment, Loaded, load_text};
use ditto::config::settings::{Destination, Settings};
use ditto_values::problem::{Origin, Problem, Problems};
use toml::{Table, Value};

use crate::rules::{MARKER, cut, placed, usable};

const FILE: &str = "/etc/ditto/ditto.toml";
const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Judges one input.
pub fn configuration(data: &[u8]) {
    if data
        .windows(MARKER.len())
        .any(|part| part == MARKER.as_bytes())
    {
        return;
    }
    let (file, variables) = cut(data, b"\n#variables\n");
    let environment = environment(variables);
    let lines = 1 + file.iter().filter(|byte| **byte == b'\n').count();
    let loaded = load_text(Path::new(FILE), file.to_vec(), &environment);
    for problem in said(&loaded) {
        placed(problem);
        match &problem.origin {
            Origin::File(at) => assert_eq!(at.as_path(), Path::new(FILE)),
            Origin::Line(at, line) => {
                assert_eq!(at.as_path(), Path::new(FILE));
                assert!((1..=lines).contains(line), "{problem:?}");
            }
            Origin::Variable(name) => {
                let mut names = environment.variables.iter().map(|(name, _)| name.as_str());
                assert!(names.any(|known| known == &**name), "{problem:?}");
            }
        }
    }
    match &loaded {
        Ok(loaded) => useful(&loaded.settings),
        Err(problems) => assert!(!problems.0.is_empty(), "refused without a reason"),
    }
    if let Ok(text) = std::str::from_utf8(file) {
        secrets_are_hidden(text, environment);
    }
}

fn environment(lines: &[u8]) -> Environment {
    let mut environment = Environment::default();
    for line in lines.split(|byte| *byte == b'\n') {
        let (name, value) = cut(line, b"=");
        let name = String::from_utf8_lossy(name).into_owned();
        let value = String::from_utf8(value.to_vec()).ok();
        if name == DIRECTORY {
            environment.is_service = true;
            environment.credentials_directory =
                value.filter(|value| !value.is_empty()).map(PathBuf::from);
        } else if name.starts_with("DITTO__") {
            environment.variables.push((name, value));
        }
    }
    environment
}

/// Everything that is said about a configuration.
fn said(loaded: &Result<Loaded, Problems>) -> impl Iterator<Item = &Problem> {
    match loaded {
        Ok(loaded) => loaded.notes.iter(),
        Err(problems) => problems.0.iter(),
    }
}

fn useful(settings: &Settings) {
    usable(&settings.source);
    if let Destination::EventStore(side) = &settings.destination {
        usable(side);
    }
    let mut keys: Vec<_> = settings.pipelines().map(|one| one.key()).collect();
    keys.sort();
    assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "{keys:?}");
    assert_eq!(
        difference(settings, settings).map(|difference| difference.is_empty()),
        Ok(true)
    );
}

/// The same again, with a password that is known wherever one may stand.
fn secrets_are_hidden(text: &str, mut environment: Environment) {
    let Ok(mut table) = text.parse::<Table>() else {
        return;
    };
    let mut has_any = false;
    for side in ["source", "destination"] {
        if let Some(Value::Table(side)) = table.get_mut(side) {
            for (key, value) in side {
                has_any |= mark(key, value);
            }
        }
    }
    if let Some(Value::Table(log)) = table.get_mut("log")
        && let Some(Value::Table(otlp)) = log.get_mut("otlp")
    {
        for (key, value) in otlp {
            has_any |= mark(key, value);
        }
    }
    for (name, value) in &mut environment.variables {
        let lower = name.to_lowercase();
        let is_header = lower.starts_with("ditto__log__otlp__headers__");
        let key = lower.rsplit("__").next().unwrap_or_default();
        if let Some(value) = value {
            has_any |= mark_text(if is_header { "headers" } else { key }, value);
        }
    }
    let Ok(text) = toml::to_string(&table) else {
        return;
    };
    if !has_any {
        return;
    }
    let loaded = load_text(Path::new(FILE), text.clone().into_bytes(), &environment);
    for problem in said(&loaded) {
        assert!(!problem.to_string().contains(MARKER), "{problem}\n{text}");
    }
    assert!(!format!("{loaded:?}").contains(MARKER), "{text}");
}

/// Puts the marker wherever a text under this key is a secret, or holds one. True if there is one.
fn mark(key: &str, value: &mut Value) -> bool {
    match value {
        Value::String(text) => mark_text(key, text),
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |any, item| mark(key, item) | any),
        Value::Table(table) => table
            .iter_mut()
            .fold(false, |any, (_, value)| mark(key, value) | any),
        _ => false,
    }
}

fn mark_text(key: &str, text: &mut String) -> bool {
    match key {
        "password" | "headers" => MARKER.clone_into(text),
        "connection_string" | "endpoint" | "endpoint_url" => {
            let Some((scheme, rest)) = text.split_once("://") else {
                return false;
            };
            *text = format!("{scheme}://user:{MARKER}@{rest}");
        }
        _ => return false,
    }
    true
}
