use std::collections::HashSet;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp::from_milliseconds(1000);

fn runner(number: u128) -> RunnerId {
    RunnerId::from_uuid(Uuid::from_u128(number))
}

fn project(number: u128) -> ProjectId {
    ProjectId::from_uuid(Uuid::from_u128(number))
}

fn spec(number: u128) -> SpecId {
    SpecId::from_uuid(Uuid::from_u128(number))
}

fn idle(number: u128, specs: &[u128], since: i64) -> Idle {
    Idle {
        runner: runner(number),
        specs: specs.iter().copied().map(spec).collect(),
        since: Timestamp::from_milliseconds(since),
    }
}

/// A job of project `whose`, on spec 1.
fn job(number: u128, whose: u128, priority: u8) -> Candidate {
    Candidate {
        job: JobId::from_uuid(Uuid::from_u128(number)),
        project: project(whose),
        spec: spec(1),
        priority,
        bound_to: None,
    }
}

fn shares(of: &[(u128, u32, u32)]) -> BTreeMap<ProjectId, Share> {
    of.iter()
        .map(|&(number, active, limit)| (project(number), share(active, limit, 0)))
        .collect()
}

fn share(active: u32, limit: u32, served: i64) -> Share {
    Share {
        active,
        limit,
        served: Timestamp::from_milliseconds(served),
    }
}

/// Who got what, by number.
fn assigned(
    idle: &[Idle],
    candidates: &[Candidate],
    shares: &BTreeMap<ProjectId, Share>,
) -> Vec<(u128, u128)> {
    assign(idle, candidates, shares, NOW)
        .into_iter()
        .map(|one| (one.runner.uuid().as_u128(), one.job.uuid().as_u128()))
        .collect()
}

#[test]
fn priority_then_fairness_then_age() {
    let three = [idle(1, &[1], 0), idle(2, &[1], 1), idle(3, &[1], 2)];
    let all = shares(&[(1, 0, 9), (2, 0, 9)]);
    let table: &[(&str, Vec<Candidate>, Vec<u128>)] = &[
        (
            "age",
            vec![job(30, 1, 0), job(10, 1, 0), job(20, 1, 0)],
            vec![10, 20, 30],
        ),
        (
            "priority",
            vec![job(10, 1, 0), job(20, 1, 2), job(30, 1, 1)],
            vec![20, 30, 10],
        ),
        (
            "a project with many older jobs",
            vec![
                job(10, 1, 0),
                job(11, 1, 0),
                job(12, 1, 0),
                job(20, 2, 0),
                job(21, 2, 0),
            ],
            vec![10, 20, 11],
        ),
        (
            "priority before fairness",
            vec![job(10, 1, 1), job(11, 1, 1), job(12, 1, 1), job(20, 2, 0)],
            vec![10, 11, 12],
        ),
        ("fewer than runners", vec![job(10, 1, 0)], vec![10]),
        ("a job twice", vec![job(10, 1, 0), job(10, 1, 0)], vec![10]),
        ("none", vec![], vec![]),
    ];
    for (case, candidates, expected) in table {
        let jobs: Vec<_> = assigned(&three, candidates, &all)
            .into_iter()
            .map(|(_, job)| job)
            .collect();
        assert_eq!(jobs, *expected, "{case}");
    }
}

#[test]
fn projects_that_have_less_come_first() {
    let one = [idle(1, &[1], 0)];
    let candidates = [job(10, 1, 0), job(20, 2, 0)];
    let at_work = shares(&[(1, 3, 9), (2, 2, 9)]);
    assert_eq!(assigned(&one, &candidates, &at_work), [(1, 20)]);
}

#[test]
fn projects_take_turns_on_one_machine() {
    let one = [idle(1, &[1], 0)];
    let mut waiting: Vec<_> = (10..14).map(|number| job(number, 1, 0)).collect();
    waiting.extend([job(20, 2, 0), job(21, 2, 0), job(30, 3, 0)]);
    let mut shares = shares(&[(1, 0, 9), (2, 0, 9), (3, 0, 9)]);
    let mut order = Vec::new();
    for now in 1..=7 {
        let now = Timestamp::from_milliseconds(now);
        let [next] = assign(&one, &waiting, &shares, now)[..] else {
            panic!("one machine, one job");
        };
        order.push(next.job.uuid().as_u128());
        waiting.retain(|candidate| candidate.job != next.job);
        // It is done before the next one is asked for.
        take(&mut shares, next.project, now);
        shares.get_mut(&next.project).expect("known").active -= 1;
    }
    assert_eq!(order, [10, 20, 30, 11, 21, 12, 13]);
}

#[test]
fn a_turn_is_nothing_before_priority_and_before_what_is_at_work() {
    let one = [idle(1, &[1], 0)];
    let mut both = shares(&[(1, 0, 9), (2, 0, 9)]);
    both.get_mut(&project(1)).expect("known").served = Timestamp::from_milliseconds(5);
    let important = [job(10, 1, 1), job(20, 2, 0)];
    assert_eq!(assigned(&one, &important, &both), [(1, 10)]);
    let alike = [job(10, 1, 0), job(20, 2, 0)];
    assert_eq!(assigned(&one, &alike, &both), [(1, 20)]);
    both.get_mut(&project(2)).expect("known").active = 1;
    assert_eq!(assigned(&one, &alike, &both), [(1, 10)]);
}

