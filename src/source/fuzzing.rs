//! What tests/fuzz calls of the source: the text of a link, and what a category's link shows.
//!
//! Only with the Cargo feature `fuzzing`. Pure.

use super::decode::LinkText;
use super::log::shown_by;
use ditto_core::event::{Event, StreamName};

/// The event that a link's text names.
#[must_use]
pub fn target(link: &Event) -> Option<(StreamName, u64)> {
    super::parked::target(link)
}

/// Whether a text of that form names nothing.
#[must_use]
pub fn names_nothing(link: &Event) -> bool {
    LinkText::of(link) == LinkText::Nothing
}

/// How the link's category is named, for people.
#[must_use]
pub fn naming(link: &Event) -> String {
    format!("{:?}", shown_by(link))
}
