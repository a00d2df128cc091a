//! Every mistake in a configuration has a message, word for word, in `tests/fixtures/invalid`.
//!
//! `DITTO_UPDATE_FIXTURES=1` writes the messages anew; read the difference before you commit it.

use std::path::{Path, PathBuf};

use ditto::config::load::{Environment, load};

const INVALID: &str = "tests/fixtures/invalid";

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

/// Lines `# env: NAME=VALUE` and `# service` at a fixture's top are its environment.
fn environment(file: &Path) -> Environment {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let variables = text
        .lines()
        .filter_map(|line| line.strip_prefix("# env: ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), Some(value.to_owned())))
        .collect();
    Environment {
        variables,
        credentials_directory: None,
        is_service: text.starts_with("# service"),
    }
}

#[test]
fn every_mistake_has_its_message() {
    let update = std::env::var_os("DITTO_UPDATE_FIXTURES").is_some();
    let files = fixtures(INVALID);
    assert!(files.len() >= 40, "only {} fixtures", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let expected_file = file.with_extension("expected");
        let message = match load(&file, &environment(&file)) {
            Ok(_) => "valid".to_owned(),
            Err(problems) => format!("{problems}\n"),
        };
        if update {
            std::fs::write(&expected_file, &message).expect("the fixture is written");
        }
        let expected = std::fs::read_to_string(&expected_file).unwrap_or_default();
        if message != expected || message == "valid" {
            wrong.push(format!(
                "{}:\n{message}expected:\n{expected}",
                file.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_message_shows_a_password() {
    for file in fixtures(INVALID) {
        if let Err(problems) = load(&file, &environment(&file)) {
            for shown in [problems.to_string(), format!("{problems:?}")] {
                assert!(!shown.contains("marker"), "{}: {shown}", file.display());
            }
        }
    }
}
