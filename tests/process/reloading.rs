//! SIGHUP: the difference is applied, the rest notices nothing, and a bad file changes nothing.

use eventstore::GetPersistentSubscriptionInfoOptions;

use super::support::{Ditto, Servers, ask, command, foreign_client, get, seed, until};

/// What each of the group's consumers was handed since it connected: a new connection begins at 0.
pub(super) async fn handed_over(servers: &Servers, group: &str) -> Vec<usize> {
    let info = foreign_client(&servers.source)
        .get_persistent_subscription_info(
            "$ce-customer",
            group,
            &GetPersistentSubscriptionInfoOptions::default(),
        )
        .await
        .expect("the group");
    info.connections
        .into_iter()
        .map(|one| one.total_items)
        .collect()
}

async fn until_reloads(ditto: &Ditto, result: &str, count: usize) {
    let address = ditto.http().await;
    let line = format!("ditto_reloads_total{{result=\"{result}\",app=\"ditto\"}} {count}");
    until(&line, || {
        get(address, "/metrics").body.contains(&line).then_some(())
    })
    .await;
}

/// Writes three events and waits for them.
pub(super) async fn copy_three(servers: &Servers) {
    seed(servers.source.store(), "customer-1", 3);
    until("the copy", || servers.is_copied("customer-1").then_some(())).await;
}

#[tokio::test]
async fn an_unchanged_subscription_keeps_its_connection() {
    let servers = Servers::start().await;
    let ditto = Ditto::start(&servers.configuration(&["kept"]));
    ditto.until_notified("1 subscription running", 1).await;
    copy_three(&servers).await;
    assert_eq!(handed_over(&servers, "kept").await, [3]);

    ditto.configure(&servers.configuration(&["kept", "added"]));
    ditto.signal("HUP");
    ditto.until_notified("2 subscriptions running", 1).await;
    copy_three(&servers).await;
    assert_eq!(handed_over(&servers, "kept").await, [6]);

    ditto.configure(&(servers.configuration(&["kept", "added"]) + "buffer_size = 77\n"));
    ditto.signal("HUP");
    until_reloads(&ditto, "applied", 2).await;
    ditto.until_logged("buffer_size=77").await;
    copy_three(&servers).await;
    assert_eq!(handed_over(&servers, "kept").await, [9]);

    ditto.configure(&servers.configuration(&["kept"]));
    ditto.signal("HUP");
    until_reloads(&ditto, "applied", 3).await;
    ditto.until_logged("the subscription was removed").await;
    copy_three(&servers).await;
    assert_eq!(handed_over(&servers, "kept").await, [12]);
    assert!(handed_over(&servers, "added").await.is_empty());
}

