//! Tables of connection strings, good and bad. Never touches a file or a socket.

use super::*;

fn parse(text: &str) -> Result<ConnectionString, String> {
    ConnectionString::parse(text).map_err(|problems| {
        assert!(
            problems
                .iter()
                .all(|problem| problem.key == "connection_string")
        );
        problems
            .into_iter()
            .map(|problem| problem.message)
            .collect::<Vec<_>>()
            .join("; ")
    })
}

#[test]
fn hosts_and_schemes_are_understood() {
    let cases = [
        ("esdb://localhost", false, vec!["localhost:2113"]),
        ("esdb://localhost:4113/", false, vec!["localhost:4113"]),
        ("ESDB://localhost:1?tls=false", false, vec!["localhost:1"]),
        ("kurrentdb://10.1.2.3", false, vec!["10.1.2.3:2113"]),
        ("kdb://[::1]:2114?tls=false", false, vec!["[::1]:2114"]),
        ("kurrent://[fe80::1]", false, vec!["[fe80::1]:2113"]),
        (
            "esdb+discover://cluster.example.net",
            true,
            vec!["cluster.example.net:2113"],
        ),
        ("kurrentdb+discover://a:1", true, vec!["a:1"]),
        ("kdb+discover://a:1,b:2", true, vec!["a:1", "b:2"]),
        ("kurrent+discover://a", true, vec!["a:2113"]),
        (
            "esdb://u:p@a:1,b,[::1]:3?tls=false",
            true,
            vec!["a:1", "b:2113", "[::1]:3"],
        ),
    ];
    for (text, discover, seeds) in cases {
        let parsed = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            matches!(parsed.nodes, Nodes::Discover(_)),
            discover,
            "{text}"
        );
        assert_eq!(
            parsed
                .nodes
                .seeds()
                .iter()
                .map(Endpoint::to_string)
                .collect::<Vec<_>>(),
            seeds,
            "{text}"
        );
    }
}

#[test]
fn user_and_password_are_taken_out_and_decoded() {
    let cases = [
        ("esdb://a", None, None),
        ("esdb://admin:changeit@a", Some("admin"), Some("changeit")),
        (
            "esdb://admin:p%40ss%2Fw%3Frd%23%25%3A@a",
            Some("admin"),
            Some("p@ss/w?rd#%:"),
        ),
        ("esdb://admin:a:b@a", Some("admin"), Some("a:b")),
        ("esdb://admin:a@b@a", Some("admin"), Some("a@b")),
        ("esdb://us%C3%A9r:%e2%82%ac@a", Some("usér"), Some("€")),
        ("esdb://admin@a", Some("admin"), None),
        ("esdb://admin:@a", Some("admin"), Some("")),
    ];
    for (text, user, password) in cases {
        let parsed = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(parsed.user.as_deref(), user, "{text}");
        assert_eq!(
            parsed.password.as_ref().map(Secret::reveal),
            password,
            "{text}"
        );
        assert!(!format!("{parsed:?}").contains("changeit"));
    }
}

#[test]
fn parameters_are_taken_over_whatever_their_case() {
    let parsed = parse(
        "esdb://a?TLS=False&tlsverifycert=false&tlsCaFile=%2Fetc%2Fa%20b.pem&userCertFile=c&userKeyFile=k\
         &keepAliveInterval=20000&keepAliveTimeout=30000&nodePreference=LEADER&discoveryInterval=50&gossipTimeout=4000\
         &maxDiscoverAttempts=7&connectionName=copy@1&defaultDeadline=5000&throwOnAppendFailure=true",
    )
    .expect("valid");
    assert!(!parsed.tls && !parsed.tls_verify_cert);
    assert_eq!(parsed.tls_ca_file, Some("/etc/a b.pem".into()));
    assert_eq!(
        (parsed.user_cert_file, parsed.user_key_file),
        (Some("c".into()), Some("k".into()))
    );
    let keep_alive = parsed.keep_alive.expect("on");
    assert_eq!(
        (keep_alive.interval.as_secs(), keep_alive.timeout.as_secs()),
        (20, 30)
    );
    assert_eq!(parsed.discovery_interval.as_millis(), 50);
    assert_eq!(parsed.gossip_timeout.as_secs(), 4);
    assert_eq!(parsed.max_discover_attempts, 7);
    assert_eq!(parsed.call_timeout.as_secs(), 5);
    assert_eq!(parsed.connection_name.as_deref(), Some("copy@1"));
    assert_eq!(
        parsed.notes,
        ["throwOnAppendFailure has no effect in ditto"]
    );
}

