//! No secret is ever shown: one marker password in every place where one can be, looked for in everything that ditto says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::support::{Ditto, Servers, ask, command, get, seed, until};

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
        let told = line_with_secret(&said);
        assert_eq!(told, None, "{place}");
        let settings =
            ditto::config::load::load(&ditto.file(), &ditto::config::load::Environment::default());
        let told = format!("{settings:?}");
        assert_eq!(line_with_secret(&told), None, "{place}: Debug");
        assert!(settings.is_ok(), "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_a_broken_configuration_is_in_no_log_status_or_error() {
    let servers = Servers::start().await;
    let good = servers.configuration(&["g"]);
    let source = servers.source.connection_string();
    let mut ditto = Ditto::start(&good);
    let address = ditto.http().await;
    ditto.until_notified("READY=1", 1).await;
    let mut said = String::new();
    for (index, bad) in [
        format!("esdb://admin:{MARKER}"),
        format!("admin:{MARKER}:host:2113"),
        format!("admin:{MARKER},host"),
        format!("esdb://admin:{MARKER},host:2113"),
        format!("esdb://admin:{MARKER}@a:2113,admin:{MARKER}@b:2113"),
        format!("esdb://admin:1?{MARKER}"),
        format!("{source}\"\nuser = \"u\"\npassword_file = \"{MARKER}"),
        format!("{source}\"\nuser = \"u\"\npassword_file = \"{MARKER}/x"),
    ]
    .iter()
    .enumerate()
    {
        ditto.configure(&good.replacen(&source, bad, 1));
        ditto.signal("HUP");
        let refusals = || ditto.log().matches("configuration is refused").count();
        until(bad, || (refusals() > index).then_some(())).await;
        said += &get(address, "/status").body;
        for command in ["check", "run"] {
            let (code, shown, error) = ask(&[command, "--config", &ditto.file().to_string_lossy()]);
            // A credential by name cannot be judged from a shell.
            let is_name = bad.ends_with(&format!("= \"{MARKER}"));
            let expected = if command == "check" && is_name { 0 } else { 78 };
            assert_eq!(code, Some(expected), "{command} {bad}: {shown}{error}");
            said += &(shown + &error);
        }
    }
    ditto.signal("TERM");
    assert_eq!(ditto.exit().await, Some(0));
    said += &ditto.log();
    said += &ditto.notified().join("\n");
    assert!(said.contains("reload refused"), "{said}");
    assert_eq!(line_with_secret(&said), None);
}

/// The first line that tells the password, plain or as it goes over the wire.
fn line_with_secret(text: &str) -> Option<&str> {
    let secrets = encoded(MARKER);
    text.lines().find(|line| {
        line.contains(MARKER) || secrets.iter().any(|secret| line.contains(secret.as_str()))
    })
}

/// What base64 makes of a text, wherever in a longer text it begins: three forms, without the characters that its neighbours
/// have a part in.
fn encoded(text: &str) -> [String; 3] {
    [0, 1, 2].map(|before| {
        let whole = STANDARD.encode(format!("{}{text}", "x".repeat(before)));
        let first = (before * 8).div_ceil(6);
        let last = (before + text.len()) * 8 / 6;
        whole[first..last].to_owned()
    })
}

#[test]
fn a_password_is_found_in_basic_credentials_too() {
    for user in ["a", "ab", "abc", "someone"] {
        let header = STANDARD.encode(format!("{user}:{MARKER}"));
        let said = format!("nothing\nauthorization: Basic {header}");
        assert!(line_with_secret(&said).is_some(), "{user}");
    }
    assert_eq!(line_with_secret("m4rker, p4ssword"), None);
}
