//! `[source]` and `[destination]`: connection strings, credentials and TLS files, put together.
//!
//! Never quotes a connection string or a password.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Context, kinesis};
use crate::config::cluster::{
    ClusterKeys, ClusterSettings, ConnectionString, Endpoint, PasswordSource,
};
use crate::config::files::{FileKind, NamedFile};
use crate::config::section::{Found, Section};
use crate::config::settings::Destination;
use ditto_values::problem::{Collector, Origin};
use ditto_values::secret::Secret;

/// Where credentials given by name are.
#[derive(Clone, Debug)]
pub(crate) enum CredentialsDirectory {
    /// `$CREDENTIALS_DIRECTORY`; `None`: systemd gave none, and a name is a mistake.
    Judged(Option<PathBuf>),
    /// Seen from elsewhere than the service (a shell, `ExecReload`): a name that cannot be resolved is a note.
    Unseen(Option<PathBuf>),
}

/// A side's settings and where they stand.
#[derive(Debug)]
pub(crate) struct Side<T> {
    pub(crate) settings: T,
    pub(super) origin: Origin,
}

/// What `destination.type` says; other sections depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    EventStore,
    Kinesis,
}

pub(super) fn source(
    root: &mut Section<'_>,
    context: &Context<'_>,
) -> Option<Side<ClusterSettings>> {
    let mut section = root.section("source");
    section.misplaced(
        &kinesis::KEYS,
        "belongs to a destination of type \"kinesis\"; the source is always an Event Store",
    );
    event_store(section, context)
}

/// The settings, and the type; a type that was not understood was reported and counts as an Event Store.
pub(super) fn destination(
    root: &mut Section<'_>,
    context: &Context<'_>,
) -> (Option<Side<Destination>>, Type) {
    let mut section = root.section("destination");
    let had_type = section.has("type");
    let kind = section.word(
        "type",
        &[("eventstore", Type::EventStore), ("kinesis", Type::Kinesis)],
    );
    match kind.map(|found| found.value) {
        Some(Type::Kinesis) => (kinesis::destination(section), Type::Kinesis),
        None if had_type => (None, Type::EventStore),
        _ => {
            section.misplaced(
                &kinesis::KEYS,
                "belongs to a destination of type \"kinesis\", and the type is \"eventstore\"",
            );
            let side = event_store(section, context).map(|side| Side {
                settings: Destination::EventStore(side.settings),
                origin: side.origin,
            });
            (side, Type::EventStore)
        }
    }
}

fn event_store(mut section: Section<'_>, context: &Context<'_>) -> Option<Side<ClusterSettings>> {
    let mut origins = BTreeMap::new();
    let string = connection_string(&mut section, &mut origins, context);
    let mut keys = ClusterKeys {
        user: keep(section.name("user"), "user", &mut origins),
        password: password(&mut section, &mut origins, context),
        ..ClusterKeys::default()
    };
    for (key, kind, slot) in [
        ("tls_ca_file", FileKind::Certificates, &mut keys.tls_ca_file),
        (
            "client_cert_file",
            FileKind::Certificates,
            &mut keys.client_cert_file,
        ),
        (
            "client_key_file",
            FileKind::PrivateKey,
            &mut keys.client_key_file,
        ),
    ] {
        let found = section.name(key);
        if let Some(file) = &found {
            name_file(&section, key, file, kind, context);
        }
        *slot = keep(found, key, &mut origins).map(PathBuf::from);
    }
    let origin = origins
        .get("connection_string")
        .unwrap_or(section.origin())
        .clone();
    let settings = match ClusterSettings::new(string?, keys) {
        Ok(settings) => Some(settings),
        Err(problems) => {
            for problem in problems {
                let at = origins.get(problem.key).unwrap_or(&origin);
                section.problem(at, problem.key, problem.message);
            }
            None
        }
    };
    section.finish();
    settings.map(|settings| Side { settings, origin })
}

pub(super) fn name_file(
    section: &Section<'_>,
    key: &str,
    found: &Found<String>,
    kind: FileKind,
    context: &Context<'_>,
) {
    if !Path::new(&found.value).is_absolute() {
        let text = format!("found {:?}, expected an absolute path", found.value);
        section.problem(&found.origin, key, text);
        return;
    }
    context.files.borrow_mut().push(NamedFile {
        origin: found.origin.clone(),
        key: section.path_of(key),
        file: PathBuf::from(&found.value),
        kind,
        is_credential: false,
        may_be_unseen: false,
    });
}

