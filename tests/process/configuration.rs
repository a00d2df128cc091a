//! Every mistake in a configuration has a message, word for word, in `tests/fixtures/invalid`.
//!
//! `DITTO_UPDATE_FIXTURES=1` writes the messages anew; read the difference before you commit it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ditto::config::cluster::PasswordSource;
use ditto::config::load::{Environment, load};
use ditto::config::settings::{
    Destination, GroupStart, NewGroup, OnConflict, OnMissingHistory, OnUnverified, Replication,
};
use ditto_values::problem::Problems;
use ditto_values::secret::Secret;

const INVALID: &str = "tests/fixtures/invalid";

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .filter(|path| cfg!(feature = "kinesis") || !is_about_kinesis(path))
        .collect();
    files.sort();
    files
}

fn is_about_kinesis(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.starts_with("kinesis"))
}

/// Lines `# env: NAME=VALUE`, `# credentials: FOLDER` and `# service` at a fixture's top are its environment.
fn environment(file: &Path) -> Environment {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let variables = text
        .lines()
        .filter_map(|line| line.strip_prefix("# env: ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), Some(value.to_owned())))
        .collect();
    let credentials = text
        .lines()
        .find_map(|line| line.strip_prefix("# credentials: "));
    Environment {
        variables,
        credentials_directory: credentials.map(PathBuf::from),
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
            // They can be mended while ditto runs, but `ditto check` fails.
            Ok(loaded) if !loaded.files.is_empty() => format!("{}\n", Problems(loaded.files)),
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

#[test]
fn the_shipped_file_and_every_valid_fixture_are_valid() {
    let mut files = fixtures("tests/fixtures/valid");
    files.push("etc/ditto/ditto.toml".into());
    for file in files {
        if let Err(problems) = load(&file, &environment(&file)) {
            panic!("{problems}");
        }
    }
}

#[cfg(not(feature = "kinesis"))]
#[test]
fn without_the_feature_kinesis_is_refused_by_name() {
    let file = Path::new("tests/fixtures/valid/kinesis.toml");
    let problems = load(file, &environment(file)).expect_err("refused");
    let expected =
        "destination.type: this ditto was built without Kinesis (Cargo feature \"kinesis\")";
    assert!(problems.to_string().ends_with(expected), "{problems}");
}

#[cfg(feature = "kinesis")]
#[test]
fn every_key_of_kinesis_arrives_where_it_belongs() {
    let file = Path::new("tests/fixtures/valid/kinesis.toml");
    let settings = load(file, &environment(file)).expect("valid").settings;
    let Destination::Kinesis(kinesis) = settings.destination else {
        panic!("Kinesis");
    };
    assert_eq!(
        [&kinesis.stream_name, &kinesis.region],
        ["events", "eu-west-1"]
    );
    let url = "https://vpce-1a2b.kinesis.eu-west-1.vpce.amazonaws.com";
    assert_eq!(kinesis.endpoint_url.as_deref(), Some(url));
    let role = "arn:aws:iam::123456789012:role/ditto";
    assert_eq!(kinesis.role_arn.as_deref(), Some(role));
    let replication = &settings.subscriptions[0].replication;
    assert_eq!(replication.appends_in_flight, Some(16));
}

#[test]
fn every_key_arrives_where_it_belongs() {
    let file = Path::new("tests/fixtures/valid/every_key.toml");
    let settings = load(file, &environment(file)).expect("valid").settings;
    assert_eq!(settings.source.nodes.seeds().len(), 2);
    assert_eq!(
        settings.source.nodes.seeds()[1].to_string(),
        "b.example.net:2113"
    );
    let login = settings.source.credentials.expect("credentials");
    assert_eq!(login.user, "replicator");
    let Destination::EventStore(destination) = settings.destination else {
        panic!("an Event Store");
    };
    let login = destination.credentials.expect("credentials");
    assert_eq!(login.user, "us@er");
    assert_eq!(
        login.password,
        PasswordSource::Text(Secret::new("p@ss/w:rd"))
    );
    assert_eq!(settings.daemon.shutdown_timeout, Duration::from_secs(30));
    assert_eq!(settings.daemon.max_buffered_bytes, 128 << 20);
    assert_eq!(settings.http.listen.to_string(), "[::1]:5001");
    assert_eq!(settings.http.allowed_hosts, ["ditto.example.net", "copier"]);
    assert_eq!(settings.log.level, "warn,ditto=debug");
    let [first, second] = &settings.subscriptions[..] else {
        panic!("two subscriptions");
    };
    assert_eq!(
        (first.stream.as_str(), &*first.group, first.create),
        ("$ce-customer", "one", false)
    );
    assert_eq!(first.replication, second_replication_with(Some(7)));
    assert_eq!(second.replication, second_replication_with(Some(10)));
    assert_eq!(first.new_group, NewGroup::default());
    assert_eq!(
        second.new_group,
        NewGroup {
            start: GroupStart::Number(42),
            message_timeout: Duration::from_secs(120),
            max_retry_count: 3,
        }
    );
}

fn second_replication_with(buffer_size: Option<u32>) -> Replication {
    Replication {
        buffer_size,
        throttle_interval: Duration::from_millis(5),
        skip_version_check: true,
        read_only: true,
        time_to_live: Some(Duration::from_secs(30 * 24 * 3600)),
        on_conflict: OnConflict::Skip,
        on_missing_history: OnMissingHistory::Fill,
        on_unverified: OnUnverified::Pass,
        max_append_events: 50,
        max_append_bytes: 2 << 20,
        appends_in_flight: Some(64),
    }
}

#[test]
fn a_variable_stands_over_the_file_and_can_add_a_subscription() {
    let file = Path::new("tests/fixtures/valid/every_key.toml");
    let variables = [
        (
            "DITTO__SOURCE__CONNECTION_STRING",
            "kurrentdb://elsewhere:2113",
        ),
        ("DITTO__DAEMON__SHUTDOWN_TIMEOUT", "1s"),
        ("DITTO__REPLICATION__BUFFER_SIZE", "33"),
        ("DITTO__HTTP__ALLOWED_HOSTS", "ditto, copier.example.net"),
        ("DITTO__SUBSCRIPTION__0__CREATE", "true"),
        ("DITTO__SUBSCRIPTION__2__STREAM", "$ce-order"),
        ("DITTO__SUBSCRIPTION__2__GROUP", "three"),
        ("DITTO__SUBSCRIPTION__2__NEW_GROUP__START", "end"),
    ];
    let environment = Environment {
        variables: variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
            .collect(),
        ..environment(file)
    };
    let settings = load(file, &environment).expect("valid").settings;
    assert_eq!(
        settings.source.nodes.seeds()[0].to_string(),
        "elsewhere:2113"
    );
    assert_eq!(settings.daemon.shutdown_timeout, Duration::from_secs(1));
    assert_eq!(settings.http.allowed_hosts, ["ditto", "copier.example.net"]);
    let buffers: Vec<_> = settings
        .subscriptions
        .iter()
        .map(|one| one.replication.buffer_size)
        .collect();
    assert_eq!(buffers, [Some(7), Some(33), Some(33)]);
    assert!(settings.subscriptions[0].create);
    let third = &settings.subscriptions[2];
    assert_eq!(
        (third.stream.as_str(), third.new_group.start),
        ("$ce-order", GroupStart::End)
    );
}

#[test]
fn variables_mean_the_same_in_any_order() {
    let file = Path::new("tests/fixtures/valid/minimal.toml");
    let names: Vec<String> = (0..12)
        .flat_map(|index| {
            ["STREAM", "GROUP", "NEW_GROUP__START"]
                .map(|key| format!("DITTO__SUBSCRIPTION__{index}__{key}"))
        })
        .collect();
    let value = |name: &String| match name.ends_with("START") {
        true => "end".to_owned(),
        false => name.clone(),
    };
    let groups = |names: Vec<&String>| -> Vec<String> {
        let variables = names.into_iter();
        let environment = Environment {
            variables: variables
                .map(|name| (name.clone(), Some(value(name))))
                .collect(),
            ..Environment::default()
        };
        let settings = load(file, &environment).expect("valid").settings;
        let groups = settings.subscriptions.iter();
        groups.map(|one| one.group.to_string()).collect()
    };
    let expected: Vec<String> = (0..12)
        .map(|index| format!("DITTO__SUBSCRIPTION__{index}__GROUP"))
        .collect();
    let mut by_text: Vec<&String> = names.iter().collect();
    by_text.sort();
    for order in [
        names.iter().collect(),
        names.iter().rev().collect(),
        by_text,
    ] {
        assert_eq!(groups(order), expected);
    }
}

#[test]
fn a_credential_by_name_is_found_where_systemd_puts_it() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("source.password"), "secret\n").expect("written");
    let file = folder.path().join("ditto.toml");
    let text = "[source]\nconnection_string = \"esdb://a:1\"\nuser = \"u\"\npassword_file = \"source.password\"\n\
                [destination]\nconnection_string = \"esdb://b:1\"\n";
    std::fs::write(&file, text).expect("written");
    let environment = Environment {
        credentials_directory: Some(folder.path().to_owned()),
        is_service: true,
        ..Environment::default()
    };
    let settings = load(&file, &environment).expect("valid").settings;
    let login = settings.source.credentials.expect("credentials");
    assert_eq!(
        login.password,
        PasswordSource::Credential(folder.path().join("source.password"))
    );
}

#[test]
fn what_cannot_be_a_configuration_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let large = folder.path().join("large.toml");
    std::fs::write(&large, "#".repeat((1 << 20) + 1)).expect("written");
    for (file, text) in [
        (large.as_path(), "cannot be read: it is larger than 1 MiB"),
        (
            Path::new("/nonexistent.toml"),
            "cannot be read: there is no such file",
        ),
        (
            Path::new("/dev/zero"),
            "cannot be read: it is not a regular file",
        ),
        (folder.path(), "cannot be read: it is a directory"),
    ] {
        let problems = load(file, &Environment::default()).expect_err("refused");
        assert_eq!(problems.to_string(), format!("{}: {text}", file.display()));
    }
}

#[test]
fn a_variable_that_is_no_text_is_a_mistake() {
    let environment = Environment {
        variables: vec![("DITTO__LOG__LEVEL".to_owned(), None)],
        ..Environment::default()
    };
    let problems = load(Path::new("etc/ditto/ditto.toml"), &environment).expect_err("refused");
    assert_eq!(
        problems.to_string(),
        "environment variable DITTO__LOG__LEVEL: is not UTF-8"
    );
}
