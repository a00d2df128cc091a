//! `[log.otlp]`: the receiver of log lines.
//!
//! Never quotes a header's value.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::Context;
use super::side::{name_file, secret_file};
use crate::config::cluster::PasswordSource;
use crate::config::files::FileKind;
use crate::config::section::{Found, Section};
use crate::config::settings::OtlpSettings;
use ditto_values::secret::Secret;

const LOGS: &str = "/v1/logs";
const TIMEOUT: Duration = Duration::from_secs(10);
/// More are a mistake.
const MOST: usize = 64;

/// Judges the section. `None` only if something was reported.
pub(super) fn otlp(mut section: Section<'_>, context: &Context<'_>) -> Option<OtlpSettings> {
    let endpoint = endpoint(&mut section);
    let timeout = section.duration(
        "timeout",
        Duration::from_millis(100)..=Duration::from_secs(60),
    );
    let ca_file = section.name("tls_ca_file");
    if let Some(file) = &ca_file {
        name_file(
            &section,
            "tls_ca_file",
            file,
            FileKind::Certificates,
            context,
        );
        if endpoint
            .as_ref()
            .is_some_and(|at| at.starts_with("http://"))
        {
            let text = "has no use with an http:// endpoint: remove one of them";
            section.problem(&file.origin, "tls_ca_file", text);
        }
    }
    let headers = headers(&mut section, context);
    let attributes = section.texts("resource_attributes", false);
    if let Some((_, found)) = attributes.get(MOST) {
        let text = format!("found {}, expected at most {MOST}", attributes.len());
        section.problem(&found.origin, "resource_attributes", text);
    }
    let resource_attributes = attributes
        .into_iter()
        .map(|(name, found)| (name, found.value))
        .collect();
    section.finish();
    Some(OtlpSettings {
        endpoint: endpoint?,
        timeout: timeout.map_or(TIMEOUT, |found| found.value),
        tls_ca_file: ca_file.map(|found| PathBuf::from(found.value)),
        headers,
        resource_attributes,
    })
}

fn endpoint(section: &mut Section<'_>) -> Option<String> {
    const EXPECTED: &str =
        "an address such as \"http://127.0.0.1:4318/v1/logs\", without user and query";
    if !section.has("endpoint") {
        section.missing("endpoint", EXPECTED);
    }
    // A key may stand in it, where it does not belong.
    let found = section.secret("endpoint")?;
    let Some(endpoint) = judge_endpoint(&found.value) else {
        let text = format!("found a string, expected {EXPECTED}");
        section.problem(&found.origin, "endpoint", text);
        return None;
    };
    Some(endpoint)
}

/// The whole address: what OTLP has for logs is put behind unless it is there.
fn judge_endpoint(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let scheme = uri
        .scheme_str()
        .filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let authority = uri.authority()?;
    if authority.as_str().contains('@') || authority.host().is_empty() || uri.query().is_some() {
        return None;
    }
    let path = uri.path().trim_end_matches('/');
    let path = path.strip_suffix(LOGS).unwrap_or(path);
    Some(format!("{scheme}://{authority}{path}{LOGS}"))
}

fn headers(section: &mut Section<'_>, context: &Context<'_>) -> Vec<(String, PasswordSource)> {
    let texts = section.texts("headers", true);
    let files = section.texts("header_files", false);
    let mut names = HashSet::new();
    let mut headers = Vec::new();
    for (key, name, found) in texts
        .iter()
        .map(|(name, found)| ("headers", name, found))
        .chain(
            files
                .iter()
                .map(|(name, found)| ("header_files", name, found)),
        )
    {
        let path = format!("{key}.{name}");
        let problem = |text: &str| section.problem(&found.origin, &path, text);
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
            // Not named: the value may stand in it, as in "X-Key: value".
            let text = "has an entry whose name is none of a header (letters, digits, '-')";
            section.problem(&found.origin, key, text);
            continue;
        };
        if matches!(
            header.as_str(),
            "content-type" | "content-length" | "content-encoding" | "host"
        ) {
            problem("is set by ditto itself: remove it");
        }
        if !names.insert(header) {
            problem("is given twice: remove one of them");
        }
        if key == "header_files" {
            headers.push((name.clone(), secret_file(&path, found, section, context)));
            continue;
        }
        if HeaderValue::from_str(&found.value).is_err() {
            problem("found a string with characters that no header may have");
        }
        headers.push((
            name.clone(),
            PasswordSource::Text(Secret::new(found.value.as_str())),
        ));
    }
    if let Some((_, found)) = texts.iter().chain(&files).nth(MOST) {
        let text = format!("more than {MOST} headers");
        section.problem(&Found::clone(found).origin, "headers", text);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_whole_address_without_secrets() {
        for (text, endpoint) in [
            (
                "http://127.0.0.1:4318",
                Some("http://127.0.0.1:4318/v1/logs"),
            ),
            ("https://a.example/", Some("https://a.example/v1/logs")),
            (
                "http://seq:5341/ingest/otlp",
                Some("http://seq:5341/ingest/otlp/v1/logs"),
            ),
            (
                "http://seq:5341/ingest/otlp/v1/logs/",
                Some("http://seq:5341/ingest/otlp/v1/logs"),
            ),
            ("http://[::1]:4318", Some("http://[::1]:4318/v1/logs")),
            ("http://key@a.example", None),
            ("https://a.example/v1/logs?key=x", None),
            ("grpc://a.example", None),
            ("127.0.0.1:4318", None),
            ("http://", None),
        ] {
            assert_eq!(judge_endpoint(text).as_deref(), endpoint, "{text}");
        }
    }
}
