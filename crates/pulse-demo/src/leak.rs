//! [`Leak`]: memory that is taken and never given back, up to a limit.

use std::sync::{Mutex, PoisonError};

/// The sum of all leaked memory of one server in bytes (4 GiB); afterwards requests are served without leaking.
pub const LEAK_CAP_BYTES: u64 = 4 << 30;

pub(crate) struct Leak {
    per_request_bytes: u64,
    cap_bytes: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    blocks: Vec<Box<[u8]>>,
    bytes: u64,
}

impl Leak {
    pub(crate) fn new(per_request_bytes: u64, cap_bytes: u64) -> Self {
        Self { per_request_bytes, cap_bytes, held: Mutex::default() }
    }

    /// Keeps the memory of one more request, or of what is left below the cap.
    pub(crate) fn take(&self) {
        if self.per_request_bytes == 0 {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = self.per_request_bytes.min(self.cap_bytes.saturating_sub(held.bytes));
        if bytes > 0 {
            // Not zeros: those would be untouched pages, which the system does not count as used.
            held.blocks.push(vec![0xa5; bytes as usize].into_boxed_slice());
            held.bytes += bytes;
        }
    }

    pub(crate) fn held_bytes(&self) -> u64 {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_grows_by_request_and_stops_at_its_cap() {
        let leak = Leak::new(1_000, 2_500);
        let held: Vec<u64> = (0..5)
            .map(|_| {
                leak.take();
                leak.held_bytes()
            })
            .collect();
        assert_eq!(held, [1_000, 2_000, 2_500, 2_500, 2_500]);
        let held = leak.held.lock().unwrap();
        assert_eq!(held.blocks.iter().map(|block| block.len() as u64).sum::<u64>(), held.bytes);
        assert_eq!(held.blocks.len(), 3, "nothing is kept once the cap is reached");
    }

    #[test]
    fn no_leak_holds_nothing() {
        let leak = Leak::new(0, LEAK_CAP_BYTES);
        leak.take();
        assert_eq!(leak.held_bytes(), 0);
    }
}
