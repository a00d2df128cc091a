//! The program `devstore`: a development server until it is interrupted.
//!
//! Never reads configuration from anywhere but its command line.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use devstore::{Options, Server};

/// An in-memory server that speaks Event Store's gRPC protocol, for tests and demos.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:2113")]
    listen: SocketAddr,
    /// Host and port that gossip names instead of the address.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    advertise: Option<(String, u16)>,
    /// How much faster than the day's the clocks of the groups run.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    time_scale: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let options = Options {
        listen: arguments.listen,
        advertise: arguments.advertise,
        time_scale: arguments.time_scale,
        ..Options::default()
    };
    let server = Server::start(options)
        .await
        .with_context(|| format!("failed to listen on {}", arguments.listen))?;
    writeln!(
        std::io::stdout(),
        "devstore listens on {}",
        server.address()
    )
    .context("failed to print the address")?;
    tokio::signal::ctrl_c()
        .await
        .context("failed to wait for an interrupt")?;
    Ok(())
}

fn host_and_port(text: &str) -> Result<(String, u16)> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| anyhow!("must be HOST:PORT"))?;
    Ok((host.to_owned(), port.parse().context("the port is none")?))
}
