//! `ditto verify` of mirrors as a command: beside the daemon, by name, in part, repairing, and going on after a signal.

use serde_json::Value;

use super::support::{Ditto, Servers, command, seed};
use super::verifying::{goes_on_after_a_signal, row, seed_both, verify};

const ALL: &str = "\n[[mirror]]\nname = \"all\"\nexclude_streams = [\"secret-*\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn mirror_is_proven_while_the_daemon_runs_and_what_is_missing_is_repaired() {
    let servers = Servers::start().await;
    let source = servers.source.store();
    let streams: Vec<String> = (0..20).map(|number| format!("customer-{number}")).collect();
    streams.iter().for_each(|stream| seed(source, stream, 10));
    seed(source, "plain", 5);
    seed(source, "secret-1", 5);
    let mut ditto = Ditto::start(&(servers.configuration(&[]) + ALL));
    servers.until_copied(&streams).await;
    servers.until_copied(&["plain".to_owned()]).await;
    let (code, table, said) = verify(&ditto.file(), &[]);
    assert_eq!(code, Some(0), "{table}{said}");
    assert_eq!(row(&table, "equal"), ["21", "205"]);

    // Somebody else writes to the destination.
    seed(servers.destination.store(), "customer-7", 2);
    let (code, table, said) = verify(&ditto.file(), &["--mirror", "all"]);
    assert_eq!(code, Some(1), "{table}{said}");
    let expected =
        "customer-7 #10 to #11: different: the source ends at revision 9, the destination at 11";
    assert!(table.contains(expected), "{table}");
    let (code, lines, _) = verify(&ditto.file(), &["--json", "--stream", "customer-7"]);
    assert_eq!(code, Some(1));
    let finding: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!(finding["finding"]["subscription"], "$all::all");
    let (code, _, said) = verify(&ditto.file(), &["--stream", "secret-1"]);
    assert_eq!(code, Some(64), "{said}");
    let expected = "no subscription or mirror copies the stream \"secret-1\": check its name; there are $all::all";
    assert!(said.contains(expected), "{said}");

    // What comes after the last checkpoint is behind as long as nobody copies it.
    ditto.signal("TERM");
    assert_eq!(ditto.exit().await, Some(0));
    seed(source, "order-1", 4);
    let streams = ["--stream", "order-1", "--stream", "plain"];
    let (code, table, said) = verify(&ditto.file(), &streams);
    assert_eq!(code, Some(0), "{table}{said}");
    assert_eq!(row(&table, "behind"), ["1", "4"]);
    let (code, ..) = verify(&ditto.file(), &[&streams[..], &["--strict"]].concat());
    assert_eq!(code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mirror_left_out_is_appended_by_a_repair() {
    let servers = Servers::start().await;
    let source = servers.source.store();
    // Left out, and before the mark.
    seed(source, "customer-2", 5);
    seed(source, "customer-1", 5);
    let one =
        servers.configuration(&[]) + "\n[[mirror]]\nname = \"all\"\nstreams = [\"customer-1\"]\n";
    let mut ditto = Ditto::start(&one);
    servers.until_copied(&["customer-1".to_owned()]).await;
    ditto.signal("TERM");
    assert_eq!(ditto.exit().await, Some(0));
    // Somebody made its checkpoint one of all streams.
    let destination = servers.destination.store();
    let last = destination
        .stream_info("$ditto-mirror-all")
        .last
        .expect("a checkpoint");
    let newest = destination
        .event("$ditto-mirror-all", last)
        .expect("an event");
    let mut checkpoint: Value = serde_json::from_slice(&newest.data()).expect("JSON");
    checkpoint["rules"] = "+*".into();
    let forged = devstore::store::Store::json_event("ditto-checkpoint", checkpoint.to_string());
    destination
        .append(
            "$ditto-mirror-all",
            devstore::store::Expected::Any,
            vec![forged],
        )
        .expect("an append");
    ditto.configure(&(servers.configuration(&[]) + "\n[[mirror]]\nname = \"all\"\n"));
    let (code, table, said) = verify(&ditto.file(), &[]);
    assert_eq!(code, Some(1), "{table}{said}");
    assert!(
        table.contains(
            "there is no such stream at the destination, and the mirror's checkpoint is after these"
        ),
        "{table}"
    );
    let (code, table, said) = verify(&ditto.file(), &["--repair", "--yes"]);
    assert_eq!(code, Some(0), "{table}{said}");
    assert!(said.contains("nothing is missing there any more"), "{said}");
    assert!(servers.is_copied("customer-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_comparison_of_a_mirror_goes_on_where_it_was() {
    let servers = Servers::start().await;
    let configuration = servers.configuration(&[]) + ALL;
    goes_on_after_a_signal(&servers, &configuration).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_that_may_not_be_read_ends_a_comparison() {
    let servers = Servers::start().await;
    seed_both(&servers, "customer-1", 3);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    std::fs::write(&file, servers.configuration(&[]) + ALL).expect("written");
    let denied = devstore::Fault::new(devstore::FaultKind::AccessDenied);
    servers.destination.faults().add(denied);
    let output = command()
        .args(["verify", "--config", file.to_str().expect("UTF-8")])
        .output()
        .expect("the program");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let expected = "add the user to $admins, or grant it the permission to read $ditto-mirror-all";
    assert!(said.contains(expected), "{said}");
}
