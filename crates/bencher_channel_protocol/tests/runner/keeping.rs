//! Terminal messages on disk: read when their turn has come, and what happens where the disk does not do
//! what it is told.

use bencher_channel_protocol::runner::{Effect, Input};
use bencher_channel_protocol::{IterationOutput, RunnerMessage, Terminal};

use crate::course::{Course, OTHER, left, settings, uuid};

const LOST: &str = "-idle, -acknowledge, -heartbeat, -silence";
const OVER: &str = "-heartbeat, -silence, -deadline";

/// A course whose disk does what a test says, with letters on it.
fn with_letters(numbers: &[u8]) -> Course {
    let letters = numbers.iter().map(|number| left(*number, false)).collect();
    let mut course = Course::with(settings(), letters);
    course.has_disk = false;
    course
}

/// A course that is connected and idle, whose disk does what a test says.
fn idle() -> Course {
    let mut course = Course::idle();
    course.has_disk = false;
    course
}

#[test]
fn a_letter_is_read_when_its_turn_has_come() {
    let mut course = with_letters(&[1, 2]);
    course.is("connected", "load 1");
    course.is("loaded 1", ">completed 1, acknowledge 5");
    course.is("ack", "reached, forget 1, -acknowledge, load 2");
    // It has lost its turn with the connection, and has not failed.
    course.is("eof", &format!("{LOST}, connect 62+62"));
    course.is("loaded 2", "");
    course.is("connected", "load 2");
    course.is("fired acknowledge", "");
    course.is("loaded 2", ">completed 2, acknowledge 5");
    course.is("loaded 2", "");
    course.is("ack", "forget 2, -acknowledge, make room");
    course.is("room", "ready 30, idle 40");
}

/// Only the letter that is sent passes through memory.
#[test]
fn letters_on_disk_are_not_in_memory() {
    const LENGTH: usize = 1 << 16;
    let mut course = Course::running();
    course.input("eof");
    for number in 1..=20 {
        if number > 1 {
            course.is_slow = false;
            course.input("connected");
            course.input("fired acknowledge");
            course.input("connected");
            course.input("fired acknowledge");
            course.input("connected");
            course.input(&format!("job {number}"));
            course.input("set-up");
            course.input("eof");
        }
        let long = IterationOutput {
            stdout: Some("x".repeat(LENGTH)),
            ..IterationOutput::default()
        };
        let effects = course.take(Input::Ended {
            results: vec![long],
            evidence: None,
            failure: None,
        });
        let written = effects.iter().find_map(|effect| match effect {
            Effect::Persist(letter) => Some(letter.to_file().len()),
            _ => None,
        });
        assert!(written.unwrap() > LENGTH);
    }
    assert_eq!(course.disk.len(), 20);
    // Everything that the machine has in memory is in what it shows of itself.
    let held = format!("{:?}", course.machine).len();
    assert!(held < LENGTH, "{held}");
    // While one is on its way as well.
    course.input("connected");
    assert!(course.delivered.is_empty());
    let held = format!("{:?}", course.machine).len();
    assert!(held < LENGTH, "{held}");
}

/// The server is not left without an answer, and nothing is tried for ever.
#[test]
fn a_letter_that_is_lost_becomes_a_failure() {
    let mut course = with_letters(&[1]);
    course.is("connected", "load 1");
    course.is("lost 1", "persist 1, >failed 1, acknowledge 5");
    course.has_warned("is lost, and the server is told that the job has failed: it is gone");
    assert!(
        course
            .delivered
            .contains("the runner has lost its result: it is gone")
    );
    // From then on it is a letter like others.
    course.is("eof", &format!("{LOST}, connect 125+125"));
    course.is("connected", "load 1");
    course.is("loaded 1", ">failed 1, acknowledge 5");
    course.is("ack", "reached, forget 1, -acknowledge, make room");
}

