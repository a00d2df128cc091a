//! Where a group stands in its source: a revision of a stream or a place in the whole log. Never looks into the store.

use std::fmt;

/// A place in the source of a group; only places of the same source are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Position {
    /// A revision of the group's stream.
    Stream(i64),
    /// A position in `$all`.
    All {
        /// The commit half.
        commit: i64,
        /// The prepare half.
        prepare: i64,
    },
}

impl Position {
    /// "From the end": the group starts with what comes after its creation.
    pub(crate) fn is_end(self) -> bool {
        match self {
            Position::Stream(revision) => revision < 0,
            Position::All { commit, .. } => commit < 0,
        }
    }

    /// Reads the text of a checkpoint (protocol §8.7), without its JSON quotes.
    pub(crate) fn parse(text: &str) -> Option<Position> {
        let Some((commit, prepare)) = text.split_once('/') else {
            return text.parse().ok().map(Position::Stream);
        };
        Some(Position::All {
            commit: commit.strip_prefix("C:")?.parse().ok()?,
            prepare: prepare.strip_prefix("P:")?.parse().ok()?,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Stream(revision) => write!(f, "{revision}"),
            Position::All { commit, prepare } => write!(f, "C:{commit}/P:{prepare}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_go_there_and_back() {
        for text in ["0", "-1", "17", "C:0/P:0", "C:-1/P:-1", "C:556617/P:0"] {
            assert_eq!(
                Position::parse(text).map(|p| p.to_string()).as_deref(),
                Some(text)
            );
        }
        for text in ["", "x", "C:1", "C:1/2", "1/2"] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
