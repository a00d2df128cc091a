//! The files of the original: what is made of them is a `ditto.toml` without a secret, or problems with a place.
//!
//! An input is one file or several, with lines `%%` between them: those that begin with `{`, `[` or `/` are an
//! `appsettings.json`, the others hold variables, as an env file, a unit or a compose file has them. Never opens a file.

use std::path::Path;

use ditto::config::load::{Environment, load_text};
use ditto_import::{Document, Imported, Sources, import, read_variables};
use ditto_values::problem::{Origin, Problem, Problems};
use ditto_values::secret::Secret;

use crate::rules::{MARKER, placed, readable};

const FOLDER: &str = "/etc/ditto";

/// Judges one input.
pub fn import_files(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if text.contains(MARKER) {
        return;
    }
    match imported(text) {
        Err(problems) => {
            assert!(!problems.0.is_empty(), "refused without a reason");
            let lines = text.split('\n').count();
            for problem in &problems.0 {
                placed(problem);
                if let Origin::Line(_, line) = problem.origin {
                    assert!((1..=lines).contains(&line), "{problem:?}");
                }
            }
        }
        Ok(imported) => {
            imported.remarks.iter().for_each(|remark| readable(remark));
            readable_by_the_daemon(&imported);
            secrets_are_apart(text, &imported);
        }
    }
}

fn imported(text: &str) -> Result<Imported, Problems> {
    let mut sources = Sources::default();
    for (index, part) in text.split("\n%%\n").enumerate() {
        let document = Document {
            file: format!("file-{index}").into(),
            text: part.to_owned(),
        };
        if part
            .trim_start_matches('\u{feff}')
            .trim_start()
            .starts_with(['{', '[', '/'])
        {
            sources.documents.push(document);
        } else {
            let variables = read_variables(&document);
            let variables = variables.map_err(|problem: Problem| Problems(vec![problem]))?;
            sources.variables.extend(variables);
        }
    }
    import(&sources, Path::new(FOLDER))
}

/// Whatever the original's texts hold, the file is TOML. That a value is not one that ditto takes is for its own check.
fn readable_by_the_daemon(imported: &Imported) {
    let text = &imported.configuration;
    if let Err(error) = text.parse::<toml::Table>() {
        panic!("{error}\n{text}");
    }
    let file = Path::new(FOLDER).join("ditto.toml");
    let loaded = load_text(&file, text.clone().into_bytes(), &Environment::default());
    if let Err(problems) = loaded {
        problems.0.iter().for_each(placed);
    }
}

/// With another password the file is the same.
fn secrets_are_apart(text: &str, imported: &Imported) {
    for secret in imported.secrets.iter().map(|file| file.secret.reveal()) {
        if text.matches(secret).count() != 1 {
            continue;
        }
        let Ok(other) = self::imported(&text.replace(secret, MARKER)) else {
            continue;
        };
        let is_it = |secret: &Secret| secret.reveal() == MARKER;
        if other.secrets.iter().any(|file| is_it(&file.secret)) {
            assert!(!format!("{other:?}").contains(MARKER), "{text}");
        }
    }
}
