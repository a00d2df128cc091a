//! The metrics: all that are promised, well formed, and true.

use std::io::Write as _;
use std::process::{Command, Stdio};

use devstore::store::{Expected, Proposed, Store};
use uuid::Uuid;

use super::support::{Ditto, Servers, ask, get, seed, until};

/// What dashboards and alerts are built on.
const PROMISED: [&str; 33] = [
    "ditto_append_events",
    "ditto_buffered_bytes",
    "ditto_build_info",
    "ditto_config_last_reload_success_timestamp_seconds",
    "ditto_current_event",
    "ditto_events_differ_total",
    "ditto_events_duplicate_total",
    "ditto_events_failed_total",
    "ditto_events_parked_total",
    "ditto_events_processed_total",
    "ditto_events_received_total",
    "ditto_events_skipped_total",
    "ditto_events_unresolved_total",
    "ditto_events_unverified_total",
    "ditto_holes_total",
    "ditto_in_flight_events",
    "ditto_io_duration_seconds",
    "ditto_lag_events",
    "ditto_lag_seconds",
    "ditto_log_lines_dropped_total",
    "ditto_parked_events",
    "ditto_placeholders_total",
    "ditto_reconnects_total",
    "ditto_records_throttled_total",
    "ditto_reloads_total",
    "ditto_repaired_events_total",
    "ditto_repairs_total",
    "ditto_replication_delay_seconds",
    "ditto_streams_held",
    "ditto_subscription_state",
    "ditto_up",
    "process_open_fds",
    "process_resident_memory_bytes",
];

#[tokio::test]
async fn every_promised_series_is_there_well_formed_and_true() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 9);
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let address = ditto.http().await;
    let labels = "group=\"g\",stream=\"$ce-customer\",app=\"ditto\"";
    let text = until("a reading after the copy", || {
        let text = get(address, "/metrics").body;
        let has = |line: &str| text.lines().any(|found| found == line);
        (has(&format!("ditto_events_processed_total{{{labels}}} 9"))
            && has(&format!("ditto_lag_events{{{labels}}} 0"))
            && has(&format!("ditto_current_event{{{labels}}} 8")))
        .then_some(text)
    })
    .await;
    for name in PROMISED {
        assert!(
            text.contains(&format!("# HELP {name} ")),
            "{name} has no help text"
        );
        let has_value = text.lines().any(|line| line.starts_with(name));
        assert!(has_value, "{name} has no value");
    }
    for line in [
        format!("ditto_events_received_total{{{labels}}} 9"),
        format!("ditto_lag_seconds{{{labels}}} 0"),
        format!("ditto_in_flight_events{{{labels}}} 0"),
        "ditto_up{side=\"destination\",app=\"ditto\"} 1".to_owned(),
        "ditto_subscription_state{group=\"g\",state=\"running\",stream=\"$ce-customer\",app=\"ditto\"} 1".to_owned(),
        "ditto_subscription_state{group=\"g\",state=\"retrying\",stream=\"$ce-customer\",app=\"ditto\"} 0".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(
        !text.contains("customer-1"),
        "no stream of the data may become a label"
    );
    promtool(&text);
}

#[tokio::test]
async fn the_lag_is_true_with_a_backlog_of_a_million() {
    let servers = Servers::start().await;
    let backlog = 1_000_000;
    servers.destination.stop().await;
    for _ in 0..backlog / 1_000 {
        let batch = vec![Store::json_event("customer_renamed", "{}".to_owned()); 1_000];
        let batch = batch.into_iter().map(|event| Proposed {
            id: Uuid::new_v4(),
            ..event
        });
        servers
            .source
            .store()
            .append("customer-1", Expected::Any, batch.collect())
            .expect("an append");
    }
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let address = ditto.http().await;
    let line =
        format!("ditto_lag_events{{group=\"g\",stream=\"$ce-customer\",app=\"ditto\"}} {backlog}");
    let is_told = || {
        let text = get(address, "/metrics").body;
        text.lines().any(|found| found == line).then_some(())
    };
    until("the backlog, as far behind as nothing is copied", is_told).await;
    let (_, json, _) = ask(&["status", "--json", "--url", &format!("http://{address}")]);
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["subscriptions"][0]["lag_events"], backlog);
}

#[tokio::test]
async fn the_lag_is_true_with_a_backlog_and_after_a_restart_of_either_side() {
    let servers = Servers::start().await;
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let address = ditto.http().await;
    ditto.until_notified("1 subscription running", 1).await;
    let lag_is = |events: u64| {
        let line = format!(
            "ditto_lag_events{{group=\"g\",stream=\"$ce-customer\",app=\"ditto\"}} {events}"
        );
        move || {
            get(address, "/metrics")
                .body
                .lines()
                .any(|found| found == line)
                .then_some(())
        }
    };
    seed(servers.source.store(), "customer-1", 10);
    until("the copy", || servers.is_copied("customer-1").then_some(())).await;
    until("no lag", lag_is(0)).await;
    servers.destination.stop().await;
    seed(servers.source.store(), "customer-1", 3_000);
    until("the backlog", lag_is(3_000)).await;
    servers
        .destination
        .start_again()
        .await
        .expect("the same port");
    until("no lag", lag_is(0)).await;
    servers.source.stop().await;
    servers.source.start_again().await.expect("the same port");
    seed(servers.source.store(), "customer-1", 7);
    until("the copy", || servers.is_copied("customer-1").then_some(())).await;
    until("no lag", lag_is(0)).await;
}

/// Prometheus' own judgement; without the program a failure where everything must run, a line elsewhere.
fn promtool(text: &str) {
    let program = Command::new("tests/setup/prometheus")
        .arg("promtool")
        .output()
        .expect("bash");
    if !program.status.success() {
        let reason = String::from_utf8_lossy(&program.stderr).into_owned();
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "promtool: {reason}"
        );
        println!("skipped: promtool: {reason}");
        return;
    }
    let path = String::from_utf8(program.stdout).expect("UTF-8");
    let mut child = Command::new(path.trim())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(text.as_bytes())
        .expect("written");
    let output = child.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.trim().is_empty(),
        "promtool: {said}"
    );
}
