//! Reads workloads of every format, which shows in their content.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use pulse_model::statement_kind;

use super::builder::Entry;
use super::error::WorkloadError;
use super::line::{Line, LineError, StatementLine, VERSION};
use super::line_reader::{LineReader, RawText};
use super::log::{self, LogReader};
use super::script::ScriptReader;
use super::{MAX_LINE_BYTES, WorkloadBuilder, splitter};

/// The beginning of a file in which its format shows.
const SAMPLE_BYTES: u64 = 64 * 1024;
/// Dialects of one file that are told apart.
const MAX_DIALECTS: usize = 8;

/// What a workload is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkloadFormat {
    /// JSON Lines with a header: `schemas/workload.json`.
    Trace,
    /// SQL.
    Script,
    /// A log of an application.
    Log,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOutcome {
    /// What it was written in.
    pub format: WorkloadFormat,
    /// Lines.
    pub lines: u64,
    /// Dialects that the headers of a trace name, each once.
    pub dialects: Vec<String>,
}

/// Reads a workload of any format from a file.
///
/// # Errors
/// When it cannot be read, or is none at all; single lines that are not understood are skipped and counted in the builder.
pub fn read_workload(path: &Path, builder: &mut WorkloadBuilder) -> Result<ReadOutcome, WorkloadError> {
    let file = File::open(path).map_err(|source| WorkloadError::File { path: path.to_owned(), source })?;
    read_workload_from(file, &path.display().to_string(), builder)
}

/// Reads a workload of any format from a stream, in bounded memory. `name` is what origins begin with.
///
/// # Errors
/// As [`read_workload`].
pub fn read_workload_from(
    mut input: impl Read,
    name: &str,
    builder: &mut WorkloadBuilder,
) -> Result<ReadOutcome, WorkloadError> {
    let stream = |line| move |source| WorkloadError::Stream { name: name.to_owned(), line, source };
    let sample = sample(&mut input).map_err(stream(0))?;
    let format = recognized(&sample, name)?;
    let whole = BufReader::with_capacity(1 << 16, io::Cursor::new(sample).chain(input));
    let mut lines = LineReader::new(whole);
    let mut outcome = ReadOutcome { format, lines: 0, dialects: Vec::new() };
    let mut reader = match format {
        WorkloadFormat::Trace => Reader::Trace { has_header: false },
        WorkloadFormat::Script => Reader::Script(ScriptReader::new(name)),
        WorkloadFormat::Log => Reader::Log(LogReader::new(name)),
    };
    loop {
        let before = lines.number();
        let Some(line) = lines.next().map_err(stream(before))? else {
            break;
        };
        reader.line(&line, name, &mut outcome, builder)?;
    }
    reader.finish(builder);
    outcome.lines = lines.number();
    Ok(outcome)
}

enum Reader {
    Trace { has_header: bool },
    Script(ScriptReader),
    Log(LogReader),
}

impl Reader {
    fn line(
        &mut self,
        line: &RawText<'_>,
        name: &str,
        outcome: &mut ReadOutcome,
        builder: &mut WorkloadBuilder,
    ) -> Result<(), WorkloadError> {
        let bytes = if line.number == 1 { without_mark(line.bytes) } else { line.bytes };
        let origin = || format!("{name}:{}", line.number);
        if line.is_cut {
            // A part of a trace's line is none; of the others it may be much of a statement, but not one that can be run.
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]);
            builder.skip(&origin(), &text, &format!("a line of more than {MAX_LINE_BYTES} bytes"), 1);
            if let Self::Script(script) = self {
                script.abandon();
            }
            return Ok(());
        }
        match self {
            Self::Trace { has_header } => trace_line(bytes, line, has_header, name, outcome, builder)?,
            Self::Script(script) => script.line(&String::from_utf8_lossy(bytes), line.number, builder),
            Self::Log(log) => log.line(&String::from_utf8_lossy(bytes), line.number, builder),
        }
        Ok(())
    }

    fn finish(&mut self, builder: &mut WorkloadBuilder) {
        match self {
            Self::Trace { .. } => {}
            Self::Script(script) => script.finish(builder),
            Self::Log(log) => log.finish(builder),
        }
    }
}

