//! A chart within a picture.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::{
    ChartBuilder, ChartContext, Circle, Color as _, DrawingArea, DrawingBackend, IntoFont as _, PathElement,
    RGBColor, Rectangle, Text, TextStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::letters;
use super::raster::LINE_BOX;

pub(super) const BACKGROUND: RGBColor = RGBColor(255, 255, 255);
pub(super) const INK: RGBColor = RGBColor(31, 41, 55);
pub(super) const MUTED: RGBColor = RGBColor(107, 114, 128);
const GRID: RGBColor = RGBColor(229, 231, 235);
const SHADE: RGBColor = RGBColor(243, 244, 246);
/// Apart from each other for people who see colors differently, too.
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const GREEN: RGBColor = RGBColor(0, 130, 96);
pub(super) const AMBER: RGBColor = RGBColor(190, 110, 0);
pub(super) const RED: RGBColor = RGBColor(200, 45, 30);
pub(super) const PURPLE: RGBColor = RGBColor(136, 70, 160);

/// Sizes of letters in pixels.
const TITLE: f64 = 15.0;
const LABEL: f64 = 12.5;
/// Pixels of the title's line, of the labels below, and of the ends of lines.
const HEAD: i32 = 30;
const BELOW: i32 = 42;
const DOT: i32 = 3;
/// Room for the text beside a chart whose axis has numbers.
pub(super) const NUMBERS: i32 = 64;
/// The legend's samples of lines, and what is left free beside them.
const SAMPLE: i32 = 18;
const GAP: i32 = 6;

/// What drawing gives.
pub(super) type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// A chart: titled axes with lines between them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
    /// Where along x something is, with what is written there.
    pub(super) marks: Vec<(f64, String)>,
    /// Up to where along x it is warm-up.
    pub(super) warmup: Option<f64>,
    /// Pixels for the text beside the chart.
    pub(super) room: i32,
}

/// Something that is drawn in one color.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// As the legend calls it; without one it is not in the legend.
    pub(super) label: String,
    pub(super) color: RGBColor,
    pub(super) form: Form,
    /// Values along x and y; what is not joined is apart.
    pub(super) parts: Vec<Vec<(f64, f64)>>,
}

/// How values are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// Joined by a line of so many pixels.
    Line(u32),
    Dots,
    /// Each part is the upper left and the upper right corner of a bar that stands on the axis.
    Bars,
}

impl Panel {
    /// Whether there is nothing to draw.
    pub(super) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.parts.iter().all(Vec::is_empty))
    }

    /// Draws the chart over the whole area.
    pub(super) fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let (width, height) = area.dim_in_pixel();
        let (width, height) = (width.cast_signed(), height.cast_signed());
        area.draw(&Text::new(self.title.as_str(), (GAP + 2, GAP), text(TITLE, INK)))?;
        if self.is_empty() {
            let frame = [(GAP + 2, HEAD), (width - 2 * GAP, height - 2 * GAP)];
            area.draw(&Rectangle::new(frame, SHADE.filled()))?;
            let centre = text(TITLE, MUTED).pos(Pos::new(HPos::Center, VPos::Center));
            return area.draw(&Text::new("no data", (width / 2, HEAD.midpoint(height)), centre));
        }
        self.legend(area, width)?;
        let mut chart = ChartBuilder::on(area)
            .margin_top(HEAD)
            .margin_right(2 * GAP)
            .margin_left(GAP)
            .x_label_area_size(BELOW)
            .y_label_area_size(self.room)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        if let Some(end) = self.warmup.and_then(|end| self.x.place(end)) {
            let corners = [(self.x.range.0, self.y.range.0), (end, self.y.range.1)];
            chart.draw_series([Rectangle::new(corners, SHADE.filled())])?;
            let corner = (self.x.range.0, self.y.range.1);
            chart.draw_series([Text::new(" warm-up", corner, text(LABEL, MUTED))])?;
        }
        chart
            .configure_mesh()
            .x_desc(self.x.label.as_str())
            .y_desc(self.y.label.as_str())
            .axis_desc_style(text(LABEL, MUTED))
            .label_style(text(LABEL, INK))
            .bold_line_style(GRID)
            .light_line_style(GRID)
            .axis_style(MUTED)
            .draw()?;
        self.lines(&mut chart)
    }

    /// What lies between the axes.
    fn lines<DB: DrawingBackend>(
        &self,
        chart: &mut ChartContext<'_, DB, Cartesian2d<Axis, Axis>>,
    ) -> Drawn<DB> {
        let (bottom, top) = self.y.range;
        let marks = self.marks.iter().filter_map(|(at, name)| Some((self.x.place(*at)?, name)));
        for (place, name) in marks {
            chart.draw_series([PathElement::new(vec![(place, bottom), (place, top)], MUTED)])?;
            chart.draw_series([Text::new(format!(" {name}"), (place, top), text(LABEL, MUTED))])?;
        }
        for series in &self.series {
            for part in &series.parts {
                let place = |&(x, y): &(f64, f64)| Some((self.x.place(x)?, self.y.place(y)?));
                let places: Vec<_> = part.iter().filter_map(place).collect();
                let dot = |&place: &(f64, f64)| Circle::new(place, DOT, series.color.filled());
                match (series.form, &places[..]) {
                    (Form::Bars, [(from, _), (to, height)]) => {
                        let corners = [(*from, *height), (*to, bottom)];
                        chart.draw_series([Rectangle::new(corners, series.color.mix(0.7).filled())])?;
                    }
                    (Form::Line(width), [_, _, ..]) => {
                        chart.draw_series([PathElement::new(places, series.color.stroke_width(width))])?;
                    }
                    (_, places) => {
                        chart.draw_series(places.iter().map(dot))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The names of what is drawn, at the right of the title's line.
    fn legend<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>, width: i32) -> Drawn<DB> {
        let mut x = width - 2 * GAP;
        let named = self.series.iter().rev().filter(|series| !series.label.is_empty());
        for series in named {
            x -= letters::room(&series.label, LABEL).ceil() as i32 + GAP;
            area.draw(&Text::new(series.label.as_str(), (x, GAP + 2), text(LABEL, INK)))?;
            x -= SAMPLE + GAP;
            let y = GAP + 8;
            let line = vec![(x, y), (x + SAMPLE, y)];
            match series.form {
                Form::Line(width) => area.draw(&PathElement::new(line, series.color.stroke_width(width)))?,
                Form::Dots => area.draw(&Circle::new((x + SAMPLE / 2, y), DOT, series.color.filled()))?,
                Form::Bars => {
                    let corners = [(x, y - DOT), (x + SAMPLE, y + DOT)];
                    area.draw(&Rectangle::new(corners, series.color.mix(0.7).filled()))?;
                }
            }
            x -= GAP;
        }
        Ok(())
    }
}

/// Plotters' view of an axis: places, with the ticks that the axis chose.
impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (from, to): (i32, i32)) -> i32 {
        let (first, last) = self.range;
        let share = (place - first) / (last - first);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let is_bold = !hint.weight().allow_light_points();
        self.ticks.iter().filter(|_| is_bold).map(|(place, _)| *place).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.0..self.range.1
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, place: &f64) -> String {
        self.text_at(*place)
    }
}

/// Letters of so many pixels.
pub(super) fn text(size: f64, color: RGBColor) -> TextStyle<'static> {
    let mut style = TextStyle::from(("sans-serif", size * LINE_BOX).into_font());
    style.color = color.to_backend_color();
    style
}
