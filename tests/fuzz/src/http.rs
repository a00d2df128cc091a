//! Requests to the daemon: whatever comes over a connection, what goes back is one whole answer of HTTP, or nothing.
//!
//! An input is what is sent. Never listens.

use std::path::Path;
use std::sync::Arc;

use ditto::config::load::{Environment, load_text};
use ditto::http::Service;
use ditto::http::fuzzing::{answers_to, service};

use crate::rules::run;

const CONFIGURATION: &str = r#"
[source]
connection_string = "esdb://source:2113"
[destination]
connection_string = "esdb://destination:2113"
"#;

/// The statuses that ditto, or the library before it, answers with. 500 would be a mistake of ditto's.
const STATUSES: [&str; 8] = ["200", "400", "404", "405", "414", "421", "431", "503"];

thread_local! {
    static SERVICE: Option<Arc<Service>> = made();
}

fn made() -> Option<Arc<Service>> {
    let content = CONFIGURATION.as_bytes().to_vec();
    let loaded = load_text(Path::new("ditto.toml"), content, &Environment::default()).ok()?;
    service(&loaded.settings)
}

/// Judges one input.
pub fn http_request(data: &[u8]) {
    let Some(service) = SERVICE.with(Clone::clone) else {
        panic!("there is no service");
    };
    let answer = run(answers_to(service, data)).unwrap_or_default();
    if answer.is_empty() {
        return;
    }
    let text = String::from_utf8_lossy(&answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        panic!("no end of the head: {text}");
    };
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let mut words = status_line.split(' ');
    let (version, status) = (words.next(), words.next().unwrap_or_default());
    assert!(
        matches!(version, Some("HTTP/1.1" | "HTTP/1.0")),
        "{status_line}"
    );
    assert!(STATUSES.contains(&status), "{status_line}");
    let header = |name: &str| {
        let mut all = head
            .split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        all.find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    // What ditto itself answers is never kept, never taken for another type, and never a page of somebody else's.
    if matches!(status, "200" | "404" | "405" | "421" | "503") {
        assert_eq!(header("cache-control"), Some("no-store"), "{head}");
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{head}");
        assert!(header("content-security-policy").is_some(), "{head}");
    }
    let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
    let is_head = data.starts_with(b"HEAD ") || body.is_empty();
    assert!(
        is_head || length == Some(body.len()),
        "{head}\n{} bytes",
        body.len()
    );
}
