//! What is compared: the subscriptions and mirrors that are named, and of each the streams that are.
//!
//! Never asks a server.

use super::Arguments;
use crate::config::settings::{MirrorSettings, PipelineSettings, Settings, SubscriptionSettings};
use ditto_core::event::StreamName;

/// Each subscription or mirror with the streams that are named, if any are.
pub(super) type Selected = Vec<(PipelineSettings, Vec<StreamName>)>;

pub(super) fn select(settings: &Settings, arguments: &Arguments) -> Result<Selected, String> {
    let pipelines = named(settings, &arguments.subscription, &arguments.mirror)?;
    if arguments.stream.is_empty() {
        return Ok(pipelines.into_iter().map(|one| (one, Vec::new())).collect());
    }
    let mut selected: Selected = Vec::new();
    for stream in &arguments.stream {
        let stream = StreamName::from(stream.as_str());
        let pipeline = match &copying(&pipelines, &stream)[..] {
            [pipeline] => pipeline.clone(),
            [] => return Err(uncopied(&pipelines, &stream)),
            _ => {
                return Err(format!(
                    "several subscriptions might copy the stream {:?}: name one with --subscription",
                    stream.as_str()
                ));
            }
        };
        match selected
            .iter_mut()
            .find(|(one, _)| one.key() == pipeline.key())
        {
            Some((_, streams)) => streams.push(stream),
            None => selected.push((pipeline, vec![stream])),
        }
    }
    Ok(selected)
}

/// Those of these names; without a name all.
fn named(
    settings: &Settings,
    subscriptions: &[String],
    mirrors: &[String],
) -> Result<Vec<PipelineSettings>, String> {
    let has_names = |names: &[String]| !names.is_empty();
    let is_all = !has_names(subscriptions) && !has_names(mirrors);
    let mut selected: Vec<PipelineSettings> = Vec::new();
    if is_all || has_names(subscriptions) {
        let named = crate::cli::named_subscriptions(settings, subscriptions, "give --mirror NAME")?;
        selected.extend(named.into_iter().map(PipelineSettings::from));
    }
    if is_all || has_names(mirrors) {
        let named = named_mirrors(settings, mirrors)?;
        selected.extend(named.into_iter().map(PipelineSettings::from));
    }
    Ok(selected)
}

fn named_mirrors(settings: &Settings, names: &[String]) -> Result<Vec<MirrorSettings>, String> {
    let mirrors = settings.mirrors.iter();
    let known: Vec<&str> = mirrors.clone().map(|one| &*one.name).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!(
            "no mirror {name:?} is configured; there are: {}",
            known.join(", ")
        ));
    }
    let is_named = |one: &&MirrorSettings| names.iter().any(|name| **name == *one.name);
    let selected = mirrors.filter(|one| names.is_empty() || is_named(one));
    Ok(selected.cloned().collect())
}

/// Those that copy a stream, or may: the rules of a mirror leave no doubt, and no subscription copies what they want.
fn copying(pipelines: &[PipelineSettings], stream: &StreamName) -> Vec<PipelineSettings> {
    let mut subscriptions: Vec<SubscriptionSettings> = Vec::new();
    let mut mirrors: Vec<PipelineSettings> = Vec::new();
    for pipeline in pipelines {
        match pipeline {
            PipelineSettings::Subscription(one) => subscriptions.push(one.clone()),
            PipelineSettings::Mirror(one) if one.filter.wants(stream) => {
                mirrors.push(pipeline.clone());
            }
            PipelineSettings::Mirror(_) => {}
        }
    }
    if !mirrors.is_empty() {
        return mirrors;
    }
    let copying = crate::cli::subscriptions_of(&subscriptions, stream).into_iter();
    copying.cloned().map(PipelineSettings::from).collect()
}

fn uncopied(pipelines: &[PipelineSettings], stream: &StreamName) -> String {
    let keys: Vec<String> = pipelines.iter().map(|one| one.key().to_string()).collect();
    format!(
        "no subscription or mirror copies the stream {:?}: check its name; there are {}",
        stream.as_str(),
        keys.join(", ")
    )
}
