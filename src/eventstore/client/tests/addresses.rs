//! A name with several addresses, of which the first takes connections and never answers: both clients of ditto find
//! the one that does. Never resolves a name.

use std::net::SocketAddr;

use super::super::super::crate_client::CrateClient;
use super::super::super::error::Side;
use super::super::{Client, Resolver};
use super::fake::Fake;
use super::secured::Authority;
use super::soon;
use crate::config::cluster::{ClusterKeys, ClusterSettings, ConnectionString};

/// The only name in the certificates here, so that verifying it proves that it was the name that was verified.
const NAME: &str = "source.example.net";

/// A process that hangs at another address, at the port of a server.
async fn hung(fake: &Fake) -> tokio::net::TcpListener {
    tokio::net::TcpListener::bind(("127.0.0.2", fake.endpoint.port))
        .await
        .expect("the port at another address")
}

/// A client to which every name has the hung address, and then the server's.
fn client(scheme: &str, parameters: &str, keys: ClusterKeys, fake: &Fake) -> Client {
    let port = fake.endpoint.port;
    let string = format!("{scheme}://{NAME}:{port}?{parameters}&maxDiscoverAttempts=1");
    let string = ConnectionString::parse(&string).expect("a good connection string");
    let settings = ClusterSettings::new(string, keys).expect("good settings");
    let addresses = [[127, 0, 0, 2], [127, 0, 0, 1]].map(|ip| SocketAddr::from((ip, port)));
    Client::resolving(Side::Source, settings, Resolver::Fixed(addresses.to_vec()))
}

#[tokio::test]
async fn both_clients_reach_the_second_address_of_a_name() {
    let fake = Fake::start();
    let _hung = hung(&fake).await;
    for scheme in ["esdb", "esdb+discover"] {
        let own = client(scheme, "tls=false", ClusterKeys::default(), &fake);
        assert_eq!(soon(own.leader()).await.expect("found").host, NAME);
        let made = soon(CrateClient::new(&own)).await.expect("a client");
        assert_eq!(made.node.host, NAME, "what ditto reports an error about");
        soon(made.client.server_info()).await.expect("it connects");
    }
}

#[tokio::test]
async fn both_clients_reach_the_second_address_of_a_name_over_tls() {
    let authority = Authority::of(NAME);
    let keys = ClusterKeys {
        tls_ca_file: Some(authority.file("ca.pem")),
        client_cert_file: Some(authority.file("client.pem")),
        client_key_file: Some(authority.file("client.key")),
        ..ClusterKeys::default()
    };
    let fake = authority.serve(true).await;
    let _hung = hung(&fake).await;
    let own = client("esdb", "tls=true", keys, &fake);
    soon(own.features()).await.expect("found");
    let made = soon(CrateClient::new(&own)).await.expect("a client");
    soon(made.client.server_info()).await.expect("it connects");
    assert_eq!(made.node.host, NAME);
}

#[tokio::test]
async fn a_server_that_moves_to_another_address_of_its_name_is_found() {
    let mut fake = Fake::start();
    let port = fake.endpoint.port;
    let own = client("esdb", "tls=false", ClusterKeys::default(), &fake);
    // Nothing listens at the first address yet.
    soon(own.features()).await.expect("found");
    fake.kill();
    soon(own.probe()).await.expect_err("nobody answers");
    let _moved = Fake::start_at(SocketAddr::from(([127, 0, 0, 2], port)), None);
    soon(own.features()).await.expect("found again");
}
