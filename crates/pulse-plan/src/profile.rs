//! A value over time, piecewise linear: the number of users, or a rate per second.

use std::str::FromStr;

use pulse_model::Nanos;
use serde::{Deserialize, Serialize};

/// The most stages a profile may have.
const MAX_STAGES: usize = 10_000;
/// The largest value of a profile; far beyond what one machine can generate.
const MAX_VALUE: f64 = 1e9;

/// One stage of a ramp: reach `value` linearly within `length`. Written `30s:50`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// How long the ramp takes; zero is a jump.
    pub length: Nanos,
    /// The value at its end: users, or iterations per second.
    pub value: f64,
}

/// Why a stage or a profile is impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The text is not `LENGTH:VALUE`.
    #[error("`{text}` is not a stage; write LENGTH:VALUE, for example 30s:50 ({reason})")]
    Stage {
        /// The offending text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No stage at all.
    #[error("a profile needs at least one stage, for example 30s:50")]
    Empty,
    /// Too many stages.
    #[error("a profile has at most {MAX_STAGES} stages")]
    TooMany,
    /// The whole profile takes no time.
    #[error("the stages take no time at all; give at least one of them a length")]
    NoLength,
}

impl FromStr for Stage {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let fail = |reason: String| ProfileError::Stage { text: text.to_owned(), reason };
        let (length, value) = text.split_once(':').ok_or_else(|| fail("the colon is missing".into()))?;
        let length = length.parse().map_err(|error: pulse_model::DurationError| fail(error.to_string()))?;
        let value: f64 =
            value.trim().parse().map_err(|_| fail(format!("`{}` is not a number", value.trim())))?;
        if !(0.0..=MAX_VALUE).contains(&value) {
            return Err(fail(format!("{value} is not between 0 and {MAX_VALUE}")));
        }
        Ok(Self { length, value })
    }
}

/// A straight line from `from` to `to` over `length`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Piece {
    start: Nanos,
    length: Nanos,
    from: f64,
    to: f64,
    /// Integral of the profile before this piece, in value × seconds.
    before: f64,
}

impl Piece {
    fn slope(&self) -> f64 {
        (self.to - self.from) / self.length.as_secs_f64()
    }

    /// Value × seconds from the start of the piece to `offset` seconds into it.
    fn area(&self, offset: f64) -> f64 {
        offset * (self.from + 0.5 * self.slope() * offset)
    }

    fn end(&self) -> Nanos {
        self.start + self.length
    }

    /// Seconds into the piece at which its area reaches `area`.
    ///
    /// Solves ½·slope·x² + from·x = area in the form that does not cancel when the slope is small.
    fn offset_of_area(&self, area: f64) -> f64 {
        let discriminant = (self.from * self.from + 2.0 * self.slope() * area).max(0.0);
        let denominator = self.from + discriminant.sqrt();
        let offset = if denominator > 0.0 { 2.0 * area / denominator } else { 0.0 };
        offset.clamp(0.0, self.length.as_secs_f64())
    }
}

/// A piecewise-linear value over time. Constant without end when made by [`Profile::constant`] without a length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pieces: Vec<Piece>,
    endless: bool,
}

/// A time during which a profile stays above a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Start, included.
    pub from: Nanos,
    /// End, excluded; [`Nanos::MAX`] when it never ends.
    pub to: Nanos,
}

impl Profile {
    /// The same value for `length`, or for ever.
    pub fn constant(value: f64, length: Option<Nanos>) -> Self {
        let piece = Piece {
            start: Nanos::ZERO,
            length: length.unwrap_or(Nanos::MAX),
            from: value,
            to: value,
            before: 0.0,
        };
        Self { pieces: vec![piece], endless: length.is_none() }
    }

    /// Ramps that start at 0.
    pub fn stages(stages: &[Stage]) -> Result<Self, ProfileError> {
        Self::stages_from(0.0, stages)
    }

