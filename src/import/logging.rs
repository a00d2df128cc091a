//! The original's Serilog section: `[log]`, and where its lines were sent.
//!
//! Never writes a key of a log service into the configuration.

use super::dotnet::Tree;
use super::section::Section;

const SERILOG: &str = "Serilog";
/// At these levels the original had a line for each event.
const EVERY_EVENT: &str = "\"info,ditto=debug\" gives one line an event, as before";

/// `[log]` and what belongs to it.
pub(super) fn read(tree: &mut Tree) -> Vec<Section> {
    let mut log = Section::new("[log]");
    level(tree, &mut log);
    let overrides = tree.children(&format!("{SERILOG}:MinimumLevel:Override"));
    if !overrides.is_empty() {
        let key = format!("{SERILOG}:MinimumLevel:Override");
        log.remark(
            &key,
            "names parts of the original, which ditto does not have",
        );
        tree.ignore(&key);
    }
    let mut sections = vec![];
    for index in tree.children(&format!("{SERILOG}:WriteTo")) {
        let key = format!("{SERILOG}:WriteTo:{index}");
        sections.extend(sink(tree, &key, &mut log));
        tree.ignore(&key);
    }
    for ignored in ["Using", "Enrich", "Properties"] {
        tree.ignore(&format!("{SERILOG}:{ignored}"));
    }
    sections.insert(0, log);
    sections
}

fn level(tree: &mut Tree, log: &mut Section) {
    let entry = tree
        .get(&format!("{SERILOG}:MinimumLevel:Default"))
        .or_else(|| tree.get(&format!("{SERILOG}:MinimumLevel")));
    let Some(entry) = entry else { return };
    let level = match entry.value.trim().to_ascii_lowercase().as_str() {
        "verbose" | "debug" => {
            log.set("level", "info").remark(
                &entry.key,
                format!(
                    "{} had a line for each event. ditto says once a minute how many it copied; {EVERY_EVENT}",
                    entry.value
                ),
            );
            return;
        }
        "information" => "info",
        "warning" => "warn",
        "error" | "fatal" => "error",
        _ => {
            log.set("level", "info").remark(
                &entry.key,
                format!("{:?} is no level of Serilog", entry.value),
            );
            return;
        }
    };
    log.set("level", level);
}

/// Where lines went beside the console.
fn sink(tree: &mut Tree, key: &str, log: &mut Section) -> Option<Section> {
    let argument = |tree: &mut Tree, name: &str| tree.get(&format!("{key}:Args:{name}"));
    let name = tree.get(&format!("{key}:Name")).map(|entry| entry.value);
    let url = argument(tree, "serverUrl");
    // A variable may change arguments of a sink that is named in a file which is not here.
    let kind = name.as_deref().or(url.as_ref().map(|_| "Seq"))?;
    match kind.to_ascii_lowercase().as_str() {
        // stderr, which systemd puts into the journal; ditto writes to the journal itself.
        "console" | "coloredconsole" => None,
        "seq" => {
            let url = url.map(|entry| entry.value);
            let url = url.as_deref().unwrap_or("http://localhost:5341").trim();
            let mut section = otlp(&format!("{}/ingest/otlp", url.trim_end_matches('/')));
            section.remark(
                key,
                "Seq takes OTLP over HTTP since version 2023.4. The API key was not taken over: put it into a file, and that \
                 into header_files",
            );
            Some(section)
        }
        "datadoglogs" | "datadog" => {
            let mut section = otlp("http://localhost:4318");
            section.remark(
                key,
                "Datadog's agent takes OTLP over HTTP at port 4318, if it is switched on there. The API key was not taken \
                 over: the agent has it",
            );
            Some(section)
        }
        _ => {
            log.remark(
                key,
                format!("{kind:?} has no counterpart: ditto writes to the journal, or to stderr outside of systemd"),
            );
            None
        }
    }
}

fn otlp(endpoint: &str) -> Section {
    let mut section = Section::new("[log.otlp]");
    section.is_active = false;
    section.set("endpoint", endpoint);
    section
}
