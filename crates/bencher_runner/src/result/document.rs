use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Iteration, IterationSpool, Iterations, MetricName};
use crate::cpus::CpuLayoutState;
use crate::jail::JailState;
use crate::machine::Description;
use crate::network::NetworkState;
use crate::tuning::TuningState;
use crate::units::ByteSize;

/// The version of this document's layout. Fields are added without a new version; a field that
/// changes its meaning or goes raises it.
pub const VERSION: u32 = 1;

/// The result of one `runner run`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ResultDocument<I> {
    /// The version of this document's layout.
    pub version: u32,
    /// The program that made this document.
    pub runner: RunnerIdentity,
    /// When the run began, in seconds since 1970-01-01 UTC.
    pub started_at: u64,
    /// What the user calls the run, such as the commit that is in the image.
    pub label: Option<String>,
    /// Which adapter read metrics of a harness, and out of what, as it was asked for: `NAME`, or
    /// `NAME=FILE`; absent where none did.
    pub adapter: Option<String>,
    /// What ran and where; absent when the run failed before that was known.
    #[serde(flatten)]
    pub setup: Option<Setup>,
    /// The host around the machine.
    pub host: Host,
    /// What bounded it.
    pub limits: Limits,
    /// Each iteration, in order.
    #[schemars(with = "Vec<Iteration>")]
    pub iterations: I,
    /// How the whole of it ended.
    pub outcome: Outcome,
    /// Whether the numbers can be compared.
    pub trust: Trust,
}

impl ResultDocument<IterationSpool> {
    /// The same with the iterations in memory, without what their commands wrote.
    pub(crate) fn with_read_iterations(self) -> std::io::Result<ResultDocument<Iterations>> {
        let iterations = Iterations(self.iterations.read()?);
        Ok(self.map_iterations(|_| iterations))
    }
}

impl<I> ResultDocument<I> {
    /// A copy with other iterations.
    pub(crate) fn with_iterations<J>(&self, iterations: J) -> ResultDocument<J> {
        ResultDocument {
            version: self.version,
            runner: self.runner.clone(),
            started_at: self.started_at,
            label: self.label.clone(),
            adapter: self.adapter.clone(),
            setup: self.setup.clone(),
            host: self.host.clone(),
            limits: self.limits,
            iterations,
            outcome: self.outcome.clone(),
            trust: self.trust.clone(),
        }
    }

    /// The same with other iterations.
    pub(crate) fn map_iterations<J>(self, map: impl FnOnce(I) -> J) -> ResultDocument<J> {
        ResultDocument {
            iterations: map(self.iterations),
            version: self.version,
            runner: self.runner,
            started_at: self.started_at,
            label: self.label,
            adapter: self.adapter,
            setup: self.setup,
            host: self.host,
            limits: self.limits,
            outcome: self.outcome,
            trust: self.trust,
        }
    }
}

/// What ran and where.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Setup {
    /// What ran.
    pub image: Image,
    /// The command as it was executed.
    pub command: Command,
    /// Where it ran.
    pub machine: Machine,
}

/// A program and its version.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RunnerIdentity {
    /// The program's name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What ran.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Image {
    /// The image as it was asked for.
    pub reference: String,
    /// Digest of the manifest; absent for formats that have none.
    pub manifest_digest: Option<String>,
    /// Digest of the image's configuration.
    pub config_digest: String,
    /// The platform, as `os/architecture[/variant]`.
    pub platform: String,
    /// Digests of the uncompressed layers, lowest first.
    pub diff_ids: Vec<String>,
    /// Key of the root filesystem image in the cache: the same layers, disk size and format
    /// version give the same key on any host.
    pub rootfs_key: String,
}

/// The command as it was executed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Command {
    /// The command and its arguments.
    pub arguments: Vec<String>,
    /// The names of the environment's variables. Their values may be secrets.
    pub environment: Vec<String>,
    /// The working directory.
    pub working_directory: String,
    /// `user[:group]` as given by the image or the user; empty for root.
    pub user: String,
    /// Where its memory was laid out.
    pub layouts: Layouts,
}

/// Where the parts of a program are in its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layouts {
    /// At the same places at each start.
    Fixed,
    /// At random ones (ASLR).
    Random,
}

