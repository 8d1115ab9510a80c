//! A [`Summary`](pulse_model::Summary) rendered as text, JSON, CSV, Markdown or JUnit.
//!
//! - [`Reporter`] turns a summary into bytes; [`Text`], [`Json`], [`Csv`], [`Markdown`] and [`JUnit`] are its forms.
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
//! What it does *not* do: no files, no clock, no terminal detection, no judging (verdicts and findings come with the
//! summary), no rendering of [`Summary::children`](pulse_model::Summary::children), no live views (see `pulse-live`).

mod csv_rows;
mod figures;
mod format;
mod header;
mod json;
mod json_document;
mod junit;
mod markdown;
pub mod number;
mod reporter;
mod spread;
mod table;
mod text;
mod text_sections;
mod wording;

#[cfg(test)]
mod canonical;

pub use csv_rows::Csv;
pub use format::{Format, FormatError};
pub use header::header;
pub use json::{FORMAT, Json, VERSION};
pub use junit::JUnit;
pub use markdown::Markdown;
pub use reporter::Reporter;
pub use text::Text;
