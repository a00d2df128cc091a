//! The corpus without libFuzzer: every input in it keeps the promises, and the seeds are what the servers answered.
//!
//! `DITTO_UPDATE_FIXTURES=1` writes the seeds anew. Never finds anything new: that is what the targets are for.

#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on fails, in helpers too"
)]

mod recorded;
mod seeds;

use std::path::{Path, PathBuf};

use fuzz::TARGETS;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target)
}

/// The files of a folder and of those in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn every_input_of_the_corpus_keeps_the_promises() {
    for target in TARGETS {
        let mut inputs = files(&corpus(target.name));
        for folder in target.fixtures {
            inputs.extend(files(&Path::new(ROOT).join(folder)));
        }
        assert!(!inputs.is_empty(), "{} has no input", target.name);
        for input in inputs {
            let data = std::fs::read(&input).expect("a file");
            let judged = std::panic::catch_unwind(|| (target.check)(&data));
            assert!(judged.is_ok(), "{}: {}", target.name, input.display());
        }
    }
}

#[test]
fn every_target_has_its_program() {
    let programs = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("targets"));
    let programs: Vec<_> = programs
        .iter()
        .filter_map(|program| program.file_stem()?.to_str())
        .collect();
    let targets: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(programs, targets);
}

#[test]
fn seeds_are_the_recorded_answers() {
    let update = std::env::var_os("DITTO_UPDATE_FIXTURES").is_some();
    for (target, seeds) in seeds::all() {
        let folder = corpus(target);
        for (index, seed) in seeds.iter().enumerate() {
            assert!(
                seed.len() < 4096,
                "{target}: a seed of {} bytes",
                seed.len()
            );
            let file = folder.join(format!("recorded-{index:02}"));
            if update {
                std::fs::create_dir_all(&folder).expect("a folder");
                std::fs::write(&file, seed).expect("written");
            }
            let present = std::fs::read(&file).unwrap_or_default();
            assert_eq!(present, *seed, "{}", file.display());
        }
        let recorded = files(&folder);
        let is_recorded = |file: &&PathBuf| {
            let name = file.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("recorded-"))
        };
        assert_eq!(
            recorded.iter().filter(is_recorded).count(),
            seeds.len(),
            "{target}"
        );
    }
}
