//! The network: connections between machines, with latency, packets that come late, partitions and broken connections.
//!
//! Bytes of a connection come in order and once, as TCP brings them: what a network loses is late, or lost with the whole
//! connection. Knows nothing of what is said over it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use devstore::{Arrivals, Handed};
use ditto::eventstore::client::simulated::Carried;
use simulation::dice::Dice;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use crate::end::End;

/// Bytes under way in one direction of a connection; more have to wait.
const WINDOW: usize = 256 << 10;
/// Connections that wait to be accepted.
const BACKLOG: usize = 128;
/// How long a lost packet takes to come: TCP sends it again after times that double.
const LATE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));

/// All machines and what lies between them. Clones are the same network.
#[derive(Clone)]
pub(crate) struct Network {
    state: Arc<Mutex<State>>,
    /// Changes whenever something is held or released.
    changes: watch::Sender<u64>,
}

/// How good the lines are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    /// What each packet takes at least, each way.
    pub(crate) latency: Duration,
    /// By how much it varies.
    pub(crate) jitter: Duration,
    /// How many of a thousand packets are lost, and come late.
    pub(crate) lost: u64,
}

struct State {
    dice: Dice,
    lines: Lines,
    ports: BTreeMap<SocketAddr, mpsc::Sender<Box<dyn Handed>>>,
    pipes: Vec<Pipe>,
    /// Packets from the first to the second do not pass.
    cut: BTreeSet<(SocketAddr, SocketAddr)>,
    /// Neither reads nor writes.
    frozen: BTreeSet<SocketAddr>,
    began: Instant,
    /// Who sent something to whom and when, in order, as one number. Not how much: a checkpoint names its process, and ids
    /// of processes are of different lengths.
    digest: u64,
}

