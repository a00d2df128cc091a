//! Every view of the state says the same: `/status`, `/readyz`, metrics, STATUS, `ditto status`; in every state.
//!
//! Never says which state is right for a cause: `serving`, `reloading` and the others do.

use std::net::SocketAddr;

use devstore::{Fault, FaultKind};
use serde_json::Value;

use super::support::{Ditto, Servers, ask, get, seed, until, until_or};

/// All views at one moment.
struct Views {
    status: Value,
    ready: (u16, String),
    metrics: String,
    notified: String,
    command: (Option<i32>, String),
}

impl Views {
    fn of(ditto: &Ditto, address: SocketAddr) -> Self {
        let ready = get(address, "/readyz");
        let told = ditto.notified();
        let last = told
            .iter()
            .rev()
            .find_map(|one| one.strip_prefix("STATUS="));
        let (code, shown, _) = ask(&["status", "--url", &format!("http://{address}")]);
        Self {
            status: serde_json::from_str(&get(address, "/status").body).expect("JSON"),
            ready: (ready.status, ready.body),
            metrics: get(address, "/metrics").body,
            notified: last.unwrap_or_default().trim_end().to_owned(),
            command: (code, shown),
        }
    }

    fn subscription(&self) -> &Value {
        &self.status["subscriptions"][0]
    }

