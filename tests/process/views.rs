//! Every view of the state says the same: `/status`, `/readyz`, metrics, STATUS, `ditto status`; in every state.
//!
//! Never says which state is right for a cause: `serving`, `reloading` and the others do.

use std::net::SocketAddr;

use devstore::store::{Expected, Proposed};
use devstore::{Fault, FaultKind};
use ditto_core::port::PipelineState;
use eventstore::{PersistentSubscriptionOptions, PersistentSubscriptionSettings, StreamPosition};
use serde_json::Value;

use super::support::{Ditto, Servers, ask, foreign_client, get, seed, until, until_or};

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
        let mut all = Compared::default();
        self.compare_metrics(&mut all);
        self.compare_process(&mut all);
        self.compare_verdicts(&mut all);
        all.0
    }

    /// The subscription in `/status` and in metrics.
    fn compare_metrics(&self, all: &mut Compared) {
        let one = self.subscription();
        for word in PipelineState::ALL.each_ref().map(PipelineState::as_str) {
            let is = one["state"] == word;
            let label = format!("state=\"{word}\"");
            let series = self.metric("ditto_subscription_state", &label);
            all.same(word, Some(f64::from(u8::from(is))), series);
        }
        for (key, name) in [
            ("lag_events", "ditto_lag_events"),
            ("parked", "ditto_parked_events"),
            ("repaired", "ditto_repaired_events_total"),
        ] {
            all.same(name, one[key].as_f64(), self.metric(name, ""));
        }
        let series = self.metric("ditto_lag_seconds", "");
        all.same(
            "lag_seconds",
            one["lag_seconds"].is_number(),
            series.is_some(),
        );
        all.same("held", one["held"].as_f64(), Some(self.held()));
    }

    fn held(&self) -> f64 {
        let of = |reason| self.metric("ditto_streams_held", &format!("reason=\"{reason}\""));
        let reasons = ["conflict", "missing_history", "refused", "unverified"];
        reasons
            .into_iter()
            .filter_map(of)
            .fold(0.0, |all, count| all + count)
    }

    fn was_refused(&self) -> bool {
        self.status["last_reload"]["result"] == "refused"
    }

    /// The process in `/status`, metrics and STATUS.
    fn compare_process(&self, all: &mut Compared) {
        for side in ["source", "destination"] {
            let told = self.status[&format!("{side}_answers")].as_bool();
            let up = self.metric("ditto_up", &format!("side=\"{side}\""));
            all.same(side, told, up.map(|up| up > 0.0));
        }
        let successful = f64::from(u8::from(!self.was_refused()));
        let series = self.metric("ditto_config_last_reload_successful", "");
        all.same("reload", Some(successful), series);
        let summary = self.status["summary"].as_str().unwrap_or_default();
        all.same("STATUS", summary, self.notified.as_str());
    }

    /// Readiness, and what `ditto status` shows and ends with.
    fn compare_verdicts(&self, all: &mut Compared) {
        let lines = |key: &str| {
            let lines = self.status[key].as_array().map_or(&[][..], Vec::as_slice);
            let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
            lines.join("\n")
        };
        let unready = lines("unready");
        let expected = if unready.is_empty() {
            (200, "ok\n".to_owned())
        } else {
            (503, unready.clone() + "\n")
        };
        all.same("/readyz", &expected, &self.ready);
        let well = unready.is_empty() && self.held() == 0.0 && !self.was_refused();
        let well = well && lines("unhealthy").is_empty();
        all.same("exit code", Some(i32::from(!well)), self.command.0);
        let one = self.subscription();
        let row = self.command.1.lines().last().unwrap_or_default();
        let shown = row.split_whitespace().nth(2);
        all.same("table", one["state"].as_str(), shown);
        let unknown = one["lag_events"].is_null() || one["parked"].is_null();
        all.same("unknown", unknown, row.contains('?'));
    }
}

#[derive(Default)]
struct Compared(Vec<String>);

impl Compared {
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, status: T, there: T) {
        if status != there {
            self.0
                .push(format!("{what}: {status:?} in /status, {there:?} there"));
        }
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
    for (keys, seeded, cure) in [
        ("create = false\n", false, "ditto checks again within 30 s"),
        (
            "on_conflict = \"stop\"\n",
            true,
            "names, then run \"systemctl reload ditto\"",
        ),
    ] {
        let servers = Servers::start().await;
        if seeded {
            seed(servers.destination.store(), "customer-1", 1);
            seed(servers.source.store(), "customer-1", 1);
        }
        let ditto = Ditto::start(&(servers.configuration(&["g"]) + keys));
        let address = ditto.http().await;
        let advises = |views: &Views| {
            let advice = &views.subscription()["advice"];
            is("stopped")(views) && advice.to_string().replace('\\', "").contains(cure)
        };
        agree(&ditto, address, advises).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn views_agree_while_lost_links_are_searched_for() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 3);
    let truncated = Proposed {
        id: uuid::Uuid::new_v4(),
        event_type: "$metadata".into(),
        is_json: true,
        data: r#"{"$tb":2}"#.into(),
        metadata: Vec::new().into(),
    };
    let store = servers.source.store();
    store
        .append("$$$ce-customer", Expected::Any, vec![truncated])
        .expect("metadata");
    // It searches until the streams that it found are copied.
    let late = Fault::new(FaultKind::BatchLate { ms: 5_000 });
    servers.destination.faults().add(late);
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let address = ditto.http().await;
    agree(&ditto, address, is("searching")).await;
    servers.destination.faults().clear();
    agree(&ditto, address, is("running")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_agree_on_a_subscription_stopped_for_rights() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 3);
    let faults = servers.destination.faults();
    for call in ["BatchAppend", "Streams/Append"] {
        faults.add(Fault::new(FaultKind::AccessDenied).in_call(call));
    }
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let address = ditto.http().await;
    agree(&ditto, address, |views| {
        let reason = views.subscription()["reason"].to_string();
        is("stopped")(views) && reason.contains("no permission to write any stream")
    })
    .await;
    faults.clear();
    agree(&ditto, address, is("running")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_agree_on_events_repaired_since_the_start() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 5);
    let settings = PersistentSubscriptionSettings {
        resolve_link_tos: true,
        start_from: StreamPosition::Position(3),
        ..PersistentSubscriptionSettings::default()
    };
    let options = PersistentSubscriptionOptions::default().settings(settings);
    foreign_client(&servers.source)
        .create_persistent_subscription("$ce-customer", "g", &options)
        .await
        .expect("a group");
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let address = ditto.http().await;
    agree(&ditto, address, |views| {
        let one = views.subscription();
        let (repairs, repaired) = (&one["repairs"], &one["repaired"]);
        (repairs, repaired, &one["copied"]) == (&0.into(), &3.into(), &5.into())
    })
    .await;
}
