//! Random numbers that are the same each time for the same seed, on any host.

/// `SplitMix64` by Guy Steele, Doug Lea and Christine Flood ("Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A sequence of its own.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self(self.bits())
    }

    /// From 0 up to 1, which is not reached.
    pub fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let bits = (self.bits() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// From 0 up to `count`, which is not reached; 0 when `count` is.
    ///
    /// The upper half of a product instead of a remainder (Lemire, "Fast random integer generation in
    /// an interval", ACM TOMACS 2019). The bias that is left is below 2⁻⁴⁰ for any count of samples.
    #[inline]
    pub fn below(&mut self, count: usize) -> usize {
        let product = u128::from(self.bits()) * (count as u128);
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// From `low` to `high`, small values as often as large ones: each doubling is as likely.
    pub fn of_any_size(&mut self, low: f64, high: f64) -> f64 {
        low * libm::pow(high / low, self.unit())
    }

    /// Of the standard normal distribution: mean 0, standard deviation 1.
    ///
    /// Box and Muller, "A note on the generation of random normal deviates" (1958).
    pub fn normal(&mut self) -> f64 {
        // From 1 down to 0, which is not reached: its logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_reference() {
        // Of the reference implementation, https://prng.di.unimi.it/splitmix64.c, seeded with 0.
        let mut random = Random::new(0);
        assert_eq!(random.bits(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.bits(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(random.bits(), 0x06c4_5d18_8009_454f);
    }

    #[test]
    fn values_stay_within_their_bounds() {
        let mut random = Random::new(7);
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&random.unit()));
            assert!(random.below(3) < 3);
            assert!((5.0..=500.0).contains(&random.of_any_size(5.0, 500.0)));
        }
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn each_number_comes_as_often() {
        let mut random = Random::new(1);
        let mut counts = [0_u32; 5];
        for _ in 0..10_000 {
            counts[random.below(5)] += 1;
        }
        assert!(
            counts.iter().all(|count| (1850..2150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn normal_values_have_the_moments_of_the_distribution() {
        let mut random = Random::new(3);
        let values: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let moment = |power| values.iter().map(|value| value.powi(power)).sum::<f64>() / 20_000.0;
        // Four standard errors of each.
        for (power, expected, tolerance) in [
            (1, 0.0, 0.03),
            (2, 1.0, 0.04),
            (3, 0.0, 0.11),
            (4, 3.0, 0.28),
        ] {
            let found = moment(power);
            assert!(
                (found - expected).abs() < tolerance,
                "moment {power}: {found}"
            );
        }
    }
}
