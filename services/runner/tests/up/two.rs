//! Two runners of one machine, and two of one name.

use bencher_channel_protocol::{REPLACED, RunnerMessage};

use crate::bench::{Bench, completed};
use crate::support::processes_with;

/// Their jobs would measure each other.
#[test]
fn two_runners_of_a_machine_take_turns() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let first = bench.start(&[]);
    let mut one = bench.server.running(&bench.script(1, "exec sleep 1000"));
    let second = bench.spawn(&mut bench.command_of("bench-2", &["--no-auto-update"]));
    let mut two = bench.server.ready();
    two.say(&bench.script(2, "echo second"));
    // Until it is its turn it is alive, and no more.
    for _ in 0..5 {
        assert_eq!(two.next(), Some(RunnerMessage::Heartbeat));
        two.acknowledge(None);
    }
    one.say(r#"{"event":"cancel"}"#);
    one.end();
    one.is_ready();
    two.is_running();
    assert_eq!(completed(two.end())[0].stdout.as_deref(), Some("second\n"));
    two.is_ready();
    first.stops();
    let log = second.stops();
    assert!(
        log.contains("a job of another runner runs on this machine"),
        "{log}"
    );
}

/// The token for an image ends sooner than a job may.
#[test]
fn the_image_of_a_job_that_has_to_wait_is_fetched_before() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let first = bench.start(&[]);
    let mut one = bench.server.running(&bench.script(1, "exec sleep 1000"));
    // The first may have waited as well, for a job of another test.
    let before = first.log().len();
    let second = bench.spawn(&mut bench.command_of("bench-2", &["--no-auto-update"]));
    let mut two = bench.server.ready();
    two.say(&bench.script(2, "echo second"));
    // Until it is its turn it is alive, and no more.
    while !second.log()[before..].contains("this one has its image, and waits") {
        assert_eq!(two.next(), Some(RunnerMessage::Heartbeat));
        two.acknowledge(None);
    }
    bench.close_registry();
    one.say(r#"{"event":"cancel"}"#);
    one.end();
    two.is_running();
    assert_eq!(completed(two.end())[0].stdout.as_deref(), Some("second\n"));
    one.is_ready();
    first.stops();
    second.stops();
}

/// The newer connection of a runner has its place at the server; the older one's process ends, with its
/// job, instead of taking the place back.
#[test]
fn who_is_replaced_ends() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let mut up = bench.start(&[]);
    let channel = bench.server.running(&bench.script(1, "exec sleep 847362"));
    channel.close(1008, REPLACED);
    // Not 125, after which a service is started again.
    assert_eq!(up.wait().code(), Some(78));
    let log = up.log();
    assert!(
        log.contains("in favour of a newer one of the same runner"),
        "{log}"
    );
    assert!(processes_with("847362").is_empty());
    assert!(bench.outbox().is_empty());
}
