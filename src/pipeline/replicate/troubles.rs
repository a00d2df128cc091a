//! What was last said against each of the two sides, for the line that says that it is away.
//!
//! Never says whether it is.

use ditto_core::port::Side;

/// Why each side last failed, in words for the operator.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    source: String,
    destination: String,
}

impl Troubles {
    /// This side failed.
    pub(super) fn note(&mut self, side: Side, text: String) {
        match side {
            Side::Source => self.source = text,
            Side::Destination => self.destination = text,
        }
    }

    /// Why this side last failed.
    pub(super) fn of(&self, side: Side) -> &str {
        let said = match side {
            Side::Source => &self.source,
            Side::Destination => &self.destination,
        };
        if said.is_empty() {
            "a call was not answered"
        } else {
            said
        }
    }
}
