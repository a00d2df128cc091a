//! What servers and projections note in JSON beside a record: a link's metadata, a stream's, a parked entry's.
//!
//! Never an error: what is no such JSON says nothing (protocol §5.2, §6.2).

use serde::de::DeserializeOwned;

/// The fields of a JSON object; the default for anything else.
#[must_use]
pub fn notes<T: DeserializeOwned + Default>(json: &[u8]) -> T {
    // An array would be taken for the fields in their order.
    if !json.trim_ascii_start().starts_with(b"{") {
        return T::default();
    }
    serde_json::from_slice(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::notes;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Notes {
        #[serde(rename = "$p")]
        prepare: Option<u64>,
    }

    #[test]
    fn only_an_object_of_the_right_types_says_anything() {
        for (json, prepare) in [
            (r#"{"$p":7}"#, Some(7)),
            (r#" {"a":[1],"$p":7}"#, Some(7)),
            ("[7]", None),
            (" [7]", None),
            (r#"{"$p":"7"}"#, None),
            (r#"{"$p":7"#, None),
            ("7", None),
            ("", None),
        ] {
            assert_eq!(notes::<Notes>(json.as_bytes()), Notes { prepare }, "{json}");
        }
    }
}
