//! The search for the highest load that still meets the targets: which load to try next, and when to stop. Sans-IO:
//! whoever measures asks for [`CapacitySearch::next_step`] and reports what came of it.
//!
//! The load grows by a factor until a step misses, then the bracket between the highest load that was met and the lowest
//! that was missed is halved on a logarithmic scale until it is narrow enough. The factor is the smallest with which the
//! steps suffice for any knee between the start and the maximum. A step that missed may say where the knee is to be expected
//! (what an overloaded service completes per second is about what it can do); that load and its neighbour are tried first,
//! as long as enough steps are left should the expectation be wrong. A longer step confirms the result; when it does not, the
//! load is lowered until one does. A confirmation may stay open, since response times near
//! the knee come in long clusters: where evidence is lacking, one of twice its length follows at the same load; where the limit
//! lies within the interval, one at a load a little lower.

/// The most steps of a search, confirmations included.
pub const MAX_CAPACITY_STEPS: usize = 12;
/// How much the load may grow from step to step until one misses, the gentlest first.
const GROWTHS: [f64; 6] = [4.0, 5.0, 6.0, 8.0, 12.0, 20.0];
/// The bracket is narrow enough when its ends differ by this factor.
const TOLERANCE: f64 = 1.045;
/// What is expected is tried with its neighbour at this distance, so that the two make a narrow bracket.
const NEIGHBOUR: f64 = 1.04;
/// A refuted result is lowered by this share of itself twice, and then by twice as much each time that it is refuted again.
const BACK_OFF: f64 = 0.025;
/// Confirmations that may stay open before the search ends without one.
const MOST_OPEN: u32 = 3;
/// How many times as long a confirmation is after one that stayed open.
const STRETCH: u64 = 2;
/// Steps that are kept for confirmations.
const RESERVED: usize = 1;

/// What varies from step to step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapacityMode {
    /// Arrivals per second.
    Rate,
    /// A whole number of users.
    Users,
}

/// A step to be measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CapacityStep {
    /// Arrivals per second, or users.
    pub load: f64,
    /// A longer step that decides whether the result holds.
    pub confirms: bool,
    /// How many times as long as usual it is to be: more than once after a confirmation that stayed open.
    pub stretch: u64,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// The targets are met.
    Meets,
    /// A target is missed.
    Misses,
    /// A confirmation without a clear answer: the best estimates meet the targets, their intervals do not.
    Undecided,
    /// A confirmation whose samples, in clusters as they came, are too few for an interval; the best estimates meet the targets.
    TooFew,
    /// The measurement says more about the generator than about the service.
    Invalid,
    /// Nothing was measured of what a target is about.
    NoData,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CapacityEnd {
    /// The highest load that meets the targets.
    Found {
        /// Arrivals per second, or users.
        load: f64,
        /// The lowest load that missed; `None` when none did up to the maximum.
        missed: Option<f64>,
        /// Whether a longer step met the targets with their whole intervals.
        confirmed: bool,
    },
    /// Not even the smallest load that was tried meets the targets.
    Nothing {
        /// That load.
        load: f64,
    },
    /// The generator or its machine is the limit, not the service.
    Generator {
        /// The load that could not be measured.
        load: f64,
        /// The highest load below it that met the targets.
        met: Option<f64>,
    },
    /// A target cannot be judged, because nothing was measured of what it is about.
    Unmeasured {
        /// The load at which that was found.
        load: f64,
    },
    /// There are no more steps, and no load was confirmed.
    Unconfirmed {
        /// The highest load of an ordinary step that met the targets and was not refuted since.
        met: Option<f64>,
        /// The lowest load that missed.
        missed: f64,
    },
}

/// Confirmations that stayed open.
#[derive(Clone, Copy, Debug)]
struct Open {
    number: u32,
    /// Loads of the first and the last.
    first: f64,
    last: f64,
    /// Whether the last one needs only to take longer.
    lacks_evidence: bool,
}