/// Where it ran.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// What kind of machine it was.
    #[serde(flatten)]
    pub description: Description,
    /// The VMM's version.
    pub vmm_version: Option<String>,
    /// Virtual CPUs; absent without a VM.
    pub vcpus: Option<u8>,
    /// The guest's memory in bytes; absent without a VM.
    pub memory_bytes: Option<ByteSize>,
    /// Whether the guest's memory was of huge pages.
    pub huge_pages: bool,
    /// The size of the root filesystem in bytes; absent when it is a folder of the host.
    pub disk_bytes: Option<ByteSize>,
    /// The guest's kernel; absent without a VM.
    pub kernel: Option<KernelIdentity>,
    /// The VMM's jail; absent without a VM.
    pub jail: Option<JailState>,
    /// The guest's network; absent where it had loopback alone.
    pub network: Option<NetworkState>,
}

/// A guest kernel.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct KernelIdentity {
    /// The release, as `uname -r` prints it.
    pub release: Option<String>,
    /// SHA-256 of the kernel as it was distributed.
    pub sha256: String,
    /// Where it came from.
    pub origin: String,
    /// SHA-256 over the parts of the initramfs.
    pub initramfs_id: String,
}

/// The host around the machine.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// The processor's name, as the host's kernel gives it.
    pub cpu_model: Option<String>,
    /// CPUs that this process may use.
    pub cpus: Option<usize>,
    /// The host kernel's release.
    pub kernel_release: Option<String>,
    /// The host's architecture.
    pub architecture: String,
    /// The host's tuning during the iterations; absent when the run failed before there was one.
    pub tuning: Option<TuningState>,
    /// Who had which of the host's CPUs during the iterations; absent when the run failed before
    /// that was decided.
    pub cpu_layout: Option<CpuLayoutState>,
}

/// What bounded a run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Seconds that the command may take.
    pub timeout_seconds: f64,
    /// Seconds from the machine's start to the command's.
    pub boot_timeout_seconds: f64,
    /// Seconds from the stop signal to the kill.
    pub grace_period_seconds: f64,
    /// Bytes kept of each of standard output and standard error.
    pub max_output_bytes: ByteSize,
    /// Files collected.
    pub max_file_count: u32,
    /// Bytes kept of each file.
    pub max_file_bytes: ByteSize,
    /// Bytes kept of all files of an iteration together.
    pub max_total_file_bytes: ByteSize,
}

/// How the whole run ended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The exit code of `runner run`.
    pub exit_code: u8,
    /// Iterations that were asked for, those to warm up left out; where their number follows from
    /// the precision, the most that there may be.
    pub iterations_wanted: u32,
    /// Iterations that were begun, those to warm up among them.
    pub iterations_run: u32,
    /// How many of these, the last ones, are missing in this document, since it had to be short; absent
    /// where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations_left_out: Option<u32>,
    /// The precision that was asked for; absent where it was a number of iterations.
    pub precision: Option<Precision>,
    /// What the runner failed at, if it did.
    pub error: Option<String>,
}

/// How narrow an interval was to be, and whether it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Precision {
    /// The metric whose interval it is.
    pub metric: MetricName,
    /// Half the width that was asked for, as a share of the value: 0.01 is ± 1 %.
    pub wanted: f64,
    /// Half the width at the end, as a share; absent where there is no interval.
    pub reached: Option<f64>,
    /// Why no more was measured; absent when the run ended for another reason.
    pub stopped_by: Option<StopReason>,
}

/// Why enough was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The interval is as narrow as was asked for.
    Narrow,
    /// There were as many iterations as may be.
    Iterations,
    /// The time was over.
    Time,
}

/// Whether the numbers can be compared.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Trust {
    /// Whether times can be compared with those of other machines of this hardware; those of a virtual
    /// clock with others of such a clock, whatever the hardware.
    pub comparable: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// Iterations during which something spoke against their numbers; see their `validity`.
    pub suspect_iterations: u32,
}

impl Host {
    /// This host, tuned as `tuning` says, its CPUs given out as `cpu_layout` says.
    pub fn current(tuning: Option<TuningState>, cpu_layout: Option<CpuLayoutState>) -> Self {
        let cpu_model = std::fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|text| cpu_model(&text));
        let kernel_release = std::fs::read_to_string(PathBuf::from("/proc/sys/kernel/osrelease"))
            .ok()
            .map(|text| text.trim().to_owned());
        Self {
            cpu_model,
            cpus: std::thread::available_parallelism().ok().map(usize::from),
            kernel_release,
            architecture: std::env::consts::ARCH.to_owned(),
            tuning,
            cpu_layout,
        }
    }
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cpu_is_named_by_the_kernel() {
        let text = "processor\t: 0\nvendor_id\t: X\nmodel name\t: Some CPU @ 3 GHz\n";
        assert_eq!(super::cpu_model(text).as_deref(), Some("Some CPU @ 3 GHz"));
        assert_eq!(super::cpu_model("processor: 0\n"), None);
    }
}
