//! A history of figures as text: one column per run or per group of runs, for the terminal.

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrendChart {
    /// Columns; at least 1 and at most 1000 are used.
    pub width: usize,
    /// Which characters may be used.
    pub characters: ChartCharacters,
}

/// Characters of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChartCharacters {
    /// Eight heights, `▁` to `█`.
    Blocks,
    /// Four heights, `_`, `.`, `-` and `^`, for terminals without Unicode.
    Ascii,
}

impl ChartCharacters {
    fn heights(self) -> &'static [char] {
        match self {
            Self::Blocks => &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Self::Ascii => &['_', '.', '-', '^'],
        }
    }

    fn mark(self) -> char {
        match self {
            Self::Blocks => '▲',
            Self::Ascii => '|',
        }
    }
}

/// A drawn history.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawnTrend {
    /// One character per column, oldest first. A column without a value is blank.
    pub line: String,
    /// Marks below the columns of changes, as wide as the last of them; empty without any.
    pub marks: String,
    /// Value of the lowest height; `None` without values.
    pub lowest: Option<f64>,
    /// Value of the greatest height.
    pub highest: Option<f64>,
}

impl TrendChart {
    /// Draws values, the oldest first, with marks below those at the indices `changes`. Where there are more values than
    /// columns, a column is the median of its group. The lowest value has the lowest height; a history of one level is
    /// drawn at half the height. What is not finite is blank.
    pub fn draw(&self, values: &[f64], changes: &[usize]) -> DrawnTrend {
        let columns = self.width.clamp(1, 1000).min(values.len());
        let first = |column: usize| column * values.len() / columns.max(1);
        let medians: Vec<Option<f64>> =
            (0..columns).map(|column| median(&values[first(column)..first(column + 1)])).collect();
        let finite = || medians.iter().flatten().copied();
        let lowest = finite().reduce(f64::min);
        let highest = finite().reduce(f64::max);
        let heights = self.characters.heights();
        let line = medians.iter().map(|median| match (median, lowest, highest) {
            (Some(value), Some(low), Some(high)) => heights[height(*value, low, high, heights.len())],
            _ => ' ',
        });
        let is_marked =
            |column: &usize| changes.iter().any(|at| (first(*column)..first(*column + 1)).contains(at));
        let marks: String = (0..columns)
            .map(|column| if is_marked(&column) { self.characters.mark() } else { ' ' })
            .collect();
        DrawnTrend { line: line.collect(), marks: marks.trim_end().to_owned(), lowest, highest }
    }
}

/// The height of a value, from 0 below `count`.
fn height(value: f64, low: f64, high: f64, count: usize) -> usize {
    // Halved, so that the span of the largest numbers is finite.
    let span = high / 2.0 - low / 2.0;
    let share = if span > 0.0 { (value / 2.0 - low / 2.0) / span } else { 0.5 };
    ((share * count as f64) as usize).min(count - 1)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    finite.sort_unstable_by(f64::total_cmp);
    finite.get(finite.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chart(width: usize, characters: ChartCharacters) -> TrendChart {
        TrendChart { width, characters }
    }

    type Row = (usize, ChartCharacters, &'static [f64], &'static [usize], &'static str, &'static str);

    #[test]
    fn drawings() {
        use ChartCharacters::{Ascii, Blocks};
        const NAN: f64 = f64::NAN;
        let rows: [Row; 8] = [
            (9, Blocks, &[], &[], "", ""),
            (9, Blocks, &[5.0], &[], "▅", ""),
            (9, Blocks, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &[], "▁▂▃▄▅▆▇█", ""),
            (9, Blocks, &[1.0, 1.0, 9.0, 9.0], &[2], "▁▁██", "  ▲"),
            (9, Ascii, &[1.0, 1.0, 9.0, 9.0], &[2, 99], "__^^", "  |"),
            (2, Blocks, &[1.0, 1.0, 50.0, 9.0, 9.0, 9.0], &[3], "▁█", " ▲"),
            (9, Blocks, &[1.0, NAN, f64::INFINITY, 2.0], &[], "▁  █", ""),
            (0, Blocks, &[-f64::MAX, f64::MAX], &[], "▅", ""),
        ];
        for (width, characters, values, changes, line, marks) in rows {
            let drawn = chart(width, characters).draw(values, changes);
            assert_eq!((drawn.line.as_str(), drawn.marks.as_str()), (line, marks), "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn never_wider_than_asked(
            values in prop::collection::vec(any::<f64>(), 0..300),
            changes in prop::collection::vec(0_usize..400, 0..5),
            width in 0_usize..200,
        ) {
            let drawn = chart(width, ChartCharacters::Blocks).draw(&values, &changes);
            prop_assert_eq!(drawn.line.chars().count(), values.len().min(width.max(1)));
            prop_assert!(drawn.marks.chars().count() <= drawn.line.chars().count());
        }
    }
}
