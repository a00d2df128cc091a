//! The supervisor with pipelines that are scripted: starts, restarts, reloads, stops. No server takes part.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ditto::config::load::{Environment, load};
use ditto::daemon::{Control, Finish, Launch, Notifier, Parts, Run, Running, run};
use ditto::metrics::Metrics;
use ditto::pipeline::replicate::Outcome;
use ditto::report::Reporter;
use ditto::status::ProcessStatus;
use ditto_core::port::{PipelineState, Report};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a scripted pipeline does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    /// Runs until it is told to stop.
    Obey,
    /// Panics at once; the next run obeys.
    PanicOnce,
    /// Stands still at once; the next run obeys.
    StallOnce,
    /// Ends with a reason for the operator.
    Refuse,
    /// Never ends, whatever it is told.
    Ignore,
}

/// What happened to a scripted pipeline: `(group, what)`.
type Event = (String, &'static str);

struct Scripted {
    scripts: Mutex<HashMap<String, Script>>,
    events: mpsc::UnboundedSender<Event>,
}

impl Launch for Scripted {
    fn launch(&self, mut run: Run) -> Running {
        let group = run.settings.key().group.to_string();
        let script = {
            let mut scripts = self.scripts.lock().expect("no panic");
            let script = scripts.get(&group).copied().unwrap_or(Script::Obey);
            if matches!(script, Script::PanicOnce | Script::StallOnce) {
                scripts.insert(group.clone(), Script::Obey);
            }
            script
        };
        let events = self.events.clone();
        Box::pin(async move {
            events.send((group.clone(), "began")).expect("a listener");
            match script {
                Script::PanicOnce => panic!("as scripted"),
                Script::StallOnce => return Outcome::Stalled,
                Script::Refuse => return Outcome::Refused("as scripted".to_owned()),
                Script::Obey | Script::Ignore => {}
            }
            let key = run.settings.key();
            Reporter::new(key, run.observer, "eventstore", true)
                .report(&Report::State(PipelineState::Running));
            if script == Script::Ignore {
                std::future::pending::<()>().await;
            }
            run.stop.wait_for(Option::is_some).await.expect("a keeper");
            events.send((group, "ended")).expect("a listener");
            Outcome::Stopped {
                clean: true,
                left: 0,
            }
        })
    }
}

struct Daemon {
    file: PathBuf,
    _folder: tempfile::TempDir,
    control: mpsc::Sender<Control>,
    events: mpsc::UnboundedReceiver<Event>,
    board: Arc<ProcessStatus>,
    metrics: Arc<Metrics>,
    task: JoinHandle<Finish>,
}

impl Daemon {
    fn start(configuration: &str, scripts: &[(&str, Script)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ditto.toml");
        write(&file, configuration);
        let settings = load(&file, &Environment::default())
            .expect("valid")
            .settings;
        let (control, requests) = mpsc::channel(16);
        let (sender, events) = mpsc::unbounded_channel();
        let launcher = Scripted {
            scripts: Mutex::new(
                scripts
                    .iter()
                    .map(|(group, script)| ((*group).to_owned(), *script))
                    .collect(),
            ),
            events: sender,
        };
        let board = ProcessStatus::new();
        let metrics = Metrics::new().expect("metrics");
        metrics.show(board.clone()).expect("gauges");
        let path = file.clone();
        let parts = Parts {
            launcher: Arc::new(launcher),
            pipelines: tokio::runtime::Handle::current(),
            status: board.clone(),
            metrics: metrics.clone(),
            notifier: Notifier::default(),
            control: requests,
            load: Arc::new(move || load(&path, &Environment::default())),
            log: None,
            file: file.clone(),
            until_caught_up: false,
        };
        let task = tokio::spawn(run(settings, parts));
        Self {
            file,
            _folder: folder,
            control,
            events,
            board,
            metrics,
            task,
        }
    }

    async fn expect(&mut self, group: &str, what: &str) {
        let event = timeout(PATIENCE, self.events.recv())
            .await
            .expect("in time")
            .expect("an event");
        assert_eq!((event.0.as_str(), event.1), (group, what));
    }

    async fn reload(&self, configuration: &str) {
        write(&self.file, configuration);
        self.control.send(Control::Reload).await.expect("a daemon");
    }

    async fn state(&self, group: &str, wanted: fn(&PipelineState) -> bool) {
        let mut changes = self.board.watch();
        let reached = async {
            loop {
                let views = self.board.views();
                if views
                    .iter()
                    .any(|view| &*view.key.group == group && wanted(&view.state))
                {
                    return;
                }
                changes.changed().await.expect("a board");
            }
        };
        timeout(PATIENCE, reached).await.expect("the state in time");
    }

    async fn metric(&self, line: &str) {
        let there = async {
            loop {
                let text = self.metrics.render().expect("text");
                if text.lines().any(|found| found == line) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, there).await.expect("the metric in time");
    }

    async fn stop(self) -> Finish {
        self.control.send(Control::Stop).await.expect("a daemon");
        timeout(PATIENCE, self.task)
            .await
            .expect("in time")
            .expect("no panic")
    }
}

fn write(file: &std::path::Path, text: &str) {
    std::fs::write(file, text).expect("written");
}

fn configuration(groups: &[&str]) -> String {
    let mut text = "[source]\nconnection_string = \"esdb://source.invalid:1\"\n[destination]\n\
                    connection_string = \"esdb://destination.invalid:1\"\n[daemon]\nshutdown_timeout = \"1s\"\n"
        .to_owned();
    for group in groups {
        text += &format!("[[subscription]]\nstream = \"s\"\ngroup = \"{group}\"\n");
    }
    text
}

#[tokio::test]
async fn a_pipeline_that_fails_is_started_again_and_the_others_run_on() {
    for script in [Script::PanicOnce, Script::StallOnce] {
        let mut daemon = Daemon::start(&configuration(&["bad", "good"]), &[("bad", script)]);
        daemon
            .state("good", |state| *state == PipelineState::Running)
            .await;
        daemon
            .state("bad", |state| *state == PipelineState::Running)
            .await;
        daemon
            .metric("ditto_subscription_restarts_total{group=\"bad\",stream=\"s\",app=\"ditto\"} 1")
            .await;
        daemon
            .metric(
                "ditto_subscription_restarts_total{group=\"good\",stream=\"s\",app=\"ditto\"} 0",
            )
            .await;
        for (group, state) in [("bad", "running"), ("good", "running")] {
            let of = format!("group=\"{group}\",state=\"{state}\",stream=\"s\",app=\"ditto\"");
            daemon
                .metric(&format!("ditto_subscription_state{{{of}}} 1"))
                .await;
        }
        let mut began: Vec<Event> = Vec::new();
        while let Ok(event) = daemon.events.try_recv() {
            began.push(event);
        }
        began.sort();
        assert_eq!(
            began
                .iter()
                .map(|event| event.0.as_str())
                .collect::<Vec<_>>(),
            ["bad", "bad", "good"],
            "{script:?}"
        );
        assert!(daemon.stop().await.clean);
    }
}

#[tokio::test]
async fn refused_pipeline_stays_stopped_until_a_reload() {
    let mut daemon = Daemon::start(&configuration(&["refused"]), &[("refused", Script::Refuse)]);
    daemon.expect("refused", "began").await;
    daemon
        .state("refused", |state| {
            matches!(state, PipelineState::Stopped(_))
        })
        .await;
    assert!(
        daemon
            .board
            .summary()
            .contains("1 stopped: s::refused (as scripted)"),
        "{}",
        daemon.board.summary()
    );
    for (state, is) in [("stopped", 1), ("running", 0)] {
        let of = format!("group=\"refused\",state=\"{state}\",stream=\"s\",app=\"ditto\"");
        daemon
            .metric(&format!("ditto_subscription_state{{{of}}} {is}"))
            .await;
    }
    daemon.reload(&configuration(&["refused"])).await;
    daemon.expect("refused", "began").await;
    daemon
        .state("refused", |state| {
            matches!(state, PipelineState::Stopped(_))
        })
        .await;
    daemon
        .reload(&(configuration(&["refused"]) + "buffer_size = 7\n"))
        .await;
    daemon.expect("refused", "began").await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_reload_touches_only_what_differs() {
    let kept = configuration(&["kept"]);
    for new in [
        "[[subscription]]\nstream = \"s\"\ngroup = \"new\"\n",
        "[[mirror]]\nname = \"new\"\nexclude_streams = [\"s\"]\n",
    ] {
        let mut daemon = Daemon::start(&kept, &[]);
        daemon.expect("kept", "began").await;
        let with_new = kept.clone() + new;
        daemon.reload(&with_new).await;
        daemon.expect("new", "began").await;
        daemon.reload(&(with_new + "read_only = true\n")).await;
        daemon.expect("new", "ended").await;
        daemon.expect("new", "began").await;
        daemon.reload(&kept).await;
        daemon.expect("new", "ended").await;
        daemon
            .metric("ditto_reloads_total{result=\"applied\",app=\"ditto\"} 3")
            .await;
        assert!(
            daemon.events.try_recv().is_err(),
            "the kept one noticed nothing"
        );
        let text = daemon.metrics.render().expect("text");
        daemon.stop().await;
        assert!(text.contains("group=\"kept\""));
    }
}

#[tokio::test]
async fn a_removed_subscription_has_no_series_any_more() {
    let mut daemon = Daemon::start(&configuration(&["kept", "gone"]), &[]);
    for _ in 0..2 {
        timeout(PATIENCE, daemon.events.recv())
            .await
            .expect("in time")
            .expect("an event");
    }
    daemon.reload(&configuration(&["kept"])).await;
    daemon.expect("gone", "ended").await;
    let gone = async {
        while daemon
            .metrics
            .render()
            .expect("text")
            .contains("group=\"gone\"")
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, gone)
        .await
        .expect("the series go in time");
    daemon.stop().await;
}

#[tokio::test]
async fn a_refused_reload_changes_nothing_and_says_so() {
    let restart = configuration(&["kept"]).replace("destination.invalid", "other.invalid");
    for (bad, reason) in [
        ("[source", "not TOML"),
        (restart.as_str(), "[destination] needs a restart"),
    ] {
        let mut daemon = Daemon::start(&configuration(&["kept"]), &[]);
        daemon.expect("kept", "began").await;
        daemon.reload(bad).await;
        daemon
            .metric("ditto_reloads_total{result=\"refused\",app=\"ditto\"} 1")
            .await;
        assert!(daemon.events.try_recv().is_err(), "{reason}");
        daemon.reload(&configuration(&["kept"])).await;
        daemon
            .metric("ditto_reloads_total{result=\"unchanged\",app=\"ditto\"} 1")
            .await;
        assert!(daemon.events.try_recv().is_err(), "{reason}");
        assert!(daemon.stop().await.clean);
    }
}

#[tokio::test]
async fn removed_and_wanted_again_at_once_runs_one_form_after_the_other() {
    let mut daemon = Daemon::start(&configuration(&["one"]), &[]);
    daemon.expect("one", "began").await;
    daemon.reload(&configuration(&[])).await;
    daemon
        .metric("ditto_reloads_total{result=\"applied\",app=\"ditto\"} 1")
        .await;
    daemon.reload(&configuration(&["one"])).await;
    daemon.expect("one", "ended").await;
    daemon.expect("one", "began").await;
    assert!(daemon.stop().await.clean);
}

#[tokio::test]
async fn a_pipeline_that_does_not_stop_is_cut_off_at_the_deadline() {
    let mut daemon = Daemon::start(
        &configuration(&["deaf", "good"]),
        &[("deaf", Script::Ignore)],
    );
    for _ in 0..2 {
        timeout(PATIENCE, daemon.events.recv())
            .await
            .expect("in time")
            .expect("an event");
    }
    assert!(!daemon.stop().await.clean);
}

#[tokio::test]
async fn asked_to_stop_twice_it_stops_at_once() {
    let text = configuration(&["deaf"]).replace("\"1s\"", "\"1h\"");
    let mut daemon = Daemon::start(&text, &[("deaf", Script::Ignore)]);
    daemon.expect("deaf", "began").await;
    daemon.control.send(Control::Stop).await.expect("a daemon");
    assert!(!daemon.stop().await.clean);
}
