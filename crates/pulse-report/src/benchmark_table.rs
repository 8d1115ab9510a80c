//! Response times of all cases in the columns of pytest-benchmark.

use std::collections::BTreeMap;
use std::io;

use pulse_model::Summary;
use unicode_width::UnicodeWidthStr;

use crate::Reporter;
use crate::benchmark_stats::BenchmarkStats;
use crate::suite::{Case, Suite};
use crate::table::{Column, Table};

/// The table of `--benchmark-only`: per group the response times of its cases in pytest-benchmark's columns, the
/// fastest first. In parentheses how many times more than the best of the group it is. Cases without requests are left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct BenchmarkTable;

/// A case with its statistics.
struct Benchmark<'a> {
    case: Case<'a>,
    stats: BenchmarkStats,
}

impl Reporter for BenchmarkTable {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        let mut groups: BTreeMap<Option<String>, Vec<Benchmark<'_>>> = BTreeMap::new();
        for case in Suite::of(summary).cases {
            if let Some(stats) = BenchmarkStats::of(case.summary) {
                groups.entry(case.group()).or_default().push(Benchmark { case, stats });
            }
        }
        if groups.is_empty() {
            return out.write_all(b"No benchmarks: no case has made any requests.\n");
        }
        for (name, mut group) in groups {
            group.sort_by(|a, b| a.stats.min.total_cmp(&b.stats.min));
            out.write_all(table(name.as_deref(), &group).as_bytes())?;
        }
        out.write_all(
            b"Outliers: 1 standard deviation from the mean; 1.5 interquartile ranges from the 1st and 3rd quartile.\n\
              OPS: operations per second of response time, 1 / mean. Rounds: requests.\n",
        )
    }
}

type Figure = fn(&BenchmarkStats) -> f64;

fn table(name: Option<&str>, group: &[Benchmark<'_>]) -> String {
    let fastest = group.first().map_or(1.0, |first| first.stats.min);
    let (unit, per_second) = time_unit(fastest);
    let most = group.iter().map(|one| one.stats.ops()).fold(0.0, f64::max);
    let (ops_unit, scale) = rate_unit(most);
    let title = format!("Name (time in {unit})");
    let times: [Figure; 6] =
        [|s| s.min, |s| s.max, |s| s.mean, |s| s.stddev, |s| s.median, BenchmarkStats::iqr];
    let best = times.map(|figure| group.iter().map(|one| figure(&one.stats)).fold(f64::INFINITY, f64::min));
    let ops_title = format!("OPS{ops_unit}");
    let mut table = Table::new([
        (title.as_str(), Column::Label),
        ("Min", Column::Figure),
        ("Max", Column::Figure),
        ("Mean", Column::Figure),
        ("StdDev", Column::Figure),
        ("Median", Column::Figure),
        ("IQR", Column::Figure),
        ("Outliers", Column::Figure),
        (ops_title.as_str(), Column::Figure),
        ("Rounds", Column::Figure),
    ]);
    for Benchmark { case, stats } in group {
        let time = |index: usize| {
            let value = times[index](stats);
            relative(value * per_second, value, best[index], group.len())
        };
        table.row([
            case.name(),
            time(0),
            time(1),
            time(2),
            time(3),
            time(4),
            time(5),
            stats.outliers(),
            relative(stats.ops() * scale, stats.ops(), most, group.len()),
            stats.rounds.to_string(),
        ]);
    }
    let rows = table.render(0);
    let width = rows.lines().map(UnicodeWidthStr::width).max().unwrap_or(0);
    let tests = if group.len() == 1 { "1 test".to_owned() } else { format!("{} tests", group.len()) };
    let heading =
        name.map_or_else(|| format!(" benchmark: {tests} "), |name| format!(" benchmark '{name}': {tests} "));
    let rule = "-".repeat(width);
    let left = width.saturating_sub(heading.width()) / 2;
    let right = width.saturating_sub(heading.width() + left);
    let (left, right) = ("-".repeat(left), "-".repeat(right));
    format!("{left}{heading}{right}\n{rows}{rule}\n\n")
}

/// The unit that the smallest time reads best in, with the number of them in a second.
fn time_unit(seconds: f64) -> (&'static str, f64) {
    match seconds {
        s if s < 1e-6 => ("ns", 1e9),
        s if s < 1e-3 => ("us", 1e6),
        s if s < 1.0 => ("ms", 1e3),
        _ => ("s", 1.0),
    }
}

/// The unit that the largest rate reads best in, with the factor to it.
fn rate_unit(per_second: f64) -> (&'static str, f64) {
    match per_second {
        rate if rate > 1e6 => (" (Mops/s)", 1e-6),
        rate if rate > 1e3 => (" (Kops/s)", 1e-3),
        _ => ("", 1.0),
    }
}

/// `1,234.5678 (1.23)`; without the factor where there is nothing to compare with.
fn relative(shown: f64, value: f64, best: f64, count: usize) -> String {
    let number = grouped(shown);
    if count < 2 {
        return number;
    }
    match value / best {
        _ if value.total_cmp(&best).is_eq() => format!("{number} (1.0)"),
        factor if !factor.is_finite() => format!("{number} (inf)"),
        factor if factor > 1000.0 => format!("{number} (>1000.0)"),
        factor => format!("{number} ({factor:.2})"),
    }
}

/// Four decimals and a comma between thousands.
fn grouped(value: f64) -> String {
    let text = format!("{value:.4}");
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "0000"));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped}.{decimals}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, canonical_suite};

    #[test]
    fn numbers_and_units_are_those_of_pytest_benchmark() {
        for (value, text) in [(0.0, "0.0000"), (999.99, "999.9900"), (1_234_567.891_23, "1,234,567.8912")] {
            assert_eq!(grouped(value), text);
        }
        for (seconds, unit) in
            [(0.0, "ns"), (9e-7, "ns"), (1e-6, "us"), (1e-3, "ms"), (0.5, "ms"), (1.0, "s")]
        {
            assert_eq!(time_unit(seconds).0, unit, "{seconds}");
        }
        assert_eq!(relative(2.0, 2.0, 1.0, 2), "2.0000 (2.00)");
        assert_eq!(relative(2.0, 2.0, 0.0, 2), "2.0000 (inf)");
        assert_eq!(relative(0.0, 0.0, 0.0, 2), "0.0000 (1.0)");
        assert_eq!(relative(2.0, 2.0, 2.0, 1), "2.0000");
    }

    #[test]
    fn suite() {
        insta::assert_snapshot!(canonical::rendered(&BenchmarkTable, &canonical_suite::full()));
    }

    #[test]
    fn empty() {
        insta::assert_snapshot!(canonical::rendered(&BenchmarkTable, &canonical_suite::empty()));
    }
}
