//! Terminal messages that were not acknowledged.

use bencher_channel_protocol::runner::{Input, Letter};
use bencher_channel_protocol::{IterationOutput, RunnerMessage, Terminal};

use crate::course::{Course, completed, job, left, settings, uuid};

const LOST: &str = "-idle, -acknowledge, -heartbeat, -silence";
const OVER: &str = "-heartbeat, -silence, -deadline";

#[test]
fn a_result_is_sent_again_before_ready() {
    let mut course = Course::running();
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
    );
    course.is(
        "closed 1001 server shutting down",
        &format!("{LOST}, connect 62+62"),
    );
    for delay in ["125+125", "250+250"] {
        course.is("connected", ">completed 1, acknowledge 5");
        course.is("eof", &format!("{LOST}, connect {delay}"));
    }
    course.is("connected", ">completed 1, acknowledge 5");
    course.is("ack", "forget 1, -acknowledge, ready 30, idle 40");
}

#[test]
fn a_result_that_came_about_without_a_connection_is_sent_on_the_next() {
    let mut course = Course::running();
    course.is("eof", &format!("{LOST}, connect 62+62"));
    course.is("ended", &format!("{OVER}, persist 1"));
    course.is("connected", ">completed 1, acknowledge 5");
    course.is("ack", "forget 1, -acknowledge, ready 30, idle 40");
}

/// A server takes no `completed` of a job that it does not know to run.
#[test]
fn running_comes_before_a_result_where_the_server_may_not_know_it() {
    let mut course = Course::claimed();
    course.is("eof", &format!("{LOST}, connect 62+62"));
    course.is("set-up", "deadline 130");
    course.is("ended", &format!("{OVER}, persist 1"));
    course.is("connected", ">running, >completed 1, acknowledge 5");
    course.is("ack", "");
    course.is("eof", &format!("{LOST}, connect 62+62"));
    // Now it is known.
    course.is("connected", ">completed 1, acknowledge 5");
}

/// A server that does not know the job at all may want none.
#[test]
fn running_is_left_out_each_second_time() {
    let mut course = Course::with(settings(), vec![left(1, true)]);
    for _ in 0..2 {
        course.is("connected", ">running, >completed 1, acknowledge 5");
        course.input("eof");
        course.is("connected", ">completed 1, acknowledge 5");
        course.input("eof");
    }
}

#[test]
fn results_survive_a_restart_the_oldest_first() {
    let mut course = Course::with(settings(), vec![left(1, false), left(2, false)]);
    course.is("connected", ">completed 1, acknowledge 5");
    course.is(
        "ack",
        "reached, forget 1, -acknowledge, >completed 2, acknowledge 5",
    );
    course.is("ack", "forget 2, -acknowledge, ready 30, idle 40");
}

/// A name in an acknowledgement says that it is not one of something else.
#[test]
fn a_name_decides_what_is_acknowledged() {
    let mut course = Course::running();
    course.is("eof", &format!("{LOST}, connect 62+62"));
    course.is("ended", &format!("{OVER}, persist 1"));
    course.is("connected", ">completed 1, acknowledge 5");
    course.is("ack 2", "");
    course.is("ack 1", "forget 1, -acknowledge, ready 30, idle 40");
}

/// A letter that a server does not acknowledge is sent twice, each time on a connection of its own, since
/// a later acknowledgement could be one of something else; then now and then, between two polls.
#[test]
fn a_result_that_is_never_acknowledged_does_not_stop_the_runner() {
    let mut course = Course::running();
    course.is(
        "ended",
        &format!("{OVER}, persist 1, >completed 1, acknowledge 5"),
    );
    course.is(
        "fired acknowledge",
        &format!("disconnect, {LOST}, connect 125+125"),
    );
    course.is("connected", ">completed 1, acknowledge 5");
    course.is(
        "fired acknowledge",
        &format!("retry 30, disconnect, {LOST}, connect 250+250"),
    );
    course.has_warned("it is kept");
    course.is("connected", "ready 30, idle 40");
    // The jobs after it are not held up.
    course.is(
        "job 2",
        "-idle, start 2, deadline 3600, >heartbeat, heartbeat 1, silence 15",
    );
    course.input("set-up");
    course.is(
        "ended",
        &format!("{OVER}, persist 2, >completed 2, acknowledge 5"),
    );
    course.is("ack", "");
    course.is("ack", "");
    course.is("ack", "forget 2, -acknowledge, ready 30, idle 40");
    for pause in [60, 120, 240, 480, 960, 960] {
        course.is("fired retry", "");
        course.is("no_job", "-idle, >completed 1, acknowledge 5");
        course.is(
            "fired acknowledge",
            &format!("retry {pause}, disconnect, {LOST}, connect 125+125"),
        );
        course.is("connected", "ready 30, idle 40");
        course.is("no_job", "-idle, ready 30, idle 40");
    }
    course.is("fired retry", "");
    course.is("no_job", "-idle, >completed 1, acknowledge 5");
    course.is("ack", "forget 1, -acknowledge, ready 30, idle 40");
}

