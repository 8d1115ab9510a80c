//! Mistakes in files, drawn with the lines they are in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report};
use pulse_plan::{FileError, FileErrors};

use crate::problem::Problem;
use crate::terminal::Stream;

/// Draws all mistakes of a file and of the files it names; `texts` holds their contents by name.
pub(crate) fn file_problem(errors: &FileErrors, texts: &BTreeMap<String, String>) -> Problem {
    let theme = match (Stream::Err.is_terminal(), Stream::Err.is_colored()) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, _) => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(110);
    let mut text = String::new();
    for error in &errors.errors {
        let report = drawn(error, texts.get(&error.file));
        // Writing to a string does not fail; should drawing fail all the same, the plain form still tells everything.
        if handler.render_report(&mut text, report.as_ref()).is_err() {
            let _ = writeln!(text, "error: {error}");
        }
    }
    if errors.omitted > 0 {
        let _ = writeln!(text, "… and {} more", errors.omitted);
    }
    Problem::drawn(text)
}

fn drawn(error: &FileError, text: Option<&String>) -> Report {
    let position = format!("{}:{}:{}: {}", error.file, error.line, error.column, error.message);
    let mut diagnostic = MietteDiagnostic::new(position);
    if let Some(help) = &error.help {
        diagnostic = diagnostic.with_help(help.clone());
    }
    match text {
        Some(text) => {
            let label = error.key.clone().unwrap_or_else(|| "here".to_owned());
            let diagnostic = diagnostic.with_label(LabeledSpan::at(error.span.clone(), label));
            Report::new(diagnostic).with_source_code(NamedSource::new(&error.file, text.clone()))
        }
        None => Report::new(diagnostic),
    }
}