/// The search. Loads are positive and at most the maximum; a predicate that is not monotone, or changes from step to
/// step, costs accuracy and never more than [`MAX_CAPACITY_STEPS`] steps.
#[derive(Clone, Debug)]
pub struct CapacitySearch {
    mode: CapacityMode,
    start: f64,
    max: f64,
    growth: f64,
    /// Where the knee is expected, and whether that is an end of a narrow bracket already.
    expected: Option<(f64, bool)>,
    /// Loads that met, ascending, all below `missed`.
    met: Vec<f64>,
    missed: Option<f64>,
    pending: Option<CapacityStep>,
    retried: bool,
    /// Confirmations that were missed or stayed open.
    refuted: u32,
    /// Confirmations that stayed open, below every load that missed.
    open: Option<Open>,
    steps: usize,
    end: Option<CapacityEnd>,
}

impl CapacitySearch {
    /// A search from `start` up to `max`. Both are brought into the range from 1e-3 (one user) to 1e7, and `max` to at
    /// least `start`.
    pub fn new(mode: CapacityMode, start: f64, max: f64) -> Self {
        let least = if mode == CapacityMode::Users { 1.0 } else { 1e-3 };
        let within = |load: f64| if load.is_nan() { least } else { load.clamp(least, 1e7) };
        let start = mode.rounded(within(start));
        let max = mode.rounded(within(max)).max(start);
        Self {
            mode,
            start,
            max,
            growth: growth(start, max),
            expected: None,
            met: Vec::new(),
            missed: None,
            pending: None,
            retried: false,
            refuted: 0,
            open: None,
            steps: 0,
            end: None,
        }
    }

    /// The next step; the same one until its outcome is reported. `None` when the search has ended.
    pub fn next_step(&mut self) -> Option<CapacityStep> {
        if self.end.is_some() {
            return None;
        }
        if self.pending.is_none() {
            if self.steps >= MAX_CAPACITY_STEPS {
                self.end = Some(match (self.open, self.missed) {
                    (Some(Open { first: load, .. }), missed) => {
                        CapacityEnd::Found { load, missed, confirmed: false }
                    }
                    (None, None) => {
                        CapacityEnd::Found { load: self.highest(), missed: None, confirmed: false }
                    }
                    (None, Some(missed)) => {
                        CapacityEnd::Unconfirmed { met: self.met.last().copied(), missed }
                    }
                });
                return None;
            }
            self.pending = Some(self.choose());
        }
        self.pending
    }

    /// Takes the outcome of the step that [`next_step`](Self::next_step) gave; without one it does nothing. `expected` is
    /// the load at which the knee is to be expected by what was measured, if anything is; it steers the search and decides
    /// nothing.
    pub fn report(&mut self, outcome: StepOutcome, expected: Option<f64>) {
        let Some(step) = self.pending.take() else { return };
        self.steps += 1;
        if matches!(outcome, StepOutcome::Invalid | StepOutcome::NoData) {
            // A machine may be disturbed once; what is measured again and fails again is a limit.
            if self.retried || self.steps >= MAX_CAPACITY_STEPS {
                let met = self.met.iter().rev().find(|&&load| load <= step.load).copied();
                let load = step.load;
                self.end = Some(match outcome {
                    StepOutcome::NoData => CapacityEnd::Unmeasured { load },
                    _ => CapacityEnd::Generator { load, met },
                });
            } else {
                self.retried = true;
                self.pending = Some(step);
            }
            return;
        }
        self.retried = false;
        match (outcome, step.confirms) {
            (StepOutcome::Meets, true) => {
                self.end = Some(CapacityEnd::Found { load: step.load, missed: self.missed, confirmed: true });
            }
            (StepOutcome::Undecided | StepOutcome::TooFew, true) => self.leave_open(step, outcome),
            (StepOutcome::Meets, false) => {
                self.met.push(step.load);
                self.met.sort_by(f64::total_cmp);
                self.expect_beside(step.load, NEIGHBOUR, None);
            }
            _ => {
                self.miss(step);
                self.expect_beside(step.load, 1.0 / NEIGHBOUR, expected);
            }
        }
    }

    /// After the expected load its neighbour is tried, which makes a narrow bracket; otherwise what the step says counts.
    fn expect_beside(&mut self, load: f64, factor: f64, expected: Option<f64>) {
        self.expected = match self.expected {
            Some((tried, is_neighbour)) if tried.total_cmp(&load).is_eq() => {
                (!is_neighbour).then(|| (self.mode.rounded(load * factor), true))
            }
            Some(open) if expected.is_none() => Some(open),
            _ => expected
                .filter(|load| load.is_finite())
                .map(|load| (self.mode.rounded(load.max(1e-3)), false)),
        };
    }

