//! `ditto check --connect`: do both sides answer, and may ditto do there what it has to?
//!
//! Only reads. What cannot be known without a write, the right to write to the destination, is said to be unknown.

use super::counted;
use super::mirror::mirror;
use crate::config::settings::{Destination, KinesisSettings, Settings, SubscriptionSettings};
use crate::eventstore::client::{Client, Clock};
use crate::eventstore::{Error, Side};
use crate::source::persistent::{Inspected, Persistent as _, Subscription, empty};
use ditto_core::port::{JoinRefusal, ParkedPage};

/// Seconds by which clocks may differ without a warning.
const CLOCKS_APART: i64 = 60;

/// One line of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// As it should be.
    Fine(String),
    /// Works, and is worth a lookup.
    Warning(String),
    /// Does not work, with what to do.
    Problem(String),
}

use Finding::{Fine, Problem, Warning};

/// Looks at both sides, every group and every mirror.
pub(super) async fn connect(settings: &Settings) -> Vec<Finding> {
    let source = Client::connect(Side::Source, settings.source.clone());
    let mut findings = Vec::new();
    let is_source_there = side(&source, &mut findings).await;
    // Only one that answers.
    let mut there = None;
    match &settings.destination {
        Destination::EventStore(destination) => {
            let destination = Client::connect(Side::Destination, destination.clone());
            if side(&destination, &mut findings).await {
                if is_source_there {
                    compare(&source, &destination, &mut findings).await;
                    clocks(&source, &destination, &mut findings).await;
                }
                there = Some(destination);
            }
        }
        Destination::Kinesis(kinesis) => data_stream(kinesis, &mut findings).await,
    }
    if !is_source_there {
        findings.push(Warning(format!("not checked: {}", counted(settings))));
        return findings;
    }
    for subscription in &settings.subscriptions {
        group(&source, subscription, &mut findings).await;
    }
    for settings in &settings.mirrors {
        mirror(&source, there.as_ref(), settings, &mut findings).await;
    }
    findings
}

/// One cluster under two addresses would be handed its own writes for ever.
async fn compare(source: &Client, destination: &Client, findings: &mut Vec<Finding>) {
    match (source.instances().await, destination.instances().await) {
        (Ok(ours), Ok(theirs)) if !ours.is_disjoint(&theirs) => findings.push(Problem(
            "source and destination are the same cluster by their own gossip: correct one connection_string"
                .to_owned(),
        )),
        (Ok(_), Ok(_)) => {}
        (Err(error), _) | (_, Err(error)) => findings.push(Warning(format!(
            "failed to compare the clusters of source and destination: {error}"
        ))),
    }
}

/// What ditto measures by both servers' clocks is wrong by their difference.
async fn clocks(source: &Client, destination: &Client, findings: &mut Vec<Finding>) {
    // That gossip is not answered was said already.
    let (Ok(mut clocks), Ok(theirs)) = (source.clocks().await, destination.clocks().await) else {
        return;
    };
    clocks.extend(theirs);
    findings.extend(clock_warning(&clocks).map(Warning));
}

/// The warning for the two clocks that differ most, if they differ by more than gossip and the two questions can.
fn clock_warning(clocks: &[Clock]) -> Option<String> {
    let slow = clocks.iter().min_by_key(|clock| clock.ahead)?;
    let fast = clocks.iter().max_by_key(|clock| clock.ahead)?;
    let apart = fast.ahead.saturating_sub(slow.ahead);
    (apart > CLOCKS_APART).then(|| {
        format!(
            "the clock of {} is {apart} s ahead of that of {}: set the servers' clocks; ditto's delays are measured by \
             them, and with skip_version_check events are doubled if they differ by more than 25 hours",
            fast.node, slow.node
        )
    })
}

/// Version, leader and login of one side. True if all is well.
async fn side(client: &Client, findings: &mut Vec<Finding>) -> bool {
    let side = client.side();
    let login = client.settings().credentials.as_ref();
    let who = login.map_or("anonymous".to_owned(), |login| {
        format!("user {:?}", login.user)
    });
    let looked_up = async {
        let leader = client.leader().await?;
        let features = client.features().await?;
        client.probe().await?;
        Ok::<_, Error>((leader, features))
    };
    match looked_up.await {
        Ok((leader, features)) => {
            let version = if features.version.is_empty() {
                "unknown"
            } else {
                &features.version
            };
            findings.push(Fine(format!(
                "{side}: {leader} answers as the leader, version {version}, {who}"
            )));
            if !features.batch_append {
                findings.push(Problem(format!(
                    "{side}: the server has no batch append: upgrade it to version 21.10 or later"
                )));
                return false;
            }
            if side == Side::Destination {
                findings.push(Warning(format!(
                    "{side}: permission of {who} to write was not tested: check changes nothing"
                )));
            }
            true
        }
        Err(error) => {
            findings.push(Problem(error.with_hint()));
            false
        }
    }
}

