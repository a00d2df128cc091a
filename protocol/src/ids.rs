//! Event ids and correlation ids on the wire: two forms, both of which a server must accept (protocol §2.1).
//!
//! Never judges an id: the nil id is read like any other.

use std::fmt;

use uuid::Uuid;

use crate::shared::{StreamIdentifier, Uuid as WireUuid, uuid as wire};

/// Why a wire id is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadId {
    /// The field was absent, or neither form was set.
    Missing,
    /// The text is not a UUID.
    NotAUuid,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "id is missing",
            Self::NotAUuid => "id is not a UUID",
        })
    }
}

impl std::error::Error for BadId {}

/// Which of the two forms ids are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdForm {
    /// Two signed 64-bit halves, big-endian.
    #[default]
    Structured,
    /// Lower-case text with hyphens.
    Text,
}

/// Writes an id in the form asked for.
#[must_use]
pub fn to_wire(id: Uuid, form: IdForm) -> WireUuid {
    let value = match form {
        IdForm::Structured => {
            let (most, least) = id.as_u64_pair();
            wire::Value::Structured(wire::Structured {
                most_significant_bits: most.cast_signed(),
                least_significant_bits: least.cast_signed(),
            })
        }
        IdForm::Text => wire::Value::String(id.as_hyphenated().to_string()),
    };
    WireUuid { value: Some(value) }
}

/// Reads an id in either form.
///
/// # Errors
/// Absent, neither form set, or a text that is not a UUID.
pub fn from_wire(id: Option<&WireUuid>) -> Result<Uuid, BadId> {
    match id.and_then(|id| id.value.as_ref()) {
        None => Err(BadId::Missing),
        Some(wire::Value::Structured(halves)) => Ok(Uuid::from_u64_pair(
            halves.most_significant_bits.cast_unsigned(),
            halves.least_significant_bits.cast_unsigned(),
        )),
        Some(wire::Value::String(text)) => Uuid::try_parse(text).map_err(|_| BadId::NotAUuid),
    }
}

/// A stream's name as the wire carries it.
#[must_use]
pub fn stream_identifier(name: &str) -> StreamIdentifier {
    StreamIdentifier {
        stream_name: bytes::Bytes::copy_from_slice(name.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "f0e1d2c3-b4a5-9687-7869-5a4b3c2d1e0f";

    fn halves(most: i64, least: i64) -> WireUuid {
        WireUuid {
            value: Some(wire::Value::Structured(wire::Structured {
                most_significant_bits: most,
                least_significant_bits: least,
            })),
        }
    }

    fn text(text: &str) -> WireUuid {
        WireUuid {
            value: Some(wire::Value::String(text.to_owned())),
        }
    }

    #[test]
    fn both_forms_are_the_sixteen_bytes_in_order() {
        let id = Uuid::try_parse(TEXT).unwrap();
        let structured = halves(
            0xf0e1_d2c3_b4a5_9687_u64.cast_signed(),
            0x7869_5a4b_3c2d_1e0f,
        );
        assert_eq!(to_wire(id, IdForm::Structured), structured);
        assert_eq!(to_wire(id, IdForm::Text), text(TEXT));
        for wire in [structured, text(TEXT), text(&TEXT.to_uppercase())] {
            assert_eq!(from_wire(Some(&wire)), Ok(id));
        }
    }

    #[test]
    fn what_is_no_id_is_told_apart() {
        for (wire, expected) in [
            (None, Err(BadId::Missing)),
            (Some(WireUuid { value: None }), Err(BadId::Missing)),
            (Some(text("")), Err(BadId::NotAUuid)),
            (Some(text("17")), Err(BadId::NotAUuid)),
            (Some(halves(0, 0)), Ok(Uuid::nil())),
        ] {
            assert_eq!(from_wire(wire.as_ref()), expected, "{wire:?}");
        }
    }
}
