//! The tasks of one listening port: accepting, connections, calls. They end with it.
//!
//! Never lets finished tasks pile up: each new one takes the finished ones out.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::{JoinError, JoinSet};

/// A set of tasks that can be ended together. The tasks hold clones of it themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    set: JoinSet<()>,
    closed: bool,
}

impl Tasks {
    /// Runs a task; not any more once the set was ended.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        while let Some(ended) = inner.set.try_join_next() {
            report(ended);
        }
        inner.set.spawn(task);
    }

    /// Aborts every task, and waits until they are gone.
    pub(crate) async fn end(&self) {
        self.close().shutdown().await;
    }

    /// Aborts every task.
    pub(crate) fn close(&self) -> JoinSet<()> {
        let mut inner = self.lock();
        inner.closed = true;
        let mut set = std::mem::take(&mut inner.set);
        set.abort_all();
        set
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a call panicked");
    }
}
