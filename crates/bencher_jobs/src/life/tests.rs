use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    heartbeat: Duration::from_secs(30),
    setup: Duration::from_mins(10),
    timeout: Duration::from_secs(100),
    grace: Duration::from_secs(20),
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(seconds * 1000)
}

fn runner(number: u128) -> RunnerId {
    RunnerId::from_uuid(uuid::Uuid::from_u128(number))
}

fn claimed() -> Life {
    Life::PENDING
        .claim(runner(1), at(0), &LIMITS)
        .expect("it is pending")
}

fn after(life: &Life, report: Report, seconds: i64) -> Life {
    let answer = life.report(runner(1), report, at(seconds), &LIMITS);
    answer.next.unwrap_or_else(|| life.clone())
}

fn running() -> Life {
    after(&claimed(), Report::Running, 5)
}

/// A case: a job, what is reported, the answer, the state after it, whether results are taken.
type Row<'a> = (&'a str, &'a Life, Report, Reply, Option<State>, bool);

#[test]
fn the_table_of_reports() {
    use Reply::{Ack, Cancel};
    use Report::{Canceled, Completed, Failed, Heartbeat, Running};
    let silenced = claimed().expire(at(31)).expect("it was silent");
    let lost = match running().runner_returns(at(6)) {
        Return::Lost(life) => life,
        other => panic!("{other:?}"),
    };
    let mut overdue = running();
    overdue.lease = Some(at(1000));
    let overdue = overdue.expire(at(126)).expect("it took too long");
    let canceled = running().cancel(at(7)).expect("it was at work");
    let completed = after(&running(), Completed, 9);
    let processed = completed.process().expect("it has results");
    let failed = after(&running(), Failed, 9);
    let table: &[Row<'_>] = &[
        ("1", &claimed(), Heartbeat, Ack, Some(State::Claimed), false),
        ("2", &claimed(), Running, Ack, Some(State::Running), false),
        (
            "3",
            &claimed(),
            Completed,
            Ack,
            Some(State::Completed),
            true,
        ),
        ("4", &claimed(), Failed, Ack, Some(State::Failed), true),
        ("5", &claimed(), Canceled, Ack, Some(State::Canceled), false),
        ("6", &running(), Heartbeat, Ack, Some(State::Running), false),
        ("7", &running(), Running, Ack, Some(State::Running), false),
        (
            "8",
            &running(),
            Completed,
            Ack,
            Some(State::Completed),
            true,
        ),
        ("9", &running(), Failed, Ack, Some(State::Failed), true),
        (
            "10",
            &running(),
            Canceled,
            Ack,
            Some(State::Canceled),
            false,
        ),
        ("11", &silenced, Heartbeat, Ack, None, false),
        ("12", &silenced, Running, Ack, None, false),
        (
            "13",
            &silenced,
            Completed,
            Ack,
            Some(State::Completed),
            true,
        ),
        ("14", &silenced, Failed, Ack, Some(State::Failed), true),
        ("15", &silenced, Canceled, Ack, None, false),
        ("16", &lost, Completed, Ack, Some(State::Completed), true),
        ("17", &overdue, Heartbeat, Cancel, None, false),
        ("18", &overdue, Running, Cancel, None, false),
        ("19", &overdue, Completed, Ack, None, false),
        ("20", &overdue, Canceled, Ack, None, false),
        ("21", &canceled, Heartbeat, Cancel, None, false),
        ("22", &canceled, Running, Cancel, None, false),
        ("23", &canceled, Completed, Ack, None, false),
        ("24", &canceled, Failed, Ack, None, false),
        ("25", &canceled, Canceled, Ack, None, false),
        ("26", &completed, Completed, Ack, None, false),
        ("27", &completed, Failed, Ack, None, false),
        ("28", &completed, Heartbeat, Ack, None, false),
        ("29", &processed, Completed, Ack, None, false),
        ("30", &failed, Completed, Ack, None, false),
        ("31", &failed, Heartbeat, Ack, None, false),
    ];
    for (case, life, report, reply, state, takes_results) in table {
        let answer = life.report(runner(1), *report, at(10), &LIMITS);
        assert_eq!(answer.reply, *reply, "{case}");
        assert_eq!(answer.next.map(|next| next.state), *state, "{case}");
        assert_eq!(answer.takes_results, *takes_results, "{case}");
    }
    let answer = silenced.report(runner(1), Failed, at(40), &LIMITS);
    let reason = answer.next.and_then(|next| next.reason);
    assert_eq!(reason, Some(Reason::RunnerFailed));
}