fn trace_line(
    bytes: &[u8],
    line: &RawText<'_>,
    has_header: &mut bool,
    name: &str,
    outcome: &mut ReadOutcome,
    builder: &mut WorkloadBuilder,
) -> Result<(), WorkloadError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(());
    }
    let origin = format!("{name}:{}", line.number);
    match Line::parse(bytes) {
        Ok(Line::Header(header)) => {
            *has_header = true;
            if !outcome.dialects.contains(&header.dialect) && outcome.dialects.len() < MAX_DIALECTS {
                outcome.dialects.push(header.dialect);
            }
        }
        Ok(_) if !*has_header => return Err(WorkloadError::NoHeader { name: name.to_owned() }),
        Ok(Line::Statement(statement)) => add(statement, &origin, builder),
        Ok(Line::Lost(0)) => {}
        Ok(Line::Lost(calls)) => builder.skip(&origin, "", "calls that the recording lost", calls),
        Err(LineError::Newer(version)) => {
            let (name, line) = (name.to_owned(), line.number);
            return Err(WorkloadError::Newer { name, line, version, known: VERSION });
        }
        Err(LineError::Invalid(_)) if !*has_header => {
            return Err(WorkloadError::NoHeader { name: name.to_owned() });
        }
        Err(LineError::Invalid(_)) if line.is_open => {
            builder.skip(&origin, "", "the last line was cut short", 1);
        }
        Err(LineError::Invalid(reason)) => {
            // The column differs from line to line, what is wrong does not.
            let reason = reason.split(" at line ").next().unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]);
            builder.skip(&origin, &text, &format!("not a line of a workload file: {reason}"), 1);
        }
    }
    Ok(())
}

/// Adds the calls of a line. A script of several statements was measured as one; of its parts only the calls are known.
fn add(line: StatementLine, origin: &str, builder: &mut WorkloadBuilder) {
    let StatementLine { statement, calls, duration_ns, values, .. } = line;
    if statement.contains(';') {
        let mut pieces = splitter::statements(&statement);
        if pieces.len() > 1 {
            for piece in pieces {
                builder.add(Entry { sql: piece.sql, calls, ..Entry::default() }, origin);
            }
            return;
        }
        if let Some(piece) = pieces.pop().filter(|piece| !piece.is_too_long) {
            let values = values.unwrap_or_default();
            builder.add(Entry { sql: piece.sql, values, calls, duration_ns }, origin);
            return;
        }
    }
    builder.add(Entry { sql: statement, values: values.unwrap_or_default(), calls, duration_ns }, origin);
}

/// The beginning of a stream.
fn sample(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut sample = Vec::new();
    input.take(SAMPLE_BYTES).read_to_end(&mut sample)?;
    Ok(sample)
}

/// The mark with which some programs begin UTF-8.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn recognized(sample: &[u8], name: &str) -> Result<WorkloadFormat, WorkloadError> {
    if memchr::memchr(0, sample).is_some() {
        return Err(WorkloadError::NotText { name: name.to_owned() });
    }
    let text = String::from_utf8_lossy(without_mark(sample));
    // The sample may end within a line.
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let first = lines().next().unwrap_or_default().trim_start();
    // Other programs log in JSON, too.
    if first.starts_with('{')
        && ["\"format\"", "\"statement\"", "\"lost_calls\""].iter().any(|key| first.contains(key))
    {
        return Ok(WorkloadFormat::Trace);
    }
    if lines().any(log::is_logged) {
        return Ok(WorkloadFormat::Log);
    }
    let begins = |line: &&str| statement_kind(line) != "other";
    let is_comment = |line: &&str| line.starts_with("--") || line.starts_with("/*") || line.starts_with('.');
    let is_script =
        lines().map(str::trim_start).find(|line| !is_comment(line)).is_some_and(|line| begins(&line))
            || statement_kind(&text) != "other";
    let has_its_name =
        Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"));
    Ok(if is_script || has_its_name { WorkloadFormat::Script } else { WorkloadFormat::Log })
}

#[cfg(test)]
mod tests;