#[test]
fn a_quota_is_not_passed() {
    let three = [idle(1, &[1], 0), idle(2, &[1], 0), idle(3, &[1], 0)];
    let candidates = [job(10, 1, 9), job(11, 1, 9), job(20, 2, 0)];
    let limited = shares(&[(1, 1, 2), (2, 0, 9)]);
    assert_eq!(assigned(&three, &candidates, &limited), [(1, 10), (2, 20)]);
    // An unknown project gets nothing.
    assert_eq!(assigned(&three, &candidates, &shares(&[])), []);
}

#[test]
fn the_most_special_runner_then_the_one_that_waited_longest() {
    let three = [idle(1, &[1, 2], 0), idle(2, &[1], 9), idle(3, &[1], 5)];
    let mut other = job(10, 1, 0);
    other.spec = spec(2);
    let candidates = [job(11, 1, 0), job(12, 1, 0), other];
    assert_eq!(
        assigned(&three, &candidates, &shares(&[(1, 0, 9)])),
        [(1, 10), (3, 11), (2, 12)]
    );
    let mut nobody = job(13, 1, 0);
    nobody.spec = spec(3);
    assert_eq!(assigned(&three, &[nobody], &shares(&[(1, 0, 9)])), []);
}

#[test]
fn a_comparison_stays_on_its_machine_and_comes_first() {
    let two = [idle(1, &[1], 0), idle(2, &[1], 1)];
    let mut bound = job(50, 1, 0);
    bound.bound_to = Some(runner(2));
    let mut later = job(51, 1, 0);
    later.bound_to = Some(runner(2));
    let mut elsewhere = job(1, 1, 9);
    elsewhere.bound_to = Some(runner(7));
    let candidates = [job(10, 1, 9), later, bound, elsewhere];
    assert_eq!(
        assigned(&two, &candidates, &shares(&[(1, 0, 9)])),
        [(2, 50), (1, 10)]
    );
    // At its quota it does not hold the machine up either.
    let candidates = [candidates[1].clone(), job(20, 2, 0)];
    assert_eq!(
        assigned(&two[1..], &candidates, &shares(&[(1, 4, 4), (2, 0, 1)])),
        [(2, 20)]
    );
}

#[test]
fn what_is_bound_and_can_not_run_holds_up_nothing_else_that_is_bound() {
    let machine = [idle(1, &[1], 0)];
    let bound = |number, whose, on| Candidate {
        spec: spec(on),
        bound_to: Some(runner(1)),
        ..job(number, whose, 0)
    };
    // The oldest has no room, the next one is on a spec that the machine can not run any more.
    let candidates = [
        bound(10, 1, 1),
        bound(11, 2, 2),
        bound(12, 2, 1),
        job(5, 2, 9),
    ];
    let at_work = shares(&[(1, 4, 4), (2, 0, 9)]);
    assert_eq!(assigned(&machine, &candidates, &at_work), [(1, 12)]);
}

prop_compose! {
    fn a_candidate()(
        number in 1..200u128,
        whose in 1..5u128,
        on in 1..4u128,
        priority in 0..3u8,
        bound_to in prop::option::weighted(0.2, 1..12u128),
    ) -> Candidate {
        Candidate {
            project: project(whose),
            spec: spec(on),
            bound_to: bound_to.map(runner),
            // One job has one project, spec and so on.
            ..job(number * 1000 + whose * 100 + on * 10 + u128::from(priority), whose, priority)
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_given_wrongly_and_nothing_is_left_lying(
        candidates in prop::collection::vec(a_candidate(), 0..60),
        specs in prop::collection::vec(prop::collection::vec(1..4u128, 0..3), 0..12),
        limits in prop::collection::vec((0..4u32, 0..6u32), 4),
    ) {
        let mut seen = HashSet::new();
        let candidates: Vec<_> = candidates
            .into_iter()
            .filter(|one| seen.insert(one.job))
            .collect();
        let runners: Vec<_> = (1..)
            .zip(&specs)
            .map(|(number, specs)| idle(number, specs, 0))
            .collect();
        let shares: BTreeMap<_, _> = (1..)
            .zip(limits)
            .map(|(number, (active, limit))| (project(number), share(active, limit, 0)))
            .collect();
        let assignments = assign(&runners, &candidates, &shares, NOW);
        let jobs: HashSet<_> = assignments.iter().map(|one| one.job).collect();
        let takers: HashSet<_> = assignments.iter().map(|one| one.runner).collect();
        prop_assert_eq!(jobs.len(), assignments.len());
        prop_assert_eq!(takers.len(), assignments.len());
        let mut after = shares.clone();
        for one in &assignments {
            let candidate = candidates.iter().find(|c| c.job == one.job).expect("a candidate");
            let taker = runners.iter().find(|r| r.runner == one.runner).expect("a runner");
            prop_assert!(taker.specs.contains(&candidate.spec));
            prop_assert!(candidate.bound_to.is_none_or(|bound| bound == one.runner));
            prop_assert_eq!(one.project, candidate.project);
            take(&mut after, one.project, NOW);
        }
        for (project, share) in &after {
            let before = shares[project];
            prop_assert!(share.active <= before.active.max(share.limit));
        }
        // Whoever still waits could not have run any of what still waits.
        for rest in candidates.iter().filter(|one| !jobs.contains(&one.job)) {
            let could = runners.iter().any(|one| {
                !takers.contains(&one.runner)
                    && one.specs.contains(&rest.spec)
                    && rest.bound_to.is_none_or(|bound| bound == one.runner)
            });
            prop_assert!(!could || !after[&rest.project].has_room(), "{rest:?}");
        }
    }
}
