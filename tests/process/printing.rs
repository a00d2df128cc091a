//! What commands print of names that a terminal would act on.

use super::parking::{Configured, consume};
use super::support::{Ditto, Servers, seed};

/// What clears a screen, colours text, turns its direction and ends a line.
const HOSTILE: &str = "customer-\u{1b}[2J\u{9b}31m\u{202e}x\nditto: y";
const ESCAPED: &str = "customer-\\u{1b}[2J\\u{9b}31m\\u{202e}x\\nditto: y";

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
