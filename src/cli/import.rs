//! `ditto import`: a ditto.toml from the settings of the .NET program that ditto replaces.
//!
//! What it writes was checked as the daemon would check it. Never replaces a file unless it is told to, and never prints
//! a secret.

mod place;

use std::path::{Path, PathBuf};

use super::{Exit, complain, complain_lines, say};
use crate::config::files;
use ditto_import::{Document, Sources, Variable, import, read_variables};
use ditto_values::problem::{Origin, Problem, Problems};
use ditto_values::secret::Secret;
use place::{Owner, Staging};

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The original's appsettings.json, then appsettings.Production.json or whatever else lay over it, in that order.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// File of lines NAME=VALUE with its variables (Ditto_Settings__…), which override the files; can be given several times.
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Ignore the variables of the present environment, which override everything else.
    #[arg(long)]
    no_environment: bool,
    /// Configuration file to write; passwords and keys go into files of their own beside it.
    #[arg(long, value_name = "FILE", default_value = "ditto.toml")]
    output: PathBuf,
    /// Replace existing files; keep each old one, of a secret too, as FILE.old.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let (sources, notes) = match sources(arguments) {
        Ok(found) => found,
        Err(problems) => return refuse(&problems),
    };
    for note in notes {
        say(&format!("note: {note}"));
    }
    if sources.is_empty() {
        complain(
            "nothing to import: name an appsettings.json, or give its variables (Ditto_Settings__…) in the environment or \
             with --env-file",
        );
        return Exit::Usage;
    }
    match write(arguments, &sources) {
        Ok(Ok(())) => Exit::Ok,
        Ok(Err(problems)) => refuse(&problems),
        Err(error) => {
            complain(&format!("{error:#}"));
            Exit::Failed
        }
    }
}

fn refuse(problems: &Problems) -> Exit {
    complain_lines(&format!("nothing was written:\n{problems}"));
    Exit::Configuration
}

/// What is to be imported, and notes on what of it is left out.
fn sources(arguments: &Arguments) -> Result<(Sources, Vec<String>), Problems> {
    let mut sources = Sources::default();
    let (mut problems, mut notes) = (Vec::new(), Vec::new());
    for file in &arguments.files {
        match read(file) {
            Ok(document) => sources.documents.push(document),
            Err(problem) => problems.push(problem),
        }
    }
    for file in &arguments.env_file {
        match read(file).and_then(|document| read_variables(&document)) {
            Ok(variables) => {
                notes.extend(left_out(file, &variables));
                sources.variables.extend(variables);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if !arguments.no_environment {
        for (name, value) in std::env::vars_os() {
            // Names that are not UTF-8 are nobody's settings.
            let Ok(name) = name.into_string() else {
                continue;
            };
            sources.variables.push(Variable {
                origin: Origin::Variable(name.as_str().into()),
                value: Secret::new(value.to_string_lossy()),
                name,
            });
        }
    }
    sources.variables.retain(Variable::is_the_originals);
    if problems.is_empty() {
        Ok((sources, notes))
    } else {
        Err(Problems(problems))
    }
}

/// Names in a file of variables that meant nothing to the original: one of them may be misspelt.
fn left_out(file: &Path, variables: &[Variable]) -> Option<String> {
    let is_name = |name: &str| {
        let is_sign = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
        name.chars().all(is_sign)
    };
    let unknown = variables.iter().filter(|one| !one.is_the_originals());
    let names: Vec<String> = unknown
        .map(|one| match is_name(&one.name) {
            true => one.name.clone(),
            // It may be a part of a value of several lines.
            false => format!("what stands at {}", one.origin),
        })
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "{}: not taken over, because the original read no variables of these names: {}",
            file.display(),
            names.join(", ")
        )
    })
}

fn read(file: &Path) -> Result<Document, Problem> {
    let problem = |text: String| Problem {
        origin: Origin::File(file.to_owned().into()),
        path: String::new(),
        text,
    };
    let content = files::read(file).map_err(|error| problem(format!("cannot be read: {error}")))?;
    let text = String::from_utf8(content).map_err(|_| problem("is not UTF-8".to_owned()))?;
    Ok(Document {
        file: file.to_owned(),
        text,
    })
}

/// Outer error: a file could not be written. Inner: the settings are not valid.
fn write(arguments: &Arguments, sources: &Sources) -> anyhow::Result<Result<(), Problems>> {
    let output = place::absolute(&arguments.output)?;
    let folder = output.parent().unwrap_or(Path::new("/"));
    let imported = match import(sources, folder) {
        Ok(imported) => imported,
        Err(problems) => return Ok(Err(problems)),
    };
    let secrets: Vec<&Path> = imported
        .secrets
        .iter()
        .map(|secret| secret.file.as_path())
        .collect();
    if !arguments.force {
        let names = secrets.iter().copied().chain([output.as_path()]);
        place::refuse_to_replace(names)?;
    }
    let staging = Staging::new(folder)?;
    if let Err(problems) = staging.check(sources)? {
        return Ok(Err(problems));
    }
    let owner = Owner::of_the_service();
    let is_given = staging.publish(&imported, &output, owner.as_ref())?;
    for remark in &imported.remarks {
        say(&format!("note: {remark}"));
    }
    for file in secrets {
        say(&format!("wrote {} (a secret, mode 0600)", file.display()));
    }
    say(&format!("wrote {}", output.display()));
    if !is_given && !imported.secrets.is_empty() {
        say(
            "note: the files of secrets belong to the user who ran this command: give them to the user that ditto runs as (chown ditto)",
        );
    }
    say(&format!(
        "next: ditto check --config {0}, then ditto check --connect --config {0}",
        output.display()
    ));
    Ok(Ok(()))
}
