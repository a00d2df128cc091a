//! `ditto run` as a child process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{until, until_or};

/// The program, without anything of this process's environment that has a meaning for it.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ditto"));
    for name in [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "RUST_LOG",
        "JOURNAL_STREAM",
        "CREDENTIALS_DIRECTORY",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end: exit code, output, what it said on stderr.
pub(crate) fn ask(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command().args(arguments).output().expect("the program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

type Lines = Arc<Mutex<Vec<String>>>;

/// A daemon under test. Killed when dropped.
pub(crate) struct Ditto {
    child: Child,
    folder: tempfile::TempDir,
    log: Lines,
    notified: Lines,
}

impl Ditto {
    /// Starts `ditto run` with this configuration and a service manager that listens.
    pub(crate) fn start(configuration: &str) -> Self {
        Self::start_with(configuration, command())
    }

    /// The same with a command that was prepared.
    pub(crate) fn start_with(configuration: &str, command: Command) -> Self {
        Self::spawn(configuration, command, Stdio::null())
    }

    /// The same with this socket as its standard input.
    pub(crate) fn start_with_input(
        configuration: &str,
        command: Command,
        socket: std::net::TcpListener,
    ) -> Self {
        Self::spawn(configuration, command, OwnedFd::from(socket).into())
    }

    fn spawn(configuration: &str, mut command: Command, input: Stdio) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ditto.toml");
        std::fs::write(&file, configuration).expect("written");
        let socket = folder.path().join("notify");
        let notified = listen(&socket);
        let mut child = command
            .arg("run")
            .arg("--config")
            .arg(&file)
            .env("NOTIFY_SOCKET", &socket)
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let log = Lines::default();
        let stderr = BufReader::new(child.stderr.take().expect("stderr"));
        let lines = log.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                lines.lock().expect("no panic").push(line);
            }
        });
        Self {
            child,
            folder,
            log,
            notified,
        }
    }

    /// Its configuration file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ditto.toml")
    }

    pub(crate) fn configure(&self, configuration: &str) {
        std::fs::write(self.file(), configuration).expect("written");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it had at any time, in bytes, as the kernel counts it.
    pub(crate) fn most_memory(&self) -> u64 {
        let file = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(file).expect("a process");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.expect("VmHWM") * 1024
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no panic").join("\n")
    }

    /// Datagrams to the service manager so far.
    pub(crate) fn notified(&self) -> Vec<String> {
        self.notified.lock().expect("no panic").clone()
    }

    /// Waits until the log has a line with this text.
    pub(crate) async fn until_logged(&self, text: &str) -> String {
        let found = || {
            self.log()
                .lines()
                .find(|line| line.contains(text))
                .map(str::to_owned)
        };
        until_or(|| format!("{text:?} in the log:\n{}", self.log()), found).await
    }

    /// Waits until at least `count` datagrams contain this text.
    pub(crate) async fn until_notified(&self, text: &str, count: usize) {
        let found = || {
            let all = self.notified();
            (all.iter().filter(|one| one.contains(text)).count() >= count).then_some(())
        };
        until(
            &format!("{count} × {text:?} among what systemd is told"),
            found,
        )
        .await;
    }

    /// The address that it serves HTTP on.
    pub(crate) async fn http(&self) -> SocketAddr {
        let line = self.until_logged(" http=").await;
        let address = line
            .split(" http=")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        address
            .and_then(|address| address.parse().ok())
            .expect("an address")
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(status.expect("kill").success(), "{signal}");
    }

    /// Waits for its end; the exit code, `None` if a signal ended it.
    pub(crate) async fn exit(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let status = until("the end of ditto", || child.try_wait().expect("a child")).await;
        status.code()
    }
}

impl Drop for Ditto {
    #[expect(clippy::print_stderr, reason = "what a failing test says")]
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _status = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the log of ditto, which was watched:\n{}", self.log());
        }
    }
}

fn listen(path: &Path) -> Lines {
    let socket = UnixDatagram::bind(path).expect("a socket");
    // The thread ends with the folder: nobody can send to it any more, and a quiet minute is its sign.
    socket
        .set_read_timeout(Some(Duration::from_secs(120)))
        .expect("a time limit");
    let lines = Lines::default();
    let received = lines.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length) = socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            received.lock().expect("no panic").push(text);
        }
    });
    lines
}
