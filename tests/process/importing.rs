//! `ditto import`: settings of the original in `tests/fixtures/import`, and word for word what becomes of them.
//!
//! Each folder holds `appsettings.json`, others that lie over it, and `variables` (lines NAME=VALUE); beside them either
//! `ditto.toml` and `secrets`, or `problems`. `DITTO_UPDATE_FIXTURES=1` writes those anew; read the difference before
//! you commit it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ditto::config::load::{Environment, load};
use ditto_import::{Document, Imported, Sources, import, read_variables};
use ditto_values::problem::Problems;

use crate::support::command;

const FIXTURES: &str = "tests/fixtures/import";

fn fixtures() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(FIXTURES)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    folders.sort();
    folders
}

fn document(folder: &Path, name: &str) -> Document {
    Document {
        file: name.into(),
        text: std::fs::read_to_string(folder.join(name)).expect("text"),
    }
}

/// The files of a folder that are the original's, the base first.
fn inputs(folder: &Path) -> (Vec<String>, bool) {
    let names = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = names
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name.starts_with("appsettings"))
        .collect();
    names.sort_by_key(|name| (name != "appsettings.json", name.clone()));
    (names, folder.join("variables").exists())
}

fn run_import(folder: &Path, target: &Path) -> Result<Imported, Problems> {
    let (names, has_variables) = inputs(folder);
    let variables = has_variables
        .then(|| read_variables(&document(folder, "variables")))
        .transpose()
        .map_err(|problem| Problems(vec![problem]))?
        .unwrap_or_default();
    let documents = names.iter().map(|name| document(folder, name)).collect();
    let sources = Sources {
        documents,
        variables,
    };
    import(&sources, target)
}

/// What is expected of a folder, as file names and texts.
fn outcome(folder: &Path) -> Vec<(&'static str, String)> {
    match run_import(folder, Path::new("/etc/ditto")) {
        Err(problems) => vec![("problems", format!("{problems}\n"))],
        Ok(imported) => {
            let line = |file: &Path, text: &str| format!("{}: {text}\n", file.display());
            let secrets = imported
                .secrets
                .iter()
                .map(|one| line(&one.file, one.secret.reveal()));
            vec![
                ("ditto.toml", imported.configuration),
                ("secrets", secrets.collect()),
            ]
        }
    }
}