/// A server that ends the connection over a letter is tried less and less often; then the letter gets
/// shorter; then it waits until the server was asked for a job.
#[test]
fn a_result_over_which_connections_end_does_not_stop_the_runner() {
    let mut course = Course::with(settings(), vec![left(1, false), left(2, false)]);
    // The other one is not held up either.
    course.is("connected", ">completed 1, acknowledge 5");
    course.is("eof", &format!("{LOST}, connect 125+125"));
    course.is("connected", ">completed 2, acknowledge 5");
    course.is(
        "ack",
        "reached, forget 2, -acknowledge, >completed 1, acknowledge 5",
    );
    // Though the server speaks on each connection.
    for delay in ["125+125", "250+250", "500+500", "1000+1000"] {
        course.is("eof", &format!("{LOST}, connect {delay}"));
        course.is("connected", ">completed 1, acknowledge 5");
        course.is("cancel", "");
    }
    course.is("eof", &format!("retry 30, {LOST}, connect 62+62"));
    course.has_warned("it is kept");
    course.is("connected", "ready 30, idle 40");
    course.is("fired retry", "");
    course.is("no_job", "-idle, >completed 1, acknowledge 5");
    course.is("eof", &format!("retry 60, {LOST}, connect 62+62"));
    course.is("connected", "ready 30, idle 40");
    // A new connection is no reason to try it.
    course.is("fired retry", "");
    course.is("eof", &format!("{LOST}, connect 125+125"));
    course.is("connected", "ready 30, idle 40");
    course.is("no_job", "-idle, >completed 1, acknowledge 5");
    course.is("ack", "forget 1, -acknowledge, ready 30, idle 40");
}

#[test]
fn a_job_that_is_given_out_again_is_not_run_again() {
    let mut course = Course::with(settings(), vec![left(1, false)]);
    for _ in 0..2 {
        course.is("connected", ">completed 1, acknowledge 5");
        course.input("fired acknowledge");
    }
    course.is("connected", "ready 30, idle 40");
    course.is(
        "job 1",
        "reached, -idle, >running, >completed 1, acknowledge 5",
    );
    assert_eq!(job(1).uuid, uuid(1));
}

#[test]
fn a_long_result_is_cut_to_what_the_server_takes_and_shorter_after_some_resets() {
    let mut course = Course::running();
    let long = IterationOutput {
        stdout: Some("x".repeat(3 << 20)),
        ..IterationOutput::default()
    };
    let effects = course.take(Input::Ended {
        results: vec![long],
        evidence: None,
        failure: None,
    });
    course.show(effects);
    course.has_warned("was cut");
    let mut length = course.delivered.len();
    assert!(length > 1_000_000 && length <= 1 << 20);
    // A server that is killed resets the connection as well: nothing is lost by that.
    for _ in 0..2 {
        course.input("reset");
        let effects = course.input("connected");
        course.show(effects);
        assert_eq!(course.delivered.len(), length);
    }
    for attempt in 3..12 {
        course.input("reset");
        let mut effects = course.input("connected");
        if attempt > 5 {
            course.input("fired retry");
            effects = course.input("no_job");
        }
        course.show(effects);
        assert!(course.delivered.contains("[the runner cut "));
        assert!(course.delivered.len() <= (length / 2).max(64 * 1024));
        length = course.delivered.len();
    }
    // Something arrives in the end.
    assert!(length > 60_000);
    course.is("ack", "forget 1, -acknowledge, ready 30, idle 40");
}

