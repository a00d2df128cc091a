//! What the original's settings meant, section by section of a `ditto.toml`.
//!
//! Reports every value that the original could not have read. Never decides how the text looks: that is `write`'s.

use std::path::Path;

use super::connection::{self, Connection};
use super::dotnet::{Entry, Tree};
use super::section::Section;
use super::values::boolean;
use super::{SecretFile, logging, replication, subscriptions};
use ditto_values::problem::Collector;

const SOURCE: &str = "Settings:SourceEventStoreConnectionString";
const DESTINATION: &str = "Settings:DestinationEventStoreConnectionString";
const KINESIS_STREAM: &str = "Kinesis:StreamName";

const OF_MIRROR: &str = "a [[mirror]] would copy these streams, with metadata = true also their metadata and soft deletions, from the source's log, without \
                         groups; the groups are kept, since they know what was copied";

/// The whole of it.
#[derive(Debug)]
pub(super) struct Original {
    pub(super) sections: Vec<Section>,
    pub(super) secrets: Vec<SecretFile>,
}

/// Reads all settings. `None` only if something was reported.
pub(super) fn read(tree: &mut Tree, folder: &Path, problems: &Collector) -> Option<Original> {
    let source = side(tree, SOURCE, problems);
    let destination = destination(tree, problems);
    let goes_to_kinesis = matches!(destination, Some(Destination::Kinesis(_)));
    let replication = replication::read(tree, goes_to_kinesis, problems);
    let is_partial = replication.sets("skip_version_check");
    let mut subscriptions = subscriptions::read(tree, is_partial, problems);
    let http = http(tree, problems);
    let log = logging::read(tree, folder);
    let (source, destination) = (source?, destination?);
    not_the_same(&source, &destination, problems);

    let mut secrets = Vec::new();
    let mut sections = vec![event_store("[source]", &source, folder, &mut secrets)];
    match destination {
        Destination::EventStore(side) => {
            sections.push(event_store("[destination]", &side, folder, &mut secrets));
        }
        Destination::Kinesis(section) => sections.push(section),
    }
    sections.push(replication);
    let mut active = subscriptions.iter_mut().filter(|one| one.is_active);
    let is_like_a_mirror = !goes_to_kinesis && !is_partial;
    if let Some(first) = active.next().filter(|_| is_like_a_mirror) {
        first.remark(subscriptions::LIST, OF_MIRROR);
    }
    sections.append(&mut subscriptions);
    sections.push(http);
    sections.extend(log.sections);
    secrets.extend(log.secrets);
    Some(Original { sections, secrets })
}

/// A connection string and where it stands.
struct Side {
    entry: Entry,
    connection: Connection,
}

enum Destination {
    EventStore(Side),
    Kinesis(Section),
}

fn side(tree: &mut Tree, key: &str, problems: &Collector) -> Option<Side> {
    let Some(entry) = tree.get(key) else {
        tree.missing(key, connection::FORM, problems);
        return None;
    };
    match connection::convert(&entry.value) {
        Ok(connection) => Some(Side { entry, connection }),
        Err(text) => {
            entry.problem(problems, text);
            None
        }
    }
}

/// A cluster copied onto itself is refused by ditto's own check as well; here the place is the original's.
fn not_the_same(source: &Side, destination: &Destination, problems: &Collector) {
    let Destination::EventStore(destination) = destination else {
        return;
    };
    let is_ours = |seed: &&String| {
        let mut ours = source.connection.seeds.iter();
        ours.any(|ours| ours.eq_ignore_ascii_case(seed))
    };
    if let Some(same) = destination.connection.seeds.iter().find(is_ours) {
        let text = format!("leads to {same}, and so does {SOURCE}: expected another cluster");
        destination.entry.problem(problems, text);
    }
}