    /// The value of a series; `None`: there is none.
    fn metric(&self, name: &str, label: &str) -> Option<f64> {
        let line = self.metrics.lines().find(|line| {
            let of_name = line.strip_prefix(name);
            of_name.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        })?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// What is said differently in two places.
    fn differences(&self) -> Vec<String> {
        let one = self.subscription();
        let mut all = Vec::new();
        let mut same = |what: &str, left: String, right: String| {
            if left != right {
                all.push(format!("{what}: {left} in /status, {right} there"));
            }
        };
        let known = |value: &Value| format!("{:?}", value.as_f64());
        let state = one["state"].as_str().unwrap_or_default();
        for word in ditto::status::STATES {
            let label = format!("state=\"{word}\"");
            let is = self.metric("ditto_subscription_state", &label);
            same(
                word,
                format!("{:?}", Some(f64::from(u8::from(word == state)))),
                format!("{is:?}"),
            );
        }
        for (key, name) in [
            ("lag_events", "ditto_lag_events"),
            ("parked", "ditto_parked_events"),
        ] {
            same(
                name,
                known(&one[key]),
                format!("{:?}", self.metric(name, "")),
            );
        }
        let lag_is_known = one["lag_seconds"].is_number();
        let has_series = self.metric("ditto_lag_seconds", "").is_some();
        same(
            "lag_seconds",
            lag_is_known.to_string(),
            has_series.to_string(),
        );
        let reasons = ["conflict", "missing_history", "refused", "unverified"];
        let held: f64 = reasons
            .iter()
            .filter_map(|reason| self.metric("ditto_streams_held", &format!("reason=\"{reason}\"")))
            .fold(0.0, |all, count| all + count);
        same("held", known(&one["held"]), format!("{:?}", Some(held)));
        for side in ["source", "destination"] {
            let told = self.status[&format!("{side}_answers")].as_bool();
            let up = self.metric("ditto_up", &format!("side=\"{side}\""));
            same(
                side,
                format!("{told:?}"),
                format!("{:?}", up.map(|up| up > 0.0)),
            );
        }
        let reload = &self.status["last_reload"];
        let refused = reload["result"] == "refused";
        let series = self.metric("ditto_config_last_reload_successful", "");
        same(
            "reload",
            format!("{:?}", Some(f64::from(u8::from(!refused)))),
            format!("{series:?}"),
        );

        let lines = |value: &Value| {
            let lines = value.as_array().map_or(&[][..], Vec::as_slice);
            lines
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let unready = lines(&self.status["unready"]);
        let expected = if unready.is_empty() {
            (200, "ok\n".to_owned())
        } else {
            (503, unready.clone() + "\n")
        };
        same(
            "/readyz",
            format!("{expected:?}"),
            format!("{:?}", self.ready),
        );
        let summary = self.status["summary"].as_str().unwrap_or_default();
        same("STATUS", summary.to_owned(), self.notified.clone());
        let well = unready.is_empty()
            && held == 0.0
            && !refused
            && lines(&self.status["unhealthy"]).is_empty();
        same(
            "exit code",
            format!("{:?}", Some(i32::from(!well))),
            format!("{:?}", self.command.0),
        );
        let row = self.command.1.lines().last().unwrap_or_default().to_owned();
        same(
            "table",
            state.to_owned(),
            row.split_whitespace().nth(2).unwrap_or_default().to_owned(),
        );
        let unknown = one["lag_events"].is_null() || one["parked"].is_null();
        same(
            "unknown",
            unknown.to_string(),
            row.contains('?').to_string(),
        );
        all
    }
}

/// Waits until a subscription is in this state and every view says so.
async fn agree(ditto: &Ditto, address: SocketAddr, is_there: impl Fn(&Views) -> bool) {
    let last = std::cell::RefCell::new(String::new());
    until_or(
        || last.borrow().clone(),
        || {
            let views = Views::of(ditto, address);
            let differences = views.differences();
            *last.borrow_mut() = format!(
                "{differences:#?}\n{}\n{}\n{}",
                views.status["summary"], views.command.1, views.metrics
            );
            (is_there(&views) && differences.is_empty()).then_some(())
        },
    )
    .await;
}

fn is(state: &'static str) -> impl Fn(&Views) -> bool {
    move |views| views.subscription()["state"] == state
}

#[tokio::test(flavor = "multi_thread")]
async fn views_agree_from_connecting_to_running_and_through_lost_servers() {
    let servers = Servers::start().await;
    servers.source.stop().await;
    servers.destination.stop().await;
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let address = ditto.http().await;
    agree(&ditto, address, is("retrying")).await;
    servers.source.start_again().await.expect("the same port");
    agree(&ditto, address, |views| {
        is("retrying")(views) && views.status["source_answers"] == true
    })
    .await;
    servers
        .destination
        .start_again()
        .await
        .expect("the same port");
    agree(&ditto, address, is("running")).await;
    servers.source.stop().await;
    agree(&ditto, address, |views| {
        is("retrying")(views) && views.subscription()["lag_events"].is_null()
    })
    .await;
    servers.source.start_again().await.expect("the same port");
    agree(&ditto, address, is("running")).await;
    servers.destination.stop().await;
    agree(&ditto, address, |views| {
        is("retrying")(views) && views.status["destination_answers"] == false
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_agree_while_a_source_takes_calls_and_never_answers() {
    let servers = Servers::start().await;
    servers
        .source
        .faults()
        .add(Fault::new(FaultKind::Unanswered));
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let address = ditto.http().await;
    agree(&ditto, address, is("connecting")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_agree_on_a_standby() {
    let servers = Servers::start().await;
    let first = Ditto::start(&servers.configuration(&["g"]));
    first.until_notified("1 subscription running", 1).await;
    let second = Ditto::start(&servers.configuration(&["g"]));
    let address = second.http().await;
    agree(&second, address, is("standby")).await;
    servers.destination.stop().await;
    agree(&second, address, |views| {
        is("standby")(views) && views.status["destination_answers"] == false
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_agree_on_held_streams_parked_events_and_refused_reloads() {
    let servers = Servers::start().await;
    seed(servers.destination.store(), "customer-1", 1);
    seed(servers.source.store(), "customer-1", 3);
    let good = servers.configuration(&["g"]);
    let ditto = Ditto::start(&good);
    let address = ditto.http().await;
    agree(&ditto, address, |views| {
        views.subscription()["held"] == 1 && views.subscription()["parked"] == 3
    })
    .await;
    ditto.configure(&(good.clone() + "\n[daemon]\nno_such_key = 1\n"));
    ditto.signal("HUP");
    agree(&ditto, address, |views| {
        views.status["last_reload"]["result"] == "refused"
    })
    .await;
    ditto.configure(&good);
    ditto.signal("HUP");
    agree(&ditto, address, |views| {
        views.status["last_reload"]["result"] == "unchanged"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_agree_on_stopped_subscriptions_and_a_reload_starts_them_again() {
    for (keys, seeded) in [
        ("create = false\n", false),
        ("on_conflict = \"stop\"\n", true),
    ] {
        let servers = Servers::start().await;
        if seeded {
            seed(servers.destination.store(), "customer-1", 1);
            seed(servers.source.store(), "customer-1", 1);
        }
        let ditto = Ditto::start(&(servers.configuration(&["g"]) + keys));
        let address = ditto.http().await;
        agree(&ditto, address, is("stopped")).await;
        if seeded {
            let times = || {
                ditto
                    .log()
                    .matches("starting the stopped subscription again")
                    .count()
            };
            ditto.signal("HUP");
            until("it is started again", || (times() == 1).then_some(())).await;
            agree(&ditto, address, is("stopped")).await;
        }
    }
}
