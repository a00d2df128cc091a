//! The original's list of subscriptions.
//!
//! One that ditto would refuse stays, as a comment with the reason.

use super::dotnet::Tree;
use super::section::Section;
use ditto_core::event::StreamName;
use ditto_values::problem::Collector;

pub(super) const LIST: &str = "Settings:Subscriptions";
/// What the original's own compose file calls it.
const STREAMS: &str = "Settings:Streams";

/// `partial`: revisions need not be kept.
pub(super) fn read(tree: &mut Tree, partial: bool, problems: &Collector) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut seen = Vec::new();
    for index in tree.children(LIST) {
        let key = format!("{LIST}:{index}");
        if let Some(section) = subscription(tree, &key, partial, &mut seen, problems) {
            sections.push(section);
        }
    }
    let has_some = !sections.is_empty();
    for index in tree.children(STREAMS) {
        let key = format!("{STREAMS}:{index}");
        if let Some(mut section) = subscription(tree, &key, partial, &mut seen, problems) {
            section.is_active &= !has_some;
            section.remark(
                &key,
                "the original never read Streams, it read Subscriptions; taken over because there are none, otherwise a \
                 comment",
            );
            sections.push(section);
        }
    }
    if sections.is_empty() {
        let mut none = Section {
            is_active: false,
            ..Section::new("[[subscription]]")
        };
        none.set("stream", "$ce-customer");
        none.set("group", "ditto-customer");
        none.remark(
            LIST,
            "empty or missing: ditto copies nothing until there is a subscription",
        );
        sections.push(none);
    }
    sections
}

fn subscription(
    tree: &mut Tree,
    key: &str,
    partial: bool,
    seen: &mut Vec<(String, String)>,
    problems: &Collector,
) -> Option<Section> {
    let mut part = |name: &str, example: &str| {
        let found = tree.get(&format!("{key}:{name}"));
        if found.is_none() {
            tree.missing(
                &format!("{key}:{name}"),
                &format!("{example:?} or the like"),
                problems,
            );
        }
        found
    };
    let stream = part("StreamName", "$ce-customer");
    let group = part("GroupName", "ditto-customer");
    let (stream, group) = (stream?, group?);
    let mut section = Section::new("[[subscription]]");
    let mut name = stream.value.trim().to_owned();
    if let Some(rest) = name.strip_prefix("$$").filter(|rest| is_link_stream(rest)) {
        section.remark(
            &stream.key,
            "found $$ in front, which is how a compose file writes $",
        );
        name = format!("${rest}");
    }
    section.set("stream", name.as_str());
    section.set("group", group.value.trim());
    if name == "$all" {
        section.is_active = false;
        section.remark(
            &stream.key,
            "ditto does not subscribe to $all: use a [[mirror]], which copies every stream from the source's log",
        );
    }
    if !partial && StreamName::from(&*name).links_parts() {
        section.is_active = false;
        section.remark(
            &stream.key,
            "such a stream links only a part of each stream's events, so revisions cannot be kept, and the original could \
             not write them either. Subscribe to the category, or add skip_version_check = true here",
        );
    }
    let pair = (name, group.value.trim().to_owned());
    if seen.contains(&pair) {
        section.is_active = false;
        section.remark(
            key,
            "found the same stream and group twice: one subscription is enough, because it writes many streams at once",
        );
    }
    seen.push(pair);
    Some(section)
}

fn is_link_stream(rest: &str) -> bool {
    ["ce-", "et-", "bc-"]
        .iter()
        .any(|prefix| rest.starts_with(prefix))
}
