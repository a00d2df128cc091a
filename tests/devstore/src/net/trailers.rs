//! Statuses as the real server puts them on the wire: which it cannot send at all, and how it writes their texts.
//!
//! Never chooses a status.

use hyper::header::{HeaderMap, HeaderValue};

/// Marks a status with a trailer that no header can hold. The real server fails over it: HTTP 500 without a gRPC status,
/// or a reset if the answer has begun (protocol §9).
pub(crate) const UNSENDABLE: &str = "devstore-unsendable";

const MESSAGE: &str = "grpc-message";

pub(super) fn is_unsendable(headers: &HeaderMap) -> bool {
    headers.contains_key(UNSENDABLE)
}

/// Takes the percent-encoding off that gRPC does not ask for: some clients only take off what it does.
pub(super) fn mend_message(headers: &mut HeaderMap) {
    let Some(message) = headers.get_mut(MESSAGE) else {
        return;
    };
    if let Some(mended) = message.to_str().ok().and_then(mended) {
        *message = mended;
    }
}

fn mended(text: &str) -> Option<HeaderValue> {
    if !text.contains('%') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) if byte != b'%' && (byte == b' ' || byte.is_ascii_graphic()) => {
                out.push(char::from(byte));
                rest = &after[2..];
            }
            _ => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    HeaderValue::from_str(&out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_must_be_encoded_stays_encoded() {
        for (text, expected) in [
            ("chunk %230-0 %3E%3E", Some("chunk #0-0 >>")),
            ("gr%C3%B6%C3%9Fe%20%25", Some("gr%C3%B6%C3%9Fe %25")),
            ("100%", Some("100%")),
            ("%0A%zz", Some("%0A%zz")),
            ("plain", None),
        ] {
            let found = mended(text);
            assert_eq!(found.as_ref().map(|text| text.to_str().unwrap()), expected);
        }
    }
}
