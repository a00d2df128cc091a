//! What commands print: on a full device, into a closed pipe, and of names that a terminal would act on.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use super::parking::{Configured, consume};
use super::support::{Ditto, Servers, command, seed, until};

/// What clears a screen, colours text, turns its direction and ends a line.
const HOSTILE: &str = "customer-\u{1b}[2J\u{9b}31m\u{202e}x\nditto: y";
const ESCAPED: &str = "customer-\\u{1b}[2J\\u{9b}31m\\u{202e}x\\nditto: y";

/// Runs a command to its end with this as its output: exit code, and what it said on stderr.
fn run(arguments: &[&str], at: &Path, output: impl Into<Stdio>) -> (Option<i32>, String) {
    let ended = command()
        .args(arguments)
        .current_dir(at)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("the program");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    (ended.status.code(), said)
}

/// Every command that prints a result, with the code that it ends with if that is lost.
fn printing(url: &str) -> Vec<(Vec<&str>, i32)> {
    vec![
        (vec!["--help"], 1),
        (vec!["--version"], 1),
        (vec!["help", "verify"], 1),
        (vec!["parked", "list", "--help"], 1),
        (vec!["completions", "bash"], 1),
        (vec!["manual"], 1),
        (vec!["check"], 1),
        (vec!["check", "--connect"], 1),
        (vec!["status", "--url", url], 1),
        (vec!["status", "--json", "--url", url], 1),
        (vec!["parked", "list"], 1),
        (vec!["parked", "list", "--json"], 1),
        (vec!["parked", "show", "customer-2"], 1),
        (vec!["parked", "export", "-"], 1),
        (vec!["verify"], 2),
        (vec!["verify", "--json"], 2),
        (vec!["import", "settings.json", "--force"], 1),
    ]
}

/// Servers with a parked event, a daemon that has copied the others, and a folder with its configuration.
async fn prepared() -> (Servers, Ditto, String, tempfile::TempDir) {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 3);
    let ditto = Ditto::start(&servers.configuration(&["other"]));
    let url = format!("http://{}", ditto.http().await);
    until("the copy", || servers.is_copied("customer-1").then_some(())).await;
    ditto.until_notified("READY=1", 1).await;
    seed(servers.source.store(), "customer-2", 1);
    consume(&servers, 4, "no good", |stream| stream == "customer-2").await;
    until("the rest", || servers.is_copied("customer-2").then_some(())).await;
    let folder = tempfile::tempdir().expect("a folder");
    let settings = r#"{"Settings": {
        "SourceEventStoreConnectionString": "ConnectTo=tcp://u:p@a:1113",
        "DestinationEventStoreConnectionString": "ConnectTo=tcp://u:p@b:1113",
        "Subscriptions": [{"StreamName": "$ce-customer", "GroupName": "g"}]
    }}"#;
    let text = servers.configuration(&["g"]);
    for (name, text) in [("settings.json", settings), ("ditto.toml", &text)] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    (servers, ditto, url, folder)
}

/// With the configuration behind every command that takes one.
fn whole<'a>(arguments: &[&'a str], file: &'a str) -> Vec<&'a str> {
    let takes = ["check", "parked", "verify"].contains(&arguments[0]);
    let mut whole = arguments.to_vec();
    if takes && !arguments.contains(&"--help") {
        whole.extend(["--config", file]);
    }
    whole
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_output_fails_the_command_and_a_closed_pipe_is_silent() {
    let (_servers, _ditto, url, folder) = prepared().await;
    let at = folder.path();
    let file = at.join("ditto.toml");
    let file = file.to_str().expect("UTF-8");
    for (arguments, code) in printing(&url) {
        let arguments = whole(&arguments, file);
        let full = File::options().write(true).open("/dev/full");
        let (found, said) = run(&arguments, at, full.expect("/dev/full"));
        assert_eq!(found, Some(code), "{arguments:?}: {said}");
        let complaints = said.matches("No space left on device").count();
        assert_eq!(complaints, 1, "{arguments:?}: {said}");
        if arguments[0] == "import" {
            std::fs::rename(at.join("ditto.toml.old"), file).expect("the configuration is back");
        }
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let (found, said) = run(&arguments, at, writer);
        assert_eq!(found, Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("failed"), "{arguments:?}: {said}");
    }
}

/// The first character that a terminal would act on, but for line ends.
fn acted_on(text: &str) -> Option<char> {
    text.chars()
        .find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c))
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_reasons_are_escaped_wherever_they_are_shown() {
    let servers = Servers::start().await;
    seed(servers.source.store(), HOSTILE, 2);
    seed(servers.source.store(), "customer-1", 1);
    let reason = "bad\u{1b}[31m\u{85}\u{202e}z";
    consume(&servers, 3, reason, |stream| stream == HOSTILE).await;
    // Something else is there at the destination: the stream is held, which the daemon logs.
    seed(servers.destination.store(), HOSTILE, 1);
    let commands = Configured::new(&servers);
    for arguments in [
        &["parked", "list"][..],
        &["parked", "show", HOSTILE],
        &["verify"],
        &["verify", "--repair"],
        &["parked", "replay", HOSTILE],
        &["parked", "list", "--json"],
        &["verify", "--json"],
        &["parked", "export", "-"],
    ] {
        let (_, shown, said) = commands.ask(arguments);
        let all = format!("{shown}{said}");
        assert_eq!(acted_on(&all), None, "{arguments:?}: {all}");
        let lines = all.lines().filter(|line| line.contains("customer-\\u"));
        let is_json = arguments.contains(&"--json") || arguments.contains(&"export");
        for line in lines {
            let is_whole = is_json || line.contains(ESCAPED);
            assert!(is_whole, "{arguments:?}: {line}");
        }
        // "show" does not repeat the stream; it has the reason.
        assert!(all.contains("\\u"), "{arguments:?}: {all}");
    }
    let listed = commands.listed();
    assert_eq!(listed[0]["stream"], HOSTILE);
    let listed_reason = listed[0]["reason"].as_str().expect("a text");
    assert!(listed_reason.ends_with(reason), "{listed_reason:?}");

    let ditto = Ditto::start(&servers.configuration(&["other"]));
    ditto.until_logged(ESCAPED).await;
    assert_eq!(acted_on(&ditto.log()), None, "{}", ditto.log());
}
