//! How commands end, or never begin.

use bencher_output_protocol::ExitStatus;

use crate::harness::{image_or_skip, run};

#[test]
fn exit_codes_are_the_commands_own() {
    let image = image_or_skip!();
    for code in [0, 1, 2, 42, 126, 127, 128, 255] {
        let outcome = run(image.script(&format!("exit {code}")));
        assert_eq!(outcome.status(), ExitStatus::Exited(code));
        assert!(outcome.began && outcome.done);
    }
}

#[test]
fn signals_are_told_from_exit_codes() {
    let image = image_or_skip!();
    // 34 is the first real-time signal that programs use.
    for signal in [1, 6, 9, 11, 13, 15, 34, 64] {
        let outcome = run(image.script(&format!("kill -{signal} $$")));
        assert_eq!(outcome.status(), ExitStatus::Signaled(signal));
    }
}

#[test]
fn a_command_that_can_not_be_executed_says_why() {
    let image = image_or_skip!();
    image.file("data", "text");
    image.executable("plain", "echo no interpreter\n");
    image.executable("orphan", "#!/opt/python3 -u\n");
    image.executable("crlf", "#!/bin/sh\r\ntrue\r\n");
    image.executable("empty", "");
    let not_found = [
        ("nope", "no \"nope\" in PATH (/bin)"),
        ("/nope", "there is no \"/nope\""),
        ("/data/x", "there is no \"/data/x\""),
        ("", "name is empty"),
        (
            "/orphan",
            "interpreter \"/opt/python3\", which the image lacks",
        ),
        ("/crlf", "Windows line ends"),
    ];
    for (command, expected) in not_found {
        let outcome = run(image.orders(&[command]));
        let ExitStatus::NotFound(text) = outcome.status() else {
            panic!("{command}: {outcome:?}");
        };
        assert!(text.contains(expected), "{command}: {text}");
        assert!(!outcome.began && outcome.done);
        assert_eq!(outcome.status().code(), 127);
    }
    let not_executable = [
        ("/data", "may not be executed by this user (mode 0644)"),
        ("/work", "\"/work\" is a folder"),
        ("/plain", "exec format error"),
        ("/empty", "empty file"),
    ];
    for (command, expected) in not_executable {
        let outcome = run(image.orders(&[command]));
        let ExitStatus::NotExecutable(text) = outcome.status() else {
            panic!("{command}: {outcome:?}");
        };
        assert!(text.contains(expected), "{command}: {text}");
        assert_eq!(outcome.status().code(), 126);
    }
}

#[test]
fn the_path_of_the_commands_own_environment_counts() {
    let image = image_or_skip!();
    image.executable("first/tool", "#!/bin/sh\necho first");
    image.executable("second/tool", "#!/bin/sh\necho second");
    image.file("work/locked/tool", "not executable");
    let mut orders = image.orders(&["tool"]);
    orders.environment = vec![b"PATH=/none:locked:/second:/first".to_vec()];
    assert_eq!(run(orders).succeeded().stdout, b"second\n");
}

#[test]
fn what_a_command_leaves_running_is_ended_with_it() {
    let image = image_or_skip!();
    let fifo = crate::harness::fifo(&image);
    let gone = crate::harness::gone(fifo);
    // Orphans hold standard output and ignore every signal that can be ignored.
    let script = "exec 3>/alive; trap '' TERM HUP INT; \
                  (sleep 3600; echo late) & (sh -c 'sleep 3600 & sleep 3600') & echo done";
    let outcome = run(image.script(script)).succeeded();
    assert_eq!(outcome.stdout, b"done\n");
    gone();
}

#[test]
fn resources_are_measured() {
    let image = image_or_skip!();
    let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; \
                  head -c 20000000 /dev/zero | sort | wc -c";
    let outcome = run(image.script(script)).succeeded();
    let resources = outcome.exit.unwrap().resources;
    assert!(resources.wall_nanoseconds > 0);
    assert!(resources.user_microseconds.unwrap() > 0);
    assert!(resources.cpu_microseconds.unwrap() >= resources.user_microseconds.unwrap());
    // The grandchild that sorts holds it all.
    assert!(resources.max_rss_bytes > 20_000_000, "{resources:?}");
    assert!(
        resources.minor_faults > 20_000_000 / 4096 / 2,
        "{resources:?}"
    );
    assert!(resources.voluntary_switches > 0);
}

#[test]
fn the_commands_cgroup_counts_when_there_is_one() {
    let image = image_or_skip!();
    let Some(hierarchy) = cgroup2() else {
        eprintln!("skipped: no cgroup2 hierarchy is mounted here");
        return;
    };
    let group = hierarchy.join(format!("bencher-init-test-{}", std::process::id()));
    if let Err(error) = std::fs::create_dir(&group) {
        eprintln!("skipped: {}: {error}", group.display());
        return;
    }
    let mut init = std::process::Command::new(crate::harness::INIT);
    init.args(["host", "--stream-fd", "0", "--cgroup"])
        .arg(&group);
    let orders =
        image.script("cat /proc/self/cgroup; while :; do i=$((i+1)); [ $i = 50000 ] && exit; done");
    let outcome = crate::harness::Guest::start_with(&mut init, orders).finish();
    // It is empty again, so it can be removed.
    std::fs::remove_dir(&group).unwrap();
    let outcome = outcome.succeeded();
    assert!(outcome.stdout().contains("0::/\n"), "{}", outcome.stdout());
    let resources = outcome.exit.unwrap().resources;
    let (user, system) = (
        resources.user_microseconds.unwrap(),
        resources.system_microseconds.unwrap(),
    );
    assert!(user > 0);
    let cpu = resources.cpu_microseconds.unwrap();
    assert!(cpu.abs_diff(user + system) <= 1, "{resources:?}");
}

fn cgroup2() -> Option<std::path::PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let place = fields.next()?;
        (fields.next()? == "cgroup2").then(|| place.into())
    })
}
