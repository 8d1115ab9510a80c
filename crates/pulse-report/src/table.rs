//! A table in columns of a fixed-width font.

use unicode_width::UnicodeWidthStr;

use crate::number::printable;

/// Narrowest a column of names gets before columns are left out.
const NAME_MIN: usize = 14;
const GAP: &str = "  ";
const INDENT: &str = "  ";

/// How a column behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Left-aligned text of the user's or the service's, which is shortened with … when the table is too wide.
    Name,
    /// Left-aligned words of ours, which are never shortened.
    Label,
    /// Right-aligned figures.
    Figure,
    /// Right-aligned figures that a narrow page can do without.
    Spare,
}

/// Rows of cells under titles.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with its titles.
    pub(crate) fn new<const N: usize>(columns: [(&str, Column); N]) -> Self {
        Self {
            columns: columns.iter().map(|(_, column)| *column).collect(),
            rows: vec![columns.iter().map(|(title, _)| (*title).to_owned()).collect()],
        }
    }

    /// Adds a row with a cell for every column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len(), "a cell for every column");
        let cells = cells.map(|cell| printable(&cell).into_owned());
        self.rows.push(cells.into());
    }

    /// The table in lines, indented, at most `width` columns wide where labels and figures allow it; as wide as it
    /// needs to be when `width` is 0.
    pub(crate) fn render(mut self, width: usize) -> String {
        let width = if width == 0 { usize::MAX } else { width };
        let mut widths = self.widths();
        while total(&widths) > width
            && names(&self.columns, &widths).is_none_or(|(names, room)| {
                // The other columns leave too little for the names.
                total(&widths) - room + names * NAME_MIN > width
            })
            && let Some(spare) = self.columns.iter().rposition(|column| *column == Column::Spare)
        {
            self.columns.remove(spare);
            for row in &mut self.rows {
                row.remove(spare);
            }
            widths.remove(spare);
        }
        while total(&widths) > width {
            let widest = (0..widths.len())
                .filter(|&index| self.columns[index] == Column::Name && widths[index] > NAME_MIN)
                .max_by_key(|&index| widths[index]);
            let Some(widest) = widest else { break };
            let excess = total(&widths) - width;
            widths[widest] = widths[widest].saturating_sub(excess).max(NAME_MIN);
        }
        self.rows.iter().map(|row| self.line(row, &widths)).collect()
    }

    fn widths(&self) -> Vec<usize> {
        (0..self.columns.len())
            .map(|index| {
                let cells = self.rows.iter().map(|row| row[index].width());
                cells.max().unwrap_or(0)
            })
            .collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::from(INDENT);
        for (index, (cell, &width)) in row.iter().zip(widths).enumerate() {
            if index > 0 {
                line.push_str(GAP);
            }
            let cell = shortened(cell, width);
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            if matches!(self.columns[index], Column::Name | Column::Label) {
                line.push_str(&cell);
                line.push_str(&blanks);
            } else {
                line.push_str(&blanks);
                line.push_str(&cell);
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

fn total(widths: &[usize]) -> usize {
    INDENT.len() + widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

/// Number and joint width of the name columns; `None` when there are none.
fn names(columns: &[Column], widths: &[usize]) -> Option<(usize, usize)> {
    let names = || {
        let pairs = columns.iter().zip(widths);
        pairs.filter(|(column, _)| **column == Column::Name)
    };
    let count = names().count();
    (count > 0).then(|| (count, names().map(|(_, width)| width).sum()))
}

/// The text in at most `width` display columns, with … in place of what is left out.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    // A sequence of characters can be wider than the sum of its parts, so the whole is measured each time.
    let mut short = String::from("…");
    for c in text.chars() {
        let end = short.len() - '…'.len_utf8();
        short.insert(end, c);
        if short.width() > width {
            short.remove(end);
            break;
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example() -> Table {
        let mut table =
            Table::new([("name", Column::Name), ("requests", Column::Figure), ("share", Column::Spare)]);
        table.row(["日本語の名前".into(), "5".into(), "1.00%".into()]);
        table.row(["a long name that goes on".into(), "60000".into(), "99.00%".into()]);
        table
    }

    #[test]
    fn columns_line_up_by_display_width() {
        insta::assert_snapshot!(example().render(80), @r"
          name                      requests   share
          日本語の名前                     5   1.00%
          a long name that goes on     60000  99.00%
        ");
    }

    #[test]
    fn a_narrow_page_shortens_names_and_then_leaves_out_spare_columns() {
        insta::assert_snapshot!(example().render(36), @r"
          name              requests   share
          日本語の名前             5   1.00%
          a long name tha…     60000  99.00%
        ");
        insta::assert_snapshot!(example().render(30), @r"
          name                requests
          日本語の名前               5
          a long name that …     60000
        ");
    }

    #[test]
    fn labels_and_pages_without_a_width_are_never_shortened() {
        let table = || {
            let mut table =
                Table::new([("class", Column::Label), ("n", Column::Figure), ("message", Column::Name)]);
            table.row(["connect_refused by somebody".into(), "5".into(), "nobody listens there".into()]);
            table
        };
        insta::assert_snapshot!(table().render(0), @r"
          class                        n  message
          connect_refused by somebody  5  nobody listens there
        ");
        insta::assert_snapshot!(table().render(20), @r"
          class                        n  message
          connect_refused by somebody  5  nobody listen…
        ");
    }

    #[test]
    fn shortening_counts_columns_not_characters() {
        for (text, width, short) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("ab", 1, "…"),
        ] {
            assert_eq!(shortened(text, width), short, "{text} in {width}");
        }
    }

    proptest! {
        #[test]
        fn no_width_panics(name in ".{0,30}", width in 0..60_usize) {
            let mut table = Table::new([("name", Column::Name), ("n", Column::Spare)]);
            table.row([name, "1".into()]);
            table.render(width);
        }

        #[test]
        fn shortened_text_fits(text in "\\PC{0,30}", width in 1..20_usize) {
            prop_assert!(shortened(&text, width).width() <= width);
        }
    }
}
