//! `ditto mirror`: what the commands show and do beside a daemon that copies. Never asserts a duration.

use devstore::{Options, Server};

use super::support::{Ditto, Servers, ask, seed, until};
use support::servers::write;

fn configuration(source: &Server, destination: &Server) -> String {
    format!(
        "[source]\nconnection_string = \"{}\"\n[destination]\nconnection_string = \"{}\"\n[http]\nlisten = \
         \"127.0.0.1:0\"\n[[mirror]]\nname = \"all\"\n",
        source.connection_string(),
        destination.connection_string()
    )
}

fn mirror(daemon: &Ditto, arguments: &[&str]) -> (Option<i32>, String, String) {
    let file = daemon.file();
    let file = file.to_str().expect("UTF-8");
    ask(&[&["mirror"], arguments, &["--config", file]].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn mirror_is_shown_and_set_back_beside_the_daemon() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 3);
    let daemon = Ditto::start(&configuration(&servers.source, &servers.destination));
    servers.until_equal().await;
    until("the mark is shown", || {
        let (code, said, complaint) = mirror(&daemon, &["status", "all"]);
        let shows = |text| said.contains(text);
        match shows("after event 2 of stream customer-1") && shows("rules   +*") {
            true if code == Some(0) => Ok(()),
            _ => Err(format!("{said}{complaint}")),
        }
    })
    .await;
    for (arguments, expected) in [
        (
            &["reset", "all"][..],
            "reset; it goes on from the beginning of the source's log",
        ),
        (&["reset", "--keep-mark", "all"], "reset; it goes on from"),
    ] {
        // A checkpoint of the daemon's can come between the command's two calls.
        until("it is reset", || match mirror(&daemon, arguments) {
            (Some(0), said, _) if said.contains(expected) => Ok(()),
            (_, said, complaint) => Err(format!("{said}{complaint}")),
        })
        .await;
        seed(servers.source.store(), "customer-1", 2);
        servers.until_equal().await;
    }
    let (code, said, complaint) = mirror(&daemon, &["status", "other"]);
    assert_eq!((code, said.as_str()), (Some(64), ""));
    let expected = "ditto: no mirror \"other\" is configured; there are: all\n";
    assert_eq!(complaint, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn mirror_of_an_exchanged_source_goes_on_after_a_reset_alone() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 3);
    let mut first = Ditto::start(&configuration(&servers.source, &servers.destination));
    servers.until_equal().await;
    first.signal("TERM");
    assert_eq!(first.exit().await, Some(0));
    let other = Server::start(Options::default()).await.expect("a server");
    seed(other.store(), "customer-2", 3);
    let second = Ditto::start(&configuration(&other, &servers.destination));
    let line = second.until_logged("mirror stopped").await;
    assert!(line.contains("is not the one that was copied"), "{line}");
    let copied = || {
        support::difference::stream_difference(
            "customer-2",
            other.store(),
            servers.destination.store(),
        )
    };
    assert!(copied().is_err());
    let (code, said, complaint) = mirror(&second, &["reset", "all"]);
    assert_eq!(code, Some(0), "{said}{complaint}");
    until("the other source is copied", copied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn run_until_caught_up_ends_and_tells_of_streams_that_are_held() {
    let servers = Servers::start().await;
    let copy = |sections: &str| {
        let text = format!("{}{sections}", servers.configuration(&[]));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ditto.toml");
        std::fs::write(&file, text).expect("written");
        let file = file.to_str().expect("UTF-8");
        ask(&["run", "--until", "caught-up", "--config", file]).0
    };
    let mirror = "[[mirror]]\nname = \"all\"\n";
    let subscription = "[[subscription]]\nstream = \"$ce-customer\"\ngroup = \"g\"\n";
    seed(servers.source.store(), "customer-1", 300);
    assert_eq!(copy(mirror), Some(0));
    assert!(servers.is_copied("customer-1"));
    seed(servers.source.store(), "customer-2", 300);
    assert_eq!(copy(subscription), Some(0));
    assert!(servers.is_copied("customer-2"));
    // What somebody else wrote.
    seed(servers.destination.store(), "order-1", 2);
    write(servers.source.store(), "order-1", "other", true, "{}");
    assert_eq!(copy(mirror), Some(2));
}
