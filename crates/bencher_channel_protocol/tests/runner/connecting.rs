//! Connections: how they begin, end and begin again, and the idle runner.

use bencher_channel_protocol::RunnerMessage;
use bencher_channel_protocol::runner::{
    Effect, Input, Level, Machine, STANDING, Settings, Timer, UpdateFailure,
};

use crate::course::{CHECKSUM, Course, OTHER, left, settings, uuid};

const LOST: &str = "-idle, -acknowledge, -heartbeat, -silence";
const OVER: &str = "-heartbeat, -silence, -deadline";

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

/// Whoever was heard once had the right key: the network may be at fault.
#[test]
fn later_connections_that_end_at_once_are_not_the_keys_fault() {
    let mut course = Course::idle();
    course.is("no_job", "reached, -idle, ready 30, idle 40");
    course.is("eof", &format!("{LOST}, connect 62+62"));
    for _ in 0..10 {
        course.input("connected");
        let effects = course.input("eof");
        course.show(effects);
    }
    assert!(!course.said.iter().any(|(_, text)| text.contains("key")));
    // It is told once, not each time.
    let warnings = |course: &Course| {
        let said = course.said.iter();
        said.filter(|(level, _)| *level == Level::Warning).count()
    };
    assert_eq!(warnings(&course), 1);
    // But not only once, if it goes on: then the key may have been changed.
    for _ in 0..40 {
        course.input("connected");
        let effects = course.input("eof");
        course.show(effects);
    }
    assert_eq!(warnings(&course), 4);
    course.has_warned("the last 48 connections came to nothing");
}

/// The server was heard by whoever tries it: it may be at fault, or a proxy that starts.
#[test]
fn a_program_that_is_tried_is_not_refused_for_good() {
    for ending in ["status 401", "status 404", "foreign no TLS"] {
        let mut trial = settings();
        trial.is_trial = true;
        let mut course = Course::with(trial, Vec::new());
        course.is(ending, "connect 125+125");
        course.is("connected", "ready 30, idle 40");
    }
}

#[test]
fn a_refusal_that_goes_on_is_told_again() {
    let mut course = Course::idle();
    course.is("no_job", "reached, -idle, ready 30, idle 40");
    course.is("eof", &format!("{LOST}, connect 62+62"));
    for _ in 0..3 {
        course.said.clear();
        for _ in 0..16 {
            let effects = course.input("status 401");
            course.show(effects);
        }
        course.has_warned("the key is wrong, or that of another runner (check --host");
    }
}

/// A server that has nothing and says so at once is asked once a second, and one that ends its
/// connections after that less and less often.
#[test]
fn a_server_that_answers_at_once_is_not_asked_at_once() {
    const LOST: &str = "-idle, -acknowledge, -heartbeat, -silence, -pace";
    let mut course = Course::new();
    course.is_slow = false;
    course.is("connected", "pace 1, ready 30, idle 40");
    course.is("no_job", "reached, -idle");
    course.is("no_job", "");
    course.is("fired pace", "ready 30, idle 40, pace 1");
    course.is("no_job", "-idle");
    // A job that comes all the same is taken.
    course.is(
        "job 1",
        "start 1, deadline 3600, >heartbeat, heartbeat 1, silence 15",
    );
    course.input("failed x");
    course.is("ack", "");
    course.is("ack", "forget 1, -acknowledge");
    course.is("fired pace", "ready 30, idle 40, pace 1");
    course.is("fired pace", "");
    course.is("no_job", "-idle, ready 30, idle 40, pace 1");
    course.is("eof", &format!("{LOST}, connect 62+62"));
    for delay in ["125+125", "250+250", "500+500", "1000+1000"] {
        course.is("connected", "pace 1, ready 30, idle 40");
        course.is("no_job", "-idle");
        course.is("eof", &format!("{LOST}, connect {delay}"));
    }
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
    course.is("foreign try http://", "exit refused");
    course.has_warned("try http://");
    let mut course = Course::idle();
    course.is("no_job", "reached, -idle, ready 30, idle 40");
    course.is("eof", &format!("{LOST}, connect 62+62"));
    course.is("foreign try http://", "connect 125+125");
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

/// Each one is told, refused, or answered with what may be long: that has an end, whatever comes between.
#[test]
fn what_was_not_asked_for_is_borne_some_times() {
    // Jobs while another one runs: it is not touched.
    let mut course = Course::running();
    for number in 2..11 {
        course.input(&format!("job {number}"));
        // No answer to anything.
        course.input("no_job");
    }
    course.is(
        "job 11",
        &format!("silence 15, persist 11, disconnect, {LOST}, connect 125+125"),
    );
    course.has_warned("were not asked for");
    course.input("connected");
    course.is("ended", &format!("{OVER}, persist 1"));
    // A job whose end is on its way, again and again.
    let mut course = Course::running();
    course.input("ended");
    for _ in 0..9 {
        course.is("job 1", ">running, >completed 1, acknowledge 5");
    }
    course.is("job 1", &format!("disconnect, {LOST}, connect 125+125"));
    // An answer shows that the server is well.
    let mut course = Course::running();
    for number in 2..50 {
        course.input(&format!("job {number}"));
        course.input("fired heartbeat");
        course.input("ack");
    }
    course.is("ended", &format!("{OVER}, persist 1"));
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
    course.is(&format!("unfit {OTHER}"), "connect 0+0");
    course.has_warned("stays as it is: bad");
    course.is("connected", "ready 30, idle 40");
    // What is unfit is not tried again, and not asked for either, for a while.
    course.is(
        &format!("update {OTHER}"),
        "-idle, offers 3600, ready 30 alone, idle 40",
    );
    course.is("no_job", "-idle, ready 30 alone, idle 40");
    course.is("fired offers", "");
    course.is("no_job", "-idle, ready 30, idle 40");
}

/// What failed for a reason that passes is tried again, later each time.
#[test]
fn an_update_that_failed_is_tried_again() {
    let mut course = Course::idle();
    course.is("no_job", "reached, -idle, ready 30, idle 40");
    for pause in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
        course.is(
            &format!("update {OTHER}"),
            &format!("-idle, disconnect, {LOST}, update"),
        );
        course.is(
            &format!("not-updated {OTHER}"),
            &format!("offers {pause}, connect 0+0"),
        );
        course.is("connected", "ready 30 alone, idle 40");
        course.is("fired offers", "");
        course.is("no_job", "-idle, ready 30, idle 40");
    }
}

