//! Signals, turned into what the daemon is asked to do.
//!
//! The only file that knows signals. Never acts on one itself.

use futures_util::StreamExt as _;
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::sync::mpsc;

/// What the daemon may be asked to do while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Read the configuration again.
    Reload,
    /// Stop; asked a second time: at once.
    Stop,
}

/// More requests than this cannot be worth remembering one by one.
const PENDING: usize = 16;

/// Handles HUP, TERM and INT from now on. The task that hands them on is `forward`, for the caller to own.
///
/// # Errors
/// If the handlers cannot be installed.
pub fn watch() -> std::io::Result<(
    mpsc::Receiver<Control>,
    impl Future<Output = ()> + Send + 'static,
)> {
    let signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (sender, receiver) = mpsc::channel(PENDING);
    Ok((receiver, forward(signals, sender)))
}

async fn forward(mut signals: Signals, sender: mpsc::Sender<Control>) {
    while let Some(signal) = signals.next().await {
        let control = if signal == SIGHUP {
            Control::Reload
        } else {
            Control::Stop
        };
        let sent = match control {
            // With so many waiting, one more reload changes nothing.
            Control::Reload => match sender.try_send(control) {
                Err(mpsc::error::TrySendError::Closed(_)) => false,
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => true,
            },
            Control::Stop => sender.send(control).await.is_ok(),
        };
        if !sent {
            return;
        }
    }
}
