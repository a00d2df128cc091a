//! The program as an administrator meets it: its configuration, its commands, and the process under signals, systemd and
//! HTTP. Never needs a server outside of this test process.

#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on fails, in helpers too"
)]

mod configuration;
mod supervision;