/// Neither is one at once that has failed before this program was started.
#[test]
fn an_update_that_failed_before_is_tried_again_later() {
    for (failed_updates, pause, next) in [(1, 60, 120), (3, 240, 480), (u32::MAX, 3600, 3600)] {
        let settings = Settings {
            failed_updates,
            ..settings()
        };
        let (machine, effects) = Machine::new(settings, Vec::new());
        let mut course = Course {
            machine,
            ..Course::new()
        };
        assert_eq!(course.show(effects), format!("connect 0+0, offers {pause}"));
        course.is("connected", "ready 30 alone, idle 40");
        course.is("fired offers", "");
        course.is("no_job", "reached, -idle, ready 30, idle 40");
        course.input(&format!("update {OTHER}"));
        course.is(
            &format!("not-updated {OTHER}"),
            &format!("offers {next}, connect 0+0"),
        );
    }
}

/// What the program that was tried has left behind is delivered.
#[test]
fn a_job_of_a_trial_has_an_end() {
    let mut course = Course::idle();
    course.input(&format!("update {OTHER}"));
    let failure = UpdateFailure {
        checksum: OTHER.parse().unwrap(),
        error: "killed".to_owned(),
        is_final: true,
        outbox: Some(vec![uuid(1)]),
    };
    course.disk.insert(uuid(1), left(1, false));
    let effects = course.take(Input::UpdateFailed(failure));
    assert_eq!(course.show(effects), "connect 0+0");
    course.is("connected", ">completed 1, acknowledge 5");
}

/// Updates or not, output can be had while a job runs.
#[test]
fn live_output_does_not_depend_on_updates() {
    let mut course = Course::new();
    for _ in 0..2 {
        let effects = course.input("connected");
        let ready = effects.iter().find_map(|effect| match effect {
            Effect::Send(RunnerMessage::Ready(ready)) => Some(ready.clone()),
            _ => None,
        });
        assert!(ready.unwrap().has_live_output());
        course.input(&format!("update {CHECKSUM}"));
        course.input("eof");
    }
}

#[test]
fn an_update_to_itself_or_during_a_job_is_none() {
    let mut course = Course::idle();
    course.is(
        &format!("update {CHECKSUM}"),
        "reached, -idle, offers 3600, ready 30 alone, idle 40",
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
    course.is("ack", "");
    course.is("ack", "forget 1, -acknowledge, exit stopped");
}

const CONNECTED: &str = "connected to https://bench.example.com as bench-1, waiting for jobs";

/// Whoever reads the log knows that the runner is there; that it is told to be is no noise.
#[test]
fn it_is_told_once_that_the_server_is_there() {
    let mut course = Course::idle();
    assert_eq!(course.steps(), [""; 0]);
    for _ in 0..3 {
        course.goes("no_job");
    }
    assert_eq!(course.steps(), [CONNECTED]);
    // And after each loss that was told.
    course.goes("closed 1001 server shutting down");
    course.has_warned("server shutting down");
    course.goes("unreachable");
    course.goes("connected");
    assert_eq!(course.steps(), [""; 0]);
    course.goes("no_job");
    assert_eq!(course.steps(), [CONNECTED]);
}

/// A server that has no job says nothing for long.
#[test]
fn a_connection_that_stands_is_told_of_before_the_server_speaks() {
    let mut course = Course::new();
    let effects = course.input("connected");
    let standing = Effect::Arm {
        timer: Timer::Standing,
        after: STANDING,
    };
    assert!(effects.contains(&standing), "{effects:?}");
    course.is("fired standing", "");
    assert_eq!(course.steps(), [CONNECTED]);
    course.goes("no_job");
    assert_eq!(course.steps(), [""; 0]);
    // One that is ended at once, as for a wrong key, is not.
    let mut course = Course::idle();
    let effects = course.input("eof");
    assert!(effects.contains(&Effect::Disarm(Timer::Standing)));
    assert_eq!(course.steps(), [""; 0]);
}

/// What makes no sense is no sign of the server.
#[test]
fn a_job_goes_on_with_the_connection() {
    let mut course = Course::running();
    course.goes("eof");
    course.said.clear();
    course.goes("connected");
    course.goes("text nonsense");
    assert_eq!(course.steps(), [""; 0]);
    course.goes("ack");
    assert_eq!(
        course.steps(),
        ["connected to https://bench.example.com as bench-1"]
    );
}

/// A connection that is lost without a word about it comes back without one.
#[test]
fn what_comes_and_goes_is_not_told_each_time() {
    let mut course = Course::new();
    course.is_slow = false;
    for _ in 0..10 {
        course.goes("connected");
        course.goes("no_job");
        course.goes("eof");
    }
    let steps = course.steps();
    assert_eq!(steps, [CONNECTED, CONNECTED]);
}
