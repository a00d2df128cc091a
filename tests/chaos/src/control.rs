//! Plain HTTP to a process that may be away: the development server's own pages, ditto's status.
//!
//! Never waits for long, and never repeats a request by itself.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// A request may take this long.
const CALL: Duration = Duration::from_millis(500);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// What was answered: the body, `null` if there is none.
///
/// # Errors
/// No answer, or one that is not a success.
pub(crate) async fn request(
    address: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Value> {
    timeout(CALL, exchange(address, method, path, body))
        .await
        .with_context(|| format!("{address} does not answer {method} {path}"))?
}

/// The same, at any of these addresses, again and again until this time.
///
/// # Errors
/// No address took it in time.
pub(crate) async fn insist(
    addresses: &[String],
    method: &str,
    path: &str,
    body: Option<&Value>,
    until: Instant,
) -> Result<Value> {
    let mut attempt = 0;
    loop {
        let address = &addresses[attempt % addresses.len()];
        match request(address, method, path, body).await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= until => return Err(error),
            Err(_) => sleep(PAUSE).await,
        }
        attempt += 1;
    }
}

async fn exchange(address: &str, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let body = body.map(ToString::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8(answer).context("an answer that is not UTF-8")?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer without an end of its head")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !status.starts_with('2') {
        bail!("{method} {path} was answered {status}: {body}");
    }
    if head.to_lowercase().contains("transfer-encoding: chunked") {
        bail!("{method} {path} was answered in chunks");
    }
    Ok(serde_json::from_str(body).unwrap_or(Value::Null))
}