#[test]
fn numbers_beyond_the_limits_are_clamped_with_a_warning() {
    let keep_alive = |parsed: &ConnectionString| parsed.keep_alive.map(|pings| pings.interval);
    let pings = |parsed: &ConnectionString| parsed.keep_alive.map(|pings| pings.timeout);
    let gossip = |parsed: &ConnectionString| Some(parsed.gossip_timeout);
    let discovery = |parsed: &ConnectionString| Some(parsed.discovery_interval);
    let deadline = |parsed: &ConnectionString| Some(parsed.call_timeout);
    let attempts = |parsed: &ConnectionString| {
        Some(Duration::from_millis(parsed.max_discover_attempts.into()))
    };
    type Read = fn(&ConnectionString) -> Option<Duration>;
    let cases: [(&str, &str, Read, Option<u64>, bool); 17] = [
        ("keepAliveInterval", "1000", keep_alive, Some(10_000), true),
        (
            "keepAliveInterval",
            "10000",
            keep_alive,
            Some(10_000),
            false,
        ),
        (
            "keepAliveInterval",
            "2147483647",
            keep_alive,
            Some(3_600_000),
            true,
        ),
        ("keepAliveInterval", "-1", keep_alive, None, false),
        ("keepAliveTimeout", "0", pings, Some(10_000), true),
        ("keepAliveTimeout", "1000", pings, Some(10_000), true),
        ("keepAliveTimeout", "-1", pings, None, false),
        ("gossipTimeout", "1", gossip, Some(100), true),
        ("gossipTimeout", "-1", gossip, Some(3_000), true),
        ("discoveryInterval", "0", discovery, Some(1), true),
        ("discoveryInterval", "-1", discovery, Some(100), true),
        ("defaultDeadline", "50", deadline, Some(100), true),
        (
            "defaultDeadline",
            "3600001",
            deadline,
            Some(3_600_000),
            true,
        ),
        ("defaultDeadline", "-1", deadline, Some(10_000), true),
        ("maxDiscoverAttempts", "0", attempts, Some(1), true),
        ("maxDiscoverAttempts", "-1", attempts, Some(3), true),
        (
            "maxDiscoverAttempts",
            "2147483647",
            attempts,
            Some(1_000),
            true,
        ),
    ];
    for (name, value, read, expected, warned) in cases {
        let text = format!("esdb://a?{name}={value}");
        let parsed = parse(&text).expect(&text);
        assert_eq!(read(&parsed), expected.map(Duration::from_millis), "{text}");
        let notes = parsed.notes.join("; ");
        assert_eq!(
            notes.contains(&format!("{name}={value} ")),
            warned,
            "{text}: {notes}"
        );
    }
}

#[test]
fn pings_can_be_switched_off() {
    for text in [
        "esdb://a?keepAliveInterval=-1",
        "esdb://a?keepAliveInterval=-1&keepAliveTimeout=10000",
    ] {
        assert_eq!(parse(text).expect("valid").keep_alive, None, "{text}");
    }
}

