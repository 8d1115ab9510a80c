//! Names of the report formats, as in `--out json=PATH`.

use std::fmt;
use std::str::FromStr;

use crate::{
    Bencher, Better, Csv, GithubAnnotations, GithubBenchmark, Html, JUnit, Json, Markdown, Png,
    PytestBenchmark, Reporter, Svg, Text,
};

/// A report format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// The report for people, as at a terminal but without color.
    Text,
    /// The versioned document of `schemas/report.schema.json`.
    Json,
    /// One row per endpoint and a total row; for a suite one row per target.
    Csv,
    /// For a pull request or a job summary.
    Markdown,
    /// JUnit XML: one test case per target; for a suite one per case.
    JUnit,
    /// The page of the dashboard with the report in it, as one file.
    Html,
    /// Charts as a picture that scales.
    Svg,
    /// The same picture in pixels.
    Png,
    /// Annotations of GitHub Actions, for standard output.
    Github,
    /// The JSON of pytest-benchmark.
    PytestBenchmark,
    /// Bencher Metric Format.
    Bencher,
    /// `customBiggerIsBetter` of github-action-benchmark.
    BiggerIsBetter,
    /// `customSmallerIsBetter` of github-action-benchmark.
    SmallerIsBetter,
}

impl Format {
    /// All formats, in the order in which help texts name them.
    pub const ALL: [Self; 13] = [
        Self::Text,
        Self::Json,
        Self::Csv,
        Self::Markdown,
        Self::JUnit,
        Self::Html,
        Self::Svg,
        Self::Png,
        Self::Github,
        Self::PytestBenchmark,
        Self::Bencher,
        Self::BiggerIsBetter,
        Self::SmallerIsBetter,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Markdown => "md",
            Self::JUnit => "junit",
            Self::Html => "html",
            Self::Svg => "svg",
            Self::Png => "png",
            Self::Github => "github",
            Self::PytestBenchmark => "pytest-benchmark",
            Self::Bencher => "bencher",
            Self::BiggerIsBetter => "bigger-is-better",
            Self::SmallerIsBetter => "smaller-is-better",
        }
    }

    /// The reporter of this format, as it writes files: complete and without color. [`PytestBenchmark`] knows no commit
    /// then, and [`Html`] may lack its page.
    pub fn reporter(self) -> Box<dyn Reporter> {
        match self {
            Self::Text => Box::new(Text::default()),
            Self::Json => Box::new(Json),
            Self::Csv => Box::new(Csv),
            Self::Markdown => Box::new(Markdown::default()),
            Self::JUnit => Box::new(JUnit),
            Self::Html => Box::new(Html),
            Self::Svg => Box::new(Svg),
            Self::Png => Box::new(Png),
            Self::Github => Box::new(GithubAnnotations),
            Self::PytestBenchmark => Box::new(PytestBenchmark::default()),
            Self::Bencher => Box::new(Bencher),
            Self::BiggerIsBetter => Box::new(GithubBenchmark { better: Better::Bigger }),
            Self::SmallerIsBetter => Box::new(GithubBenchmark { better: Better::Smaller }),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text does not name a report format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// The offending text.
    pub text: String,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Format::ALL.map(Format::name).join(", ");
        write!(f, "`{}` is not a report format; known are {known}", self.text.escape_default())
    }
}

impl std::error::Error for FormatError {}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| FormatError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "xml\u{1b}[2J".parse::<Format>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`xml\\u{1b}[2J` is not a report format; known are text, json, csv, md, junit, html, svg, png, github, \
             pytest-benchmark, bencher, bigger-is-better, smaller-is-better"
        );
    }
}
