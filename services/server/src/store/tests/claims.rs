//! Who gets which job, out of many.

use std::collections::{BTreeMap, BTreeSet};

use bencher_jobs::{Assignment, Candidate, assign};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;

const PROJECTS: usize = 5;
const SPECS: usize = 3;
const RUNNERS: usize = 6;
const JOBS: usize = 80;
const ROUNDS: usize = 40;

/// A fleet with a queue, and what is known of it beside the database.
struct Fleet {
    store: Store,
    projects: Vec<ProjectId>,
    runners: Vec<Waiting>,
    waiting: Vec<Candidate>,
    at_work: Vec<(RunnerId, JobId)>,
    random: TestRunner,
}

impl Fleet {
    fn draw<T: std::fmt::Debug>(&mut self, strategy: impl Strategy<Value = T>) -> T {
        let drawn = strategy.new_tree(&mut self.random).expect("a value");
        drawn.current()
    }

    async fn found(store: &Store) -> Self {
        let mut fleet = Self {
            store: store.clone(),
            projects: Vec::new(),
            runners: Vec::new(),
            waiting: Vec::new(),
            at_work: Vec::new(),
            random: TestRunner::deterministic(),
        };
        let mut specs = Vec::new();
        for number in 0..SPECS {
            specs.push(spec(store, &format!("s{number}")).await);
        }
        for number in 0..PROJECTS {
            let id = project(store, &format!("p{number}")).await;
            let quota = Quota {
                queued: 1000,
                active: fleet.draw(1..4_u32),
                priority: 2,
            };
            let mut transaction = store.begin().await.expect("a transaction");
            transaction.set_quota(id, &quota).await.expect("set");
            transaction.commit().await.expect("committed");
            fleet.projects.push(id);
        }
        for number in 0..RUNNERS {
            let own = fleet.draw(prop::sample::subsequence(specs.clone(), 1..=SPECS));
            let one = runner(store, &format!("r{number}"), own[0]).await;
            fleet.runners.push(waiting(&own, one));
        }
        for _ in 0..JOBS {
            let place = fleet.draw(0..PROJECTS);
            let project = fleet.projects[place];
            let spec = fleet.draw(prop::sample::select(specs.clone()));
            let priority = fleet.draw(0..3_u8);
            let job = NewJob {
                priority,
                ..new_job(spec)
            };
            let mut transaction = store.begin().await.expect("a transaction");
            let submitted = transaction.submit(project, &[job], 1000).await;
            transaction.commit().await.expect("committed");
            fleet.waiting.push(Candidate {
                job: submitted.expect("room")[0],
                project,
                spec,
                priority,
                bound_to: None,
            });
        }
        fleet
    }

    /// What the rule makes of everything that waits.
    async fn expected(&self, all: &[Waiting]) -> Vec<Assignment> {
        let idle: Vec<Idle> = all.iter().map(|one| one.idle.clone()).collect();
        let mut shares = BTreeMap::new();
        for id in &self.projects {
            let project = self.store.project(&id.to_string()).await.expect("known");
            shares.insert(*id, project.share());
        }
        assign(&idle, &self.waiting, &shares, Timestamp::now())
    }

    /// Some who have nothing to do ask for jobs.
    fn asking(&mut self) -> Vec<Waiting> {
        let busy: BTreeSet<RunnerId> = self.at_work.iter().map(|&(runner, _)| runner).collect();
        let mut all = self.runners.clone();
        all.retain(|one| !busy.contains(&one.idle.runner));
        let count = all.len();
        self.draw(prop::sample::subsequence(all, 0..=count))
    }

    /// Some of those at work are done.
    async fn finish(&mut self) {
        let all = self.at_work.clone();
        let count = all.len();
        let done = self.draw(prop::sample::subsequence(all, 0..=count));
        for &(runner, job) in &done {
            let attached = Attached::default();
            for what in [Report::Running, Report::Completed] {
                hear(&self.store, &[report(runner, job, what, &attached)]).await;
            }
        }
        self.at_work.retain(|one| !done.contains(one));
    }
}

