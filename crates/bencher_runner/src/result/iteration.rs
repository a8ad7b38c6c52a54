use bencher_output_protocol as protocol;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Harness, Measure, PerfCounters};
use crate::cgroup::CpuTime;
use crate::validity::{Validity, Verdict};

/// One iteration: a fresh machine, the command once.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Iteration {
    /// Position, from 1.
    pub index: u32,
    /// Why the command ended.
    pub ended_by: EndedBy,
    /// The code the iteration stands for: the command's own, 128 + signal, 124 timeout, 125 the
    /// runner failed, 126 not executable, 127 not found, 130 or 143 interrupted.
    pub exit_code: u8,
    /// The signal that ended the command, if one did.
    pub signal: Option<u8>,
    /// What went wrong, if the runner, the machine or init failed.
    pub error: Option<String>,
    /// Where the time went.
    pub spans: Spans,
    /// The release of the kernel that the guest says it runs.
    pub kernel_release: Option<String>,
    /// What the command used; absent when the guest did not live to tell.
    pub resources: Option<Resources>,
    /// What the machine itself cost the host while the command ran; absent where the host does not
    /// tell, or the command did not live to its report.
    pub host_cpu: Option<HostCpu>,
    /// How often the vCPUs left their guest from the orders to the report of the command's end;
    /// absent without KVM, and where the host does not tell.
    pub vm_exits: Option<Measure>,
    /// Counters of the host's processor and kernel; absent unless they were asked for, and when the
    /// command did not live to its report.
    pub perf_counters: Option<PerfCounters>,
    /// Whether the numbers can be trusted; absent when the command did not live to its report.
    pub validity: Option<Validity>,
    /// Whether the iteration was suspect and another one took its place.
    pub retried: bool,
    /// Whether it was to warm up the host, so that its numbers do not count. Documents from before
    /// there were such iterations lack it.
    #[serde(default)]
    pub warmup: bool,
    /// Instructions that the guest executed from the command's `execve` to its exit, under a virtual
    /// clock: the wall time at the clock's rate. Those of the guest's kernel are among them, and
    /// where nothing ran in the guest, the time until something did counts as if it had. Absent
    /// under a wall clock.
    pub instructions: Option<u64>,
    /// What a benchmark harness measured; absent unless an adapter was asked to read it, and when the
    /// command failed.
    pub harness: Option<Harness>,
    /// The command's standard output.
    pub stdout: Content,
    /// The command's standard error.
    pub stderr: Content,
    /// Collected files.
    pub files: Vec<FileOutput>,
    /// Outputs that were asked for and are not there, or not as a whole.
    pub missing: Vec<MissingOutput>,
    /// What was left out or done otherwise.
    pub warnings: Vec<String>,
}

impl Iteration {
    /// Whether its numbers count: the command ended well, no other iteration took its place, and it
    /// was not to warm up.
    pub fn counts(&self) -> bool {
        self.ended_well() && !self.retried && !self.warmup
    }

    /// Whether the command ended by itself and without an error.
    pub(crate) fn ended_well(&self) -> bool {
        self.ended_by == EndedBy::Exit && self.exit_code == 0
    }

    /// The same without what the command wrote.
    pub(crate) fn without_contents(&self) -> Self {
        let without = |content: &Content| Content {
            content: None,
            sha256: content.sha256.clone(),
            path: content.path.clone(),
            ..*content
        };
        Self {
            stdout: without(&self.stdout),
            stderr: without(&self.stderr),
            files: self
                .files
                .iter()
                .map(|file| FileOutput {
                    guest_path: file.guest_path.clone(),
                    content: without(&file.content),
                    ..*file
                })
                .collect(),
            error: self.error.clone(),
            kernel_release: self.kernel_release.clone(),
            resources: self.resources.clone(),
            vm_exits: self.vm_exits,
            perf_counters: self.perf_counters.clone(),
            validity: self.validity.clone(),
            harness: self.harness.clone(),
            missing: self.missing.clone(),
            warnings: self.warnings.clone(),
            ..*self
        }
    }

    /// Lets go of what the command wrote: it may be large, and comparisons do not look at it.
    pub(crate) fn drop_contents(&mut self) {
        self.stdout.content = None;
        self.stderr.content = None;
        for file in &mut self.files {
            file.content.content = None;
        }
    }

    /// Why the numbers are not to be trusted, in words; `None` where nothing speaks against them.
    pub fn suspicions(&self) -> Option<String> {
        let validity = self.validity.as_ref()?;
        let texts: Vec<&str> = validity
            .reasons
            .iter()
            .map(|reason| reason.text.as_str())
            .collect();
        (validity.verdict == Verdict::Suspect).then(|| texts.join("; "))
    }
}

/// Why a command ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// It exited.
    #[default]
    Exit,
    /// A signal that the runner did not ask for.
    Signal,
    /// It is not in the image, or can not be executed.
    NotStarted,
    /// It took longer than the timeout.
    Timeout,
    /// The user stopped the run.
    Interrupt,
    /// The runner, the machine or the guest's init failed.
    Failure,
}

