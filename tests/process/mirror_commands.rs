//! `ditto mirror`: what the commands show and do beside a daemon that copies. Never asserts a duration.

use devstore::{Options, Server};

use super::support::{Ditto, Servers, ask, seed, until};

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
