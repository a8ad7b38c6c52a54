//! The verdict on an iteration, as a pure function of what was observed before and after it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::observation::Observation;

/// Ticks of `/proc/stat` in a second: `USER_HZ`, the same on every architecture that this runs on.
pub(crate) const TICKS: f64 = 100.0;

/// The least time that counters in ticks can tell from their own rounding, in seconds.
const ROUNDING: f64 = 0.05;

/// Of the time of the watched CPUs, what a hypervisor below may take.
const STEAL: f64 = 0.01;

/// Of the time of the watched CPUs, what other programs may take.
pub(crate) const OTHERS: f64 = 0.02;

/// Of the command's time, how long tasks of this host may wait for a CPU.
const CPU_PRESSURE: f64 = 0.10;

/// Of the command's time, how long tasks of this host may wait for memory.
const MEMORY_PRESSURE: f64 = 0.01;

/// How much slower than its pinned frequency a CPU may be.
const SLOWER: f64 = 0.05;

/// Interrupts a second that one watched CPU may serve: ten times the fastest periodic tick.
const INTERRUPTS: f64 = 10_000.0;

/// Clock sources that are slow to read, or too coarse (`kernel/time/clocksource.c` rates them).
pub(crate) const POOR_CLOCKS: [&str; 5] = ["hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"];

/// What there is to be assessed.
#[derive(Debug, Clone, Copy)]
pub struct Assessment<'a> {
    /// The host before the command.
    pub before: &'a Observation,
    /// The host after it.
    pub after: &'a Observation,
    /// The CPU time that the machine itself took meanwhile; `None` where the host does not tell.
    pub own: Option<Duration>,
}

/// Whether an iteration's numbers can be trusted, and what the host went through meanwhile.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Validity {
    /// The verdict.
    pub verdict: Verdict,
    /// Why the iteration is suspect; empty when it is not.
    pub reasons: Vec<Suspicion>,
    /// Milliseconds between the two looks at the host.
    pub span_ms: f64,
    /// The CPUs that were looked at, as the kernel lists them.
    pub cpus: String,
    /// CPU time of these CPUs that a hypervisor below this host took, in milliseconds.
    pub steal_ms: Option<f64>,
    /// CPU time of these CPUs that others than the machine used, in milliseconds.
    pub others_ms: Option<f64>,
    /// Interrupts that these CPUs served.
    pub interrupts: Option<u64>,
    /// How often these CPUs took up another task.
    pub context_switches: Option<u64>,
    /// Pages that the host read back from swap.
    pub swapped_in_pages: Option<u64>,
    /// Milliseconds in which some task of the host waited for a CPU (PSI, `some`).
    pub cpu_pressure_ms: Option<f64>,
    /// Milliseconds in which some task of the host waited for memory.
    pub memory_pressure_ms: Option<f64>,
    /// Milliseconds in which some task of the host waited for a disk.
    pub io_pressure_ms: Option<f64>,
    /// The slowest of these CPUs before the command, in kHz.
    pub frequency_before_khz: Option<u64>,
    /// The slowest of these CPUs after it, in kHz.
    pub frequency_after_khz: Option<u64>,
    /// How often these CPUs were slowed down because of heat.
    pub throttlings: Option<u64>,
    /// The processor's temperature before the command, in degrees Celsius.
    pub temperature_before: Option<f64>,
    /// The processor's temperature after it, in degrees Celsius.
    pub temperature_after: Option<f64>,
    /// What keeps the host's time.
    pub clock_source: Option<String>,
}

/// A verdict on an iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing was seen that speaks against its numbers.
    Valid,
    /// Something was: see the reasons.
    Suspect,
}

/// Something that speaks against an iteration's numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suspicion {
    /// What it is.
    pub kind: SuspicionKind,
    /// The same in words, with the numbers.
    pub text: String,
}

/// What may speak against an iteration's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuspicionKind {
    /// The processor was slowed down because of its heat.
    Throttled,
    /// A CPU ran slower than the frequency that it is bound to.
    Slow,
    /// A hypervisor below this host took CPU time.
    Steal,
    /// Other programs took CPU time.
    OtherLoad,
    /// Tasks waited for a CPU.
    CpuPressure,
    /// Tasks waited for memory.
    MemoryPressure,
    /// Memory was read back from swap.
    Swapping,
    /// The CPUs served an unusual number of interrupts.
    Interrupts,
    /// What keeps the host's time is poor, or was changed meanwhile.
    ClockSource,
    /// The kernel's log speaks of trouble.
    KernelMessage,
}

