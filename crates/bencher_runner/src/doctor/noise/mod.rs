//! A host's own noise: how much the same piece of work differs from one time to the next.
//!
//! ```text
//! a thread on each benchmark CPU:  sample ─ sample ─ sample …        10 ms each, the same work
//!                                  └ steps, a clock read after each: a long one was interrupted
//! ```
//!
//! The work is arithmetic in registers. So caches, memory and disks are left out, and what remains
//! is what no benchmark on this host can escape: interrupts, other tasks, a hypervisor, and changes of
//! frequency. A benchmark's own noise comes on top.

mod duration;
mod spread;
mod work;

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU8;
use std::thread;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Host;
use crate::cpus::{CpuSet, Demand, LayoutError, decide};
use crate::validity::{Assessment, Observer, Validity};

pub use duration::{NoiseDuration, ParseNoiseDurationError};
pub use spread::{SmallestChange, Spread};

/// The noise of some CPUs of a host.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Noise {
    /// How long it was measured, in seconds.
    pub seconds: f64,
    /// Each CPU.
    pub cpus: Vec<CpuNoise>,
    /// Which changes of a benchmark can be told from the noise of the worst of these CPUs.
    pub smallest_changes: Vec<SmallestChange>,
    /// What the host went through meanwhile, as with an iteration of a run.
    pub validity: Validity,
}

/// The noise of a CPU.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CpuNoise {
    /// Its number.
    pub cpu: u32,
    /// How often the work was done.
    pub samples: usize,
    /// How long it took, in milliseconds: the median.
    pub median_ms: f64,
    /// The least.
    pub least_ms: f64,
    /// The greatest.
    pub greatest_ms: f64,
    /// How much times of work of different length differ. What there are fewer than ten samples of is
    /// absent.
    pub spreads: Vec<Spread>,
    /// How often something else had the CPU, or stopped it, each second: steps of the work that took
    /// at least twice as long as most, and a microsecond longer.
    pub interruptions_per_second: f64,
    /// Of the time, what these interruptions took, in percent.
    pub interrupted_percent: f64,
    /// The longest of them, in microseconds.
    pub longest_interruption_us: f64,
}

/// Why noise was not measured.
#[derive(Debug, Error)]
pub enum NoiseError {
    /// It is not known which CPUs there are.
    #[error("failed to learn which CPUs this process may use: {0}")]
    Unknown(String),
    /// CPUs that were named can not be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A thread could not be started, or not be kept on its CPU.
    #[error("failed to run on CPU {cpu} alone: {source}")]
    Pin {
        /// The CPU.
        cpu: u32,
        /// Why.
        source: std::io::Error,
    },
}

/// Measures for `duration` the noise of the CPUs `named`, all at the same time; without a name that of
/// the CPU which a benchmark with one vCPU gets. Blocks. The host is taken as it is: nothing is tuned.
///
/// # Errors
///
/// [`NoiseError`] when a CPU can not be used.
pub fn measure(
    host: &Host,
    named: Option<&CpuSet>,
    duration: NoiseDuration,
) -> Result<Noise, NoiseError> {
    let topology = host.topology().map_err(NoiseError::Unknown)?;
    let cpus = decide(&topology, Demand::Vcpus(NonZeroU8::MIN), named)?.benchmark;
    let duration = Duration::from(duration);
    let mut observer = Observer::new(cpus.clone());
    let before = observer.observe();
    let threads: Vec<_> = cpus
        .iter()
        .map(|cpu| (cpu, thread::spawn(move || work::on(cpu, duration))))
        .collect();
    let mut records = Vec::new();
    for (cpu, thread) in threads {
        let failed = || std::io::Error::other("a thread of the runner failed");
        let record = thread.join().unwrap_or_else(|_| Err(failed()));
        records.push((
            cpu,
            record.map_err(|source| NoiseError::Pin { cpu, source })?,
        ));
    }
    let after = observer.observe();
    let validity = Assessment {
        before: &before,
        after: &after,
        // The work itself keeps the CPUs busy, so who else does is not to be seen here.
        own: None,
    }
    .validity();
    let cpus: Vec<_> = records
        .iter()
        .map(|(cpu, record)| CpuNoise::of(*cpu, record))
        .collect();
    Ok(Noise {
        seconds: validity.span_ms / 1000.0,
        smallest_changes: spread::smallest_changes(&cpus),
        cpus,
        validity,
    })
}

