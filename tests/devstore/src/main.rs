//! The program `devstore`: a development server until it is interrupted.
//!
//! Never reads configuration from anywhere but its command line.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use devstore::{AppendLimit, Certificate, Model, Options, Server, User};

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
    /// The number of nodes; those after the first listen on the ports behind.
    #[arg(long, value_name = "NODES", default_value_t = 1)]
    cluster: usize,
    /// Delay of everything sent, each way: 25ms, 1s.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0ms")]
    latency: Duration,
    /// Take as long as the real server of that version does (23.10.4).
    #[arg(long, value_name = "VERSION", value_parser = model)]
    model: Option<Model>,
    /// How much an append may hold, as servers from that version on count it (23.10, 24.10, 25.1).
    #[arg(long, value_name = "VERSION", value_parser = AppendLimit::of_version, default_value = "23.10")]
    append_limit: AppendLimit,
    /// How much faster than the day's the server's clocks run.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    time_scale: f64,
    /// A user that may log in; others may not any more. Repeat it for more users.
    #[arg(long, value_name = "NAME:PASSWORD[:GROUP,…]", value_parser = user)]
    user: Vec<User>,
    /// Serve TLS with this certificate chain, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
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
    let listen = arguments.listen;
    let server = Server::start(options(arguments)?)
        .await
        .with_context(|| format!("failed to listen on {listen}"))?;
    let addresses: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
    let mut out = std::io::stdout();
    writeln!(out, "devstore listens on {}", addresses.join(", "))
        .context("failed to print the address")?;
    tokio::signal::ctrl_c()
        .await
        .context("failed to wait for an interrupt")?;
    Ok(())
}

fn options(arguments: Arguments) -> Result<Options> {
    let read = |path: &PathBuf| {
        std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))
    };
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(chain), Some(key)) => Some(Certificate {
            chain_pem: read(chain)?,
            key_pem: read(key)?,
        }),
        _ => None,
    };
    Ok(Options {
        listen: arguments.listen,
        advertise: arguments.advertise,
        nodes: arguments.cluster,
        latency: arguments.latency,
        model: arguments.model,
        append_limit: arguments.append_limit,
        time_scale: arguments.time_scale,
        users: (!arguments.user.is_empty()).then_some(arguments.user),
        tls,
        ..Options::default()
    })
}

fn host_and_port(text: &str) -> Result<(String, u16)> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| anyhow!("must be HOST:PORT"))?;
    Ok((host.to_owned(), port.parse().context("the port is none")?))
}

fn duration(text: &str) -> Result<Duration> {
    let (digits, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let amount: u64 = digits.parse().context("must be a number and a unit")?;
    match unit {
        "us" => Ok(Duration::from_micros(amount)),
        "ms" => Ok(Duration::from_millis(amount)),
        "s" => Ok(Duration::from_secs(amount)),
        _ => Err(anyhow!("the unit must be us, ms or s")),
    }
}

fn model(version: &str) -> Result<Model> {
    match version {
        "23.10.4" => Ok(Model::V23_10_4),
        _ => Err(anyhow!("there is a model of 23.10.4 only")),
    }
}

fn user(text: &str) -> Result<User> {
    let mut parts = text.splitn(3, ':');
    let (Some(name), Some(password)) = (parts.next(), parts.next()) else {
        return Err(anyhow!(
            "must be NAME:PASSWORD or NAME:PASSWORD:GROUP,GROUP"
        ));
    };
    let groups = parts.next().unwrap_or_default();
    Ok(User {
        name: name.to_owned(),
        password: password.to_owned(),
        groups: groups
            .split(',')
            .filter(|group| !group.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}
