//! The machine is as large as was asked for.

use std::ops::RangeInclusive;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::scenarios::backend::{Backend, On};
use crate::scenarios::expect::{Expect, Mismatch};
use crate::scenarios::invocation::Invocation;
use crate::scenarios::processes;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::surroundings::Need;

/// Memory of the guest that is to be touched.
const PREFAULTED_MIB: u64 = 512;

/// What is seen of the VMM.
const WITH: &str = "resident MiB, with --prefault";
const WITHOUT: &str = "resident MiB, without";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "memory_size_visible",
        "the guest's kernel sees exactly the memory that was asked for",
        |run| {
            // Memory comes in blocks; their size is in hexadecimal.
            run.options(["--memory", "384"]).script(
                "cd /sys/devices/system/memory; set -- memory[0-9]*; \
                 echo $(($# * 0x$(cat block_size_bytes) / 1048576)) MiB",
            );
        },
        |record| {
            record.is(Expect::exit(0)
                .stdout("384 MiB\n")
                .field("/machine/memory_bytes", 384 << 20))
        },
    )
    .on(On::Machines),
    Scenario::driven(
        "memory_prefaulted",
        "with --prefault the guest's memory is the host's before the command starts; else with QEMU under KVM only",
        |stage| {
            for (name, options) in [(WITH, &["--prefault"][..]), (WITHOUT, &[])] {
                let mut invocation = Invocation::new();
                invocation
                    .options(["--memory", &PREFAULTED_MIB.to_string()])
                    .options(options)
                    .script("echo ready; exec sleep 1000");
                let running = stage.start(&invocation)?;
                running.wait_for("ready\n")?;
                let vmm = stage.vmm(&running)?;
                stage.observe(name, processes::resident_mib(vmm.id)?);
                running.signal(Signal::SIGTERM)?;
                stage.finish(running)?;
            }
            Ok(())
        },
        |record| {
            let ended = || Expect::interrupt(15, Some(15)).stdout("ready\n");
            record.are(&[ended(), ended()])?;
            let within = |name: &str, expected: &str, bounds: RangeInclusive<u64>| {
                let resident = record.observed.get(name).and_then(Value::as_u64);
                let is_it = resident.is_some_and(|resident| bounds.contains(&resident));
                let got = || Mismatch::new(name, expected, format!("{resident:?} MiB"));
                is_it.then_some(()).ok_or_else(got)
            };
            // The guest's kernel keeps a part to itself that it never touches, and the VMM has memory
            // of its own.
            let all = PREFAULTED_MIB * 8 / 10..=PREFAULTED_MIB * 2;
            let some = 1..=PREFAULTED_MIB * 6 / 10;
            let as_all = "at least 80 % of the guest's memory";
            within(WITH, as_all, all.clone())?;
            match record.backend {
                // It can do that by itself, faster than a guest.
                Backend::QemuKvm => within(WITHOUT, as_all, all),
                _ => within(WITHOUT, "at most 60 % of it", some),
            }
        },
    )
    .on(On::Machines)
    .needs(&[Need::Option("--prefault")]),
    Scenario::new(
        "guest_oom_reported",
        "a command that uses up the memory is killed, and the result says why",
        |run| {
            run.options(["--memory", "128"]).command([
                "awk",
                "BEGIN { piece = sprintf(\"%1048576s\", \"\"); while (1) all[n++] = piece n }",
            ]);
        },
        |record| record.is(Expect::signal(9).field("/iterations/0/resources/oom_kills", 1)),
    )
    .on(On::Machines),
    Scenario::new(
        "cpu_count_visible",
        "the command sees as many CPUs as were asked for",
        |run| {
            run.options(["--vcpus", "2"]).command(["nproc"]);
        },
        |record| {
            let expect = Expect::exit(0).stdout("2\n");
            record.is(expect.field("/machine/vcpus", 2))
        },
    )
    .on(On::Machines),
    Scenario::new(
        "multi_cpu",
        "four CPUs are online, and each of them runs a process",
        |run| {
            // Field 39 of proc_pid_stat(5): the CPU that a process ran on last.
            run.options(["--vcpus", "4"]).script(
                "cat /sys/devices/system/cpu/online; for mask in 1 2 4 8; do \
                 taskset $mask cut -d ' ' -f 39 /proc/self/stat; done",
            );
        },
        |record| {
            let expect = Expect::exit(0).stdout("0-3\n0\n1\n2\n3\n");
            record.is(expect.field("/machine/vcpus", 4))
        },
    )
    .on(On::Machines),
];
