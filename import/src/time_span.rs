//! A time as .NET writes it: `[d.]hh:mm[:ss[.fffffff]]`, or days alone.
//!
//! Never takes a value that .NET refuses or reads as something else than it looks like.

use std::time::Duration;

/// What such a text looks like, for messages.
pub(super) const FORM: &str =
    "a time span such as \"00:01:00\" (a minute) or \"30.00:00:00\" (30 days)";

/// Reads a time span; `None` for anything else. A negative one is zero: the original did nothing then.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let duration = parse_positive(text)?;
    Some(if is_negative {
        Duration::ZERO
    } else {
        duration
    })
}

fn parse_positive(text: &str) -> Option<Duration> {
    if !text.contains(':') {
        return Some(Duration::from_secs(
            number(text, 10_675_199)?.checked_mul(86_400)?,
        ));
    }
    let mut parts: Vec<&str> = text.split(':').collect();
    let days = match parts.len() {
        // d:hh:mm:ss
        4 => number(parts.remove(0), 10_675_199)?,
        2 | 3 => match parts[0].split_once('.') {
            Some((days, hours)) => {
                parts[0] = hours;
                number(days, 10_675_199)?
            }
            None => 0,
        },
        _ => return None,
    };
    let hours = number(parts[0], 23)?;
    let minutes = number(parts[1], 59)?;
    let (seconds, fraction) = match parts.get(2) {
        None => ("0", ""),
        Some(text) => text.split_once('.').unwrap_or((text, "")),
    };
    let seconds = number(seconds, 59)?;
    if fraction.len() > 7 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse().ok()?;
    let whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
    Some(Duration::new(whole, nanos))
}

fn number(text: &str, largest: u64) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| text.parse().ok())??;
    (number <= largest).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_read_as_dotnet_does() {
        let millis = |text: &str| parse(text).map(|duration| duration.as_millis());
        for (text, expected) in [
            ("00:01:00", Some(60_000)),
            ("30.00:00:00", Some(2_592_000_000)),
            ("7", Some(604_800_000)),
            ("12:30", Some(45_000_000)),
            ("1:02:03:04", Some(93_784_000)),
            ("00:00:01.5", Some(1_500)),
            ("00:00:00.0010000", Some(1)),
            (" 00:00:02 ", Some(2_000)),
            ("-00:01:00", Some(0)),
            // Not a day: .NET does not read it so.
            ("24:00:00", None),
            ("00:60:00", None),
            ("1.2.3", None),
            ("a minute", None),
            ("", None),
            ("00:00:00.12345678", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
    }
}
