//! Who runs on which CPUs.

use std::fs;
use std::process::{Child, Command, Stdio};

use bencher_runner::cpus::CpuSet;
use nix::libc::RLIM_INFINITY;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Image, Ordinary, Ran, Runner, no_image, no_vm, skip, vmm_of, wait_for};

/// A guest's memory.
const MEMORY: u64 = 256 << 20;

const WAIT: [&str; 4] = ["--", "sh", "-c", "echo ready; sleep 1000"];

/// The threads of `process`: each one's name and CPUs.
fn threads(process: u32) -> Vec<(String, String)> {
    let of = |entry: fs::DirEntry| {
        let read = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap();
        let status = read("status");
        let cpus = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        (
            read("comm").trim().to_owned(),
            cpus.unwrap().trim().to_owned(),
        )
    };
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks.map(|entry| of(entry.unwrap())).collect()
}

/// The CPUs that this machine has for these tests, highest last; `None`, after saying so, when
/// there are too few.
fn two_cpus() -> Option<(u32, u32)> {
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    let cpus: Vec<_> = online.parse::<CpuSet>().unwrap().iter().collect();
    let [first, .., last] = cpus[..] else {
        skip(Some("one CPU on this machine"));
        return None;
    };
    Some((first, last))
}

fn start(runner: &Runner, image: &Image, arguments: &[&str]) -> Child {
    let mut child = runner.start(image, &[arguments, &WAIT].concat());
    wait_for(&mut child, "ready\n");
    child
}

fn stop(child: Child) -> Ran {
    let id = Pid::from_raw(child.id().try_into().unwrap());
    kill(id, Signal::SIGTERM).unwrap();
    Ran::of(child.wait_with_output().unwrap()).exits(143)
}

fn layout_of(path: &std::path::Path) -> Value {
    let result: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    result["host"]["cpu_layout"].clone()
}

#[test]
fn vcpus_have_their_cpus_and_everything_else_has_others() {
    if no_vm() {
        return;
    }
    let Some((_, last)) = two_cpus() else { return };
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let folder = tempfile::tempdir().unwrap();
    let result = folder.path().join("result.json");
    let own = last.to_string();
    let arguments = ["--cpus", &own, "--result", result.to_str().unwrap()];
    let child = start(&runner, &image, &arguments);
    let vmm = threads(vmm_of(&runner)[0]);
    let runners = threads(child.id());
    stop(child);
    let vcpus: Vec<_> = vmm
        .iter()
        .filter(|(name, _)| name.starts_with("CPU "))
        .collect();
    assert!(matches!(vcpus[..], [(_, cpus)] if *cpus == own), "{vmm:?}");
    let layout = layout_of(&result);
    assert_eq!(layout["pinned"], true);
    assert_eq!(layout["benchmark"], own);
    assert_eq!(layout["vcpus"], json!([last]));
    let others: Vec<_> = vmm
        .iter()
        .filter(|(name, _)| !name.starts_with("CPU "))
        .collect();
    assert!(!others.is_empty());
    for (name, cpus) in others {
        assert_eq!(layout["vmm"], *cpus, "{name}");
    }
    for (name, cpus) in &runners {
        assert_eq!(layout["housekeeping"], *cpus, "{name}");
    }
    let housekeeping = layout["housekeeping"].as_str().unwrap();
    assert!(!housekeeping.parse::<CpuSet>().unwrap().contains(last));
}

#[test]
fn more_vcpus_than_cpus_take_turns_and_that_is_said() {
    if no_vm() {
        return;
    }
    let Some((_, last)) = two_cpus() else { return };
    let runner = Runner::new();
    let own = last.to_string();
    let arguments = [
        "--cpus", &own, "--vcpus", "2", "--format", "json", "--", "true",
    ];
    let ran = runner.run(&Image::new(&json!({})), &arguments).exits(0);
    let layout = &ran.json()["host"]["cpu_layout"];
    assert_eq!(layout["vcpus"], json!([last, last]));
    assert!(layout["compromises"].to_string().contains("take turns"));
    assert!(ran.stderr.contains("take turns"), "{}", ran.stderr);
}

