//! Where the variables of a user come from.

use std::cell::RefCell;
use std::io::Write as _;

use pulse_model::Nanos;
use pulse_plan::{Escape, Plan, Template, Think, Variable};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Normal};

use super::data::Feeds;

/// The variables of one user, and its dice.
pub(super) struct Values {
    user: u64,
    pub(super) iteration: u64,
    pub(super) slots: Vec<String>,
    /// By number of the feed: the row of this iteration.
    pub(super) rows: Vec<usize>,
    random: RefCell<ChaCha8Rng>,
}

impl Values {
    /// Those of a user who has not done anything yet.
    pub(super) fn new(plan: &Plan, scenario: usize, number: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
        // A stream per user, whatever the number of workers; the first 2^48 belong to arrivals.
        random.set_stream((scenario as u64 + 1) << 48 | number);
        Self {
            user: number + 1,
            iteration: 0,
            slots: plan.variables.iter().map(|slot| slot.initial.clone()).collect(),
            rows: vec![0; plan.feeds.len()],
            random: RefCell::new(random),
        }
    }

    /// Appends a text with its values. Allocates nothing once `out` has grown.
    pub(super) fn render(&self, template: &Template, feeds: &Feeds, out: &mut Vec<u8>) {
        template.render(out, |source, escape, out| self.splice(source, escape, feeds, out));
    }

    /// A text with its values, for what is not sent as part of a request.
    pub(super) fn rendered(&self, template: &Template, feeds: &Feeds) -> Vec<u8> {
        let mut out = Vec::new();
        self.render(template, feeds, &mut out);
        out
    }

    /// Appends one value.
    pub(super) fn splice(&self, source: Variable, escape: Escape, feeds: &Feeds, out: &mut Vec<u8>) {
        // Digits and hyphens are harmless in every place. Writing to memory cannot fail.
        let _ = match source {
            Variable::Slot(slot) => {
                escape.append(&self.slots[usize::from(slot)], out);
                return;
            }
            Variable::Feed { feed, column } => {
                escape.append(feeds.value(feed, self.rows[usize::from(feed)], column), out);
                return;
            }
            Variable::UserId => write!(out, "{}", self.user),
            Variable::Iteration => write!(out, "{}", self.iteration),
            Variable::Random => write!(out, "{}", self.random.borrow_mut().next_u32()),
            Variable::Uuid => write_uuid(self.random.borrow_mut().random(), out),
        };
    }

    /// The length of the next pause.
    pub(super) fn think(&self, think: Think) -> Nanos {
        match think {
            Think::None => Nanos::ZERO,
            Think::Fixed(length) => length,
            Think::Uniform { from, to } => {
                Nanos(self.random.borrow_mut().random_range(from.0..=to.0.max(from.0)))
            }
            Think::Normal { mean, stddev } => {
                let normal = Normal::new(mean.as_secs_f64(), stddev.as_secs_f64());
                // Both come from durations, which are finite and not negative.
                normal.map_or(mean, |normal| {
                    Nanos::from_secs_f64(normal.sample(&mut *self.random.borrow_mut()))
                })
            }
        }
    }
}

/// A random UUID: version 4, variant 1 (RFC 9562 §5.4).
fn write_uuid(random: u128, out: &mut Vec<u8>) -> std::io::Result<()> {
    let bits = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let part = |from: u32, digits: u32| (bits >> from) & ((1 << (4 * digits)) - 1);
    let (time, version, variant) = (part(96, 8), part(64, 4), part(48, 4));
    write!(out, "{time:08x}-{:04x}-{version:04x}-{variant:04x}-{:012x}", part(80, 4), part(0, 12))
}

#[cfg(test)]
mod tests {
    #[test]
    fn uuids_have_version_and_variant() {
        for (random, text) in [
            (u128::MAX, "ffffffff-ffff-4fff-bfff-ffffffffffff"),
            (0, "00000000-0000-4000-8000-000000000000"),
            (0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, "01234567-89ab-4def-8123-456789abcdef"),
        ] {
            let mut out = Vec::new();
            super::write_uuid(random, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