#[tokio::test]
async fn systemd_is_told_when_a_reload_begins_and_ends() {
    let servers = Servers::start().await;
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    ditto.until_notified("READY=1", 1).await;
    ditto.signal("HUP");
    ditto.until_notified("READY=1", 2).await;
    let told = ditto.notified();
    let begin = told
        .iter()
        .position(|one| one.contains("RELOADING=1"))
        .expect("a beginning");
    assert!(
        told[begin].contains("MONOTONIC_USEC="),
        "in one datagram: {:?}",
        told[begin]
    );
    // Alone: systemd drops a datagram as a whole that is too long for it.
    assert!(
        told[begin + 1..].iter().any(|one| one == "READY=1\n"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_is_told_everywhere() {
    let servers = Servers::start().await;
    let good = servers.configuration(&["g"]);
    let ditto = Ditto::start(&good);
    ditto.until_notified("1 subscription running", 1).await;
    copy_three(&servers).await;
    let rows = [
        (
            good.replace("[http]", "[htpp]"),
            "unknown key (did you mean \"http\"?)",
        ),
        (
            good.replace("127.0.0.1:0", "127.0.0.1:1"),
            "[http] needs a restart",
        ),
        (good.replace("esdb://", "kurrentdb://"), ""),
    ];
    for (count, (text, reason)) in rows.iter().enumerate() {
        ditto.configure(text);
        ditto.signal("HUP");
        if reason.is_empty() {
            // The same in another spelling.
            until_reloads(&ditto, "unchanged", 1).await;
            continue;
        }
        until_reloads(&ditto, "refused", count + 1).await;
        ditto.until_logged(reason).await;
        ditto.until_notified("reload refused", count + 1).await;
    }
    copy_three(&servers).await;
    assert_eq!(handed_over(&servers, "g").await, [6]);
    let last = ditto.notified().pop().expect("a status");
    assert!(
        !last.contains("reload refused"),
        "the good file clears it: {last}"
    );
}

#[tokio::test]
async fn what_is_odd_in_a_reloaded_file_is_warned_of() {
    let servers = Servers::start().await;
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    ditto.until_notified("1 subscription running", 1).await;
    let odd = "create = false\nnew_group.max_retry_count = 7\n";
    ditto.configure(&(servers.configuration(&["g"]) + odd));
    ditto.signal("HUP");
    until_reloads(&ditto, "applied", 1).await;
    let line = ditto
        .until_logged("subscription.new_group: has no effect with create = false")
        .await;
    assert!(line.contains("WARN"), "{line}");
    assert!(line.contains("ditto.toml:"), "{line}");
}

#[tokio::test]
async fn twenty_reloads_in_a_row_do_no_harm() {
    let servers = Servers::start().await;
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    ditto.until_notified("1 subscription running", 1).await;
    copy_three(&servers).await;
    for round in 0..20 {
        let groups: &[&str] = if round % 2 == 0 {
            &["g", "sometimes"]
        } else {
            &["g"]
        };
        ditto.configure(&servers.configuration(groups));
        ditto.signal("HUP");
    }
    ditto.configure(&servers.configuration(&["g", "last"]));
    ditto.signal("HUP");
    until("the last form", || {
        let told = ditto.notified();
        let last = told.iter().rev().find(|one| one.contains("STATUS="))?;
        let body = last.contains("2 subscriptions running").then_some(());
        body.filter(|()| ditto.log().contains("group=last"))
    })
    .await;
    copy_three(&servers).await;
    assert_eq!(handed_over(&servers, "g").await, [6]);
}

#[tokio::test]
async fn the_log_level_changes_at_once() {
    let servers = Servers::start().await;
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    ditto.until_notified("1 subscription running", 1).await;
    ditto.configure(&(servers.configuration(&["g"]) + "[log]\nlevel = \"debug\"\n"));
    ditto.signal("HUP");
    until_reloads(&ditto, "applied", 1).await;
    seed(servers.source.store(), "customer-1", 1);
    ditto
        .until_logged("DEBUG Replicating customer_registered #0 from customer-1")
        .await;
}

#[tokio::test]
async fn reload_command_returns_the_verdict_of_the_daemon() {
    let servers = Servers::start().await;
    let good = servers.configuration(&["g"]);
    let runtime = tempfile::tempdir().expect("a folder");
    let mut daemon = command();
    daemon.env("RUNTIME_DIRECTORY", runtime.path());
    let ditto = Ditto::start_with(&good, daemon);
    let address = ditto.http().await;
    ditto.until_notified("READY=1", 1).await;
    let reload = |environment: &[(&str, &str)], arguments: &[&str]| {
        let output = command()
            .arg("reload")
            .args(arguments)
            .envs(environment.iter().copied())
            .output()
            .expect("the program");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        (output.status.code(), out + &err)
    };
    let url = format!("http://{address}");
    let folder = runtime.path().to_str().expect("UTF-8");
    let rows = [
        (
            servers.configuration(&["g", "h"]),
            0,
            "the new configuration is in use",
        ),
        (
            servers.configuration(&["g", "h"]),
            0,
            "the configuration is unchanged",
        ),
        (good.clone() + "\n[daemon]\nno_such = 1\n", 78, "no_such"),
        (good.replace("127.0.0.1:0", "127.0.0.1:1"), 78, "restart"),
        (good.clone(), 0, "the new configuration is in use"),
    ];
    for (file, code, text) in rows {
        ditto.configure(&file);
        let (ended, said) = reload(&[("RUNTIME_DIRECTORY", folder)], &[]);
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains(text), "{text}: {said}");
    }
    let main = ditto.pid().to_string();
    assert_eq!(reload(&[("MAINPID", &main)], &["--url", &url]).0, Some(0));
    let (ended, said) = reload(&[("MAINPID", "1")], &["--url", &url]);
    assert_eq!(ended, Some(1));
    assert!(said.contains("the service is process 1"), "{said}");
}

#[tokio::test]
async fn status_needs_only_the_address_of_a_configuration() {
    let servers = Servers::start().await;
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let address = ditto.http().await;
    ditto.until_notified("1 subscription running", 1).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    let file = file.to_str().expect("UTF-8");
    let elsewhere = "127.0.0.1:1";
    std::fs::write(file, "").expect("written");
    let output = command()
        .args(["status", "--config", file])
        .env("DITTO__Http__listen", elsewhere)
        .output()
        .expect("the program");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(elsewhere), "{said}");
    let rows = [
        (
            format!("[http]\nlisten = \"{address}\"\n[source]\nno_such = 1\n"),
            0,
            "running",
        ),
        (
            "[http]\nlisten = \"here\"\n".to_owned(),
            1,
            "http.listen: \"here\" is no address",
        ),
        ("[source]\npassword = secret\n".to_owned(), 1, "is not TOML"),
    ];
    for (text, code, said) in rows {
        std::fs::write(file, text).expect("written");
        let (ended, out, err) = ask(&["status", "--config", file]);
        assert_eq!(ended, Some(code), "{out}{err}");
        assert!(format!("{out}{err}").contains(said), "{out}{err}");
        assert!(!err.contains("secret"), "{err}");
    }
}