#[test]
fn only_the_benchmarks_cpus_are_judged() {
    if no_vm() {
        return;
    }
    let Some((_, last)) = two_cpus() else { return };
    let own = last.to_string();
    let count = "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done";
    let arguments = ["--cpus", &own, "--format", "json", "--", "sh", "-c", count];
    let image = Image::new(&json!({}));
    let mut busy = Command::new("sh")
        .args(["-c", "while :; do :; done"])
        .spawn()
        .unwrap();
    let mut cpu = nix::sched::CpuSet::new();
    cpu.set(last.try_into().unwrap()).unwrap();
    nix::sched::sched_setaffinity(Pid::from_raw(busy.id().try_into().unwrap()), &cpu).unwrap();
    let ran = Runner::new().run(&image, &arguments);
    busy.kill().unwrap();
    busy.wait().unwrap();
    let validity = &ran.exits(0).json()["iterations"][0]["validity"];
    assert_eq!(validity["cpus"], own);
    let Some(others) = validity["others_ms"].as_f64() else {
        skip(Some(
            "the kernel does not tell the time of threads or cgroups",
        ));
        return;
    };
    // The other program had the CPU half of the time, and the guest the other half.
    let span = validity["span_ms"].as_f64().unwrap();
    assert!(others > span / 4.0 && others < span, "{validity:#}");
    let reasons = validity["reasons"].as_array().unwrap();
    let is_named = reasons.iter().any(|reason| reason["kind"] == "other_load");
    assert!(is_named, "{validity:#}");
}

#[test]
fn without_a_vm_the_command_has_the_cpus() {
    if no_image() {
        return;
    }
    let Some((_, last)) = two_cpus() else { return };
    let own = last.to_string();
    let print = "grep Cpus_allowed_list: /proc/self/status";
    let arguments = ["--sandbox", "none", "--cpus", &own, "--", "sh", "-c", print];
    let ran = Runner::new().run(&Image::new(&json!({})), &arguments);
    assert_eq!(ran.exits(0).text(), format!("Cpus_allowed_list:\t{last}\n"));
}

#[test]
fn an_ordinary_users_runs_are_pinned_by_affinity() {
    if no_vm() || two_cpus().is_none() {
        return;
    }
    let Some(user) = Ordinary::new() else { return };
    let user = user.with_kernel();
    let arguments = ["--format", "json", "--", "true"];
    let image = Image::new(&json!({}));
    let mut command = user.run_command(&image, &arguments);
    command.env_remove("BENCHER_RUNNER_NO_TUNING");
    let ran = Ran::of(command.output().unwrap()).exits(0);
    let layout = &ran.json()["host"]["cpu_layout"];
    assert_eq!(layout["pinned"], true, "{layout}");
    assert_eq!(layout["partition"], Value::Null);
    let reason = layout["partition_reason"].as_str().unwrap();
    assert!(reason.contains("only root"), "{reason}");
    assert_eq!(ran.json()["iterations"][0]["warnings"], json!([]));
}

#[test]
fn cpus_that_can_not_be_had() {
    if no_image() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    for (cpus, reason) in [
        ("60000", "not online: CPU 60000 of --cpus"),
        ("", "the list of CPUs is empty"),
    ] {
        let ran = runner
            .run(&image, &["--cpus", cpus, "--", "true"])
            .exits(125);
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    }
    let Some((first, last)) = two_cpus() else {
        return;
    };
    if bencher_runner::paths::find_program("taskset").is_none() {
        skip(Some("no taskset on this machine"));
        return;
    }
    let inner = runner.command();
    let ran = Command::new("taskset")
        .args(["--cpu-list", &first.to_string()])
        .arg(inner.get_program())
        .args(["run", "--cpus", &last.to_string(), "--image"])
        .arg(image.path())
        .args(["--", "true"])
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let ran = Ran::of(ran).exits(125);
    let reason = format!("not permitted: CPU {last} of --cpus");
    assert!(ran.stderr.contains(&reason), "{}", ran.stderr);
}