#[test]
fn a_stranger_changes_nothing() {
    for report in [
        Report::Heartbeat,
        Report::Running,
        Report::Completed,
        Report::Failed,
        Report::Canceled,
    ] {
        for life in [Life::PENDING, claimed(), running()] {
            let answer = life.report(runner(2), report, at(6), &LIMITS);
            assert_eq!(answer, Answer::unchanged(Reply::Ack));
        }
    }
}

#[test]
fn results_are_taken_from_the_jobs_runner_while_they_count() {
    let silenced = running().expire(at(10_000)).expect("silence");
    let canceled = running().cancel(at(1)).expect("canceled");
    let completed = after(&running(), Report::Completed, 1);
    for (case, life, takes) in [
        ("pending", Life::PENDING, false),
        ("claimed", claimed(), true),
        ("running", running(), true),
        ("silent", silenced, true),
        ("canceled", canceled, false),
        ("completed", completed, false),
    ] {
        assert_eq!(life.takes_results(runner(1)), takes, "{case}");
        assert!(!life.takes_results(runner(2)), "{case}, of a stranger");
    }
}

#[test]
fn silence_and_length_end_a_job() {
    assert_eq!(claimed().expire(at(30)), None);
    let reason = |life: Option<Life>| life.and_then(|life| life.reason);
    assert_eq!(
        reason(claimed().expire(at(31))),
        Some(Reason::HeartbeatTimeout)
    );
    // A heartbeat moves the lease, but not the deadline.
    let mut life = running();
    for seconds in (10..=125).step_by(5) {
        life = after(&life, Report::Heartbeat, seconds);
        assert_eq!(life.expire(at(seconds)), None);
    }
    assert_eq!(reason(life.expire(at(126))), Some(Reason::TimeoutExceeded));
    // What came first counts.
    assert_eq!(
        reason(life.expire(at(10_000))),
        Some(Reason::TimeoutExceeded)
    );
    assert_eq!(
        reason(running().expire(at(10_000))),
        Some(Reason::HeartbeatTimeout)
    );
    // Preparing has a limit of its own.
    let mut life = claimed();
    life.lease = Some(at(10_000));
    assert_eq!(life.expire(at(720)), None);
    assert_eq!(reason(life.expire(at(721))), Some(Reason::TimeoutExceeded));
}

#[test]
fn a_silenced_job_is_stopped_at_its_deadline() {
    let silenced = running().expire(at(40)).expect("it was silent");
    let reply = |seconds| {
        silenced
            .report(runner(1), Report::Heartbeat, at(seconds), &LIMITS)
            .reply
    };
    assert_eq!(reply(125), Reply::Ack);
    assert_eq!(reply(126), Reply::Cancel);
}

#[test]
fn who_returns_without_the_job_has_lost_it_unless_it_never_came() {
    assert_eq!(claimed().runner_returns(at(3)), Return::Redeliver);
    assert!(matches!(claimed().runner_returns(at(31)), Return::Lost(_)));
    let known = after(&claimed(), Report::Heartbeat, 1);
    assert!(matches!(known.runner_returns(at(2)), Return::Lost(_)));
    assert!(matches!(running().runner_returns(at(6)), Return::Lost(_)));
    assert_eq!(Life::PENDING.runner_returns(at(0)), Return::Nothing);
}

