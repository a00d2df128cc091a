//! Some seeds of the daemon in virtual time, twice each, and the proof that they can fail. `make simulate-daemon` runs more.

use std::process::Command;

/// Runs seeds: whether that went as it should, and what was printed.
fn run(arguments: &[&str]) -> std::io::Result<(bool, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_virtual-time"))
        .args(arguments)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((output.status.success(), text))
}

#[test]
fn mirror_keeps_its_promises_and_every_seed_is_the_same_twice() {
    let (is_well, text) = run(&["--seeds", "20", "--twice"]).unwrap();
    assert!(is_well, "{text}");
}

#[test]
fn every_deliberate_mistake_is_found() {
    for mistake in ["old-epochs", "lost-record", "early-mark"] {
        let (is_found, text) = run(&["--seeds", "40", "--mistake", mistake]).unwrap();
        assert!(is_found, "{mistake}: {text}");
    }
}
