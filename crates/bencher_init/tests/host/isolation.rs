//! The world that the command finds itself in.

use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use bencher_output_protocol::{Layouts, Orders, Root};

use crate::harness::{Guest, INIT, image_or_skip, run, spawn};

#[test]
fn the_command_is_process_2_and_sees_only_its_own() {
    let image = image_or_skip!();
    let script = "echo $$; for p in /proc/[0-9]*; do echo ${p#/proc/}; done | sort -n";
    let outcome = run(image.script(script)).succeeded();
    let pids: Vec<u32> = outcome
        .stdout()
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(pids[..3], [2, 1, 2]);
    // The subshell and sort may still be there, but nobody else.
    assert!(
        pids.len() <= 5 && pids.iter().all(|&pid| pid < 10),
        "{pids:?}"
    );
}

#[test]
fn the_environment_is_exactly_as_ordered_plus_home() {
    let image = image_or_skip!();
    let mut orders = image.orders(&["cat", "/proc/self/environ"]);
    orders.environment = vec![
        b"PATH=/bin".to_vec(),
        b"\xff\xfe= a=b ".to_vec(),
        b"E=".to_vec(),
    ];
    assert_eq!(
        run(orders.clone()).succeeded().stdout,
        b"PATH=/bin\0\xff\xfe= a=b \0E=\0HOME=/root\0"
    );
    orders.environment = vec![b"PATH=/bin".to_vec(), b"HOME=/h".to_vec()];
    assert_eq!(run(orders).succeeded().stdout, b"PATH=/bin\0HOME=/h\0");
}

#[test]
fn memory_layouts_are_fixed_or_random() {
    let image = image_or_skip!();
    // ADDR_NO_RANDOMIZE, see personality(2).
    for (layouts, personality) in [
        (Layouts::Fixed, "00040000\n"),
        (Layouts::Random, "00000000\n"),
    ] {
        let mut orders = image.orders(&["cat", "/proc/self/personality"]);
        orders.layouts = layouts;
        assert_eq!(run(orders).succeeded().stdout(), personality, "{layouts:?}");
    }
}

#[test]
fn arguments_arrive_as_they_are() {
    let image = image_or_skip!();
    let mut orders = image.orders(&["printf", "%s|"]);
    orders.arguments.extend([
        b"".to_vec(),
        b"a b".to_vec(),
        b"\xff\n".to_vec(),
        b"-x".to_vec(),
    ]);
    assert_eq!(run(orders).succeeded().stdout, b"|a b|\xff\n|-x|");
}

#[test]
fn the_working_directory_is_made_when_it_is_missing() {
    let image = image_or_skip!();
    for (folder, expected) in [
        ("/work", "/work"),
        ("/new/deep/er", "/new/deep/er"),
        ("", "/"),
        ("rel", "/rel"),
    ] {
        let mut orders = image.orders(&["pwd"]);
        orders.working_directory = folder.into();
        assert_eq!(run(orders).succeeded().stdout(), format!("{expected}\n"));
    }
    assert!(image.path("new/deep/er").is_dir());
    let mut orders = image.orders(&["pwd"]);
    orders.working_directory = b"/bin/busybox".to_vec();
    let failed = run(orders).failed.unwrap();
    assert_eq!(failed.0, "make the working directory \"/bin/busybox\"");
}

#[test]
fn the_process_starts_clean() {
    let image = image_or_skip!();
    let script = "ls /proc/self/fd; grep -E '^(Sig(Blk|Ign|Cgt)|NoNewPrivs|Umask)' /proc/self/status; \
                  cat /proc/self/oom_score_adj; wc -c; cut -d' ' -f 4,6,41 /proc/2/stat";
    // Signals that are ignored here must not stay so there.
    let mut init = Command::new("sh");
    init.args([
        "-c",
        "trap '' HUP INT USR1 PIPE; exec 7</dev/null; exec \"$1\" host --stream-fd 0",
        "sh",
        INIT,
    ]);
    let outcome = Guest::start_with(&mut init, image.orders(&["sh", "-c", script]))
        .finish()
        .succeeded();
    let lines: Vec<&str> = outcome.stdout().lines().collect();
    // ls itself has the folder open as 3.
    assert_eq!(lines[..4], ["0", "1", "2", "3"]);
    let rest: Vec<String> = lines[4..]
        .iter()
        .map(|line| line.replace('\t', " "))
        .collect();
    assert_eq!(
        rest,
        [
            "Umask: 0022",
            "SigBlk: 0000000000000000",
            "SigIgn: 0000000000000000",
            "SigCgt: 0000000000000000",
            "NoNewPrivs: 0",
            "0",
            "0",
            // Its parent is the reaper, its session is its own, its scheduling is the usual.
            "1 2 0",
        ]
    );
}

