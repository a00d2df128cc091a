//! Groups with names that are not ASCII: which answers a server cannot send (protocol §9). Never asks for streams.

use super::client::*;
use devstore::{Fault, FaultKind};
use ditto_protocol::persistent_subscriptions::create_req;
use tonic::Code;

/// Why a consumer may not join. A client may see that only when it waits for the confirmation.
async fn refusal(client: &mut Client, stream: &str) -> tonic::Status {
    match Consumer::try_join(client, stream, 10).await {
        Ok(mut consumer) => consumer.next().await.unwrap_err(),
        Err(status) => status,
    }
}

#[tokio::test]
async fn errors_that_name_other_than_ascii_have_no_status() {
    let (server, mut client) = server().await;
    write(&server, "größe", 1);
    let nameless = |status: tonic::Status| {
        let text = status.message();
        assert!(text.contains("500"), "{status:?}");
        assert!(status.metadata().get("exception").is_none());
    };
    nameless(info(&mut client, "größe").await.unwrap_err());
    nameless(refusal(&mut client, "größe").await);
    let only = create_req::Settings {
        max_subscriber_count: 1,
        ..settings()
    };
    create(&mut client, "größe", only.clone()).await.unwrap();
    nameless(create(&mut client, "größe", only).await.unwrap_err());
    info(&mut client, "größe").await.unwrap();
    let mut consumer = Consumer::join(&mut client, "größe", 10).await.unwrap();
    consumer.take(1).await;
    nameless(refusal(&mut client, "größe").await);
    server
        .faults()
        .add(Fault::new(FaultKind::DropConsumers).times(1));
    let reset = consumer.next().await.unwrap_err();
    assert_eq!(reset.code(), Code::Internal, "{reset:?}");
    assert!(format!("{reset:?}").contains("INTERNAL_ERROR"), "{reset:?}");
}