/// A disk answers late, and in order: what it has said before the letter was put there anew says nothing of
/// the new one.
#[test]
fn a_letter_is_lost_only_once() {
    let mut course = with_letters(&[1]);
    course.is("connected", "load 1");
    course.goes("eof");
    course.is("connected", "load 1");
    course.is("lost 1", "");
    course.is("lost 1", "persist 1, >failed 1, acknowledge 5");
    course.goes("eof");
    // On two connections it is asked for, and on the first one there was no answer in time.
    course.is("connected", "load 1");
    course.goes("eof");
    course.is("connected", "load 1");
    course.is("lost 1", "");
    course.is("loaded 1", ">failed 1, acknowledge 5");
    course.is("lost 1", "");
    course.is("ack", "reached, forget 1, -acknowledge, make room");
}

#[test]
fn a_letter_that_can_not_be_read_now_is_read_later_and_holds_up_nothing() {
    let mut course = with_letters(&[1, 2]);
    course.is("connected", "load 1");
    course.is("unreadable 1", "retry 30, load 2");
    course.has_warned("can not be read from disk, and is sent later: it is ill");
    course.is("loaded 2", ">completed 2, acknowledge 5");
    course.is("ack", "reached, forget 2, -acknowledge, make room");
    course.is("room", "ready 30, idle 40");
    for pause in [60, 120] {
        course.is("fired retry", "");
        course.is("no_job", "-idle, load 1");
        course.is("unreadable 1", &format!("retry {pause}, make room"));
        course.is("room", "ready 30, idle 40");
    }
    course.is("fired retry", "");
    course.is("no_job", "-idle, load 1");
    course.is("loaded 1", ">completed 1, acknowledge 5");
    // A stop order does not wait for it either.
    let mut course = with_letters(&[1]);
    course.is("connected", "load 1");
    course.is("stop", "drain 55");
    course.is("unreadable 1", "retry 30, exit undelivered");
}

#[test]
fn a_job_is_asked_for_where_there_is_room_for_its_end() {
    let mut course = Course::new();
    course.has_disk = false;
    course.is("connected", "make room");
    course.is("room", "ready 30, idle 40");
    // Each time it is looked again.
    course.is("no_job", "reached, -idle, make room");
    course.is("no-room", &format!("room 30, disconnect, {LOST}"));
    course.has_warned(
        "no room on disk for the end of a job: no job is asked for until there is (full)",
    );
    for _ in 0..3 {
        course.is("fired room", "make room");
        course.is("no-room", "room 30");
        assert!(course.said.is_empty(), "it was told: {:?}", course.said);
    }
    course.is("fired room", "make room");
    course.is("room", "connect 0+0");
    course.is("connected", "ready 30, idle 40");
    course.is("stop", "exit stopped");
    // Nor does it keep a runner from ending.
    let mut course = idle();
    course.is("no_job", "reached, -idle, make room");
    course.is("no-room", &format!("room 30, disconnect, {LOST}"));
    course.is("stop", "exit stopped");
}

/// A connection that is lost while there is no room is not made again for nothing.
#[test]
fn who_may_not_ask_does_not_connect() {
    let mut course = with_letters(&[1]);
    course.is("connected", "load 1");
    course.is("unreadable 1", "retry 30, make room");
    course.is("no-room", &format!("room 30, disconnect, {LOST}"));
    course.is("fired retry", "connect 0+0");
    course.is("connected", "load 1");
    course.is("eof", &format!("{LOST}, connect 125+125"));
    course.is("loaded 1", "");
    course.is("connected", "load 1");
    course.is("loaded 1", ">completed 1, acknowledge 5");
    course.is("eof", &format!("retry 60, {LOST}"));
    course.is("fired retry", "connect 0+0");
    course.is("connected", "load 1");
    course.is("loaded 1", ">completed 1, acknowledge 5");
    // What was acknowledged needs no room any more.
    course.is("ack", "reached, forget 1, -acknowledge, make room");
    course.is("room", "ready 30, idle 40");
}

