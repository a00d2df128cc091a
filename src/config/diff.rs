//! The difference between the running settings and new ones: what a reload has to do.
//!
//! Pure. Never decides how a change is carried out.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{LogSettings, PipelineSettings, Settings, SubscriptionKey};

/// What has to change, subscriptions and mirrors by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// To be started.
    pub added: Vec<PipelineSettings>,
    /// To be drained and stopped.
    pub removed: BTreeSet<SubscriptionKey>,
    /// To be restarted with these settings.
    pub changed: Vec<PipelineSettings>,
    /// To be applied at once.
    pub log: Option<LogSettings>,
}

impl Difference {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Sections that differ and cannot be changed while ditto runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} needs a restart: nothing was applied", .sections.join(", "))]
pub struct NeedsRestart {
    /// Their names, such as `[source]`.
    pub sections: Vec<&'static str>,
}

/// Compares.
///
/// # Errors
/// Everything that only a restart can change, by name; then nothing may be applied.
pub fn difference(running: &Settings, wanted: &Settings) -> Result<Difference, NeedsRestart> {
    let sections: Vec<_> = [
        ("[source]", running.source != wanted.source),
        ("[destination]", running.destination != wanted.destination),
        ("[daemon]", running.daemon != wanted.daemon),
        ("[http]", running.http != wanted.http),
        ("[log.otlp]", running.log.otlp != wanted.log.otlp),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect();
    if !sections.is_empty() {
        return Err(NeedsRestart { sections });
    }
    let mut before = by_key(running);
    let mut difference = Difference {
        log: (running.log != wanted.log).then(|| wanted.log.clone()),
        ..Difference::default()
    };
    for (key, settings) in by_key(wanted) {
        match before.remove(&key) {
            None => difference.added.push(settings),
            Some(old) if old != settings => difference.changed.push(settings),
            Some(_) => {}
        }
    }
    difference.removed = before.into_keys().collect();
    Ok(difference)
}

fn by_key(settings: &Settings) -> BTreeMap<SubscriptionKey, PipelineSettings> {
    settings.pipelines().map(|one| (one.key(), one)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::load::{Environment, load};

    const BASE: &str = "[source]\nconnection_string = \"esdb://a:1\"\n[destination]\nconnection_string = \"esdb://b:1\"\n";
    const ONE: &str = "[[subscription]]\nstream = \"s\"\ngroup = \"one\"\n";
    const TWO: &str = "[[subscription]]\nstream = \"s\"\ngroup = \"two\"\n";
    const MIRROR: &str = "[[mirror]]\nname = \"rest\"\nexclude_streams = [\"s\"]\n";

    fn settings(parts: &[&str]) -> Settings {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ditto.toml");
        std::fs::write(&file, parts.concat()).expect("written");
        load(Path::new(&file), &Environment::default())
            .expect("valid")
            .settings
    }

    /// Groups added, removed and changed, and whether the log changes.
    type Row<'a> = (&'a [&'a str], &'a [&'a str], [&'a [&'a str]; 3], bool);

    #[test]
    fn only_what_differs_is_touched() {
        let rows: &[Row<'_>] = &[
            (&[BASE, ONE], &[BASE, ONE], [&[], &[], &[]], false),
            (&[BASE, ONE, TWO], &[BASE, TWO, ONE], [&[], &[], &[]], false),
            (&[BASE], &[BASE, ONE], [&["one"], &[], &[]], false),
            (&[BASE, ONE, TWO], &[BASE, TWO], [&[], &["one"], &[]], false),
            (
                &[BASE, ONE, TWO],
                &[BASE, ONE, "create = false\n", TWO],
                [&[], &[], &["one"]],
                false,
            ),
            (&[BASE, ONE], &[BASE, TWO], [&["two"], &["one"], &[]], false),
            (
                &[BASE, ONE, TWO],
                &[BASE, "[replication]\nbuffer_size = 5\n", ONE, TWO],
                [&[], &[], &["one", "two"]],
                false,
            ),
            (
                &[BASE, ONE, MIRROR],
                &[BASE, MIRROR, ONE],
                [&[], &[], &[]],
                false,
            ),
            (
                &[BASE, ONE],
                &[BASE, MIRROR],
                [&["rest"], &["one"], &[]],
                false,
            ),
            (
                &[BASE, MIRROR, ONE],
                &[BASE, MIRROR, "read_from = \"leader\"\n", ONE],
                [&[], &[], &["rest"]],
                false,
            ),
            (
                &[BASE, MIRROR, ONE],
                &[
                    BASE,
                    "[replication]\nbuffer_size = 5\non_conflict = \"stop\"\n",
                    ONE,
                    MIRROR,
                ],
                [&[], &[], &["one"]],
                false,
            ),
            (
                &[BASE, ONE],
                &[BASE, ONE, "[log]\nlevel = \"warn\"\n"],
                [&[], &[], &[]],
                true,
            ),
        ];
        for (before, after, [added, removed, changed], log) in rows {
            let difference = difference(&settings(before), &settings(after)).expect("applicable");
            let groups = |all: &[PipelineSettings]| -> Vec<String> {
                all.iter().map(|one| one.key().group.to_string()).collect()
            };
            let gone: Vec<String> = difference
                .removed
                .iter()
                .map(|key| key.group.to_string())
                .collect();
            assert_eq!(groups(&difference.added), *added, "{after:?}");
            assert_eq!(gone, *removed, "{after:?}");
            assert_eq!(groups(&difference.changed), *changed, "{after:?}");
            assert_eq!(difference.log.is_some(), *log, "{after:?}");
            let nothing = added.is_empty() && removed.is_empty() && changed.is_empty() && !log;
            assert_eq!(difference.is_empty(), nothing, "{after:?}");
        }
    }

    #[test]
    fn what_needs_a_restart_is_refused_by_name_and_all_of_it() {
        for (after, sections) in [
            (BASE.replace("a:1", "c:1"), "[source]"),
            (BASE.replace("b:1", "c:1"), "[destination]"),
            (
                format!("{BASE}[daemon]\nshutdown_timeout = \"3s\"\n"),
                "[daemon]",
            ),
            (
                format!("{BASE}[http]\nlisten = \"127.0.0.1:1\"\n"),
                "[http]",
            ),
            (
                format!("{BASE}[log.otlp]\nendpoint = \"http://127.0.0.1:4318\"\n"),
                "[log.otlp]",
            ),
            (
                BASE.replace("a:1", "c:1").replace("b:1", "d:1"),
                "[source], [destination]",
            ),
        ] {
            let refusal =
                difference(&settings(&[BASE]), &settings(&[&after])).expect_err("refused");
            assert_eq!(
                refusal.to_string(),
                format!("{sections} needs a restart: nothing was applied")
            );
        }
    }
}