#[test]
fn every_fixture_becomes_what_is_expected_word_for_word() {
    let update = std::env::var_os("DITTO_UPDATE_FIXTURES").is_some();
    let folders = fixtures();
    assert!(folders.len() >= 15, "only {} fixtures", folders.len());
    let mut wrong = Vec::new();
    for folder in folders {
        let outcome = outcome(&folder);
        for (name, text) in &outcome {
            if update {
                std::fs::write(folder.join(name), text).expect("the fixture is written");
            }
            let expected = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            if *text != expected {
                wrong.push(format!(
                    "{}/{name}:\n{text}expected:\n{expected}",
                    folder.display()
                ));
            }
        }
        for name in ["ditto.toml", "secrets", "problems"] {
            let is_left_over = !outcome.iter().any(|(known, _)| *known == name);
            if is_left_over && folder.join(name).exists() {
                wrong.push(format!(
                    "{}/{name}: nothing of that kind comes of it",
                    folder.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_imported_passes_the_daemons_own_check() {
    for folder in fixtures() {
        let place = tempfile::tempdir().expect("a folder");
        let Ok(imported) = run_import(&folder, place.path()) else {
            continue;
        };
        for password in &imported.secrets {
            std::fs::write(&password.file, password.secret.reveal()).expect("written");
        }
        let file = place.path().join("ditto.toml");
        std::fs::write(&file, &imported.configuration).expect("written");
        if let Err(problems) = load(&file, &Environment::default()) {
            panic!("{}:\n{problems}", folder.display());
        }
    }
}

#[test]
fn no_password_is_shown_or_gets_into_the_configuration() {
    for folder in fixtures() {
        let shown = match run_import(&folder, Path::new("/etc/ditto")) {
            Ok(imported) => format!("{imported:?}{}", imported.configuration),
            Err(problems) => format!("{problems}{problems:?}"),
        };
        for secret in ["changeit", "marker"] {
            assert!(!shown.contains(secret), "{}: {shown}", folder.display());
        }
    }
}

/// The command with nothing of the test's environment that the original would read.
fn ditto_import(arguments: &[&str], at: &Path) -> Command {
    let mut command = command();
    for (name, _) in std::env::vars_os() {
        let lower = name.to_string_lossy().to_lowercase();
        if lower.starts_with("ditto_") {
            command.env_remove(&name);
        }
    }
    command.arg("import").args(arguments).current_dir(at);
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn mode(file: &Path) -> u32 {
    let metadata = std::fs::metadata(file).expect("a file");
    metadata.permissions().mode() & 0o777
}

const SETTINGS: &str = r#"{"Settings": {
    "SourceEventStoreConnectionString": "ConnectTo=tcp://admin:changeit@source.example.net:1113",
    "DestinationEventStoreConnectionString": "ConnectTo=tcp://admin:other@destination.example.net:1113",
    "Subscriptions": [{"StreamName": "$ce-customer", "GroupName": "ditto-customer"}]
}}"#;

#[test]
fn the_command_writes_files_that_others_cannot_read_and_never_replaces_one_unasked() {
    let place = tempfile::tempdir().expect("a folder");
    let at = place.path();
    std::fs::write(at.join("appsettings.json"), SETTINGS).expect("written");

    let first = ditto_import(&["appsettings.json"], at)
        .output()
        .expect("run");
    assert_eq!(first.status.code(), Some(0), "{}", text(&first));
    assert!(!text(&first).contains("changeit"), "{}", text(&first));
    for (name, password) in [
        ("source.password", "changeit"),
        ("destination.password", "other"),
    ] {
        assert_eq!(mode(&at.join(name)), 0o600, "{name}");
        assert_eq!(
            std::fs::read_to_string(at.join(name)).expect("text"),
            password
        );
    }
    let check = command()
        .args(["check", "--config", "ditto.toml"])
        .current_dir(at)
        .output()
        .expect("run");
    assert_eq!(check.status.code(), Some(0), "{}", text(&check));

    let again = ditto_import(&["appsettings.json"], at)
        .output()
        .expect("run");
    assert_eq!(again.status.code(), Some(1), "{}", text(&again));
    assert!(text(&again).contains("--force"), "{}", text(&again));

    let forced = ditto_import(&["appsettings.json", "--force"], at)
        .env("Ditto_Settings__ReadOnly", "true")
        .output()
        .expect("run");
    assert_eq!(forced.status.code(), Some(0), "{}", text(&forced));
    let new = std::fs::read_to_string(at.join("ditto.toml")).expect("text");
    let old = std::fs::read_to_string(at.join("ditto.toml.old")).expect("text");
    assert!(new.contains("\nread_only = true\n") && !old.contains("read_only"));
    let mut left: Vec<_> = std::fs::read_dir(at)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    let expected = [
        "appsettings.json",
        "destination.password",
        "destination.password.old",
        "ditto.toml",
        "ditto.toml.old",
        "source.password",
        "source.password.old",
    ];
    assert_eq!(left, expected);
    assert_eq!(mode(&at.join("source.password.old")), 0o600);
}

#[test]
fn what_is_replaced_by_force_is_kept_secrets_too() {
    let place = tempfile::tempdir().expect("a folder");
    let at = place.path();
    for (name, text) in [
        ("appsettings.json", SETTINGS),
        ("source.password", "rotated since"),
        ("ditto.toml", "tended by hand"),
    ] {
        std::fs::write(at.join(name), text).expect("written");
    }
    let forced = ditto_import(&["appsettings.json", "--force"], at)
        .output()
        .expect("run");
    assert_eq!(forced.status.code(), Some(0), "{}", text(&forced));
    for (name, expected) in [
        ("source.password", "changeit"),
        ("source.password.old", "rotated since"),
        ("ditto.toml.old", "tended by hand"),
    ] {
        let found = std::fs::read_to_string(at.join(name)).expect(name);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn no_line_of_a_file_of_variables_is_dropped_unsaid() {
    let place = tempfile::tempdir().expect("a folder");
    let at = place.path();
    std::fs::write(at.join("appsettings.json"), SETTINGS).expect("written");
    for (variables, is_read_only, said) in [
        ("Ditto_Settings__ReadOnly=true", true, None),
        ("\u{feff}Ditto_Settings__ReadOnly=true", true, None),
        ("  - \"Ditto_Settings__ReadOnly=true\"", true, None),
        ("  - 'Ditto_Settings__ReadOnly=true' # dry", true, None),
        (
            "Dito_Settings__ReadOnly=true\nPATH=/bin\nDITTO__HTTP__LISTEN=x",
            false,
            Some("variables of these names: Dito_Settings__ReadOnly, PATH, DITTO__HTTP__LISTEN"),
        ),
        ("changeit;x=y", false, Some("what stands at variables:1")),
        (
            "Ditto_Settings__RaedOnly=true",
            false,
            Some("Settings:RaedOnly: unknown"),
        ),
    ] {
        std::fs::write(at.join("variables"), variables).expect("written");
        let arguments = ["appsettings.json", "--env-file", "variables", "--force"];
        let output = ditto_import(&arguments, at).output().expect("run");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let made = std::fs::read_to_string(at.join("ditto.toml")).expect("text");
        assert_eq!(
            made.contains("\nread_only = true\n"),
            is_read_only,
            "{variables}"
        );
        let told = text(&output);
        assert!(
            said.is_none_or(|said| told.contains(said)),
            "{variables}: {told}"
        );
        assert!(!told.contains("changeit"), "{told}");
    }
}

#[test]
fn a_bad_input_ends_with_its_exit_code_and_writes_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    let at = place.path();
    std::fs::write(at.join("bad.json"), "{\n\"Settings\": {,}\n}").expect("written");
    for (arguments, code, expected) in [
        (&[][..], 64, "nothing to import"),
        (&["absent.json"][..], 78, "absent.json: cannot be read"),
        (
            &["bad.json"][..],
            78,
            "bad.json:2: not the JSON of an appsettings.json",
        ),
        (
            &["bad.json", "--output", "no/such/folder"][..],
            1,
            "failed to find the folder no/such",
        ),
        (&["--no-such-option"][..], 64, "--no-such-option"),
    ] {
        let output = ditto_import(arguments, at).output().expect("run");
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(text(&output).contains(expected), "{}", text(&output));
    }
    assert_eq!(std::fs::read_dir(at).expect("a folder").count(), 1);
}
