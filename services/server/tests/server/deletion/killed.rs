//! Servers that are killed while they delete jobs, and storage that does not answer meanwhile.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use bencher_jobs::JobId;
use bencher_server::store::Store;
use test_support::S3;
use tokio::sync::Notify;

use super::*;
use crate::outputs;

/// The objects of a job in the bucket.
fn in_bucket(s3: &S3, id: &str) -> usize {
    outputs::objects(s3, id).len()
}

#[test]
fn what_can_not_be_removed_now_is_removed_later_by_whoever_is_there() {
    let mut s3 = S3::start(outputs::BUCKET).unwrap();
    let mut site = Site::with(outputs::setup(&s3, &[]));
    let mut runner = site.connected("r");
    let (id, stays) = (ended(&site, &mut runner), ended(&site, &mut runner));
    // Of an attempt that was never named.
    let [object] = outputs::objects(&s3, &id).try_into().unwrap();
    std::fs::copy(&object, object.with_file_name("another.json")).unwrap();
    assert_eq!(in_bucket(&s3, &id), 2);
    s3.stop();
    assert_eq!(delete(&site.api, &id), 202);
    assert_is_gone(&site.api, &id);
    site.kill();
    s3.serve().unwrap();
    assert_eq!(in_bucket(&s3, &id), 2);
    // They are not old, so no sweep would look at them.
    site.start_again();
    outputs::wait_until("they are removed", || in_bucket(&s3, &id) == 0);
    assert_eq!(in_bucket(&s3, &stays), 1);
    assert_eq!(site.api.get(&format!("/v0/jobs/{stays}/results")), long());
}

#[test]
fn a_folder_that_is_away_is_not_taken_for_empty() {
    let mut site = Site::new();
    let mut runner = site.connected("r");
    let id = ended(&site, &mut runner);
    let (outputs, away) = (site.path("outputs"), site.path("away"));
    std::fs::rename(&outputs, &away).unwrap();
    assert_eq!(delete(&site.api, &id), 202);
    site.kill();
    std::fs::rename(&away, &outputs).unwrap();
    // What was being written when its server was killed is not listed.
    let draft = outputs.join("results").join(&id).join("1.json#1");
    std::fs::write(draft, "secret").unwrap();
    site.start_again();
    let folder = outputs.join("results").join(&id);
    outputs::wait_until("it is removed", || !folder.exists());
}

#[test]
fn a_job_that_can_not_be_deleted_keeps_its_results() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = ended(&site, &mut runner);
    let lock = outputs::lock(&site.path("server.sqlite"));
    let (status, message) = site.api.refused("DELETE", &path(&id), &json!(null));
    assert!(status >= 500, "{status} {message}");
    assert_eq!(site.api.job(&id)["state"], "processed");
    assert_eq!(site.api.get(&format!("/v0/jobs/{id}/results")), long());
    drop(lock);
    assert_eq!(delete(&site.api, &id), 204);
}

#[test]
fn results_on_their_way_when_their_job_is_deleted_are_removed() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    runner.claim();
    assert_eq!(runner.say("running"), "ack");
    // As if silence had ended it: its results are taken all the same.
    site.execute(&[
        "UPDATE jobs SET state = 'failed', reason = 'heartbeat_timeout', ended = 1",
        "UPDATE projects SET active = 0",
    ]);
    let job: JobId = id.parse().unwrap();
    let path = site.path("server.sqlite");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (is_deleted, may_commit) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let deleting = thread::spawn({
        let (is_deleted, may_commit) = (Arc::clone(&is_deleted), Arc::clone(&may_commit));
        move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let store = Store::open_file(&path).await.unwrap();
                let deleted = store.write(|mut transaction| async {
                    let done = transaction.delete_job(job).await;
                    is_deleted.notify_one();
                    may_commit.notified().await;
                    (transaction, done)
                });
                deleted.await.unwrap();
                store.close().await;
            });
        }
    });
    runtime.block_on(is_deleted.notified());
    runner.send(&json!({"event": "completed", "job": id, "results": long()}));
    outputs::wait_until("the result is written", || {
        objects(site.folder.path(), &id).len() == 1
    });
    may_commit.notify_one();
    deleting.join().unwrap();
    // Nobody else looks for what is left, then.
    site.execute(&["UPDATE deleted_jobs SET is_clean = 1"]);
    assert_eq!(runner.receive(), json!({"event": "ack", "job": id}));
    outputs::wait_until("it is removed", || {
        objects(site.folder.path(), &id).is_empty()
    });
    assert_is_gone(&site.api, &id);
}

#[test]
fn a_server_that_is_killed_among_deletions_leaves_whole_jobs_and_nothing_else() {
    let mut site = Site::new();
    let key = site.new_runner("r");
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    let jobs: Vec<_> = (0..24).map(|_| ended(&site, &mut runner)).collect();
    let mut gone = HashSet::new();
    for round in 0..3 {
        let (tell, told) = channel();
        let deleting = {
            let left: Vec<_> = jobs
                .iter()
                .filter(|id| !gone.contains(*id))
                .cloned()
                .collect();
            let api = site.api.clone();
            thread::spawn(move || {
                for id in left {
                    // It hangs up in the middle.
                    let Some((status, _)) = api.try_send("DELETE", &path(&id), None) else {
                        return;
                    };
                    assert_eq!(status, 204);
                    tell.send(id).unwrap();
                }
            })
        };
        // Three are acknowledged, and it is at another one.
        for _ in 0..=round + 2 {
            gone.insert(told.recv().unwrap());
        }
        site.kill();
        deleting.join().unwrap();
        gone.extend(told.try_iter());
        site.start_again();
        for id in &jobs {
            let (status, _) = site.api.send("GET", &path(id), None);
            if status == 404 {
                // This one may have been deleted without a word.
                gone.insert(id.clone());
                outputs::wait_until("it is removed", || {
                    objects(site.folder.path(), id).is_empty()
                });
            } else {
                assert!(!gone.contains(id), "what is acknowledged stays true");
                assert_eq!(site.api.get(&format!("/v0/jobs/{id}/results")), long());
            }
        }
    }
    assert!(gone.len() >= 12, "{}", gone.len());
}
