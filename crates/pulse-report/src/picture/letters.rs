//! Letters of the font that pictures are written in, as outlines.

use std::sync::LazyLock;

use tiny_skia::{Path, PathBuilder};
use ttf_parser::{Face, OutlineBuilder};

/// Go Regular by Bigelow & Holmes, under the licence beside it.
static FONT: &[u8] = include_bytes!("../../fonts/Go-Regular.ttf");
/// `None` cannot be: a test reads it.
static FACE: LazyLock<Option<Face<'static>>> = LazyLock::new(|| Face::parse(FONT, 0).ok());
/// Where letters are the viewer's own, as in SVG, text may be wider than here by this factor.
const WIDER: f64 = 1.17;
/// Stands for what was cut off.
const ELLIPSIS: &str = "…";

/// Width of a text in pixels where letters are `size` pixels high.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let Some(face) = FACE.as_ref() else { return 0.0 };
    let units: u64 = text.chars().map(|letter| u64::from(advance(face, letter))).sum();
    units as f64 * size / f64::from(face.units_per_em())
}

/// Pixels that suffice for a text in any usual font.
pub(super) fn room(text: &str, size: f64) -> f64 {
    width(text, size) * WIDER
}

/// The text, cut off where it may be wider than `most` pixels.
pub(super) fn fitted(text: &str, size: f64, most: f64) -> String {
    if room(text, size) <= most {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut left = most - room(ELLIPSIS, size);
    for letter in text.chars() {
        left -= room(letter.encode_utf8(&mut [0; 4]), size);
        if left < 0.0 {
            break;
        }
        short.push(letter);
    }
    short + ELLIPSIS
}

/// The outline of a text that begins at `(x, y)`, its base line; `None` where there is nothing to see.
pub(super) fn outline(text: &str, size: f32, x: f32, y: f32) -> Option<Path> {
    let face = FACE.as_ref()?;
    let scale = size / f32::from(face.units_per_em());
    let mut pen = Pen { path: PathBuilder::new(), x, y, scale };
    for letter in text.chars() {
        // What the font lacks is its empty box.
        let glyph = face.glyph_index(letter).unwrap_or_default();
        face.outline_glyph(glyph, &mut pen);
        pen.x += f32::from(advance(face, letter)) * scale;
    }
    pen.path.finish()
}

fn advance(face: &Face<'_>, letter: char) -> u16 {
    let glyph = face.glyph_index(letter).unwrap_or_default();
    face.glyph_hor_advance(glyph).unwrap_or_default()
}

/// Draws a glyph, whose units point upwards, at a place in pixels.
struct Pen {
    path: PathBuilder,
    x: f32,
    y: f32,
    scale: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_what_reports_say() {
        let face = FACE.as_ref().unwrap();
        for letter in "Aa0 %–…·→≤≥±µéß".chars() {
            assert!(face.glyph_index(letter).is_some(), "{letter}");
        }
        let path = outline("p95", 20.0, 10.0, 50.0).unwrap();
        let bounds = path.bounds();
        assert!(bounds.left() >= 10.0 && bounds.right() <= 10.0 + width("p95", 20.0) as f32, "{bounds:?}");
        assert!(bounds.height() > 10.0 && bounds.height() < 22.0, "{bounds:?}");
        assert!(outline(" ", 20.0, 0.0, 0.0).is_none());
        assert!(outline("日", 20.0, 0.0, 0.0).is_some(), "a box for what the font lacks");
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        assert_eq!(fitted("short", 14.0, 500.0), "short");
        let cut = fitted(&"long ".repeat(1000), 14.0, 200.0);
        assert!(cut.ends_with(ELLIPSIS) && width(&cut, 14.0) <= 200.0, "{cut}");
        assert_eq!(fitted("x", 14.0, 0.0), ELLIPSIS);
    }
}
