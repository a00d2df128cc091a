//! A Kinesis data stream keeps the contract of destinations, on an emulator that `tests/kinesis/run` starts.
//!
//! Never speaks to AWS: the address comes from the variable alone.

use std::sync::Arc;

use ditto::config::settings::KinesisSettings;
use ditto::destination::kinesis::{Kinesis, KinesisDryRun};
use ditto_core::event::StreamName;

use super::destination::{Stand, Trouble, judge};

/// Where the emulator is, with a data stream of this name.
const EMULATOR: &str = "KINESIS_EMULATOR";
const NAME: &str = "events";

fn kinesis(endpoint: &str) -> Kinesis {
    let settings = KinesisSettings {
        stream_name: NAME.to_owned(),
        region: "eu-west-1".to_owned(),
        endpoint_url: Some(endpoint.to_owned()),
        role_arn: None,
    };
    Kinesis::new(settings, None, Arc::new(|_| {}))
}

fn emulator() -> String {
    std::env::var(EMULATOR).expect("tests/kinesis/run sets it")
}

/// An address at which nothing listens, and one whose connections nobody serves.
fn troubled(trouble: Trouble) -> Option<Kinesis> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    match trouble {
        Trouble::Small => Some(kinesis(&emulator())),
        Trouble::Unanswered => {
            // Kept until the process ends.
            std::mem::forget(listener);
            Some(kinesis(&endpoint))
        }
        Trouble::Away => Some(kinesis(&endpoint)),
        Trouble::Denied | Trouble::SoftDeleted | Trouble::Tombstoned => None,
    }
}

struct DataStream;

impl Stand for DataStream {
    type Destination = Kinesis;

    fn sound(&self) -> Kinesis {
        kinesis(&emulator())
    }

    async fn troubled(&self, trouble: Trouble, _: &StreamName) -> Option<Kinesis> {
        troubled(trouble)
    }
}

struct DryRuns;

impl Stand for DryRuns {
    type Destination = KinesisDryRun;

    fn sound(&self) -> KinesisDryRun {
        KinesisDryRun::new(DataStream.sound())
    }

    async fn troubled(&self, trouble: Trouble, _: &StreamName) -> Option<KinesisDryRun> {
        // Nothing is sent: only its probe meets the others.
        let is_met = trouble == Trouble::Small;
        troubled(trouble).filter(|_| is_met).map(KinesisDryRun::new)
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the emulator that tests/kinesis/run starts"]
async fn data_streams_keep_the_contract() {
    assert_eq!(judge(&DataStream).await.len(), 3);
    assert_eq!(judge(&DryRuns).await.len(), 1);
}
