//! The VMM is in a jail: what the kernel says of its process.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::scenarios::backend::On;
use crate::scenarios::expect::{Checked, Expect};
use crate::scenarios::invocation::Invocation;
use crate::scenarios::processes;
use crate::scenarios::record::Record;
use crate::scenarios::running::Running;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;
use crate::scenarios::surroundings::Need;

/// What a jailed VMM needs from host and runner.
const NEEDS: &[Need] = &[Need::Option("--require-jail"), Need::Root];

/// The namespaces that must be the VMM's own.
const NAMESPACES: [&str; 6] = ["mnt", "pid", "net", "ipc", "uts", "cgroup"];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::driven(
        "jail_namespaces",
        "the VMM shares no namespace with the runner",
        |stage| {
            observed(stage, |stage, _, vmm| {
                for namespace in NAMESPACES {
                    let name = |process: &Path| fs::read_link(process.join("ns").join(namespace));
                    let shared = name(Path::new("/proc/self"))? == name(vmm)?;
                    stage.observe(&format!("{namespace} is shared"), shared);
                }
                Ok(())
            })
        },
        |record| {
            for namespace in NAMESPACES {
                record.saw(&format!("{namespace} is shared"), false)?;
            }
            ended(record)
        },
    )
    .on(On::Machines)
    .needs(NEEDS),
    Scenario::driven(
        "jail_uid",
        "each VMM has a user and a group of its own, and is not root",
        |stage| {
            let first = started(stage)?;
            let second = started(stage)?;
            let ids = |stage: &Stage<'_>, running: &Running| -> anyhow::Result<Vec<String>> {
                let vmm = processes::folder(stage.vmm(running)?.id);
                Ok(vec![status(&vmm, "Uid")?, status(&vmm, "Gid")?])
            };
            let (one, other) = (ids(stage, &first)?, ids(stage, &second)?);
            for (index, kind) in ["user", "group"].into_iter().enumerate() {
                let is_root = |ids: &[String]| ids[index].split_whitespace().any(|id| id == "0");
                stage.observe(
                    &format!("a VMM has the {kind} root"),
                    is_root(&one) || is_root(&other),
                );
                let shared = one[index] == other[index];
                stage.observe(&format!("two VMMs share a {kind}"), shared);
            }
            for running in [first, second] {
                running.signal(Signal::SIGTERM)?;
                stage.finish(running)?;
            }
            Ok(())
        },
        |record| {
            for kind in ["user", "group"] {
                record.saw(&format!("a VMM has the {kind} root"), false)?;
                record.saw(&format!("two VMMs share a {kind}"), false)?;
            }
            let ended = || Expect::interrupt(15, Some(15)).stdout("ready\n");
            record.are(&[ended(), ended()])
        },
    )
    .on(On::Machines)
    .needs(NEEDS),
    Scenario::driven(
        "jail_no_caps",
        "the VMM has no capability, can gain none, and its system calls are filtered",
        |stage| {
            observed(stage, |stage, _, vmm| {
                for (field, _) in POWERLESS {
                    stage.observe(field, status(vmm, field)?);
                }
                Ok(())
            })
        },
        |record| {
            for (field, value) in POWERLESS {
                record.saw(field, value)?;
            }
            ended(record)
        },
    )
    .on(On::Machines)
    .needs(NEEDS),
    Scenario::driven(
        "jail_filesystem_view",
        "the VMM sees nothing of the host's files but what it must open",
        |stage| {
            observed(stage, |stage, _, vmm| {
                let root = vmm.join("root");
                for place in HIDDEN {
                    let there = root.join(place.trim_start_matches('/')).exists();
                    stage.observe(&format!("{place} is seen"), there);
                }
                stage.observe("files of the host that it sees", strangers(stage, vmm)?);
                Ok(())
            })
        },
        |record| {
            record.saw("files of the host that it sees", json!([]))?;
            for place in HIDDEN {
                record.saw(&format!("{place} is seen"), false)?;
            }
            ended(record)
        },
    )
    .on(On::Machines)
    .needs(NEEDS),
    Scenario::driven(
        "jail_dev_kvm_only_when_used",
        "the VMM has /dev/kvm where it uses it, and no other device that it does not use",
        |stage| {
            observed(stage, |stage, _, vmm| {
                for device in ["kvm", "mem", "net/tun", "fuse"] {
                    let there = vmm.join("root/dev").join(device).exists();
                    stage.observe(&format!("/dev/{device} is there"), there);
                }
                Ok(())
            })
        },
        |record| {
            record.saw("/dev/kvm is there", record.backend.needs_kvm())?;
            for device in ["mem", "net/tun", "fuse"] {
                record.saw(&format!("/dev/{device} is there"), false)?;
            }
            ended(record)
        },
    )
    .on(On::Machines)
    .needs(NEEDS),
];

