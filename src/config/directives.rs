//! What `[log] level` and `RUST_LOG` may say.
//!
//! Only judges; the filter itself is made where the log is set up.

use tracing_subscriber::EnvFilter;

use ditto_values::problem::did_you_mean;

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Judges directives. The error is a hint to stand behind the message, perhaps empty.
///
/// A single word must be a level: the filter itself would take a misspelt one for the name of a module and be silent.
pub(crate) fn judge(directives: &str) -> Result<(), String> {
    for directive in directives.split(',').map(str::trim) {
        let is_word = directive.chars().all(|c| c.is_ascii_alphanumeric());
        let lower = directive.to_ascii_lowercase();
        if is_word && !LEVELS.contains(&lower.as_str()) {
            return Err(did_you_mean(&lower, LEVELS));
        }
    }
    EnvFilter::builder()
        .parse(directives)
        .map(|_| ())
        .map_err(|_| String::new())
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn levels_and_directives_are_taken_and_misspelt_words_are_not() {
        for (text, expected) in [
            ("info", Ok(())),
            ("DEBUG", Ok(())),
            ("info,ditto::pipeline=debug", Ok(())),
            ("warn,ditto=trace,h2=off", Ok(())),
            ("inof", Err(" (did you mean \"info\"?)".to_owned())),
            ("info,debgu", Err(" (did you mean \"debug\"?)".to_owned())),
            ("", Err(String::new())),
            ("ditto=loud", Err(String::new())),
        ] {
            assert_eq!(judge(text), expected, "{text}");
        }
    }
}
