//! Searches of the log for one stream's events, from development servers of both generations. Never asserts a duration.

use devstore::store::{Expected, Store};
use devstore::{Generation, Server};
use ditto::eventstore::client::Client;
use ditto::source::log::{Database, Log as _, Search};
use ditto_core::filter::StreamFilter;
use ditto_core::port::LogPosition;
use ditto_core::port::log::SearchPage;

use super::log::{nodes, place, started, write};
use super::soon;

const BYTES: usize = 1 << 20;

/// A source that is believed.
async fn believed(client: &Client) -> Database {
    let database = Database::new(client.clone(), &StreamFilter::all(), None);
    let (_, judged) = soon(database.epochs()).await;
    database.trust(judged.unwrap());
    database
}

fn search(at: Option<LogPosition>, from: u64, to: Option<u64>, max_bytes: usize) -> Search {
    Search {
        stream: "s".into(),
        at,
        from,
        to,
        max_bytes,
    }
}

/// Revisions that a page has, and where the next one begins.
fn found(page: SearchPage) -> (Vec<u64>, Option<LogPosition>) {
    let SearchPage::Searched { found, next } = page else {
        panic!("{page:?}");
    };
    let revisions = found.iter().map(|(_, event)| event.revision);
    (revisions.collect(), next)
}

/// Ten events of the stream, all truncated, between others.
fn filled(server: &Server) -> &Store {
    let store = server.store();
    for _ in 0..10 {
        write(store, "other", 3);
        write(store, "s", 1);
        write(store, "s-2", 1);
    }
    let metadata = vec![Store::json_event("$metadata", r#"{"$tb":10}"#)];
    store.append("$$s", Expected::Any, metadata).unwrap();
    store
}

#[tokio::test]
async fn search_finds_what_its_stream_no_longer_shows() {
    for generation in Generation::ALL {
        let (server, client) = started(nodes(generation, 1)).await;
        let store = filled(&server);
        let at = |revision| Some(place(store, "s", revision));
        let source = believed(&client).await;
        let all: Vec<u64> = (0..10).collect();
        for (begin, from, to, expected, next) in [
            (None, 0, None, &all[..], None),
            (at(3), 0, None, &all[3..], None),
            (at(3), 5, None, &all[5..], None),
            (at(3), 5, Some(7), &all[5..=7], at(7)),
            (None, 20, Some(22), &[], None),
        ] {
            let page = soon(source.search(search(begin, from, to, BYTES))).await;
            let expected = (expected.to_vec(), next);
            assert_eq!(found(page), expected, "{generation:?} {begin:?} {from}");
        }
        // In parts of one event.
        let (mut begin, mut all_found) = (None, Vec::new());
        loop {
            let from = all_found.len() as u64;
            let page = soon(source.search(search(begin, from, None, 1))).await;
            let (revisions, next) = found(page);
            all_found.extend(revisions);
            let Some(next) = next else { break };
            begin = Some(next);
        }
        assert_eq!(all_found, all, "{generation:?}");
        let none = LogPosition {
            commit: at(3).unwrap().commit + 1,
            prepare: at(3).unwrap().commit + 1,
        };
        let page = soon(source.search(search(Some(none), 0, None, BYTES))).await;
        assert_eq!(page, SearchPage::NoPosition, "{generation:?}");
    }
}

#[tokio::test]
async fn search_from_a_scavenged_position_loses_nothing_that_is_left() {
    for generation in Generation::ALL {
        let (server, client) = started(nodes(generation, 1)).await;
        let store = filled(&server);
        let first = place(store, "s", 0);
        store.scavenge();
        // Its last event is left; what a subscription from there would skip is the record before it.
        let source = believed(&client).await;
        let page = soon(source.search(search(Some(first), 0, None, BYTES))).await;
        assert_eq!(found(page), (vec![9], None), "{generation:?}");
        let late = place(store, "s", 8);
        write(store, "s", 1);
        let page = soon(source.search(search(Some(late), 0, None, BYTES))).await;
        assert_eq!(found(page), (vec![9, 10], None), "{generation:?}");
    }
}

#[tokio::test]
async fn search_is_the_leaders_and_believed_only_over_a_judged_connection() {
    for generation in Generation::ALL {
        let (server, client) = started(nodes(generation, 3)).await;
        // Followers have nothing of what follows.
        for follower in [1, 2] {
            server.hold_back(follower).unwrap();
        }
        filled(&server);
        let stranger = Database::new(client.clone(), &StreamFilter::all(), None);
        let page = soon(stranger.search(search(None, 0, None, BYTES))).await;
        assert_eq!(page, SearchPage::Failed, "nobody judged it");
        let source = believed(&client).await;
        let page = soon(source.search(search(None, 0, None, BYTES))).await;
        assert_eq!(found(page).0.len(), 10, "{generation:?}");
    }
}
