//! The page at `/`: one file without a build step, and what a browser may do with it.
//!
//! The file asks `/status` by itself; nothing of a request or of the state is ever written into it.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

/// The page, the same for everybody.
pub(super) const PAGE: &str = include_str!("page.html");

/// Content-Security-Policy of the page: its own style and script by their hashes, questions to this daemon, and nothing
/// else.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(between("<script>", "</script>")),
        hash(between("<style>", "</style>")),
    )
});

/// Content-Security-Policy of everything that is not meant to be a page.
pub(super) const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

fn between(start: &str, end: &str) -> &'static str {
    let rest = PAGE.split_once(start).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or("", |(content, _)| content)
}

fn hash(content: &str) -> String {
    format!(
        "sha256-{}",
        BASE64_STANDARD.encode(Sha256::digest(content.as_bytes()))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_script_and_one_style_and_nothing_from_elsewhere() {
        for once in ["<script", "</script>", "<style", "</style>"] {
            assert_eq!(PAGE.matches(once).count(), 1, "{once}");
        }
        for never in [
            "src=",
            "style=",
            "onclick",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "//cdn",
            "@import",
            "url(",
        ] {
            assert!(!PAGE.contains(never), "{never}");
        }
        // Names of namespaces are no addresses to load from.
        let addresses = PAGE.matches("://").count();
        assert_eq!(
            addresses,
            PAGE.matches("http://www.w3.org/2000/svg").count()
        );
    }

    #[test]
    fn the_policy_allows_its_own_script_and_style_only() {
        assert!(between("<script>", "</script>").len() > 1_000);
        assert!(between("<style>", "</style>").len() > 1_000);
        assert_eq!(POLICY.matches("'sha256-").count(), 2, "{}", *POLICY);
        assert!(!POLICY.contains("unsafe"));
    }
}
