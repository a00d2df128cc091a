//! Several measurements of one thing: least, median, most.
//!
//! Never an average: machines stall, and a stall must not hide in a mean.

use serde::Serialize;

/// Least, median and most of some measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of no measurement all three are 0.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            min: sorted.first().copied().unwrap_or_default(),
            median: at(&sorted, 0.5),
            max: sorted.last().copied().unwrap_or_default(),
        }
    }
}

/// The value below which the share `part` (0 to 1) of the sorted values lies.
pub(crate) fn at(sorted: &[f64], part: f64) -> f64 {
    if sorted.is_empty() {
        return 0.0;
    }
    let last = sorted.len() - 1;
    // An index below a length that fits.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    let place = (last as f64 * part).round() as usize;
    sorted[place.min(last)]
}

#[cfg(test)]
mod tests {
    use super::{Spread, at};

    #[test]
    fn the_middle_one_counts() {
        let spread = Spread::of(&[3.0, 100.0, 1.0]);
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 3.0, 100.0));
        assert_eq!(Spread::of(&[]), Spread::default());
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(
            (at(&sorted, 0.5), at(&sorted, 0.99), at(&sorted, 1.0)),
            (50.0, 99.0, 100.0)
        );
    }
}
