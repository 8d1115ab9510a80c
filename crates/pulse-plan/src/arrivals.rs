//! The n-th arrival of an open model as a function of n.

use pulse_model::Nanos;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{ArrivalLaw, Profile};

/// Arrivals per block of the Poisson process. A block is generated whole from its own stream of the generator.
const BLOCK: usize = 1024;

/// When the n-th arrival is due. The same for every number of workers: each computes the whole and takes its own n.
///
/// Both laws work in *operational time*, in which arrivals come once per unit on average, and map it through the
/// inverse integral of the rate profile (time rescaling; Çınlar, "Introduction to Stochastic Processes", 1975, §4.7).
/// Evenly, the n-th arrival has operational time n. Poisson: the sum of n+1 independent standard exponentials; they come
/// in blocks from a counter-based generator (`ChaCha`, stream = block number), so that a block depends on nothing but the
/// seed and its number.
#[derive(Clone, Debug)]
pub struct Arrivals {
    profile: Profile,
    poisson: Option<Poisson>,
}

#[derive(Clone, Debug)]
struct Poisson {
    seed: u64,
    /// Operational time at the start of each block reached so far.
    bases: Vec<f64>,
    /// Number and arrivals of the block in use.
    block: usize,
    times: Vec<f64>,
}

impl Arrivals {
    /// Arrivals of a rate profile. `seed` matters for Poisson only.
    pub fn new(profile: Profile, law: ArrivalLaw, seed: u64) -> Self {
        let poisson = match law {
            ArrivalLaw::Even => None,
            ArrivalLaw::Poisson => {
                let mut poisson =
                    Poisson { seed, bases: vec![0.0], block: 0, times: Vec::with_capacity(BLOCK) };
                poisson.generate(0);
                Some(poisson)
            }
        };
        Self { profile, poisson }
    }

    /// When the `n`-th arrival (from 0) is due, counted from the scenario's start; `None` when the profile ends before.
    ///
    /// Constant time for neighbouring `n`. Poisson: a jump forward generates the blocks between, a jump back only the one
    /// that is asked for; 8 bytes are kept per 1024 arrivals.
    pub fn at(&mut self, n: u64) -> Option<Nanos> {
        let operational = match &mut self.poisson {
            None => n as f64,
            Some(poisson) => poisson.time(n as usize),
        };
        self.profile.inverse_integral(operational)
    }
}

impl Poisson {
    fn time(&mut self, n: usize) -> f64 {
        let block = n / BLOCK;
        while self.bases.len() <= block {
            let last = self.bases.len() - 1;
            self.generate(last);
            self.bases.push(self.times[BLOCK - 1]);
        }
        if self.block != block {
            self.generate(block);
        }
        self.times[n % BLOCK]
    }

    /// Fills `times` with the arrivals of a block whose base is known.
    fn generate(&mut self, block: usize) {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(block as u64);
        let mut time = self.bases[block];
        self.times.clear();
        self.times.extend((0..BLOCK).map(|_| {
            // 1 − u lies in (0, 1], so that the logarithm is finite.
            time -= (1.0 - generator.random::<f64>()).ln();
            time
        }));
        self.block = block;
    }
}