/// A server, or a proxy in front of it, that only ends the connection may mean the length, too.
#[test]
fn a_long_result_is_shorter_after_some_connections_that_ended() {
    let mut course = Course::running();
    let long = IterationOutput {
        stdout: Some("x".repeat(1 << 19)),
        ..IterationOutput::default()
    };
    let effects = course.take(Input::Ended {
        results: vec![long],
        evidence: None,
        failure: None,
    });
    course.show(effects);
    let mut lengths = vec![course.delivered.len()];
    for _ in 0..5 {
        course.input("eof");
        let effects = course.input("connected");
        course.show(effects);
        lengths.push(course.delivered.len());
    }
    assert!(
        lengths[..4].iter().all(|length| *length == lengths[0]),
        "{lengths:?}"
    );
    assert!(lengths[4] <= lengths[0] / 2, "{lengths:?}");
    assert!(lengths[5] <= lengths[4] / 2 + 1, "{lengths:?}");
}

#[test]
fn letters_are_the_same_after_a_restart() {
    for needs_running in [true, false] {
        let letter = left(1, needs_running);
        let again = Letter::from_file(&letter.to_file(), 1 << 20).unwrap();
        assert_eq!(again, letter);
        assert_eq!(again.terminal(), &completed(1));
    }
}

#[test]
fn a_file_that_is_no_letter_is_none() {
    let running =
        serde_json::json!({"needs_running": true, "message": RunnerMessage::Running.encode()});
    for text in [
        "",
        "{}",
        "null",
        r#"{"needs_running":true,"message":"{}"}"#,
        &running.to_string(),
    ] {
        assert_eq!(Letter::from_file(text, 100), None, "{text}");
    }
}

/// No more of it is kept in memory than is sent.
#[test]
fn a_letter_is_no_longer_than_a_message() {
    let terminal = Terminal::Completed {
        job: uuid(1),
        results: vec![IterationOutput {
            stdout: Some("x".repeat(1 << 20)),
            ..IterationOutput::default()
        }],
        evidence: None,
    };
    let message = RunnerMessage::from(terminal).encode();
    let kept = serde_json::json!({"needs_running": false, "message": message}).to_string();
    let letter = Letter::from_file(&kept, 100_000).unwrap();
    let held = RunnerMessage::from(letter.terminal().clone()).encode();
    assert!(held.len() <= 100_000, "{}", held.len());
    // It says that something is missing, whenever it is sent.
    let mut course = Course::with(settings(), vec![letter]);
    course.is("connected", ">completed 1, acknowledge 5");
    course.has_warned("was cut");
}

/// A job whose end could not be kept is not asked for.
#[test]
fn no_more_jobs_are_asked_for_where_nothing_is_ever_acknowledged() {
    let letters = (0..100).map(|number| left(100 + number, false)).collect();
    let mut course = Course::with(settings(), letters);
    for _ in 0..199 {
        course.input("connected");
        course.input("fired acknowledge");
    }
    course.is("connected", ">completed 199, acknowledge 5");
    // There is nothing to say, and nothing to ask for.
    course.is("fired acknowledge", &format!("disconnect, {LOST}"));
    // What is held back is sent all the same, and alone.
    course.is("fired retry", "connect 0+0");
    course.is("connected", ">completed 100, acknowledge 5");
    course.is("cancel", "reached");
    // A job that comes unasked is not told of at the cost of another one's end.
    course.is("bad-job 1", "");
    course.has_warned("which was not asked for, is passed over");
    course.is(
        "fired acknowledge",
        &format!("retry 60, disconnect, {LOST}"),
    );
    course.is("fired retry", "connect 0+0");
    course.is("connected", ">completed 101, acknowledge 5");
    course.is("eof", &format!("retry 120, {LOST}"));
    course.is("fired retry", "connect 0+0");
    course.is("connected", ">completed 102, acknowledge 5");
    // Now there is a place.
    course.is("ack", "forget 102, -acknowledge, ready 30, idle 40");
    course.is("no_job", "-idle, >completed 103, acknowledge 5");
    course.is(
        "ack",
        "forget 103, -acknowledge, >completed 104, acknowledge 5",
    );
}

/// A refusal does not take the last place, which is the running job's.
#[test]
fn the_place_of_the_running_jobs_end_is_not_given_away() {
    let letters = (0..98).map(|number| left(100 + number, false)).collect();
    let mut course = Course::with(settings(), letters);
    for _ in 0..196 {
        course.input("connected");
        course.input("fired acknowledge");
    }
    course.is("connected", "ready 30, idle 40");
    course.input("job 1");
    course.is("job 2", "silence 15, persist 2, >failed 2, acknowledge 5");
    course.is("job 3", "silence 15");
    course.has_warned("which was not asked for, is passed over");
    course.is("ended", &format!("{OVER}, persist 1"));
}
