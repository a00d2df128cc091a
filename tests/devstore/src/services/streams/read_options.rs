//! What a read asks for, out of its request (protocol §3.1).
//!
//! Refuses what the real server refuses, in its words; never reads anything.

use ditto_protocol::ids::IdForm;
use ditto_protocol::streams::read_req::Options;
use ditto_protocol::streams::read_req::options::all_options::AllOption;
use ditto_protocol::streams::read_req::options::filter_options::{Filter as WireFilter, Window};
use ditto_protocol::streams::read_req::options::stream_options::RevisionOption;
use ditto_protocol::streams::read_req::options::uuid_option::Content as UuidContent;
use ditto_protocol::streams::read_req::options::{
    AllOptions, CountOption, FilterOption, FilterOptions, ReadDirection, StreamOption,
    StreamOptions,
};
use tonic::Status;

use crate::filter::{Filter, FilterOn};
use crate::generation::Generation;
use crate::services::status::{handler_exception, invalid};
use crate::services::wire::stream_name;
use crate::store::MAX_REVISION;

/// Type names of the real server, which its texts quote.
const OPTIONS: &str = "EventStore.Client.Streams.ReadReq+Types+Options";
/// Window of a filter that names none.
const DEFAULT_WINDOW: u32 = 32;

/// A read, finite or not.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) target: Target,
    pub(super) backwards: bool,
    pub(super) resolve: bool,
    /// `None`: a subscription.
    pub(super) count: Option<u64>,
    pub(super) form: IdForm,
    pub(super) compatibility: u32,
}

/// What is read.
#[derive(Debug)]
pub(super) enum Target {
    Stream {
        name: String,
        from: From,
    },
    All {
        from: From,
        /// The prepare position is below the commit position: as a pair it lies before the record there.
        is_below: bool,
        filter: Option<Windowed>,
    },
}

/// Where reading begins: a revision of a stream or a position of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Start,
    End,
    At(u64),
}

/// A filter, and how many records it may look at before it says where it is.
#[derive(Debug)]
pub(super) struct Windowed {
    pub(super) filter: Filter,
    pub(super) window: u32,
    pub(super) multiplier: u32,
}

/// Takes a request apart. `Ok(None)`: it does not say how ids are to be written, and is never answered.
pub(super) fn parse(
    generation: Generation,
    options: Option<Options>,
) -> Result<Option<Query>, Status> {
    let options = options.ok_or_else(handler_exception)?;
    let direction = options.read_direction();
    let stream_option = options.stream_option.ok_or_else(|| {
        invalid(format!(
            "'None' is not a valid {OPTIONS}+StreamOptionOneofCase"
        ))
    })?;
    check_combination(
        &stream_option,
        options.count_option.as_ref(),
        direction,
        options.filter_option.as_ref(),
    )?;
    let target = match stream_option {
        StreamOption::Stream(stream) => stream_target(&stream)?,
        StreamOption::All(all) => Target::All {
            from: all_from(&all)?,
            is_below: matches!(&all.all_option, Some(AllOption::Position(at)) if at.prepare_position < at.commit_position),
            filter: match options.filter_option {
                Some(FilterOption::Filter(filter)) => Some(windowed(filter)?),
                _ => None,
            },
        },
    };
    let Some(content) = options.uuid_option.and_then(|option| option.content) else {
        if generation.leaves_reads_unanswered() {
            return Ok(None);
        }
        return Err(invalid(format!(
            "'uuidOption' is a required argument of type {OPTIONS}+Types+UUIDOption"
        )));
    };
    Ok(Some(Query {
        target,
        backwards: direction == ReadDirection::Backwards,
        resolve: options.resolve_links,
        count: match options.count_option {
            Some(CountOption::Count(count)) => Some(count),
            _ => None,
        },
        form: match content {
            UuidContent::Structured(_) => IdForm::Structured,
            UuidContent::String(_) => IdForm::Text,
        },
        compatibility: options
            .control_option
            .map_or(0, |control| control.compatibility),
    }))
}

