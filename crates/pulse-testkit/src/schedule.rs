//! The law of service times as a pure function of the arrivals.

use crate::law::{Discipline, Law, ServiceLaw, Stall};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// The first `count` exponential service times of a seed.
pub fn service_times(mean: Duration, seed: u64, count: usize) -> Vec<Duration> {
    let mut times = ServiceTimes::new(&ServiceLaw::Exponential { mean, seed });
    (0..count).map(|_| times.next()).collect()
}

/// Says when each answer is due, given the arrivals in their order. A test that feeds it the arrivals of a run (or
/// simulated ones) gets exactly what the server does.
#[derive(Debug, Clone)]
pub struct Schedule {
    discipline: Discipline,
    stall: Option<Stall>,
    times: ServiceTimes,
    /// When each of the queue's servers is free again; at least one.
    free_at: Vec<Duration>,
    first_arrival: Option<Duration>,
}

impl Schedule {
    /// The schedule of a law before the first request.
    pub fn new(law: &Law) -> Self {
        let servers = match law.discipline {
            Discipline::Servers(servers) => servers.max(1) as usize,
            Discipline::Fifo | Discipline::Parallel => 1,
        };
        Self {
            discipline: law.discipline,
            stall: law.stall,
            times: ServiceTimes::new(&law.service),
            free_at: vec![Duration::ZERO; servers],
            first_arrival: None,
        }
    }

    /// When the answer to the next request leaves; arrival and result count from any one moment.
    pub fn due(&mut self, arrival: Duration) -> Duration {
        let service = self.times.next();
        let first = *self.first_arrival.get_or_insert(arrival);
        let due = match (self.discipline, self.free_at.iter_mut().min()) {
            (Discipline::Parallel, _) | (_, None) => arrival + service,
            (Discipline::Fifo | Discipline::Servers(_), Some(free_at)) => {
                *free_at = arrival.max(*free_at) + service;
                *free_at
            }
        };
        match self.stall {
            Some(stall) => first + stall.release(due.saturating_sub(first)),
            None => due,
        }
    }
}

#[derive(Debug, Clone)]
enum ServiceTimes {
    Fixed(Duration),
    Exponential { mean: Duration, random: Box<ChaCha8Rng> },
    Table { times: Vec<Duration>, next: usize },
}

impl ServiceTimes {
    fn new(law: &ServiceLaw) -> Self {
        match law {
            ServiceLaw::Fixed(time) => Self::Fixed(*time),
            ServiceLaw::Exponential { mean, seed } => {
                Self::Exponential { mean: *mean, random: Box::new(ChaCha8Rng::seed_from_u64(*seed)) }
            }
            ServiceLaw::Table(times) => Self::Table { times: times.clone(), next: 0 },
        }
    }

    fn next(&mut self) -> Duration {
        match self {
            Self::Fixed(time) => *time,
            Self::Exponential { mean, random } => {
                // The inverse of the distribution at a uniform number of 53 bits in (0, 1].
                let uniform = ((random.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
                mean.mul_f64(-uniform.ln())
            }
            Self::Table { times, next } => {
                let time = times.get(*next).copied().unwrap_or_default();
                *next = (*next + 1) % times.len().max(1);
                time
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn dues(law: &Law, arrivals: &[u64]) -> Vec<Duration> {
        let mut schedule = Schedule::new(law);
        arrivals.iter().map(|&arrival| schedule.due(ms(arrival))).collect()
    }

    #[test]
    fn a_queue_serves_one_after_the_other() {
        let table = ServiceLaw::Table(vec![ms(10), ms(1), ms(5)]);
        let law = Law::new(Discipline::Fifo, table.clone());
        assert_eq!(dues(&law, &[100, 100, 105, 200]), [110, 111, 116, 210].map(ms));
        let law = Law::new(Discipline::Parallel, table);
        assert_eq!(dues(&law, &[100, 100, 105, 200]), [110, 101, 110, 210].map(ms));
        let law = Law::new(Discipline::Servers(2), ServiceLaw::Fixed(ms(10)));
        assert_eq!(dues(&law, &[100, 100, 105, 109, 200]), [110, 110, 120, 120, 210].map(ms));
    }

    #[test]
    fn a_stall_holds_answers_back_until_its_end() {
        let stall = Stall { length: ms(20), every: ms(100), first_at: ms(50) };
        let mut law = Law::new(Discipline::Parallel, ServiceLaw::Fixed(ms(1)));
        law.stall = Some(stall);
        // Counted from the first arrival at 1000.
        let arrivals = [1000, 1048, 1049, 1060, 1068, 1069, 1148, 1150, 1249];
        assert_eq!(dues(&law, &arrivals), [1001, 1049, 1070, 1070, 1070, 1070, 1149, 1170, 1270].map(ms));
    }

    #[test]
    fn exponential_times_repeat_by_seed_and_have_their_mean() {
        let times = service_times(ms(10), 7, 100_000);
        assert_eq!(times[..100], service_times(ms(10), 7, 100));
        assert_ne!(times[..100], service_times(ms(10), 8, 100));
        let mean = times.iter().sum::<Duration>().as_secs_f64() / times.len() as f64;
        // The standard error is the mean over the root of the count; five of them.
        assert!((mean - 0.010).abs() < 5.0 * 0.010 / (times.len() as f64).sqrt(), "{mean}");
    }

    #[test]
    fn the_simulated_queue_obeys_its_formula() {
        // M/M/1 at ρ = 0.5: the mean time in the system is 1/(μ − λ) = 20 ms.
        let law = Law::new(Discipline::Fifo, ServiceLaw::Exponential { mean: ms(10), seed: 1 });
        let mut schedule = Schedule::new(&law);
        let mut arrival = Duration::ZERO;
        let count = 400_000;
        let total: Duration = service_times(ms(20), 2, count)
            .into_iter()
            .map(|gap| {
                arrival += gap;
                schedule.due(arrival).saturating_sub(arrival)
            })
            .sum();
        let mean = total.as_secs_f64() / count as f64;
        assert!((mean - 0.020).abs() < 0.020 * 0.02, "{mean}");
    }
}
