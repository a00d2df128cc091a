//! What a failed call to Kinesis means.
//!
//! Classed by the service's error code, never by message text. Never holds a credential.

use std::time::Duration;

use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// A call that failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Too much at once: nothing was stored, later it will be.
    Throttled,
    /// The service does not take this request, in its own words. Nothing was stored.
    Invalid(String),
    /// The credentials do not allow this call. Tried again for ever: whoever gives the right need not restart ditto.
    Denied(String),
    /// Nobody knows what was stored, or it needs an operator: in words, with what to do. Tried again for ever.
    Away(String),
}

impl Failure {
    /// No answer within ditto's own limit.
    pub(super) fn timed_out(action: &str, limit: Duration) -> Self {
        Self::Away(format!(
            "failed to {action}: no answer within {limit:?} (is the endpoint reachable from here, and are credentials \
             found? a role of the machine is asked for over the network)"
        ))
    }

    /// What the SDK reports. `action` completes "failed to …".
    pub(super) fn of<E, R>(action: &str, error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug,
    {
        let Some(service) = error.as_service_error() else {
            let hint = match error {
                SdkError::ConstructionFailure(_) => {
                    "are there credentials? the environment, a profile or the machine's role must give some"
                }
                SdkError::DispatchFailure(_) => {
                    "is the endpoint reachable from here, and are there credentials?"
                }
                _ => "is this the endpoint of Kinesis?",
            };
            let text = DisplayErrorContext(error).to_string();
            return Self::Away(format!(
                "failed to {action}: {} ({hint})",
                first_part(&text)
            ));
        };
        let code = service.code().unwrap_or("an error without a code");
        let message = service.message().unwrap_or("no message");
        match code {
            "ProvisionedThroughputExceededException"
            | "KMSThrottlingException"
            | "LimitExceededException"
            | "RequestLimitExceeded"
            | "SlowDown"
            | "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "TooManyRequestsException" => Self::Throttled,
            "InvalidArgumentException" | "ValidationException" | "SerializationException" => {
                Self::Invalid(format!("{code}: {message}"))
            }
            _ => {
                let text = match hint(code) {
                    Some(hint) => format!("failed to {action}: {code}: {message} ({hint})"),
                    None => format!("failed to {action}: {code}: {message}"),
                };
                if matches!(code, "AccessDeniedException" | "AccessDenied") {
                    Self::Denied(text)
                } else {
                    Self::Away(text)
                }
            }
        }
    }

    /// In words, for a caller that makes no difference.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Throttled => "throughput exceeded",
            Self::Invalid(text) | Self::Denied(text) | Self::Away(text) => text,
        }
    }
}

/// The answer to a dry run that would have succeeded.
pub(super) fn is_dry_run<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let code = error.as_service_error().and_then(|service| service.code());
    code == Some("DryRunOperationException")
}

/// What an operator can do about it.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "ResourceNotFoundException" => {
            "create the data stream, or correct stream_name, region and the account of the credentials"
        }
        "AccessDeniedException" | "AccessDenied" => {
            "allow kinesis:PutRecords and kinesis:DescribeStreamSummary on the data stream"
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken" => "check the credentials: AWS does not know them",
        "ExpiredTokenException" | "ExpiredToken" => {
            "give ditto credentials that are renewed, such as a role: these have expired"
        }
        code if code.starts_with("KMS") => {
            "allow the use of the data stream's KMS key, and check that the key is enabled"
        }
        _ => return None,
    })
}

/// The SDK's text ends with a dump of its own types.
fn first_part(text: &str) -> &str {
    match text.find(" (") {
        Some(end) if end > 0 => &text[..end],
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_kinesis::error::ErrorMetadata;
    use aws_sdk_kinesis::operation::put_records::PutRecordsError;

    #[test]
    fn a_failure_is_classed_by_its_code() {
        let classed = |code: &str| {
            let metadata = ErrorMetadata::builder().code(code).message("why").build();
            let error: SdkError<PutRecordsError, ()> =
                SdkError::service_error(PutRecordsError::generic(metadata), ());
            Failure::of("put records", &error)
        };
        for code in [
            "ProvisionedThroughputExceededException",
            "KMSThrottlingException",
            "ThrottlingException",
        ] {
            assert_eq!(classed(code), Failure::Throttled, "{code}");
        }
        for code in ["InvalidArgumentException", "ValidationException"] {
            assert_eq!(classed(code), Failure::Invalid(format!("{code}: why")));
        }
        for (code, hint) in [
            ("ResourceNotFoundException", " (create the data stream"),
            ("AccessDeniedException", " (allow kinesis:PutRecords"),
            ("UnrecognizedClientException", " (check the credentials"),
            ("ExpiredTokenException", " (give ditto credentials"),
            (
                "KMSAccessDeniedException",
                " (allow the use of the data stream",
            ),
            ("InternalFailureException", ""),
        ] {
            let text = format!("failed to put records: {code}: why{hint}");
            match classed(code) {
                Failure::Away(found) | Failure::Denied(found) => {
                    assert!(found.starts_with(&text), "{found}")
                }
                other => panic!("{code}: {other:?}"),
            }
        }
    }
}
