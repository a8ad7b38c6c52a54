//! The command sees its own world and nothing of the host's.

use crate::scenarios::backend::On;
use crate::scenarios::bytes::Bytes;
use crate::scenarios::expect::{Checked, Expect, Mismatch};
use crate::scenarios::image::Image;
use crate::scenarios::record::{HostFacts, Record};
use crate::scenarios::scenario::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "no_network_access",
        "without --network there is loopback and no way out",
        |run| {
            // An address of documentation (RFC 5737): nobody is there.
            run.script("ls /sys/class/net; nc -w 1 192.0.2.1 80; echo $?");
        },
        |record| {
            record.is(Expect::exit(0)
                .stdout("lo\n1\n")
                .stderr("nc: can't connect to remote host (192.0.2.1): Network is unreachable\n"))
        },
    ),
    Scenario::new(
        "loopback_works",
        "the command can talk to itself over loopback",
        |run| {
            run.script(
                "nc -l -p 4000 127.0.0.1 >/results/heard & \
                 until echo over loopback | nc -w 5 127.0.0.1 4000 2>/dev/null; do :; done; \
                 wait; cat /results/heard",
            );
        },
        |record| record.is(Expect::exit(0).stdout("over loopback\n")),
    ),
    Scenario::new(
        "pid_namespace_isolation",
        "the command is process 2, and there is no process but its own",
        |run| {
            run.script("echo $$; kill -0 3 2>/dev/null; echo $?");
        },
        |record| record.is(Expect::exit(0).stdout("2\n1\n")),
    ),
    Scenario::new(
        "pid_namespace_procfs",
        "/proc shows the command's own processes only",
        |run| {
            run.script("cd /proc; echo [0-9]*");
        },
        |record| record.is(Expect::exit(0).stdout("1 2\n")),
    ),
    Scenario::new(
        "standard_input_is_empty",
        "the command's standard input is empty and not the runner's",
        |run| {
            run.script("wc -c; readlink /proc/self/fd/0");
        },
        |record| record.is(Expect::exit(0).stdout("0\n/dev/null\n")),
    ),
    Scenario::new(
        "no_descriptors_leak",
        "the command has its three standard descriptors and no other",
        |run| {
            run.script("cd /proc/self/fd; echo *");
        },
        // 3 is the shell's own, of the folder that it lists.
        |record| record.is(Expect::exit(0).stdout("0 1 2 3\n")),
    ),
    Scenario::new(
        "guest_is_not_host",
        "kernel, host name and boot of the guest are not the host's",
        |run| {
            run.script(
                "uname -r; hostname; cat /proc/sys/kernel/random/boot_id; \
                 grep -c bencher.stream= /proc/cmdline",
            );
        },
        guest_is_not_host,
    )
    .on(On::Machines),
    Scenario::new(
        "host_kernel_is_the_hosts",
        "without a machine the kernel is the host's, and the host name is not",
        |run| {
            let release = HostFacts::here().kernel_release;
            run.options(["--env", &format!("HOST={release}")])
                .script("[ \"$(uname -r)\" = \"$HOST\" ] && echo the same; hostname");
        },
        |record| record.is(Expect::exit(0).stdout("the same\nbencher\n")),
    )
    .on(On::Host),
    Scenario::new(
        "iopl_dropped",
        "port I/O faults in the command, although it is root",
        |run| {
            run.script("without-port-io; echo $?; with-port-io; echo $?");
        },
        |record| {
            let expect = Expect::exit(0).stdout("0\n139\n");
            record.is(expect.stderr("Segmentation fault\n"))
        },
    )
    .image(Image::PortIo),
    Scenario::new(
        "no_seccomp_sigsys",
        "in a machine the kernel is the command's: no system call is filtered",
        |run| {
            run.script(
                "grep Seccomp: /proc/self/status; \
                 unshare -m -u -i -n sh -c 'hostname inner && hostname && \
                 mount -t tmpfs tmpfs /results && mount | grep -c \"tmpfs on /results\"'; \
                 hostname; mount | grep -c \"tmpfs on /results\"",
            );
        },
        |record| {
            let expect = Expect::exit(1);
            record.is(expect.stdout("Seccomp:\t0\ninner\n1\nbencher\n0\n"))
        },
    )
    .on(On::Machines),
];

fn guest_is_not_host(record: &Record) -> Checked {
    let [run] = record.runs.as_slice() else {
        return Err(Mismatch::new("number of runs", 1, record.runs.len()));
    };
    let text = run.stdout.text().unwrap_or_default().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    // A host may well run a kernel of the same release: its boot and its parameters are others.
    let [kernel, "bencher", boot, "1"] = lines.as_slice() else {
        let expected = "a kernel, the host name bencher, the name of a boot, a guest's parameters";
        return Err(Mismatch::new("standard output", expected, &run.stdout));
    };
    let host = &record.host;
    if boot.len() != host.boot_id.len().max(36) || *boot == host.boot_id {
        return Err(Mismatch::new("the boot", "one of its own", boot));
    }
    let told = format!("{kernel}\nbencher\n{boot}\n1\n");
    if Bytes::of(&told) != run.stdout {
        return Err(Mismatch::new("standard output", told, &run.stdout));
    }
    record.is(Expect::exit(0)
        .stdout(&told)
        .field("/iterations/0/kernel_release", *kernel))
}
