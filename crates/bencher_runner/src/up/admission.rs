//! Whether a job can be run here, and how: a pure decision.

use std::num::{NonZeroU8, NonZeroU32};
use std::time::{Duration, Instant};

use bencher_channel_protocol::{Architecture, Job, Os};
use bencher_oci::registry::{Credentials, RegistryOptions, Secret};
use bencher_oci::{CommandOverrides, Platform};

use super::registry::place;
use super::{JobPolicy, JobSandbox};
use crate::Directories;
use crate::images::{ImageChoice, PullPolicy};
use crate::machine::{Clock, TscAnchor};
use crate::network::NetworkChoice;
use crate::run::{Goal, LiveOutput, OnSuspect, PageCache, RunLimits, RunSpec, SandboxChoice};
use crate::units::ByteSize;

/// What is around a job on this host.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) policy: &'a JobPolicy,
    pub(super) directories: &'a Directories,
    /// The memory of this host in bytes, if it is known.
    pub(super) memory: Option<u64>,
    /// How registries are talked to, but for who asks.
    pub(super) registry: RegistryOptions,
    /// Where outputs go.
    pub(super) output_folder: std::path::PathBuf,
}

/// The run that a job is.
///
/// # Errors
///
/// Why it can not be run here, for the job's owner.
pub(super) fn admit(job: &Job, around: Surroundings<'_>) -> Result<RunSpec, String> {
    let policy = around.policy;
    let sandbox = sandbox(job, policy)?;
    let place = place(&job.config)?;
    let config = &job.config;
    let wants_sizes = config.file_size == Some(true);
    Ok(RunSpec {
        image: ImageChoice {
            name: place.name.into(),
            platform: Platform::host(),
            // That the store has it does not mean that the job may have it: its token decides.
            pull: PullPolicy::Always,
            registry: RegistryOptions {
                credentials: Some(Credentials::Token(Secret::new(job.oci_token.expose()))),
                insecure_registries: place.plain.into_iter().collect(),
                ..around.registry
            },
        },
        sandbox,
        firecracker: match sandbox {
            SandboxChoice::Firecracker => policy.firecracker.clone(),
            _ => crate::run::FirecrackerChoice::default(),
        },
        qemu: policy.qemu.clone(),
        network: network(job, policy),
        jail: match sandbox {
            SandboxChoice::None => crate::jail::JailPolicy {
                strictness: crate::jail::Strictness::Possible,
                ..policy.jail
            },
            _ => policy.jail,
        },
        clock: Clock::Wall,
        vcpus: vcpus(job)?,
        memory: memory(job, sandbox, around.memory)?,
        huge_pages: None,
        prefault: false,
        disk: ByteSize::from_bytes(job.spec.disk),
        page_cache: PageCache::AsItIs,
        kernel: policy.kernel.clone(),
        command: CommandOverrides {
            entrypoint: config.entrypoint.clone(),
            cmd: config.cmd.clone(),
        },
        environment: config
            .env
            .iter()
            .flatten()
            .map(|(name, value)| format!("{name}={value}"))
            .collect(),
        working_directory: None,
        user: None,
        adapter: None,
        outputs: config.file_paths.clone().unwrap_or_default(),
        output_folder: Some(around.output_folder),
        result_file: None,
        live: LiveOutput::Reporter,
        goal: Goal::Times(
            config
                .iter
                .and_then(NonZeroU32::new)
                .unwrap_or(NonZeroU32::MIN),
        ),
        warmups: 0,
        label: None,
        allow_failure: config.allow_failure == Some(true),
        cpus: policy.cpus.clone(),
        perf_counters: false,
        on_suspect: OnSuspect::Keep,
        cool_down: None,
        tuning: policy.tuning.clone(),
        limits: RunLimits {
            timeout: Duration::from_secs(
                config
                    .timeout
                    .unwrap_or(job.timeout)
                    .min(job.timeout)
                    .into(),
            ),
            boot_timeout: RunLimits::default_boot_timeout(Clock::Wall),
            grace_period: policy.grace_period,
            output: policy.output,
            file_count: policy.file_count,
            // Of a file whose size alone is wanted nothing is kept.
            file: if wants_sizes {
                ByteSize::from_bytes(0)
            } else {
                policy.output
            },
            total_files: ByteSize::from_bytes(policy.output.bytes().saturating_mul(4)),
        },
        guest_log_level: policy.guest_log_level,
        directories: around.directories.clone(),
        process_start: Instant::now(),
        tsc: TscAnchor::now(),
    })
}

