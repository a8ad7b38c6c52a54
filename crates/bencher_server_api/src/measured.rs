//! How a job was measured: at a glance, out of the result document that its runner made.

use serde::{Deserialize, Serialize};

/// How a job was measured, as its runner says: whether its times can be compared, and what they are. All of
/// it is in the job's evidence.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Measured {
    /// Where it ran.
    pub machine: MeasuredMachine,
    /// Whether times can be compared with those of other machines of this hardware; those of a virtual
    /// clock with others of such a clock, whatever the hardware.
    pub comparable: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// Iterations whose numbers count: those whose command ended well.
    pub iterations: u32,
    /// Iterations after these of which nothing is known here, since the evidence had to be short.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iterations_left_out: u32,
    /// Iterations whose numbers count, and of which nobody knows what the host went through meanwhile.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unjudged_iterations: u32,
    /// Iterations against whose numbers something speaks, those that were left out among them.
    pub suspect_iterations: u32,
    /// What that is.
    pub suspicions: Vec<Suspicion>,
    /// What the iterations that count used.
    pub metrics: Vec<MeasuredMetric>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Something that speaks against numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Suspicion {
    /// Its kind, such as `other_load`.
    pub kind: String,
    /// An example, in words.
    pub text: String,
    /// In how many iterations.
    pub iterations: u32,
}

/// Where a job ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MeasuredMachine {
    /// `firecracker`, `qemu`, or `none`: the host's own kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// What executed the guest's instructions, such as `kvm` or `tcg`, which emulates them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<String>,
    /// `wall` or `virtual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// The host's processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_model: Option<String>,
    /// Virtual CPUs; absent without a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<u32>,
    /// The machine's memory in bytes; absent without a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The release of the guest's kernel; absent without a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// The release of the host's kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_kernel: Option<String>,
    /// How quiet the host was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<MeasuredTuning>,
}

/// How quiet a host was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MeasuredTuning {
    /// Who did it: `run` (for as long as the job ran), `tune_apply` (for good), `left_over` (a runner that is
    /// no more), or `nobody`.
    pub tuned_by: String,
    /// Sources of noise that are off.
    pub quiet: u32,
    /// Those that are on, or may be, since nothing could be done about them: the names of their knobs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noisy: Vec<String>,
}

/// A measure over the iterations that count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MeasuredMetric {
    /// `wall` (the guest's clock, from `execve` to the exit), `cpu` (CPU time of the command's processes),
    /// `memory` (most in use at one time, page cache included), or under a virtual clock `instructions`.
    pub name: String,
    /// `nanoseconds`, `bytes` or `instructions`.
    pub unit: String,
    /// How many values there are: not every iteration has every measure.
    pub values: u32,
    /// The median.
    pub median: f64,
    /// The least value.
    pub least: f64,
    /// The greatest value.
    pub most: f64,
}
