//! Mirrors in the simulator: a part of the schedules that `make simulate` runs, and the proof that they can fail.

use simulation::mirror::{Mistake, What, run, run_many};

/// Schedules for each test of the repository; `make simulate` runs many more.
const SEEDS: u64 = 1_000;

#[test]
fn mirrors_keep_their_promises_in_every_schedule() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (inputs, found) = run_many(0, SEEDS, What::Events, threads);
    assert!(inputs > 100 * SEEDS, "only {inputs} inputs");
    assert_eq!(found, []);
}

#[test]
fn metadata_and_deletions_keep_the_promises_in_every_schedule() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (inputs, found) = run_many(0, SEEDS, What::States, threads);
    assert!(inputs > 100 * SEEDS, "only {inputs} inputs");
    assert_eq!(found, []);
}

/// Seeds that found a mistake in the core once.
#[test]
fn seeds_that_found_a_mistake_of_a_mirror_keep_the_promises() {
    for seed in [13, 51, 82, 195, 50_160] {
        assert_eq!(
            run(seed, What::Events, None, false).violation,
            None,
            "seed {seed}"
        );
    }
}

#[test]
fn each_mistake_of_a_mirror_is_found() {
    for mistake in Mistake::ALL {
        let found =
            (0..SEEDS).find_map(|seed| run(seed, What::Events, Some(*mistake), false).violation);
        assert!(found.is_some(), "{mistake:?} was not found");
    }
}
