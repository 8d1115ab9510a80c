//! The live view at a terminal.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use pulse_model::{EventKind, Nanos, RunEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};

use crate::Output;
use crate::inline_block::InlineBlock;
use crate::shown::Shown;

/// Shortest time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// Length of the window whose figures a watch shows, unless another is asked for.
const WATCH_WINDOW: Nanos = Nanos::from_secs(60);
/// Assumed where the terminal does not tell its size.
const SIZE: Size = Size::new(80, 24);

/// Shows the job below what the terminal showed before, and removes itself at the end of the job, so that the report
/// follows what was printed at its start.
///
/// It sets no mode of the terminal, so there is nothing to restore after a panic or a second Ctrl-C.
pub struct TerminalView<W> {
    block: InlineBlock<W>,
    shown: Shown,
    /// Time of the latest event, and when it came.
    latest: Option<(Nanos, Instant)>,
    drawn: Option<Instant>,
}

impl<W: Write> TerminalView<W> {
    /// A view that writes to `out`, which must be a terminal.
    pub fn new(out: W) -> Self {
        Self::with(InlineBlock::new(out, true))
    }

    /// The same view without color.
    pub fn without_color(out: W) -> Self {
        Self::with(InlineBlock::new(out, false))
    }

    fn with(block: InlineBlock<W>) -> Self {
        Self { block, shown: Shown::new(WATCH_WINDOW), latest: None, drawn: None }
    }

    /// The view of a watch shows figures of the last `window` instead of the last minute.
    #[must_use]
    pub fn with_window(self, window: Nanos) -> Self {
        Self { shown: Shown::new(window), ..self }
    }

    fn draw(&mut self, now: Instant, size: Size) -> io::Result<()> {
        self.drawn = Some(now);
        let area = visible(size, self.shown.height(size.height));
        if area.is_empty() {
            return self.block.erase();
        }
        let mut buffer = Buffer::empty(area);
        self.shown.render(area, &mut buffer);
        self.block.draw(&buffer)
    }

    fn draw_if_due(&mut self, now: Instant) -> io::Result<()> {
        let due = self.drawn.is_none_or(|drawn| now.duration_since(drawn) >= FRAME);
        if due { self.draw(now, terminal_size()) } else { Ok(()) }
    }
}

/// The part of the terminal for the view: one column less, since a full line would wrap in some terminals, and one row
/// less, for the cursor below.
fn visible(size: Size, wanted: u16) -> Rect {
    let height = size.height.saturating_sub(1).min(wanted);
    Rect::new(0, 0, size.width.saturating_sub(1), height)
}

fn terminal_size() -> Size {
    match crossterm::terminal::size() {
        Ok((width, height)) if width > 0 && height > 0 => Size::new(width, height),
        _ => SIZE,
    }
}

impl<W: Write + Send> Output for TerminalView<W> {
    fn event(&mut self, event: &RunEvent) -> io::Result<()> {
        let now = Instant::now();
        self.shown.apply(event);
        if matches!(event.kind, EventKind::Finished(_)) {
            self.latest = None;
            return self.block.erase();
        }
        self.latest = Some((event.at, now));
        self.draw_if_due(now)
    }

    fn tick(&mut self) -> io::Result<()> {
        let Some((at, came)) = self.latest else {
            return Ok(());
        };
        let now = Instant::now();
        self.shown.advance(at + Nanos::from(now.duration_since(came)));
        self.draw_if_due(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    #[test]
    fn the_view_is_gone_when_the_job_is_over() {
        let mut out = Vec::new();
        let mut view = TerminalView::without_color(&mut out);
        view.tick().unwrap();
        for event in canned::run() {
            view.event(&event).unwrap();
        }
        view.tick().unwrap();
        drop(view);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("checkout"), "{text}");
        assert!(text.ends_with("\u{1b}[J"), "erased at the end: {text}");
        let after = text.rsplit("\u{1b}[J").next().unwrap();
        assert!(after.is_empty(), "nothing is drawn after the end");
    }

    /// Counts frames: each is written at once and then flushed.
    struct Frames(u32);

    impl Write for &mut Frames {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0 += 1;
            Ok(())
        }
    }

    #[test]
    fn frames_are_limited_in_number() {
        let start = Instant::now();
        let times = [0, 50, 99, 100, 150, 199, 1_000];
        for (count, frames) in [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3)] {
            let mut out = Frames(0);
            let mut view = TerminalView::new(&mut out);
            for millis in &times[..count] {
                view.draw_if_due(start + Duration::from_millis(*millis)).unwrap();
            }
            drop(view);
            assert_eq!(out.0, frames, "at {:?} ms", &times[..count]);
        }
    }

    #[test]
    fn any_size_fits() {
        for (width, height, shown) in
            [(80, 24, (79, 12)), (60, 12, (59, 11)), (1, 1, (0, 0)), (20, 4, (19, 3)), (0, 0, (0, 0))]
        {
            let area = visible(Size::new(width, height), 12);
            assert_eq!((area.width, area.height), shown, "{width}×{height}");
            let mut view = TerminalView::new(Vec::new());
            view.draw(Instant::now(), Size::new(width, height)).unwrap();
        }
    }
}
