//! Connections: how they begin, end and begin again, and the idle runner.

use crate::course::{CHECKSUM, Course, OTHER, settings};

const LOST: &str = "-idle, -acknowledge, -heartbeat, -silence";

#[test]
fn an_idle_runner_asks_again_after_each_answer() {
    let mut course = Course::idle();
    course.is("no_job", "reached, -idle, ready 30, idle 40");
    course.is("no_job", "-idle, ready 30, idle 40");
    // Nothing acknowledges a ready.
    course.is("ack", "");
    course.is("cancel", "");
}

#[test]
fn a_poll_that_is_not_answered_is_asked_for_once_more_and_then_given_up() {
    let mut course = Course::idle();
    course.is("fired idle", "ready 30, idle 40");
    course.is(
        "fired idle",
        &format!("disconnect, {LOST}, connect 125+125"),
    );
    course.has_warned("the server does not answer");
    course.is("connected", "ready 30, idle 40");
    course.is("fired idle", "ready 30, idle 40");
    course.is("no_job", "reached, -idle, ready 30, idle 40");
    course.is("fired idle", "ready 30, idle 40");
}

#[test]
fn first_connections_that_end_at_once_are_explained() {
    for ending in ["eof", "reset", "closed 1000 "] {
        let mut course = Course::new();
        for delay in ["125+125", "250+250"] {
            course.is("connected", "ready 30, idle 40");
            course.is(ending, &format!("{LOST}, connect {delay}"));
        }
        let is_told = |course: &Course| course.said.iter().any(|(_, text)| text.contains("key"));
        assert!(!is_told(&course), "{ending}");
        course.is("connected", "ready 30, idle 40");
        course.is(ending, &format!("{LOST}, connect 500+500"));
        course.has_warned(
            "the last 3 connections ended before the server said anything: the key or the runner is \
             probably wrong",
        );
    }
}

/// Whoever was heard once has the right key: the network is at fault.
#[test]
fn later_connections_that_end_at_once_are_not_the_keys_fault() {
    let mut course = Course::idle();
    course.is("no_job", "reached, -idle, ready 30, idle 40");
    course.is("eof", &format!("{LOST}, connect 62+62"));
    for _ in 0..10 {
        course.input("connected");
        course.input("eof");
    }
    assert!(!course.said.iter().any(|(_, text)| text.contains("key")));
    // It is told once, not each time.
    let warnings = course
        .said
        .iter()
        .filter(|(level, _)| *level == bencher_channel_protocol::runner::Level::Warning);
    assert_eq!(warnings.count(), 1);
}

#[test]
fn a_server_that_can_not_be_reached_is_tried_more_and_more_seldom() {
    let mut course = Course::new();
    let delays = [
        "125+125",
        "250+250",
        "500+500",
        "1000+1000",
        "2000+2000",
        "4000+4000",
        "8000+8000",
        "16000+16000",
        "16000+16000",
    ];
    for delay in delays {
        course.is("unreachable", &format!("connect {delay}"));
    }
    course.has_warned("the server can not be reached (no route)");
    course.is("connected", "ready 30, idle 40");
    course.is("no_job", "reached, -idle, ready 30, idle 40");
    // A connection that came to something begins anew.
    course.is(
        "closed 1001 server shutting down",
        &format!("{LOST}, connect 62+62"),
    );
    course.has_warned("code 1001, `server shutting down`");
}

#[test]
fn a_refusal_is_final_unless_the_server_was_there_before() {
    for (status, text) in [
        (401, "the key is wrong"),
        (403, "the key is wrong"),
        (404, "no such runner"),
    ] {
        let mut course = Course::new();
        course.is(&format!("status {status}"), "exit refused");
        course.has_warned(text);
        course.is("connected", "");
        let mut course = Course::idle();
        course.is("no_job", "reached, -idle, ready 30, idle 40");
        course.is("eof", &format!("{LOST}, connect 62+62"));
        course.is(&format!("status {status}"), "connect 125+125");
    }
    let mut course = Course::new();
    course.is("status 503", "connect 125+125");
    course.has_warned("HTTP status 503");
}

#[test]
fn what_makes_no_sense_is_passed_over_but_not_for_ever() {
    let mut course = Course::idle();
    for text in ["", "[]", "{}", r#"{"event":"hello"}"#, "x"] {
        course.is(&format!("text {text}"), "");
        course.has_warned("is passed over");
    }
    course.is("no_job", "reached, -idle, ready 30, idle 40");
    for _ in 0..9 {
        course.is("text {}", "");
    }
    course.is("text {}", &format!("disconnect, {LOST}, connect 125+125"));
}

#[test]
fn an_update_is_taken_between_jobs() {
    let mut course = Course::idle();
    course.is(
        &format!("update {OTHER}"),
        &format!("reached, -idle, disconnect, {LOST}, update"),
    );
    // Nothing else happens meanwhile.
    course.is("connected", "");
    course.is(&format!("not-updated {OTHER}"), "connect 0+0");
    course.has_warned("stays as it is: bad");
    course.is("connected", "ready 30, idle 40");
    // What failed is not tried again, and not asked for either.
    course.is(&format!("update {OTHER}"), "-idle, ready 30 alone, idle 40");
}

#[test]
fn an_update_to_itself_or_during_a_job_is_none() {
    let mut course = Course::idle();
    course.is(
        &format!("update {CHECKSUM}"),
        "reached, -idle, ready 30 alone, idle 40",
    );
    let mut course = Course::running();
    course.is(&format!("update {OTHER}"), "silence 15");
}

#[test]
fn a_program_that_is_tried_ends_once_the_server_has_spoken() {
    let mut trial = settings();
    trial.is_trial = true;
    let mut course = Course::with(trial.clone(), Vec::new());
    course.is("connected", "ready 30, idle 40");
    course.is("no_job", "reached, -idle, exit stopped");
    // A job that it is given it carries out.
    let mut course = Course::with(trial, Vec::new());
    course.is("connected", "ready 30, idle 40");
    course.input("job 1");
    course.input("ended");
    course.is("ack", "");
    course.is("ack", "forget 1, -acknowledge, exit stopped");
}
