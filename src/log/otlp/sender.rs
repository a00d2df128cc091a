//! Sends lines in one request, by OpenTelemetry's exporter over http/protobuf.
//!
//! Never tries twice, and never shows a header: those hold keys.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::InstrumentationScope;
use opentelemetry::logs::LoggerProvider as _;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{LogExporter, RetryPolicy, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{
    LogBatch, LogExporter as _, SdkLogRecord, SdkLogger, SdkLoggerProvider,
};
use prost::Message as _;

use super::convert::{log_record, resource};
use crate::config::settings::OtlpSettings;
use crate::log::record::Record;
use crate::net::{files, tls};

/// Why lines were not taken.
#[derive(Debug)]
pub(super) enum Failure {
    /// These never will be.
    Refused(String),
    /// Others, later, may be.
    Away(String),
}

/// The way to one receiver.
pub(super) struct Sender {
    settings: OtlpSettings,
    resource: Resource,
    logger: SdkLogger,
    scope: InstrumentationScope,
    /// Made anew after every failure, so that a key or an authority that was replaced is taken into use.
    exporter: Option<(LogExporter, Arc<Observed>)>,
}

impl Sender {
    pub(super) fn new(settings: OtlpSettings) -> Self {
        Self {
            resource: resource(&settings.resource_attributes),
            logger: SdkLoggerProvider::builder().build().logger("ditto"),
            scope: InstrumentationScope::builder("ditto").build(),
            exporter: None,
            settings,
        }
    }

    /// One request. Returns how many of its lines the receiver says it refused.
    pub(super) async fn send(&mut self, records: &[Record]) -> Result<u64, Failure> {
        let (exporter, observed) = match self.exporter.take() {
            Some(made) => made,
            None => exporter(&self.settings, &self.resource).map_err(Failure::Away)?,
        };
        let logs: Vec<SdkLogRecord> = records
            .iter()
            .map(|record| log_record(&self.logger, record))
            .collect();
        let batch: Vec<_> = logs.iter().map(|log| (log, &self.scope)).collect();
        let exported = exporter.export(LogBatch::new(&batch)).await;
        match (exported, observed.take()) {
            (Ok(()), answer) => {
                self.exporter = Some((exporter, observed));
                Ok(answer.map_or(0, |answer| answer.refused()))
            }
            (Err(_), Some(answer)) => Err(answer.failure()),
            (Err(error), None) => Err(Failure::Away(error.to_string())),
        }
    }
}

fn exporter(
    settings: &OtlpSettings,
    resource: &Resource,
) -> Result<(LogExporter, Arc<Observed>), String> {
    let mut headers = HashMap::new();
    for (name, source) in &settings.headers {
        let value = files::secret(source)?;
        headers.insert(name.clone(), value.reveal().to_owned());
    }
    let observed = Arc::new(Observed {
        client: client(settings)?,
        last: Mutex::default(),
    });
    let mut exporter = LogExporter::builder()
        .with_http()
        .with_endpoint(settings.endpoint.clone())
        .with_timeout(settings.timeout)
        .with_headers(headers)
        .with_retry_policy(RetryPolicy::disabled())
        .with_shared_http_client(observed.clone())
        .build()
        .map_err(|error| error.to_string())?;
    opentelemetry_sdk::logs::LogExporter::set_resource(&mut exporter, resource);
    Ok((exporter, observed))
}

fn client(settings: &OtlpSettings) -> Result<Box<dyn HttpClient>, String> {
    let limit: Duration = settings.timeout;
    if settings.endpoint.starts_with("http://") {
        let client = HyperClient::<HttpConnector>::with_default_connector(limit, None);
        return Ok(Box::new(client));
    }
    let roots = match &settings.tls_ca_file {
        Some(file) => tls::roots_of(file)?,
        None => tls::native_roots()?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .build();
    Ok(Box::new(HyperClient::new(connector, limit, None)))
}

/// A client that remembers the last answer: the exporter tells only that there was none that it liked.
#[derive(Debug)]
struct Observed {
    client: Box<dyn HttpClient>,
    last: Mutex<Option<Answer>>,
}

#[derive(Debug)]
enum Answer {
    Status(u16, Bytes),
    Nothing(String),
}

impl Observed {
    fn take(&self) -> Option<Answer> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    async fn observe(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answered = self.client.send_bytes(request).await;
        let answer = match &answered {
            Ok(response) => Answer::Status(response.status().as_u16(), response.body().clone()),
            Err(error) => Answer::Nothing(with_causes(error.as_ref())),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        answered
    }
}

impl HttpClient for Observed {
    // What `async_trait` makes of the trait's `async fn`.
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> std::pin::Pin<
        Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>,
    >
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.observe(request))
    }
}

impl Answer {
    /// Lines that a receiver refused although it took the request.
    fn refused(&self) -> u64 {
        let Self::Status(_, body) = self else {
            return 0;
        };
        // Some answer with JSON or with nothing; they have no way to refuse a part.
        let answer = ExportLogsServiceResponse::decode(body.clone()).unwrap_or_default();
        let refused = answer.partial_success.unwrap_or_default();
        refused.rejected_log_records.try_into().unwrap_or(0)
    }

    fn failure(&self) -> Failure {
        match self {
            Self::Nothing(why) => Failure::Away(why.clone()),
            // The body is not shown: it may repeat a key.
            Self::Status(status @ (400 | 413 | 415 | 422), _) => {
                Failure::Refused(format!("it answers {status}"))
            }
            Self::Status(status @ (401 | 403), _) => Failure::Away(format!(
                "it answers {status}: look at the key in the headers"
            )),
            Self::Status(404, _) => {
                Failure::Away("it answers 404: look at the path of the endpoint".to_owned())
            }
            Self::Status(status, _) => Failure::Away(format!("it answers {status}")),
        }
    }
}

/// The part of the answer that tells of refused lines (`opentelemetry/proto/collector/logs/v1`).
#[derive(Clone, PartialEq, prost::Message)]
struct ExportLogsServiceResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_log_records: i64,
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_receiver_can_never_take_is_given_up() {
        for (status, gives_up) in [
            (400, true),
            (413, true),
            (401, false),
            (404, false),
            (429, false),
            (500, false),
            (503, false),
            (302, false),
        ] {
            let failure = Answer::Status(status, Bytes::from_static(b"key=secret")).failure();
            let (Failure::Refused(text) | Failure::Away(text)) = &failure;
            assert!(text.contains(&status.to_string()) && !text.contains("secret"));
            assert_eq!(matches!(failure, Failure::Refused(_)), gives_up, "{status}");
        }
    }

    #[test]
    fn lines_that_are_refused_one_by_one_are_counted() {
        let partial = ExportLogsServiceResponse {
            partial_success: Some(PartialSuccess {
                rejected_log_records: 3,
            }),
        };
        for (body, refused) in [
            (partial.encode_to_vec(), 3),
            (Vec::new(), 0),
            (b"{}".to_vec(), 0),
            (b"taken".to_vec(), 0),
        ] {
            assert_eq!(
                Answer::Status(200, body.clone().into()).refused(),
                refused,
                "{body:?}"
            );
        }
    }
}
