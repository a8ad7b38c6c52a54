//! The rate of this host's TSC, which an emulated guest can not always find by itself.
//!
//! Under TCG the guest's TSC is the host's. A guest calibrates it against an emulated timer, and
//! on a busy host that fails: the boot hangs without a word. The kernel parameter
//! `tsc_early_khz=` spares it the attempt.

use std::time::{Duration, Instant};

/// Exact to about 20 ppm after this long.
const ENOUGH: Duration = Duration::from_millis(5);

/// The rate in kHz.
pub(crate) fn kilohertz() -> u64 {
    let (start, first) = (Instant::now(), ticks());
    loop {
        let (elapsed, now) = (start.elapsed(), ticks());
        if elapsed >= ENOUGH {
            let rate = u128::from(now.wrapping_sub(first)) * 1_000_000 / elapsed.as_nanos();
            return u64::try_from(rate).unwrap_or_default();
        }
        std::hint::spin_loop();
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
        let (first, second) = (kilohertz(), kilohertz());
        assert!(first.abs_diff(second) < first / 100, "{first} and {second}");
    }
}