    /// How the search ended; `None` while it goes on.
    pub fn end(&self) -> Option<CapacityEnd> {
        self.end
    }

    /// Steps that were reported.
    pub fn steps(&self) -> usize {
        self.steps
    }

    fn miss(&mut self, step: CapacityStep) {
        self.missed = Some(self.missed.map_or(step.load, |missed| missed.min(step.load)));
        self.met.retain(|&load| load < step.load);
        self.open = self.open.filter(|open| open.first < step.load);
        self.refuted += u32::from(step.confirms);
        if step.load <= self.start && self.met.is_empty() {
            self.end = Some(CapacityEnd::Nothing { load: step.load });
        }
    }

    fn leave_open(&mut self, step: CapacityStep, outcome: StepOutcome) {
        let load = step.load;
        let (number, first) = self.open.map_or((1, load), |open| (open.number + 1, open.first));
        let lacks_evidence = outcome == StepOutcome::TooFew && step.stretch == 1;
        self.open = Some(Open { number, first, last: load, lacks_evidence });
        self.met.retain(|&met| met < load);
        self.refuted += 1;
        if number >= MOST_OPEN || load <= self.start && !lacks_evidence {
            self.end = Some(CapacityEnd::Found { load: first, missed: self.missed, confirmed: false });
        }
    }

    fn highest(&self) -> f64 {
        self.met.last().copied().unwrap_or(self.start)
    }

    fn choose(&self) -> CapacityStep {
        let confirms = |load| CapacityStep { load, confirms: true, stretch: 1 };
        let search = |load| CapacityStep { load, confirms: false, stretch: 1 };
        let Some(met) = self.met.last().copied() else {
            // Everything above the start was refuted, or nothing was tried yet.
            return if self.refuted > 0 { self.next_confirmed() } else { search(self.start) };
        };
        if self.refuted > 0 {
            return self.next_confirmed();
        }
        let is_last = self.steps + RESERVED >= MAX_CAPACITY_STEPS;
        match self.missed {
            None if met >= self.max => confirms(met),
            None if is_last => confirms(met),
            None => search(self.mode.rounded(met * self.growth).min(self.max)),
            Some(missed) => {
                let middle = self.affordable(met, missed);
                let middle = middle.unwrap_or_else(|| self.mode.rounded((met * missed).sqrt()));
                let is_narrow = missed <= met * TOLERANCE || middle <= met || middle >= missed;
                if is_narrow || is_last { confirms(met) } else { search(middle) }
            }
        }
    }

    /// The expected load, if it lies within the bracket and enough steps are left for what remains on either side of it.
    fn affordable(&self, met: f64, missed: f64) -> Option<f64> {
        let (load, _) = self.expected.filter(|&(load, _)| met < load && load < missed)?;
        let rest = halvings(load / met).max(halvings(missed / load));
        (self.steps + 1 + rest + RESERVED <= MAX_CAPACITY_STEPS).then_some(load)
    }

    /// The next confirmation once one was refuted or stayed open.
    fn next_confirmed(&self) -> CapacityStep {
        match self.open {
            Some(open) if open.lacks_evidence => {
                CapacityStep { load: open.last, confirms: true, stretch: STRETCH }
            }
            _ => CapacityStep { load: self.lowered(), confirms: true, stretch: 1 },
        }
    }

    /// A little below the lowest load that was not met for sure.
    fn lowered(&self) -> f64 {
        let missed = self.missed.unwrap_or(self.max);
        let missed = self.open.map_or(missed, |open| missed.min(open.last));
        let times = f64::from(1_u32 << self.refuted.saturating_sub(2).min(5));
        let lower = missed / (1.0 + BACK_OFF * times);
        let lower = match self.mode {
            CapacityMode::Rate => self.mode.rounded(lower),
            CapacityMode::Users => lower.floor().min(missed - 1.0),
        };
        lower.max(self.start)
    }
}

