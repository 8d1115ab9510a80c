//! A block of lines at the end of a terminal's output that is drawn over again and again.
//!
//! It sets no mode of the terminal: no raw mode, no alternate screen, no hidden cursor. Between frames the cursor rests
//! below the block. Hence there is nothing to restore, not even after a panic or a killed process, what others print
//! lands below the block, and the position of the cursor never has to be asked for.

use std::io::{self, Write};

use crossterm::cursor::{MoveToColumn, MoveUp};
use crossterm::queue;
use crossterm::style::Print;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui::buffer::Buffer;

use crate::styled_row::styled_row;

/// Draws over its previous frame.
pub(crate) struct InlineBlock<W> {
    out: W,
    color: bool,
    /// Rows of the frame on the screen.
    drawn: u16,
}

impl<W: Write> InlineBlock<W> {
    pub(crate) fn new(out: W, color: bool) -> Self {
        Self { out, color, drawn: 0 }
    }

    /// Replaces the block. A frame is one write, so that a failing or dying process leaves no half of an escape.
    pub(crate) fn draw(&mut self, buffer: &Buffer) -> io::Result<()> {
        let mut frame = Vec::new();
        queue!(frame, BeginSynchronizedUpdate)?;
        self.to_start(&mut frame)?;
        for y in buffer.area.top()..buffer.area.bottom() {
            styled_row(&mut frame, buffer, y, self.color)?;
            queue!(frame, Clear(ClearType::UntilNewLine), Print("\r\n"))?;
        }
        queue!(frame, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
        self.drawn = buffer.area.height;
        self.write(&frame)
    }

    /// Removes the block.
    pub(crate) fn erase(&mut self) -> io::Result<()> {
        if self.drawn == 0 {
            return Ok(());
        }
        let mut frame = Vec::new();
        self.to_start(&mut frame)?;
        queue!(frame, Clear(ClearType::FromCursorDown))?;
        self.drawn = 0;
        self.write(&frame)
    }

    fn to_start(&self, frame: &mut Vec<u8>) -> io::Result<()> {
        queue!(frame, MoveToColumn(0))?;
        if self.drawn > 0 {
            queue!(frame, MoveUp(self.drawn))?;
        }
        Ok(())
    }

    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        self.out.write_all(frame)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Style};

    use super::*;

    fn buffer(lines: &[&str]) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, lines.len() as u16));
        for (y, line) in lines.iter().enumerate() {
            buffer.set_string(0, y as u16, line, Style::new());
        }
        buffer
    }

    fn written(color: bool, draw: impl FnOnce(&mut InlineBlock<&mut Vec<u8>>)) -> String {
        let mut out = Vec::new();
        draw(&mut InlineBlock::new(&mut out, color));
        String::from_utf8(out).unwrap().replace('\u{1b}', "^")
    }

    #[test]
    fn a_frame_goes_over_the_one_before() {
        let text = written(false, |block| {
            block.draw(&buffer(&["one", "日本 x"])).unwrap();
            block.draw(&buffer(&["two"])).unwrap();
            block.erase().unwrap();
            block.erase().unwrap();
        });
        assert_eq!(
            text,
            "^[?2026h^[1Gone^[K\r\n日本 x^[K\r\n^[J^[?2026l\
             ^[?2026h^[1G^[2Atwo^[K\r\n^[J^[?2026l\
             ^[1G^[1A^[J"
        );
    }

    #[test]
    fn no_mode_is_left_set() {
        let text = written(true, |block| block.draw(&buffer(&["one"])).unwrap());
        for (what, code) in [("raw screen", "?1049h"), ("hidden cursor", "?25l"), ("no wrap", "?7l")] {
            assert!(!text.contains(code), "{what} in {text}");
        }
    }

    #[test]
    fn styles_end_where_their_text_ends() {
        let mut lines = buffer(&["", ""]);
        lines.set_string(0, 0, "bad", Style::new().fg(Color::Red));
        lines.set_string(4, 0, "news", Style::new());
        let colored = written(true, |block| block.draw(&lines).unwrap());
        assert!(colored.contains("bad^["), "{colored}");
        let plain = written(false, |block| block.draw(&lines).unwrap());
        assert!(plain.contains("^[1Gbad news^[K"), "{plain}");
    }
}
