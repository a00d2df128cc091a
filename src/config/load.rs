//! Reads a configuration file and the environment, and returns settings or every mistake in them.
//!
//! Never keeps the file's text, and never sets a variable.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cluster::ConnectionString;
use super::files::{self, NamedFile};
use super::raw::{self, Node, Table, Value};
use super::settings::Settings;
use super::validate::{Context, CredentialsDirectory, validate};
use ditto_values::problem::{Collector, Origin, Problem, Problems};

/// What of the process's environment has a meaning for the configuration.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Variables that begin with `DITTO__`, in any case; `None`: not UTF-8.
    pub variables: Vec<(String, Option<String>)>,
    /// `$CREDENTIALS_DIRECTORY`, where systemd puts what `LoadCredential=` names.
    pub credentials_directory: Option<PathBuf>,
    /// Whether this is the service itself. Elsewhere a credential that cannot be seen is a note: systemd hides them.
    pub is_service: bool,
}

impl Environment {
    /// The present process's.
    #[must_use]
    pub fn of_process(is_service: bool) -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.to_string_lossy().into_owned();
                raw::is_variable(&name).then(|| (name, value.into_string().ok()))
            })
            .collect();
        Self {
            variables,
            credentials_directory: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            is_service,
        }
    }
}

/// A valid configuration.
#[derive(Debug)]
pub struct Loaded {
    /// What ditto runs with: every value validated, every default filled in.
    pub settings: Settings,
    /// What is allowed and yet worth a warning.
    pub notes: Vec<Problem>,
    /// Files that the settings name and that cannot be used as they are now: whoever needs one tries again.
    pub files: Vec<Problem>,
}

/// Reads `file`, lays the environment over it, and judges all of it.
///
/// # Errors
/// Every mistake that can be seen, in the order of the file. Files that the settings name are no mistake by themselves.
pub fn load(file: &Path, environment: &Environment) -> Result<Loaded, Problems> {
    let origin = Arc::new(file.to_owned());
    let text = text(&origin, content(&origin)?)?;
    let (problems, notes) = (Collector::default(), Collector::default());
    let read = read(&origin, &text, environment, &problems, &notes);
    let unusable = Collector::default();
    let findings = files::Findings {
        unusable: &unusable,
        notes: &notes,
    };
    files::judge(&read.named, &findings);
    if files::others_may_read(file) {
        for (origin, path) in read.secrets {
            let text = "is a secret in a file that can be read by everybody: put it into a file of its own (password_file, \
                        header_files), or chmod 0640";
            notes.add(&origin, path, text);
        }
    }
    outcome(read.settings, unusable.into_problems().0, problems, notes)
}

/// What stands at `[http] listen` in the file, or in a variable over it, whatever else is wrong with it; with its origin.
///
/// # Errors
/// The file cannot be read, or is not TOML.
pub fn listen(
    file: &Path,
    environment: &Environment,
) -> Result<Option<(Origin, String)>, Problems> {
    let origin = Arc::new(file.to_owned());
    let content = content(&origin)?;
    let problems = Collector::default();
    let mut tree = raw::parse(&origin, &text(&origin, content)?, &problems);
    if !problems.is_empty() {
        let text = "is not TOML: \"ditto check\" names the line";
        return Err(Problems::one(Origin::File(origin), text));
    }
    // What is wrong with another variable is no matter of the address.
    raw::overlay(
        &mut tree,
        environment.variables.iter().cloned(),
        &Collector::default(),
    );
    let listen = table_at(&tree, "http").and_then(|http| http.get("listen"));
    Ok(listen.and_then(|node| match &node.value {
        Value::Text(text) | Value::Variable(text) => Some((node.origin.clone(), text.clone())),
        _ => None,
    }))
}

/// As [`load`], but of a text, and no file that it names is opened.
///
/// # Errors
/// As [`load`].
#[cfg(feature = "fuzzing")]
pub fn load_text(
    file: &Path,
    content: Vec<u8>,
    environment: &Environment,
) -> Result<Loaded, Problems> {
    let origin = Arc::new(file.to_owned());
    let text = text(&origin, content)?;
    let (problems, notes) = (Collector::default(), Collector::default());
    let read = read(&origin, &text, environment, &problems, &notes);
    outcome(read.settings, Vec::new(), problems, notes)
}

