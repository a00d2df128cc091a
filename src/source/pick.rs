//! Plain reads of chosen events of one stream: those that lie near each other in one page, several pages at once.
//!
//! Keeps of each event only what its caller makes of it. Never follows a link.

use std::collections::{BTreeSet, HashMap};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::eventstore::Error;
use crate::eventstore::client::{Client, ReadStream, StreamPage};
use ditto_core::event::{Event, StreamName};

/// Pages read at once, and the bytes of each.
const READS: usize = 8;
const PAGE_BYTES: usize = 256 * 1024;

/// Events of a page at most; those that are farther apart than the gap get pages of their own.
const SPAN: u64 = 500;
const GAP: u64 = 50;

/// Reads the events of these revisions that are readable, and what `take` makes of each.
///
/// # Errors
/// No answer, or a refusal. A stream that is not there is no error: none of its events is readable.
pub(crate) async fn pick<T>(
    client: &Client,
    stream: &StreamName,
    revisions: &BTreeSet<u64>,
    take: impl Fn(&Event) -> T,
) -> Result<HashMap<u64, T>, Error> {
    let pages = groups(revisions).into_iter().map(|group| async {
        let mut taken = Vec::new();
        page(client, stream, group, |event| {
            taken.push((event.revision, take(event)));
        })
        .await?;
        Ok::<_, Error>(taken)
    });
    let taken: Vec<Vec<(u64, T)>> = stream::iter(pages)
        .buffer_unordered(READS)
        .try_collect()
        .await?;
    Ok(taken.into_iter().flatten().collect())
}

/// Revisions that are near each other.
fn groups(revisions: &BTreeSet<u64>) -> Vec<BTreeSet<u64>> {
    let mut groups: Vec<BTreeSet<u64>> = Vec::new();
    for revision in revisions.iter().copied() {
        let near = groups.last_mut().filter(|group| {
            let ends = group.first().zip(group.last());
            ends.is_some_and(|(first, last)| revision - last <= GAP && revision - first < SPAN)
        });
        match near {
            Some(group) => drop(group.insert(revision)),
            None => groups.push(BTreeSet::from([revision])),
        }
    }
    groups
}

async fn page(
    client: &Client,
    stream: &StreamName,
    mut wanted: BTreeSet<u64>,
    mut take: impl FnMut(&Event),
) -> Result<(), Error> {
    while let (Some(first), Some(end)) = (wanted.first().copied(), wanted.last().copied()) {
        let read = ReadStream::forwards(stream.clone(), first, end - first + 1, PAGE_BYTES);
        let StreamPage::Found { records, last, .. } = client.read_stream(read).await? else {
            return Ok(());
        };
        let events = records.iter().filter_map(|record| record.event.as_ref());
        let mut read_to = None;
        for event in events {
            read_to = Some(event.revision);
            if wanted.contains(&event.revision) {
                take(event);
            }
        }
        match (read_to, last) {
            // It ended early, by its bytes.
            (Some(read_to), None) => wanted = wanted.split_off(&(read_to + 1)),
            _ => return Ok(()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_near_each_other_share_a_page() {
        let rows: [(&[u64], &[&[u64]]); 4] = [
            (&[], &[]),
            (&[3], &[&[3]]),
            (&[0, 50, 101, 150], &[&[0, 50], &[101, 150]]),
            (
                &[7, u64::MAX - 1, u64::MAX],
                &[&[7], &[u64::MAX - 1, u64::MAX]],
            ),
        ];
        for (revisions, expected) in rows {
            let groups = groups(&revisions.iter().copied().collect());
            let groups: Vec<Vec<u64>> = groups
                .into_iter()
                .map(|one| one.into_iter().collect())
                .collect();
            assert_eq!(groups, expected, "{revisions:?}");
        }
        let many = (0..1_200).collect();
        let sizes: Vec<usize> = groups(&many).iter().map(BTreeSet::len).collect();
        assert_eq!(sizes, [500, 500, 200]);
    }
}
