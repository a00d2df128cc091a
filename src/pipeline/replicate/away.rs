//! Which server was said to be away since the pipeline last ran: each is said once, however often the two take turns.
//!
//! Never logs, and never decides who is away.

use ditto_core::port::Side;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Away {
    source: bool,
    destination: bool,
}

impl Away {
    /// True the first time that this side is away.
    pub(super) fn is_news(&mut self, side: Side) -> bool {
        let said = match side {
            Side::Source => &mut self.source,
            Side::Destination => &mut self.destination,
        };
        !std::mem::replace(said, true)
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
}
