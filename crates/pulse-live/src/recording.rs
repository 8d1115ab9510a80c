//! Reads recordings back.

use std::io::{self, BufRead, Read};

use pulse_model::{EventKind, RunEvent, RunInfo, Summary};

use crate::recorder::{FORMAT, Head, VERSION};

/// Longest line that is read, in bytes.
const LINE_LIMIT: u64 = 64 << 20;
/// Most events that [`read_recording`] keeps in memory: a week of one per second and some.
const EVENT_LIMIT: usize = 1_000_000;
/// How much of a line that is no recording's an error quotes.
const EXCERPT_CHARS: usize = 40;

/// A recording in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The events in order.
    pub events: Vec<RunEvent>,
    /// True when the end is missing: the last line is cut off, or there is no `Finished` event. The events are all
    /// the same what was recorded until then.
    pub truncated: bool,
}

impl Recording {
    /// What was asked for; `None` when not even the first event was recorded.
    pub fn run(&self) -> Option<&RunInfo> {
        self.events.iter().find_map(|event| match &event.kind {
            EventKind::Started(run) => Some(run.as_ref()),
            _ => None,
        })
    }

    /// What the job found out; `None` when the recording ends before it, and the summary has to be rebuilt from the
    /// snapshots.
    pub fn summary(&self) -> Option<&Summary> {
        self.events.iter().rev().find_map(|event| match &event.kind {
            EventKind::Finished(summary) => Some(summary.as_ref()),
            _ => None,
        })
    }
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The first line is not that of a recording.
    #[error(
        "this is not a recording: line 1 is `{found}` where {{\"format\":\"{FORMAT}\",…}} is expected; make one with `--record run.pulse`"
    )]
    NotARecording {
        /// The beginning of the first line.
        found: String,
    },
    /// It was written by a newer release.
    #[error(
        "the recording has version {found}, this release reads versions up to {VERSION}; use a newer one"
    )]
    NewerVersion {
        /// The version of the recording.
        found: u32,
    },
    /// A line in the middle is damaged.
    #[error(
        "line {line} of the recording is damaged: {reason}; the lines before it can be read on their own"
    )]
    Damaged {
        /// Number of the line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A line is longer than any recorder writes.
    #[error("line {line} of the recording is longer than {} MiB; the file is damaged or no recording", LINE_LIMIT >> 20)]
    LineTooLong {
        /// Number of the line, counted from 1.
        line: u64,
    },
    /// There are more events than fit in memory.
    #[error("the recording has more than {EVENT_LIMIT} events; record a shorter run")]
    TooManyEvents,
    /// The file cannot be read.
    #[error("the recording cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// Reads a whole recording. A cut-off end is not an error: what was recorded is returned with
/// [`truncated`](Recording::truncated) set.
pub fn read_recording(reader: impl BufRead) -> Result<Recording, RecordingError> {
    let mut replay = Replay::new(reader)?;
    let mut events = Vec::new();
    for event in &mut replay {
        if events.len() == EVENT_LIMIT {
            return Err(RecordingError::TooManyEvents);
        }
        events.push(event?);
    }
    Ok(Recording { events, truncated: replay.truncated() })
}

/// Reads a recording event by event, holding one line at a time. Ends after the first error.
pub struct Replay<R> {
    reader: R,
    line: Vec<u8>,
    number: u64,
    finished: bool,
    broken: bool,
    ended: bool,
}

impl<R: BufRead> Replay<R> {
    /// Begins to read; checks the first line.
    pub fn new(reader: R) -> Result<Self, RecordingError> {
        let mut replay =
            Self { reader, line: Vec::new(), number: 0, finished: false, broken: false, ended: false };
        replay.next_line().map_err(|error| match error {
            RecordingError::LineTooLong { .. } => replay.not_a_recording(),
            error => error,
        })?;
        let head: Head = serde_json::from_slice(&replay.line).map_err(|_| replay.not_a_recording())?;
        match head.version {
            _ if head.format != FORMAT => Err(replay.not_a_recording()),
            0 => Err(replay.not_a_recording()),
            1..=VERSION => Ok(replay),
            found => Err(RecordingError::NewerVersion { found }),
        }
    }

    /// Whether the end was missing; meaningful once all events are read.
    pub fn truncated(&self) -> bool {
        self.broken || !self.finished
    }

    /// Reads the next line without its end; false at the end of the file.
    fn next_line(&mut self) -> Result<bool, RecordingError> {
        self.line.clear();
        self.number += 1;
        let mut limited = (&mut self.reader).take(LINE_LIMIT + 1);
        let read = limited.read_until(b'\n', &mut self.line)?;
        if read as u64 > LINE_LIMIT {
            return Err(RecordingError::LineTooLong { line: self.number });
        }
        Ok(read > 0)
    }

    fn not_a_recording(&self) -> RecordingError {
        let start = &self.line[..self.line.len().min(4 * EXCERPT_CHARS)];
        let text = String::from_utf8_lossy(start);
        let excerpt: String = text.trim().chars().take(EXCERPT_CHARS).collect();
        RecordingError::NotARecording { found: excerpt.escape_default().to_string() }
    }

    fn next_event(&mut self) -> Result<Option<RunEvent>, RecordingError> {
        if !self.next_line()? {
            return Ok(None);
        }
        let reason = if self.finished {
            "the job had finished before it".to_owned()
        } else {
            match serde_json::from_slice::<RunEvent>(&self.line) {
                Ok(event) => {
                    self.finished = matches!(event.kind, EventKind::Finished(_));
                    return Ok(Some(event));
                }
                Err(error) => error.to_string(),
            }
        };
        // A process that is killed, or a disk that fills up, leaves its last line unfinished.
        if self.reader.fill_buf()?.is_empty() {
            self.broken = true;
            return Ok(None);
        }
        Err(RecordingError::Damaged { line: self.number, reason })
    }
}

impl<R: BufRead> Iterator for Replay<R> {
    type Item = Result<RunEvent, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_event().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use pulse_report::{Format, Html};

    use super::*;
    use crate::canned;
    use crate::{Output, Recorder};

    fn recorded(events: &[RunEvent]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut recorder = Recorder::new(&mut file).unwrap();
        for event in events {
            recorder.event(event).unwrap();
        }
        file
    }

    fn line_ends(bytes: &[u8]) -> usize {
        bytes.split(|&byte| byte == b'\n').count() - 1
    }

    #[test]
    fn what_is_recorded_reads_back_equal() {
        let file = recorded(&canned::run());
        let recording = read_recording(file.as_slice()).unwrap();
        assert_eq!(recording.events, canned::run());
        assert!(!recording.truncated);
        assert!(file.starts_with(b"{\"format\":\"pulse-run\",\"version\":1}\n"));
        assert_eq!(line_ends(&file), 1 + canned::run().len());
    }

    #[test]
    fn a_replayed_summary_renders_to_the_same_bytes() {
        let recording = read_recording(recorded(&canned::run()).as_slice()).unwrap();
        let render = |format: Format, summary: &Summary| {
            let mut bytes = Vec::new();
            format.reporter().render(summary, &mut bytes).unwrap();
            bytes
        };
        // Built without Node.js there is no page to compare.
        for format in Format::ALL.into_iter().filter(|&it| it != Format::Html || Html::is_there()) {
            assert_eq!(
                render(format, recording.summary().unwrap()),
                render(format, &canned::summary()),
                "{format}"
            );
        }
        assert_eq!(recording.run(), Some(&canned::summary().run));
    }

    #[test]
    fn a_file_cut_off_anywhere_yields_what_was_there() {
        let events = canned::run();
        let file = recorded(&events);
        let head = file.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        let is_near_line_end =
            |at: usize| file[at.saturating_sub(2)..file.len().min(at + 2)].contains(&b'\n');
        let cuts = (head..file.len()).filter(|&at| at % 101 == 0 || is_near_line_end(at));
        for end in cuts {
            let recording = read_recording(&file[..end]).unwrap();
            let lines = line_ends(&file[head..end]);
            let count = recording.events.len();
            // A line that only lacks its line break is complete.
            assert!(count == lines || (count == lines + 1 && file[end] == b'\n'), "cut at {end}");
            assert_eq!(recording.events[..], events[..count], "cut at {end}");
            assert_eq!(recording.truncated, count < events.len(), "cut at {end}");
            assert_eq!(recording.summary().is_none(), recording.truncated);
        }
    }

    #[test]
    fn what_is_no_recording_says_so() {
        for (file, message) in [
            ("", "this is not a recording: line 1 is `` where"),
            ("total,5\n", "this is not a recording: line 1 is `total,5` where"),
            ("\u{1b}[2J\n", "this is not a recording: line 1 is `\\u{1b}[2J` where"),
            (
                "{\"format\":\"pulse-report\",\"version\":1}\n",
                "this is not a recording: line 1 is `{\\\"format",
            ),
            ("{\"format\":\"pulse-run\",\"version\":0}\n", "this is not a recording"),
            (
                "{\"format\":\"pulse-run\",\"version\":7}\n",
                "the recording has version 7, this release reads versions up to 1",
            ),
        ] {
            let error = read_recording(file.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn damage_in_the_middle_names_the_line() {
        let mut lines: Vec<_> = recorded(&canned::run());
        let at = lines.windows(9).position(|bytes| bytes == b"snapshot\"").unwrap();
        lines[at] = b'X';
        let error = read_recording(lines.as_slice()).unwrap_err();
        assert!(matches!(error, RecordingError::Damaged { line: 3, .. }), "{error}");
        let mut replay = Replay::new(lines.as_slice()).unwrap();
        assert!(replay.next().unwrap().is_ok());
        assert!(replay.next().unwrap().is_err());
        assert!(replay.next().is_none(), "it ends after the first error");
    }

    #[test]
    fn nothing_may_follow_the_end_of_the_job() {
        let mut file = recorded(&canned::run());
        file.extend(recorded(&canned::run()));
        let error = read_recording(file.as_slice()).unwrap_err().to_string();
        assert!(error.contains("the job had finished before it"), "{error}");
    }

    #[test]
    fn an_endless_line_is_refused() {
        let head = recorded(&[]);
        let endless = io::BufReader::new(head.as_slice().chain(io::repeat(b'x')));
        let error = read_recording(endless).unwrap_err();
        assert!(matches!(error, RecordingError::LineTooLong { line: 2 }), "{error}");
        let error = read_recording(io::BufReader::new(io::repeat(b'x'))).unwrap_err();
        assert!(matches!(error, RecordingError::NotARecording { .. }), "{error}");
    }

    #[test]
    fn a_full_disk_is_an_error_of_the_recorder() {
        let mut room = [0_u8; 40];
        let mut recorder = Recorder::new(room.as_mut_slice()).unwrap();
        assert!(recorder.event(&canned::started()).is_err());
        assert!(Recorder::new([0_u8; 3].as_mut_slice()).is_err());
    }
}
