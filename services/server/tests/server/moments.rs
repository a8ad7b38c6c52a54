//! A server is killed in the very moment in which results arrive, again and again.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::Postgres;

use crate::postgres::two_servers;
use crate::support::*;

const ROUNDS: u32 = 12;
const RUNNERS: usize = 4;

/// A runner whose job is over.
struct AtWork {
    slug: String,
    key: String,
    connection: Runner,
    job: String,
}

impl AtWork {
    /// Gets a job of the server at `url` and runs it.
    fn begin(url: &str, slug: &str, key: &str) -> Self {
        let mut connection = Runner::connect(url, slug, key).unwrap();
        let job = connection.claim()["uuid"].as_str().unwrap().to_owned();
        assert_eq!(connection.say("running"), "ack");
        Self {
            slug: slug.to_owned(),
            key: key.to_owned(),
            connection,
            job,
        }
    }

    /// Tells the end, and says whether it was acknowledged.
    fn tell(&mut self) -> bool {
        let message = json!({
            "event": "completed", "job": self.job, "results": results(&self.job),
        });
        let answer = self.connection.try_say(&message);
        answer.is_some_and(|answer| answer["event"] == "ack")
    }
}

/// What a job has written, which is short or long.
fn results(job: &str) -> Value {
    let is_long = job.as_bytes().last().is_some_and(|digit| digit % 2 == 0);
    json!([{"exit_code": 0, "stdout": job.repeat(if is_long { 3000 } else { 1 })}])
}

/// All tell their ends at once, and so long after that the server is killed. Returns those who were not
/// answered.
fn kill_while_results_arrive(server: Server, runners: Vec<AtWork>, after: Duration) -> Vec<AtWork> {
    let start = Barrier::new(runners.len() + 1);
    thread::scope(|scope| {
        let telling: Vec<_> = runners
            .into_iter()
            .map(|mut runner| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    (!runner.tell()).then_some(runner)
                })
            })
            .collect();
        start.wait();
        let begun = Instant::now();
        while begun.elapsed() < after {
            std::hint::spin_loop();
        }
        server.kill();
        let told = telling.into_iter();
        told.filter_map(|runner| runner.join().unwrap()).collect()
    })
}

/// The next moment: where all were answered an earlier one, where none was a later one, and else anywhere
/// near it.
fn next_moment(last: Duration, unanswered: usize) -> Duration {
    match unanswered {
        0 => last.mul_f64(0.3 + 0.5 * fastrand::f64()),
        RUNNERS => last.mul_f64(1.2 + fastrand::f64()),
        _ => last.mul_f64(0.8 + 0.4 * fastrand::f64()),
    }
}

/// Every job ran once, has its own results, and nothing is counted that is over.
fn none_is_lost(site: &Site, ran: &BTreeMap<String, u32>, jobs: &[String]) {
    assert!(ran.values().all(|&times| times == 1), "{ran:?}");
    assert_eq!(ran.len(), jobs.len());
    for id in jobs {
        site.api.wait_for(id, &["processed"]);
        let kept = site.api.get(&format!("/v0/jobs/{id}/results"));
        assert!(kept == results(id), "{id}");
    }
    let project = site.api.get("/v0/projects/p");
    assert_eq!(
        (&project["queued"], &project["active"]),
        (&json!(0), &json!(0))
    );
}

/// `round` kills the server at which these are and returns those that were not answered, and where they find
/// a server then.
fn again_and_again(
    site: &mut Site,
    mut at: impl FnMut(&Site) -> String,
    mut round: impl FnMut(&mut Site, Vec<AtWork>, Duration) -> (Vec<AtWork>, String),
) {
    let keys: Vec<_> = (0..RUNNERS)
        .map(|number| {
            let slug = format!("r{number}");
            let key = site.new_runner(&slug);
            (slug, key)
        })
        .collect();
    let (mut jobs, mut ran) = (Vec::new(), BTreeMap::new());
    let mut moment = Duration::from_millis(2);
    for _ in 0..ROUNDS {
        jobs.extend((0..RUNNERS).map(|_| site.submit()));
        let url = at(site);
        let begun: Vec<_> = keys
            .iter()
            .map(|(slug, key)| AtWork::begin(&url, slug, key))
            .collect();
        for runner in &begun {
            *ran.entry(runner.job.clone()).or_default() += 1;
        }
        let (unanswered, url) = round(site, begun, moment);
        println!("after {moment:?}: {} were not answered", unanswered.len());
        moment = next_moment(moment, unanswered.len());
        for mut runner in unanswered {
            runner.connection = Runner::connect(&url, &runner.slug, &runner.key).unwrap();
            assert!(runner.tell(), "{} is not acknowledged", runner.job);
        }
    }
    none_is_lost(site, &ran, &jobs);
}

#[test]
fn a_server_is_killed_while_results_arrive() {
    let mut site = Site::new();
    again_and_again(
        &mut site,
        |site| site.server().url.clone(),
        |site, runners, moment| {
            let server = site.server.take().expect("it runs");
            let unanswered = kill_while_results_arrive(server, runners, moment);
            site.start_again();
            (unanswered, site.server().url.clone())
        },
    );
}

#[test]
fn one_of_two_servers_is_killed_while_results_arrive() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let (mut site, second, folder) = two_servers(&postgres);
    let second = std::cell::RefCell::new(Some(second));
    again_and_again(
        &mut site,
        |site| {
            let mut second = second.borrow_mut();
            let second = second.get_or_insert_with(|| Server::start(folder.path(), &site.setup));
            second.url.clone()
        },
        |site, runners, moment| {
            let server = second.take().expect("it runs");
            // The other one has been there all the time.
            let unanswered = kill_while_results_arrive(server, runners, moment);
            (unanswered, site.server().url.clone())
        },
    );
}
