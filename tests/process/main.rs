//! The program as an administrator meets it: its configuration, its commands, and the process under signals, systemd and
//! HTTP. Never needs a server outside of this test process.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, in helpers too, and one that was skipped says so"
)]

mod support;

mod asking;
mod configuration;
mod importing;
mod lifecycle;
mod logging;
mod measuring;
mod memory;
mod mirror_commands;
mod mirroring;
mod mirrors;
mod parked_counts;
mod parked_links;
mod parking;
mod printing;
mod readable;
mod reloading;
mod secrecy;
mod secured;
mod serving;
mod supervision;
mod surviving;
mod verifying;
mod verifying_mirrors;
mod views;
