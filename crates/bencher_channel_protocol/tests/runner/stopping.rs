//! Stop orders.

use bencher_channel_protocol::REPLACED;

use crate::course::{Course, OTHER, left, settings};

const LOST: &str = "-idle, -acknowledge, -heartbeat, -silence";
const OVER: &str = "-heartbeat, -silence, -deadline";

#[test]
fn an_idle_runner_stops_at_once() {
    Course::idle().is("stop", "exit stopped");
    Course::new().is("stop", "exit stopped");
    let mut course = Course::idle();
    course.is("stop", "exit stopped");
    for input in ["stop", "job 1", "eof", "connected", "fired idle"] {
        course.is(input, "");
    }
}

#[test]
fn a_job_may_end_within_the_drain_timeout() {
    let mut course = Course::running();
    course.is("stop", "drain 55");
    course.is("fired heartbeat", ">heartbeat, heartbeat 1");
    course.is("ack", "silence 15");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
    );
    course.is("ack", "forget 1, -acknowledge, exit stopped");
}

#[test]
fn a_job_is_handed_back_when_the_drain_timeout_is_over() {
    let mut course = Course::running();
    course.is("stop", "drain 55");
    course.is("fired drain", "kill");
    course.is(
        "failed killed",
        &format!("{OVER}, persist 1, >failed 1, acknowledge 5"),
    );
    assert!(
        course
            .delivered
            .contains("the runner was stopped before the job had ended (killed)")
    );
    course.is("ack", "forget 1, -acknowledge, exit stopped");
}

#[test]
fn a_second_stop_order_ends_the_job_at_once() {
    let mut course = Course::running();
    course.is("stop", "drain 55");
    course.is("stop", "kill");
    course.is("stop", "");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >failed 1, acknowledge 5, exit atonce"),
    );
    let mut course = Course::running();
    course.is("stop", "drain 55");
    course.is("fired drain", "kill");
    course.is("stop", "");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >failed 1, acknowledge 5, exit atonce"),
    );
}

#[test]
fn a_canceled_job_stays_canceled_when_the_runner_stops() {
    let mut course = Course::running();
    course.is("cancel", "silence 15, kill");
    course.is("stop", "drain 55");
    course.is("fired drain", "");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >canceled 1, acknowledge 5"),
    );
}

#[test]
fn what_can_not_be_delivered_stays_on_disk() {
    // Not acknowledged.
    let mut course = Course::running();
    course.is("stop", "drain 55");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
    );
    course.is("fired acknowledge", "exit undelivered");
    // Not connected when the time is over.
    let mut course = Course::running();
    course.is("stop", "drain 55");
    course.is("eof", &format!("{LOST}, connect 62+62"));
    course.is("ended", &format!("{OVER}, persist 1"));
    course.is("unreachable", "connect 125+125");
    course.is("fired drain", "exit undelivered");
    // Not connected when the job is killed.
    let mut course = Course::running();
    course.is("eof", &format!("{LOST}, connect 62+62"));
    course.is("stop", "drain 55");
    course.is("fired drain", "kill");
    course.is("ended", &format!("{OVER}, persist 1, exit undelivered"));
    // Not connected at all.
    Course::with(settings(), vec![left(1, false)]).is("stop", "exit undelivered");
}

#[test]
fn what_is_on_its_way_is_waited_for() {
    let mut course = Course::with(settings(), vec![left(1, false)]);
    course.is("connected", ">completed 1, acknowledge 5");
    course.is("stop", "drain 55");
    course.is("eof", &format!("{LOST}, connect 125+125"));
    course.is("connected", ">completed 1, acknowledge 5");
    course.is("ack", "reached, forget 1, -acknowledge, exit stopped");
}

#[test]
fn a_stopping_runner_takes_no_job() {
    let mut course = Course::running();
    course.is("stop", "drain 55");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
    );
    course.is("job 2", "persist 2");
    course.is("ack", "forget 1, -acknowledge, >failed 2, acknowledge 5");
    assert!(course.delivered.contains("the runner is stopping"));
    course.is("ack", "forget 2, -acknowledge, exit stopped");
}

/// The program that is tried may have a job: it ends as this one would.
#[test]
fn a_stop_order_reaches_the_program_that_is_tried() {
    let updating = || {
        let mut course = Course::idle();
        course.input(&format!("update {OTHER}"));
        course
    };
    let failed = format!("not-updated {OTHER}");
    let mut course = updating();
    course.is("stop", "end update");
    course.is(&failed, "exit stopped");
    // The second stop order as well.
    let mut course = updating();
    course.is("stop", "end update");
    course.is("stop", "end update");
    course.is(&failed, "exit atonce");
    // One that comes beside the end of the trial is not lost.
    let mut course = updating();
    course.is("stop", "end update");
    course.is("updated", "exit stopped");
    let mut course = updating();
    course.is("updated", "become");
    course.is("stop", "");
}

#[test]
fn who_is_replaced_at_the_server_ends() {
    let replaced = format!("closed 1008 {REPLACED}");
    let mut course = Course::idle();
    course.is(&replaced, &format!("{LOST}, exit replaced"));
    // Its job is the other one's.
    let mut course = Course::running();
    course.is(&replaced, &format!("{LOST}, kill"));
    course.is("ended", &format!("{OVER}, forget 1, exit replaced"));
    // Another reason is none to end.
    let mut course = Course::idle();
    course.is("closed 1008 policy", &format!("{LOST}, connect 125+125"));
}