#[test]
fn what_is_over_is_neither_claimed_nor_canceled() {
    let canceled = Life::PENDING.cancel(at(1)).expect("it was pending");
    assert_eq!(canceled.cancel(at(2)), None);
    assert_eq!(canceled.claim(runner(1), at(2), &LIMITS), None);
    assert_eq!(claimed().claim(runner(2), at(2), &LIMITS), None);
    assert_eq!(canceled.abandon(at(2)), None);
    assert_eq!(claimed().abandon(at(2)), None);
    assert_eq!(canceled.process(), None);
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Claim(u128),
    Report(u128, Report),
    Cancel,
    Expire,
    Return,
    Process,
}

fn events() -> impl Strategy<Value = Vec<(u8, Event)>> {
    let report = prop_oneof![
        Just(Report::Heartbeat),
        Just(Report::Running),
        Just(Report::Completed),
        Just(Report::Failed),
        Just(Report::Canceled),
    ];
    let event = prop_oneof![
        3 => (1..3u128).prop_map(Event::Claim),
        8 => (1..3u128, report).prop_map(|(runner, report)| Event::Report(runner, report)),
        1 => Just(Event::Cancel),
        2 => Just(Event::Expire),
        1 => Just(Event::Return),
        1 => Just(Event::Process),
    ];
    prop::collection::vec((any::<u8>(), event), 1..40)
}

/// The state machine as the protocol draws it, and the one way back.
fn is_allowed(from: &Life, to: &Life) -> bool {
    use State::{Canceled, Claimed, Completed, Failed, Pending, Processed, Running};
    match (from.state, to.state) {
        (same, other) if same == other && same != Failed => true,
        (Pending, Claimed | Canceled) => true,
        (Claimed, Running | Completed | Failed | Canceled) => true,
        (Running, Completed | Failed | Canceled) => true,
        (Completed, Processed) => true,
        (Failed, Completed | Failed) => from == to || from.reason.is_some_and(Reason::is_silence),
        _ => false,
    }
}

proptest! {
    #[test]
    fn no_interleaving_leaves_the_table(events in events()) {
        let mut life = Life::PENDING;
        let mut now = 0;
        let mut results = 0;
        let mut claims = 0;
        for (pause, event) in events {
            now += i64::from(pause);
            let next = match event {
                Event::Claim(number) => {
                    let next = life.claim(runner(number), at(now), &LIMITS);
                    claims += u32::from(next.is_some());
                    next
                }
                Event::Report(number, report) => {
                    let answer = life.report(runner(number), report, at(now), &LIMITS);
                    prop_assert!(!answer.takes_results || answer.next.is_some());
                    if answer.takes_results && report == Report::Completed {
                        results += 1;
                    }
                    // To stop is said of nothing that is at work.
                    prop_assert!(answer.reply == Reply::Ack || life.state.is_over());
                    answer.next
                }
                Event::Cancel => life.cancel(at(now)),
                Event::Expire => life.expire(at(now)),
                Event::Return => match life.runner_returns(at(now)) {
                    Return::Lost(next) => Some(next),
                    Return::Redeliver => {
                        prop_assert!(!life.is_confirmed);
                        None
                    }
                    Return::Nothing => None,
                },
                Event::Process => life.process(),
            };
            let Some(next) = next else { continue };
            prop_assert!(is_allowed(&life, &next), "{life:?} → {next:?}");
            prop_assert_eq!(next.state.is_active(), next.lease.is_some());
            prop_assert_eq!(next.state.is_over(), next.ended.is_some());
            prop_assert_eq!(
                matches!(next.state, State::Failed | State::Canceled),
                next.reason.is_some()
            );
            life = next;
        }
        prop_assert!(claims <= 1, "claimed {} times", claims);
        prop_assert!(results <= 1, "{} results", results);
    }
}

#[test]
fn a_job_is_put_back_before_its_runner_knows_it_and_never_after() {
    assert_eq!(claimed().put_back(runner(1)), Some(Life::PENDING));
    assert_eq!(claimed().put_back(runner(2)), None);
    let heard = after(&claimed(), Report::Heartbeat, 1);
    let canceled = claimed().cancel(at(1)).expect("it was claimed");
    let silenced = claimed().expire(at(31)).expect("it was silent");
    for life in [Life::PENDING, heard, running(), canceled, silenced] {
        assert_eq!(life.put_back(runner(1)), None, "{life:?}");
    }
}
