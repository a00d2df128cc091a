//! What is played keeps the contracts of its traits, lest the loop's tests prove something that no server does.
//!
//! What is asserted stands in `tests/contract`.

#[path = "../../../../tests/contract/destination.rs"]
mod destination;
#[path = "../../../../tests/contract/source.rs"]
mod source;

use super::played::{PlayedSource, STREAM, SourceScript};
use super::played_destination::{Answering, PlayedDestination};
use ditto_core::event::StreamName;
use ditto_core::port::JoinRefusal;

struct Destinations;

impl destination::Stand for Destinations {
    type Destination = PlayedDestination;

    fn sound(&self) -> PlayedDestination {
        PlayedDestination::new(Answering::Well)
    }

    async fn troubled(
        &self,
        trouble: destination::Trouble,
        _: &StreamName,
    ) -> Option<PlayedDestination> {
        let is_away = trouble == destination::Trouble::Away;
        is_away.then(|| PlayedDestination::new(Answering::Away))
    }
}

struct Sources(PlayedSource);

fn script() -> SourceScript {
    SourceScript {
        deliveries: source::EVENTS,
        last_number: Some(source::EVENTS - 1),
        ..SourceScript::default()
    }
}

impl source::Stand for Sources {
    type Source = PlayedSource;

    const STREAM: &'static str = STREAM;

    fn sound(&self) -> PlayedSource {
        self.0.clone()
    }

    async fn troubled(&self, trouble: source::Trouble, _: &StreamName) -> Option<PlayedSource> {
        let refuses = match trouble {
            source::Trouble::Taken => JoinRefusal::Taken,
            source::Trouble::Missing => JoinRefusal::Missing,
            _ => return None,
        };
        Some(PlayedSource::new(SourceScript {
            refuses: Some(refuses),
            ..script()
        }))
    }

    async fn end_sessions(&self) -> bool {
        self.0.reset();
        true
    }
}

#[tokio::test(start_paused = true)]
async fn played_destinations_keep_the_contract() {
    let met = destination::judge(&Destinations).await;
    assert_eq!(met, [destination::Trouble::Away]);
}

#[tokio::test(start_paused = true)]
async fn played_sources_keep_the_contract() {
    let met = source::judge(&Sources(PlayedSource::new(script()))).await;
    assert_eq!(met, [source::Trouble::Taken, source::Trouble::Missing]);
}
