//! A row of a buffer as text for a terminal.

use std::io;

use crossterm::queue;
use crossterm::style::{Print, PrintStyledContent, StyledContent};
use ratatui::backend::IntoCrossterm;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::Style;
use ratatui::text::Span;

/// Writes a row in runs of equal style, without the blanks at its end.
pub(crate) fn styled_row(out: &mut Vec<u8>, buffer: &Buffer, y: u16, is_colored: bool) -> io::Result<()> {
    let mut runs: Vec<(Style, String)> = Vec::new();
    let mut covered = buffer.area.left();
    for x in buffer.area.left()..buffer.area.right() {
        let cell = &buffer[(x, y)];
        if x < covered {
            // The right half of a wide character.
            continue;
        }
        covered = x + Span::raw(cell.symbol()).width().max(1) as u16;
        match runs.last_mut() {
            Some((style, text)) if *style == cell.style() => text.push_str(cell.symbol()),
            _ => runs.push((cell.style(), cell.symbol().to_owned())),
        }
    }
    if let Some((style, text)) = runs.last_mut()
        && *style == Cell::EMPTY.style()
    {
        text.truncate(text.trim_end().len());
    }
    for (style, text) in runs {
        if is_colored {
            queue!(out, PrintStyledContent(StyledContent::new(style.into_crossterm(), text)))?;
        } else {
            queue!(out, Print(text))?;
        }
    }
    Ok(())
}
