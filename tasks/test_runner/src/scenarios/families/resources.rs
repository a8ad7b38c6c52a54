//! The machine is as large as was asked for.

use crate::scenarios::backend::On;
use crate::scenarios::expect::Expect;
use crate::scenarios::scenario::Scenario;

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
