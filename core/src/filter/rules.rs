//! All that decides what a mirror brings, as its checkpoint has it: which streams, and whether their metadata and deletions.
//!
//! Never decides about a single event.

use std::fmt;
use std::str::FromStr;

use super::{NoFilter, StreamFilter};
use crate::port::state::Deletions;

/// What a line about metadata begins with.
const METADATA: &str = "=metadata, deletions ";

/// The rules of a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Which streams are copied.
    pub filter: StreamFilter,
    /// Which deletions are copied beside metadata; `None`: neither metadata nor deletions are.
    pub states: Option<Deletions>,
}

impl Rules {
    /// Whether everything that these bring is brought by the others, too.
    #[must_use]
    pub fn are_within(&self, others: &Self) -> bool {
        self.filter.is_within(&others.filter) && self.states <= others.states
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.filter)?;
        match self.states {
            Some(deletions) => write!(f, "\n{METADATA}{}", deletions.as_str()),
            None => Ok(()),
        }
    }
}

impl FromStr for Rules {
    type Err = NoFilter;

    /// Reads the canonical form.
    fn from_str(text: &str) -> Result<Self, NoFilter> {
        let (filter, states) = match text.rsplit_once('\n') {
            Some((filter, line)) if line.starts_with('=') => {
                let word = line.strip_prefix(METADATA).ok_or(NoFilter)?;
                let mut all = Deletions::ALL.into_iter();
                let found = all.find(|deletions| deletions.as_str() == word);
                (filter, Some(found.ok_or(NoFilter)?))
            }
            _ => (text, None),
        };
        Ok(Self {
            filter: filter.parse()?,
            states,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Rule;

    fn all() -> [Rules; 8] {
        let name = Rule::Name("a=b".into());
        let filters = [
            StreamFilter::all(),
            StreamFilter::new(Some(vec![name.clone()]), vec![name]),
        ];
        let states = [None].into_iter().chain(Deletions::ALL.map(Some));
        let mut all =
            states.flat_map(|states| filters.clone().map(|filter| Rules { filter, states }));
        std::array::from_fn(|_| all.next().unwrap())
    }

    #[test]
    fn rules_are_read_as_they_were_written() {
        for rules in all() {
            assert_eq!(rules.to_string().parse(), Ok(rules.clone()), "{rules}");
        }
        for text in [
            "+*\n=metadata",
            "+*\n=metadata, deletions hard",
            "=metadata, deletions soft",
        ] {
            assert_eq!(text.parse::<Rules>(), Err(NoFilter), "{text}");
        }
    }

    #[test]
    fn more_of_metadata_or_deletions_is_not_within_less() {
        let rules = |states| Rules {
            filter: StreamFilter::all(),
            states,
        };
        let order = [None].into_iter().chain(Deletions::ALL.map(Some));
        let order: Vec<_> = order.map(rules).collect();
        for (at, less) in order.iter().enumerate() {
            for (other, more) in order.iter().enumerate() {
                assert_eq!(less.are_within(more), at <= other, "{less} {more}");
            }
        }
    }
}
