//! What is held against each of the two sides: why it last failed, and what the log has said of that.
//!
//! Never logs, and never decides whether a side answers.

use ditto_core::port::Side;

/// Why each side failed last, and whether the log has said it.
#[derive(Debug, Default)]
pub(super) struct Sides {
    source: Trouble,
    destination: Trouble,
}

#[derive(Debug, Default)]
struct Trouble {
    last: String,
    is_logged: bool,
    logged: String,
}

impl Sides {
    /// Notes why a side failed.
    pub(super) fn note(&mut self, side: Side, why: String) {
        self.of(side).last = why;
    }

    /// Returns why a side does not answer if the log has not said since [`Self::answer`] that it does not.
    pub(super) fn is_news(&mut self, side: Side) -> Option<String> {
        let trouble = self.of(side);
        if std::mem::replace(&mut trouble.is_logged, true) {
            return None;
        }
        if trouble.last.is_empty() {
            trouble.logged = "a call was not answered".to_owned();
        } else {
            trouble.logged.clone_from(&trouble.last);
        }
        Some(trouble.logged.clone())
    }

    /// Returns whether the log has said that a side does not answer, but for another reason than this one.
    pub(super) fn is_new_reason(&mut self, side: Side, why: &str) -> bool {
        let trouble = self.of(side);
        if !trouble.is_logged || trouble.logged == why {
            return false;
        }
        why.clone_into(&mut trouble.logged);
        true
    }

    /// Both answer: what the log said is over.
    pub(super) fn answer(&mut self) {
        for trouble in [&mut self.source, &mut self.destination] {
            trouble.is_logged = false;
            trouble.logged.clear();
        }
    }

    fn of(&mut self, side: Side) -> &mut Trouble {
        match side {
            Side::Source => &mut self.source,
            Side::Destination => &mut self.destination,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sides;
    use ditto_core::port::Side::{Destination, Source};

    #[test]
    fn each_side_is_news_once_until_it_is_forgotten() {
        let mut sides = Sides::default();
        sides.note(Source, "refused".to_owned());
        for (side, expected) in [
            (Source, Some("refused")),
            (Destination, Some("a call was not answered")),
            (Source, None),
            (Destination, None),
        ] {
            assert_eq!(sides.is_news(side).as_deref(), expected, "{side:?}");
        }
        sides.answer();
        assert_eq!(sides.is_news(Source).as_deref(), Some("refused"));
    }

    #[test]
    fn reason_is_new_once_and_only_of_a_side_that_is_news_no_more() {
        let mut sides = Sides::default();
        assert!(!sides.is_new_reason(Source, "refused"));
        sides.is_news(Source);
        for (side, why, expected) in [
            (Source, "refused", true),
            (Source, "refused", false),
            (Destination, "refused", false),
            (Source, "no file", true),
            (Source, "refused", true),
        ] {
            assert_eq!(sides.is_new_reason(side, why), expected, "{side:?} {why}");
        }
    }
}
