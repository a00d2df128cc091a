//! The labels of all series, and the values that each can have: the words of the enums that they show.
//!
//! Never a label whose values grow with the data.

use crate::status::Verdict;
use ditto_core::event::SkipReason;
use ditto_core::port::state::DeletionKind;
use ditto_core::port::{DuplicateReason, HeldReason, PipelineState, Side};

/// A label of a series. Each is one name with one kind of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Stream,
    Group,
    Side,
    State,
    HeldReason,
    /// By rule, or by the policy for held streams.
    SkipReason,
    DuplicateReason,
    DeletionKind,
    ReloadResult,
    Version,
    ServerType,
    Resource,
    Operation,
}

impl Label {
    /// Returns the name that scrapes show.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Group => "group",
            Self::Side => "side",
            Self::State => "state",
            Self::HeldReason | Self::SkipReason | Self::DuplicateReason => "reason",
            Self::DeletionKind => "kind",
            Self::ReloadResult => "result",
            Self::Version => "version",
            Self::ServerType => "type",
            Self::Resource => "resource",
            Self::Operation => "operation",
        }
    }

    /// Returns every value that it can have; none if they are not known before they are seen.
    fn values(self) -> Vec<&'static str> {
        match self {
            Self::Side => Side::ALL.map(Side::as_str).to_vec(),
            Self::State => PipelineState::ALL
                .each_ref()
                .map(PipelineState::as_str)
                .to_vec(),
            Self::HeldReason => HeldReason::ALL.map(HeldReason::as_str).to_vec(),
            Self::SkipReason => {
                let by_rule = SkipReason::ALL.map(SkipReason::as_str).into_iter();
                by_rule.chain(Self::HeldReason.values()).collect()
            }
            Self::DuplicateReason => DuplicateReason::ALL.map(DuplicateReason::as_str).to_vec(),
            Self::DeletionKind => DeletionKind::ALL.map(DeletionKind::as_str).to_vec(),
            Self::ReloadResult => Verdict::ALL.each_ref().map(Verdict::as_str).to_vec(),
            Self::Stream
            | Self::Group
            | Self::Version
            | Self::ServerType
            | Self::Resource
            | Self::Operation => Vec::new(),
        }
    }
}

/// Returns the values of every series of this subscription, or of the process, that has these labels; none if some are not known before
/// they are seen.
pub(super) fn combinations<'a>(
    labels: &[Label],
    subscription: Option<[&'a str; 2]>,
) -> Vec<Vec<&'a str>> {
    let [stream, group] = subscription.map_or([None, None], |names| names.map(Some));
    labels.iter().fold(vec![Vec::new()], |begun, label| {
        let values: Vec<&'a str> = match label {
            Label::Stream => stream.into_iter().collect(),
            Label::Group => group.into_iter().collect(),
            other => other.values(),
        };
        let with = |begun: &Vec<&'a str>| {
            let begun = begun.clone();
            values.clone().into_iter().map(move |value| {
                let mut longer = begun.clone();
                longer.push(value);
                longer
            })
        };
        begun.iter().flat_map(with).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::{Label, combinations};

    #[test]
    fn labels_with_known_values_give_every_combination() {
        let of = Some(["s", "g"]);
        for (labels, subscription, expected) in [
            (vec![], None, vec![""]),
            (
                vec![Label::ReloadResult],
                None,
                vec!["applied", "unchanged", "refused"],
            ),
            (
                vec![Label::Stream, Label::Group, Label::Side],
                of,
                vec!["s g source", "s g destination"],
            ),
            (vec![Label::Stream, Label::Group], None, vec![]),
            (vec![Label::ServerType, Label::Operation], None, vec![]),
        ] {
            let found: Vec<String> = combinations(&labels, subscription)
                .into_iter()
                .map(|values| values.join(" "))
                .collect();
            assert_eq!(found, expected, "{labels:?}");
        }
    }
}
