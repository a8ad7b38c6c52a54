//! What counters show, added up.

/// What a counter shows: how much, and for how long it counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// The count.
    pub(super) count: u64,
    /// Nanoseconds for which it should have counted: its task was on a CPU.
    pub(super) enabled: u64,
    /// Nanoseconds for which it did: it had a counter of the processor.
    pub(super) running: u64,
}

/// What readings amount to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Amount {
    /// The count, or the best estimate of it.
    pub(super) value: u64,
    /// The share of the time for which it counted, above 0 and up to 1.
    pub(super) share: f64,
}

impl Reading {
    /// Both together. As `perf stat` has it, an estimate is made of the sum and not for each thread:
    /// one that hardly ran may never have had a counter.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            enabled: self.enabled.saturating_add(other.enabled),
            running: self.running.saturating_add(other.running),
        }
    }

    /// What it amounts to; `None` when it should have counted and never did.
    pub(super) fn amount(self) -> Option<Amount> {
        if self.running >= self.enabled {
            return Some(Amount {
                value: self.count,
                share: 1.0,
            });
        }
        let (count, enabled) = (u128::from(self.count), u128::from(self.enabled));
        // Rounded to the nearest.
        let running = u128::from(self.running);
        let value = (count * enabled + running / 2).checked_div(running)?;
        Some(Amount {
            value: u64::try_from(value).unwrap_or(u64::MAX),
            share: share(self.running, self.enabled),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no 64 bits")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading(count: u64, enabled: u64, running: u64) -> Reading {
        Reading {
            count,
            enabled,
            running,
        }
    }

    #[test]
    fn counters_that_took_turns_give_an_estimate_and_say_so() {
        for (reading, expected) in [
            (reading(1000, 50, 50), Some((1000, 1.0))),
            // A quarter of the time.
            (reading(1000, 80, 20), Some((4000, 0.25))),
            (reading(5, 3, 2), Some((8, 2.0 / 3.0))),
            // Nothing ran, so nothing was missed.
            (reading(0, 0, 0), Some((0, 1.0))),
            // It never had a counter.
            (reading(0, 80, 0), None),
            (reading(u64::MAX, 2, 1), Some((u64::MAX, 0.5))),
        ] {
            let amount = reading.amount().map(|amount| (amount.value, amount.share));
            assert_eq!(amount, expected, "{reading:?}");
        }
    }

    #[test]
    fn a_thread_that_hardly_ran_spoils_nothing() {
        let busy = reading(9000, 900, 900);
        let idle = reading(0, 100, 0);
        let amount = busy.and(idle).amount().unwrap();
        assert_eq!((amount.value, amount.share), (10_000, 0.9));
    }

    proptest! {
        #[test]
        fn an_estimate_is_never_less_than_what_was_counted(
            count: u64, enabled: u64, running: u64,
        ) {
            if let Some(amount) = reading(count, enabled, running).amount() {
                prop_assert!(amount.value >= count);
                prop_assert!(amount.share > 0.0 && amount.share <= 1.0);
                prop_assert!(running >= enabled || amount.share < 1.0 || enabled > 1 << 53);
            } else {
                prop_assert!(running == 0 && enabled > 0);
            }
        }
    }
}
