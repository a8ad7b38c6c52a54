//! A job from its claim to its end.

use bencher_channel_protocol::runner::Input;
use bencher_channel_protocol::{IterationOutput, Job, RunnerMessage, ServerMessage};

use crate::course::{Course, job};

const LOST: &str = "-idle, -acknowledge, -heartbeat, -silence";
const OVER: &str = "-heartbeat, -silence, -deadline";

#[test]
fn a_job_is_carried_out() {
    let mut course = Course::claimed();
    course.is("ack", "silence 15");
    course.is("fired heartbeat", ">heartbeat, heartbeat 1");
    course.is("ack", "silence 15");
    course.is("set-up", "deadline 130, >running");
    course.is("ack", "silence 15");
    course.is("fired heartbeat", ">heartbeat, heartbeat 1");
    course.is("ack", "silence 15");
    course.is("output hello", ">output");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
    );
    course.is("fired heartbeat", "");
    course.is("ack 1", "forget 1, -acknowledge, ready 30, idle 40");
    course.is("fired acknowledge", "");
}

#[test]
fn a_job_that_fails_says_why() {
    let mut course = Course::claimed();
    course.is(
        "failed no such image",
        &format!("{OVER}, persist 1, >failed 1, acknowledge 5"),
    );
    assert!(course.delivered.contains(r#""error":"no such image""#));
    course.is("ack", "");
    course.is("ack", "forget 1, -acknowledge, ready 30, idle 40");
}

/// The answer to a heartbeat does not pass for the answer to a result.
#[test]
fn acknowledgements_are_counted() {
    let mut course = Course::running();
    course.is("fired heartbeat", ">heartbeat, heartbeat 1");
    course.is("fired heartbeat", ">heartbeat, heartbeat 1");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
    );
    course.is("ack", "");
    course.is("ack 1", "");
    course.is("ack", "forget 1, -acknowledge, ready 30, idle 40");
}

#[test]
fn a_canceled_job_ends_as_canceled_however_it_ends() {
    for end in ["ended", "failed killed"] {
        let mut course = Course::running();
        course.is("fired heartbeat", ">heartbeat, heartbeat 1");
        course.is("cancel", "silence 15, kill");
        // Until it has ended it is alive.
        course.is("fired heartbeat", ">heartbeat, heartbeat 1");
        course.is("cancel", "silence 15");
        course.is(
            end,
            &format!("{OVER}, persist 1, >canceled 1, acknowledge 5"),
        );
        course.is("ack", "forget 1, -acknowledge, ready 30, idle 40");
    }
}

#[test]
fn a_job_is_canceled_before_it_runs() {
    let mut course = Course::claimed();
    course.is("cancel", "silence 15, kill");
    course.is(
        "failed x",
        &format!("{OVER}, persist 1, >canceled 1, acknowledge 5"),
    );
}

#[test]
fn a_cancel_after_the_end_comes_too_late() {
    let mut course = Course::running();
    course.is("fired heartbeat", ">heartbeat, heartbeat 1");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
    );
    course.is("cancel", "");
    course.is("ack", "forget 1, -acknowledge, ready 30, idle 40");
}

#[test]
fn a_job_over_its_time_is_killed_and_failed_with_what_there_is() {
    let mut course = Course::running();
    course.is("fired deadline", "kill");
    course.is("fired deadline", "");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >failed 1, acknowledge 5"),
    );
    assert!(
        course
            .delivered
            .contains("longer than its timeout of 100 s")
    );
    assert!(course.delivered.contains(r#""results":[{"exit_code":0}]"#));
    // That the server cancels it counts more.
    let mut course = Course::running();
    course.is("fired deadline", "kill");
    course.is("cancel", "silence 15");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >canceled 1, acknowledge 5"),
    );
}

