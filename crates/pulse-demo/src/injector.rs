//! [`Injector`]: the middleware that gives the demo its [`Character`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use crate::answer::Refusal;
use crate::character::Character;
use crate::leak::{LEAK_CAP_BYTES, Leak};

/// Keeps the sequence of faults apart from the data set, which has the same seed.
const STREAM: u64 = 1;

pub(crate) struct Injector {
    character: Character,
    started: Instant,
    random: Mutex<ChaCha8Rng>,
    pub(crate) leak: Leak,
}

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fate {
    latency: Duration,
    fails: bool,
}

impl Injector {
    pub(crate) fn new(character: Character, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(STREAM);
        Self {
            character,
            started: Instant::now(),
            random: Mutex::new(random),
            leak: Leak::new(character.leak_bytes_per_request, LEAK_CAP_BYTES),
        }
    }

    /// Draws the fate of the next request. Requests take their draws in the order of their arrival, so the n-th
    /// request of two servers with one seed has the same fate.
    fn next_fate(&self) -> Fate {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        // The error is drawn first and always, so that a change of the latency law leaves the first draw alone.
        let fails = random.random::<f64>() < self.character.error_rate;
        let latency = self.character.latency.map_or(Duration::ZERO, |law| law.draw(&mut *random));
        Fate { latency, fails }
    }
}

/// Applies the character around the rest of the service.
pub(crate) async fn inject(State(injector): State<Arc<Injector>>, request: Request, next: Next) -> Response {
    let fate = injector.next_fate();
    if let Some(stall) = injector.character.stall {
        let hold = stall.hold(injector.started.elapsed());
        if !hold.is_zero() {
            tokio::time::sleep(hold).await;
        }
    }
    injector.leak.take();
    if !fate.latency.is_zero() {
        tokio::time::sleep(fate.latency).await;
    }
    if fate.fails {
        return Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "injected error").into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_repeat_with_the_seed() {
        let character = Character {
            latency: Some("lognormal:p50=12ms,p99=90ms".parse().unwrap()),
            error_rate: 0.3,
            ..Character::default()
        };
        let fates = |seed| {
            let injector = Injector::new(character, seed);
            (0..100).map(|_| injector.next_fate()).collect::<Vec<_>>()
        };
        assert_eq!(fates(1), fates(1));
        assert_ne!(fates(1), fates(2));
    }

    #[test]
    fn errors_come_at_their_rate() {
        for (rate, expected) in [(0.0, 0.0), (1.0, 1.0), (0.2, 0.2)] {
            let injector = Injector::new(Character { error_rate: rate, ..Character::default() }, 5);
            let failed = (0..10_000).filter(|_| injector.next_fate().fails).count() as f64 / 10_000.0;
            // Five standard deviations of a share of 10 000 draws.
            let tolerance = 5.0 * (rate * (1.0 - rate) / 10_000.0).sqrt();
            assert!((failed - expected).abs() <= tolerance, "{rate}: {failed}");
        }
    }

    #[test]
    fn a_law_without_latency_waits_for_nothing() {
        let injector = Injector::new(Character::default(), 1);
        assert_eq!(injector.next_fate(), Fate { latency: Duration::ZERO, fails: false });
    }
}