impl CpuNoise {
    fn of(cpu: u32, record: &work::Record) -> Self {
        let seconds: f64 = record.samples.iter().sum();
        let mut sorted = record.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).map_or(0.0, |second| second * 1000.0);
        let last = sorted.len().saturating_sub(1);
        Self {
            cpu,
            samples: sorted.len(),
            median_ms: f64::midpoint(at(last / 2), at(last.div_ceil(2))),
            least_ms: at(0),
            greatest_ms: at(last),
            spreads: spread::spreads(&record.samples),
            interruptions_per_second: f64::from(record.interruptions) / seconds,
            interrupted_percent: record.interrupted.as_secs_f64() / seconds * 100.0,
            longest_interruption_us: record.longest.as_secs_f64() * 1e6,
        }
    }
}

impl fmt::Display for Noise {
    /// Some lines for people.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cpu in &self.cpus {
            writeln!(
                formatter,
                "noise of CPU {} in {:.0} s",
                cpu.cpu, self.seconds
            )?;
            writeln!(
                formatter,
                "  same work     {:.3} ms, {:.3} to {:.3}, {} times",
                cpu.median_ms, cpu.least_ms, cpu.greatest_ms, cpu.samples
            )?;
            for spread in &cpu.spreads {
                writeln!(
                    formatter,
                    "  spread        {:.3} % of {} ms of work",
                    spread.percent, spread.work_ms
                )?;
            }
            writeln!(
                formatter,
                "  interrupted   {:.0} times a second, {:.3} % of the time, {:.0} µs at most",
                cpu.interruptions_per_second, cpu.interrupted_percent, cpu.longest_interruption_us
            )?;
        }
        if let Some(steal) = self.validity.steal_ms {
            writeln!(
                formatter,
                "  stolen        {steal:.0} ms by a hypervisor below"
            )?;
        }
        for reason in &self.validity.reasons {
            writeln!(formatter, "  suspect       {}", reason.text)?;
        }
        writeln!(formatter)?;
        if self.smallest_changes.is_empty() {
            return writeln!(
                formatter,
                "too short to say which changes can be told from it"
            );
        }
        writeln!(
            formatter,
            "smallest change that can be told from this noise, at best (95 % confidence, 80 % power)"
        )?;
        let runs: BTreeSet<u32> = self
            .smallest_changes
            .iter()
            .map(|change| change.runs)
            .collect();
        write!(formatter, "  {:<12}", "work")?;
        for runs in &runs {
            write!(formatter, "  {:>15}", format!("{runs} runs a side"))?;
        }
        writeln!(formatter)?;
        for row in self
            .smallest_changes
            .chunk_by(|one, other| one.work_ms == other.work_ms)
        {
            let work = row.first().map_or(0, |change| change.work_ms);
            write!(formatter, "  {:<12}", format!("{work} ms"))?;
            for change in row {
                write!(formatter, "  {:>15}", format!("{:.2} %", change.percent))?;
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_described_by_its_record() {
        let record = work::Record {
            samples: vec![0.010, 0.012, 0.010, 0.018],
            interruptions: 5,
            interrupted: Duration::from_millis(10),
            longest: Duration::from_millis(8),
        };
        let noise = CpuNoise::of(3, &record);
        assert_eq!((noise.cpu, noise.samples), (3, 4));
        assert!((noise.median_ms - 11.0).abs() < 1e-9);
        assert!((noise.least_ms - 10.0).abs() < 1e-9);
        assert!((noise.greatest_ms - 18.0).abs() < 1e-9);
        assert!((noise.interruptions_per_second - 100.0).abs() < 1e-9);
        assert!((noise.interrupted_percent - 20.0).abs() < 1e-9);
        assert!((noise.longest_interruption_us - 8000.0).abs() < 1e-9);
        assert!(noise.spreads.is_empty(), "four are too few");
    }

    #[test]
    fn this_host_has_some() {
        let cache = tempfile::tempdir().unwrap();
        let host = Host::this_one(cache.path());
        let noise = measure(&host, None, NoiseDuration::LEAST).unwrap();
        let [cpu] = &noise.cpus[..] else {
            panic!("one CPU is measured");
        };
        assert!(cpu.samples >= 10, "{cpu:?}");
        assert!(
            cpu.least_ms > 0.0 && cpu.least_ms <= cpu.median_ms,
            "{cpu:?}"
        );
        assert!(cpu.median_ms <= cpu.greatest_ms, "{cpu:?}");
        assert_eq!(noise.validity.cpus, cpu.cpu.to_string());
        assert!(noise.seconds >= 1.0);
        let text = noise.to_string();
        assert!(text.contains("smallest change that can be told"), "{text}");
        let missing = measure(&host, Some(&"60000".parse().unwrap()), NoiseDuration::LEAST);
        assert!(missing.unwrap_err().to_string().contains("not online"));
    }
}
