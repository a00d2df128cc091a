//! Which server was said to be away since the pipeline last ran, and why: each is said once, however often the two take
//! turns.
//!
//! Never logs, and never decides who is away.

use ditto_core::port::Side;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Away {
    source: Said,
    destination: Said,
}

#[derive(Debug, Default)]
struct Said {
    is_away: bool,
    why: String,
}

impl Away {
    /// True the first time that this side is away.
    pub(super) fn is_news(&mut self, side: Side) -> bool {
        !std::mem::replace(&mut self.said(side).is_away, true)
    }

    /// True if this side was said to be away.
    pub(super) fn was_said(&mut self, side: Side) -> bool {
        self.said(side).is_away
    }

    /// True if this reason is not the one that was said last.
    pub(super) fn is_new_reason(&mut self, side: Side, why: &str) -> bool {
        let said = &mut self.said(side).why;
        let is_new = said != why;
        why.clone_into(said);
        is_new
    }

    fn said(&mut self, side: Side) -> &mut Said {
        match side {
            Side::Source => &mut self.source,
            Side::Destination => &mut self.destination,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Away;
    use ditto_core::port::Side::{Destination, Source};

    #[test]
    fn each_side_is_news_once_until_it_is_forgotten() {
        let rows = [
            (vec![Source, Source], vec![true, false]),
            (
                vec![Destination, Source, Destination, Source],
                vec![true, true, false, false],
            ),
        ];
        for (sides, expected) in rows {
            let mut away = Away::default();
            let news: Vec<bool> = sides.iter().map(|side| away.is_news(*side)).collect();
            assert_eq!(news, expected, "{sides:?}");
        }
    }

    #[test]
    fn a_reason_is_new_until_it_was_said_of_that_side() {
        let mut away = Away::default();
        for (side, why, expected) in [
            (Source, "refused", true),
            (Source, "refused", false),
            (Destination, "refused", true),
            (Source, "no file", true),
            (Destination, "refused", false),
            (Source, "refused", true),
        ] {
            assert_eq!(away.is_new_reason(side, why), expected, "{side:?} {why}");
        }
    }
}
