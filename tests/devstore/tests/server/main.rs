//! The server over the wire: how it ends and starts, fails on purpose, who leads, who may do what, how long it takes.
//! What it answers in good health is proven by the recording. Never measures time but as a lower bound.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod cluster;
mod faults;
mod generations;
mod lifecycle;
mod limits;
mod logs;
mod names;
mod support;
mod timing;
mod web;
