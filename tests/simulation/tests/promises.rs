//! The simulator on a modest number of seeds, the seeds that once found something, and the proof that it can fail.
//!
//! Never asserts anything about real time. The big run is the release binary's (`--seeds`).

use simulation::mutation::Mutation;
use simulation::runner::{Summary, Watch, run, run_many};

const SEEDS: u64 = 3_000;
/// What shows only where a backlog meets a thin line takes most of them: few seeds have both.
const FOUND_WITHIN: u64 = 20_000;

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn check(summary: &Summary) {
    let found: Vec<String> = summary
        .violations
        .iter()
        .map(|(seed, what)| format!("--seed {seed}: {what}"))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_schedule_keeps_the_promises() {
    // `make mutants` asks for more than the other tests run.
    let asked = std::env::var("DITTO_SCHEDULES").map(|text| text.parse().unwrap());
    let seeds = asked.unwrap_or(SEEDS);
    let summary = run_many(0, seeds, threads(), None, false, Watch::Promises);
    check(&summary);
    assert_eq!(summary.schedules, seeds);
}

/// Each of these found a mistake once, in the core or in a rule of the simulator, when they stood as they were then.
#[test]
fn seeds_that_found_a_mistake_keep_the_promises() {
    for seed in [
        125, 132, 292, 358, 670, 1093, 1265, 2463, 4410, 7301, 12060, 16313, 17333, 18741, 19126,
        19159, 22889, 23588, 31255, 31907, 36381, 52174, 434786, 645955, 657728, 801514, 822202,
        544684, 837230, 923725, 370111, 349303, 792578, 481575, 731257, 874754, 4567, 10213, 17738,
        45859, 78260, 117821, 7010904, 7219866, 7329014, 7375085, 240929, 870311, 971981, 756703,
        286296, 869953, 248624, 611349, 790166, 288244, 353504, 309541, 832852, 704229, 1022, 2037,
        4871,
    ] {
        let report = run(seed, None, Watch::Promises);
        assert_eq!(report.violation, None, "--seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_schedule() {
    for seed in 0..20 {
        assert_eq!(
            run(seed, None, Watch::Everything).trace,
            run(seed, None, Watch::Everything).trace,
            "--seed {seed}"
        );
    }
}

#[test]
fn digests_agree_for_the_same_core_and_differ_for_another() {
    let total = |threads, mutation| run_many(0, 50, threads, mutation, false, Watch::Ports).digests;
    let same = total(1, None);
    assert_eq!(same, total(3, None), "whatever runs first");
    for mutation in [
        Mutation::ForgetResend,
        Mutation::LateAck,
        Mutation::NoThrottle,
    ] {
        assert_ne!(same, total(1, Some(mutation)), "{mutation:?}");
    }
}

#[test]
fn every_deliberate_mistake_is_found() {
    let missed: Vec<&Mutation> = Mutation::ALL
        .iter()
        .filter(|mutation| {
            run_many(
                0,
                FOUND_WITHIN,
                threads(),
                Some(**mutation),
                true,
                Watch::Promises,
            )
            .violations
            .is_empty()
        })
        .collect();
    assert!(
        missed.is_empty(),
        "not found within {FOUND_WITHIN} schedules: {missed:?}"
    );
}

/// A mistake may be found by another check than the one that is there for it: each check is seen to find something.
#[test]
fn every_check_finds_a_mistake() {
    for (mutation, words) in [
        (Mutation::AckBeforeWrite, "which is not at the destination"),
        (Mutation::AnyRevision, "is stored 2 times"),
        (Mutation::ForgetResend, "the stall detector ends it"),
        (Mutation::AnyRevision, "times out although nothing is wrong"),
        (
            Mutation::ForgetServerParked,
            "the stall detector does not see it",
        ),
        (Mutation::PassOver, "waits"),
        (Mutation::EvictBusy, "two appends of"),
        (Mutation::ResetHoleClock, "420 s after the faults"),
        (Mutation::IgnoreBudget, "takes a delivery while"),
        (Mutation::CountTooMuch, "counts number"),
        (Mutation::TellMoreMemory, "bytes are held, but"),
        (Mutation::TellLessMemory, "bytes are held, but"),
        (Mutation::AlwaysClean, "stopped cleanly with"),
        (Mutation::LoseLookups, "the stall detector ends it"),
        (Mutation::ForgetBase, "the stall detector ends it"),
        (
            Mutation::ForgetLateCopies,
            "times out although nothing is wrong",
        ),
        (
            Mutation::BelieveInQueue,
            "parks in a queue that was deleted",
        ),
        (Mutation::AskForOne, "a backlog is not copied within"),
        (Mutation::CountTombstone, "as done, the last is"),
        (
            Mutation::ForgetDeletedStream,
            "the stream was deleted for good",
        ),
    ] {
        let finds = |seed| {
            let found = run(seed, Some(mutation), Watch::Promises).violation;
            found.is_some_and(|what| what.contains(words))
        };
        assert!((0..FOUND_WITHIN).any(finds), "{mutation:?}: {words}");
    }
}