fn connection_string(
    section: &mut Section<'_>,
    origins: &mut BTreeMap<&'static str, Origin>,
    context: &Context<'_>,
) -> Option<ConnectionString> {
    const KEY: &str = "connection_string";
    if !section.has(KEY) {
        section.missing(
            KEY,
            "a connection string such as \"esdb://node.example.net:2113\"",
        );
    }
    let found = section.secret(KEY)?;
    origins.insert(KEY, found.origin.clone());
    match ConnectionString::parse(&found.value) {
        Ok(string) => {
            let in_string = [
                ("tlsCaFile", &string.tls_ca_file, FileKind::Certificates),
                (
                    "userCertFile",
                    &string.user_cert_file,
                    FileKind::Certificates,
                ),
                ("userKeyFile", &string.user_key_file, FileKind::PrivateKey),
            ];
            for (parameter, file, kind) in in_string {
                if let Some(file) = file {
                    let path = Found {
                        value: file.display().to_string(),
                        origin: found.origin.clone(),
                    };
                    name_file(
                        section,
                        &format!("{KEY} ({parameter})"),
                        &path,
                        kind,
                        context,
                    );
                }
            }
            for note in &string.notes {
                context
                    .notes
                    .add(&found.origin, section.path_of(KEY), note.clone());
            }
            Some(string)
        }
        Err(problems) => {
            for problem in problems {
                section.problem(&found.origin, problem.key, problem.message);
            }
            None
        }
    }
}

fn password(
    section: &mut Section<'_>,
    origins: &mut BTreeMap<&'static str, Origin>,
    context: &Context<'_>,
) -> Option<PasswordSource> {
    let was_given = section.has("password") || section.has("password_file");
    let text = section.secret("password");
    let file = section.name("password_file");
    if let (Some(_), Some(file)) = (&text, &file) {
        section.problem(
            &file.origin,
            "password_file",
            "password is given too: remove one of them",
        );
    }
    if let Some(text) = text {
        origins.insert("password", text.origin);
        return Some(PasswordSource::Text(Secret::new(text.value)));
    }
    let Some(file) = file else {
        // A bad password was reported; that the user then has none need not be.
        return was_given.then(|| PasswordSource::Text(Secret::new("bad")));
    };
    origins.insert("password", file.origin.clone());
    Some(secret_file("password_file", &file, section, context))
}

/// Absolute, or the name of a credential that systemd was told to hand over.
pub(super) fn secret_file(
    key: &str,
    file: &Found<String>,
    section: &Section<'_>,
    context: &Context<'_>,
) -> PasswordSource {
    let mut path = PathBuf::from(&file.value);
    let is_name = !path.is_absolute();
    let source = if is_name {
        PasswordSource::Credential
    } else {
        PasswordSource::File
    };
    if is_name && file.value.contains('/') {
        // Never quoted unless it is a path: it may be the secret itself.
        let text = "found a string, expected an absolute path or the name of a credential (LoadCredential=)";
        section.problem(&file.origin, key, text);
        return source(path);
    }
    let may_be_unseen = is_name && matches!(context.credentials, CredentialsDirectory::Unseen(_));
    if is_name {
        match &context.credentials {
            CredentialsDirectory::Judged(Some(directory))
            | CredentialsDirectory::Unseen(Some(directory)) => path = directory.join(path),
            CredentialsDirectory::Judged(None) => {
                let text = "found the name of a credential, but $CREDENTIALS_DIRECTORY is not set: start ditto by \
                            systemd with LoadCredential=NAME:FILE, or give an absolute path";
                section.problem(&file.origin, key, text);
                return source(path);
            }
            CredentialsDirectory::Unseen(None) => {
                let text = "this credential cannot be seen from here; the service itself judges it";
                context.notes.add(&file.origin, section.path_of(key), text);
                return source(path);
            }
        }
    }
    context.files.borrow_mut().push(NamedFile {
        origin: file.origin.clone(),
        key: section.path_of(key),
        file: path.clone(),
        kind: FileKind::Password,
        is_credential: is_name,
        may_be_unseen,
    });
    source(path)
}

/// A cluster copied onto itself would hand ditto its own writes for ever.
pub(super) fn not_the_same(
    source: &Side<ClusterSettings>,
    destination: &Side<Destination>,
    problems: &Collector,
) {
    let Destination::EventStore(settings) = &destination.settings else {
        return;
    };
    let ours: Vec<Endpoint> = source
        .settings
        .nodes
        .seeds()
        .iter()
        .map(normalized)
        .collect();
    let same = settings
        .nodes
        .seeds()
        .iter()
        .find(|endpoint| ours.contains(&normalized(endpoint)));
    if let Some(endpoint) = same {
        problems.add(
            &destination.origin,
            "destination.connection_string",
            format!(
                "{endpoint} is also the source ({}): expected another cluster",
                source.origin
            ),
        );
    }
}

fn normalized(endpoint: &Endpoint) -> Endpoint {
    let host = endpoint.host.to_ascii_lowercase();
    let host = match host.trim_end_matches('.') {
        "localhost" | "::1" => "127.0.0.1",
        other => other,
    };
    Endpoint {
        host: host.to_owned(),
        port: endpoint.port,
    }
}

fn keep(
    found: Option<Found<String>>,
    key: &'static str,
    origins: &mut BTreeMap<&'static str, Origin>,
) -> Option<String> {
    let found = found?;
    origins.insert(key, found.origin);
    Some(found.value)
}