/// The gentlest growth with which the steps suffice for any knee: those up to a miss, and those that halve its bracket.
fn growth(start: f64, max: f64) -> f64 {
    let suffices = |growth: f64| {
        let (mut met, mut steps) = (start, 1);
        while met < max && steps <= MAX_CAPACITY_STEPS {
            let missed = (met * growth).min(max);
            steps += 1;
            if steps + halvings(missed / met) + RESERVED > MAX_CAPACITY_STEPS {
                return false;
            }
            met = missed;
        }
        met >= max
    };
    GROWTHS.into_iter().find(|growth| suffices(*growth)).unwrap_or(GROWTHS[GROWTHS.len() - 1])
}

/// How often a bracket with this ratio of its ends must be halved until it is narrow.
fn halvings(ratio: f64) -> usize {
    (ratio.max(1.0).ln() / TOLERANCE.ln()).log2().ceil().max(0.0) as usize
}

impl CapacityMode {
    /// Whole users; rates with four significant digits, so that reports and repetitions name the same load.
    fn rounded(self, load: f64) -> f64 {
        match self {
            Self::Users => load.round().max(1.0),
            Self::Rate => {
                let scale = 10_f64.powf(3.0 - load.log10().floor());
                (load * scale).round() / scale
            }
        }
    }

