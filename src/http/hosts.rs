//! The names under which ditto answers what a web page must not read.
//!
//! A page of anybody can make its own name lead to this machine (DNS rebinding), and a browser then takes ditto for a part
//! of that page. So `/status` and the page are for names that nobody else can own. Never resolves a name.

use std::net::IpAddr;

use hyper::Uri;
use hyper::header::HeaderMap;
use hyper::http::uri::Authority;

/// Names that a request may ask for.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// In small letters, without a dot at the end.
    names: Vec<String>,
}

impl Hosts {
    /// The machine's own names, and those of `[http] allowed_hosts`.
    #[must_use]
    pub fn new(allowed: &[String]) -> Self {
        let machine = crate::host::name();
        let short = machine.split('.').next();
        let own = short.into_iter().chain([&*machine]);
        Self {
            names: own
                .chain(allowed.iter().map(String::as_str))
                .map(normal)
                .collect(),
        }
    }

    /// The host that a request asks for, if it is none of these. One without a host comes from no browser.
    pub(super) fn stranger(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        if let Some(host) = uri.host() {
            return (!self.knows(host)).then(|| host.to_owned());
        }
        let mut values = headers.get_all(hyper::header::HOST).iter();
        values.find_map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let is_known = text
                .parse::<Authority>()
                .is_ok_and(|authority| self.knows(authority.host()));
            (!is_known).then(|| text.into_owned())
        })
    }

    fn knows(&self, host: &str) -> bool {
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if bare.unwrap_or(host).parse::<IpAddr>().is_ok() {
            return true;
        }
        let name = normal(host);
        name == "localhost" || name.ends_with(".localhost") || self.names.contains(&name)
    }
}

fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::Hosts;
    use hyper::header::{HOST, HeaderMap, HeaderValue};

    fn stranger(uri: &str, hosts: &[&str]) -> Option<String> {
        let known = Hosts {
            names: vec!["copier".to_owned(), "ditto.example.net".to_owned()],
        };
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).expect("a value"));
        }
        known.stranger(&uri.parse().expect("a URI"), &headers)
    }

    #[test]
    fn only_names_that_nobody_else_owns_are_known() {
        for (host, known) in [
            ("127.0.0.1:5000", true),
            ("10.1.2.3", true),
            ("[::1]:5000", true),
            ("[2001:db8::1]", true),
            ("localhost:5000", true),
            ("LocalHost.", true),
            ("x.localhost", true),
            ("copier:5000", true),
            ("Ditto.Example.Net.:80", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:5000", false),
            ("0x7f000001", false),
            ("copier.evil.example", false),
            ("user@localhost", true),
            ("localhost@evil.example", false),
            ("[::1", false),
            ("", false),
        ] {
            let expected = (!known).then(|| host.to_owned());
            assert_eq!(stranger("/status", &[host]), expected, "{host}");
        }
    }

    #[test]
    fn every_host_that_a_request_names_is_judged() {
        for (uri, hosts, expected) in [
            ("/status", &[][..], None),
            (
                "/status",
                &["localhost", "evil.example"],
                Some("evil.example"),
            ),
            (
                "http://evil.example/status",
                &["localhost"],
                Some("evil.example"),
            ),
            ("http://localhost/status", &["evil.example"], None),
        ] {
            assert_eq!(stranger(uri, hosts).as_deref(), expected, "{uri} {hosts:?}");
        }
    }
}