#[test]
fn devices_and_mounts_are_those_of_a_container() {
    let image = image_or_skip!();
    let script = "cd /dev; for d in null zero full random urandom tty ptmx pts/ptmx; do \
                  [ -c $d ] || echo no $d; done; \
                  for d in shm mqueue pts; do [ -d $d ] || echo no $d; done; \
                  echo x >null; head -c 3 zero | wc -c; head -c 2 urandom | wc -c; \
                  echo out >stdout; echo err >stderr; touch shm/x /tmp/x /run/x; \
                  cut -d' ' -f2,3 /proc/mounts | sort";
    let outcome = run(image.script(script)).succeeded();
    let (before, mounts) = outcome.stdout().split_once("out\n").unwrap();
    assert_eq!(before, "3\n2\n");
    assert_eq!(outcome.stderr, b"err\n");
    for mount in [
        "/proc proc",
        "/sys sysfs",
        "/dev tmpfs",
        "/dev/pts devpts",
        "/dev/shm tmpfs",
        "/tmp tmpfs",
        "/run tmpfs",
    ] {
        assert!(
            mounts.lines().any(|line| line == mount),
            "{mount} is not in\n{mounts}"
        );
    }
    // Nothing of the host's own.
    for line in mounts.lines() {
        let place = line.split(' ').next().unwrap();
        let known = ["/", "/proc", "/sys", "/dev", "/tmp", "/run"];
        let below = ["/proc/", "/dev/"];
        assert!(
            known.contains(&place) || below.iter().any(|folder| place.starts_with(folder)),
            "{line}"
        );
    }
}

#[test]
fn folders_of_the_image_are_not_hidden() {
    let image = image_or_skip!();
    image.file("tmp/kept", "1");
    image.file("run/kept", "2");
    image.file("etc/hosts", "own hosts\n");
    let outcome = run(image.script(
        "cat /tmp/kept /run/kept /etc/hosts /etc/hostname; [ -e /etc/resolv.conf ] || echo none",
    ))
    .succeeded();
    assert_eq!(outcome.stdout(), "12own hosts\ntestbox\nnone\n");
}

#[test]
fn the_host_name_and_the_network_are_its_own() {
    let image = image_or_skip!();
    let script = "hostname; grep -c : /proc/net/dev; ping -c 1 -W 5 127.0.0.1 >/dev/null && echo up; \
                  cat /etc/hosts";
    let outcome = run(image.script(script)).succeeded();
    let stdout = outcome.stdout();
    assert!(
        stdout.starts_with("testbox\n1\nup\n127.0.0.1\tlocalhost\n"),
        "{stdout}"
    );
    assert!(stdout.ends_with("127.0.1.1\ttestbox\n"), "{stdout}");
    assert_ne!(nix::unistd::gethostname().unwrap(), "testbox");
}

#[test]
fn a_host_is_protected_from_root() {
    let image = image_or_skip!();
    let script = "for f in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /sys/kernel/mm/ksm/run; do \
                  [ -e $f ] && (echo h >$f) 2>/dev/null && echo wrote $f; done; \
                  mount -t tmpfs none /work 2>/dev/null && echo mounted; \
                  grep CapEff /proc/self/status";
    let outcome = run(image.script(script)).succeeded();
    let capabilities = outcome
        .stdout()
        .strip_prefix("CapEff:\t")
        .unwrap()
        .trim_end();
    assert_eq!(
        u64::from_str_radix(capabilities, 16).unwrap(),
        0xa004_25fb & !0x0800_0000
    );
}

#[test]
fn links_of_the_image_lead_nowhere_outside() {
    let image = image_or_skip!();
    let outside = tempfile::tempdir().unwrap();
    for name in ["proc", "sys", "dev"] {
        let image = image_or_skip!();
        std::os::unix::fs::symlink(outside.path(), image.path(name)).unwrap();
        let failed = run(image.script("true")).failed.unwrap();
        assert!(
            failed.0.contains(&format!("/{name}")) && failed.0.contains("other than a folder"),
            "{failed:?}"
        );
    }
    // Where a link is fine it leads to a place inside.
    std::fs::remove_dir_all(image.path("etc")).unwrap();
    std::os::unix::fs::symlink(outside.path(), image.path("etc")).unwrap();
    let inside = image.path(outside.path().to_str().unwrap().trim_start_matches('/'));
    std::fs::create_dir_all(&inside).unwrap();
    run(image.script("true")).succeeded();
    assert!(inside.join("hosts").is_file());
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_disk_is_a_root_as_well() {
    let image = image_or_skip!();
    let Orders {
        root: Root::Directory { path },
        ..
    } = image.orders(&[])
    else {
        unreachable!()
    };
    let folder = std::path::Path::new(std::ffi::OsStr::from_bytes(&path));
    let disk = tempfile::NamedTempFile::new().unwrap();
    let tool = |command: &mut Command| -> Result<String, String> {
        let failed = |error: std::io::Error| error.to_string();
        let child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())).map_err(failed)?;
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    };
    let made = tool(
        Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-d"])
            .arg(folder)
            .arg(disk.path())
            .arg("32M"),
    );
    let device = made.and_then(|_| {
        tool(
            Command::new("losetup")
                .args(["-f", "--show"])
                .arg(disk.path()),
        )
    });
    let device = match device {
        Ok(device) => device,
        Err(reason) => {
            eprintln!("skipped: {reason}");
            return;
        }
    };
    let mut orders = image.script("echo new >/work/out; grep ' / ' /proc/mounts");
    orders.root = Root::Disk {
        device: device.clone(),
    };
    orders.outputs = vec![b"/work/out".to_vec()];
    // Detached already, the device lives on while init holds it.
    let hold = "exec 5<\"$2\"; losetup -d \"$2\"; exec \"$1\" host --stream-fd 0";
    let mut init = Command::new("sh");
    init.args(["-c", hold, "sh", INIT, &device]);
    let outcome = Guest::start_with(&mut init, orders).finish().succeeded();
    assert!(
        outcome.stdout().contains(" / ext4 rw,nodev,relatime"),
        "{}",
        outcome.stdout()
    );
    assert_eq!(outcome.files[0].contents, b"new\n");
    assert!(!image.path("work/out").exists());
}