#[test]
fn a_preference_that_is_not_followed_is_noted() {
    let notes = parse("esdb://a?nodePreference=follower")
        .expect("valid")
        .notes;
    assert!(
        notes.len() == 1 && notes[0].contains("nodePreference=follower"),
        "{notes:?}"
    );
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("localhost:2113", "must begin with esdb://"),
        (
            "http://localhost",
            "must be esdb, kurrentdb, kdb or kurrent",
        ),
        ("esdb+srv://localhost", "must be esdb"),
        ("esdb://", "a host is missing"),
        ("esdb://a,,b", "a host is missing"),
        ("esdb://a:0", "from 1 to 65535"),
        ("esdb://a:65536", "from 1 to 65535"),
        ("esdb://a:b:1", "from 1 to 65535"),
        ("esdb://a b", "not a host name"),
        ("esdb://[::1", "must end with ']'"),
        ("esdb://[::zz]", "not an IPv6 address"),
        ("esdb://[::1]2113", "from 1 to 65535"),
        ("esdb://a/path", "must not have a path"),
        ("esdb://a?tls=no", "tls must be true or false (got 'no')"),
        ("esdb://a?tls=true&TLS=false", "tls is given twice"),
        ("esdb://a?tlsVerifyCrt=true", "did you mean tlsVerifyCert?"),
        ("esdb://a?colour=red", "known are tls, tlsVerifyCert"),
        (
            "esdb://a?keepAliveInterval=-2",
            "-1 or a number of milliseconds from 10000 to 3600000 (got '-2')",
        ),
        (
            "esdb://a?gossipTimeout=1s",
            "gossipTimeout must be -1 or a number of milliseconds from 100",
        ),
        (
            "esdb://a?maxDiscoverAttempts=many",
            "-1 or a number of attempts from 1 to 1000 (got 'many')",
        ),
        (
            "esdb://a?defaultDeadline=99999999999999999999",
            "defaultDeadline must be -1 or a number of milliseconds",
        ),
        (
            "esdb://a?nodePreference=any",
            "leader, follower, random or readOnlyReplica",
        ),
        ("esdb://a?connectionName=%C3%A9", "printable ASCII"),
        ("esdb://a?tlsCaFile=", "the name of a file"),
        ("esdb://%ff@a", "not UTF-8"),
        (
            "esdb://u:p@a:1,u:p@b:2",
            "more than one host has a user: give user and password once",
        ),
        (
            "esdb+discover://u@a,u@b,u@c",
            "more than one host has a user",
        ),
        (
            "esdb://a?tls=0&gossipTimeout=x",
            "tls must be true or false (got '0'); parameter gossipTimeout",
        ),
    ];
    for (text, expected) in cases {
        let error = parse(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn an_error_never_shows_what_may_be_a_password() {
    for text in [
        "esdb://admin:hunter/2@a",
        "esdb://admin:hunter?2@a:2113",
        "esdb://admin:1?hunter2@a:2113",
        "esdb://admin:hunter#2@a",
        "http://admin:hunter2@a",
        "esdb://admin:hunter2@a:x",
        "esdb://admin:%ffhunter2@a?tls=no",
        "admin:hunter2@a",
        "admin:hunter2:host:2113",
        "admin:hunter2,host",
        "esdb://admin:hunter2",
        "esdb://admin:hunter2:host:2113",
        "esdb://admin:hunter2,host",
        "esdb://admin:x,hunter2!",
        "esdb://admin:x,[hunter2",
        "esdb://admin:x,[hunter2]:1",
        "esdb://admin:1?hunter2",
        "esdb://admin:1?tls=hunter2",
        "esdb://admin:1?hunter2=1&gossipTimeout=hunter2",
        "esdb://admin:hunter2@a,admin:hunter2@b:x",
    ] {
        let error = parse(text).expect_err(text);
        assert!(!error.contains("hunter"), "{text}: {error}");
    }
}

#[test]
fn what_cannot_be_a_password_is_quoted() {
    for (text, expected) in [
        ("esdb://a b", "host 1 'a b' is not a host name"),
        ("esdb://a:1,b!", "host 2 is not a host name"),
        ("esdb://u:p@a:1,b!", "host 2 'b!' is not a host name"),
        ("esdb://u:p@a:1,b:x", "the port of host 2 'b' must be"),
        ("esdb://a:x", "the port of host 1 'a' must be"),
        (
            "esdb://u:p@a:1?colour=red",
            "parameter 1 'colour' is unknown",
        ),
        ("esdb://a:1?tls=true&colour=red", "parameter 2 is unknown"),
        ("esdb://u:p@a:1?tls=no", "true or false (got 'no')"),
        ("esdb://a:1?tls=no", "parameter tls must be true or false"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}
