//! The host's TSC rate, which an emulated guest can not always find by itself.
//!
//! Under TCG the guest's TSC is the host's. A guest calibrates it against an emulated timer, and
//! on a busy host that fails: the boot hangs without a word. The kernel parameter
//! `tsc_early_khz=` spares it the attempt.

use std::time::{Duration, Instant};

/// A moment in both clocks: the earlier it is taken, the more exact the rate.
#[derive(Debug, Clone, Copy)]
pub struct TscAnchor {
    instant: Instant,
    ticks: u64,
}

/// The rate is exact to about 0.1 µs over the time since the anchor: 20 ppm after this long.
const ENOUGH: Duration = Duration::from_millis(5);

impl TscAnchor {
    /// Now.
    pub fn now() -> Self {
        Self {
            instant: Instant::now(),
            ticks: ticks(),
        }
    }

    /// The TSC's rate in kHz; `None` where the architecture has no TSC.
    pub fn kilohertz(&self) -> Option<u64> {
        loop {
            let now = Self::now();
            let elapsed = now.instant.duration_since(self.instant);
            if elapsed >= ENOUGH {
                let ticks = u128::from(now.ticks.checked_sub(self.ticks)?);
                let rate = ticks * 1_000_000 / elapsed.as_nanos();
                return u64::try_from(rate).ok().filter(|&rate| rate > 0);
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the counter is read by an instruction")]
fn ticks() -> u64 {
    // SAFETY: the instruction has no effect but its result, and user space may execute it on
    // Linux unless the process asked for PR_TSC_SIGSEGV, which this one does not.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks() -> u64 {
    0
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn two_measurements_agree() {
        let first = TscAnchor::now().kilohertz().unwrap();
        let second = TscAnchor::now().kilohertz().unwrap();
        assert!(first.abs_diff(second) < first / 100, "{first} and {second}");
    }
}
