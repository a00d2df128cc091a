//! What the list of all groups tells when a group's own calls cannot.
//!
//! A call that fails with HTTP 500 and no status may be about a group or stream that is not ASCII: the server cannot send
//! the error that would name it (protocol §9, last row). The list names groups in a message. Never used for anything
//! that a group's own call tells.

use eventstore::{ListPersistentSubscriptionsOptions, RevisionOrPosition};

use super::Subscription;
use super::clients::Usable;
use crate::eventstore::{Class, Error};

/// The group, as the list has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// It is not there.
    Missing,
    /// It has as many consumers as it allows.
    Full,
    /// It is there, and takes a consumer.
    Free,
}

type Info = eventstore::PersistentSubscriptionInfo<RevisionOrPosition>;

impl Subscription {
    /// What hides behind this error of a call of the group; `None` if the error says it, or the list does not.
    pub(super) async fn behind(&self, usable: &Usable, error: &Error) -> Option<Listed> {
        if *error.class() != Class::NoStatus {
            return None;
        }
        let options = ListPersistentSubscriptionsOptions::default();
        let options = match usable.client.credentials.clone() {
            Some(credentials) => options.authenticated(credentials),
            None => options,
        };
        let client = usable.client.client.clone();
        let listing = async move { client.list_all_persistent_subscriptions(&options).await };
        let groups = self.call(usable, "list the groups", listing).await.ok()?;
        let (stream, group) = (self.settings.stream.as_str(), &*self.settings.group);
        let listed = groups
            .iter()
            .find(|info| info.event_source == stream && info.group_name == group);
        Some(listed.map_or(Listed::Missing, seen))
    }

    /// An error of this class about the group.
    pub(super) fn about_group(&self, class: Class, action: &'static str, text: &str) -> Error {
        let key = self.settings.key();
        let text = format!("the group of {key} {text}");
        Error::new(self.own.side(), class, action, text)
    }
}

fn seen(info: &Info) -> Listed {
    let most = info
        .settings
        .as_ref()
        .map_or(0, |settings| settings.max_subscriber_count);
    // 0: as many as want to.
    let is_full =
        usize::try_from(most).is_ok_and(|most| most > 0 && info.connections.len() >= most);
    if is_full { Listed::Full } else { Listed::Free }
}

#[cfg(test)]
mod tests {
    use super::{Info, Listed, seen};
    use eventstore::{
        PersistentSubscriptionConnectionInfo, PersistentSubscriptionSettings,
        PersistentSubscriptionStats,
    };

    #[test]
    fn a_group_is_full_by_its_own_limit() {
        for (most, consumers, expected) in [
            (1, 0, Listed::Free),
            (1, 1, Listed::Full),
            (2, 1, Listed::Free),
            (2, 3, Listed::Full),
            (0, 9, Listed::Free),
        ] {
            let connection = PersistentSubscriptionConnectionInfo {
                from: String::new(),
                username: String::new(),
                average_items_per_second: 0.0,
                total_items: 0,
                count_since_last_measurement: 0,
                available_slots: 0,
                in_flight_messages: 0,
                connection_name: "ditto".to_owned(),
                extra_statistics: Default::default(),
            };
            let info = Info {
                event_source: "größe".to_owned(),
                group_name: "g".to_owned(),
                status: "Live".to_owned(),
                connections: vec![connection; consumers],
                settings: Some(PersistentSubscriptionSettings {
                    max_subscriber_count: most,
                    ..PersistentSubscriptionSettings::default()
                }),
                stats: PersistentSubscriptionStats::default(),
            };
            assert_eq!(seen(&info), expected, "{consumers} of {most}");
        }
    }
}
