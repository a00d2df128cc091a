//! No secret is ever shown: one marker password in every place where one can be, looked for in everything that ditto says.

use super::support::{Ditto, Servers, command, get, seed, until};

const MARKER: &str = "m4rker-p4ssword";

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_in_no_output_log_status_or_error() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 3);
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, MARKER).expect("written");
    let base = servers.configuration(&["g"])
        + "[log]\nlevel = \"trace,h2=trace,hyper=trace,tonic=trace,tower=trace\"\n";
    let source = servers.source.connection_string();
    let destination = servers.destination.connection_string();
    let in_key = format!("{source}\"\nuser = \"someone\"\npassword = \"{MARKER}");
    let in_file = format!(
        "{source}\"\nuser = \"someone\"\npassword_file = \"{}",
        secret.display()
    );
    let in_string = source.replace("esdb://", &format!("esdb://someone:{MARKER}@"));
    let at_destination = destination.replace("esdb://", &format!("esdb://someone:{MARKER}@"));
    for (place, text) in [
        ("password", base.replacen(&source, &in_key, 1)),
        ("password_file", base.replacen(&source, &in_file, 1)),
        ("connection_string", base.replacen(&source, &in_string, 1)),
        (
            "destination",
            base.replacen(&destination, &at_destination, 1),
        ),
    ] {
        let mut ditto = Ditto::start(&text);
        let address = ditto.http().await;
        until(place, || servers.is_copied("customer-1").then_some(())).await;
        ditto.until_notified("READY=1", 1).await;
        let mut said = String::new();
        for path in ["/status", "/metrics", "/", "/readyz", "/healthz"] {
            said += &get(address, path).body;
        }
        // A reload that fails talks about what it read.
        ditto.configure(&text.replace("[http]", "[http\n"));
        ditto.signal("HUP");
        ditto.until_logged("the new configuration is refused").await;
        ditto.configure(&text.replace("127.0.0.1:0", "nowhere"));
        for arguments in [
            &["check", "--connect"][..],
            &["check"],
            &["status"],
            &["run"],
        ] {
            let output = command()
                .args(arguments)
                .arg("--config")
                .arg(ditto.file())
                .output()
                .expect("the program");
            said += &String::from_utf8_lossy(&output.stdout);
            said += &String::from_utf8_lossy(&output.stderr);
        }
        ditto.configure(&text);
        let output = command()
            .args(["check", "--connect", "--config"])
            .arg(ditto.file())
            .output()
            .expect("the program");
        said += &String::from_utf8_lossy(&output.stdout);
        ditto.signal("TERM");
        assert_eq!(ditto.exit().await, Some(0));
        said += &ditto.log();
        said += &ditto.notified().join("\n");
        assert!(
            !said.contains(MARKER),
            "{place}: {}",
            line_with_marker(&said)
        );
        let settings =
            ditto::config::load::load(&ditto.file(), &ditto::config::load::Environment::default());
        assert!(!format!("{settings:?}").contains(MARKER), "{place}: Debug");
        assert!(settings.is_ok(), "{place}");
    }
}

fn line_with_marker(text: &str) -> &str {
    text.lines()
        .find(|line| line.contains(MARKER))
        .unwrap_or_default()
}
