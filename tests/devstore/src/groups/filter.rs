//! Filters in the requests of `$all` groups (protocol §3.4). Never judges an event: that is the filter's own work.

use super::status;
use crate::filter::{Filter, FilterOn};
use ditto_protocol::persistent_subscriptions::create_req::all_options::filter_options::{
    self, Expression,
};
use ditto_protocol::persistent_subscriptions::create_req::all_options::{
    FilterOption, FilterOptions,
};
use tonic::Status;

/// Reads the filter of a Create request; none: everything passes.
pub(crate) fn read(option: Option<FilterOption>) -> Result<Option<Filter>, Status> {
    let Some(FilterOption::Filter(FilterOptions { filter, .. })) = option else {
        return Ok(None);
    };
    let (on, Expression { regex, prefix }) = match filter.ok_or_else(status::exception)? {
        filter_options::Filter::StreamIdentifier(expression) => (FilterOn::Stream, expression),
        filter_options::Filter::EventType(expression) => (FilterOn::EventType, expression),
    };
    Filter::new(on, &regex, prefix)
        .map(Some)
        .map_err(|_| status::exception())
}