/// Where the time of an iteration went, in milliseconds of the host's clock. A moment that was not
/// reached is absent.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
pub struct Spans {
    /// From the start of the runner's process to the start of the iteration.
    pub before_ms: f64,
    /// The copy of the root filesystem.
    pub copy_ms: f64,
    /// From the end of the copy to the moment that the VMM's process was started.
    pub start_ms: f64,
    /// From the VMM's start to init's first word.
    pub boot_ms: Option<f64>,
    /// From init's first word to the start of the command.
    pub prepare_ms: Option<f64>,
    /// From the start of the command to the report of its end, as the host saw it.
    pub command_ms: Option<f64>,
    /// From that report to the guest's last word: files.
    pub collect_ms: Option<f64>,
    /// From the guest's last word (or the kill) to the end of the machine.
    pub shutdown_ms: f64,
}

/// CPU time of the machine's processes on the host (the VMM with its guest, or the command with
/// init), from the orders to the report of the command's end, as their cgroup counted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostCpu {
    /// In all, in microseconds.
    pub cpu_us: u64,
    /// In user mode, in microseconds; a guest's own time is in it.
    pub user_us: u64,
    /// In kernel mode, in microseconds.
    pub system_us: u64,
}

impl From<CpuTime> for HostCpu {
    fn from(time: CpuTime) -> Self {
        Self {
            cpu_us: time.all,
            user_us: time.user,
            system_us: time.system,
        }
    }
}

/// What the command's process tree used. A value that the kernel does not tell is absent.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// Duration in nanoseconds of the guest's monotonic clock, which may be a virtual one, from `execve` to the exit.
    pub wall_ns: u64,
    /// CPU time in all, in microseconds.
    pub cpu_us: Option<u64>,
    /// CPU time in user mode, in microseconds.
    pub user_us: Option<u64>,
    /// CPU time in kernel mode, in microseconds.
    pub system_us: Option<u64>,
    /// Most memory in use at one time, page cache included, in bytes.
    pub memory_peak_bytes: Option<u64>,
    /// Largest resident set of a single process, in bytes.
    pub max_rss_bytes: u64,
    /// Page faults that needed no I/O.
    pub minor_faults: u64,
    /// Page faults that needed I/O.
    pub major_faults: u64,
    /// Context switches by waiting.
    pub voluntary_switches: u64,
    /// Context switches by preemption.
    pub involuntary_switches: u64,
    /// Bytes read from block devices.
    pub read_bytes: u64,
    /// Bytes written to block devices.
    pub write_bytes: u64,
    /// Processes killed for lack of memory.
    pub oom_kills: u64,
}

impl From<&protocol::Resources> for Resources {
    fn from(resources: &protocol::Resources) -> Self {
        Self {
            wall_ns: resources.wall_nanoseconds,
            cpu_us: resources.cpu_microseconds,
            user_us: resources.user_microseconds,
            system_us: resources.system_microseconds,
            memory_peak_bytes: resources.memory_peak_bytes,
            max_rss_bytes: resources.max_rss_bytes,
            minor_faults: resources.minor_faults,
            major_faults: resources.major_faults,
            voluntary_switches: resources.voluntary_switches,
            involuntary_switches: resources.involuntary_switches,
            read_bytes: resources.read_bytes,
            write_bytes: resources.write_bytes,
            oom_kills: resources.oom_kills,
        }
    }
}

/// Bytes that the command produced.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Content {
    /// How many the command produced, as far as is known.
    pub bytes: u64,
    /// How many of them were kept.
    pub kept_bytes: u64,
    /// Whether a limit cut them.
    pub truncated: bool,
    /// SHA-256 of the kept bytes, in hexadecimal.
    pub sha256: String,
    /// The kept bytes themselves, when they are few enough for this document.
    pub content: Option<StoredText>,
    /// The file that holds the kept bytes, relative to the output folder.
    pub path: Option<String>,
}

/// Bytes inside JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoredText {
    /// They are UTF-8.
    Text(String),
    /// They are not: standard base64 with padding.
    Base64(String),
}

impl StoredText {
    /// `bytes` in the form that fits them.
    pub fn of(bytes: Vec<u8>) -> Self {
        use base64::Engine as _;
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => {
                let bytes = error.as_bytes();
                Self::Base64(base64::engine::general_purpose::STANDARD.encode(bytes))
            }
        }
    }

    /// The bytes.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, base64::DecodeError> {
        use base64::Engine as _;
        match self {
            Self::Text(text) => Ok(text.as_bytes().to_vec()),
            Self::Base64(text) => base64::engine::general_purpose::STANDARD.decode(text),
        }
    }
}

/// A collected file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FileOutput {
    /// Its absolute path in the guest; bytes that are not UTF-8 are replaced.
    pub guest_path: String,
    /// Permission bits.
    pub mode: u16,
    /// What it held.
    #[serde(flatten)]
    pub content: Content,
}

/// An output that is not there.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MissingOutput {
    /// The path as it was asked for.
    pub guest_path: String,
    /// Why it could not be collected.
    pub reason: String,
}