fn sandbox(job: &Job, policy: &JobPolicy) -> Result<SandboxChoice, String> {
    let spec = &job.spec;
    if spec.os != Os::Linux {
        return Err(format!(
            "the job's spec asks for {}, and this runner has linux",
            spec.os.name()
        ));
    }
    let host = if cfg!(target_arch = "aarch64") {
        Architecture::Aarch64
    } else {
        Architecture::X86_64
    };
    if spec.architecture != host {
        return Err(format!(
            "the job's spec asks for {}, and this runner has {}",
            spec.architecture.name(),
            host.name()
        ));
    }
    match (spec.sandbox, policy.sandbox) {
        (Some(_), JobSandbox::Firecracker) => Ok(SandboxChoice::Firecracker),
        (Some(_), JobSandbox::Qemu) => Ok(SandboxChoice::Qemu),
        (None, _) if !policy.allow_no_sandbox => Err(
            "the job's spec has no sandbox, and this runner runs nothing without one: use a spec with \
             a sandbox, or start the runner with --danger-allow-no-sandbox"
                .to_owned(),
        ),
        (None, _) if spec.network => Err(
            "the job's spec has a network and no sandbox, and without one this runner has no network \
             for a job: use a spec with a sandbox, or without a network"
                .to_owned(),
        ),
        (None, _) => Ok(SandboxChoice::None),
    }
}

/// The memory of the job's machine. More than the host has is known now, and would be taken for the host's
/// fault later.
fn memory(job: &Job, sandbox: SandboxChoice, host: Option<u64>) -> Result<ByteSize, String> {
    let asked = job.spec.memory;
    if let Some(host) = host
        && sandbox != SandboxChoice::None
        && asked > host
    {
        return Err(format!(
            "the job's spec asks for {} MiB of memory, and this host has {}: link the runner to specs that it \
             can run",
            asked >> 20,
            host >> 20
        ));
    }
    Ok(ByteSize::from_bytes(asked))
}

/// The memory of this host, in bytes.
pub(super) fn host_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

fn vcpus(job: &Job) -> Result<NonZeroU8, String> {
    let asked = job.spec.cpu;
    u8::try_from(asked)
        .ok()
        .and_then(NonZeroU8::new)
        .ok_or_else(|| {
            format!("the job's spec asks for {asked} CPUs, and a machine has at most 255")
        })
}

