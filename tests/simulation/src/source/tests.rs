//! What reads of the source model bring.

use super::*;

fn with_events(count: u64) -> Source {
    let mut source = Source::new(1, false);
    for _ in 0..count {
        source.write(Duration::ZERO, 0, 10, Kind::Ordinary, Writing::default());
    }
    source
}

fn revisions(page: SourcePage) -> Vec<u64> {
    match page {
        SourcePage::Events { events, .. } => events.iter().map(|event| event.revision).collect(),
        other => panic!("no events: {other:?}"),
    }
}

#[test]
fn reads_skip_up_to_the_first_readable_event() {
    let mut source = with_events(5);
    source.streams[0].first = 3;
    let name = source.streams[0].name.clone();
    assert_eq!(
        revisions(source.read(&name, ReadFrom::Revision(0), 10, 1000)),
        [3, 4]
    );
    assert_eq!(
        revisions(source.read(&name, ReadFrom::Tail, 10, 1000)),
        [4, 3]
    );
    assert_eq!(
        revisions(source.read(&name, ReadFrom::Revision(3), 10, 1)),
        [3],
        "one at least"
    );
    assert_eq!(
        source.resolve(Target::Event {
            stream: 0,
            revision: 2
        }),
        Item::Never(SkipReason::Unresolved)
    );
}

#[test]
fn a_stream_begun_again_goes_on_with_its_numbers_and_hides_what_was() {
    let mut source = with_events(2);
    let name = source.streams[0].name.clone();
    source.streams[0].being = Being::SoftDeleted;
    assert_eq!(
        source.read(&name, ReadFrom::Revision(0), 10, 1000),
        SourcePage::SoftDeleted
    );
    source.write(Duration::ZERO, 0, 10, Kind::Ordinary, Writing::default());
    assert_eq!(
        revisions(source.read(&name, ReadFrom::Revision(0), 10, 1000)),
        [2]
    );
}

#[test]
fn a_maximum_count_moves_the_head_with_every_event() {
    let mut source = with_events(2);
    source.streams[0].max_count = Some(2);
    source.write(Duration::ZERO, 0, 10, Kind::Ordinary, Writing::default());
    assert_eq!(source.streams[0].first, 1);
    assert_eq!(source.last_number(), Some(2));
}
