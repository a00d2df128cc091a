//! What ditto reads from outside, fuzzed: for each kind of input one function that demands more than that nothing panics.
//!
//! The targets in `targets/` hand libFuzzer's inputs to these functions; the test `corpus` hands the corpus to them. Never
//! opens a file or a connection, and never depends on time.

mod answers;
mod cluster;
mod configuration;
mod connection_string;
mod group;
mod http;
mod import;
mod link;
mod metadata;
mod rules;

pub use answers::{append_answer, read_answer};
pub use cluster::cluster_answer;
pub use configuration::configuration;
pub use connection_string::connection_string;
pub use group::group_info;
pub use http::http_request;
pub use import::import_files;
pub use link::link_text;
pub use metadata::stream_metadata;

/// A kind of input.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, that of its program and of its folder in `corpus/`.
    pub name: &'static str,
    /// Panics if an input breaks a promise.
    pub check: fn(&[u8]),
    /// Folders of the repository whose files are inputs too.
    pub fixtures: &'static [&'static str],
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "append_answer",
        check: append_answer,
        fixtures: &[],
    },
    Target {
        name: "cluster_answer",
        check: cluster_answer,
        fixtures: &[],
    },
    Target {
        name: "configuration",
        check: configuration,
        fixtures: &["tests/fixtures/valid", "tests/fixtures/invalid"],
    },
    Target {
        name: "connection_string",
        check: connection_string,
        fixtures: &[],
    },
    Target {
        name: "group_info",
        check: group_info,
        fixtures: &[],
    },
    Target {
        name: "http_request",
        check: http_request,
        fixtures: &[],
    },
    Target {
        name: "import_files",
        check: import_files,
        fixtures: &["tests/fixtures/import"],
    },
    Target {
        name: "link_text",
        check: link_text,
        fixtures: &[],
    },
    Target {
        name: "read_answer",
        check: read_answer,
        fixtures: &[],
    },
    Target {
        name: "stream_metadata",
        check: stream_metadata,
        fixtures: &[],
    },
];
