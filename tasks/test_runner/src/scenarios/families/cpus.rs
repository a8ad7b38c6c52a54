//! Who runs on which CPUs: what the kernel says of every thread, and of the cpuset partition.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Context as _;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::scenarios::backend::On;
use crate::scenarios::cpus::{self, Thread};
use crate::scenarios::expect::{Checked, Expect, Mismatch, same};
use crate::scenarios::invocation::Invocation;
use crate::scenarios::knobs;
use crate::scenarios::processes;
use crate::scenarios::record::Record;
use crate::scenarios::running::Running;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;
use crate::scenarios::surroundings::Need;

/// A partition takes a CPU for the vCPU, one for the VMM's other threads, and leaves one.
const NEEDS_PARTITION: &[Need] = &[Need::TunableHost, Need::Cpus(3), Need::Cpusets];

/// Without a machine it takes those of the command, and leaves one.
const NEEDS_COMMAND: &[Need] = &[Need::TunableHost, Need::Cpus(2), Need::Cpusets];

/// What is seen of threads: each list of CPUs once.
const BENCHMARK: &str = "CPUs of the benchmark's thread";
const VMM: &str = "CPUs of the VMM's other threads";
const RUNNER: &str = "CPUs of the runner's threads";

/// What a partition's files say, and the hierarchy's own.
const PARTITION: [&str; 3] = [
    "cpuset.cpus.partition",
    "cpuset.cpus",
    "cpuset.cpus.effective",
];
const LEFT: &str = "cpuset.cpus.effective";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::driven(
        "vcpus_pinned",
        "each vCPU has the CPU that the result says, alone; all other threads of VMM and runner have others",
        |stage| pin(stage, 1),
        pinned_as_asked,
    )
    .on(On::Machines)
    .needs(&[Need::Option("--cpus"), Need::Cpus(2)]),
    Scenario::driven(
        "two_vcpus_pinned",
        "of two vCPUs each has a CPU of its own; all other threads of VMM and runner have others",
        |stage| pin(stage, 2),
        pinned_as_asked,
    )
    .on(On::Machines)
    .needs(&[Need::Option("--cpus"), Need::Cpus(3)]),
    Scenario::driven(
        "cpuset_partition",
        "the vCPU's CPU is taken away from the host while a machine runs, and given back however it ends",
        partitions_come_and_go,
        taken_and_given_back,
    )
    .on(On::Machines)
    .needs(NEEDS_PARTITION),
    Scenario::driven(
        "cpuset_partition_of_command",
        "without a machine the command's CPUs are taken away from the host while it runs, and given back",
        partitions_come_and_go,
        taken_and_given_back,
    )
    .on(On::Host)
    .needs(NEEDS_COMMAND),
];

/// What is remembered of the user's choice.
const ASKED: &str = "CPUs asked for";

/// Runs a machine of `vcpus` vCPUs on the last CPUs of this host.
fn pin(stage: &mut Stage<'_>, vcpus: usize) -> anyhow::Result<()> {
    let own = cpus::own();
    let asked = own.iter().skip(own.len().saturating_sub(vcpus));
    let asked: Vec<_> = asked.map(ToString::to_string).collect();
    stage.observe(ASKED, asked.clone());
    let mut invocation = Invocation::new();
    invocation.options(["--vcpus", &vcpus.to_string(), "--cpus", &asked.join(",")]);
    let running = started(stage, invocation)?;
    look_at_threads(stage, &running)?;
    end(stage, running)
}

fn pinned_as_asked(record: &Record) -> Checked {
    record.is(pinned(record, ended()))?;
    let asked = record.observed.get(ASKED).cloned().unwrap_or_default();
    record.saw(BENCHMARK, asked)
}

