//! A text that must not be seen: passwords and whatever else comes out of a credentials file.
//!
//! Debug and Display never show it; only [`Secret::reveal`] does, at the one place that sends it.

use std::fmt;

/// A secret text.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be sent and never to be kept, logged or shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True for an empty text, which is hardly ever meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("changeit");
        assert_eq!(secret.reveal(), "changeit");
        for shown in [
            format!("{secret:?}"),
            format!("{secret:#?}"),
            format!("{secret}"),
            format!("{:?}", Some(&secret)),
        ] {
            assert!(!shown.contains("change"), "{shown}");
        }
    }
}
