//! A [`Summary`](pulse_model::Summary) of a load test or of a suite rendered as text, JSON, CSV, Markdown, JUnit, HTML
//! or a picture, and in the formats of CI systems and benchmark trackers.
//!
//! - [`Reporter`] turns a summary into bytes; [`Text`], [`Json`], [`Csv`], [`Markdown`], [`JUnit`] and [`Html`] are its
//!   forms for every job.
//! - [`Page`] is the data of the page of `web/`, [`served_page`] the page for a server.
//! - [`SuiteText`] and [`BenchmarkTable`] show a suite to people, with as much [`Detail`] as they want.
//! - [`GithubAnnotations`] mark the lines of targets that were missed; [`PytestBenchmark`], [`Bencher`] and
//!   [`GithubBenchmark`] hand the figures to trackers.
//! - [`Svg`] and [`Png`] are the report as a picture.
//! - [`whole_intervals`] is a timeline for charts.
//! - [`Format`] names them, as in `--out json=PATH`.
//! - [`header`] is what is printed when the load begins.
//! - [`number`] writes figures so that rounding never flatters.
//!
//! The same summary always gives the same bytes, so a recorded run reads as it did when it ended.
//!
//! ```
//! use pulse_model::Summary;
//! use pulse_report::{Format, Reporter};
//!
//! let format: Format = "md".parse()?;
//! let mut bytes = Vec::new();
//! format.reporter().render(&Summary::default(), &mut bytes)?;
//! assert!(String::from_utf8(bytes)?.starts_with("### "));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it does *not* do: no files, no clock, no terminal detection, no judging (verdicts, findings and changes come
//! with the summary), no live views (see `pulse-live`).

mod bencher;
mod benchmark_stats;
mod benchmark_table;
mod changes;
mod claim;
mod comparison_page;
mod csv_rows;
mod database_markdown;
mod database_text;
mod estimates;
mod figures;
mod format;
mod github;
mod github_benchmark;
mod header;
mod html;
mod intervals;
mod json;
mod json_case;
mod json_database;
mod json_document;
mod json_service;
mod junit;
mod likenesses;
mod markdown;
mod markdown_page;
mod measures;
mod messages;
mod monitor_markdown;
mod monitor_text;
pub mod number;
mod page;
mod picture;
mod pytest_benchmark;
mod reporter;
mod series;
mod service;
mod spread;
mod suite;
mod suite_markdown;
mod suite_rows;
mod suite_sections;
mod suite_text;
mod table;
mod text;
mod text_sections;
mod wording;

#[cfg(test)]
mod canonical;
#[cfg(test)]
mod canonical_monitor;
#[cfg(test)]
mod canonical_suite;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod sized;

pub use bencher::Bencher;
pub use benchmark_table::BenchmarkTable;
pub use comparison_page::ComparisonPage;
pub use csv_rows::Csv;
pub use format::{Format, FormatError};
pub use github::GithubAnnotations;
pub use github_benchmark::{Better, GithubBenchmark};
pub use header::header;
pub use html::{Html, NO_PAGE, ServedPage, served_page};
pub use intervals::whole_intervals;
pub use json::{FORMAT, Json, VERSION};
pub use junit::JUnit;
pub use markdown::Markdown;
pub use page::Page;
pub use picture::{Png, Svg};
pub use pytest_benchmark::{CommitInfo, PytestBenchmark};
pub use reporter::Reporter;
pub use series::{SeriesError, SeriesQuery};
pub use service::{PoolFigures, ProcessFigures, RequestFigures, ServiceFigures, SlowStatement, Times};
pub use suite_text::{Detail, SuiteText};
pub use text::Text;