    /// `12.5/s` or `3 users`.
    pub fn show(self, load: f64) -> String {
        match self {
            Self::Rate => format!("{}/s", (load * 1e3).round() / 1e3),
            Self::Users => format!("{load:.0} {}", if load < 1.5 { "user" } else { "users" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Drives a search to its end; the answer gets the number of the step and the step.
    fn drive_with(
        mut search: CapacitySearch,
        mut answer: impl FnMut(usize, CapacityStep) -> (StepOutcome, Option<f64>),
    ) -> (CapacityEnd, Vec<CapacityStep>) {
        let mut steps = Vec::new();
        while let Some(step) = search.next_step() {
            assert_eq!(search.next_step(), Some(step), "asking again changes nothing");
            let (outcome, expected) = answer(steps.len(), step);
            search.report(outcome, expected);
            steps.push(step);
            assert!(steps.len() <= MAX_CAPACITY_STEPS, "{steps:?}");
        }
        (search.end().unwrap(), steps)
    }

    fn drive(
        search: CapacitySearch,
        mut answer: impl FnMut(usize, CapacityStep) -> StepOutcome,
    ) -> (CapacityEnd, Vec<CapacityStep>) {
        drive_with(search, |number, step| (answer(number, step), None))
    }

    fn below(knee: f64) -> impl FnMut(usize, CapacityStep) -> StepOutcome {
        move |_, step| if step.load <= knee { StepOutcome::Meets } else { StepOutcome::Misses }
    }

    /// A service that completes so many requests per second at most, and meets its targets up to the knee.
    fn saturating(knee: f64, most: f64) -> impl FnMut(usize, CapacityStep) -> (StepOutcome, Option<f64>) {
        move |number, step| (below(knee)(number, step), (step.load > most).then_some(most))
    }

    /// Within 5 % below the knee, and confirmed.
    fn is_close(end: CapacityEnd, knee: f64) -> bool {
        matches!(end, CapacityEnd::Found { load, confirmed: true, .. } if load <= knee && knee <= load * 1.05)
    }

    #[test]
    fn ends() {
        use CapacityEnd::{Found, Generator, Nothing, Unmeasured};
        let rate = || CapacitySearch::new(CapacityMode::Rate, 10.0, 1000.0);
        let users = |max| CapacitySearch::new(CapacityMode::Users, 1.0, max);
        let found = |load, missed, confirmed| Found { load, missed, confirmed };
        assert_eq!(drive(rate(), below(5.0)).0, Nothing { load: 10.0 });
        assert_eq!(drive(rate(), below(1e9)).0, found(1000.0, None, true));
        assert_eq!(drive(users(64.0), below(5.0)).0, found(5.0, Some(6.0), true));
        assert_eq!(drive(users(1.0), below(5.0)).0, found(1.0, None, true));
        let from_100 = |outcome: StepOutcome| {
            move |_, step: CapacityStep| if step.load > 100.0 { outcome } else { StepOutcome::Meets }
        };
        assert_eq!(
            drive(rate(), from_100(StepOutcome::Invalid)).0,
            Generator { load: 160.0, met: Some(40.0) }
        );
        assert_eq!(drive(rate(), from_100(StepOutcome::NoData)).0, Unmeasured { load: 160.0 });
        for disturbance in [StepOutcome::Invalid, StepOutcome::NoData] {
            let once = |number, step: CapacityStep| {
                if number == 2 { disturbance } else { below(1e9)(number, step) }
            };
            assert_eq!(drive(rate(), once).0, found(1000.0, None, true));
        }
        let vague = |_, step: CapacityStep| {
            if step.confirms { StepOutcome::Undecided } else { StepOutcome::Meets }
        };
        assert_eq!(drive(rate(), vague).0, found(1000.0, None, false));
    }

    #[test]
    fn the_load_grows_as_gently_as_the_steps_allow() {
        for (start, max, growth) in [(10.0, 1e3, 4.0), (100.0, 1e4, 4.0), (10.0, 1e5, 8.0), (1e-3, 1e7, 20.0)]
        {
            let search = CapacitySearch::new(CapacityMode::Rate, start, max);
            assert!((search.growth - growth).abs() < 0.1, "{start} to {max}: {}", search.growth);
        }
    }

    #[test]
    fn what_an_overloaded_service_completes_shortens_the_search() {
        for (knee, most) in [(187.0, 190.0), (190.0, 187.0), (2_000.0, 2_000.0)] {
            let search = || CapacitySearch::new(CapacityMode::Rate, 10.0, 1e5);
            let (end, steps) = drive_with(search(), saturating(knee, most));
            let (_, without) = drive(search(), below(knee));
            assert!(is_close(end, knee), "{knee}: {end:?} {steps:?}");
            assert!(steps.len() < without.len(), "{knee}: {} and {}", steps.len(), without.len());
        }
    }

    #[test]
    fn a_refuted_result_is_lowered() {
        // Longer steps see the overload that shorter ones miss.
        let answer = |_, step: CapacityStep| below(if step.confirms { 190.0 } else { 200.0 })(0, step);
        let (end, steps) = drive(CapacitySearch::new(CapacityMode::Rate, 50.0, 1e6), answer);
        let CapacityEnd::Found { load, confirmed: true, .. } = end else { panic!("{end:?} {steps:?}") };
        assert!((176.0..=190.0).contains(&load), "{load} {steps:?}");
    }

    #[test]
    fn an_answer_that_stays_open_is_sought_a_little_lower_or_for_longer() {
        let answer = |_, step: CapacityStep| match step.load {
            load if step.confirms && (197.0..=200.0).contains(&load) => StepOutcome::Undecided,
            load => below(200.0)(0, CapacityStep { load, ..step }),
        };
        // The ordinary steps end at the knee itself.
        let (end, steps) = drive_with(CapacitySearch::new(CapacityMode::Rate, 50.0, 1e5), |number, step| {
            (answer(number, step), (step.load > 200.0).then_some(199.0))
        });
        assert!(is_close(end, 200.0), "{end:?} {steps:?}");
        let confirmations: Vec<_> = steps.iter().filter(|step| step.confirms).collect();
        assert_eq!(confirmations.iter().map(|step| step.stretch).collect::<Vec<_>>(), [1, 1], "{steps:?}");
        assert!(confirmations[1].load < confirmations[0].load);
        // Where it was evidence that was lacking, the longer one has it.
        let patient = |number, step: CapacityStep| match step {
            CapacityStep { confirms: true, stretch: 1, .. } => StepOutcome::TooFew,
            step => below(200.0)(number, step),
        };
        let (end, steps) = drive(CapacitySearch::new(CapacityMode::Rate, 50.0, 1e5), patient);
        assert!(is_close(end, 200.0), "{end:?} {steps:?}");
        let last_two = [steps[steps.len() - 2], steps[steps.len() - 1]];
        assert_eq!(last_two.map(|step| step.stretch), [1, 2], "{steps:?}");
        assert!(last_two[0].load.total_cmp(&last_two[1].load).is_eq(), "{steps:?}");
    }

    #[test]
    fn loads_in_words() {
        for (mode, load, words) in [
            (CapacityMode::Rate, 187.0, "187/s"),
            (CapacityMode::Rate, 0.25, "0.25/s"),
            (CapacityMode::Users, 1.0, "1 user"),
            (CapacityMode::Users, 12.0, "12 users"),
        ] {
            assert_eq!(mode.show(load), words);
        }
    }

    proptest! {
        #[test]
        fn a_monotone_knee_is_found_within_five_percent(exponent in 1.0..4.95_f64) {
            let knee = 10_f64.powf(exponent);
            let (end, steps) = drive(CapacitySearch::new(CapacityMode::Rate, 10.0, 1e5), below(knee));
            prop_assert!(is_close(end, knee), "{knee}: {end:?} {steps:?}");
        }

        #[test]
        fn a_wrong_expectation_does_not_cost_the_five_percent(exponent in 1.0..4.95_f64, most in 0.5..8.0_f64) {
            let knee = 10_f64.powf(exponent);
            let (end, steps) =
                drive_with(CapacitySearch::new(CapacityMode::Rate, 10.0, 1e5), saturating(knee, knee * most));
            prop_assert!(is_close(end, knee), "{knee}: {end:?} {steps:?}");
        }

        #[test]
        fn whole_users_are_found(knee in 1_u32..9000, factor in prop::option::of(0.3..3.0_f64)) {
            let knee = f64::from(knee);
            let expected = |load: f64| factor.map(|factor| load.min(knee * factor));
            let (end, steps) = drive_with(CapacitySearch::new(CapacityMode::Users, 1.0, 1e4), |number, step| {
                (below(knee)(number, step), expected(step.load))
            });
            let CapacityEnd::Found { load, confirmed: true, .. } = end else {
                return Err(TestCaseError::fail(format!("{end:?}")));
            };
            // A user more than a twentieth, where a twentieth is less than a user.
            prop_assert!(load <= knee && (load + 1.0 > knee || load * 1.05 >= knee), "{load} {knee} {steps:?}");
            prop_assert!(load.fract() == 0.0);
        }

        #[test]
        fn any_answers_come_to_an_end(
            answers in prop::collection::vec((0_u8..6, prop::option::of(prop::num::f64::ANY)), 16),
            start in prop::num::f64::ANY,
            max in prop::num::f64::ANY,
            users: bool,
        ) {
            let mode = if users { CapacityMode::Users } else { CapacityMode::Rate };
            let mut highest: f64 = 0.0;
            let outcomes = [
                StepOutcome::Meets,
                StepOutcome::Misses,
                StepOutcome::Undecided,
                StepOutcome::TooFew,
                StepOutcome::Invalid,
                StepOutcome::NoData,
            ];
            let (end, steps) = drive_with(CapacitySearch::new(mode, start, max), |number, step| {
                highest = highest.max(step.load);
                let (outcome, expected) = answers[number];
                (outcomes[usize::from(outcome)], expected)
            });
            prop_assert!(!steps.is_empty() && steps.iter().all(|step| step.load > 0.0 && step.load <= 1.01e7));
            if let CapacityEnd::Found { load, .. } = end {
                prop_assert!(load <= highest);
            }
        }

        /// Answers that are wrong within 2 % of the knee cost no more than that.
        #[test]
        fn noise_around_the_knee_costs_little(
            noise in prop::collection::vec(-0.02..0.02_f64, 12),
            exponent in 1.5..4.9_f64,
            most in 0.98..1.02_f64,
        ) {
            let knee = 10_f64.powf(exponent);
            let answer = |number: usize, step: CapacityStep| {
                let (outcome, _) = saturating(knee * (1.0 + noise[number]), 0.0)(number, step);
                (outcome, (step.load > knee).then_some(knee * most))
            };
            let (end, steps) = drive_with(CapacitySearch::new(CapacityMode::Rate, 10.0, 1e5), answer);
            match end {
                CapacityEnd::Found { load, .. } => {
                    prop_assert!((knee * 0.93..knee * 1.021).contains(&load), "{load} {knee} {steps:?}");
                }
                CapacityEnd::Unconfirmed { .. } => {}
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        }
    }
}
