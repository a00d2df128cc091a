//! Durations and sizes as people write them: a whole number and a unit.
//!
//! Never guesses a unit.

use std::time::Duration;

/// What a duration looks like, for messages.
pub const DURATION_FORM: &str = "a duration such as \"10s\" (units ms, s, m, h, d)";
/// What a size looks like, for messages.
pub const SIZE_FORM: &str = "a size such as \"64MiB\" (units B, KiB, MiB, GiB)";

/// Reads `"250ms"`, `"10s"`, `"5m"`, `"2h"`, `"30d"`; `None` for anything else, overflow included.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let millis_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number
        .checked_mul(millis_per_unit)
        .map(Duration::from_millis)
}

/// Reads `"512B"`, `"64KiB"`, `"1MiB"`, `"2GiB"`; `None` for anything else, overflow included.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let bytes_per_unit = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(bytes_per_unit)
}

/// The shortest exact writing of a duration.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, millis_per_unit) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ] {
        if millis != 0 && millis.is_multiple_of(millis_per_unit) {
            return format!("{}{unit}", millis / millis_per_unit);
        }
    }
    format!("{millis}ms")
}

/// The shortest exact writing of a size.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes != 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start_matches(' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_number_and_a_unit() {
        for (text, expected) in [
            ("0ms", Some(Duration::ZERO)),
            ("250ms", Some(Duration::from_millis(250))),
            ("10s", Some(Duration::from_secs(10))),
            ("10 s", Some(Duration::from_secs(10))),
            ("5m", Some(Duration::from_secs(300))),
            ("2h", Some(Duration::from_secs(7200))),
            ("30d", Some(Duration::from_secs(2_592_000))),
            ("10", None),
            ("s", None),
            ("", None),
            ("-1s", None),
            ("1.5s", None),
            ("10 sec", None),
            ("99999999999999999999s", None),
            ("18446744073709551615d", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_need_a_number_and_a_binary_unit() {
        for (text, expected) in [
            ("512B", Some(512)),
            ("64KiB", Some(65_536)),
            ("1MiB", Some(1_048_576)),
            ("2 GiB", Some(2_147_483_648)),
            ("1MB", None),
            ("1mib", None),
            ("1024", None),
            ("17179869184GiB", None),
        ] {
            assert_eq!(parse_size(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for text in ["0ms", "250ms", "10s", "5m", "2h", "30d"] {
            assert_eq!(
                parse_duration(text).map(show_duration).as_deref(),
                Some(text)
            );
        }
        for text in ["0B", "1000B", "64KiB", "64MiB", "3GiB"] {
            assert_eq!(parse_size(text).map(show_size).as_deref(), Some(text));
        }
    }
}
