//! Hosts and orders that make no sense.

use std::process::{Command, Stdio};

use bencher_output_protocol::{HostMessage, LogLevel, Root};

use crate::harness::{Guest, INIT, image_or_skip, run, spawn};

fn init() -> Command {
    let mut command = Command::new(INIT);
    command.args(["host", "--stream-fd", "0"]);
    command
}

#[test]
fn garbage_from_the_host_is_refused_by_name() {
    for (bytes, expected) in [
        (&b"\x00\x00\x00\x00\x07"[..], "unknown kind 7"),
        (
            b"\xff\xff\xff\xff\x82",
            "more than the 8388608 bytes allowed",
        ),
        (b"\x03\x00\x00\x00\x81BRU", "magic"),
        (b"\x06\x00\x00\x00\x81BRUN\x63\x00", "version 99"),
    ] {
        let mut guest = Guest::start_silent(&mut init());
        guest.write(bytes);
        let failed = guest.finish().failed.unwrap();
        assert_eq!(failed.0, "understand the host");
        assert!(failed.1.contains(expected), "{failed:?}");
    }
}

#[test]
fn orders_need_a_hello_first() {
    let image = image_or_skip!();
    let mut guest = Guest::start_silent(&mut init());
    guest.say(&HostMessage::Orders(Box::new(image.script("true"))));
    let failed = guest.finish().failed.unwrap();
    assert!(
        failed.1.contains("sent orders where a hello was due"),
        "{failed:?}"
    );
}

#[test]
fn a_root_that_is_not_there_is_named() {
    let image = image_or_skip!();
    for (root, expected) in [
        (
            Root::Directory {
                path: b"/no/such/folder".to_vec(),
            },
            "/no/such/folder",
        ),
        (
            Root::Directory {
                path: b"/bin/sh".to_vec(),
            },
            "/bin/sh",
        ),
        (
            Root::Disk {
                device: "/dev/no-such-disk".to_owned(),
            },
            "/dev/no-such-disk",
        ),
        (
            Root::Disk {
                device: "/dev/zero".to_owned(),
            },
            "/dev/zero",
        ),
    ] {
        let mut orders = image.script("true");
        orders.root = root;
        let outcome = run(orders);
        let failed = outcome.failed.unwrap();
        assert!(failed.0.contains(expected), "{failed:?}");
        assert!(
            outcome.console.starts_with("bencher_init: failed to "),
            "{}",
            outcome.console
        );
    }
}

#[test]
fn orders_that_can_not_be_carried_out_are_refused() {
    let image = image_or_skip!();
    let failed = run(image.orders(&[])).failed.unwrap();
    assert_eq!(failed.0, "prepare the command");
    let failed = run(image.orders(&["a\0b"])).failed.unwrap();
    assert!(failed.1.contains("NUL"), "{failed:?}");
}

#[test]
fn wrong_arguments_are_answered_with_the_usage() {
    for arguments in [&[][..], &["host"], &["host", "--stream-fd", "99"]] {
        let mut init = Command::new(INIT);
        let child = spawn(init.args(arguments).stderr(Stdio::piped())).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let console = String::from_utf8(output.stderr).unwrap();
        assert!(console.starts_with("bencher_init: failed to "), "{console}");
    }
}

#[test]
fn only_what_is_important_enough_is_logged() {
    let image = image_or_skip!();
    let mut orders = image.script("mkfifo pipe; mkdir d; echo 1 >d/1; echo 2 >d/2");
    // Of a path that is too long nothing else can be said.
    orders.outputs = vec![
        b"/work".to_vec(),
        [b"/".to_vec(), vec![b'x'; 5000]].concat(),
    ];
    for (level, expected) in [
        (LogLevel::Debug, 4),
        (LogLevel::Info, 1),
        (LogLevel::Warning, 1),
    ] {
        orders.log_level = level;
        let outcome = run(orders.clone());
        assert_eq!(outcome.logs.len(), expected, "{:?}", outcome.logs);
        assert!(outcome.logs.iter().all(|(least, _)| *least >= level));
        for path in ["work/pipe", "work/d/1", "work/d/2"] {
            std::fs::remove_file(image.path(path)).unwrap();
        }
        std::fs::remove_dir(image.path("work/d")).unwrap();
    }
}