fn event_store(
    title: &'static str,
    side: &Side,
    folder: &Path,
    secrets: &mut Vec<SecretFile>,
) -> Section {
    let about = side.entry.key.as_str();
    let mut section = Section::new(title);
    let setting = section.set("connection_string", side.connection.string.as_str());
    for remark in &side.connection.remarks {
        setting.remark(about, remark);
    }
    let Some((user, password)) = &side.connection.login else {
        section.remark(
            about,
            "no user was given: ditto calls anonymously, which servers with access control refuse",
        );
        return section;
    };
    let file = folder.join(format!("{}.password", title.trim_matches(['[', ']'])));
    section.set("user", user.as_str());
    let setting = section.set("password_file", file.display().to_string());
    if password.reveal().contains('%') {
        setting.remark(
            about,
            "the password was taken as it stands, a '%' included: the original did not decode it",
        );
    }
    secrets.push(SecretFile {
        file,
        secret: password.clone(),
    });
    section
}

fn destination(tree: &mut Tree, problems: &Collector) -> Option<Destination> {
    let Some(stream) = tree.get(KINESIS_STREAM) else {
        tree.ignore("AWS");
        return side(tree, DESTINATION, problems).map(Destination::EventStore);
    };
    if tree.get(DESTINATION).is_some() {
        let text = format!(
            "{DESTINATION} is set too, and a ditto has one destination: import twice, each time without the other key"
        );
        stream.problem(problems, text);
        return None;
    }
    kinesis(tree, &stream, problems).map(Destination::Kinesis)
}

fn kinesis(tree: &mut Tree, stream: &Entry, problems: &Collector) -> Option<Section> {
    let mut section = Section::new("[destination]");
    section.set("type", "kinesis");
    section.set("stream_name", stream.value.trim());
    let url = tree.get("AWS:ServiceURL");
    match (tree.get("AWS:Region"), &url) {
        (Some(region), _) => {
            section.set("region", region.value.trim());
        }
        // What the original's library signs calls to a URL with that names no region.
        (None, Some(url)) => {
            section.set("region", "us-east-1").remark(
                &url.key,
                "found no region beside it, and the original's library then uses this one: check it",
            );
        }
        (None, None) => {
            let expected = "the data stream's region, such as \"eu-west-1\" (AWS_REGION does as well); the original's \
                            library may have taken it from a profile or from the machine";
            tree.missing("AWS:Region", expected, problems);
            return None;
        }
    }
    if let Some(url) = url {
        section.set("endpoint_url", url.value.trim());
    }
    for profile in ["AWS:Profile", "AWS:ProfilesLocation"] {
        if tree.get(profile).is_some() {
            let text = "no counterpart: give the service AWS_PROFILE or other credentials, see /etc/default/ditto";
            section.remark(profile, text);
        }
    }
    tree.ignore("AWS:RetryMode");
    Some(section)
}

fn http(tree: &mut Tree, problems: &Collector) -> Section {
    let mut section = Section::new("[http]");
    // Absent: the original's own appsettings.json, in its image, has it true.
    let is_served = tree.get("Metrics:Enabled").is_none()
        || boolean(tree, "Metrics:Enabled", problems).is_some();
    let port = match tree.get("Metrics:Port") {
        None => 5000,
        Some(entry) => match entry.value.trim().parse::<u16>() {
            Ok(port) if port > 0 => port,
            _ => {
                let text = format!("found {:?}, expected a port from 1 to 65535", entry.value);
                entry.problem(problems, text);
                5000
            }
        },
    };
    let path = tree.get("Metrics:Path");
    if is_served {
        section
            .set("listen", format!("0.0.0.0:{port}"))
            .remark(
                "Metrics:Port",
                format!(
                    "reachable from other machines, as before, and with it /status and a page that name streams and \
                     groups. \"127.0.0.1:{port}\" keeps them on this machine"
                ),
            );
    } else {
        section.set("listen", format!("127.0.0.1:{port}")).remark(
            "Metrics:Enabled",
            "the original served no metrics. ditto always does, on this machine only unless listen says otherwise",
        );
    }
    if let Some(path) = path
        && path.value.trim_matches('/') != "metrics"
    {
        section.remark(
            &path.key,
            format!("{:?} has no counterpart: ditto serves /metrics", path.value),
        );
    }
    section
}