fn content(origin: &Arc<PathBuf>) -> Result<Vec<u8>, Problems> {
    files::read(origin).map_err(|error| {
        Problems::one(
            Origin::File(origin.clone()),
            format!("cannot be read: {error}"),
        )
    })
}

fn text(origin: &Arc<PathBuf>, content: Vec<u8>) -> Result<String, Problems> {
    String::from_utf8(content).map_err(|error| {
        let line = 1 + bytecount(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        Problems::one(Origin::Line(origin.clone(), line), "is not UTF-8")
    })
}

/// What a text says.
#[derive(Default)]
struct Read {
    settings: Option<Settings>,
    /// Files that it names; none was opened.
    named: Vec<NamedFile>,
    /// Where secrets are written in it.
    secrets: Vec<(Origin, String)>,
}

/// Judges a text with the environment over it.
fn read(
    origin: &Arc<PathBuf>,
    text: &str,
    environment: &Environment,
    problems: &Collector,
    notes: &Collector,
) -> Read {
    let mut tree = raw::parse(origin, text, problems);
    if !problems.is_empty() {
        // What stands behind a syntax error is not what was meant: judging it would only add noise.
        return Read::default();
    }
    raw::overlay(&mut tree, environment.variables.iter().cloned(), problems);
    let directory = environment.credentials_directory.clone();
    let secrets = written_secrets(&tree);
    let named = RefCell::default();
    let context = Context {
        credentials: if environment.is_service {
            CredentialsDirectory::Judged(directory)
        } else {
            CredentialsDirectory::Unseen(directory)
        },
        problems,
        notes,
        files: &named,
    };
    let settings = validate(tree, Origin::File(origin.clone()), &context);
    Read {
        settings,
        named: named.into_inner(),
        secrets,
    }
}

fn outcome(
    settings: Option<Settings>,
    files: Vec<Problem>,
    problems: Collector,
    notes: Collector,
) -> Result<Loaded, Problems> {
    match settings {
        Some(settings) if problems.is_empty() => Ok(Loaded {
            settings,
            notes: notes.into_problems().0,
            files,
        }),
        _ => {
            // All that is wrong, at once.
            for Problem { origin, path, text } in files {
                problems.add(&origin, path, text);
            }
            Err(problems.into_problems())
        }
    }
}

/// Passwords and keys that stand in the file itself, whatever way of TOML they are written in. That is the operator's
/// choice; that others may read them hardly ever is.
fn written_secrets(tree: &Table) -> Vec<(Origin, String)> {
    let mut found = Vec::new();
    let mut note = |node: &Node, path: String| {
        if let (Origin::Line(..), Value::Text(_)) = (&node.origin, &node.value) {
            found.push((node.origin.clone(), path));
        }
    };
    for side in ["source", "destination"] {
        let Some(table) = table_at(tree, side) else {
            continue;
        };
        if let Some(password) = table.get("password") {
            note(password, format!("{side}.password"));
        }
        if let Some(string) = table.get("connection_string")
            && matches!(&string.value, Value::Text(text) if has_password(text))
        {
            note(string, format!("{side}.connection_string"));
        }
    }
    let otlp = table_at(tree, "log").and_then(|log| table_at(log, "otlp"));
    for (name, value) in otlp
        .and_then(|otlp| table_at(otlp, "headers"))
        .into_iter()
        .flatten()
    {
        note(value, format!("log.otlp.headers.{name}"));
    }
    found
}

fn table_at<'t>(table: &'t Table, key: &str) -> Option<&'t Table> {
    match &table.get(key)?.value {
        Value::Table(inner) => Some(inner),
        _ => None,
    }
}

fn has_password(connection_string: &str) -> bool {
    ConnectionString::parse(connection_string).is_ok_and(|string| string.password.is_some())
}

fn bytecount(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
