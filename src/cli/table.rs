//! Columns for people: each as wide as its widest cell.
//!
//! Never cuts a cell, and leaves no blanks at the end of a line.

use std::borrow::Cow;

use crate::escape;

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Lines of columns two blanks apart, the cells escaped; a column beyond `sides` stands left.
pub(super) fn table<const N: usize>(rows: &[[String; N]], sides: [Side; N]) -> String {
    let rows: Vec<[Cow<'_, str>; N]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| escape::line(cell)))
        .collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[Cow<'_, str>; N]| {
        let cells: Vec<String> = (0..N)
            .map(|at| match sides[at] {
                Side::Left => format!("{:<width$}", row[at], width = widths[at]),
                Side::Right => format!("{:>width$}", row[at], width = widths[at]),
            })
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A whole number with a comma at each thousand.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_blanks_at_their_ends() {
        let rows = [["NAME", "COUNT"], ["a", "1,000"], ["much longer", "7"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(
            table(&rows, [Side::Left, Side::Right]),
            "NAME         COUNT\na            1,000\nmuch longer      7"
        );
        assert_eq!(
            table(&rows, [Side::Left, Side::Left]),
            "NAME         COUNT\na            1,000\nmuch longer  7"
        );
    }

    #[test]
    fn cells_are_escaped_before_they_are_measured() {
        let rows = [["a\u{1b}[2J\nb", "c"], ["d", "e"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(
            table(&rows, [Side::Left, Side::Left]),
            "a\\u{1b}[2J\\nb  c\nd              e"
        );
    }

    #[test]
    fn thousands_are_marked() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }
}
