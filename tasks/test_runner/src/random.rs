//! Random numbers that are the same each time for the same seed.

/// `SplitMix64` by Guy Steele, Doug Lea and Christine Flood ("Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A sequence of its own.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// From 0 up to 1, which is not reached.
    pub(crate) fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let bits = (self.next() >> 11) as f64;
        bits / 2_f64.powi(53)
    }

    /// From 0 up to `count`, which is not reached; 0 when `count` is.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        // The bias is far below what any use here could notice.
        let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % count).unwrap_or(0)
    }

    /// From `low` to `high`, small values as often as large ones: each doubling is as likely.
    pub(crate) fn of_any_size(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_reference() {
        // Of the reference implementation, https://prng.di.unimi.it/splitmix64.c, seeded with 0.
        let mut random = Random::new(0);
        assert_eq!(random.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(random.next(), 0x06c4_5d18_8009_454f);
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
}
