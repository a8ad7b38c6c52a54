//! Standard output and error.

use bencher_output_protocol::ExitStatus;
use sha2::{Digest, Sha256};

use crate::harness::{Guest, image_or_skip, run};

#[test]
fn both_streams_arrive_byte_for_byte() {
    let image = image_or_skip!();
    let all: Vec<u8> = (0..=255).collect();
    image.file("all", &all);
    let outcome = run(image.script("cat /all; cat /all /all >&2; printf end")).succeeded();
    assert_eq!(outcome.stdout, [all.as_slice(), b"end"].concat());
    assert_eq!(outcome.stderr, [all.as_slice(), &all].concat());
    let report = outcome.exit.unwrap();
    assert_eq!((report.stdout_bytes, report.stderr_bytes), (259, 512));
}

#[test]
fn output_arrives_while_the_command_runs() {
    let image = image_or_skip!();
    let fifo = crate::harness::fifo(&image);
    let mut guest = Guest::start(image.script("echo first; cat /alive; echo last"));
    let outcome = guest.listen_until(|outcome| outcome.stdout == b"first\n");
    assert!(outcome.began && outcome.exit.is_none());
    std::fs::write(fifo, "middle\n").unwrap();
    assert_eq!(guest.finish().succeeded().stdout, b"first\nmiddle\nlast\n");
}

#[test]
fn a_flood_arrives_complete() {
    let image = image_or_skip!();
    let mut state = 1_u64;
    let mut data = vec![0; 64 * 1024 * 1024];
    for word in data.chunks_exact_mut(8) {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        word.copy_from_slice(&state.to_le_bytes());
    }
    image.file("data", &data);
    let outcome = run(image.script("cat /data & cat /data >&2; wait")).succeeded();
    assert_eq!(outcome.stdout.len(), data.len());
    assert_eq!(Sha256::digest(&outcome.stdout), Sha256::digest(&data));
    assert_eq!(Sha256::digest(&outcome.stderr), Sha256::digest(&data));
}

#[test]
fn a_limit_cuts_each_stream_at_its_byte_and_counts_the_rest() {
    let image = image_or_skip!();
    let data: Vec<u8> = (0..1_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    image.file("data", &data);
    for limit in [
        0_u64, 1, 65_535, 65_536, 65_537, 999_999, 1_000_000, 1_000_001,
    ] {
        let mut orders = image.script("cat /data; printf 12345 >&2");
        orders.limits.output_bytes = limit;
        let outcome = run(orders).succeeded();
        let kept = usize::try_from(limit).unwrap();
        assert_eq!(outcome.stdout, data[..kept.min(data.len())], "{limit}");
        assert_eq!(outcome.stderr, b"12345"[..kept.min(5)], "{limit}");
        let report = outcome.exit.unwrap();
        assert_eq!((report.stdout_bytes, report.stderr_bytes), (1_000_000, 5));
    }
}

#[test]
fn a_host_that_does_not_read_still_stops_the_command() {
    let image = image_or_skip!();
    let mut guest = Guest::start(image.script("yes"));
    guest.listen_until(|outcome| outcome.stdout.len() > 4 * 1024 * 1024);
    guest.stop(0);
    let outcome = guest.finish();
    assert_eq!(outcome.status(), ExitStatus::Signaled(9));
    let report = outcome.exit.unwrap();
    // What was written was delivered, and no more than buffers hold was written ahead.
    assert_eq!(report.stdout_bytes, outcome.stdout.len() as u64);
}

#[test]
fn a_stream_that_was_closed_by_the_command_is_just_empty() {
    let image = image_or_skip!();
    let outcome = run(image.script("exec >&- 2>&-; exit 3"));
    assert_eq!(outcome.status(), ExitStatus::Exited(3));
    assert!(outcome.stdout.is_empty() && outcome.stderr.is_empty());
}

#[test]
fn both_streams_flow_when_both_are_flooded() {
    let image = image_or_skip!();
    let mut guest = Guest::start(image.script("yes out & yes err >&2"));
    let enough = 1024 * 1024;
    let outcome = guest
        .listen_until(|outcome| outcome.stdout.len() > enough && outcome.stderr.len() > enough);
    assert!(outcome.stdout.starts_with(b"out\nout\n"));
    assert!(outcome.stderr.starts_with(b"err\nerr\n"));
    guest.stop(0);
    assert_eq!(guest.finish().status(), ExitStatus::Signaled(9));
}