/// A run that ends, one that is killed, and one that is to have no partition.
fn partitions_come_and_go(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let own: Vec<u32> = cpus::own().into_iter().collect();
    stage.observe("CPUs of the host", own);
    let mut tuned = Invocation::new();
    tuned.tuned();
    let running = started(stage, tuned.clone())?;
    look_at_threads(stage, &running)?;
    look_at_partition(stage, &running)?;
    end(stage, running)?;
    stage.observe("there is one after the run", there_is_one());
    let running = started(stage, tuned.clone())?;
    running.signal(Signal::SIGKILL)?;
    stage.finish(running)?;
    stage.observe("there is one after the kill", there_is_one());
    let mut without = tuned;
    without.options(["--no-cpuset-partition"]);
    let running = started(stage, without)?;
    stage.observe("there is one although it was turned off", there_is_one());
    end(stage, running)?;
    let own: Vec<u32> = cpus::own().into_iter().collect();
    stage.observe("CPUs of the host in the end", own);
    Ok(())
}

fn taken_and_given_back(record: &Record) -> Checked {
    partitioned(record)?;
    record.saw("there is one after the run", false)?;
    record.saw("there is one after the kill", true)?;
    record.saw("there is one although it was turned off", false)?;
    record.are(&[
        pinned(record, ended()).field("/host/cpu_layout/partition", "isolated"),
        Expect::killed(9).stdout("ready\n"),
        ended()
            .field("/host/cpu_layout/pinned", true)
            .field("/host/cpu_layout/partition", json!(null))
            .field("/host/cpu_layout/partition_reason", "it was turned off"),
    ])
}

fn started(stage: &mut Stage<'_>, mut invocation: Invocation) -> anyhow::Result<Running> {
    invocation.script("echo ready; exec sleep 1000");
    let running = stage.start(&invocation)?;
    running.wait_for("ready\n")?;
    Ok(running)
}

fn end(stage: &mut Stage<'_>, running: Running) -> anyhow::Result<()> {
    running.signal(Signal::SIGTERM)?;
    stage.finish(running).map(|_| ())
}

fn ended() -> Expect {
    Expect::interrupt(15, Some(15)).stdout("ready\n")
}

/// Whether a thread of a VMM executes a vCPU.
fn is_vcpu(thread: &Thread) -> bool {
    ["fc_vcpu ", "CPU ", "ALL CPUs/"]
        .iter()
        .any(|beginning| thread.name.starts_with(beginning))
}

/// The process that the benchmark's CPUs are for: the VMM, or the command.
fn process(stage: &Stage<'_>, running: &Running) -> anyhow::Result<i32> {
    if stage.backend.is_machine() {
        return Ok(stage.vmm(running)?.id);
    }
    let command = processes::descendant(running.id(), "sleep").context("no command")?;
    Ok(command.id)
}

/// Remembers the CPUs of every thread of the VMM's and of the runner's, each list once.
fn look_at_threads(stage: &mut Stage<'_>, running: &Running) -> anyhow::Result<()> {
    let lists = |threads: &[Thread]| -> Value {
        let lists: BTreeSet<&str> = threads.iter().map(|it| it.cpus.as_str()).collect();
        json!(lists)
    };
    let all = cpus::threads(process(stage, running)?)?;
    let is_machine = stage.backend.is_machine();
    let (own, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|thread| !is_machine || is_vcpu(thread));
    stage.observe("threads of the benchmark", own.len());
    stage.observe(BENCHMARK, lists(&own));
    stage.observe(VMM, lists(&others));
    stage.observe(RUNNER, lists(&cpus::threads(running.id())?));
    Ok(())
}

