//! The program `ditto`: hands the command line to the library and returns its exit code. Never does anything itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    ditto::cli::main(std::env::args_os())
}
