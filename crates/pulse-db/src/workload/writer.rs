//! Writes a workload file that does not grow beyond its size.

use std::io::{self, Write};

use super::line::{Header, Line, StatementLine};

/// Room for the line that says what was lost.
const RESERVE_BYTES: u64 = 64;

/// Writes a workload file. What does not fit into its size is counted instead, and the last line says how much that was.
#[derive(Debug)]
pub struct WorkloadWriter<W: Write> {
    out: W,
    room: u64,
    lost_calls: u64,
}

impl<W: Write> WorkloadWriter<W> {
    /// Begins with the header.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(mut out: W, header: Header, max_bytes: u64) -> io::Result<Self> {
        let header = Line::Header(header).written();
        out.write_all(header.as_bytes())?;
        let room = max_bytes.saturating_sub(header.len() as u64 + RESERVE_BYTES);
        Ok(Self { out, room, lost_calls: 0 })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When it cannot be written; its calls are then among the lost.
    pub fn write(&mut self, line: StatementLine) -> io::Result<()> {
        let calls = line.calls;
        let written = Line::Statement(line).written();
        if self.lost_calls > 0 || written.len() as u64 > self.room {
            // After the first that is lost the file ends, so that it is a recording up to one moment.
            self.lose(calls);
            return Ok(());
        }
        self.out
            .write_all(written.as_bytes())
            .inspect_err(|_| self.lost_calls = self.lost_calls.saturating_add(calls))?;
        self.room -= written.len() as u64;
        Ok(())
    }

    /// Counts calls that were lost before they came here.
    pub fn lose(&mut self, calls: u64) {
        self.lost_calls = self.lost_calls.saturating_add(calls);
    }

    /// Calls that are not in the file.
    pub fn lost_calls(&self) -> u64 {
        self.lost_calls
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Says what was lost, and gives back where it was written.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        if self.lost_calls > 0 {
            self.out.write_all(Line::Lost(self.lost_calls).written().as_bytes())?;
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(statement: &str, calls: u64) -> StatementLine {
        StatementLine {
            statement: statement.to_owned(),
            calls,
            duration_ns: Some(1),
            ..StatementLine::default()
        }
    }

    #[test]
    fn a_file_keeps_its_size_and_says_what_is_missing() {
        let mut writer = WorkloadWriter::new(Vec::new(), Header::default(), 400).unwrap();
        for _ in 0..20 {
            writer.write(line("SELECT a FROM b", 3)).unwrap();
        }
        writer.write(line("x", 1)).unwrap();
        let lost = writer.lost_calls();
        let written = String::from_utf8(writer.finish().unwrap()).unwrap();
        assert!(written.len() <= 400, "{}", written.len());
        let lines: Vec<Line> = written.lines().map(|line| Line::parse(line.as_bytes()).unwrap()).collect();
        assert_eq!(lines.first(), Some(&Line::Header(Header::default())));
        assert_eq!(lines.last(), Some(&Line::Lost(lost)));
        assert_eq!((lines.len() as u64 - 2) * 3 + lost, 61);
    }

    #[test]
    fn what_cannot_be_written_is_lost() {
        let mut room = [0; 150];
        let mut writer = WorkloadWriter::new(&mut room[..], Header::default(), 10_000).unwrap();
        assert!(writer.write(line(&"x".repeat(200), 2)).is_err());
        assert_eq!(writer.lost_calls(), 2);
    }
}