/// What the data stream says of itself, and whether records may be put.
#[cfg(feature = "kinesis")]
async fn data_stream(settings: &KinesisSettings, findings: &mut Vec<Finding>) {
    use crate::destination::kinesis::Kinesis;

    let kinesis = Kinesis::new(settings.clone(), None, std::sync::Arc::new(|_| {}));
    match kinesis.describe().await {
        Ok(described) if described.status == "ACTIVE" || described.status == "UPDATING" => {
            findings.push(Fine(format!(
                "destination: {settings} is {}, {} open shards, records up to {} bytes",
                described.status, described.open_shards, described.record_bytes
            )));
        }
        Ok(described) => findings.push(Problem(format!(
            "destination: {settings} is {}: it takes records when it is ACTIVE",
            described.status
        ))),
        Err(text) => findings.push(Problem(format!("destination: {text}"))),
    }
    match kinesis.may_put().await {
        Ok(Some(())) => findings.push(Fine(
            "destination: permission to put records is granted".to_owned(),
        )),
        Ok(None) => findings.push(Warning(
            "destination: permission to put records was not tested: check changes nothing"
                .to_owned(),
        )),
        Err(text) => findings.push(Problem(format!("destination: {text}"))),
    }
}

/// A configuration with this destination is not valid without the feature, so nobody gets here.
#[cfg(not(feature = "kinesis"))]
async fn data_stream(settings: &KinesisSettings, findings: &mut Vec<Finding>) {
    findings.push(Problem(format!("this ditto was built without {settings}")));
}

async fn group(client: &Client, settings: &SubscriptionSettings, findings: &mut Vec<Finding>) {
    let name = settings.key();
    let subscription = Subscription::new(client.clone(), settings.clone());
    match subscription.inspect().await {
        Ok(Inspected {
            seen,
            unsuitable,
            warnings,
        }) => {
            match unsuitable {
                Some(hint) => findings.push(Problem(format!("{name}: {hint}"))),
                None => {
                    let last = seen
                        .last_number
                        .map_or("none".to_owned(), |last| format!("#{last}"));
                    let parked = seen.parked_events();
                    findings.push(Fine(format!(
                        "{name}: the group is there; last event {last}, {parked} parked"
                    )));
                }
            }
            findings.extend(
                warnings
                    .into_iter()
                    .map(|text| Warning(format!("{name}: {text}"))),
            );
            if let ParkedPage::Denied = subscription.read_parked(0, 1).await {
                findings.push(Warning(format!(
                    "{name}: no permission to read what the server parks: grant the user read on \
                     $persistentsubscription-{}::{}-parked",
                    settings.stream, settings.group
                )));
            }
        }
        Err(refusal) if refusal.why == JoinRefusal::Missing && settings.create => {
            findings.push(missing(&name.to_string(), subscription.may_create().await));
        }
        Err(refusal) => findings.push(Problem(format!("{name}: {}", refusal.text))),
    }
    match client.last_revision(&settings.stream).await {
        Ok(Some(_)) => {}
        Ok(None) => {
            let text = empty::warning(client, &settings.stream).await;
            findings.push(Warning(format!("{name}: {text}")));
        }
        Err(error) => findings.push(Problem(format!("{name}: {}", error.with_hint()))),
    }
}

/// A group that ditto is to create: only a user of `$ops` or `$admins` may.
fn missing(name: &str, may_create: Result<bool, Error>) -> Finding {
    let missing = format!("{name}: the group is missing");
    match may_create {
        Ok(true) => Fine(format!("{missing}; ditto will create it (create = true)")),
        Ok(false) => Problem(format!(
            "{missing}, and the user has no permission to create it: add the user to $ops, or create the group and set create = false"
        )),
        Err(error) => Warning(format!(
            "{missing}; ditto will create it (create = true) if the user is in $ops or $admins, which could not be checked: {}",
            error.detail()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::clock_warning;
    use crate::config::cluster::Endpoint;
    use crate::eventstore::client::Clock;

    #[test]
    fn clocks_more_than_a_minute_apart_are_reported() {
        let clock = |host: &str, ahead| Clock {
            node: Endpoint {
                host: host.to_owned(),
                port: 2113,
            },
            ahead,
        };
        for (ahead, apart) in [
            (&[][..], None),
            (&[500], None),
            (&[-3600, -3541, -3540], None),
            (
                &[0, 61],
                Some("the clock of node1:2113 is 61 s ahead of that of node0:2113"),
            ),
            (
                &[5, -90, 0],
                Some("the clock of node0:2113 is 95 s ahead of that of node1:2113"),
            ),
        ] {
            let clocks: Vec<_> = ahead
                .iter()
                .enumerate()
                .map(|(node, ahead)| clock(&format!("node{node}"), *ahead))
                .collect();
            let warning = clock_warning(&clocks);
            let expected = apart
                .is_none_or(|apart| warning.as_ref().is_some_and(|text| text.starts_with(apart)));
            assert!(expected, "{warning:?}");
            assert_eq!(warning.is_some(), apart.is_some(), "{warning:?}");
        }
    }
}