    /// Ramps that start at `value`.
    pub fn stages_from(mut value: f64, stages: &[Stage]) -> Result<Self, ProfileError> {
        match stages.len() {
            0 => return Err(ProfileError::Empty),
            1..=MAX_STAGES => {}
            _ => return Err(ProfileError::TooMany),
        }
        let mut pieces = Vec::with_capacity(stages.len());
        let (mut start, mut before) = (Nanos::ZERO, 0.0);
        for stage in stages {
            if stage.length > Nanos::ZERO {
                let piece = Piece { start, length: stage.length, from: value, to: stage.value, before };
                before += piece.area(stage.length.as_secs_f64());
                start += stage.length;
                pieces.push(piece);
            }
            value = stage.value;
        }
        if pieces.is_empty() { Err(ProfileError::NoLength) } else { Ok(Self { pieces, endless: false }) }
    }

    /// The same shape with every value multiplied by `factor`.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let pieces = self
            .pieces
            .iter()
            .map(|piece| Piece {
                from: piece.from * factor,
                to: piece.to * factor,
                before: piece.before * factor,
                ..*piece
            })
            .collect();
        Self { pieces, endless: self.endless }
    }

    /// How long the profile lasts; `None` when it has no end.
    pub fn length(&self) -> Option<Nanos> {
        (!self.endless).then(|| self.end())
    }

    fn end(&self) -> Nanos {
        self.pieces.last().map_or(Nanos::ZERO, Piece::end)
    }

    /// The largest value.
    pub fn peak(&self) -> f64 {
        self.pieces.iter().map(|piece| piece.from.max(piece.to)).fold(0.0, f64::max)
    }

    /// The value at a moment; 0 after the end. At a jump the later value counts.
    pub fn value(&self, at: Nanos) -> f64 {
        self.pieces
            .iter()
            .find(|piece| at < piece.end())
            .map_or(0.0, |piece| piece.from + piece.slope() * at.since(piece.start).as_secs_f64())
    }

    /// Value × seconds from the start to `at`: for a rate, the number of arrivals by then.
    pub fn integral(&self, at: Nanos) -> f64 {
        let index = self.pieces.partition_point(|piece| piece.start <= at).saturating_sub(1);
        let Some(piece) = self.pieces.get(index) else { return 0.0 };
        piece.before + piece.area(at.min(piece.end()).since(piece.start).as_secs_f64())
    }

    /// The moment at which the integral first reaches `area`; `None` when it never does before the end.
    pub fn inverse_integral(&self, area: f64) -> Option<Nanos> {
        let index = self.pieces.partition_point(|piece| piece.before <= area).saturating_sub(1);
        // A piece that starts at `area` exactly is reached only where the value becomes positive.
        let piece = self.pieces[index..]
            .iter()
            .find(|piece| piece.before + piece.area(piece.length.as_secs_f64()) > area)?;
        let at = piece.start + Nanos::from_secs_f64(piece.offset_of_area(area - piece.before));
        // The end is excluded: an arrival that falls on it by rounding does not happen.
        (self.endless || at < self.end()).then_some(at)
    }

    /// The times during which the value is above `level`, in order, none touching the next.
    pub fn spans_above(&self, level: f64) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for piece in &self.pieces {
            let crossing =
                || piece.start + Nanos::from_secs_f64((level - piece.from) / piece.slope()).min(piece.length);
            let (from, to) = match (piece.from > level, piece.to > level) {
                (true, true) => (piece.start, piece.end()),
                (false, true) => (crossing(), piece.end()),
                (true, false) => (piece.start, crossing()),
                (false, false) => continue,
            };
            match spans.last_mut() {
                Some(last) if last.to == from => last.to = to,
                _ if from < to => spans.push(Span { from, to }),
                _ => {}
            }
        }
        if self.endless {
            for span in &mut spans {
                span.to = Nanos::MAX;
            }
        }
        spans
    }
}