/// One direction of a connection.
struct Pipe {
    from: SocketAddr,
    to: SocketAddr,
    packets: VecDeque<(Instant, Packet)>,
    bytes: usize,
    /// When the last packet comes: none passes another.
    last: Instant,
    /// The writer's machine has no such connection any more.
    writer_gone: bool,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What travels.
pub(crate) enum Packet {
    Data(Bytes),
    End,
    Reset,
}

/// What a reader finds.
pub(crate) enum Found {
    Packet(Packet),
    /// Not before then.
    Later(Instant),
    Nothing,
}

impl Network {
    pub(crate) fn new(seed: u64, lines: Lines) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                dice: Dice::new(seed, 3),
                lines,
                ports: BTreeMap::new(),
                pipes: Vec::new(),
                cut: BTreeSet::new(),
                frozen: BTreeSet::new(),
                began: Instant::now(),
                digest: 0,
            })),
            changes: watch::Sender::new(0),
        }
    }

    pub(crate) fn set_lines(&self, lines: Lines) {
        self.lock().lines = lines;
    }

    /// Holds packets from one machine to another, or releases them.
    pub(crate) fn cut(&self, from: SocketAddr, to: SocketAddr, on: bool) {
        let mut state = self.lock();
        if on {
            state.cut.insert((from, to));
        } else {
            state.cut.remove(&(from, to));
        }
        drop(state);
        self.changed();
    }

    /// Stops a machine, or lets it go on.
    pub(crate) fn freeze(&self, machine: SocketAddr, on: bool) {
        let mut state = self.lock();
        if on {
            state.frozen.insert(machine);
        } else {
            state.frozen.remove(&machine);
        }
        drop(state);
        self.changed();
    }

    /// Breaks every connection between two machines; what is under way is lost.
    pub(crate) fn break_between(&self, one: SocketAddr, other: SocketAddr) {
        let mut state = self.lock();
        for pipe in &mut state.pipes {
            if (pipe.from, pipe.to) == (one, other) || (pipe.from, pipe.to) == (other, one) {
                pipe.packets.clear();
                pipe.writer_gone = true;
                pipe.reader_gone = true;
                pipe.wake();
            }
        }
    }

    /// A machine's process is gone: what it sent still comes, and then the connections are reset.
    pub(crate) fn kill(&self, machine: SocketAddr) {
        let now = Instant::now();
        let mut state = self.lock();
        for pipe in &mut state.pipes {
            if pipe.from == machine && !pipe.writer_gone {
                pipe.end(now, Packet::Reset);
                pipe.wake();
            }
            if pipe.to == machine {
                pipe.reader_gone = true;
                pipe.wake();
            }
        }
    }

    /// One number for everything that was sent, by whom and when.
    pub(crate) fn digest(&self) -> u64 {
        self.lock().digest
    }

    /// Looks whether something has come. The waker is woken when that should be looked at again.
    pub(crate) fn read(&self, pipe: usize, now: Instant, waker: &Waker) -> io::Result<Found> {
        let mut state = self.lock();
        let is_held = state.is_held(pipe);
        let pipe = &mut state.pipes[pipe];
        if pipe.reader_gone {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        pipe.reader = Some(waker.clone());
        if is_held {
            return Ok(Found::Nothing);
        }
        Ok(match pipe.packets.front() {
            None => Found::Nothing,
            Some((due, _)) if *due > now => Found::Later(*due),
            Some(_) => match pipe.packets.pop_front() {
                Some((_, packet)) => {
                    if let Packet::Data(bytes) = &packet {
                        pipe.bytes -= bytes.len();
                        wake(&mut pipe.writer);
                    }
                    Found::Packet(packet)
                }
                None => Found::Nothing,
            },
        })
    }

    /// Sends bytes; how many of them, 0 if there is no room now.
    pub(crate) fn write(
        &self,
        pipe: usize,
        now: Instant,
        data: &[u8],
        waker: &Waker,
    ) -> io::Result<usize> {
        let mut state = self.lock();
        let travel = state.travel();
        let pipe = &mut state.pipes[pipe];
        if pipe.writer_gone {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if pipe.reader_gone {
            // Nobody is there any more, and the writer learns it when it reads.
            return Ok(data.len());
        }
        let size = data.len().min(WINDOW.saturating_sub(pipe.bytes));
        if size == 0 {
            pipe.writer = Some(waker.clone());
            return Ok(0);
        }
        pipe.bytes += size;
        pipe.send(
            now + travel,
            Packet::Data(Bytes::copy_from_slice(&data[..size])),
        );
        wake(&mut pipe.reader);
        let (from, to) = (pipe.from, pipe.to);
        state.note(from, to, size);
        Ok(size)
    }

    /// The writer has said everything (`End`), or is gone (`Reset`).
    pub(crate) fn end(&self, pipe: usize, now: Instant, how: Packet) {
        let mut state = self.lock();
        let travel = state.travel();
        let pipe = &mut state.pipes[pipe];
        if !pipe.writer_gone {
            pipe.end(now + travel, how);
            wake(&mut pipe.reader);
        }
    }

    /// The reader is gone: what comes is swallowed.
    pub(crate) fn close(&self, pipe: usize) {
        let mut state = self.lock();
        let pipe = &mut state.pipes[pipe];
        pipe.reader_gone = true;
        pipe.packets.clear();
        pipe.bytes = 0;
        wake(&mut pipe.writer);
    }

    /// Listens on an address.
    pub(crate) fn listen(&self, address: SocketAddr) -> io::Result<Arrivals> {
        let mut state = self.lock();
        let other = state.ports.get(&address);
        if other.is_some_and(|port| !port.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (port, arrivals) = mpsc::channel(BACKLOG);
        state.ports.insert(address, port);
        Ok(arrivals)
    }

    /// Makes a connection; for ever while packets do not pass. The caller limits the time.
    pub(crate) async fn dial(
        self,
        from: SocketAddr,
        to: SocketAddr,
    ) -> io::Result<Box<dyn Carried>> {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let is_cut = {
                let state = self.lock();
                state.cut.contains(&(from, to))
                    || state.cut.contains(&(to, from))
                    || state.frozen.contains(&from)
            };
            if !is_cut {
                break;
            }
            // The network lasts as long as whoever dials.
            if changes.changed().await.is_err() {
                return Err(io::ErrorKind::NetworkUnreachable.into());
            }
        }
        let (there, back) = {
            let mut state = self.lock();
            (state.travel(), state.travel())
        };
        sleep(there + back).await;
        let mut state = self.lock();
        let Some(port) = state.ports.get(&to).cloned() else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let (ours, theirs) = (state.pipe(from, to), state.pipe(to, from));
        drop(state);
        let accepted = End::new(self.clone(), ours, theirs);
        match port.try_send(Box::new(accepted)) {
            Ok(()) => Ok(Box::new(End::new(self.clone(), theirs, ours))),
            Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    fn changed(&self) {
        for pipe in &mut self.lock().pipes {
            wake(&mut pipe.reader);
        }
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pipe(&mut self, from: SocketAddr, to: SocketAddr) -> usize {
        self.pipes.push(Pipe {
            from,
            to,
            packets: VecDeque::new(),
            bytes: 0,
            last: Instant::now(),
            writer_gone: false,
            reader_gone: false,
            reader: None,
            writer: None,
        });
        self.pipes.len() - 1
    }

    fn is_held(&self, pipe: usize) -> bool {
        let Pipe { from, to, .. } = self.pipes[pipe];
        self.cut.contains(&(from, to)) || self.frozen.contains(&from) || self.frozen.contains(&to)
    }

    /// How long the next packet is under way.
    fn travel(&mut self) -> Duration {
        let Lines {
            latency,
            jitter,
            lost,
        } = self.lines;
        let late = if self.dice.permille(lost) {
            self.dice.time(LATE.0, LATE.1)
        } else {
            Duration::ZERO
        };
        latency + self.dice.time(Duration::ZERO, jitter) + late
    }

    fn note(&mut self, from: SocketAddr, to: SocketAddr, size: usize) {
        tracing::trace!(%from, %to, size, "sent");
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        for part in [from.port().into(), to.port().into(), at] {
            self.digest = (self.digest ^ part)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .rotate_left(29);
        }
    }
}

impl Pipe {
    fn send(&mut self, due: Instant, packet: Packet) {
        self.last = self.last.max(due);
        self.packets.push_back((self.last, packet));
    }

    fn end(&mut self, due: Instant, how: Packet) {
        self.writer_gone = true;
        self.send(due, how);
    }

    fn wake(&mut self) {
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}
