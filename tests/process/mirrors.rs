//! Mirrors in the configuration, and what the commands say about them. Never copies one.

use std::path::Path;
use std::time::Duration;

use devstore::store::{Expected, Store};
use devstore::{Options, Server, User};
use ditto::config::load::{Environment, load};
use ditto::config::settings::{
    MirrorSettings, OnConflict, OnMissingHistory, OnUnverified, ReadFrom, Replication,
};
use ditto_core::port::state::{Deletions, OnMetadataConflict, StateRules};

use super::support::{Servers, ask};

/// Runs a command with this configuration.
fn ask_with(configuration: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    std::fs::write(&file, configuration).expect("written");
    let file = file.to_str().expect("UTF-8");
    ask(&[arguments, &["--config", file]].concat())
}

const SIDES: &str = "[source]\nconnection_string = \"esdb://a:1\"\n[destination]\nconnection_string = \"esdb://b:1\"\n";
const SUBSCRIPTION: &str = "[[subscription]]\nstream = \"$ce-customer\"\ngroup = \"g\"\n";
const MIRROR: &str = "[[mirror]]\nname = \"rest\"\nstreams = [\"order-7\", \"b*\", \"ab\", \"a*\"]\nexclude_streams = [\"bb*\"]\n";

#[test]
fn every_key_of_mirrors_arrives_where_it_belongs() {
    let file = Path::new("tests/fixtures/valid/mirrors.toml");
    let variables = [
        ("DITTO__MIRROR__2__NAME", "orders"),
        ("DITTO__MIRROR__2__STREAMS", "order-8, order-9*"),
    ];
    let environment = Environment {
        variables: variables
            .map(|(name, value)| (name.to_owned(), Some(value.to_owned())))
            .into(),
        ..Environment::default()
    };
    let settings = load(file, &environment).expect("valid").settings;
    let filter = |text: &str| text.parse().expect("a filter");
    let shared = Replication {
        throttle_interval: Duration::from_millis(5),
        read_only: true,
        on_conflict: OnConflict::Park,
        on_missing_history: OnMissingHistory::Fill,
        on_unverified: OnUnverified::Pass,
        max_append_events: 50,
        appends_in_flight: Some(64),
        ..Replication::default()
    };
    let expected = [
        MirrorSettings {
            name: "customers-2".into(),
            filter: filter("+customer-*\n+order-7\n-customer-test-*"),
            read_from: Some(ReadFrom::ReadOnlyReplica),
            states: Some(StateRules {
                deletions: Deletions::All,
                on_conflict: OnMetadataConflict::Overwrite,
            }),
            replication: Replication {
                throttle_interval: Duration::from_secs(1),
                on_conflict: OnConflict::Stop,
                on_missing_history: OnMissingHistory::Park,
                max_append_events: 7,
                max_append_bytes: 2 << 20,
                appends_in_flight: Some(3),
                ..Replication::default()
            },
        },
        MirrorSettings {
            name: "rest".into(),
            filter: filter("+*\n-account-*\n-customer*\n-invoice-1\n-order-*"),
            read_from: None,
            states: None,
            replication: shared.clone(),
        },
        MirrorSettings {
            name: "orders".into(),
            filter: filter("+order-8\n+order-9*"),
            read_from: None,
            states: None,
            replication: shared,
        },
    ];
    assert_eq!(settings.mirrors, expected);
    let keys: Vec<String> = settings
        .pipelines()
        .map(|one| one.key().to_string())
        .collect();
    let expected = [
        "$ce-account::g",
        "invoice-1::g",
        "$all::customers-2",
        "$all::rest",
        "$all::orders",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn check_prints_each_mirror_with_its_rules() {
    let all = "[[mirror]]\nname = \"all\"\n";
    for (parts, expected) in [
        (
            &[SIDES][..],
            "no subscriptions or mirrors, from a:1 to b:1\n",
        ),
        (
            &[SIDES, all],
            "1 mirror, from a:1 to b:1\nmirror all copies:\n  +*\n",
        ),
        (
            &[SIDES, SUBSCRIPTION, MIRROR],
            "1 subscription and 1 mirror, from a:1 to b:1\n\
             mirror rest copies:\n  +a*\n  +b*\n  +order-7\n  -bb*\n",
        ),
    ] {
        let (code, said, complaint) = ask_with(&parts.concat(), &["check"]);
        assert_eq!(code, Some(0), "{complaint}");
        assert!(said.ends_with(expected), "{expected:?} in {said}");
    }
}

#[test]
fn rules_that_no_checkpoint_could_hold_are_refused() {
    let rules = |count: usize| -> Vec<String> {
        let rule = |number| format!("\"{number:063}*\"");
        (0..count).map(rule).collect()
    };
    for (count, expected) in [(1_024, Some(0)), (1_025, Some(78))] {
        let streams = rules(count).join(", ");
        let mirror = format!("[[mirror]]\nname = \"all\"\nstreams = [{streams}]\n");
        let (code, said, complaint) = ask_with(&[SIDES, &mirror].concat(), &["check"]);
        assert_eq!(code, expected, "{count}: {complaint}");
        let is_named = complaint.contains("have 65600 bytes, expected at most 65536");
        assert_eq!(is_named, expected != Some(0), "{said}{complaint}");
    }
}

#[test]
fn commands_for_subscriptions_say_so_where_a_mirror_is_meant() {
    let only = "this command is for subscriptions and leaves out mirrors: rest";
    let both = [SIDES, SUBSCRIPTION, MIRROR].concat();
    let of_mirror = |command: &[&'static str], name: &'static str, said: &str| {
        let named = [command, &["--subscription", name]].concat();
        (both.clone(), named, format!("{name:?} is a mirror: {said}"))
    };
    let parked = ["parked", "list"];
    let for_subscriptions = "this command is for subscriptions";
    for (configuration, arguments, expected) in [
        ([SIDES, MIRROR].concat(), parked.to_vec(), only.to_owned()),
        of_mirror(&parked, "rest", for_subscriptions),
        of_mirror(&parked, "$all::rest", for_subscriptions),
        of_mirror(&["verify"], "rest", "give --mirror NAME"),
        (
            both.clone(),
            vec!["verify", "--mirror", "all"],
            "no mirror \"all\" is configured; there are: rest".to_owned(),
        ),
    ] {
        let (code, said, complaint) = ask_with(&configuration, &arguments);
        assert_eq!(code, Some(64), "{said}{complaint}");
        assert_eq!(complaint, format!("ditto: {expected}\n"), "{arguments:?}");
    }
}

/// Servers where users log in.
async fn with_users() -> Servers {
    let start = || async {
        let reader = User {
            name: "reader".to_owned(),
            password: "changeit".to_owned(),
            groups: Vec::new(),
        };
        let options = Options {
            users: Some(vec![User::admin(), reader]),
            ..Options::default()
        };
        Server::start(options).await.expect("a server")
    };
    Servers {
        source: start().await,
        destination: start().await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_connect_forecasts_the_placeholders_of_a_mirror() {
    let servers = with_users().await;
    let source = servers.source.store();
    let append = |stream: &str, events: usize| {
        let events = vec![Store::json_event("happened", "{}"); events];
        source
            .append(stream, Expected::Any, events)
            .expect("written");
    };
    append("whole-1", 4);
    for (stream, before) in [("gone-1", 3), ("gone-2", 5), ("left-out", 2)] {
        append(stream, 6);
        let truncated = Store::json_event("$metadata", format!("{{\"$tb\":{before}}}"));
        let metadata = format!("$${stream}");
        source
            .append(&metadata, Expected::Any, vec![truncated])
            .expect("written");
    }
    // Truncated only: the log shows them still.
    let check = |rules: &str| {
        let text = servers.configuration(&[])
            + "[[mirror]]\nname = \"all\"\nexclude_streams = [\"left-out\"]\n"
            + rules;
        let text = text.replace("esdb://", "esdb://admin:changeit@");
        let (code, said, complaint) = ask_with(&text, &["check", "--connect"]);
        assert_eq!(code, Some(0), "{said}{complaint}");
        said
    };
    let looked = "mirror all: looked through the log that is left: ";
    let judge = |rules, kind: &str, expected: &str| {
        let (said, text) = (check(rules), format!("{kind}: {looked}{expected}"));
        assert!(said.contains(&text), "{text:?} in {said}");
    };
    judge("", "ok", "no history is missing there\n");
    source.scavenge();
    let gone = "8 events of 2 streams are gone; ditto will";
    judge("", "ok", &format!("{gone} write a placeholder for each"));
    let hold = "on_missing_history = \"hold\"\n";
    judge(
        hold,
        "warning",
        &format!("{gone} hold each of these streams"),
    );
    let stop = "on_missing_history = \"stop\"\n";
    judge(stop, "warning", &format!("{gone} stop the mirror"));

    // From a checkpoint on: what lies before it is done.
    let mark = source.appended("gone-2", 5, 1)[0].position;
    append("gone-1", 1);
    let checkpoint = format!(
        r#"{{"version":1,"mark":{{"commit":{mark},"prepare":{mark},"epoch":null,"record":null}},"highest":null,"origin":null,
        "takenOver":false,"rules":"+*\n-left-out","holder":"ditto/b/7","instance":"00000000-0000-0000-0000-000000000001","process":null}}"#,
    );
    let checkpoint = Store::json_event("ditto-checkpoint", checkpoint);
    servers
        .destination
        .store()
        .append("$ditto-mirror-all", Expected::Any, vec![checkpoint])
        .expect("written");
    judge("", "ok", "no history is missing there\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_connect_looks_at_the_log_and_the_checkpoint_of_a_mirror() {
    let servers = with_users().await;
    let check = |source: &str, destination: &str| {
        let mut text = servers.configuration(&[]) + "[[mirror]]\nname = \"all\"\nmetadata = true\n";
        for (server, user) in [
            (&servers.source, source),
            (&servers.destination, destination),
        ] {
            let plain = server.connection_string();
            let login = format!("esdb://{user}:changeit@");
            text = text.replacen(&plain, &plain.replace("esdb://", &login), 1);
        }
        ask_with(&text, &["check", "--connect"])
    };
    let judge = |source, destination, expected, text: &str| {
        let (code, said, complaint) = check(source, destination);
        assert_eq!(code, Some(expected), "{said}{complaint}");
        assert!(said.contains(text), "{text:?} in {said}{complaint}");
    };
    let log = "ok: mirror all: the source's log can be read\n";
    let none = "ok: mirror all: the destination has no checkpoint; ditto will begin with the log's first event, ";
    let no_epochs = "warning: mirror all: the source does not let the user read $epoch-information";
    let no_log = "(add the user to $admins, or grant it the permission to read $all)\n";
    let no_checkpoint = "let the user read the mirror's checkpoint (add the user to $admins, or grant it the permission to read $ditto-mirror-all)\n";
    judge("admin", "admin", 0, log);
    judge("admin", "admin", 0, none);
    judge("reader", "admin", 1, no_log);
    judge("reader", "admin", 1, no_epochs);
    judge("admin", "reader", 1, no_checkpoint);
    let no_metadata = "problem: mirror all: the destination does not let the user write the metadata of every stream (add the user to $admins, or set metadata = false)\n";
    judge("admin", "reader", 1, no_metadata);
    let (_, said, _) = check("admin", "admin");
    assert!(!said.contains("metadata"), "{said}");

    let destination = servers.destination.store();
    let written = |data: &str| {
        let checkpoint = Store::json_event("ditto-checkpoint", data.to_owned());
        destination
            .append("$ditto-mirror-all", Expected::Any, vec![checkpoint])
            .expect("an append");
    };
    written("{}");
    let not_understood =
        "problem: mirror all: event 0 of stream $ditto-mirror-all is no checkpoint";
    judge("admin", "admin", 1, not_understood);
    written(
        r#"{"version":1,"mark":null,"highest":null,"origin":null,"takenOver":true,"rules":"+*","holder":"ditto/b/7",
        "instance":"00000000-0000-0000-0000-000000000001","process":null}"#,
    );
    let there = "ok: mirror all: the destination has its checkpoint, of ditto/b/7; ";
    judge("admin", "admin", 0, there);

    servers.destination.stop().await;
    judge("admin", "admin", 1, log);
    servers.source.stop().await;
    judge("admin", "admin", 1, "warning: not checked: 1 mirror\n");
}