/// The threads of the benchmark, the VMM and the runner were where the result says, and apart.
fn pinned(record: &Record, expect: Expect) -> Expect {
    let seen = |name: &str| record.observed.get(name).cloned().unwrap_or_default();
    let (own, others, runner) = (seen(BENCHMARK), seen(VMM), seen(RUNNER));
    let is_machine = record.backend.is_machine();
    let set = |lists: &Value| -> BTreeSet<u32> {
        let lists = lists.as_array().into_iter().flatten();
        lists
            .filter_map(Value::as_str)
            .flat_map(cpus::parse)
            .collect()
    };
    // Each thread has a list of its own, and each of a machine's has one CPU of its own.
    let lists = own.as_array().map_or(0, Vec::len);
    let is_apart = seen("threads of the benchmark") == lists
        && (!is_machine || set(&own).len() == lists)
        && [&runner, &others]
            .into_iter()
            .all(|it| set(&own).is_disjoint(&set(it)));
    let benchmark = set(&own);
    let vcpus: Vec<u32> = benchmark.iter().copied().filter(|_| is_machine).collect();
    let is = |lists: &Value| format!("the only one of {lists}");
    let is_the_only = |lists: Value| {
        move |got: &Value| match got {
            // Without a machine there is no VMM.
            Value::Null => lists == json!([]) && !is_machine,
            got => json!([got]) == lists,
        }
    };
    expect
        .field("/host/cpu_layout/pinned", true)
        .field("/host/cpu_layout/compromises", json!([]))
        .field("/host/cpu_layout/vcpus", vcpus)
        .field_that(
            "/host/cpu_layout/benchmark",
            &format!("the CPUs of {own}, apart from {others} and {runner}"),
            move |got| is_apart && cpus::parse(got.as_str().unwrap_or_default()) == benchmark,
        )
        .field_that(
            "/host/cpu_layout/vmm",
            &is(&others),
            is_the_only(others.clone()),
        )
        .field_that(
            "/host/cpu_layout/housekeeping",
            &is(&runner),
            is_the_only(runner.clone()),
        )
}

fn there_is_one() -> bool {
    knobs::partition().is_some_and(|path| path.exists())
}

fn look_at_partition(stage: &mut Stage<'_>, running: &Running) -> anyhow::Result<()> {
    let partition = knobs::partition().context("no cpusets")?;
    for file in PARTITION {
        let text = fs::read_to_string(partition.join(file)).unwrap_or_default();
        stage.observe(file, text.trim());
    }
    let top = partition.parent().context("it has a parent")?;
    let left = fs::read_to_string(top.join(LEFT))?;
    stage.observe("left to the host", left.trim());
    let cgroup = processes::folder(process(stage, running)?).join("cgroup");
    let cgroup = fs::read_to_string(cgroup)?;
    let name = partition.file_name().context("it has a name")?;
    let inside = format!("/{}/", name.to_string_lossy());
    stage.observe("the benchmark is in it", cgroup.contains(&inside));
    Ok(())
}

/// The partition had the CPUs of the benchmark and of the VMM, and nobody else had them.
fn partitioned(record: &Record) -> Checked {
    record.saw("cpuset.cpus.partition", "isolated")?;
    record.saw("the benchmark is in it", true)?;
    let list = |name: &str| {
        let list = record.observed.get(name).and_then(Value::as_str);
        list.map(cpus::parse)
            .filter(|cpus| !cpus.is_empty())
            .ok_or_else(|| Mismatch::new(name, "a list of CPUs", "none"))
    };
    let first = |name: &str| {
        let lists = record.observed.get(name);
        let list = lists.and_then(|lists| lists[0].as_str());
        cpus::parse(list.unwrap_or_default())
    };
    let own = &first(BENCHMARK) | &first(VMM);
    same("cpuset.cpus", &own, &list("cpuset.cpus")?)?;
    same("effective", &own, &list("cpuset.cpus.effective")?)?;
    let host = |name: &str| -> BTreeSet<u64> {
        let cpus = record.observed.get(name).and_then(Value::as_array);
        let cpus = cpus.into_iter().flatten();
        cpus.filter_map(Value::as_u64).collect()
    };
    let all = host("CPUs of the host");
    same(
        "CPUs in the end",
        &all,
        &host("CPUs of the host in the end"),
    )?;
    let left: BTreeSet<u32> = list("left to the host")?;
    let both: BTreeSet<u64> = left.union(&own).map(|&cpu| cpu.into()).collect();
    same("left to the host, with those", &all, &both)?;
    same("left to the host as well", &true, &left.is_disjoint(&own))
}