fn check_combination(
    stream: &StreamOption,
    count: Option<&CountOption>,
    direction: ReadDirection,
    filter: Option<&FilterOption>,
) -> Result<(), Status> {
    let allowed = match (stream, count, direction, filter) {
        (_, None, _, _) | (_, _, _, None) => false,
        (_, Some(CountOption::Subscription(_)), ReadDirection::Backwards, _) => false,
        (StreamOption::Stream(_), _, _, Some(FilterOption::Filter(_))) => false,
        (StreamOption::Stream(_) | StreamOption::All(_), Some(_), _, Some(_)) => true,
    };
    if allowed {
        return Ok(());
    }
    let stream = match stream {
        StreamOption::Stream(_) => "Stream",
        StreamOption::All(_) => "All",
    };
    let count = match count {
        Some(CountOption::Count(_)) => "Count",
        Some(CountOption::Subscription(_)) => "Subscription",
        None => "None",
    };
    let filter = match filter {
        Some(FilterOption::Filter(_)) => "Filter",
        Some(FilterOption::NoFilter(_)) => "NoFilter",
        None => "None",
    };
    let direction = direction.as_str_name();
    Err(invalid(format!(
        "The combination of ({stream}, {count}, {direction}, {filter}) is invalid."
    )))
}

fn stream_target(options: &StreamOptions) -> Result<Target, Status> {
    let name = stream_name(options.stream_identifier.as_ref()).ok_or_else(handler_exception)?;
    let from = match options.revision_option {
        Some(RevisionOption::Start(_)) => From::Start,
        Some(RevisionOption::End(_)) | Some(RevisionOption::Revision(u64::MAX)) => From::End,
        Some(RevisionOption::Revision(revision)) if revision <= MAX_REVISION => From::At(revision),
        Some(RevisionOption::Revision(_)) | None => return Err(handler_exception()),
    };
    Ok(Target::Stream { name, from })
}

fn all_from(options: &AllOptions) -> Result<From, Status> {
    match &options.all_option {
        Some(AllOption::Start(_)) => Ok(From::Start),
        Some(AllOption::End(_)) => Ok(From::End),
        Some(AllOption::Position(at)) => match (at.commit_position, at.prepare_position) {
            (u64::MAX, u64::MAX) => Ok(From::End),
            (commit, prepare) if prepare <= commit && commit <= MAX_REVISION => {
                Ok(From::At(commit))
            }
            _ => Err(handler_exception()),
        },
        None => Err(handler_exception()),
    }
}

fn windowed(options: FilterOptions) -> Result<Windowed, Status> {
    let text = filter_text(&options);
    let (on, expression) = match options.filter {
        Some(WireFilter::StreamIdentifier(expression)) => (FilterOn::Stream, expression),
        Some(WireFilter::EventType(expression)) => (FilterOn::EventType, expression),
        None => {
            return Err(invalid(format!(
                "'{text}' is not a valid {OPTIONS}+Types+FilterOptions"
            )));
        }
    };
    let window = match options.window {
        Some(Window::Max(max)) => max,
        Some(Window::Count(_)) => DEFAULT_WINDOW,
        None => {
            return Err(invalid(format!(
                "'None' is not a valid {OPTIONS}+Types+FilterOptions+WindowOneofCase"
            )));
        }
    };
    let filter =
        Filter::new(on, &expression.regex, expression.prefix).map_err(|_| handler_exception())?;
    Ok(Windowed {
        filter,
        window,
        multiplier: options.checkpoint_interval_multiplier,
    })
}

/// The message as the real server prints it.
fn filter_text(options: &FilterOptions) -> String {
    let mut fields = Vec::new();
    match options.window {
        Some(Window::Max(max)) => fields.push(format!(r#""max": {max}"#)),
        Some(Window::Count(_)) => fields.push(r#""count": { }"#.to_owned()),
        None => {}
    }
    if options.checkpoint_interval_multiplier > 0 {
        fields.push(format!(
            r#""checkpointIntervalMultiplier": {}"#,
            options.checkpoint_interval_multiplier
        ));
    }
    if fields.is_empty() {
        return "{ }".to_owned();
    }
    format!("{{ {} }}", fields.join(", "))
}