/// Fields of `/proc/PID/status` and what they must be (`proc_pid_status(5)`).
const POWERLESS: [(&str, &str); 7] = [
    ("CapInh", "0000000000000000"),
    ("CapPrm", "0000000000000000"),
    ("CapEff", "0000000000000000"),
    ("CapBnd", "0000000000000000"),
    ("CapAmb", "0000000000000000"),
    ("NoNewPrivs", "1"),
    ("Seccomp", "2"),
];

/// What every host has and no VMM needs.
const HIDDEN: [&str; 6] = [
    "/etc/passwd",
    "/home",
    "/root",
    "/var",
    "/sys/kernel",
    "/bin/sh",
];

/// Folders of the host's that no VMM may see, under whatever name.
const FOLDERS: [&str; 6] = ["/", "/etc", "/home", "/root", "/usr", "/var"];

/// A file of the host that belongs to the VMM: its program, libraries, firmware, and what the
/// runner keeps in its `own` folders, such as kernels.
fn is_of_vmm(path: &Path, program: &Path, own: [&Path; 2]) -> bool {
    let name = path.file_name().unwrap_or_default();
    let text = name.to_string_lossy();
    Some(name) == program.file_name()
        || text.ends_with(".so")
        || text.contains(".so.")
        || text.ends_with(".bin")
        || text.ends_with(".rom")
        || own.iter().any(|folder| path.starts_with(folder))
}

/// Files below a VMM's root that are the host's at the same place and that it has no use for, and
/// whole folders of the host's at any place; the first few, as without a jail it sees all of them.
fn strangers(stage: &Stage<'_>, vmm: &Path) -> anyhow::Result<Vec<String>> {
    const ENOUGH: usize = 3;
    let root = vmm.join("root");
    let program = fs::read_link(vmm.join("exe"))?;
    let mut found = Vec::new();
    let identity = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
    let of_host: Vec<_> = FOLDERS
        .iter()
        .filter_map(|folder| fs::metadata(folder).ok())
        .map(|metadata| identity(&metadata))
        .collect();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        if fs::metadata(&folder).is_ok_and(|it| of_host.contains(&identity(&it))) {
            let inside = Path::new("/").join(folder.strip_prefix(&root)?);
            found.push(format!("a folder of the host's as {}", inside.display()));
        }
        // What can not be listed, or goes meanwhile, can not be seen.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let path = entry.path();
            let relative = path.strip_prefix(&root)?;
            let is_made_by_the_kernel = relative.starts_with("proc") || relative.starts_with("sys");
            if metadata.is_dir() && !is_made_by_the_kernel {
                folders.push(path);
            } else if metadata.is_file() {
                let here = Path::new("/").join(relative);
                let is_the_hosts = fs::symlink_metadata(&here)
                    .is_ok_and(|ours| identity(&ours) == identity(&metadata));
                if is_the_hosts
                    && !is_of_vmm(
                        &here,
                        &program,
                        [stage.runner.cache(), stage.runner.state()],
                    )
                {
                    found.push(here.display().to_string());
                }
            }
            if found.len() >= ENOUGH {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

fn started(stage: &mut Stage<'_>) -> anyhow::Result<Running> {
    let mut invocation = Invocation::new();
    invocation.script("echo ready; exec sleep 1000");
    let running = stage.start(&invocation)?;
    running.wait_for("ready\n")?;
    Ok(running)
}

/// Looks at the VMM of a run that is up, by its folder in /proc.
fn observed(
    stage: &mut Stage<'_>,
    look: impl FnOnce(&mut Stage<'_>, &Running, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let running = started(stage)?;
    let vmm = processes::folder(stage.vmm(&running)?.id);
    look(stage, &running, &vmm)?;
    running.signal(Signal::SIGTERM)?;
    stage.finish(running).map(|_| ())
}

fn status(process: &Path, field: &str) -> anyhow::Result<String> {
    let path = process.join("status");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .map(|value| value.trim().to_owned())
        .with_context(|| format!("{} has no {field}", path.display()))
}

fn ended(record: &Record) -> Checked {
    let expect = Expect::interrupt(15, Some(15)).stdout("ready\n");
    record.is(expect.field("/outcome/error", json!(null)))
}