/// What could not be written is in memory until it is on disk or acknowledged, and there is no job meanwhile.
#[test]
fn an_end_that_can_not_be_written_is_sent_all_the_same() {
    let failing = || {
        let mut course = Course::running();
        course.has_disk = false;
        course.is(
            "ended",
            &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
        );
        course.is("not-persisted 1", "room 30");
        course.has_warned("can not be written to disk: it is in memory until it can");
        course
    };
    // It is acknowledged.
    let mut course = failing();
    course.is("ack", "forget 1, -acknowledge, make room");
    course.is("room", "ready 30, idle 40");
    // It is sent again without a disk.
    let mut course = failing();
    course.is("eof", &format!("{LOST}, connect 62+62"));
    course.is("connected", ">completed 1, acknowledge 5");
    // It is written later; told once.
    course.is("fired room", "persist 1, make room");
    course.is("not-persisted 1", "room 30");
    course.is("no-room", "");
    assert!(course.said.iter().all(|(_, text)| !text.contains("memory")));
    // An unasked job is refused: what comes of it could not be kept.
    course.is("job 2", "persist 2");
    course.is("not-persisted 2", "room 30");
    course.has_warned("refused: there is no room for its end on the runner's disk");
    course.is("fired room", "persist 1, persist 2, make room");
    course.is("room", "");
    // From then on it is read from disk.
    course.is("eof", &format!("{LOST}, connect 125+125"));
    course.is("connected", "load 2");
    course.is("loaded 2", ">failed 2, acknowledge 5");
    course.is("ack", "forget 2, -acknowledge, load 1");
    course.is("loaded 1", ">completed 1, acknowledge 5");
    course.is("ack", "forget 1, -acknowledge, ready 30, idle 40");
}

/// A stop order leaves it the drain timeout, and before the end it is tried once more to write it.
#[test]
fn an_end_that_is_in_memory_alone_is_not_given_up_easily() {
    let mut course = Course::running();
    course.has_disk = false;
    course.is("eof", &format!("{LOST}, connect 62+62"));
    course.is("ended", &format!("{OVER}, persist 1"));
    course.is("not-persisted 1", "room 30");
    course.is("stop", "drain 55");
    course.is("unreachable", "connect 125+125");
    course.is("fired drain", "persist 1, exit undelivered");
    // It would be lost with the program that an update replaces.
    let mut course = Course::running();
    course.has_disk = false;
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
    );
    course.is("not-persisted 1", "room 30");
    course.is(&format!("update {OTHER}"), "offers 3600");
}

/// What the program that was tried has delivered is not missed.
#[test]
fn what_a_trial_has_delivered_is_forgotten() {
    let mut course = with_letters(&[1, 2]);
    course.is("connected", "load 1");
    course.is("unreadable 1", "retry 30, load 2");
    course.is("unreadable 2", "make room");
    course.is("room", "ready 30, idle 40");
    course.input(&format!("update {OTHER}"));
    course.disk.remove(&uuid(1));
    course.is(&format!("not-updated {OTHER}"), "offers 60, connect 0+0");
    course.is("connected", "make room");
    course.is("room", "ready 30 alone, idle 40");
    course.is("fired retry", "");
    course.is("no_job", "-idle, load 2");
    course.is("loaded 2", ">completed 2, acknowledge 5");
    course.is("ack", "forget 2, -acknowledge, make room");
}

/// A file is read, and room is made for it, with a limit: so it must have one.
#[test]
fn a_letter_on_disk_is_as_short_as_a_message() {
    for text in ["\u{1b}\"", "\\", "x", "\n"] {
        let mut course = Course::running();
        let long = IterationOutput {
            stdout: Some(text.repeat((3 << 20) / text.len())),
            ..IterationOutput::default()
        };
        course.take(Input::Ended {
            results: vec![long],
            evidence: None,
            failure: None,
        });
        let letter = &course.disk[&uuid(1)];
        let file = letter.to_file();
        let most = bencher_channel_protocol::runner::Letter::longest_file(1 << 20);
        assert!(file.len() <= most, "{text:?}: {}", file.len());
        let message = RunnerMessage::from(Terminal::clone(letter.terminal())).encode();
        assert!(message.len() > (1 << 20) - 1000, "{}", message.len());
    }
}
