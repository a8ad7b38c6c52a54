//! Jobs that are deleted because they are old.

use test_support::S3;

use super::*;
use crate::outputs;
use crate::postgres::two_servers_with;

/// The machine's time is believed at once.
const SURE: [&str; 2] = ["--keep-jobs-until-sure", "0"];

/// A job that ended so many days ago.
fn age(site: &Site, id: &str, days: i64) {
    let now = bencher_jobs::Timestamp::now().milliseconds();
    let ended = now - days * 24 * 3_600_000;
    site.execute(&[&format!(
        "UPDATE jobs SET ended = {ended} WHERE id = '{id}'"
    )]);
}

fn is_there(api: &Api, id: &str) -> bool {
    api.send("GET", &path(id), None).0 == 200
}

/// A comparison of two jobs, both of which have ended.
fn compared(site: &Site, runner: &mut Runner) -> [String; 2] {
    let sides = [config(), config()];
    let body = json!({"project": "p", "spec": "s", "rounds": 1, "sides": sides});
    let made = site.api.post("/v0/comparisons", &body);
    let jobs = [0, 1].map(|place| made["jobs"][place].as_str().unwrap().to_owned());
    for id in &jobs {
        complete(runner, id);
        site.api.wait_for(id, &["processed"]);
    }
    jobs
}

#[test]
fn jobs_go_so_long_after_their_end() {
    let s3 = S3::start(outputs::BUCKET).unwrap();
    let mut site = Site::with(outputs::setup(&s3, &[]));
    let mut runner = site.connected("r");
    let (old, young) = (ended(&site, &mut runner), ended(&site, &mut runner));
    let canceled = site.submit();
    cancel(&site.api, &canceled);
    let (whole, half) = (compared(&site, &mut runner), compared(&site, &mut runner));
    let waits = site.submit();
    let running = runner.claim();
    assert_eq!(running["uuid"], waits.as_str());
    for id in [&old, &canceled, &whole[0], &whole[1], &half[1]] {
        age(&site, id, 8);
    }
    age(&site, &young, 6);
    // For ever, unless it is said.
    site.kill();
    site.start_again();
    assert!(is_there(&site.api, &old));
    site.kill();
    site.setup
        .environment
        .push(("BENCHER_SERVER_KEEP_JOBS", "7"));
    site.start_again();
    // The machine's time is not believed at once. There is a look before anything is said of it.
    let log = || std::fs::read_to_string(site.path("log")).unwrap();
    outputs::wait_until("it is put off", || {
        log().contains("no job is deleted for its age")
    });
    assert!(is_there(&site.api, &old));
    site.kill();
    site.setup.arguments.extend(SURE.map(str::to_owned));
    site.start_again();
    let go = [&old, &canceled, &whole[0], &whole[1]];
    outputs::wait_until("four are deleted", || deleted(&site.api, "age") == "4");
    for id in go {
        assert_is_gone(&site.api, id);
        outputs::wait_until("it is removed", || outputs::objects(&s3, id).is_empty());
    }
    for id in [&young, &half[0], &half[1], &waits] {
        assert!(is_there(&site.api, id), "{id}");
    }
    for id in [&young, &half[0], &half[1]] {
        assert_eq!(outputs::objects(&s3, id).len(), 1);
    }
    let log = std::fs::read_to_string(site.path("log")).unwrap();
    assert!(
        log.contains("jobs that ended long ago were deleted jobs=4"),
        "{log}"
    );
    let project = site.api.get("/v0/projects/p");
    assert_eq!(
        (&project["queued"], &project["active"]),
        (&json!(0), &json!(1))
    );
}

#[test]
fn two_servers_delete_each_job_once() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    // On a fast machine that many requests come too often.
    let setup = Setup::with(&["--rate-limit", "10000"]);
    let (mut site, second, folder) = two_servers_with(&postgres, setup);
    let mut runner = site.connected("r");
    let jobs: Vec<_> = (0..3).flat_map(|_| compared(&site, &mut runner)).collect();
    let stays = ended(&site, &mut runner);
    // More than go at once.
    let many: Vec<_> = (0..150).map(|_| site.submit()).collect();
    for id in &many {
        cancel(&site.api, id);
    }
    second.kill();
    site.kill();
    site.execute(&[&format!("UPDATE jobs SET ended = 1 WHERE id <> '{stays}'")]);
    site.setup.arguments = ["--keep-jobs", "1", SURE[0], SURE[1]]
        .map(str::to_owned)
        .into();
    let second = Server::start(folder.path(), &site.setup);
    site.start_again();
    let count = |api: &Api| deleted(api, "age").parse::<usize>().unwrap();
    let other = site.api.at(&second.url);
    let all = jobs.len() + many.len();
    outputs::wait_until("all are deleted", || {
        count(&site.api) + count(&other) >= all
    });
    assert_eq!(count(&site.api) + count(&other), all);
    for id in &jobs {
        assert_is_gone(&other, id);
        outputs::wait_until("it is removed", || {
            objects(site.folder.path(), id).is_empty()
        });
    }
    assert_eq!(
        site.api.get("/v0/jobs")["items"].as_array().unwrap().len(),
        1
    );
    assert_eq!(other.get(&format!("/v0/jobs/{stays}/results")), long());
    for folder in [site.folder.path(), folder.path()] {
        let log = std::fs::read_to_string(folder.join("log")).unwrap();
        assert!(!log.contains("trying again later"), "{log}");
    }
}
