//! The crate's client of one subscription: made when needed, thrown away when it is dead.
//!
//! Each client has a thread of its own, on which its connection and the sessions over it live. So throwing a client away
//! really ends them (the crate's connection task has no other end: protocol §11 T42), and whatever the crate does to
//! the thread it runs on, it does to its own. Never decides when to try again.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::eventstore::client::Client;
use crate::eventstore::crate_client::{CrateClient, read_credentials};
use crate::eventstore::{Class, Error};
use crate::net::loading::Loading;

/// So many failures in a row that may be the server's are taken for the client's: it never leaves a dead node
/// (protocol §11 T6).
const PATIENCE: u32 = 3;

/// The server counts a consumer that left until it has handled the end of its call (protocol §8.3).
const SERVER_SEES_END: Duration = Duration::from_secs(2);

const ACTION: &str = "make a client";

/// Makes and keeps the client.
#[derive(Debug)]
pub(super) struct Clients {
    own: Client,
    making: tokio::sync::Mutex<()>,
    passwords: Loading<Result<Option<eventstore::Credentials>, String>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    live: Option<Live>,
    failures: u32,
    last_session: Option<Instant>,
}

/// A client, and the runtime that its connection lives on.
#[derive(Clone, Debug)]
pub(super) struct Usable {
    /// The crate's client, connected to the node that leads.
    pub(super) client: CrateClient,
    /// The runtime of its connection: sessions over it are spawned there.
    pub(super) runtime: Handle,
}

#[derive(Debug)]
struct Live {
    usable: Usable,
    /// The thread ends when this is dropped.
    _end: oneshot::Sender<()>,
}

impl Clients {
    /// None yet. `own` finds the leader, and is what plain calls go through.
    pub(super) fn new(own: Client) -> Self {
        Self {
            own,
            making: tokio::sync::Mutex::new(()),
            passwords: Loading::default(),
            state: Mutex::default(),
        }
    }

    /// The client, with the password as it is now; a new one if there is none.
    pub(super) async fn get(&self) -> Result<Usable, Error> {
        let limit = self.own.settings().call_timeout;
        let getting = async {
            let _one_at_a_time = self.making.lock().await;
            let live = self.state().live.as_ref().map(|live| live.usable.clone());
            if let Some(mut usable) = live {
                // Another password may be in the file by now. Without one the present one goes on, until the server
                // refuses it: then the new client says what is wrong with the file.
                let settings = self.own.settings().clone();
                let read = move || read_credentials(&settings);
                if let Ok(Ok(credentials)) = self.passwords.get(limit, read).await {
                    usable.client.credentials = credentials;
                }
                return Ok(usable);
            }
            let live = make(&self.own).await?;
            let usable = live.usable.clone();
            self.state().live = Some(live);
            Ok(usable)
        };
        timeout(limit * 2, getting)
            .await
            .unwrap_or_else(|_| Err(self.error(Class::Timeout, "no answer in time")))
    }

    /// A call over the client was answered.
    pub(super) fn worked(&self) {
        self.state().failures = 0;
    }

    /// A call over the client failed. What the server refuses says nothing against the client, but for rights: the
    /// password may be another one by now, and is read anew for a new client.
    pub(super) fn failed(&self, error: &Error) {
        let mut state = self.state();
        // What cannot be told to the client says nothing against the server or the client.
        if *error.class() == Class::NoStatus {
            state.failures = 0;
            return;
        }
        if error.is_transient()
            && let Some(live) = &state.live
        {
            self.own.report_at(&live.usable.client.node, error);
        }
        let dead = match error.class() {
            Class::Denied | Class::Unauthenticated => true,
            // A client follows no leader that moves (protocol §11 T7): a new one asks who leads.
            Class::RebuildClient | Class::NotLeader(_) => true,
            _ if error.is_transient() => {
                state.failures += 1;
                state.failures >= PATIENCE
            }
            _ => {
                state.failures = 0;
                false
            }
        };
        if dead {
            state.failures = 0;
            state.live = None;
        }
    }

    /// A session is over: the server may take a moment to see it.
    pub(super) fn session_ended(&self) {
        self.state().last_session = Some(Instant::now());
    }

    /// Whether a session of ditto's own may still be counted by the server.
    pub(super) fn may_be_own_session(&self) -> bool {
        self.state()
            .last_session
            .is_some_and(|ended| ended.elapsed() < SERVER_SEES_END)
    }

    /// Throws the client away whatever it says of itself.
    pub(super) fn discard(&self) {
        let mut state = self.state();
        state.failures = 0;
        state.live = None;
    }

    /// An error of this side.
    pub(super) fn error(&self, class: Class, text: impl Into<String>) -> Error {
        Error::new(self.own.side(), class, ACTION, text)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn make(own: &Client) -> Result<Live, Error> {
    let failed =
        |error: std::io::Error| Error::new(own.side(), Class::Transient, ACTION, error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let handle = runtime.handle().clone();
    let (end, ended) = oneshot::channel::<()>();
    thread::Builder::new()
        .name("subscription".to_owned())
        .spawn(move || {
            // Either answer means that the client is not wanted any more.
            drop(runtime.block_on(ended));
        })
        .map_err(failed)?;
    let client = CrateClient::new_on(own, handle.clone()).await?;
    Ok(Live {
        usable: Usable {
            client,
            runtime: handle,
        },
        _end: end,
    })
}
