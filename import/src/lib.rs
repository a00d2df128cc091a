//! From the settings of the .NET program of the same name to a `ditto.toml`: what `ditto import` does.
//!
//! Reads what that program read: JSON documents, one laid over the other, and variables over both. Whatever has no
//! counterpart or another meaning becomes a comment at its place and a remark. Never opens a file, never writes one, and
//! never shows a password.

mod connection;
mod dotnet;
mod logging;
mod original;
mod replication;
mod section;
mod subscriptions;
mod time_span;
mod values;
mod variables;
mod write;

use std::path::{Path, PathBuf};

use ditto_values::problem::{Collector, Origin, Problems};
use ditto_values::secret::Secret;

use dotnet::Tree;

pub use variables::read_variables;

/// An `appsettings.json` of the original, as it was read.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its name, for messages.
    pub file: PathBuf,
    /// The whole file; comments and trailing commas are allowed.
    pub text: String,
}

/// An environment variable, or a line of a file of them.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Where it was found.
    pub origin: Origin,
    /// Its name; one that was not the original's has no effect.
    pub name: String,
    /// What is right of the '='; it may be a password.
    pub value: Secret,
}

impl Variable {
    /// Whether the original read a variable of this name.
    #[must_use]
    pub fn is_the_originals(&self) -> bool {
        dotnet::key_of(&self.name).is_some()
    }
}

/// What the import reads.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Later ones lie over earlier ones.
    pub documents: Vec<Document>,
    /// They lie over the documents, later ones over earlier ones.
    pub variables: Vec<Variable>,
}

impl Sources {
    /// True if there is nothing of the original's; a machine has variables for AWS without it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let is_prefixed = |variable: &Variable| dotnet::has_prefix(&variable.name);
        self.documents.is_empty() && !self.variables.iter().any(is_prefixed)
    }
}

/// A password or key that has a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// Where the configuration expects it.
    pub file: PathBuf,
    /// What it is to hold.
    pub secret: Secret,
}

/// What the import makes.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The text of the `ditto.toml`, without any secret.
    pub configuration: String,
    /// The files that it names.
    pub secrets: Vec<SecretFile>,
    /// What an operator should read, in the order of the configuration; each stands there as a comment, too.
    pub remarks: Vec<String>,
}

/// Makes a configuration; `folder` is where it and the files of its secrets will be.
///
/// # Errors
/// Everything that cannot be read as the original would have read it, with its place, what was found and what to do.
pub fn import(sources: &Sources, folder: &Path) -> Result<Imported, Problems> {
    let problems = Collector::default();
    let mut tree = Tree::default();
    for document in &sources.documents {
        tree.read_document(document, &problems);
    }
    for variable in &sources.variables {
        tree.read_variable(variable);
    }
    if !problems.is_empty() {
        return Err(problems.into_problems());
    }
    let original = original::read(&mut tree, folder, &problems);
    match original {
        Some(original) if problems.is_empty() => Ok(write::write(original, &tree.unread())),
        _ => Err(problems.into_problems()),
    }
}
