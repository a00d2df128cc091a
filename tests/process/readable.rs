//! Warnings about secrets that everybody on the machine can read. Never starts the program.

use std::path::Path;

use ditto::config::load::{Environment, load};

/// The notes on a configuration whose source has these lines, in a file of this mode.
fn notes(source: &str, mode: u32, folder: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;

    let file = folder.join("ditto.toml");
    let text = format!("destination.connection_string = \"esdb://b:1\"\n{source}\n");
    std::fs::write(&file, text).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("a mode");
    let loaded = load(&file, &Environment::default()).expect(source);
    let notes = loaded.notes.iter().map(ToString::to_string);
    notes.collect()
}

#[test]
fn a_secret_that_everybody_may_read_is_warned_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = "[source]\nconnection_string = \"esdb://a:1\"\n";
    let otlp = format!("{plain}[log.otlp]\nendpoint = \"http://c:1\"\n");
    for (source, place) in [
        (
            &*format!("{plain}user = \"u\"\npassword = \"p\""),
            Some(":5: source.password: "),
        ),
        (
            "source = { connection_string = \"esdb://a:1\", user = \"u\", password = \"p\" }",
            Some(":2: source.password: "),
        ),
        (
            "source.connection_string = \"esdb://a:1\"\nsource.user = \"u\"\nsource.\"password\" = \"p\"",
            Some(":4: source.password: "),
        ),
        (
            "[source]\nconnection_string = \"\"\"esdb://u:p@a:1\"\"\"",
            Some(":3: source.connection_string: "),
        ),
        (
            &*format!("{otlp}headers = {{ X-Key = \"k\" }}"),
            Some(":6: log.otlp.headers.X-Key: "),
        ),
        (
            &*format!("{otlp}[log.otlp.headers]\nX-Key = \"k\""),
            Some(":7: log.otlp.headers.X-Key: "),
        ),
        (&*otlp, None),
        (plain, None),
        (
            "# password = \"p\"\n[source]\nconnection_string = \"esdb://a:1?connectionName=copy@1\"",
            None,
        ),
    ] {
        let found = notes(source, 0o644, folder.path());
        let found: Vec<_> = found
            .iter()
            .filter(|note| note.contains("can be read by everybody"))
            .collect();
        match place {
            None => assert!(found.is_empty(), "{source}: {found:?}"),
            Some(place) => {
                assert!(
                    found.len() == 1 && found[0].contains(place),
                    "{source}: {found:?}"
                );
            }
        }
        let found = notes(source, 0o640, folder.path()).join("\n");
        assert!(!found.contains("everybody"), "{source}: {found}");
    }
}

#[test]
fn a_file_of_a_secret_that_everybody_may_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    let path = secret.display();
    std::fs::write(&secret, "hunter2").expect("written");
    let plain = "[source]\nconnection_string = \"esdb://a:1\"\n";
    for source in [
        format!("{plain}user = \"u\"\npassword_file = \"{path}\""),
        format!(
            "{plain}[log.otlp]\nendpoint = \"http://c:1\"\nheader_files = {{ X-Key = \"{path}\" }}"
        ),
    ] {
        for (mode, is_warned) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false)] {
            let mode_of_file = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&secret, mode_of_file).expect("a mode");
            let found = notes(&source, 0o644, folder.path()).join("\n");
            let is_told = found.contains(&format!("{path} holds a secret and can be read by"));
            assert_eq!(is_told, is_warned, "{source} {mode:o}: {found}");
        }
    }
}
