//! `ditto verify` as a command: its exit codes, its table, its JSON lines, its end by a signal, and going on from there.

use std::path::Path;
use std::process::{Child, Output, Stdio};

use bytes::Bytes;
use devstore::store::{Expected, Proposed, Store};
use devstore::{Fault, FaultKind};
use serde_json::Value;
use uuid::Uuid;

use super::support::{Ditto, Servers, command, seed, until};

/// The same events in a stream of both sides.
pub(super) fn seed_both(servers: &Servers, stream: &str, count: u64) {
    let events: Vec<Proposed> = (0..count)
        .map(|number| Proposed {
            id: Uuid::new_v4(),
            event_type: "customer_renamed".into(),
            is_json: true,
            data: Bytes::from(format!("{{\"number\":{number}}}")),
            metadata: Bytes::new(),
        })
        .collect();
    append(servers.source.store(), stream, events.clone());
    append(servers.destination.store(), stream, events);
}

fn append(store: &Store, stream: &str, events: Vec<Proposed>) {
    store
        .append(stream, Expected::Any, events)
        .expect("an append");
}

fn start(file: &Path, arguments: &[&str]) -> Child {
    command()
        .arg("verify")
        .arg("--config")
        .arg(file)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program")
}

/// Exit code, stdout, stderr.
fn ended(child: Child) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("an end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

pub(super) fn verify(file: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    ended(start(file, arguments))
}

/// The line of the table that begins with this, in words.
pub(super) fn row<'t>(table: &'t str, label: &str) -> Vec<&'t str> {
    let line = table.lines().find(|line| line.starts_with(label));
    let line = line.unwrap_or_else(|| panic!("no {label} in {table}"));
    line[label.len()..].split_whitespace().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_proven_while_the_daemon_runs_and_a_difference_is_named() {
    let servers = Servers::start().await;
    for number in 0..20 {
        seed(servers.source.store(), &format!("customer-{number}"), 10);
    }
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    until("all is copied", || {
        let copied = |number: &u64| servers.is_copied(&format!("customer-{number}"));
        (0..20).all(|number| copied(&number)).then_some(())
    })
    .await;
    let (code, table, said) = verify(&ditto.file(), &[]);
    assert_eq!(code, Some(0), "{table}{said}");
    assert_eq!(row(&table, "equal"), ["20", "200"]);
    assert_eq!(row(&table, "missing"), ["0", "0"]);
    assert!(
        table.contains("20 streams, 200 events compared in "),
        "{table}"
    );

    // Somebody else writes to the destination.
    seed(servers.destination.store(), "customer-7", 2);
    let (code, table, said) = verify(&ditto.file(), &[]);
    assert_eq!(code, Some(1), "{table}{said}");
    assert_eq!(row(&table, "different"), ["1", "2"]);
    let expected =
        "customer-7 #10 to #11: different: the source ends at revision 9, the destination at 11";
    assert!(table.contains(expected), "{table}");
    assert!(
        table.contains("copy to another destination for an exact copy"),
        "{table}"
    );

    let (code, lines, _) = verify(&ditto.file(), &["--json", "--stream", "customer-7"]);
    assert_eq!(code, Some(1));
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let finding = &lines[0]["finding"];
    assert_eq!(finding["subscription"], "$ce-customer::g");
    assert_eq!(
        (&finding["class"], &finding["what"]),
        (&"different".into(), &"extra".into())
    );
    let summary = &lines[1]["summary"];
    assert_eq!(
        (&summary["complete"], &summary["compared_streams"]),
        (&true.into(), &1.into())
    );
    assert_eq!(summary["events"]["equal"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_has_its_code() {
    let servers = Servers::start().await;
    seed_both(&servers, "customer-1", 3);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    let configuration = servers.configuration(&["g"]);
    std::fs::write(&file, &configuration).expect("written");
    let point = folder.path().join("point");
    std::fs::write(&point, "rubbish").expect("written");
    let point = point.to_str().expect("UTF-8");
    let rows: [(&[&str], i32, &str); 9] = [
        (
            &["--subscription", "$ce-other"],
            64,
            "there are: $ce-customer::g",
        ),
        (&["--sample", "0%"], 64, "expected a percentage"),
        (
            &["--stream", "a", "--since", "1h"],
            64,
            "cannot be used with",
        ),
        (
            &["--stream", "custmoer-1"],
            64,
            "no subscription or mirror copies the stream \"custmoer-1\": check its name; there are $ce-customer::g",
        ),
        (
            &["--stream", "$ce-customer"],
            64,
            "no subscription or mirror copies the stream \"$ce-customer\"",
        ),
        (&["--stream", "customer-7"], 0, ""),
        (&["--rate", "0"], 64, "0 is not in"),
        (
            &["--resume", point],
            2,
            "it is not a file of ditto verify --resume",
        ),
        (&["--subscription", "$ce-customer::g"], 0, ""),
    ];
    for (arguments, expected, text) in rows {
        let (code, table, said) = verify(&file, arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {table}{said}");
        assert!(said.contains(text), "{arguments:?}: {said}");
    }
    std::fs::write(&file, configuration.replace("[source]", "[sorce]")).expect("written");
    let (code, _, said) = verify(&file, &[]);
    assert_eq!(code, Some(78), "{said}");
    std::fs::write(&file, &configuration).expect("written");
    servers.destination.stop().await;
    let (code, table, said) = verify(&file, &[]);
    assert_eq!(code, Some(2), "{table}{said}");
    assert!(said.contains("destination: failed to"), "{said}");
    assert!(said.contains("this is what was compared so far"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_comparison_fails_on_held_and_behind_streams() {
    for (is_held, row_of, told, finding) in [
        (
            true,
            "held or parked",
            "held or parked: 3 events of 1 stream, which --strict counts as a failure",
            "customer-2 #0 to #2: held or parked",
        ),
        (
            false,
            "behind",
            "behind: 3 events of 1 stream, which --strict counts as a failure",
            "customer-2 #0 to #2: behind",
        ),
    ] {
        let servers = Servers::start().await;
        seed_both(&servers, "customer-1", 3);
        let configuration = servers.configuration(&["g"]);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ditto.toml");
        std::fs::write(&file, &configuration).expect("written");
        let (code, table, said) = verify(&file, &["--strict"]);
        assert_eq!(code, Some(0), "{table}{said}");

        let fault = FaultKind::SizeLimit { bytes: 1 };
        servers.destination.faults().add(Fault::new(fault));
        // Without a daemon the stream stays behind.
        let ditto = is_held.then(|| Ditto::start(&configuration));
        seed(servers.source.store(), "customer-2", 3);
        if ditto.is_some() {
            until("all events are parked", || {
                let parked = "$persistentsubscription-$ce-customer::g-parked";
                let last = servers.source.store().stream_info(parked).last;
                (last == Some(2))
                    .then_some(())
                    .ok_or_else(|| format!("the last entry is {last:?}"))
            })
            .await;
        }
        let (code, table, said) = verify(&file, &[]);
        assert_eq!(code, Some(0), "{table}{said}");
        assert_eq!(row(&table, row_of), ["1", "3"], "{table}");
        let (code, table, said) = verify(&file, &["--strict"]);
        assert_eq!(code, Some(1), "{table}{said}");
        assert!(said.contains(told), "{said}");
        assert!(table.contains(finding), "{table}");
        // A repair does not bring it, so it stays a failure.
        let (code, _, said) = verify(&file, &["--strict", "--repair", "--yes"]);
        assert_eq!(code, Some(1), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kinesis_destination_is_refused_with_the_reason() {
    let servers = Servers::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    let text = format!(
        "[source]\nconnection_string = \"{}\"\n\n[destination]\ntype = \"kinesis\"\nstream_name = \"s\"\nregion = \
         \"eu-west-1\"\n",
        servers.source.connection_string()
    );
    std::fs::write(&file, text).expect("written");
    let (code, _, said) = verify(&file, &[]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.to_lowercase().contains("kinesis"), "{said}");
}

/// Interrupts a comparison of 300 streams with this configuration beside the servers; the next one goes on from there, and
/// compares no stream again. Returns what the interrupted one said, and whether the file of the point is kept.
pub(super) async fn goes_on_after_a_signal(
    servers: &Servers,
    configuration: &str,
) -> (String, bool) {
    for number in 0..300 {
        seed_both(servers, &format!("customer-{number}"), 4);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    std::fs::write(&file, configuration).expect("written");
    let point = folder.path().join("point");
    let name = point.to_str().expect("UTF-8");
    let slow = start(&file, &["--resume", name, "--rate", "200"]);
    until("it has begun", || {
        (servers.destination.counters().calls > 60).then_some(())
    })
    .await;
    let pid = slow.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-s", "INT", &pid])
        .status();
    assert!(killed.expect("kill").success());
    let (code, table, interrupted) = ended(slow);
    assert_eq!(code, Some(2), "{table}{interrupted}");
    let streams: u64 = row(&table, "equal")[0].parse().expect("a number");
    assert!((1..300).contains(&streams), "{table}");
    let calls = servers.destination.counters().calls;
    let (code, table, said) = verify(&file, &["--resume", name]);
    assert_eq!(code, Some(0), "{table}{said}");
    assert_eq!(row(&table, "equal"), ["300", "1,200"]);
    let again = servers.destination.counters().calls - calls;
    assert!(
        again < 300 - streams + 40,
        "{again} calls for {} streams",
        300 - streams
    );
    (interrupted, point.exists())
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_it_tells_what_it_has_and_goes_on_from_there() {
    let servers = Servers::start().await;
    let configuration = servers.configuration(&["g"]);
    let (said, is_kept) = goes_on_after_a_signal(&servers, &configuration).await;
    assert!(
        said.contains("the same command continues from there"),
        "{said}"
    );
    assert!(!is_kept, "it is of no more use");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_file_that_cannot_be_written_is_told_first_and_costs_no_result() {
    let servers = Servers::start().await;
    for number in 0..300 {
        seed_both(&servers, &format!("customer-{number}"), 4);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    std::fs::write(&file, servers.configuration(&["g"])).expect("written");
    let inner = folder.path().join("inner");
    let point = inner.join("point");
    let name = point.to_str().expect("UTF-8");
    let calls = || servers.destination.counters().calls;
    let (code, table, said) = verify(&file, &["--resume", name]);
    assert_eq!(code, Some(2), "{table}{said}");
    assert!(said.contains("failed to write"), "{said}");
    assert_eq!((calls(), table.as_str()), (0, ""));

    std::fs::create_dir(&inner).expect("a folder");
    let slow = start(&file, &["--resume", name, "--rate", "200"]);
    until("it has begun", || (calls() > 60).then_some(())).await;
    std::fs::remove_dir_all(&inner).expect("gone");
    let pid = slow.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-s", "INT", &pid])
        .status();
    assert!(killed.expect("kill").success());
    let (code, table, said) = ended(slow);
    assert_eq!(code, Some(2), "{table}{said}");
    assert!(!row(&table, "equal").is_empty(), "{table}");
    assert!(said.contains("failed to write"), "{said}");
    assert!(!said.contains("continues from there"), "{said}");
}

/// What a process held in memory at most, in KiB.
fn most_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "200,000 streams take minutes in a debug build; run with --ignored"]
async fn two_hundred_thousand_streams_take_less_than_64_mib() {
    memory_of(200_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_streams_take_less_than_64_mib() {
    memory_of(10_000).await;
}

async fn memory_of(streams: u64) {
    let servers = Servers::start().await;
    for number in 0..streams {
        seed_both(&servers, &format!("customer-{number}"), 1);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    std::fs::write(&file, servers.configuration(&["g"])).expect("written");
    let (most, (code, lines, said)) = measured(start(&file, &["--json"])).await;
    assert_eq!(code, Some(0), "{lines}{said}");
    let summary: Value = serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
    assert_eq!(summary["summary"]["compared_streams"], streams);
    println!(
        "{streams} streams: {most} KiB, {}",
        summary["summary"]["seconds"]
    );
    assert!((1..64 * 1024).contains(&most), "{most} KiB");
}

/// What it held in memory at most, in KiB, and how it ended.
async fn measured(mut child: Child) -> (u64, (Option<i32>, String, String)) {
    let mut most = 0;
    loop {
        most = most.max(most_memory(child.id()).unwrap_or_default());
        if child.try_wait().expect("a child").is_some() {
            return (most, ended(child));
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicting_streams_of_large_events_stay_within_the_budget() {
    let servers = Servers::start().await;
    let data = Bytes::from(vec![b'x'; 1_000_000]);
    let event = || Proposed {
        id: Uuid::new_v4(),
        event_type: "large".into(),
        is_json: false,
        data: data.clone(),
        metadata: Bytes::new(),
    };
    for number in 0..16 {
        for server in [&servers.source, &servers.destination] {
            let stream = format!("customer-{number}");
            (0..20).for_each(|_| append(server.store(), &stream, vec![event()]));
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    std::fs::write(&file, servers.configuration(&["g"])).expect("written");
    let (most, (code, table, said)) = measured(start(&file, &[])).await;
    assert_eq!(code, Some(1), "{table}{said}");
    assert_eq!(row(&table, "different"), ["16", "320"]);
    // The budget is 64 MiB; what the program and its connections take comes on top.
    assert!((1..160 * 1024).contains(&most), "{most} KiB");
}