impl Assessment<'_> {
    /// The verdict, with everything that it rests on.
    pub fn validity(&self) -> Validity {
        let (before, after) = (self.before, self.after);
        let span = (after.at - before.at).as_secs_f64();
        let ticks = |of: fn(&super::counters::CpuTime) -> u64| {
            difference(&before.times, &after.times, of).map(|ticks| float(ticks) / TICKS)
        };
        let busy = ticks(|time| time.busy);
        let stalled = |before: Option<u64>, after: Option<u64>| {
            Some(float(after?.checked_sub(before?)?) / 1e6)
        };
        let slowest = |seen: &Observation| seen.frequencies.values().map(|one| one.current).min();
        let mut validity = Validity {
            verdict: Verdict::Valid,
            reasons: Vec::new(),
            span_ms: span * 1e3,
            cpus: before
                .times
                .keys()
                .copied()
                .collect::<crate::cpus::CpuSet>()
                .to_string(),
            steal_ms: ticks(|time| time.steal).map(to_ms),
            others_ms: busy
                .zip(self.own)
                .map(|(busy, own)| to_ms((busy - own.as_secs_f64()).max(0.0))),
            interrupts: difference(&before.interrupts, &after.interrupts, |count| *count),
            context_switches: difference(&before.switches, &after.switches, |count| *count),
            swapped_in_pages: minus(before.swapped_in, after.swapped_in),
            cpu_pressure_ms: stalled(before.stalled.cpu, after.stalled.cpu).map(to_ms),
            memory_pressure_ms: stalled(before.stalled.memory, after.stalled.memory).map(to_ms),
            io_pressure_ms: stalled(before.stalled.io, after.stalled.io).map(to_ms),
            frequency_before_khz: slowest(before),
            frequency_after_khz: slowest(after),
            throttlings: minus(before.throttlings, after.throttlings),
            temperature_before: before.temperature.map(to_degrees),
            temperature_after: after.temperature.map(to_degrees),
            clock_source: after.clock_source.clone(),
        };
        validity.reasons = self.suspicions(&validity);
        if !validity.reasons.is_empty() {
            validity.verdict = Verdict::Suspect;
        }
        validity
    }

    fn suspicions(&self, seen: &Validity) -> Vec<Suspicion> {
        let mut reasons = Vec::new();
        let mut suspect = |kind, text| reasons.push(Suspicion { kind, text });
        let span = seen.span_ms;
        let cpus = float(self.before.times.len().try_into().unwrap_or(u64::MAX));
        if let Some(count) = seen.throttlings.filter(|&count| count > 0) {
            let text = format!("the processor was slowed down by its heat {count} times");
            suspect(SuspicionKind::Throttled, text);
        }
        if let Some((cpu, current, pinned)) = self.slow_cpu() {
            let text = format!("CPU {cpu} ran at {current} kHz although it is bound to {pinned}");
            suspect(SuspicionKind::Slow, text);
        }
        let share = |time: Option<f64>, of: f64, most: f64| {
            time.filter(|&time| time > of * most && time > ROUNDING * 1e3)
                .map(|time| (time, time / of * 100.0))
        };
        if let Some((time, percent)) = share(seen.steal_ms, span * cpus, STEAL) {
            let text =
                format!("a hypervisor below took {time:.0} ms of the CPUs' time ({percent:.1} %)");
            suspect(SuspicionKind::Steal, text);
        }
        if let Some((time, percent)) = share(seen.others_ms, span * cpus, OTHERS) {
            let text =
                format!("other programs took {time:.0} ms of the CPUs' time ({percent:.1} %)");
            suspect(SuspicionKind::OtherLoad, text);
        }
        if let Some((time, percent)) = share(seen.cpu_pressure_ms, span, CPU_PRESSURE) {
            let text = format!("programs waited for a CPU for {time:.0} ms ({percent:.1} %)");
            suspect(SuspicionKind::CpuPressure, text);
        }
        if let Some((time, percent)) = share(seen.memory_pressure_ms, span, MEMORY_PRESSURE) {
            let text = format!("programs waited for memory for {time:.0} ms ({percent:.1} %)");
            suspect(SuspicionKind::MemoryPressure, text);
        }
        if let Some(pages) = seen.swapped_in_pages.filter(|&pages| pages > 0) {
            let text = format!("the host read {pages} pages back from swap");
            suspect(SuspicionKind::Swapping, text);
        }
        let rate = |count: u64| float(count) / (span / 1e3).max(ROUNDING) / cpus.max(1.0);
        if let Some(rate) = seen.interrupts.map(rate).filter(|&rate| rate > INTERRUPTS) {
            let text = format!("each CPU served {rate:.0} interrupts a second");
            suspect(SuspicionKind::Interrupts, text);
        }
        if let Some(text) = self.poor_clock() {
            suspect(SuspicionKind::ClockSource, text);
        }
        for message in &self.after.trouble {
            let text = format!("the host's kernel said: {message}");
            suspect(SuspicionKind::KernelMessage, text);
        }
        reasons
    }

    /// The first CPU that was slower than it is bound to be, with both frequencies in kHz.
    fn slow_cpu(&self) -> Option<(u32, u64, u64)> {
        [self.before, self.after]
            .into_iter()
            .flat_map(|seen| &seen.frequencies)
            .find_map(|(&cpu, frequency)| {
                let pinned = frequency.pinned?;
                let is_slow = float(frequency.current) < float(pinned) * (1.0 - SLOWER);
                is_slow.then_some((cpu, frequency.current, pinned))
            })
    }

    fn poor_clock(&self) -> Option<String> {
        let (before, after) = (
            self.before.clock_source.as_deref()?,
            self.after.clock_source.as_deref()?,
        );
        if before != after {
            return Some(format!(
                "the host's clock source was changed from {before} to {after}"
            ));
        }
        let is_poor = POOR_CLOCKS.contains(&after);
        is_poor.then(|| format!("the host's clock source is {after}, which is slow or coarse"))
    }
}

/// What was added to the sum over all CPUs that are in both; `None` where there are none.
fn difference<T>(
    before: &BTreeMap<u32, T>,
    after: &BTreeMap<u32, T>,
    value: impl Fn(&T) -> u64,
) -> Option<u64> {
    after
        .iter()
        .filter_map(|(cpu, after)| value(after).checked_sub(value(before.get(cpu)?)))
        .reduce(|sum, more| sum + more)
}

fn minus(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    after?.checked_sub(before?)
}

fn to_ms(seconds: f64) -> f64 {
    seconds * 1e3
}

fn to_degrees(thousandths: i64) -> f64 {
    f64::from(i32::try_from(thousandths).unwrap_or(i32::MAX)) / 1e3
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, which no counter reaches here"
)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "assess_tests.rs"]
mod tests;
