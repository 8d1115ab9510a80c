//! A body that knows what was read of it.
#![allow(dead_code, clippy::allow_attributes, reason = "every test file compiles this and uses its part")]

use pulse_http::BodySource;
use std::cell::Cell;
use std::io;

/// Any number of bytes, each known from its place, of which nothing is in memory.
pub(crate) struct Counted {
    pub(crate) length: u64,
    /// Where reading goes wrong, and how: an end that comes too early where there is no error.
    pub(crate) broken_at: Option<(u64, Option<io::ErrorKind>)>,
    /// The furthest byte that was read.
    pub(crate) furthest: Cell<u64>,
    /// The most bytes that were asked for at once.
    pub(crate) largest: Cell<usize>,
}

impl Counted {
    pub(crate) fn new(length: u64) -> Self {
        Self { length, broken_at: None, furthest: Cell::new(0), largest: Cell::new(0) }
    }

    pub(crate) fn broken_at(self, place: u64, error: Option<io::ErrorKind>) -> Self {
        Self { broken_at: Some((place, error)), ..self }
    }

    /// The whole body.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        (0..self.length).map(byte).collect()
    }
}

/// Neighbouring pieces of any size differ.
fn byte(place: u64) -> u8 {
    (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

impl BodySource for Counted {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize> {
        self.largest.set(self.largest.get().max(room.len()));
        let end = match self.broken_at {
            Some((place, Some(kind))) if offset >= place => return Err(kind.into()),
            Some((place, _)) => place,
            None => self.length,
        };
        let count = room.len().min(end.saturating_sub(offset) as usize);
        for (place, slot) in (offset..).zip(&mut room[..count]) {
            *slot = byte(place);
        }
        self.furthest.set(self.furthest.get().max(offset + count as u64));
        Ok(count)
    }
}