fn network(job: &Job, policy: &JobPolicy) -> Option<NetworkChoice> {
    job.spec.network.then(|| NetworkChoice {
        allowed: Vec::new(),
        range: policy.network_range,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use bencher_channel_protocol::{SandboxKind, ServerMessage};
    use bencher_output_protocol::LogLevel;

    use super::*;
    use crate::cpus::CpuChoice;
    use crate::jail::{JailPolicy, Strictness, UidRange};
    use crate::kernel::KernelSource;
    use crate::tuning::{TuningChoices, TuningPolicy, TuningStrictness};

    const JOB: &str = r#"{"event":"job","uuid":"3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10","spec":{"uuid":"7ad4d9f1-4f5b-4f3c-8f5e-0e3a1c2b4d5f","name":"Small","slug":"small","os":"linux","architecture":"x86_64","sandbox":"firecracker","cpu":2,"memory":4294967296,"disk":10737418240,"network":false,"created":"","modified":""},"config":{"registry":"http://localhost:61016/","project":"11111111-2222-4333-8444-555555555555","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"oci_token":"secret-token","timeout":3600,"created":""}"#;

    /// A job that needs nothing special.
    pub(in super::super) fn job() -> Job {
        let mut job = match ServerMessage::decode(JOB) {
            Ok(ServerMessage::Job(job)) => *job,
            other => panic!("{other:?}"),
        };
        if cfg!(target_arch = "aarch64") {
            job.spec.architecture = Architecture::Aarch64;
        }
        job
    }

    /// What a runner allows whose user has chosen nothing.
    pub(in super::super) fn policy() -> JobPolicy {
        JobPolicy {
            allow_no_sandbox: false,
            sandbox: JobSandbox::Firecracker,
            firecracker: crate::run::FirecrackerChoice::default(),
            qemu: crate::run::QemuChoice::default(),
            kernel: KernelSource::Any,
            jail: JailPolicy {
                strictness: Strictness::Possible,
                uids: UidRange::default(),
            },
            network_range: crate::network::AddressRange::default(),
            cpus: CpuChoice {
                cpus: None,
                partition: true,
            },
            tuning: TuningPolicy {
                strictness: TuningStrictness::Off,
                choices: TuningChoices::default(),
            },
            output: ByteSize::from_mebibytes(4),
            file_count: 255,
            grace_period: Duration::from_secs(5),
            guest_log_level: LogLevel::Warning,
        }
    }

    fn admitted(job: &Job, policy: &JobPolicy) -> Result<RunSpec, String> {
        admit(
            job,
            Surroundings {
                policy,
                directories: &Directories::resolve(Some("/c".into()), Some("/s".into())),
                memory: Some(64 << 30),
                registry: RegistryOptions::default(),
                output_folder: "/out".into(),
            },
        )
    }

    #[test]
    fn a_job_becomes_a_run() {
        let mut job = job();
        job.spec.network = true;
        job.config.cmd = Some(vec!["true".to_owned()]);
        job.config.env = Some([("A".to_owned(), "b=c".to_owned())].into());
        job.config.file_paths = Some(vec!["/r.json".to_owned()]);
        job.config.iter = Some(3);
        job.config.allow_failure = Some(true);
        let run = admitted(&job, &policy()).unwrap();
        assert_eq!(run.sandbox, SandboxChoice::Firecracker);
        assert_eq!(
            (run.vcpus.get(), run.memory.bytes(), run.disk.bytes()),
            (2, 4 << 30, 10 << 30)
        );
        assert!(run.network.is_some());
        assert_eq!(run.command.cmd.as_deref(), Some(&["true".to_owned()][..]));
        assert_eq!(run.environment, ["A=b=c"]);
        assert_eq!(run.outputs, ["/r.json"]);
        assert_eq!((run.goal.most(), run.allow_failure), (3, true));
        assert_eq!(run.image.pull, PullPolicy::Always);
        assert_eq!(run.image.registry.insecure_registries, ["localhost:61016"]);
        assert!(!format!("{run:?}").contains("secret-token"));
        match &run.image.registry.credentials {
            Some(Credentials::Token(token)) => assert_eq!(token.expose(), "secret-token"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_shorter_timeout_counts() {
        for (own, whole, expected) in [(None, 100, 100), (Some(60), 100, 60), (Some(200), 100, 100)]
        {
            let mut job = job();
            (job.config.timeout, job.timeout) = (own, whole);
            let run = admitted(&job, &policy()).unwrap();
            assert_eq!(run.limits.timeout, Duration::from_secs(expected));
        }
    }

    #[test]
    fn of_a_file_whose_size_is_wanted_nothing_is_kept() {
        let mut job = job();
        assert_eq!(
            admitted(&job, &policy()).unwrap().limits.file.bytes(),
            4 << 20
        );
        job.config.file_size = Some(true);
        assert_eq!(admitted(&job, &policy()).unwrap().limits.file.bytes(), 0);
    }

    #[test]
    fn what_this_host_lacks_is_refused() {
        type Change = fn(&mut Job, &mut JobPolicy);
        let table: [(Change, &str); 8] = [
            (
                |job, _| job.spec.memory = 1 << 40,
                "asks for 1048576 MiB of memory, and this host has 65536",
            ),
            (
                |job, _| job.spec.os = Os::Windows,
                "asks for windows, and this runner has linux",
            ),
            (|job, _| job.spec.os = Os::MacOs, "asks for macos"),
            (
                |job, _| {
                    job.spec.architecture = match job.spec.architecture {
                        Architecture::X86_64 => Architecture::Aarch64,
                        Architecture::Aarch64 => Architecture::X86_64,
                    };
                },
                ", and this runner has ",
            ),
            (
                |job, _| job.spec.sandbox = None,
                "--danger-allow-no-sandbox",
            ),
            (
                |job, policy| {
                    job.spec.sandbox = None;
                    job.spec.network = true;
                    policy.allow_no_sandbox = true;
                },
                "no network for a job",
            ),
            (|job, _| job.spec.cpu = 256, "asks for 256 CPUs"),
            (
                |job, _| job.config.registry = "x".to_owned(),
                "the job's registry `x`",
            ),
        ];
        for (change, expected) in table {
            let (mut job, mut policy) = (job(), policy());
            change(&mut job, &mut policy);
            let error = admitted(&job, &policy).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_host_says_what_a_sandbox_is() {
        for (asked, has, allowed, expected) in [
            (
                Some(SandboxKind::Firecracker),
                JobSandbox::Firecracker,
                false,
                SandboxChoice::Firecracker,
            ),
            (
                Some(SandboxKind::Firecracker),
                JobSandbox::Qemu,
                true,
                SandboxChoice::Qemu,
            ),
            (None, JobSandbox::Firecracker, true, SandboxChoice::None),
        ] {
            let (mut job, mut policy) = (job(), policy());
            job.spec.sandbox = asked;
            policy.sandbox = has;
            policy.allow_no_sandbox = allowed;
            assert_eq!(admitted(&job, &policy).unwrap().sandbox, expected);
        }
    }
}
