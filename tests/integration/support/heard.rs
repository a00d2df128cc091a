//! What a pipeline tells of single happenings, for the few tests about what neither status nor metrics show: the order of two
//! happenings, and what is told in the journal alone.

use std::sync::Mutex;

use ditto::report::Listener;
use ditto_core::port::Report;

/// Remembers everything that it was told.
#[derive(Default)]
pub(crate) struct Heard {
    reports: Mutex<Vec<Report>>,
}

impl Heard {
    /// How often the test matches what was told.
    pub(crate) fn count(&self, test: impl Fn(&Report) -> bool) -> usize {
        let reports = self.reports.lock().unwrap();
        reports.iter().filter(|report| test(report)).count()
    }

    /// Where in what was told the first of this kind is.
    pub(crate) fn first(&self, test: impl Fn(&Report) -> bool) -> Option<usize> {
        self.reports.lock().unwrap().iter().position(test)
    }

    /// Where the last is.
    pub(crate) fn last(&self, test: impl Fn(&Report) -> bool) -> Option<usize> {
        self.reports.lock().unwrap().iter().rposition(test)
    }
}

impl Listener for Heard {
    fn report(&self, what: &Report) {
        self.reports.lock().unwrap().push(what.clone());
    }
}
