//! What commands write while they run, for those who watch.

use serde_json::Value;
use test_support::Postgres;

use crate::postgres::two_servers;
use crate::support::*;

/// A runner at work that may send live output.
fn at_work(url: &str, key: &str) -> (Runner, Value) {
    let mut runner = Runner::connect(url, "r", key).unwrap();
    runner.ready_for_output();
    let job = runner.receive();
    assert_eq!(job["live_output"], true, "{job}");
    assert_eq!(runner.say("running"), "ack");
    (runner, job["uuid"].clone())
}

#[test]
fn output_is_seen_as_it_comes_and_after_the_runner_came_back() {
    let site = Site::new();
    let key = site.new_runner("r");
    let url = &site.server().url;
    let id = site.submit();
    let (mut runner, job) = at_work(url, &key);
    runner.write(&job, "one ");
    assert_eq!(runner.say("heartbeat"), "ack");
    let mut watcher = Watcher::of(&site.api, &id);
    watcher.sees("one [RUNNING]");
    runner.write(&job, "two ");
    watcher.sees("two ");
    // It does not say again what it can: it is at work.
    drop(runner);
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    assert_eq!(runner.say("heartbeat"), "ack");
    runner.write(&job, "three ");
    watcher.sees("two three ");
    let other = Value::from("00000000-0000-0000-0000-000000000000");
    runner.write(&other, "somebody else's");
    runner.write(&job, "four ");
    watcher.sees("three four ");
    // Whoever comes late sees what was before.
    Watcher::of(&site.api, &id).sees("one two three four [RUNNING]");
    runner.write(&job, "end");
    runner.complete(&job);
    watcher.sees("[PROCESSED]");
    assert!(watcher.seen.contains("four end["), "{}", watcher.seen);
}

#[test]
fn output_is_seen_at_another_server() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let (site, second, _folder) = two_servers(&postgres);
    let (first, key) = (&site.server().url, site.new_runner("r"));
    let elsewhere = site.api.at(&second.url);
    let id = site.submit();
    // Before there is anything to see.
    let mut early = Watcher::of(&elsewhere, &id);
    early.sees("[PENDING]");
    let (mut runner, job) = at_work(first, &key);
    early.sees("[RUNNING]");
    runner.write(&job, "one ");
    early.sees("one ");
    // More than a notification holds, and nothing of it twice.
    let long = "two\u{0}\"\\é ".repeat(2000);
    runner.write(&job, &long);
    early.sees(&format!("one {long}"));
    let mut late = Watcher::of(&elsewhere, &id);
    late.sees(&format!("one {long}[RUNNING]"));
    // The runner goes to the other server, and whoever watches at the first one goes on seeing.
    let mut here = Watcher::of(&site.api, &id);
    here.sees(&format!("one {long}[RUNNING]"));
    drop(runner);
    let mut runner = Runner::connect(&second.url, "r", &key).unwrap();
    assert_eq!(runner.say("heartbeat"), "ack");
    runner.write(&job, "three ");
    early.sees("three ");
    late.sees("three ");
    here.sees("three ");
    for number in 0..100 {
        runner.write(&job, &format!("{number} "));
    }
    runner.complete(&job);
    here.sees("[PROCESSED]");
    early.sees("[PROCESSED]");
    // Where the runner is, all is seen. The other server may be told of the end before the last pieces,
    // but sees none of them twice, and none before an earlier one.
    let seen = &early.seen;
    assert!(
        seen.contains("three 0 1 ") && seen.contains(" 98 99 ["),
        "{seen}"
    );
    let (_, pieces) = here.seen.rsplit_once("three ").unwrap();
    let (pieces, _) = pieces.split_once('[').unwrap();
    let numbers: Vec<u32> = pieces
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{pieces}");
    assert!(second.stop());
}
