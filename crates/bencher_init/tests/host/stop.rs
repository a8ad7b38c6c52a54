//! Stops, and hosts that go away.

use std::process::Command;

use bencher_output_protocol::{ExitStatus, HostMessage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Guest, INIT, fifo, gone, image_or_skip};

const HOUR: u64 = 3_600_000;

#[test]
fn the_stop_signal_is_the_ordered_one_and_goes_to_the_command() {
    let image = image_or_skip!();
    let mut orders = image
        .script("trap 'echo stopped; exit 42' USR1; echo ready; while :; do read x </alive; done");
    fifo(&image);
    orders.stop_signal = 10;
    let mut guest = Guest::start(orders);
    guest.listen_until(|outcome| outcome.stdout == b"ready\n");
    guest.stop(HOUR);
    let outcome = guest.finish();
    assert_eq!(outcome.status(), ExitStatus::Exited(42));
    assert_eq!(outcome.stdout, b"ready\nstopped\n");
}

#[test]
fn a_signal_that_is_not_caught_ends_the_command() {
    let image = image_or_skip!();
    let mut guest = Guest::start(image.script("echo ready; sleep 3600"));
    guest.listen_until(|outcome| outcome.stdout == b"ready\n");
    guest.stop(HOUR);
    assert_eq!(guest.finish().status(), ExitStatus::Signaled(15));
}

#[test]
fn a_command_that_ignores_its_signal_is_killed_after_the_grace() {
    let image = image_or_skip!();
    let gone = gone(fifo(&image));
    let script = "exec 3>/alive; trap '' TERM; echo ready; sleep 3600 & \
                  while :; do sleep 3600; done";
    let mut guest = Guest::start(image.script(script));
    guest.listen_until(|outcome| outcome.stdout == b"ready\n");
    guest.stop(50);
    let outcome = guest.finish();
    assert_eq!(outcome.status(), ExitStatus::Signaled(9));
    assert!(outcome.exit.unwrap().resources.wall_nanoseconds >= 50_000_000);
    gone();
}

#[test]
fn a_second_stop_without_grace_kills_at_once() {
    let image = image_or_skip!();
    let mut guest = Guest::start(image.script(
        "trap 'echo asked' TERM; echo ready; while :; do sleep 3600; done & while :; do wait; done",
    ));
    guest.listen_until(|outcome| outcome.stdout == b"ready\n");
    guest.stop(HOUR);
    guest.listen_until(|outcome| outcome.stdout.starts_with(b"ready\nasked\n"));
    guest.stop(0);
    assert_eq!(guest.finish().status(), ExitStatus::Signaled(9));
}

#[test]
fn a_stop_that_comes_with_the_orders_still_counts() {
    let image = image_or_skip!();
    let mut guest = Guest::start(image.script("sleep 3600"));
    guest.stop(0);
    let outcome = guest.finish();
    assert_eq!(outcome.status(), ExitStatus::Signaled(9));
    assert!(outcome.done);
}

#[test]
fn what_was_written_before_a_stop_is_delivered() {
    let image = image_or_skip!();
    let script = "head -c 3000000 /dev/zero; echo written >&2; sleep 3600";
    let mut guest = Guest::start(image.script(script));
    guest.listen_until(|outcome| outcome.stderr == b"written\n");
    guest.stop(0);
    let outcome = guest.finish();
    assert_eq!(outcome.stdout.len(), 3_000_000);
    assert_eq!(outcome.exit.unwrap().stdout_bytes, 3_000_000);
}

#[test]
fn a_host_that_hangs_up_ends_everything() {
    let image = image_or_skip!();
    let gone = gone(fifo(&image));
    let mut guest = Guest::start(
        image.script("exec 3>/alive; trap '' HUP TERM; echo ready; sleep 3600 & sleep 3600"),
    );
    guest.listen_until(|outcome| outcome.stdout == b"ready\n");
    let mut init = guest.hang_up();
    assert_eq!(init.wait().unwrap().code(), Some(1));
    gone();
}

#[test]
fn a_host_that_hangs_up_ends_even_a_flood() {
    let image = image_or_skip!();
    let gone = gone(fifo(&image));
    let mut guest = Guest::start(image.script("exec 3>/alive; yes"));
    guest.listen_until(|outcome| outcome.stdout.len() > 100_000);
    assert_eq!(guest.hang_up().wait().unwrap().code(), Some(1));
    gone();
}

#[test]
fn an_init_that_is_killed_takes_everything_along() {
    let image = image_or_skip!();
    let gone = gone(fifo(&image));
    let mut guest =
        Guest::start(image.script("exec 3>/alive; echo ready; sleep 3600 & sleep 3600"));
    guest.listen_until(|outcome| outcome.stdout == b"ready\n");
    guest.init.kill().unwrap();
    let outcome = guest.finish();
    assert!(outcome.exit.is_none() && !outcome.done);
    gone();
}

#[test]
fn a_runner_that_is_killed_takes_everything_along() {
    let image = image_or_skip!();
    let gone = gone(fifo(&image));
    // A shell plays the runner: init is its child, and the stream stays open when it dies.
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "exec 3<&0; \"$1\" host --stream-fd 3 & wait",
        "sh",
        INIT,
    ]);
    let mut guest = Guest::start_with(
        &mut shell,
        image.script("exec 3>/alive; echo ready; sleep 3600"),
    );
    guest.listen_until(|outcome| outcome.stdout == b"ready\n");
    kill(
        Pid::from_raw(guest.init.id().cast_signed()),
        Signal::SIGKILL,
    )
    .unwrap();
    let outcome = guest.finish();
    assert!(outcome.exit.is_none() && !outcome.done);
    gone();
}

#[test]
fn a_host_that_never_speaks_is_waited_for_until_it_hangs_up() {
    let guest = Guest::start_silent(Command::new(INIT).args(["host", "--stream-fd", "0"]));
    assert_eq!(guest.hang_up().wait().unwrap().code(), Some(1));
}

#[test]
fn orders_come_once() {
    let image = image_or_skip!();
    let mut guest = Guest::start(image.script("echo ready; sleep 3600"));
    guest.listen_until(|outcome| outcome.stdout == b"ready\n");
    guest.say(&HostMessage::Hello);
    let outcome = guest.finish();
    let failed = outcome.failed.unwrap();
    assert_eq!(failed.0, "follow the host");
    assert!(failed.1.contains("hello"), "{failed:?}");
}
