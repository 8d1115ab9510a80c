//! How a worker waits for its next moment: asleep, or asleep until just before and then awake.
//!
//! The kernel wakes a sleeper some tens of microseconds late, which is all that a schedule misses. Whoever stays awake from
//! just before the moment on is exact to a few microseconds, and pays for it with CPU time. This is the decision alone: no
//! clock, no runtime.

use std::net::IpAddr;

use pulse_model::Nanos;
use pulse_plan::IdleStrategy;

/// Time to stay awake before a moment when nothing is known yet about how late sleepers are woken.
const FIRST_LEAD: Nanos = Nanos::from_micros(60);
/// Bounds of that time: staying awake for less gains nothing, and for more is not worth it.
const LEADS: [Nanos; 2] = [Nanos::from_micros(20), Nanos::from_micros(250)];
/// The share of sleeps that end within the lead.
const IN_TIME: f64 = 0.95;
/// How far one sleep moves the lead.
const STEP: f64 = 2_000.0;
/// The most of a core that `auto` spends on spinning.
const AUTO_SHARE: f64 = 0.10;
/// Weight of the latest gap between two moments in their average.
const GAP_WEIGHT: f64 = 1.0 / 32.0;

/// The strategy for workers whose strategy is left open. On one or two cores a service of the same machine needs what a
/// spinning worker would take from it.
pub(crate) fn chosen(wanted: IdleStrategy, service_host: &str, cores: u32) -> IdleStrategy {
    match wanted {
        IdleStrategy::Auto if cores <= 2 && is_this_machine(service_host) => IdleStrategy::Sleep,
        other => other,
    }
}

/// Whether a host is surely this machine. Its address in a network is not known here.
fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    let address = bare.parse().is_ok_and(|address: IpAddr| address.is_loopback() || address.is_unspecified());
    address || host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}

/// When the main loop has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wake {
    /// The latest moment to be awake at.
    pub(crate) at: Nanos,
    /// Whether lateness would be measured there: an arrival or the end of a pause, not housekeeping.
    pub(crate) exact: bool,
}

/// What to do until a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It has come.
    Over,
    /// Sleep until then, and ask again.
    Sleep(Nanos),
    /// Stay awake.
    Spin,
}

/// A worker's idle strategy with what it has learned about this machine and this load.
#[derive(Debug)]
pub(crate) struct Idle {
    strategy: IdleStrategy,
    /// How long before a moment to be awake, in nanoseconds: a running estimate of a high quantile of lateness.
    lead: f64,
    /// Average gap between exact moments in nanoseconds, and the latest of them.
    gap: Option<f64>,
    last: Option<Nanos>,
}

impl Idle {
    pub(crate) fn new(strategy: IdleStrategy) -> Self {
        Self { strategy, lead: FIRST_LEAD.0 as f64, gap: None, last: None }
    }

    /// Whether the strategy may spin at all.
    pub(crate) fn may_spin(&self) -> bool {
        self.strategy != IdleStrategy::Sleep
    }

    /// What to do at `now` until `wake`.
    pub(crate) fn wait(&self, wake: Wake, now: Nanos) -> Wait {
        if wake.at <= now {
            return Wait::Over;
        }
        if !wake.exact || !self.spins() {
            return Wait::Sleep(wake.at);
        }
        let until = Nanos(wake.at.0.saturating_sub(self.lead as u64));
        if until <= now { Wait::Spin } else { Wait::Sleep(until) }
    }

    /// A sleep ended so much after the moment it was meant to end at. The lead follows the quantile of all of them
    /// (stochastic approximation: H. Robbins and S. Monro, 1951): up by 95 for each that was too late, down by 5 for
    /// each that was not.
    pub(crate) fn slept(&mut self, late: Nanos) {
        let step = if late.0 as f64 > self.lead { STEP * IN_TIME } else { -STEP * (1.0 - IN_TIME) };
        self.lead = (self.lead + step).clamp(LEADS[0].0 as f64, LEADS[1].0 as f64);
    }

    /// An exact moment has come.
    pub(crate) fn reached(&mut self, at: Nanos) {
        if let Some(last) = self.last.replace(at) {
            let gap = at.since(last).0 as f64;
            self.gap = Some(self.gap.map_or(gap, |mean| mean + (gap - mean) * GAP_WEIGHT));
        }
    }