fn memory_of(process: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.unwrap().trim_end_matches("kB").trim();
    kibibytes.parse::<u64>().unwrap() << 10
}

/// Whether runners on this machine may lock any amount of memory.
fn may_lock() -> bool {
    /// `CAP_SYS_RESOURCE` of `linux/capability.h`.
    const SYS_RESOURCE: u64 = 1 << 24;
    let (_, most) = getrlimit(Resource::RLIMIT_MEMLOCK).unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let rights = u64::from_str_radix(rights.unwrap().trim(), 16).unwrap();
    most == RLIM_INFINITY || rights & SYS_RESOURCE != 0
}

#[test]
fn a_guests_memory_is_there_before_the_command_and_locked_when_asked() {
    if no_vm() {
        return;
    }
    let image = Image::new(&json!({}));
    let runner = Runner::new();
    let common = ["--memory", "256", "--sandbox", "qemu", "--prefault"];
    let child = start(&runner, &image, &common);
    let vmm = vmm_of(&runner)[0];
    let (there, locked) = (memory_of(vmm, "VmRSS:"), memory_of(vmm, "VmLck:"));
    stop(child);
    // All but what the guest's kernel keeps, and the VMM's own memory on top.
    assert!(there >= MEMORY * 7 / 8, "{there}");
    assert_eq!(locked, 0);
    let child = start(
        &runner,
        &image,
        &["--memory", "256", "--accelerator", "tcg"],
    );
    let untouched = memory_of(vmm_of(&runner)[0], "VmRSS:");
    stop(child);
    assert!(untouched < there - MEMORY / 4, "{untouched} of {there}");
    // However large the guest is, its kernel has enough left.
    let large = ["--memory", "4096", "--sandbox", "qemu", "--prefault"];
    let told = ["--sandbox-log-level", "debug", "--", "true"];
    let ran = runner.run(&image, &[&large[..], &told].concat()).exits(0);
    let touched = ran.stderr.split_once("touched ").map(|(_, rest)| rest);
    let touched = touched.and_then(|rest| rest.split_once(" MiB of memory"));
    let touched: u64 = touched.unwrap().0.parse().unwrap();
    assert!((3584..4096).contains(&touched), "{}", ran.stderr);
    let lock = [&common[..], &["--lock-memory"]].concat();
    if may_lock() {
        let child = start(&runner, &image, &lock);
        let locked = memory_of(vmm_of(&runner)[0], "VmLck:");
        stop(child);
        assert!(locked >= MEMORY, "{locked}");
    } else {
        let ran = runner.run(&image, &[&lock[..], &["--", "true"]].concat());
        let ran = ran.exits(125);
        assert!(
            ran.stderr.contains("locked memory is limited to"),
            "{}",
            ran.stderr
        );
    }
    let ran = Runner::new()
        .run(&image, &["--sandbox", "none", "--prefault"])
        .exits(125);
    assert!(ran.stderr.contains("--prefault is about"), "{}", ran.stderr);
    for sandbox in ["none", "firecracker"] {
        let words = ["--sandbox", sandbox, "--lock-memory", "--", "true"];
        let ran = Runner::new().run(&image, &words).exits(125);
        assert!(
            ran.stderr.contains("--lock-memory is for QEMU"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_disk_is_warm_or_cold() {
    if no_image() {
        return;
    }
    let image = Image::new(&json!({}));
    for state in ["warm", "cold"] {
        let words = ["--sandbox", "none", "--page-cache", state, "--", "true"];
        Runner::new().run(&image, &words).exits(0);
    }
    let Some(user) = Ordinary::new() else { return };
    let words = ["--sandbox", "none", "--page-cache", "cold", "--", "true"];
    let ran = user.run(&image, &words).exits(125);
    assert!(ran.stderr.contains("is about the disk"), "{}", ran.stderr);
}