/// The signal by which an iteration was ended is the runner's own, and says nothing.
#[test]
fn an_iteration_that_was_ended_says_why() {
    let ends = |inputs: &[&str], last| {
        let mut course = Course::running();
        for input in inputs {
            course.goes(input);
        }
        let of = |exit_code| IterationOutput {
            exit_code,
            ..IterationOutput::default()
        };
        let effects = course.take(Input::Ended {
            results: vec![of(0), of(last)],
            evidence: None,
            failure: None,
        });
        course.show(effects);
        match RunnerMessage::decode(&course.delivered).unwrap() {
            RunnerMessage::Failed { results, .. } | RunnerMessage::Completed { results, .. } => {
                results.iter().map(|it| it.exit_code).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ends(&["fired deadline"], 143), [0, 124]);
    assert_eq!(ends(&["stop", "fired drain"], 143), [0, 125]);
    assert_eq!(ends(&["stop", "stop"], 143), [0, 125]);
    // It had ended by itself, or nobody has ended it.
    assert_eq!(ends(&["fired deadline"], 3), [0, 3]);
    assert_eq!(ends(&[], 143), [0, 143]);
}

#[test]
fn a_lost_connection_does_not_touch_the_job() {
    let mut course = Course::running();
    course.is("eof", &format!("{LOST}, connect 62+62"));
    course.is("fired heartbeat", "");
    course.is("output x", "");
    for delay in [
        "125+125",
        "250+250",
        "500+500",
        "1000+1000",
        "2000+2000",
        "2000+2000",
    ] {
        // The server waits for a sign of life, so the delay stays short.
        course.is("unreachable", &format!("connect {delay}"));
    }
    course.is("connected", ">running, heartbeat 1, silence 15");
    course.is("ack", "silence 15");
    course.is("fired heartbeat", ">heartbeat, heartbeat 1");
    course.is("ack", "silence 15");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
    );
}

#[test]
fn a_job_that_is_not_set_up_resumes_with_a_heartbeat() {
    let mut course = Course::claimed();
    course.is("reset", &format!("{LOST}, connect 62+62"));
    course.is("connected", ">heartbeat, heartbeat 1, silence 15");
    course.is("set-up", "deadline 130, >running");
}

#[test]
fn a_server_that_does_not_answer_heartbeats_is_connected_again() {
    let mut course = Course::running();
    course.is(
        "fired silence",
        &format!("disconnect, {LOST}, connect 125+125"),
    );
    course.has_warned("does not answer heartbeats");
    course.is("connected", ">running, heartbeat 1, silence 15");
}

#[test]
fn there_is_one_job_at_a_time() {
    let mut course = Course::running();
    course.is("job 1", "silence 15");
    course.is("job 2", "silence 15, persist 2, >failed 2, acknowledge 5");
    assert!(course.delivered.contains("busy with the job"));
    course.is("ack 2", "silence 15, forget 2, -acknowledge");
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
    );
}

#[test]
fn a_job_that_is_not_understood_is_refused_by_its_name() {
    let mut course = Course::idle();
    course.is(
        "bad-job 3",
        "reached, -idle, persist 3, >failed 3, acknowledge 5",
    );
    assert!(course.delivered.contains("does not understand the job"));
    course.is("ack", "forget 3, -acknowledge, ready 30, idle 40");
}

#[test]
fn a_job_that_is_not_set_up_in_time_is_given_up() {
    let mut course = Course::claimed();
    course.is("fired deadline", "kill");
    course.is(
        "failed killed",
        &format!("{OVER}, persist 1, >failed 1, acknowledge 5"),
    );
    assert!(
        course
            .delivered
            .contains("the job was not set up within 3600 s: killed")
    );
}

#[test]
fn evidence_comes_where_it_was_asked_for() {
    let asked = |evidence| {
        let mut course = Course::idle();
        let asks = Job {
            evidence,
            ..*job(1)
        };
        course.take(Input::Received(Ok(ServerMessage::Job(Box::new(asks)))));
        course.is("set-up", "deadline 130, >running");
        course.is(
            "ended",
            &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
        );
        course.delivered.contains(r#""evidence":{"version":1}"#)
    };
    assert!(asked(true));
    assert!(!asked(false));
}
