//! A machine of several runners: none asks for a job while another one's runs.

use crate::course::{Course, left, settings};

const LOST: &str = "-idle, -acknowledge, -heartbeat, -silence";

#[test]
fn no_job_is_asked_for_while_another_runner_has_one() {
    let mut course = Course::idle();
    course.is_taken = true;
    course.is("no_job", "reached, -idle, turn 1");
    assert_eq!(
        course.steps().last().map(String::as_str),
        Some(
            "a job of another runner runs on this machine, or is about to: none is asked for until it is this \
             one's turn"
        )
    );
    course.is("fired turn", "turn 1");
    course.is_taken = false;
    course.is("fired turn", "ready 30, idle 40");
}

/// A server ends a connection on which nobody asks.
#[test]
fn who_waits_for_long_has_no_connection() {
    let mut course = Course::idle();
    course.is_taken = true;
    course.is("no_job", "reached, -idle, turn 1");
    for _ in 2..20 {
        course.is("fired turn", "turn 1");
    }
    course.is("fired turn", &format!("turn 1, disconnect, {LOST}"));
    course.said.clear();
    course.is("fired turn", "turn 1");
    assert!(course.said.is_empty(), "it is told once");
    course.is_taken = false;
    course.is("fired turn", "connect 0+0");
    // It is seen again: the connection may have taken long.
    course.is_taken = true;
    course.is("connected", "turn 1");
    course.is_taken = false;
    course.is("fired turn", "ready 30, idle 40");
}

/// The disk is another one's as well.
#[test]
fn no_room_is_made_while_another_runner_has_a_job() {
    let mut course = Course::new();
    course.has_disk = false;
    course.is_taken = true;
    course.is("connected", "turn 1");
    course.is_taken = false;
    course.is("fired turn", "make room");
    course.is("room", "ready 30, idle 40");
}

#[test]
fn ends_of_jobs_are_delivered_while_another_runner_has_one() {
    let mut course = Course::with(settings(), vec![left(7, false)]);
    course.is_taken = true;
    course.is("connected", ">completed 7, acknowledge 5");
    course.is("ack", "reached, forget 7, -acknowledge, turn 1");
    // And after the connection was lost.
    course.is("eof", LOST);
    course.is_taken = false;
    course.is("fired turn", "connect 0+0");
    course.is_taken = true;
    course.is("connected", "turn 1");
    course.is("stop", "exit stopped");
}

/// A server that did not answer has the first `ready`, and may give out a job in any case.
#[test]
fn who_is_not_answered_asks_once_more() {
    let mut course = Course::idle();
    course.is_taken = true;
    course.is("fired idle", "ready 30, idle 40");
}
