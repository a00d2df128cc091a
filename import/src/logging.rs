//! The original's Serilog section: `[log]`, and `[log.otlp]` for the services that its lines were sent to.
//!
//! Never writes a key of a log service into the configuration itself.

use std::path::{Path, PathBuf};

use super::SecretFile;
use super::dotnet::{Entry, Tree};
use super::section::Section;
use ditto_values::secret::Secret;

const SERILOG: &str = "Serilog";
/// At these levels the original had a line for each event.
const EVERY_EVENT: &str = "\"info,ditto=debug\" gives a line for each event, as before";
/// The header in which Seq expects a key.
const SEQ_HEADER: &str = "X-Seq-ApiKey";

/// `[log]` and what belongs to it.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) sections: Vec<Section>,
    pub(super) secrets: Vec<SecretFile>,
}

/// Reads all of it; a key of a service goes into a file in `folder`.
pub(super) fn read(tree: &mut Tree, folder: &Path) -> Log {
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
    let mut found = Log::default();
    for index in tree.children(&format!("{SERILOG}:WriteTo")) {
        let key = format!("{SERILOG}:WriteTo:{index}");
        let known = found.secrets.len();
        if let Some(mut section) = sink(tree, &key, folder, &mut log, &mut found.secrets) {
            // ditto sends to one receiver.
            section.is_active = found.sections.is_empty();
            if !section.is_active {
                found.secrets.truncate(known);
            }
            found.sections.push(section);
        }
        tree.ignore(&key);
    }
    let name = tree.get(&format!("{SERILOG}:Properties:ApplicationName"));
    for ignored in ["Using", "Enrich", "Properties"] {
        tree.ignore(&format!("{SERILOG}:{ignored}"));
    }
    if let (Some(name), Some(section)) = (name, found.sections.first_mut()) {
        service_name(section, &name);
    }
    found.sections.insert(0, log);
    found
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
                    "{} had a line for each event. ditto logs once a minute how many it copied; {EVERY_EVENT}",
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
                format!("{:?} is not a level of Serilog", entry.value),
            );
            return;
        }
    };
    log.set("level", level);
}

/// Where lines went beside the console.
fn sink(
    tree: &mut Tree,
    key: &str,
    folder: &Path,
    log: &mut Section,
    secrets: &mut Vec<SecretFile>,
) -> Option<Section> {
    let argument = |tree: &mut Tree, name: &str| tree.get(&format!("{key}:Args:{name}"));
    let name = tree.get(&format!("{key}:Name")).map(|entry| entry.value);
    let url = argument(tree, "serverUrl");
    // A variable may change arguments of a sink that is named in a file which is not here.
    let kind = name.as_deref().or(url.as_ref().map(|_| "Seq"))?;
    match kind.to_ascii_lowercase().as_str() {
        // stderr, which systemd puts into the journal; ditto writes to the journal itself.
        "console" | "coloredconsole" => None,
        "seq" => {
            let key_of_seq = argument(tree, "apiKey");
            Some(seq(key, url, key_of_seq, folder, secrets))
        }
        "datadoglogs" | "datadog" => {
            let mut section = Section::new("[log.otlp]");
            section.set("endpoint", "http://127.0.0.1:4318").remark(
                key,
                "the Datadog Agent of this machine takes lines by OTLP over HTTP, if that is switched on there. The API key \
                 was not taken over: the agent has it",
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

fn seq(
    key: &str,
    url: Option<Entry>,
    secret: Option<Entry>,
    folder: &Path,
    secrets: &mut Vec<SecretFile>,
) -> Section {
    let mut section = Section::new("[log.otlp]");
    let url = url.map_or_else(|| "http://localhost:5341".to_owned(), |entry| entry.value);
    let endpoint = format!("{}/ingest/otlp", url.trim().trim_end_matches('/'));
    section.set("endpoint", endpoint).remark(
        key,
        "newer versions of Seq receive log lines by OTLP over HTTP. The journal has the lines as well",
    );
    if let Some(secret) = secret {
        let file: PathBuf = folder.join("seq.key");
        let mut headers = toml::Table::new();
        headers.insert(
            SEQ_HEADER.to_owned(),
            toml::Value::String(file.display().to_string()),
        );
        section.set("header_files", toml::Value::Table(headers));
        secrets.push(SecretFile {
            file,
            secret: Secret::new(secret.value.trim()),
        });
    }
    section
}

fn service_name(section: &mut Section, name: &Entry) {
    let mut attributes = toml::Table::new();
    let name = toml::Value::String(name.value.trim().to_owned());
    attributes.insert("service.name".to_owned(), name);
    section.set("resource_attributes", toml::Value::Table(attributes));
}
