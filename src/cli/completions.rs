//! `ditto completions`: a script that completes ditto's commands in a shell.
//!
//! Never installs anything.

use super::Exit;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Shell to complete in.
    shell: clap_complete::Shell,
}

pub(super) fn run(arguments: &Arguments, mut command: clap::Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "ditto", &mut script);
    super::output::print(String::from_utf8_lossy(&script).trim_end());
    Exit::Ok
}
