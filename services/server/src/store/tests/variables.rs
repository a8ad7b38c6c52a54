//! Variables that were submitted before any were sealed.

use super::*;
use crate::seal::Sealer;
use crate::variables::{open, seal_old};

/// What none of the files of a database may hold.
const SECRET: &str = "hunter2-0123456789";

fn sealer(folder: &TempDir) -> Sealer {
    Sealer::open(&folder.path().join("secrets.key")).expect("a key")
}

/// Jobs more than are sealed at once, whose variables are kept as they are.
async fn plain_jobs(store: &Store) -> Vec<JobId> {
    let (project, spec) = (project(store, "p").await, spec(store, "s").await);
    let jobs = submit_for(store, project, spec, 150).await;
    let config = format!("{{\"digest\":\"d\",\"env\":{{\"A\":\"{SECRET}\"}}}}");
    sqlx::query("UPDATE configs SET config = $1, variables = ''")
        .bind(config)
        .execute(&store.writers)
        .await
        .expect("written");
    jobs
}

#[tokio::test]
async fn two_servers_seal_what_is_kept_as_it_is() {
    for place in places().await {
        let store = &place.store;
        let folder = tempfile::tempdir().expect("a folder");
        let sealer = sealer(&folder);
        let jobs = plain_jobs(store).await;
        let read = store.config(jobs[0]).await.expect("it can be read");
        assert!(read.text.contains(SECRET) && read.sealed.is_none());
        let other = Store::open(&place.url).await.expect("another server");
        let (one, two) = tokio::join!(seal_old(store, &sealer), seal_old(&other, &sealer));
        assert_eq!(one.expect("sealed") + two.expect("sealed"), 150);
        for job in jobs {
            let kept = store.config(job).await.expect("it");
            assert_eq!(kept.text, "{\"digest\":\"d\",\"env\":{\"A\":\"\"}}");
            let opened = open(&sealer, job, &kept).expect("its own");
            assert_eq!(opened.expect("some")["A"], SECRET);
        }
        assert_eq!(seal_old(&other, &sealer).await.expect("nothing"), 0);
        other.close().await;
    }
}

/// Whether any file has it, the log among them.
fn has_secret(folder: &TempDir) -> bool {
    let files = std::fs::read_dir(folder.path()).expect("a folder");
    files.into_iter().any(|file| {
        let bytes = std::fs::read(file.expect("a file").path()).expect("its bytes");
        bytes
            .windows(SECRET.len())
            .any(|part| part == SECRET.as_bytes())
    })
}

#[tokio::test]
async fn a_database_of_the_first_version_has_its_variables_sealed() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = file_url(&folder.path().join("old"));
    let config = format!("{{\"env\":{{\"A\":\"{SECRET}\"}}}}");
    let id = old_database(&url, &config).await;
    assert!(has_secret(&folder), "it is there before");
    let store = Store::open(&url).await.expect("brought up to date");
    let plain = store.plain_configs(9).await.expect("one");
    assert_eq!(plain, [(id, config)]);
    seal_old(&store, &sealer(&folder)).await.expect("sealed");
    assert!(store.empty_log().await.expect("emptied"));
    assert!(!has_secret(&folder));
}

#[tokio::test]
async fn what_an_older_server_writes_into_newer_tables_is_sealed_too() {
    for place in places().await {
        let store = &place.store;
        let folder = tempfile::tempdir().expect("a folder");
        let sealer = sealer(&folder);
        let (project, spec) = (project(store, "p").await, spec(store, "s").await);
        let jobs = submit_for(store, project, spec, 4).await;
        assert_eq!(store.plain_configs(9).await.expect("none"), []);
        let secret = format!("{{\"env\":{{\"A\":\"{SECRET}\"}}}}");
        let configs = [&secret, "{\"env\":{}}", "{\"cmd\":[\"\\\"env\\\"\"]}"];
        for (job, config) in jobs.iter().zip(configs) {
            sqlx::query("UPDATE configs SET config = $1, variables = NULL WHERE job = $2")
                .bind(config.to_owned())
                .bind(job.to_string())
                .execute(&store.writers)
                .await
                .expect("written");
        }
        assert_eq!(seal_old(store, &sealer).await.expect("sealed"), 1);
        let kept = store.config(jobs[0]).await.expect("it");
        assert!(!kept.text.contains(SECRET));
        let opened = open(&sealer, jobs[0], &kept).expect("its own");
        assert_eq!(opened.expect("some")["A"], SECRET);
        for (job, config) in jobs[1..3].iter().zip(&configs[1..]) {
            let kept = store.config(*job).await.expect("it");
            assert_eq!((kept.text.as_str(), kept.sealed), (*config, None));
        }
        // The next start has nothing to look at.
        assert_eq!(store.plain_configs(9).await.expect("none"), []);
    }
}

#[tokio::test]
async fn who_reads_keeps_the_log_and_nobody_waits_for_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open_file(&folder.path().join("db"))
        .await
        .expect("a database");
    let mut reader = store.readers.acquire().await.expect("a connection");
    for query in ["BEGIN", "SELECT COUNT(*) FROM jobs"] {
        sqlx::query(query)
            .execute(&mut *reader)
            .await
            .expect("done");
    }
    project(&store, "p").await;
    assert!(!store.empty_log().await.expect("it is tried"));
    // The connection is as patient as before with others.
    let row = sqlx::query("PRAGMA busy_timeout")
        .fetch_one(&store.writers)
        .await
        .expect("a row");
    assert_eq!(
        row::number::<i64>(&row, "timeout").expect("a number"),
        10_000
    );
    sqlx::query("COMMIT")
        .execute(&mut *reader)
        .await
        .expect("done");
    assert!(store.empty_log().await.expect("emptied"));
}
