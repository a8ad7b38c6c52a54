//! Whether a host is fit for benchmarks: what there is, why it matters, and how it is mended.
//!
//! ```text
//! Host (this one, or a folder) ─► checks, one file each ─► Finding: pass, warn or fail ┐
//! the host's CPUs ─► noise: a fixed piece of work, again and again ────────────────────┴► Diagnosis
//! ```
//!
//! What each run of root's tunes by itself passes here: see [`crate::tuning`].

mod checks;
mod finding;
mod host;
mod noise;

pub use finding::{Diagnosis, Finding, Status};
pub use host::Host;
pub use noise::{
    CpuNoise, Noise, NoiseDuration, NoiseError, ParseNoiseDurationError, SmallestChange, Spread,
};

/// Looks at everything that is checked. Blocks for about a second, in which the host's load is
/// measured. Changes nothing but the cache, whose folder it makes.
pub fn examine(host: &Host) -> Vec<Finding> {
    checks::all().iter().map(|check| check.on(host)).collect()
}

pub use noise::measure as measure_noise;
