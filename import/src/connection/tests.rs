//! Connection strings of the original, row by row.

use super::*;

#[test]
fn addresses_become_those_of_the_newer_protocol() {
    for (text, expected) in [
        (
            "ConnectTo=tcp://admin:changeit@localhost:1113;",
            "esdb://localhost:2113?tls=false",
        ),
        ("tcp://u:p@host:1113", "esdb://host:2113?tls=false"),
        (
            "connect to = tcp://host:3113; HeartBeatTimeout=500",
            "esdb://host:4113?tls=false",
        ),
        ("ConnectTo=tcp://host", "esdb://host:2113?tls=false"),
        ("ConnectTo=tcp://host:65000", "esdb://host:2113?tls=false"),
        ("ConnectTo=tcp://[::1]:1113", "esdb://[::1]:2113?tls=false"),
        (
            "ConnectTo=tcp://10.0.0.1:1113/;UseSslConnection=True",
            "esdb://10.0.0.1:2113",
        ),
        (
            "ConnectTo=tcp://host:1113;UseSslConnection=true;ValidateServer=false;TargetHost=x",
            "esdb://host:2113?tlsVerifyCert=false",
        ),
        (
            "ConnectTo=DISCOVER://nodes.example.net:2113",
            "esdb+discover://nodes.example.net:2113?tls=false",
        ),
        (
            "GossipSeeds=10.0.0.1:2113, 10.0.0.2:2113;GossipTimeout=1000;MaxDiscoverAttempts=-1",
            "esdb+discover://10.0.0.1:2113,10.0.0.2:2113?tls=false&gossipTimeout=1000",
        ),
        (
            "GossipSeeds=https://a:2113,https://b:2113",
            "esdb+discover://a:2113,b:2113",
        ),
        (
            "ConnectTo=\"tcp://host:1113\"; MaxDiscoverAttempts=7",
            "esdb://host:2113?tls=false&maxDiscoverAttempts=7",
        ),
    ] {
        let converted = convert(text).map(|connection| connection.string);
        assert_eq!(converted.as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn a_login_is_taken_as_it_stands() {
    for (text, user, password) in [
        ("ConnectTo=tcp://admin:changeit@h:1113", "admin", "changeit"),
        ("ConnectTo=tcp://u:p%40@h:1113", "u", "p%40"),
        ("ConnectTo=tcp://u:p@ss@h:1113", "u", "p@ss"),
        ("ConnectTo=\"tcp://u:p;q@h:1113\"", "u", "p;q"),
        ("GossipSeeds=a:2113;DefaultUserCredentials=u:p", "u", "p"),
        (
            "ConnectTo=tcp://u:p@h:1113;DefaultUserCredentials=other:one",
            "u",
            "p",
        ),
    ] {
        let login = convert(text).map(|connection| connection.login);
        assert_eq!(
            login,
            Ok(Some((user.to_owned(), Secret::new(password)))),
            "{text}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_said_without_a_password() {
    for (text, expected) in [
        ("", "neither ConnectTo nor GossipSeeds"),
        ("marker", "part 1 has no '='"),
        ("ConnectTo=tcp://u:mar;ker@h:1113", "part 2 has no '='"),
        (
            "ConnectTo=esdb://u:marker@h:2113",
            "without tcp:// or discover://",
        ),
        ("ConnectTo=h:1113", "without tcp:// or discover://"),
        ("ConnectTo=tcp://marker@h:1113", "cannot be told apart"),
        ("ConnectTo=tcp://u:marker:x@h:1113", "cannot be told apart"),
        ("ConnectTo=tcp://u:@h:1113", "cannot be told apart"),
        ("ConnectTo=tcp://marker/#:1113", "no host name"),
        ("ConnectTo=tcp://h:port", "not a number from 1 to 65535"),
        ("ConnectTo=tcp://[marker]:1", "not IPv6"),
        ("ConnectTo=tcp://h:1;GossipSeeds=a:1", "remove one"),
        ("GossipSeeds=a", "GossipSeed 1 has no port"),
        ("GossipSeeds=u:1,marker,h:1", "GossipSeed 2 has no port"),
        ("ConnectTo=tcp://u:x;marker=\"y@h:1", "part 2 begins with"),
        ("GossipSeeds=ftp://a:1", "another scheme"),
        (
            "ConnectTo=tcp://h:1;UseSslConnection=maybe",
            "neither true nor false",
        ),
        ("ConnectTo=tcp://h:1;GossipTimeout=1s", "not a whole number"),
        ("ConnectTo=\"tcp://h:1", "does not end with it"),
        (
            "ConnectTo=tcp://u:p;marker='x@h:1113",
            "the value of part 2 begins with '",
        ),
    ] {
        let error = convert(text).map(|_| ()).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("marker"), "{text}: {error}");
    }
}