    /// Whether the moments are worth spinning for.
    fn spins(&self) -> bool {
        match self.strategy {
            IdleStrategy::Sleep => false,
            IdleStrategy::Spin => true,
            IdleStrategy::Auto => self.gap.is_some_and(|gap| self.lead <= gap * AUTO_SHARE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use IdleStrategy::{Auto, Sleep, Spin};
    use proptest::prelude::*;

    const US: fn(u64) -> Nanos = Nanos::from_micros;

    /// A strategy that has seen a hundred moments with this gap between them.
    fn used_to(strategy: IdleStrategy, gap: Nanos) -> Idle {
        let mut idle = Idle::new(strategy);
        (0..100).for_each(|n| idle.reached(gap.times(n)));
        idle
    }

    #[test]
    fn sleep_until_just_before_and_then_spin_where_it_is_worth_it() {
        let (exact, loose) = (Wake { at: US(1000), exact: true }, Wake { at: US(1000), exact: false });
        for (name, idle, wake, now, expected) in [
            ("a sleeper sleeps", used_to(Sleep, US(1000)), exact, 0, Wait::Sleep(US(1000))),
            ("up to the end", used_to(Sleep, US(1000)), exact, 999, Wait::Sleep(US(1000))),
            ("the moment has come", used_to(Sleep, US(1000)), exact, 1000, Wait::Over),
            ("or is past", used_to(Spin, US(1000)), exact, 2000, Wait::Over),
            ("until just before", used_to(Spin, US(1000)), exact, 0, Wait::Sleep(US(940))),
            ("then awake", used_to(Spin, US(1000)), exact, 940, Wait::Spin),
            ("a gap shorter than a sleep", used_to(Spin, US(50)), exact, 950, Wait::Spin),
            ("housekeeping is not exact", used_to(Spin, US(1000)), loose, 990, Wait::Sleep(US(1000))),
            ("auto pays 6 %", used_to(Auto, US(1000)), exact, 950, Wait::Spin),
            ("auto does not pay 60 %", used_to(Auto, US(100)), exact, 950, Wait::Sleep(US(1000))),
            ("auto does not know the rate yet", Idle::new(Auto), exact, 950, Wait::Sleep(US(1000))),
            ("spin need not know it", Idle::new(Spin), exact, 950, Wait::Spin),
        ] {
            assert_eq!(idle.wait(wake, US(now)), expected, "{name}");
        }
    }

    #[test]
    fn auto_leaves_two_cores_to_a_service_that_runs_on_them() {
        for (wanted, host, cores, expected) in [
            (Auto, "127.0.0.1", 2, Sleep),
            (Auto, "127.8.8.8", 1, Sleep),
            (Auto, "localhost", 2, Sleep),
            (Auto, "api.localhost", 2, Sleep),
            (Auto, "[::1]", 2, Sleep),
            (Auto, "0.0.0.0", 2, Sleep),
            (Auto, "127.0.0.1", 3, Auto),
            (Auto, "10.0.0.7", 2, Auto),
            (Auto, "localhost.example", 2, Auto),
            (Spin, "127.0.0.1", 1, Spin),
            (Sleep, "10.0.0.7", 64, Sleep),
        ] {
            assert_eq!(chosen(wanted, host, cores), expected, "{wanted:?} {host} {cores}");
        }
    }

    #[test]
    fn the_lead_follows_how_late_sleepers_are_woken() {
        // One sleep of fifty is woken after 900 µs: what is rare is not waited for.
        for (usual, lead) in [(US(5), 20..=24), (US(35), 30..=45), (US(100), 95..=110), (US(500), 240..=250)]
        {
            let mut idle = Idle::new(Spin);
            (0..20_000).for_each(|n| idle.slept(if n % 50 == 0 { US(900) } else { usual }));
            assert!(lead.contains(&((idle.lead / 1e3) as u64)), "{usual}: {}", idle.lead);
        }
    }

    #[test]
    fn auto_follows_the_rate() {
        let mut idle = used_to(Auto, US(100));
        assert!(!idle.spins());
        (1..200).for_each(|n| idle.reached(US(10_000) + US(2000).times(n)));
        assert!(idle.spins());
    }

    proptest! {
        #[test]
        fn nobody_sleeps_beyond_the_moment(
            at in 0_u64..10_000_000, now in 0_u64..10_000_000, gap in 1_u64..10_000_000, exact: bool,
            late in 0_u64..10_000_000, which in 0_usize..3,
        ) {
            let mut idle = used_to([Auto, Sleep, Spin][which], Nanos(gap));
            idle.slept(Nanos(late));
            match idle.wait(Wake { at: Nanos(at), exact }, Nanos(now)) {
                Wait::Over => prop_assert!(at <= now),
                Wait::Sleep(until) => prop_assert!(now < until.0 && until.0 <= at),
                Wait::Spin => prop_assert!(now < at && at - now <= LEADS[1].0 && exact && idle.may_spin()),
            }
        }
    }
}
