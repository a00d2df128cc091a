//! The process around the pipelines: starts, watches, changes and stops them, and tells systemd the truth.
//!
//! The only part that knows systemd and signals. Never touches an event.

mod budget;
mod launch;
mod notify;
mod reading;
mod reload;
pub mod runtime;
mod signals;
mod subscription_task;
mod supervisor;

pub use launch::{Launch, Launcher, Run, Running};
pub use notify::Notifier;
pub use reading::{Load, report};
pub use signals::{Control, watch as watch_signals};
pub use subscription_task::Wanted;
pub use supervisor::{Finish, Parts, run};
