//! Connection strings, ditto's own and the original's: what is read can be written and read again, and no message shows a
//! password, whatever is in it.
//!
//! Never connects.

use std::fmt::Write as _;
use std::path::Path;

use ditto::config::cluster::{ClusterKeys, ClusterSettings, ConnectionString, KeyProblem, Nodes};
use ditto_import::{Document, Sources, import};
use ditto_values::secret::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::rules::{MARKER, placed, usable};

/// Judges one input: once as a string; once as up to four lines, of which the second and third stand around a password.
pub fn connection_string(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if text.contains(MARKER) {
        return;
    }
    match ConnectionString::parse(text) {
        Ok(parsed) => {
            again(&parsed);
            assert!(parsed.notes.iter().all(|note| !note.is_empty()));
            match ClusterSettings::new(parsed, ClusterKeys::default()) {
                Ok(settings) => usable(&settings),
                Err(problems) => said(&problems),
            }
        }
        Err(problems) => said(&problems),
    }
    if !text.contains('\n') {
        return;
    }
    let mut lines = text.splitn(4, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (scheme, before, behind, rest) = (line(), line(), line(), line());
    let tail = format!("user:{before}{MARKER}{behind}@{rest}");
    hidden(&format!("{scheme}://{tail}"));
    hidden_of_the_original(&format!("ConnectTo=tcp://{tail}"));
    hidden_of_the_original(&format!("{scheme}={tail}"));
}

fn said(problems: &[KeyProblem]) {
    assert!(!problems.is_empty(), "refused without a reason");
    assert!(
        problems
            .iter()
            .all(|one| !one.message.is_empty() && !one.key.is_empty())
    );
}

/// Written and read again, it is the same.
fn again(parsed: &ConnectionString) {
    let text = written(parsed);
    let without_notes = |parsed: &ConnectionString| ConnectionString {
        notes: Vec::new(),
        ..parsed.clone()
    };
    match ConnectionString::parse(&text) {
        Ok(read) => assert_eq!(without_notes(&read), without_notes(parsed), "{text}"),
        Err(problems) => panic!("{text}: {problems:?}"),
    }
}

fn written(parsed: &ConnectionString) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let scheme = match parsed.nodes {
        Nodes::Single(_) => "esdb",
        Nodes::Discover(_) => "esdb+discover",
    };
    let mut text = format!("{scheme}://");
    if let Some(user) = &parsed.user {
        text += &encoded(user);
        if let Some(password) = &parsed.password {
            text += &format!(":{}", encoded(password.reveal()));
        }
        text.push('@');
    }
    text += &parsed.nodes.addresses();
    let millis = |time: std::time::Duration| time.as_millis().to_string();
    let file = |file: &Option<std::path::PathBuf>| {
        file.as_ref().map(|file| encoded(&file.to_string_lossy()))
    };
    let pings = parsed.keep_alive;
    let interval = pings.map_or("-1".to_owned(), |pings| millis(pings.interval));
    let parameters = [
        ("tls", Some(parsed.tls.to_string())),
        ("tlsVerifyCert", Some(parsed.tls_verify_cert.to_string())),
        ("tlsCaFile", file(&parsed.tls_ca_file)),
        ("userCertFile", file(&parsed.user_cert_file)),
        ("userKeyFile", file(&parsed.user_key_file)),
        ("keepAliveInterval", Some(interval)),
        ("keepAliveTimeout", pings.map(|pings| millis(pings.timeout))),
        ("discoveryInterval", Some(millis(parsed.discovery_interval))),
        ("gossipTimeout", Some(millis(parsed.gossip_timeout))),
        (
            "maxDiscoverAttempts",
            Some(parsed.max_discover_attempts.to_string()),
        ),
        (
            "connectionName",
            parsed.connection_name.as_deref().map(encoded),
        ),
        ("defaultDeadline", Some(millis(parsed.call_timeout))),
    ];
    let mut mark = '?';
    for (name, value) in parameters {
        if let Some(value) = value {
            // A text takes everything.
            write!(text, "{mark}{name}={value}").unwrap_or_default();
            mark = '&';
        }
    }
    text
}

fn hidden(text: &str) {
    match ConnectionString::parse(text) {
        Err(problems) => {
            for problem in problems {
                assert!(!problem.message.contains(MARKER), "{text}: {problem:?}");
            }
        }
        Ok(parsed) => {
            let password = parsed.password.as_ref().map(Secret::reveal);
            if password.is_some_and(|password| password.contains(MARKER)) {
                assert!(!format!("{parsed:?}").contains(MARKER), "{text}");
            }
        }
    }
}

fn hidden_of_the_original(text: &str) {
    let settings = serde_json::json!({"Settings": {
        "SourceEventStoreConnectionString": text,
        "DestinationEventStoreConnectionString": "ConnectTo=tcp://destination:1113",
        "Subscriptions": [{"StreamName": "$ce-customer", "GroupName": "ditto"}],
    }});
    let document = Document {
        file: "appsettings.json".into(),
        text: settings.to_string(),
    };
    let sources = Sources {
        documents: vec![document],
        variables: Vec::new(),
    };
    match import(&sources, Path::new("/etc/ditto")) {
        Err(problems) => {
            problems.0.iter().for_each(placed);
            assert!(!problems.to_string().contains(MARKER), "{text}: {problems}");
        }
        Ok(imported) => {
            let is_taken =
                |secret: &ditto_import::SecretFile| secret.secret.reveal().contains(MARKER);
            if imported.secrets.iter().any(is_taken) {
                assert!(!format!("{imported:?}").contains(MARKER), "{text}");
            }
        }
    }
}
