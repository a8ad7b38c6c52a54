//! A host that can not run jobs: it takes none, and is looked at more and more seldom.

use bencher_channel_protocol::runner::Level;

use crate::course::{Course, left, settings};

const LOST: &str = "-idle, -acknowledge, -heartbeat, -silence";
const OVER: &str = "-heartbeat, -silence, -deadline";

/// Takes the job 1 of a course that is idle, which fails for a reason of the host; up to the end of the
/// connection. The host is looked at after `pause` seconds.
#[track_caller]
fn fails(course: &mut Course, pause: u32) {
    course.input("job 1");
    course.is(
        "host-failed no KVM",
        &format!("{OVER}, host {pause}, persist 1, >failed 1, acknowledge 5"),
    );
    course
        .has_warned("that is a reason of this host and not of the job: no job is asked for until");
    course.is("ack", "");
    // The server knows of it, and is not asked for the next one.
    course.is(
        "ack",
        &format!("forget 1, -acknowledge, disconnect, {LOST}"),
    );
}

/// Looks at the host, which is fit by then.
#[track_caller]
fn is_mended(course: &mut Course) {
    course.is("fired host", "look");
    course.is("fit", "connect 0+0");
    course.is("connected", "ready 30, idle 40");
}

#[test]
fn a_job_that_failed_by_the_host_is_the_last_one_until_the_host_was_looked_at() {
    let mut course = Course::idle();
    fails(&mut course, 5);
    course.said.clear();
    course.is("fired host", "look");
    for pause in [10, 20, 40, 80, 160, 300, 300] {
        course.is("unfit-host no KVM", &format!("host {pause}"));
        course.has_warned("this host can not run jobs: it is looked at again");
        course.is("fired host", "look");
    }
    course.is("fit", "connect 0+0");
    assert_eq!(
        course.steps(),
        ["nothing that keeps this host from running jobs was found: they are asked for again"]
    );
    course.is("connected", "ready 30, idle 40");
}

/// Nothing was found, and jobs fail all the same.
#[test]
fn only_a_benchmark_that_starts_makes_the_pauses_short_again() {
    let mut course = Course::idle();
    for pause in [5, 10, 20] {
        fails(&mut course, pause);
        is_mended(&mut course);
    }
    // One that fails before, for its own reason, says nothing of the host.
    course.input("job 2");
    course.input("failed no such image");
    course.input("ack");
    course.input("ack");
    fails(&mut course, 40);
    is_mended(&mut course);
    course.input("job 3");
    course.input("set-up");
    course.input("failed exit code 1");
    for _ in 0..3 {
        course.input("ack");
    }
    fails(&mut course, 5);
}

#[test]
fn what_is_killed_says_nothing_of_the_host() {
    let mut course = Course::running();
    course.is("cancel", "silence 15, kill");
    course.is(
        "host-failed the machine is gone",
        &format!("{OVER}, persist 1, >canceled 1, acknowledge 5"),
    );
    course.is("ack", "forget 1, -acknowledge, ready 30, idle 40");
}

/// A lost connection is made again for what is to be said, and for nothing else.
#[test]
fn what_is_to_be_said_is_said_by_an_unfit_host() {
    let mut course = Course::with(settings(), vec![left(7, false)]);
    course.is("unfit-host no KVM", "host 5");
    course.is("connected", ">completed 7, acknowledge 5");
    course.is("eof", &format!("{LOST}, connect 125+125"));
    course.is("connected", ">completed 7, acknowledge 5");
    course.is(
        "ack",
        &format!("reached, forget 7, -acknowledge, disconnect, {LOST}"),
    );
    is_mended(&mut course);
}

/// A server that gives out a job all the same is told why it is not run.
#[test]
fn an_unfit_host_refuses_what_it_has_not_asked_for() {
    let mut course = Course::idle();
    course.is("unfit-host no KVM", "host 5");
    course.is(
        "job 1",
        "reached, -idle, persist 1, >failed 1, acknowledge 5",
    );
    assert!(course.delivered.contains("can not run jobs now (no KVM)"));
}

#[test]
fn a_stop_order_does_not_wait_for_the_host() {
    let mut course = Course::idle();
    fails(&mut course, 5);
    course.is("fired host", "look");
    course.is("stop", "exit stopped");
}

#[test]
fn an_unfit_host_is_told_of_as_one() {
    let mut course = Course::idle();
    course.is("unfit-host no KVM", "host 5");
    let is_it = |(level, text): &(Level, String)| {
        *level == Level::Warning && text.ends_with("looked at again in 5 s (no KVM)")
    };
    assert!(course.said.iter().any(is_it), "{:?}", course.said);
}
