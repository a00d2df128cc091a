//! One run's processes: two servers, one or two dittos between them, a folder for what they write.
//!
//! Never leaves a process behind: all of them end with it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail};
use devstore::Generation;
use support::processes::Process;
use tokio::sync::Mutex;

use crate::daemon::Daemon;
use crate::group::{GROUP, source_stream};
use crate::options::{Copying, Options};
use crate::others;
use crate::trouble::Side;

/// The least budget that the configuration takes.
pub(crate) const BUDGET: u64 = 1024 * 1024;

/// The name of the mirror.
pub(crate) const MIRROR: &str = "all";

/// Ports are taken below those that the system gives to clients: a server that is down must find its port free again.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 32_000;
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// The processes of a run.
#[derive(Debug)]
pub(crate) struct World {
    _servers: [Process; 2],
    source: Vec<String>,
    destination: Vec<String>,
    pub(crate) daemons: Vec<Mutex<Daemon>>,
}

impl World {
    /// Starts the servers; the daemons only when they are told to.
    pub(crate) async fn start(
        options: &Options,
        program: &Path,
        folder: &Path,
        time_scale: f64,
    ) -> Result<Self> {
        let nodes = (options.source_nodes, options.source_server);
        let (source_process, source) = server(nodes, time_scale, false).await?;
        let nodes = (options.destination_nodes, options.destination_server);
        let (destination_process, destination) = server(nodes, time_scale, options.users).await?;
        let mut world = Self {
            _servers: [source_process, destination_process],
            source,
            destination,
            daemons: Vec::new(),
        };
        std::fs::write(folder.join("password"), PASSWORD).context("failed to write a password")?;
        for number in 0..options.consumers.daemons() {
            let configuration = world.configuration(options, folder);
            let daemon = Daemon::new(program, folder, format!("ditto-{number}"), configuration);
            world.daemons.push(Mutex::new(daemon));
        }
        Ok(world)
    }

    /// The addresses of a server's nodes.
    pub(crate) fn addresses(&self, side: Side) -> &[String] {
        match side {
            Side::Source => &self.source,
            Side::Destination => &self.destination,
        }
    }

    fn configuration(&self, options: &Options, folder: &Path) -> String {
        let connection = |addresses: &[String]| {
            format!(
                "esdb://{}?tls=false&defaultDeadline=1000",
                addresses.join(",")
            )
        };
        let user = if options.users {
            let file: PathBuf = folder.join("password");
            format!("user = \"admin\"\npassword_file = \"{}\"\n", file.display())
        } else {
            String::new()
        };
        let buffer = options
            .buffer_size
            .map(|size| format!("buffer_size = {size}\n"))
            .unwrap_or_default();
        format!(
            "[source]\nconnection_string = \"{}\"\n[destination]\nconnection_string = \"{}\"\n{user}[daemon]\n\
             max_buffered_bytes = \"1MiB\"\n[replication]\nmax_append_bytes = \"256KiB\"\n{buffer}\
             max_append_events = {}\n{}[http]\n\
             listen = \"127.0.0.1:0\"\n",
            connection(&self.source),
            connection(&self.destination),
            options.max_append_events,
            copies(options.copying),
        )
    }
}

/// The part of a configuration that says what is copied.
fn copies(copying: Copying) -> String {
    let subscription = format!(
        "[[subscription]]\nstream = \"{}\"\ngroup = \"{GROUP}\"\n",
        source_stream()
    );
    let mirror = format!("[[mirror]]\nname = \"{MIRROR}\"\n");
    match copying {
        Copying::Group => subscription,
        Copying::Mirror => mirror,
        Copying::Both => format!("{subscription}{mirror}streams = [{}]\n", others::rules()),
    }
}

/// The password of the destination's user.
pub(crate) const PASSWORD: &str = "changeit";

async fn server(
    (nodes, generation): (usize, Generation),
    time_scale: f64,
    users: bool,
) -> Result<(Process, Vec<String>)> {
    let listen = format!("127.0.0.1:{}", free_ports(nodes)?);
    let (nodes, scale) = (nodes.to_string(), time_scale.to_string());
    let version = generation.version();
    let mut arguments = vec![
        "--server",
        version,
        "--cluster",
        &nodes,
        "--time-scale",
        &scale,
    ];
    let user = format!("admin:{PASSWORD}:$admins");
    if users {
        arguments.extend(["--user", &user]);
    }
    Process::start_server(&listen, &arguments).await
}

/// The first of so many ports in a row that nobody listens on.
fn free_ports(count: usize) -> Result<u16> {
    let span = LAST_PORT - FIRST_PORT;
    let begin = u16::try_from(std::process::id() % u32::from(span)).unwrap_or(0);
    let wanted = u16::try_from(count).context("so many nodes")?;
    for _ in 0..span {
        let step = NEXT_PORT.fetch_add(wanted, Ordering::Relaxed);
        let first = FIRST_PORT + (begin.wrapping_add(step)) % (span - wanted);
        let free =
            (first..first + wanted).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        if free {
            return Ok(first);
        }
    }
    bail!("no {count} free ports in a row from {FIRST_PORT} to {LAST_PORT}")
}