#[tokio::test]
async fn what_is_given_out_is_what_the_rule_says_of_all_that_waits() {
    install_default_drivers();
    for place in places().await {
        let mut fleet = Fleet::found(&place.store).await;
        let mut given = 0;
        for round in 0..ROUNDS {
            let all = fleet.asking();
            let expected = fleet.expected(&all).await;
            let mut handed: Vec<(RunnerId, JobId)> = claim(&place.store, &all)
                .await
                .into_iter()
                .map(|one| (one.runner, one.job.id))
                .collect();
            let mut pairs: Vec<_> = expected.iter().map(|one| (one.runner, one.job)).collect();
            handed.sort_unstable();
            pairs.sort_unstable();
            assert_eq!(handed, pairs, "round {round}");
            given += handed.len();
            fleet
                .waiting
                .retain(|one| !handed.iter().any(|&(_, job)| job == one.job));
            fleet.at_work.extend(handed);
            fleet.finish().await;
        }
        assert!(given > JOBS / 2, "{given} of {JOBS}");
    }
}

/// One machine, and projects whose jobs are done before the next one is asked for.
#[tokio::test]
async fn projects_take_turns_at_one_machine() {
    install_default_drivers();
    for place in places().await {
        let spec = spec(&place.store, "s").await;
        let mut of = HashMap::new();
        for (slug, count) in [("many", 4), ("few", 2), ("one", 1)] {
            let project = project(&place.store, slug).await;
            submit_for(&place.store, project, spec, count).await;
            of.insert(project, slug);
        }
        let one = runner(&place.store, "r", spec).await;
        let mut order = Vec::new();
        for _ in 0..7 {
            let handed = claim(&place.store, &[waiting(&[spec], one)]).await;
            let [handed] = &handed[..] else {
                panic!("one machine, one job");
            };
            order.push(of[&handed.job.project]);
            let attached = Attached::default();
            for what in [Report::Running, Report::Completed] {
                hear(
                    &place.store,
                    &[report(one.0, handed.job.id, what, &attached)],
                )
                .await;
            }
        }
        assert_eq!(order, ["many", "few", "one", "many", "few", "many", "many"]);
    }
}

#[tokio::test]
async fn nothing_of_a_comparison_that_begins_meanwhile_is_ahead_of_its_first_job() {
    for place in places().await {
        let store = &place.store;
        let (spec, p) = (spec(store, "s").await, project(store, "p").await);
        let sides = compare(store, p, spec, 4).await;
        let machine = runner(store, "m", spec).await;
        let before = store.job(sides[0]).await.expect("it");
        claim(store, &[waiting(&[spec], machine)]).await;
        let found = store.prospects(&before, Timestamp::now()).await;
        assert_eq!(found.expect("it").ahead, 0);
        // To another one it is.
        let other = submit_for(store, p, spec, 1).await[0];
        let other = store.job(other).await.expect("it");
        let found = store.prospects(&other, Timestamp::now()).await;
        assert_eq!(found.expect("it").ahead, 3);
    }
}

#[tokio::test]
async fn all_that_is_bound_to_a_machine_that_goes_fails_however_much_it_is() {
    for place in places().await {
        let store = &place.store;
        let (spec, p) = (spec(store, "s").await, project(store, "p").await);
        let (runner, _) = runner(store, "m", spec).await;
        let count = 2500;
        submit_for(store, p, spec, count).await;
        sqlx::query("UPDATE jobs SET bound_to = $1")
            .bind(runner.to_string())
            .execute(&store.writers)
            .await
            .expect("written");
        store
            .write(|mut transaction| async {
                let done = transaction.archive_runner(runner).await;
                (transaction, done)
            })
            .await
            .expect("archived");
        let states = store.count_states().await.expect("counted");
        assert_eq!(states, [(State::Failed, 2500)]);
        assert_eq!(store.project("p").await.expect("it").queued, 0);
    }
}
